"""A small class of odd hand-ins, graded once in real kernels: does each get what it deserves?"""

import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from grading.plan import plan
from grading.records import Status
from grading.run import run_all
from grading.store import store_of

A = "01_numbers"

ANSWERS = {
    "solved": {},
    "noisy": {
        "double": "import sys\ndef double(x):\n    print('careful', file=sys.stderr)\n    return 2 * x"
    },
    "adds-two": {"double": "def double(x):\n    return x + 2"},
    "cuts-off": {"double": "def double(x):\n    return 2 * int(x)"},
    "endless": {"double": "def double(x):\n    while True:\n        pass"},
    "exits": {
        "root": "import os, pathlib, subprocess\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "pathlib.Path(os.environ['LEFT_BY_A_HAND_IN'] + '.child').write_text(str(child.pid))\n"
        "def root(x):\n    os._exit(0)"
    },
    "shows-an-error": {
        "root": "def root(x):\n    try:\n        1 / 0\n    except ZeroDivisionError:\n"
        "        get_ipython().showtraceback()\n    return x**0.5"
    },
    "greedy": {"double": "def double(x):\n    return bytearray(8 * 2**30)"},
    "shows-points": {"double": "def double(x):\n    get_ipython().displayhook(3.0)\n    return 0"},
    "clears": {
        "double": "from IPython.display import clear_output\n"
        "get_ipython().events.register('post_run_cell', lambda result: clear_output())\n"
        "def double(x):\n    return 0"
    },
    "prints-much": {"double": "def double(x):\n    print('x' * 1_000_000)\n    return 2 * x"},
    "looks-around": {
        "double": "import os, pathlib, subprocess\n"
        "pathlib.Path(os.environ['LEFT_BY_A_HAND_IN']).write_text(' '.join(os.listdir()))\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        "print('child', child.pid)\n"
        "def double(x):\n    return 2 * x"
    },
}


@pytest.fixture(scope="module")
def graded(shared, tmp_path_factory):
    """Results and executed notebooks by student, what one found in its folder, what another left running."""
    left = tmp_path_factory.mktemp("left") / "listing"
    os.environ["LEFT_BY_A_HAND_IN"] = str(left)
    try:
        for student, answers in ANSWERS.items():
            shared.hand_in(student, shared.solved(**answers))
        store = store_of(shared.config)
        results = run_all(plan(shared.config, A), store, workers=2, quiet=True)
    finally:
        del os.environ["LEFT_BY_A_HAND_IN"]
    notebooks = {
        result.student: nbformat.read(store.notebook_path(result), as_version=4) for result in results
    }
    listing, child = left.read_text(), int(left.with_suffix(".child").read_text())
    return {result.student: result for result in results}, notebooks, listing, child


def statuses(result):
    return [cell.status for cell in result.cells if not cell.manual]


def test_full_points_also_with_warnings_on_stderr(graded):
    for student in ("solved", "noisy", "prints-much"):
        result = graded[0][student]
        assert (result.status, result.score, result.max_score) == (Status.PASSED, 7.0, 7.0)
        assert (result.notes, result.needs_human) == ((), None)


def test_a_wrong_answer_loses_its_points_and_is_diagnosed(graded):
    result = graded[0]["adds-two"]
    assert (result.status, result.score) == (Status.PARTIAL, 2.0)
    assert statuses(result) == [Status.FAILED, Status.FAILED, Status.PASSED]
    assert result.diagnoses == {"double": ("adds-two",)}


def test_a_half_right_answer_gets_partial_credit(graded):
    result = graded[0]["cuts-off"]
    assert [cell.score for cell in result.cells if not cell.manual] == [2.0, 1.5, 2.0]
    assert statuses(result)[1] is Status.PARTIAL


def test_an_endless_loop_ends_the_run_in_its_cell_and_asks_for_a_person(graded):
    result = graded[0]["endless"]
    assert result.status is Status.TIMEOUT
    assert statuses(result) == [Status.NOT_REACHED] * 3
    assert "'check-double'" in result.needs_human
    assert "4 seconds" in result.needs_human
    assert result.seconds < 25


def test_a_kernel_that_the_answer_ends_is_killed_not_passed(graded):
    result = graded[0]["exits"]
    assert result.status is Status.KILLED
    assert result.score == 5.0
    assert "ended itself in the cell 'check-root'" in result.needs_human


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_more_memory_than_allowed_is_said_and_the_rest_is_graded(graded):
    result = graded[0]["greedy"]
    assert statuses(result) == [Status.OUT_OF_MEMORY, Status.OUT_OF_MEMORY, Status.PASSED]


def test_points_shown_by_the_answer_itself_do_not_count(graded):
    result = graded[0]["shows-points"]
    assert [cell.score for cell in result.cells if not cell.manual] == [0.0, 0.0, 2.0]
    assert "values where it can give one" in result.needs_human


def test_an_error_whose_output_was_cleared_still_counts(graded):
    assert [cell.score for cell in graded[0]["clears"].cells if not cell.manual] == [0.0, 0.0, 2.0]


def test_an_error_that_was_only_shown_counts_as_one(graded):
    assert statuses(graded[0]["shows-an-error"]) == [Status.PASSED, Status.PASSED, Status.ERROR]


def test_too_much_output_is_cut(graded):
    assert len(nbformat.writes(graded[1]["prints-much"])) < 8_000_000


def test_a_hand_in_sees_nothing_but_itself_and_leaves_nothing_running(graded):
    assert graded[2] == f"{A}.ipynb"
    printed = "".join(
        output.text
        for cell in graded[1]["looks-around"].cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )
    child = int(printed.split()[1])
    assert ends_soon(child)


def test_what_a_kernel_started_ends_also_when_the_kernel_ended_itself_first(graded):
    assert ends_soon(graded[3])


def ends_soon(process):
    """Whether a process is gone, at once or after a moment."""
    deadline = time.monotonic() + 5
    while alive(process) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not alive(process)


def alive(process):
    """Whether a process exists and is more than a zombie that nobody has waited for."""
    state = Path(f"/proc/{process}/stat")
    if not Path("/proc/self/stat").exists():
        return subprocess.run(["kill", "-0", str(process)], capture_output=True).returncode == 0
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_the_executed_notebook_holds_the_hidden_tests_and_what_they_said(graded):
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in graded[1]["adds-two"].cells}
    test = cells["test-double-small"]
    assert "HIDDEN" in test.source
    assert [output.evalue for output in test.outputs if output.output_type == "error"] == ["twice three"]
