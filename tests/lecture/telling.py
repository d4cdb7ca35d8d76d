"""What the tests of all lectures share: what has to be told, numbers in a text, what a lecture prints."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import types
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import pytest
import torch

from coursekit.facts import Result, claims, recompute
from grading.course.masters import Cell, Master, read_master
from tests.helpers import ROOT

UNITS = {"thousand": 10**3, "million": 10**6, "billion": 10**9}


@cache
def results(topic: str) -> dict[str, Result]:
    """The facts of a topic, `"01"`, recomputed, by id."""
    return {result.fact.id: result for result in recompute(topic)}


def to_tell(topic: str) -> dict[str, Any]:
    """By id of a fact or claim, what the lecture has to tell: its numbers, words, or None."""
    told = {fact: _to_tell(result) for fact, result in results(topic).items()}
    return told | {claim.id: claim.shown for claim in claims(topic)}


def _to_tell(result: Result) -> Any:
    fact = result.fact
    if fact.shown is not None:
        return fact.shown
    return fact.right if fact.right is not None else result.value


def number_of(folder: str) -> str:
    """The two digits of a topic: `"01"` of `"01_convolution"`."""
    return folder[:2]


def lecture_of(folder: str) -> Master:
    """A lecture's master, by the name of its folder."""
    return read_master(ROOT / "solutions" / folder / "lecture.py")


def masters_of(folder: str) -> list[Master]:
    """The masters that tell a topic's facts: the lecture, and the experiments where there are some."""
    paths = [ROOT / "solutions" / folder / name for name in ("lecture.py", "experiments.py")]
    return [read_master(path) for path in paths if path.is_file()]


def facts_of(cell: Cell) -> list[str]:
    return str(cell.keys.get("facts", "")).split()


def told_in(masters: Iterable[Master]) -> set[str]:
    return {fact for master in masters for cell in master.cells for fact in facts_of(cell)}


def numbers(value: Any) -> list[float]:
    """All numbers in a nested value, truth values left out."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [n for part in value for n in numbers(part)]
    number = isinstance(value, int | float | Decimal | Fraction) and not isinstance(value, bool)
    return [float(value)] if number else []


def numbers_in(text: str) -> set[float]:
    """The numbers a reader finds in a text: 240,000,000 is one of them, 28x28 holds two."""
    return {float(n) for n in re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3})", "", text))}


def written_out(number: float, unit: str) -> float:
    """60.9 million as 60,900,000."""
    return float(Decimal(repr(number)) * UNITS.get(unit, 1))


def missing(wanted: Any, text: str, unit: str = "") -> list[float]:
    """The numbers that a text does not hold, neither as they are nor written out."""
    there = numbers_in(text)
    return [number for number in numbers(wanted) if not {number, written_out(number, unit)} & there]


def disagreements(topic: str, counted: Mapping[str, Any]) -> dict[str, Any]:
    """Facts and claims for which a count of the tests' own is not what the lecture has to tell.

    A count is a number or a nested list of them, a word, or whether something holds.
    """
    told, found = to_tell(topic), {}
    for fact, count in counted.items():
        unit = results(topic)[fact].fact.unit if fact in results(topic) else ""
        ours, theirs = numbers(count), numbers(told[fact])
        if ours:
            alike = ours in (theirs, [written_out(n, unit) for n in theirs])
        else:
            alike = count is True or count == told[fact]
        if not alike:
            found[fact] = count, told[fact]
    return found


def out(width: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Output width as the number of places where a window fits, counted one by one."""
    return len(range(0, width + 2 * padding - kernel + 1, stride))


def what_is_printed(lecture: Master) -> dict[str, str]:
    """What the kept cells print, by fact. They need nothing but the setup cells and each other."""
    threads = torch.get_num_threads()
    texts: dict[str, str] = {}
    module = types.ModuleType("lecture_cells")
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setitem(sys.modules, module.__name__, module)  # a dataclass looks its module up
    try:
        for cell in lecture.cells:
            if cell.kind == "code" and (cell.role in ("setup", "parameters") or cell.keys.get("keep")):
                stdout = io.StringIO()
                with contextlib.redirect_stdout(stdout):
                    exec(compile(cell.source, f"<lecture: {cell.source[:40]!r}>", "exec"), vars(module))
                for fact in facts_of(cell) if cell.keys.get("keep") else ():
                    texts[fact] = texts.get(fact, "") + stdout.getvalue()
    finally:
        monkeypatch.undo()
        torch.set_num_threads(threads)
    return texts
