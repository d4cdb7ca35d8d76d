"""Notebooks of a few cells, run in a student's process and its judge as a hand-in is."""

from collections.abc import Callable
from dataclasses import dataclass, field

import nbformat
import pytest

from grading.config import load_config
from grading.engine.supervise import CellRun, execute, tasks_of
from grading.records import Job, Limits, Status, Warmth
from tests.grading.border.cells import Cell, tests_in
from tests.helpers import ROOT

WARM = Warmth(
    preload=("numpy", "torch", "coursekit.check"),
    contexts=("coursekit.check.forbid",),
    forbidden=load_config(ROOT / "course.toml").warm.forbidden,
)
SETUP = """
import copy, math
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
"""


@dataclass(frozen=True)
class Outcome:
    """How one cell came out: passed, or name and message of what it raised; the number it ended in."""

    run: CellRun | None
    printed: str = ""
    outputs: list = field(default_factory=list)

    @property
    def error(self) -> str:
        """Empty when the cell ran to its end."""
        if self.run is None:
            return "it was not run"
        if self.run.status is not None:
            return f"{self.run.status}: {self.run.says}"
        return f"{self.run.error[0]}: {self.run.error[1]}" if self.run.error else ""

    @property
    def status(self) -> Status | None:
        return self.run.status if self.run else None

    @property
    def value(self) -> float | None:
        return self.run.value if self.run else None


Runs = Callable[..., list[Outcome]]


@pytest.fixture
def run(tmp_path) -> Runs:
    """Runs cells one after another and gives the outcome of each."""

    def run_cells(*cells: Cell, cell_seconds: float = 30.0) -> list[Outcome]:
        notebook, released = nbformat.v4.new_notebook(), {}
        for number, cell in enumerate(cells):
            node = nbformat.v4.new_code_cell(cell.source)
            if cell.kind != "free":
                test = cell.kind in ("helper", "test", "in place")
                node.metadata["nbgrader"] = {
                    "grade_id": f"cell-{number}",
                    "grade": test,
                    "locked": cell.kind != "answer",
                    "solution": cell.kind == "answer",
                    "schema_version": 3,
                    "task": False,
                    **({"points": int(cell.kind != "helper")} if test else {}),
                }
            if cell.kind == "in place":
                node.metadata["grading"] = {"in_place": True}
            if cell.released is not None:
                released[f"cell-{number}"] = cell.released
            notebook.cells.append(node)
        source = tmp_path / "source.ipynb"
        source.write_text(nbformat.writes(notebook))
        job = Job("student", "a", source, source, "", Limits(cell_seconds=cell_seconds), "", WARM)
        ran = execute(notebook, tasks_of(notebook, released), job)
        return [
            Outcome(
                ran.cells.get(number), "".join(item.get("text", "") for item in node.outputs), node.outputs
            )
            for number, node in enumerate(notebook.cells)
        ]

    return run_cells


Judged = Callable[..., list[str]]


@pytest.fixture
def judged(run) -> Judged:
    """What each test said about an answer: empty where it passed."""

    def judge(answer: str, *tests: str, setup: str = "") -> list[str]:
        cells = [Cell("locked", SETUP + setup), Cell("answer", answer)]
        before, student, *outcomes = run(*cells, *(cell for text in tests for cell in tests_in(text)))
        assert (before.error, student.error) == ("", "")
        return [outcome.error for outcome in outcomes]

    return judge


@pytest.fixture
def passes(judged) -> Callable[..., None]:
    """Asserts that every test passes on an answer."""

    def check(answer: str, *tests: str, setup: str = "") -> None:
        sources = [cell.source for text in tests for cell in tests_in(text)]
        said = judged(answer, *tests, setup=setup)
        wrong = [f"{error}\n{source}" for error, source in zip(said, sources, strict=True) if error]
        assert not wrong, "\n\n".join(wrong)

    return check
