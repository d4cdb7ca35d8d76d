"""The values that pass between the stages of grading, and their JSON.

plan makes `Job`s, run turns a `Job` into a `Result` of `CellResult`s, record and report read
`Result`s. All are frozen and picklable. `to_json` and `from_json` are inverse to each other; the
text carries a version, and a version we cannot read is refused by name, never guessed at.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from grading.errors import RecordError

VERSION = 1

ENGINE_VERSION = "two-processes-6"
"""Of what runs and judges a hand-in; changing it makes every stored result stale."""


class Status(StrEnum):
    """How a hand-in, or one cell of it, came out; `grading/commands/report.py` has a sign for each."""

    PASSED = "passed"  # full points
    PARTIAL = "partial"  # some points
    FAILED = "failed"  # the answer ran and is wrong
    ERROR = "error"  # the answer raised an exception
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    KILLED = "killed"  # the process ended itself or was ended by a signal
    NOT_REACHED = "not_reached"  # something before it ended the run
    MISSING = "missing"  # the cell, or the whole notebook, is not in the hand-in
    TAMPERED = "tampered"  # a locked cell was changed
    INFRASTRUCTURE_ERROR = "infrastructure_error"  # our fault; run again, never scored zero


@dataclass(frozen=True)
class Limits:
    """What one hand-in may use: seconds a cell and in all, mebibytes of memory and of disk, processes."""

    cell_seconds: float = 60.0
    job_seconds: float = 600.0
    memory_mb: int = 8192
    scratch_mb: int = 256
    processes: int = 64


@dataclass(frozen=True)
class Operators:
    """Operators of torch that are forbidden.

    name: a regular expression for the whole name, such as "aten::conv2d". where: names of arguments and the
    values that they must have.
    """

    name: str
    where: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Forbidden:
    """One word.

    what: completes "this exercise forbids ...". instead: a sentence. use: what a use costs, "zero" or "flag".
    operators: of torch. functions: dotted names of functions of Python. hidden: packages that no hand-in
    finds. modules: what a public check does not let be imported; of no use here.
    """

    word: str
    what: str
    instead: str = ""
    use: str = "zero"
    operators: tuple[Operators, ...] = ()
    functions: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class Warmth:
    """What hand-ins find imported, and how they are shut in.

    preload: modules that are imported once. readable: files and folders of the course that its notebooks
    read. contexts: functions such as "coursekit.check.forbid" whose contexts a test enters here and that
    must hold where the student's code runs. forbidden: the words that they are given. sandbox: "full", or
    "limits" for a machine that cannot give more.
    """

    preload: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    sandbox: str = "full"
    forbidden: tuple[Forbidden, ...] = ()


@dataclass(frozen=True)
class Job:
    """One hand-in to be run.

    notebook: the student's file. source: the course's own, hidden tests included.
    content_hash: of the hand-in and of everything else that decides the result.
    check_mime: the MIME type under which public checks leave their result in a cell's outputs.
    warm: what the process imports that the hand-in's processes are forked from, and what they may do.
    files: an archive of the course's files that lie beside the notebook where it runs.
    seed: of the numbers that tests draw; None to draw one for this run.
    """

    student: str
    assignment: str
    notebook: Path
    source: Path
    content_hash: str
    limits: Limits = field(default_factory=Limits)
    check_mime: str = ""
    warm: "Warmth" = field(default_factory=lambda: Warmth())
    files: Path | None = None
    seed: int | None = None


@dataclass(frozen=True)
class CellResult:
    """One graded cell: its nbgrader grade_id, points, and a sentence when it lost some.

    manual: a person grades it; `score` is then what stands so far, and says nothing.
    """

    grade_id: str
    status: Status
    score: float
    max_score: float
    says: str = ""
    seconds: float = 0.0
    manual: bool = False


@dataclass(frozen=True)
class Result:
    """What became of one hand-in.

    notes: sentences for staff and student. diagnoses: exercise -> names of the misconceptions met.
    needs_human: why a person has to look at it, or None.
    seed: of the numbers that the tests have drawn; with the same one everything comes out the same again.
    """

    student: str
    assignment: str
    status: Status
    score: float
    max_score: float
    cells: tuple[CellResult, ...] = ()
    notes: tuple[str, ...] = ()
    diagnoses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    needs_human: str | None = None
    seconds: float = 0.0
    content_hash: str = ""
    seed: int | None = None


def exercise_of(grade_id: str, exercises: Iterable[str]) -> str:
    """The exercise a graded cell belongs to: "test-conv2d-stride" to "conv2d" where that is one of them.

    A cell that matches none is an exercise of its own, as in any nbgrader course.
    """
    name = grade_id.removeprefix("test-").removeprefix("check-").removeprefix("helper-")
    matching = [exercise for exercise in exercises if name == exercise or name.startswith(f"{exercise}-")]
    return max(matching, key=len) if matching else grade_id


def to_json(record: Job | Result) -> str:
    """The record as one line of JSON with its kind and version; equal records give equal text."""
    fields = {name: _plain(value) for name, value in vars(record).items()}
    return json.dumps(
        {"record": type(record).__name__, "version": VERSION, **fields}, sort_keys=True, ensure_ascii=False
    )


def from_json(text: str, *, where: object = "the record") -> Job | Result:
    """The record that `to_json` wrote.

    where: what to name in an error, usually the file.
    Raises RecordError when the text is not such a record, or its version is not one we read.
    """
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise RecordError(f"this is not JSON ({error})", where, _RERUN) from None
    if not isinstance(fields, dict) or "record" not in fields:
        raise RecordError('this is not a job or a result: it has no "record" key', where, _RERUN)
    kind, version = fields.pop("record"), fields.pop("version", None)
    if version != VERSION:
        raise RecordError(
            f"the record has version {version!r}, this grading reads {VERSION}", where, _UPGRADE
        )
    try:
        return _READERS[kind](fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(
            f"not a well-formed {kind} ({type(error).__name__}: {error})", where, _RERUN
        ) from None


_RERUN = "delete it and run the assignment again"
_UPGRADE = "read it with the version of grading that wrote it, or delete it and run the assignment again"


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value):
        return {name: _plain(item) for name, item in vars(value).items()}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _read_job(fields: dict[str, Any]) -> Job:
    paths = {name: Path(fields[name]) for name in ("notebook", "source")}
    given = fields["warm"]
    lists = {name: tuple(given[name]) for name in ("preload", "readable", "contexts")}
    words = tuple(map(_read_word, given["forbidden"]))
    warm = Warmth(**{**given, **lists, "forbidden": words})
    paths |= {"files": Path(fields["files"])} if fields.get("files") else {}
    return Job(**{**fields, **paths, "limits": Limits(**fields["limits"]), "warm": warm})


def _read_word(table: dict[str, Any]) -> Forbidden:
    """A word, as JSON has it."""
    lists = {name: tuple(table[name]) for name in ("functions", "modules", "hidden")}
    rows = [
        Operators(row["name"], tuple((one, value) for one, value in row["where"]))
        for row in table["operators"]
    ]
    return Forbidden(**{**table, **lists, "operators": tuple(rows)})


def _read_cell(fields: dict[str, Any]) -> CellResult:
    return CellResult(**{**fields, "status": Status(fields["status"])})


def _read_result(fields: dict[str, Any]) -> Result:
    return Result(
        **{
            **fields,
            "status": Status(fields["status"]),
            "cells": tuple(_read_cell(cell) for cell in fields["cells"]),
            "notes": tuple(fields["notes"]),
            "diagnoses": {exercise: tuple(names) for exercise, names in fields["diagnoses"].items()},
        }
    )


_READERS: Mapping[str, Callable[[dict[str, Any]], Job | Result]] = {"Job": _read_job, "Result": _read_result}
