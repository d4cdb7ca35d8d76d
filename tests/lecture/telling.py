"""What the tests of all lectures share: lists of facts, numbers in a text, what a lecture prints."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from grading.course.masters import Cell, Master, read_master
from tests.helpers import ROOT

Facts = dict[str, dict[str, Any]]


def listed(topic: str) -> Facts:
    """The facts of a topic, by id: kind, what the slides give, what counting gives, the verdict.

    Where the right value of an erratum is looked up and not counted, `right` holds it.
    """
    text = (Path(__file__).parent / f"facts_{topic}.json").read_text(encoding="utf-8")
    return {fact["id"]: fact for fact in json.loads(text)}


def lecture_of(folder: str) -> Master:
    """A lecture's master, by the name of its folder."""
    return read_master(ROOT / "solutions" / folder / "lecture.py")


def facts_of(cell: Cell) -> list[str]:
    return str(cell.keys.get("facts", "")).split()


def told_in(lecture: Master) -> set[str]:
    return {fact for cell in lecture.cells for fact in facts_of(cell)}


def numbers(value: Any) -> list[float]:
    """All numbers in a nested value, truth values left out."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [n for part in value for n in numbers(part)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def numbers_in(text: str) -> set[float]:
    """The numbers a reader finds in a text: 240,000,000 is one of them, 28x28 holds two."""
    return {float(n) for n in re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3})", "", text))}


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
