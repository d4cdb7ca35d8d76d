"""Every notebook runs, in a real kernel and in its time; the lecture's kept outputs are what it prints.

Each notebook runs once: the lecture under nbval in a kernel started from nothing, as at a student's; the
solved assignment under papermill in a warm kernel, which does not wait for the same imports again.
"""

import os
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import papermill
import pytest

from tests.helpers import ROOT, TOPICS, run_tool

pytestmark = [pytest.mark.notebooks, pytest.mark.slow]

LECTURE_SECONDS, ASSIGNMENT_SECONDS, CELL_SECONDS = 90, 120, 10
# The budgets of a quiet machine, which COURSE_TIME_SLACK=1 holds notebooks to; what is six times as slow is broken on any.
SLACK = float(os.environ.get("COURSE_TIME_SLACK", "6"))


@pytest.fixture
def warm_kernel(monkeypatch) -> str:
    """The name of the kernel that is forked from a process of this test run."""
    monkeypatch.setenv("JUPYTER_PATH", str(ROOT / "grading" / "jupyter"))
    return "warm"


def run_warm(source: Path, folder: Path, kernel: str) -> nbformat.NotebookNode:
    """Run a notebook with budget="ci" in a folder of its own."""
    target, parameters = folder / "executed.ipynb", {"budget": "ci"}
    return papermill.execute_notebook(
        source, target, parameters, kernel_name=kernel, cwd=folder, progress_bar=False
    )


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("topic", TOPICS)
def test_the_lecture_runs_in_time_and_prints_what_was_kept(topic, tmp_path, record_property):
    lecture, times = ROOT / "notebooks" / topic / f"{topic}_lecture.ipynb", tmp_path / "times.xml"
    settings = ["-c", os.devnull, "--rootdir", str(tmp_path), "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    nbval = ["--nbval-lax", "--nbval-cell-timeout", "900", "--junit-xml", str(times)]
    ran = run_tool("python", "-m", "pytest", *settings, *nbval, str(lecture), cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout[-4000:]
    cells = [float(cell.get("time")) for cell in ElementTree.parse(times).iter("testcase")]
    assert len(cells) == len(code_cells(lecture))
    total, slowest = sum(cells), max(cells)
    record_property("measured", f"{topic} lecture: {total:.1f} s, slowest cell {slowest:.1f} s")
    assert total <= LECTURE_SECONDS * SLACK
    assert slowest <= CELL_SECONDS * SLACK


@pytest.mark.parametrize("topic", TOPICS)
def test_the_solved_assignment_runs_in_time(topic, course, tmp_path, warm_kernel, record_property):
    notebook = run_warm(course / "build/course/source" / topic / f"{topic}.ipynb", tmp_path, warm_kernel)
    total = notebook.metadata.papermill.duration
    record_property("measured", f"{topic} assignment, solved: {total:.1f} s")
    assert total <= ASSIGNMENT_SECONDS * SLACK


@pytest.mark.parametrize("topic", TOPICS)
def test_nbval_compares_something(topic):
    notebook = nbformat.read(ROOT / "notebooks" / topic / f"{topic}_lecture.ipynb", as_version=4)
    kept = [cell for cell in notebook.cells if "nbval-check-output" in cell.metadata.get("tags", [])]
    assert len(kept) >= 3
    assert all(cell.outputs for cell in kept)
    others = [cell for cell in notebook.cells if cell.cell_type == "code" and cell not in kept]
    assert not any(cell.outputs for cell in others), "only compared outputs are committed"
