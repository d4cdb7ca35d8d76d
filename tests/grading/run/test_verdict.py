"""Does a test cell get the points it earned, and no more?"""

import nbformat
import pytest

from grading.engine.supervise import CellRun, Run
from grading.engine.verdict import diagnoses, judge_test, overall
from grading.handins.original import Note
from grading.records import CellResult, Status, exercise_of

MIME = "application/vnd.made-up.check+json"


def verdict(run=None, **cell):
    result = judge_test("test-double", 3.0, CellRun(**{"ended": True, **cell}), run or Run())
    return result.status, result.score


def test_a_cell_that_ran_to_its_end_passes():
    assert verdict() == (Status.PASSED, 3.0)


def test_a_failed_assertion_is_a_wrong_answer_and_any_other_exception_an_error():
    assert verdict(error=("AssertionError", "twice three")) == (Status.FAILED, 0.0)
    assert verdict(error=("NameError", "double")) == (Status.ERROR, 0.0)


@pytest.mark.parametrize(
    "error", [("MemoryError", ""), ("RuntimeError", "[enforce] can't allocate memory: 9 GB")]
)
def test_running_out_of_memory_is_said_as_such(error):
    assert verdict(error=error) == (Status.OUT_OF_MEMORY, 0.0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, (Status.PARTIAL, 1.5)),
        (3, (Status.PASSED, 3.0)),
        (0, (Status.FAILED, 0.0)),
        (0.0, (Status.FAILED, 0.0)),
        (None, (Status.PASSED, 3.0)),
        (True, (Status.PASSED, 3.0)),
    ],
)
def test_a_number_as_value_gives_that_many_points(value, expected):
    assert verdict(value=value) == expected


@pytest.mark.parametrize("value", [3.5, -1, float("nan"), float("inf"), 1e9])
def test_a_number_that_no_test_may_give_scores_nothing(value):
    assert verdict(value=value) == (Status.ERROR, 0.0)


def test_an_error_counts_also_when_a_value_was_shown_before_it():
    assert verdict(value=3, error=("AssertionError", "")) == (Status.FAILED, 0.0)


def test_a_cell_that_never_ran_scores_nothing():
    result = judge_test("test-double", 3.0, None, Run(stopped=Status.TIMEOUT, says="Too slow."))
    assert (result.status, result.score, result.says) == (Status.NOT_REACHED, 0.0, "Too slow.")


def test_the_cell_that_ended_its_process_says_how():
    assert verdict(ended=False, status=Status.KILLED, says="It ended the process.") == (Status.KILLED, 0.0)


def test_a_long_message_is_cut():
    result = judge_test("test-double", 3.0, CellRun(ended=True, error=("ValueError", "x" * 10_000)), Run())
    assert len(result.says) == 300


def cells(*scores, points=2.0):
    return [CellResult(f"test-{number}", Status.PASSED, score, points) for number, score in enumerate(scores)]


def test_the_status_of_a_hand_in_follows_its_points_unless_something_else_ended_it():
    assert overall(cells(2, 2), Run(), []) is Status.PASSED
    assert overall(cells(2, 0), Run(), []) is Status.PARTIAL
    assert overall(cells(0, 0), Run(), []) is Status.FAILED
    assert overall(cells(2, 0), Run(stopped=Status.TIMEOUT), []) is Status.TIMEOUT
    assert overall(cells(2, 0), Run({3: CellRun(status=Status.KILLED)}), []) is Status.KILLED
    assert overall(cells(2, 2), Run(), [Note("edited", "test-0", tampered=True)]) is Status.TAMPERED


def test_points_given_by_hand_do_not_decide_the_status():
    essay = CellResult("essay", Status.PASSED, 0.0, 4.0, manual=True)
    assert overall([*cells(2, 2), essay], Run(), []) is Status.PASSED


@pytest.mark.parametrize(
    ("grade_id", "exercise"),
    [
        ("test-conv2d", "conv2d"),
        ("test-conv2d-stride", "conv2d"),
        ("test-conv2d_backward-bias", "conv2d_backward"),
        ("essay", "essay"),
        ("essay-plot", "essay"),
        ("open-answer", "open-answer"),
        ("cell-ab12cd", "cell-ab12cd"),
    ],
)
def test_a_graded_cell_belongs_to_the_exercise_it_is_named_after(grade_id, exercise):
    assert exercise_of(grade_id, ["conv2d", "conv2d_backward", "essay"]) == exercise


def notebook_with(bundle, *, locked=True):
    marks = {"grade": False, "solution": False, "locked": locked, "grade_id": "check-double"}
    cell = nbformat.v4.new_code_cell("check()", metadata={"nbgrader": marks})
    cell.outputs = [nbformat.v4.new_output("display_data", data={MIME: bundle, "text/plain": "card"})]
    return nbformat.v4.new_notebook(cells=[cell])


def test_the_misconceptions_that_a_check_named_are_read():
    bundle = {"exercise": "double", "diagnosis": ["adds-two", "drops-sign"]}
    assert diagnoses(notebook_with(bundle), MIME) == {"double": ("adds-two", "drops-sign")}


@pytest.mark.parametrize(
    "bundle",
    [
        "text",
        [1],
        {"exercise": "double"},
        {"exercise": "double", "diagnosis": "adds-two"},
        {"exercise": "double", "diagnosis": [3, None, "<script>alert(1)</script>", "x" * 500]},
        {"exercise": ["double"], "diagnosis": ["adds-two"]},
        {"exercise": "<b>", "diagnosis": ["adds-two"]},
    ],
)
def test_what_does_not_look_like_a_name_is_dropped(bundle):
    assert diagnoses(notebook_with(bundle), MIME) == {}


def test_a_bundle_in_a_students_own_cell_says_nothing():
    bundle = {"exercise": "double", "diagnosis": ["adds-two"]}
    assert diagnoses(notebook_with(bundle, locked=False), MIME) == {}
