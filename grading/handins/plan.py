"""From a tree of hand-ins to jobs: one for every student, whatever was or was not handed in.

The tree is nbgrader's: `submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb` under the course's tree. Nothing a
student can put there raises an exception; it becomes a job whose result says what is wrong.
"""

import dataclasses
import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from grading.config import Config
from grading.errors import SubmissionError
from grading.handins.original import read_original
from grading.handins.tree import (
    check_built,
    files_path,
    find_notebook,
    names_in,
    release_path,
    source_path,
    submitted_path,
)
from grading.records import ENGINE_VERSION, Job
from grading.text import listed, shown

MAX_BYTES = 128_000_000
"""Enough for a hundred megabytes of output that somebody forgot to clear; outputs are not read."""


def plan(config: Config, assignment: str) -> list[Job]:
    """The jobs of an assignment in the order of the students' names.

    Raises:
        SubmissionError: The assignment was not built, or there is no folder of hand-ins.
        UsageError: There is no such assignment.
    """
    check_built(config, assignment)
    source, released = source_path(config, assignment), release_path(source_path(config, assignment))
    submitted = submitted_path(config).resolve()
    if not submitted.is_dir():
        raise SubmissionError("there are no hand-ins", submitted, f"put them there as STUDENT/{assignment}/…")
    files = files_path(config, assignment)
    parts = (source, released) if files is None else (source, released, files)
    course = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in parts)
    folders = [path for path in submitted.iterdir() if path.is_dir() or path.is_symlink()]
    excluded = config.foreign.excluded if config.foreign else ()
    students = sorted(path.name for path in folders if path.name[0] != "." and path.name not in excluded)
    name = read_original(source).name or assignment
    readable = (*config.warm.readable, *([] if files is None else [str(files)]))
    warm = dataclasses.replace(config.warm, readable=readable)
    notebook = Path(f"{name}.ipynb")
    made = Job("", assignment, notebook, source, "", config.limits, config.check_mime, warm, files)
    return [_job(made, student, submitted, course) for student in students]


def problem_with(job: Job) -> str | None:
    """Why this file cannot be read as a hand-in, in a sentence; None when it can."""
    try:
        return _problem_with(job)
    except OSError as error:
        return f"The hand-in cannot be read ({error.strerror}); correct its permissions."
    except RuntimeError:  # pathlib's word for links that lead in a circle
        return LINK


LINK = "The hand-in is a symbolic link; a link is not followed."


def _problem_with(job: Job) -> str | None:
    folder, name = job.notebook.parent, shown(job.notebook.name)
    if job.notebook.resolve() != job.notebook.absolute():
        return LINK
    if job.notebook.is_file():
        if not os.access(job.notebook, os.R_OK, effective_ids=True):
            return f"{name} cannot be read; correct the file's permissions."
        size = job.notebook.stat().st_size
        too_much = f"{name} has {size / 1e6:.0f} MB, more than the {MAX_BYTES / 1e6:.0f} MB that are read."
        return None if size <= MAX_BYTES else too_much
    if os.path.lexists(job.notebook):
        return f"{name} is not a file."
    if os.path.lexists(folder) and not folder.is_dir():
        return f"{shown(folder.name)} is not a folder with a notebook in it."
    if others := names_in(folder):
        return f"There is no {name}; the folder holds {listed(others)}."
    if stray := _strays(folder.parent, job.source):
        return f"There is no folder {shown(folder.name)}; the student's folder holds {listed(stray)}."
    return "Nothing was handed in."


def _strays(folder: Path, source: Path) -> list[str]:
    """What lies in a student's folder and belongs to no assignment."""
    assignments = set(names_in(source.parents[1]))
    return [name for name in names_in(folder) if name not in assignments and name[0] != "."]


def _job(made: Job, student: str, submitted: Path, course: bytes) -> Job:
    """The job of a student; `made` has what all of them have, and the name of the notebook."""
    notebook = _found(submitted / student / made.assignment, made.notebook.stem)
    job = dataclasses.replace(made, student=student, notebook=notebook)
    settings = json.dumps(
        [
            student,
            job.assignment,
            notebook.name,
            asdict(job.limits),
            asdict(job.warm),
            job.check_mime,
            ENGINE_VERSION,
        ]
    )
    digest = hashlib.sha256()
    for part in (course, _digest(job), settings.encode()):
        digest.update(part)
    return dataclasses.replace(job, content_hash=digest.hexdigest())


def _found(folder: Path, name: str) -> Path:
    try:
        return find_notebook(folder, name)
    except OSError:  # a folder that cannot be read; `problem_with` says so
        return folder / f"{name}.ipynb"


def _digest(job: Job) -> bytes:
    """Of the hand-in's bytes, or of the reason why there are none."""
    if (problem := problem_with(job)) is not None:
        return hashlib.sha256(problem.encode()).digest()
    try:
        with job.notebook.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        return hashlib.sha256(repr(error).encode()).digest()
