"""From a tree of hand-ins to jobs: one for every student, whatever was or was not handed in.

The tree is nbgrader's: `submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb` under the course's tree. Nothing a
student can put there raises an exception; it becomes a job whose result says what is wrong.
"""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from grading.config import Config
from grading.errors import SubmissionError
from grading.records import Job

MAX_BYTES = 100_000_000
ENGINE = "nbclient-1"
"""The version of what runs and judges a hand-in; changing it makes every stored result stale."""


def plan(config: Config, assignment: str) -> list[Job]:
    """The jobs of an assignment in the order of the students' names.

    Raises:
        SubmissionError: The assignment was not built, or there is no folder of hand-ins.
    """
    source, released = source_path(config, assignment), release_path(source_path(config, assignment))
    for path in (source, released):
        if not path.is_file():
            known = sorted(folder.name for folder in (config.tree / "source").glob("*/"))
            fix = (
                f"run `grading build`, or name one of {', '.join(known)}" if known else "run `grading build`"
            )
            raise SubmissionError(f"there is no notebook of the assignment {assignment!r}", path, fix)
    submitted = (config.tree / "submitted").resolve()
    if not submitted.is_dir():
        raise SubmissionError("there are no hand-ins", submitted, f"put them there as STUDENT/{assignment}/…")
    course = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in (source, released))
    students = sorted(path.name for path in submitted.iterdir() if path.is_dir() and path.name[0] != ".")
    return [_job(config, assignment, student, submitted, source, course) for student in students]


def source_path(config: Config, assignment: str) -> Path:
    """The course's own notebook, hidden tests included."""
    return config.tree.resolve() / "source" / assignment / f"{assignment}.ipynb"


def release_path(source: Path) -> Path:
    """The notebook as students got it, which stands beside its source in nbgrader's tree."""
    return source.parents[2] / "release" / source.parent.name / source.name


def find_notebook(folder: Path, assignment: str) -> Path:
    """The notebook in a student's folder: of the right name, or else the only one there is."""
    expected = folder / f"{assignment}.ipynb"
    others = sorted(folder.glob("*.ipynb")) if folder.is_dir() else []
    return others[0] if not expected.exists() and len(others) == 1 else expected


def problem_with(job: Job) -> str | None:
    """Why this file cannot be read as a hand-in, in a sentence; None when it can."""
    folder = job.notebook.parent
    if job.notebook.resolve() != job.notebook.absolute():
        return "The hand-in is a symbolic link; a link is not followed."
    if job.notebook.is_file():
        if not os.access(job.notebook, os.R_OK):
            return f"{job.notebook.name} cannot be read; correct the file's permissions."
        size = job.notebook.stat().st_size
        return None if size <= MAX_BYTES else f"{job.notebook.name} has {size / 1e6:.0f} MB."
    if job.notebook.exists():
        return f"{job.notebook.name} is not a file."
    others = sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []
    if not others:
        return "Nothing was handed in."
    return f"There is no {job.notebook.name}; the folder holds {', '.join(others[:5])}."


def _job(config: Config, assignment: str, student: str, submitted: Path, source: Path, course: bytes) -> Job:
    notebook = find_notebook(submitted / student / assignment, assignment)
    job = Job(student, assignment, notebook, source, "", config.limits, config.check_mime)
    problem = problem_with(job)
    handin = problem.encode() if problem else notebook.read_bytes()
    settings = json.dumps(
        [student, assignment, notebook.name, asdict(config.limits), config.check_mime, ENGINE]
    )
    digest = hashlib.sha256()
    for part in (course, hashlib.sha256(handin).digest(), settings.encode()):
        digest.update(part)
    return Job(student, assignment, notebook, source, digest.hexdigest(), config.limits, config.check_mime)
