"""Masters: the plain-text source of a topic, read into cells.

A master is a Python file in percent format (one cell after each ``# %%`` line, as jupytext reads it). Short
keys on that line say what a cell is for::

    # %% [markdown]                          prose
    # %% setup=true                          locked: imports and given code
    # %% parameters=true                     the cell papermill overrides
    # %% answer="conv2d"                     what the student writes
    # %% check="conv2d"                      locked: the public check
    # %% test="conv2d" part="stride" points=2    locked: hidden tests
    # %% test="relu_" points=1 in_place=true     the same, of calls that are meant to change their arguments
    # %% helper="conv2d"                     hidden: what several tests of an exercise share
    # %% helper=true                         the same for the tests of all exercises
    # %% [markdown] manual="essay" points=4  graded by hand

An assignment starts with a header, TOML in the comment block of PEP 723 (``# /// course`` … ``# ///``); a
lecture may. Its table ``[promises]`` is the course's own: what its tests hold the topic to.
``misconceptions.py`` is a percent file as well, read by `grading.course.variants`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import jupytext

from grading.errors import MasterError

SOLUTION = ("### BEGIN SOLUTION", "### END SOLUTION")
HIDDEN_TESTS = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")
MARK_SCHEME = ("### BEGIN MARK SCHEME", "### END MARK SCHEME")

ROLES = ("setup", "parameters", "answer", "check", "helper", "test", "manual")
"""Keys that decide what a cell is; a cell has at most one of them."""

KEYS: Mapping[str, type | tuple[type, ...]] = {
    "setup": bool,
    "parameters": bool,
    "answer": str,
    "check": str,
    "helper": (str, bool),
    "test": str,
    "manual": str,
    "part": str,
    "points": (int, float),
    "slide": str,
    "facts": str,
    "keep": bool,
    "in_place": bool,
    "misconception": str,
    "alternative": str,
    "name": str,
    "of": str,
}

_HEADER = re.compile(r"(?m)^# /// course\s*$\n(?P<body>(?:^#(?: .*)?$\n)+?)^# ///\s*$\n")


@dataclass(frozen=True)
class Exercise:
    """One row of a header: what an exercise is worth and what it may not call."""

    id: str
    points: float
    minutes: int = 0
    forbidden: tuple[str, ...] = ()
    manual: bool = False


@dataclass(frozen=True)
class Header:
    """What a topic promises before its first cell; `promises` is carried and not read here."""

    topic: str
    title: str
    minutes: int
    objectives: tuple[str, ...]
    exercises: tuple[Exercise, ...]
    promises: Mapping[str, Any] = field(default_factory=dict)

    @property
    def points(self) -> float:
        """Points graded by tests; the manual ones come on top."""
        return sum(exercise.points for exercise in self.exercises if not exercise.manual)


@dataclass(frozen=True)
class Cell:
    """One cell of a master: its type, its text with all markers, and its keys."""

    kind: Literal["code", "markdown"]
    source: str
    keys: Mapping[str, str | int | float | bool]

    @property
    def role(self) -> str | None:
        """The one key of ``ROLES`` this cell has, or None for a free cell."""
        return next((role for role in ROLES if role in self.keys), None)

    @property
    def exercise(self) -> str | None:
        """The exercise this cell belongs to, where its role names one."""
        value = self.keys.get(self.role) if self.role else None
        return value if isinstance(value, str) else None

    @property
    def points(self) -> float:
        """Points of a test or manual cell, 0 elsewhere."""
        return float(self.keys.get("points", 0))

    @property
    def grade_id(self) -> str | None:
        """The name nbgrader knows the cell by; setup cells are numbered by whoever writes them out."""
        part = f"-{self.keys['part']}" if "part" in self.keys else ""
        if self.exercise is None:
            return f"helper{part}" if self.role == "helper" else None
        prefix = {"check": "check-", "helper": "helper-", "test": "test-"}.get(self.role or "", "")
        return f"{prefix}{self.exercise}{part}"


@dataclass(frozen=True)
class Master:
    """A master read: where it lies, its header (assignments only) and its cells in order."""

    path: Path
    header: Header | None
    cells: tuple[Cell, ...]

    def with_role(self, role: str) -> tuple[Cell, ...]:
        """The cells of one role, in order."""
        return tuple(cell for cell in self.cells if cell.role == role)


def read_master(path: Path | str) -> Master:
    """Read an assignment or a lecture.

    Raises:
        MasterError: The header is not TOML or lacks a key, or a cell has an unknown or contradictory key.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    found = _HEADER.search(text)
    header = _read_header(found["body"], path) if found else None
    if found:
        text = text[: found.start()] + text[found.end() :]
    return Master(path, header, read_cells(text, path))


def read_cells(text: str, path: Path) -> tuple[Cell, ...]:
    """The cells of a percent file without its header, empty ones left out.

    Raises:
        MasterError: A cell has an unknown or contradictory key, or markers that do not come in pairs.
    """
    notebook = jupytext.reads(text, fmt="py:percent")
    cells: list[Cell] = []
    for number, raw in enumerate(notebook.cells, start=1):
        if raw.cell_type == "raw" or not raw.source.strip():
            continue
        keys = {key: value for key, value in raw.metadata.items() if key != "lines_to_next_cell"}
        _refuse_bad_keys(keys, f"{path}, cell {number}")
        _refuse_open_markers(raw.source, f"{path}, cell {number}")
        cells.append(Cell(kind=raw.cell_type, source=raw.source, keys=keys))
    return tuple(cells)


def solved_source(cell: Cell) -> str:
    """The cell as the instructor runs it: markers gone, what they enclose kept."""
    markers = {*SOLUTION, *HIDDEN_TESTS, *MARK_SCHEME}
    return "\n".join(line for line in cell.source.splitlines() if line.strip() not in markers)


def hidden_regions(cell: Cell) -> tuple[str, ...]:
    """What no student may see: the text between each pair of markers, without them; all of a helper cell."""
    if cell.role == "helper":
        return (cell.source,)
    regions: list[str] = []
    for begin, end in (SOLUTION, HIDDEN_TESTS, MARK_SCHEME):
        inside: list[str] | None = None
        for line in cell.source.splitlines():
            if line.strip() == begin:
                inside = []
            elif line.strip() == end and inside is not None:
                regions.append("\n".join(inside))
                inside = None
            elif inside is not None:
                inside.append(line)
    return tuple(regions)


def _read_header(body: str, path: Path) -> Header:
    text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines())
    try:
        table = tomllib.loads(text)
        exercises = tuple(
            Exercise(
                id=name,
                points=float(row["points"]),
                minutes=int(row.get("minutes", 0)),
                forbidden=tuple(row.get("forbidden", ())),
                manual=bool(row.get("manual", False)),
            )
            for name, row in table.get("exercises", {}).items()
        )
        return Header(
            topic=table["topic"],
            title=table["title"],
            minutes=int(table["minutes"]),
            objectives=tuple(table["objectives"]),
            exercises=exercises,
            promises=table.get("promises", {}),
        )
    except tomllib.TOMLDecodeError as error:
        raise MasterError(
            f"the header is not TOML ({error})", path, "mend the '# /// course' block"
        ) from error
    except KeyError as error:
        raise MasterError(f"the header lacks {error}", path, "add it to the '# /// course' block") from error


def _refuse_bad_keys(keys: Mapping[str, object], where: str) -> None:
    for key, value in keys.items():
        expected = KEYS.get(key)
        if expected is None:
            raise MasterError(f"unknown key {key!r}", where, f"the known keys are {', '.join(KEYS)}")
        takes_bool = expected is bool or (isinstance(expected, tuple) and bool in expected)
        if not isinstance(value, expected) or (isinstance(value, bool) and not takes_bool):
            raise MasterError(
                f"{key}={value!r} has the wrong type", where, 'write points=2, setup=true, test="id"'
            )
    roles = [role for role in ROLES if role in keys]
    if len(roles) > 1:
        raise MasterError(f"a cell has one role, this one has {' and '.join(roles)}", where, "split it")
    if keys.get("helper") is False:
        raise MasterError("helper=false says nothing", where, 'write helper=true, or helper="id"')
    if "in_place" in keys and "test" not in keys:
        raise MasterError(
            "in_place belongs to test cells", where, "move it to the test whose calls change their arguments"
        )
    if ("points" in keys) != bool({"test", "manual"} & keys.keys()):
        raise MasterError(
            "points belong to test and manual cells, and each of them needs points",
            where,
            "add or remove points",
        )


def _refuse_open_markers(source: str, where: str) -> None:
    for begin, end in (SOLUTION, HIDDEN_TESTS, MARK_SCHEME):
        order = [line.strip() for line in source.splitlines() if line.strip() in (begin, end)]
        if order != [begin, end] * (len(order) // 2):
            raise MasterError(f"'{begin}' and '{end}' do not come in pairs", where, "close each region")
