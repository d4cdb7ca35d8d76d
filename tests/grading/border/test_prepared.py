"""The course's cells that ask no answer run once for all hand-ins; they count as if every judge ran them."""

import time

import pytest

from grading.warm.client import NOTEBOOKS, warm_process
from tests.grading.border.cells import Cell
from tests.grading.border.conftest import WARM

RIGHT = Cell("answer", "def square(n):\n    return n * n")
BORN = "import time\nborn = time.monotonic_ns()"


def values(outcomes) -> list[float | None]:
    assert [outcome.error for outcome in outcomes] == [""] * len(outcomes)
    return [outcome.value for outcome in outcomes]


def test_a_helper_runs_once_and_every_judge_finds_what_it_made(run):
    cells = RIGHT, Cell("helper", BORN), Cell("test", "assert square(2) == 4\nborn")
    assert values(run(*cells)) == values(run(*cells))


def test_a_test_that_asks_an_answer_runs_for_each_hand_in(run):
    cells = RIGHT, Cell("test", f"{BORN}\nassert square(2) == 4\nborn")
    assert values(run(*cells)) != values(run(*cells))


def test_a_helper_that_looks_at_the_seed_of_the_hand_in_runs_for_each(run):
    helper = Cell("helper", f"import os\nseed = int(os.environ.get('GRADING_SEED', '0'))\n{BORN}")
    cells = RIGHT, helper, Cell("test", "assert square(seed) == seed ** 2\nborn")
    assert values(run(*cells)) != values(run(*cells))


def test_what_a_test_changes_is_not_changed_for_the_next_hand_in(run):
    cells = RIGHT, Cell("helper", "seen = []"), Cell("test", "seen.append(square(1))\nlen(seen)")
    assert values(run(*cells)) == values(run(*cells)) == [None, None, 1]


def test_a_helper_that_raises_says_so_and_leaves_what_it_had_made(run):
    helper = Cell("helper", "made = 3\nraise ValueError('too early')")
    _, broken, test = run(RIGHT, helper, Cell("test", "assert square(2) == 4\nmade"))
    assert broken.error == "ValueError: too early"
    assert (test.error, test.value) == ("", 3)


def test_a_name_is_the_answers_until_the_cell_that_defines_it(run):
    *_, before, _, after = run(
        Cell("answer", "def limit():\n    return 5"),
        Cell("test", "limit()"),
        Cell("helper", "def limit():\n    return 3"),
        Cell("test", "limit()"),
    )
    assert (before.value, after.value) == (5, 3)


def test_random_numbers_follow_the_seed_of_a_cell_that_was_run_before(run):
    draws = Cell("answer", "import torch\n\ndef draw():\n    return torch.rand(1).item()")
    *_, test = run(
        Cell(
            "locked",
            "import random\nimport torch\ntorch.manual_seed(7)\nrandom.seed(7)\nfirst = random.random()",
        ),
        draws,
        Cell(
            "test",
            "there, here, second = draw(), torch.rand(1).item(), random.random()\n"
            "random.seed(7)\ntorch.manual_seed(7)\n"
            "assert [first, second] == [random.random(), random.random()]\n"
            "assert there == here == torch.rand(1).item()",
        ),
    )
    assert test.error == ""


def test_a_ban_that_a_helper_imports_holds(run):
    convolves = Cell(
        "answer", "import torch\n\ndef convolve(x, w):\n    return torch.nn.functional.conv2d(x, w)"
    )
    helper = Cell(
        "helper",
        "import torch\nfrom coursekit.check import forbid\n\n"
        "x, w = torch.ones(1, 1, 2, 2), torch.ones(1, 1, 1, 1)\n\n"
        "def banned(function):\n    with forbid('conv'):\n        return function(x, w)",
    )
    *_, allowed, test = run(
        convolves,
        helper,
        Cell("test", "assert convolve(x, w).sum() == 4"),
        Cell("test", "banned(convolve)"),
    )
    assert allowed.error == ""
    assert test.error


def test_a_helper_that_leaves_a_thread_behind_runs_for_each_hand_in(run):
    thread = "import threading\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
    cells = RIGHT, Cell("helper", f"{BORN}\n{thread}"), Cell("test", "assert square(2) == 4\nborn")
    assert values(run(*cells)) != values(run(*cells))


@pytest.mark.parametrize("source", ["while True: pass", "import os; os._exit(3)"])
def test_where_a_cell_cannot_be_run_before_judges_are_forked_from_the_warm_process(source):
    warm = warm_process(WARM)
    notebook = {"sources": [source], "contexts": [], "given": {}}
    assert warm.judges(notebook, seconds=2) is warm


def test_a_process_that_is_gone_is_replaced(run):
    cells = (
        RIGHT,
        Cell("helper", f"{BORN}\nprint('here')"),
        Cell("test", "assert square(2) == 4\nborn"),
    )
    before = values(run(*cells))
    *_, judges = warm_process(WARM).prepared.values()
    judges.retire()
    assert ended(judges)
    assert values(run(*cells)) != before


def test_of_many_notebooks_the_oldest_are_given_up(run):
    cells = RIGHT, Cell("helper", "number = 0"), Cell("test", "assert square(number) == 0")
    assert values(run(*cells))
    *_, oldest = warm_process(WARM).prepared.values()
    for number in range(NOTEBOOKS):
        assert oldest.alive
        assert values(run(RIGHT, Cell("helper", f"other = {number}")))
    assert ended(oldest)


def ended(judges) -> bool:
    until = time.monotonic() + 30
    while judges.alive and time.monotonic() < until:
        time.sleep(0.05)
    return not judges.alive
