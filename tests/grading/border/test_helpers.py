"""What several hidden tests share stands in a cell without points: theirs to use, and no answer's to see."""

import pytest

from tests.grading.border.cells import Cell

HELPER = """
LIMIT = 3
EXPECTED = [n * n for n in range(LIMIT)]


def squares(function):
    return [function(n) for n in range(LIMIT)]
"""


def test_every_test_behind_it_may_use_it(run):
    _, helper, first, second = run(
        Cell("answer", "def square(n):\n    return n * n"),
        Cell("helper", HELPER),
        Cell("test", "assert squares(square) == EXPECTED"),
        Cell("test", "assert squares(square)[LIMIT - 1] == 4"),
    )
    assert (helper.error, first.error, second.error) == ("", "", "")


@pytest.mark.parametrize("name", ["LIMIT", "EXPECTED", "squares"])
def test_an_answer_that_reads_its_names_finds_nothing(run, name):
    helper, _, test = run(
        Cell("helper", HELPER),
        Cell("answer", f"def peek():\n    return {name}"),
        Cell("test", "peek()"),
    )
    assert helper.error == ""
    assert test.error == f"NameError: name '{name}' is not defined"


def test_an_answer_that_defines_its_names_as_well_changes_nothing_in_the_tests(run):
    _, before, helper, after, right, wrong = run(
        Cell("answer", "def square(n):\n    return 0"),
        Cell("free", "EXPECTED = [0, 0, 0]\ndef squares(function):\n    return EXPECTED"),
        Cell("helper", HELPER),
        Cell("free", "EXPECTED = [0, 0, 0]\ndef squares(function):\n    return EXPECTED"),
        Cell("test", "assert EXPECTED == [0, 1, 4]"),
        Cell("test", "assert squares(square) == EXPECTED"),
    )
    assert (before.error, helper.error, after.error, right.error) == ("", "", "", "")
    assert wrong.error.startswith("AssertionError")


def test_a_function_of_it_may_use_an_answer_by_its_name(run):
    _, _, test = run(
        Cell("answer", "def square(n):\n    return n * n"),
        Cell("helper", "def of_four():\n    return square(4)"),
        Cell("test", "assert of_four() == 16"),
    )
    assert test.error == ""


def test_it_is_there_again_when_an_answer_has_ended_its_process(run):
    _, _, helper, ended, after = run(
        Cell("answer", "import os\ndef square(n):\n    os._exit(3)"),
        Cell("answer", "def double(n):\n    return 2 * n"),
        Cell("helper", HELPER),
        Cell("test", "squares(square)"),
        Cell("test", "assert squares(double) == [0, 2, 4]"),
    )
    assert helper.error == ""
    assert ended.error.startswith("killed")
    assert after.error == ""
