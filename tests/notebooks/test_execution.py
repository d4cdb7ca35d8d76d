"""Every notebook runs, in a real kernel and in its time; the lecture's kept outputs are what it prints.

Each notebook runs once in a kernel started from nothing, as at a student's: the assignment under papermill,
the lecture under nbval. What runs besides runs in warm kernels, without waiting for the same imports again.
"""

import os
import re
from pathlib import Path

import nbformat
import papermill
import pytest

from tests.helpers import ROOT, TOPICS, run_tool

pytestmark = [pytest.mark.notebooks, pytest.mark.slow]

LECTURE_SECONDS, ASSIGNMENT_SECONDS, CELL_SECONDS = 90, 120, 10
# On a machine that does other work at the same time a stricter clock would only measure that work.
SLACK = float(os.environ.get("COURSE_TIME_SLACK", "1"))


@pytest.fixture
def warm_kernel(monkeypatch) -> str:
    """The name of the kernel that is forked from a process of this test run."""
    monkeypatch.setenv("JUPYTER_PATH", str(ROOT / "grading"))
    return "warm"


def run_warm(source: Path, folder: Path, kernel: str) -> nbformat.NotebookNode:
    """Run a notebook with budget="ci" in a folder of its own; its cells keep their durations."""
    target, parameters = folder / "executed.ipynb", {"budget": "ci"}
    return papermill.execute_notebook(
        source, target, parameters, kernel_name=kernel, cwd=folder, progress_bar=False
    )


def run_cold(source: Path, folder: Path) -> nbformat.NotebookNode:
    """As `run_warm`, by the command and in a kernel of the notebook's own choice."""
    output = folder / "executed.ipynb"
    ran = run_tool(
        "papermill", str(source), str(output), "-p", "budget", "ci", "--no-progress-bar", cwd=folder
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    return nbformat.read(output, as_version=4)


def durations(notebook: nbformat.NotebookNode) -> list[float]:
    return [
        cell.metadata.papermill.duration or 0
        for cell in notebook.cells
        if cell.cell_type == "code" and "papermill" in cell.metadata
    ]


@pytest.mark.parametrize("topic", TOPICS)
def test_the_lecture_runs_in_time(topic, tmp_path, warm_kernel, record_property):
    notebook = run_warm(ROOT / "notebooks" / topic / f"{topic}_lecture.ipynb", tmp_path, warm_kernel)
    total, slowest = notebook.metadata.papermill.duration, max(durations(notebook))
    record_property("measured", f"{topic} lecture: {total:.1f} s, slowest cell {slowest:.1f} s")
    assert total <= LECTURE_SECONDS * SLACK
    assert slowest <= CELL_SECONDS * SLACK


@pytest.mark.parametrize("topic", TOPICS)
def test_the_solved_assignment_runs_in_time(topic, course, tmp_path, record_property):
    notebook = run_cold(course / "build/course/source" / topic / f"{topic}.ipynb", tmp_path)
    total = notebook.metadata.papermill.duration
    record_property("measured", f"{topic} assignment, solved: {total:.1f} s")
    assert total <= ASSIGNMENT_SECONDS * SLACK


@pytest.mark.parametrize("topic", TOPICS)
def test_the_lectures_kept_outputs_are_what_it_prints(topic, tmp_path):
    lecture = ROOT / "notebooks" / topic / f"{topic}_lecture.ipynb"
    ran = run_tool(
        *(
            "python",
            "-m",
            "pytest",
            "-c",
            os.devnull,
            "--rootdir",
            str(tmp_path),
            "-q",
            "-p",
            "no:cacheprovider",
        ),
        *("--nbval-lax", "--nbval-cell-timeout", "120", str(lecture)),
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
    assert int(re.search(r"(\d+) passed", ran.stdout)[1]) > 0


@pytest.mark.parametrize("topic", TOPICS)
def test_nbval_compares_something(topic):
    notebook = nbformat.read(ROOT / "notebooks" / topic / f"{topic}_lecture.ipynb", as_version=4)
    kept = [cell for cell in notebook.cells if "nbval-check-output" in cell.metadata.get("tags", [])]
    assert len(kept) >= 3
    assert all(cell.outputs for cell in kept)
    others = [cell for cell in notebook.cells if cell.cell_type == "code" and cell not in kept]
    assert not any(cell.outputs for cell in others), "only compared outputs are committed"
