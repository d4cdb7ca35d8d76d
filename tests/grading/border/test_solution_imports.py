"""A library that only the solution imports: an answer has to import it, and the test gets the real one."""

import nbformat
import pytest

from grading.engine.supervise import execute, tasks_of
from grading.records import Job, Limits
from tests.grading.border.conftest import WARM

TEST = "assert np.isclose(mean([1, 2, 6]), 3)"
SOLUTION = "import numpy as np\ndef mean(values):\n    return np.mean(values)"
FORGED = """
class module:
    __name__ = "numpy"
    isclose = staticmethod(lambda *_: True)
np = module()
def mean(values):
    return 0
"""
PATCHED = "import numpy as np\nnp.isclose = lambda *_: True\nmean = max"


@pytest.fixture
def said(tmp_path):
    """What the test says about an answer; empty where it passes."""

    def run(answer: str) -> str:
        marks = {"schema_version": 3, "task": False, "grade": False, "locked": False, "solution": False}
        for kind, text in (("source", SOLUTION), ("release", "raise NotImplementedError")):
            given = nbformat.v4.new_code_cell(text)
            given.metadata.nbgrader = {**marks, "solution": True, "grade_id": "mean"}
            test = nbformat.v4.new_code_cell(TEST)
            test.metadata.nbgrader = {**marks, "grade": True, "locked": True, "grade_id": "test", "points": 1}
            path = tmp_path / kind / "a" / "a.ipynb"
            path.parent.mkdir(parents=True)
            notebook = nbformat.v4.new_notebook(cells=[given, test])
            path.write_text(nbformat.writes(notebook))
        notebook.cells[0].source = answer
        source = tmp_path / "source/a/a.ipynb"
        job = Job("student", "a", source, source, "", Limits(cell_seconds=30), "", WARM)
        cell = execute(notebook, tasks_of(notebook, {}), job).cells[1]
        return f"{cell.error[0]}: {cell.error[1]}" if cell.error else ""

    return run


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("raise NotImplementedError", "NameError: name 'np' is not defined"),
        (
            "import numpy\ndef mean(values):\n    return numpy.mean(values)",
            "NameError: name 'np' is not defined",
        ),
        (SOLUTION, ""),
        ("import numpy as np\ndef mean(values):\n    return max(values)", "AssertionError: "),
        (FORGED, "AssertionError: "),
        (PATCHED, "AssertionError: "),
    ],
    ids=["blank", "another name", "right", "wrong", "forged", "patched"],
)
def test_the_test_has_the_library_where_the_answer_has_it(said, answer, says):
    assert said(answer) == says
