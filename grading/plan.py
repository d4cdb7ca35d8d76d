"""From a tree of hand-ins to jobs: one for every student, whatever was or was not handed in.

The tree is nbgrader's: `submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb` under the course's tree. Nothing a
student can put there raises an exception; it becomes a job whose result says what is wrong.
"""

import dataclasses
import hashlib
import json
import os
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from grading.config import Config
from grading.errors import SubmissionError
from grading.records import Job

MAX_BYTES = 128_000_000
"""Enough for a hundred megabytes of output that somebody forgot to clear; outputs are not read."""

NAMES_SHOWN, NAME_LENGTH = 5, 80
ENGINE = "two-processes-4"
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
    folders = [path for path in submitted.iterdir() if path.is_dir() or path.is_symlink()]
    students = sorted(path.name for path in folders if path.name[0] != ".")
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
    if os.path.lexists(expected):
        return expected
    others = [name for name in _names(folder) if name.lower().endswith(".ipynb") and name[0] != "."]
    return folder / others[0] if len(others) == 1 else expected


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
    if others := _names(folder):
        return f"There is no {name}; the folder holds {_listed(others)}."
    if stray := _strays(folder.parent, job.source):
        return f"There is no folder {shown(folder.name)}; the student's folder holds {_listed(stray)}."
    return "Nothing was handed in."


def shown(text: str, most: int = NAME_LENGTH) -> str:
    """A name or a sentence for people to read: nothing in it moves the cursor or turns the line around."""
    kept = "".join(f"\\u{ord(letter):04x}" if _is_unseemly(letter) else letter for letter in text[: most + 1])
    return kept if len(text) <= most else f"{kept[:most]}…"


def _is_unseemly(letter: str) -> bool:
    """Whether it is a control character, turns the direction of writing, or is half a character."""
    return (
        unicodedata.category(letter) in ("Cc", "Cs")
        or letter in "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )


def _names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def _strays(folder: Path, source: Path) -> list[str]:
    """What lies in a student's folder and belongs to no assignment."""
    assignments = set(_names(source.parents[1]))
    return [name for name in _names(folder) if name not in assignments and name[0] != "."]


def _listed(names: Iterable[str]) -> str:
    names = [shown(name) for name in names]
    more = [f"{len(names) - NAMES_SHOWN} more"] if len(names) > NAMES_SHOWN else []
    return ", ".join([*names[:NAMES_SHOWN], *more])


def _job(config: Config, assignment: str, student: str, submitted: Path, source: Path, course: bytes) -> Job:
    notebook = _found(submitted / student / assignment, assignment)
    job = Job(student, assignment, notebook, source, "", config.limits, config.check_mime, config.warm)
    settings = json.dumps(
        [
            student,
            assignment,
            notebook.name,
            asdict(config.limits),
            asdict(config.warm),
            config.check_mime,
            ENGINE,
        ]
    )
    digest = hashlib.sha256()
    for part in (course, _digest(job), settings.encode()):
        digest.update(part)
    return dataclasses.replace(job, content_hash=digest.hexdigest())


def _found(folder: Path, assignment: str) -> Path:
    try:
        return find_notebook(folder, assignment)
    except OSError:  # a folder that cannot be read; `problem_with` says so
        return folder / f"{assignment}.ipynb"


def _digest(job: Job) -> bytes:
    """Of the hand-in's bytes, or of the reason why there are none."""
    if (problem := problem_with(job)) is not None:
        return hashlib.sha256(problem.encode()).digest()
    try:
        with job.notebook.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        return hashlib.sha256(repr(error).encode()).digest()
