"""A small class of odd hand-ins, graded once in real kernels: does each get what it deserves?"""

import subprocess
import sys

import nbformat
import pytest

from grading.commands.run import results
from grading.gradebook.store import store_of
from grading.handins.plan import plan
from grading.records import Status
from grading.warm.client import _processes

A = "01_numbers"

ANSWERS = {
    "solved": {},
    "noisy": {
        "double": "import sys\ndef double(x):\n    print('careful', file=sys.stderr)\n    return 2 * x"
    },
    "adds-two": {"double": "def double(x):\n    return x + 2"},
    "cuts-off": {"double": "def double(x):\n    return 2 * int(x)"},
    "endless": {"double": "def double(x):\n    while True:\n        pass"},
    "exits": {"root": "import os\ndef root(x):\n    os._exit(0)"},
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
        "double": "import os\nprint('found', os.listdir(), \"\")\ndef double(x):\n    return 2 * x"
    },
    "forks": {
        "double": "import os, time\nif os.fork() == 0:\n    time.sleep(600)\ndef double(x):\n    return 2 * x"
    },
}


@pytest.fixture(scope="module")
def graded(shared):
    """Results and executed notebooks by student."""
    for student, answers in ANSWERS.items():
        shared.hand_in(student, shared.solved(**answers))
    store = store_of(shared.config)
    jobs = [job for job in plan(shared.config, A) if job.student in ANSWERS]  # others share the course
    found = list(results(jobs, store, workers=2, quiet=True))
    notebooks = {result.student: nbformat.read(store.notebook_path(result), as_version=4) for result in found}
    return {result.student: result for result in found}, notebooks


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


def test_an_endless_loop_costs_its_cells_and_asks_for_a_person(graded):
    result = graded[0]["endless"]
    assert result.status is Status.TIMEOUT
    assert statuses(result) == [Status.TIMEOUT, Status.TIMEOUT, Status.PASSED]
    assert "'test-double-small' took longer than 4 seconds" in result.needs_human
    assert result.seconds < 120, "it ran on behind its limits"


def test_an_answer_that_ends_its_process_is_killed_not_passed(graded):
    result = graded[0]["exits"]
    assert result.status is Status.KILLED
    assert result.score == 5.0
    assert "'test-root' ended the process, exit status 0" in result.needs_human


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_more_memory_than_allowed_is_said_and_the_rest_is_graded(graded):
    result = graded[0]["greedy"]
    assert statuses(result) == [Status.OUT_OF_MEMORY, Status.OUT_OF_MEMORY, Status.PASSED]


def test_points_shown_by_the_answer_itself_do_not_count(graded):
    result = graded[0]["shows-points"]
    assert [cell.score for cell in result.cells if not cell.manual] == [0.0, 0.0, 2.0]


def test_an_error_whose_output_was_cleared_still_counts(graded):
    assert [cell.score for cell in graded[0]["clears"].cells if not cell.manual] == [0.0, 0.0, 2.0]


def test_an_error_that_was_only_shown_does_not_count_as_one(graded):
    assert statuses(graded[0]["shows-an-error"]) == [Status.PASSED] * 3


def test_too_much_output_is_cut(graded):
    assert len(nbformat.writes(graded[1]["prints-much"])) < 8_000_000


def printed(notebook):
    return "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )


def test_a_hand_in_begins_in_an_empty_folder(graded):
    assert "found [] " in printed(graded[1]["looks-around"])


def test_what_a_hand_in_started_ends_with_it(graded):
    assert graded[0]["forks"].status is Status.PASSED
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True).stdout
    processes = {
        int(pid): (int(parent), words) for pid, parent, *words in map(str.split, listed.splitlines())
    }
    warm = [process.process.pid for process in _processes.values()]
    family = [pid for pid in processes if set(warm) & set(ancestors(pid, processes))]
    prepared = [judges for process in _processes.values() for judges in process.prepared.values()]
    assert len(family) == len(warm) + len(prepared), (
        "the process that waits for a warm process, that one, those that judges come from, and nobody else"
    )


def ancestors(pid, processes):
    """The process numbers above one."""
    while pid in processes and pid > 1:
        pid = processes[pid][0]
        yield pid


def test_the_executed_notebook_holds_the_hidden_tests_and_what_they_said(graded):
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in graded[1]["adds-two"].cells}
    test = cells["test-double-small"]
    assert "HIDDEN" in test.source
    assert [output.evalue for output in test.outputs if output.output_type == "error"] == ["twice three"]
