"""The file itself: cells and metadata edited before they are handed in."""

import json

import nbformat
from nbformat.notebooknode import NotebookNode

from tests.attacks.corpus.attack import Attack, cell_of, id_of

CHEAT = "def total(numbers):\n    return 0"


def _marks(**fields: object) -> dict[str, object]:
    usual = {"grade": True, "locked": True, "solution": False, "task": False, "schema_version": 3}
    return {**usual, **fields}


def more_points(notebook: NotebookNode) -> None:
    """Points of what was solved and what was not."""
    for cell in notebook.cells:
        if "points" in cell.metadata.get("nbgrader", {}):
            cell.metadata.nbgrader.points = 100 if id_of(cell) == "test-mean" else 0


def ungraded(notebook: NotebookNode) -> None:
    """Tests are solutions now, to be graded by hand, or no tests at all."""
    cell_of(notebook, "test-total").metadata.nbgrader.update(grade=False, solution=True, locked=False)
    cell_of(notebook, "test-square").metadata.nbgrader.grade = False


def no_tests(notebook: NotebookNode) -> None:
    """Every test deleted."""
    notebook.cells = [cell for cell in notebook.cells if not str(id_of(cell)).startswith("test-")]


def own_tests(notebook: NotebookNode) -> None:
    """Every test says that all is well."""
    for cell in notebook.cells:
        if str(id_of(cell)).startswith("test-"):
            cell.source = "pass"


def doubles(notebook: NotebookNode) -> None:
    """An own cell under a test's id before the real one, and the real one twice."""
    at = next(i for i, cell in enumerate(notebook.cells) if id_of(cell) == "test-total")
    copy = nbformat.from_dict(json.loads(json.dumps(notebook.cells[at])))
    copy.source, copy.id = "pass", "another"
    notebook.cells[at:at] = [copy, nbformat.from_dict(json.loads(json.dumps(copy)))]


def retyped(notebook: NotebookNode) -> None:
    """Tests as prose, as raw text."""
    for number, cell in enumerate(notebook.cells):
        if str(id_of(cell)).startswith("test-"):
            make = (nbformat.v4.new_markdown_cell, nbformat.v4.new_raw_cell)[number % 2]
            notebook.cells[number] = make("done", metadata=dict(cell.metadata), id=cell.id)


def reordered(notebook: NotebookNode) -> None:
    """Tests first, answers last."""
    notebook.cells.sort(key=lambda cell: not str(id_of(cell)).startswith("test-"))


def extra_tests(notebook: NotebookNode) -> None:
    """Tests of its own, locked and worth much."""
    for name in ("test-bonus", "test-total-2", "setup-9"):
        marks = _marks(grade_id=name, points=50)
        notebook.cells.append(nbformat.v4.new_code_cell("50", metadata={"nbgrader": marks}))


def own_setup(notebook: NotebookNode) -> None:
    """The locked set-up says what is close, and cells of its own claim to be locked."""
    cell_of(notebook, "setup").source = "import math\ndef close(one, other):\n    return True"
    marks = _marks(grade_id="helpers", grade=False)
    source = "def close(one, other):\n    return True\nclass np:\n    array = list\n    testing = None"
    notebook.cells.insert(3, nbformat.v4.new_code_cell(source, metadata={"nbgrader": marks}))


def own_parameters(notebook: NotebookNode) -> None:
    """Cells that call themselves parameters, which run where the tests run."""
    source = "def close(one, other):\n    return True\ntotal = lambda numbers: 6\nmean = lambda numbers: 3"
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters", "injected-parameters"]})
    notebook.cells.insert(1, cell)
    cell_of(notebook, "total").metadata.tags = ["parameters"]


def odd_marks(notebook: NotebookNode) -> None:
    """Metadata of wrong kinds, and of the engine's own."""
    cell_of(notebook, "test-total").metadata.grading = {"in_place": True}
    cell_of(notebook, "scaled").metadata.grading = {"in_place": True}
    cell_of(notebook, "test-scaled").metadata.grading = {"in_place": True}
    cell_of(notebook, "test-mean").metadata.nbgrader.points = float("nan")
    cell_of(notebook, "test-square").metadata.nbgrader.update(grade_id="test-square", points=-5, locked="no")
    notebook.metadata = {"kernelspec": {"name": "bash", "display_name": "sh", "language": "bash"}}


def known_results(notebook: NotebookNode) -> None:
    """Outputs and results as if the notebook had been graded already."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                nbformat.v4.new_output("execute_result", {"text/plain": "2.0"}, execution_count=1)
            ]
            cell.execution_count = 1
    notebook.metadata["grading"] = {"content_hash": "0" * 64, "score": 20}


ATTACKS = [
    Attack(
        "changed-points", "edits the points of tests", "more points for what is right",
        edit=more_points,
    ),
    Attack(
        "unmarked-tests", "marks tests as answers, or as nothing", "tests that nobody runs", edit=ungraded,
        answers={"total": CHEAT},
    ),
    Attack("deleted-tests", "deletes every test", "nothing that could fail", edit=no_tests),
    Attack("edited-tests", "replaces every test by `pass`", "tests that pass", edit=own_tests),
    Attack(
        "doubled-tests", "puts cells of its own under a test's id before it", "the wrong one counts",
        edit=doubles, answers={"total": CHEAT},
    ),
    Attack("retyped-tests", "turns tests into prose", "cells that a grader does not run", edit=retyped),
    Attack("reordered-cells", "puts the tests before the answers", "tests that run before there is anything",
           edit=reordered),
    Attack("extra-tests", "adds graded cells of its own", "points that the course does not have",
           edit=extra_tests),
    Attack(
        "edited-setup", "edits the locked helpers, and adds cells that claim to be locked",
        "comparisons that say yes", edit=own_setup,
        answers={"root": "def root(x):\n    return 0"},
    ),
    Attack("own-parameters", "adds cells that call themselves parameters of the run",
           "code of its own among the instructor's", edit=own_parameters),
    Attack(
        "odd-metadata", "writes metadata of wrong kinds, and marks that only the course may set",
        "a grader that fails, or that lets arguments be changed", edit=odd_marks,
        answers={"scaled": "def scaled(numbers):\n    numbers.clear()\n    return numbers"},
    ),
    Attack("known-results", "hands in outputs and marks as if it had been graded", "marks that are believed",
           edit=known_results),
]  # fmt: skip
