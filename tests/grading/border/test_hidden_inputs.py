"""What a hidden test passes to an answer stays in the test, whatever the answer does to let it out."""

import os

import pytest

from tests.grading.border.cells import Cell

SECRET = "8675309"
"""A hidden input; written as a sum in the tests, so that their own text does not hold it."""
TEST = Cell("test", "assert f(8675308 + 1) == 1")
SUM = "8675308 + 1"

KEEPS = {
    "in a variable": ("seen = []\ndef f(x):\n    seen.append(x)\n    return 1", "print(seen)"),
    "in an attribute": ("def f(x):\n    f.seen = x\n    return 1", "print(getattr(f, 'seen', None))"),
    "in a file": (
        "def f(x):\n    open('seen', 'a').write(str(x))\n    return 1",
        "import os\nprint(os.path.exists('seen') and open('seen').read())",
    ),
    "in the environment": (
        "import os\ndef f(x):\n    os.environ['SEEN'] = str(x)\n    return 1",
        "print(os.environ.get('SEEN'))",
    ),
    "in memory that processes share": (
        "import mmap\nfile = open('shared', 'wb+')\nfile.truncate(100)\n"
        "shared = mmap.mmap(file.fileno(), 100)\n"
        "def f(x):\n    shared[:len(str(x))] = str(x).encode()\n    return 1",
        "print(shared[:])",
    ),
    "for a thread that prints": (
        "import threading, time\nseen = []\n"
        "def watch():\n    while True:\n        time.sleep(0.01)\n        print(seen)\n"
        "threading.Thread(target=watch, daemon=True).start()\n"
        "def f(x):\n    seen.append(x)\n    time.sleep(0.1)\n    return 1",
        "import time\ntime.sleep(0.1)",
    ),
    "where processes cannot be copied": (
        "import os\nseen = []\nos.fork = lambda: 1\ndef f(x):\n    seen.append(x)\n    return 1",
        "print(seen)",
    ),
    "by display": (
        "from IPython.display import display\n"
        "def f(x):\n    print(x)\n    display({'text/plain': str(x)}, raw=True)\n    return 1",
        "",
    ),
}


@pytest.mark.parametrize("way", KEEPS)
def test_a_cell_behind_a_test_does_not_show_what_the_test_passed(run, way):
    keeps, shows = KEEPS[way]
    outcomes = run(Cell("answer", keeps), TEST, Cell("free", shows), Cell("test", f"assert f({SUM}) == 1"))
    assert SECRET not in str([outcome.outputs for outcome in outcomes])
    assert [outcome.error for outcome in outcomes[1::2]] == [
        "",
        "",
    ] or way == "where processes cannot be copied"


SAYS = {
    "a message": "raise ValueError(x)",
    "a message of the test's kind": "raise ValueError(f'all is well {x}')",
    "the name of an exception": "raise type(f'E{x}', (ValueError,), {})()",
    "a note": "error = ValueError()\n    error.add_note(str(x))\n    raise error",
    "what an exception came from": "raise ValueError from KeyError(x)",
    "a message made when it is asked for": (
        "E = type('E', (Exception,), {'__str__': lambda self: str(x)})\n    raise E"
    ),
    "what it returns": "return x",
    "a text that the test shows": "return f'all is well {x}'",
}


@pytest.mark.parametrize("what", SAYS)
def test_neither_does_what_an_answer_says_in_a_test(run, what):
    test = f"result = f({SUM})\nprint(result)\nassert result == 1, f'all is well {{result}}'"
    *_, outcome = run(Cell("answer", f"def f(x):\n    {SAYS[what]}"), Cell("test", test))
    assert SECRET not in str(outcome.outputs)
    assert outcome.error


def test_staff_are_told_all_that_it_said(run):
    *_, outcome = run(Cell("answer", "def f(x):\n    raise ValueError(x)"), TEST)
    assert outcome.error == f"ValueError: {SECRET}"
    assert outcome.outputs[-1].ename == "ValueError"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("'it has to be one'", "it has to be one"),
        ("f'it has to be one, not {y}'", "it has to be one, not …"),
        ("f'{where}: not {y}'", "the first: not …"),
        ("f'{place}: not {y}'", "row … of the image: not …"),
        ("f'{place}: {text}'", "row … of the image: …"),
        ("f'{where}: {y} as {str(7)}'", "the first: … as …"),
        ("f'{y}'", "what it says may hold what the test passed in, and is not shown"),
        ("str(y) + where", "what it says may hold what the test passed in, and is not shown"),
    ],
)
def test_of_a_tests_own_message_students_see_the_words_and_no_value(run, message, told):
    test = "where, y, text = 'the first', f(5), str(f(6))\nplace = f'row {y} of the image'\nseven = '7'\n"
    test += f"assert y == 1, {message}"
    *_, outcome = run(Cell("answer", "def f(x):\n    return x + 2"), Cell("test", test))
    assert (outcome.outputs[-1].ename, outcome.outputs[-1].evalue) == ("AssertionError", told)


def test_of_a_comparison_of_tensors_students_see_what_differs_and_no_value(run):
    answer = Cell("answer", "import torch\ndef f(x):\n    return x + 1 if len(x) > 2 else x[:1]")
    test = "import torch\nx, told = torch.arange({0}.0), lambda text: f'sum: {{text}}'\n"
    test += "torch.testing.assert_close(f(x), x, msg=told)"
    *_, values, shape = run(answer, Cell("test", test.format(3)), Cell("test", test.format(2)))
    assert values.outputs[-1].evalue == "sum: Tensor-likes are not close!…"
    assert shape.outputs[-1].evalue == "sum: The values for attribute 'shape' do not match: …"


def test_an_answer_cannot_choose_among_the_tests_own_messages(run):
    answer = Cell("answer", "def f(x):\n    raise AssertionError('too large' if x > 1 else 'too small')")
    *_, outcome = run(answer, Cell("test", "assert f(2) != 2, 'too large'\nassert f(1), 'too small'"))
    assert "not shown" in outcome.outputs[-1].evalue
    assert outcome.error == "AssertionError: too large"


def test_what_a_test_prints_in_words_of_its_own_is_shown(run):
    test = "print('well done')\nprint(f'it gave {f(1)}')\nprint(f(1) * 1000)"
    *_, outcome = run(Cell("answer", "def f(x):\n    return x"), Cell("test", test))
    assert outcome.printed == "well done\nit gave …\n"


def test_a_test_finds_the_names_as_they_were_where_it_stands(run):
    cells = [
        Cell("answer", "def f(x):\n    return 1"),
        Cell("test", "assert f(0) == 1"),
        Cell("answer", "def f(x):\n    return 2"),
        Cell("test", "assert f(0) == 2"),
        Cell("free", "del f"),
    ]
    assert [outcome.error for outcome in run(*cells)] == [""] * 5


def test_what_a_test_does_over_there_is_gone_for_those_behind_a_cell_of_the_students(run):
    count = "calls = 0\ndef f(x):\n    global calls\n    calls += 1\n    return calls"
    test = Cell("test", "f(0)")
    *_, first, second, _, third = run(Cell("answer", count), test, test, Cell("free", "pass"), test)
    assert (first.value, second.value, third.value) == (1, 2, 1)


def test_an_object_of_an_earlier_test_still_answers_but_goes_nowhere_else(run):
    answer = "class Counter:\n    n = 0\n    def up(self):\n        self.n += 1\n        return self.n\n"
    answer += "def of(counter):\n    return counter.n"
    *_, later, passed = run(
        Cell("answer", answer),
        Cell("test", "counter = Counter()\nassert counter.up() == 1"),
        Cell("free", "pass"),
        Cell("test", "assert counter.up() == 2"),
        Cell("test", "of(counter)"),
    )
    assert later.error == ""
    assert "what an earlier test was given by the answer cannot be passed here" in passed.error


def test_the_copy_of_tests_that_are_over_is_gone_unless_a_later_one_wants_something_of_it(run):
    answer = """
import os, time
def alive():
    numbers = [name for name in os.listdir("/proc") if name.isdigit()]
    states = [open(f"/proc/{number}/stat").read().rpartition(")")[2].split()[0] for number in numbers]
    return len(states) - states.count("Z")
def fewest():
    return min(alive() for _ in range(50) if time.sleep(0.01) is None)
class Net:
    def __call__(self):
        return 1
"""
    _, first, _, second, _, third = run(
        Cell("answer", answer),
        Cell("test", "fewest()"),
        Cell("free", "pass"),
        Cell("test", "net = Net()\nfewest()"),
        Cell("free", "pass"),
        Cell("test", "fewest() + 10 * net()"),
    )
    assert (first.value, second.value, third.value) == (3, 2, 12)


def test_a_ban_holds_for_an_object_of_an_earlier_test(run):
    answer = "import torch\nclass Layer:\n    def __call__(self, x):\n        return torch.max_pool1d(x, 1)"
    *_, first, _, allowed, second = run(
        Cell("locked", "import torch\nfrom coursekit.check import forbid"),
        Cell("answer", answer),
        Cell("test", "layer = Layer()\nassert layer(torch.ones(1, 1)) == 1"),
        Cell("free", "pass"),
        Cell("test", "with forbid('conv'):\n    assert layer(torch.ones(1, 1)) == 1"),
        Cell("test", "with forbid('pooling'):\n    layer(torch.ones(1, 1))"),
    )
    assert first.error == allowed.error == ""
    assert "max_pool1d ran" in second.error


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("import os\n    os._exit(3)", "killed"),
        ("import os, signal\n    os.kill(os.getpid(), signal.SIGSEGV)", "killed"),
        ("while True: pass", "timeout"),
    ],
)
def test_what_ends_a_copy_costs_that_test_alone(run, body, status):
    test = Cell("test", "assert f(0) == 1")
    outcomes = run(
        Cell("answer", "def f(x):\n    return 1"),
        test,
        Cell("answer", f"def g(x):\n    {body}"),
        Cell("test", "g(0)"),
        Cell("free", "print('on')"),
        test,
        cell_seconds=3,
    )
    assert [outcome.status for outcome in outcomes] == [None, None, None, status, None, None]
    assert outcomes[4].printed == "on\n"


def test_the_seed_is_in_the_judge_and_nowhere_else(run):
    read = "__import__('os').environ.get('GRADING_SEED')"
    *_, test = run(
        Cell("answer", f"def seed():\n    return {read}"), Cell("test", f"assert seed() is None\nint({read})")
    )
    assert (test.error, test.value) == ("", 0)
    assert "GRADING_SEED" not in os.environ
