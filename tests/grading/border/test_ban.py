"""While a test forbids something, what runs in the answer's process is recorded and told by name."""

import dataclasses

import pytest

from grading.records import Forbidden, Operators
from tests.grading.border import conftest
from tests.grading.border.cells import Cell

SETUP = Cell(
    "locked", "import torch\nfrom torch.nn import functional as F\nfrom coursekit.check import forbid"
)
CHEAT = "import torch\ndef f(x):\n    return torch.max_pool1d(x, 2)"


def last(outcomes):
    return outcomes[-1]


def test_the_sentence_names_the_operator_that_ran_and_students_read_it(run):
    *_, test = run(
        SETUP, Cell("answer", CHEAT), Cell("test", "with forbid('pooling'):\n    f(torch.ones(1, 4))")
    )
    assert "max_pool1d ran, but this exercise forbids ready-made pooling." in test.error
    shown = "".join(str(output) for output in test.outputs)
    assert "max_pool1d ran" in shown


def test_a_test_that_swallows_the_error_gives_no_points_all_the_same(run):
    swallow = "try:\n    with forbid('pooling'):\n        f(torch.ones(1, 4))\nexcept Exception:\n    pass"
    *_, test = run(SETUP, Cell("answer", CHEAT), Cell("test", swallow))
    assert "max_pool1d ran" in test.error


def test_a_ban_that_a_test_leaves_open_ends_with_the_test(run):
    left = "ban = forbid('pooling')\nban.__enter__()\nf(torch.ones(1, 4))"
    *_, test, after = run(
        SETUP,
        Cell("answer", CHEAT),
        Cell("test", left),
        Cell("test", "assert f(torch.ones(1, 4)).sum() == 2"),
    )
    assert "max_pool1d ran" in test.error
    assert after.error == ""


def test_inside_of_another_ban_a_word_holds_as_long_as_its_own(run):
    nested = (
        "with forbid('conv'):\n    f(torch.ones(1, 4))\n    with forbid('pooling'):\n        pass\n"
        "    f(torch.ones(1, 4))"
    )
    wrong = "with forbid('conv'):\n    with forbid('pooling'):\n        f(torch.ones(1, 4))"
    *_, test, other = run(SETUP, Cell("answer", CHEAT), Cell("test", nested), Cell("test", wrong))
    assert test.error == ""
    assert "max_pool1d ran" in other.error


def test_the_test_itself_may_call_what_it_forbids(run):
    *_, test = run(
        SETUP,
        Cell("answer", "def f(x):\n    return x"),
        Cell("test", "with forbid('pooling'):\n    F.max_pool1d(f(torch.ones(1, 4)), 2)"),
    )
    assert test.error == ""


def test_an_operator_of_ones_own_may_be_called_what_it_likes(run):
    own = (
        "import torch\n@torch.library.custom_op('mine::max_pool1d_7', mutates_args=())\n"
        "def own(x: torch.Tensor) -> torch.Tensor:\n    return x.unfold(-1, 2, 2).amax(-1)\n"
        "def f(x):\n    return own(x)"
    )
    test = "with forbid('conv'):\n    assert f(torch.ones(1, 4)).shape == (1, 2)"
    *_, outcome = run(SETUP, Cell("answer", own), Cell("test", test))
    assert outcome.error == ""


def test_a_name_that_a_hand_in_has_chosen_is_not_said(run):
    own = (
        "import torch\ndef f(x):\n    name = f'conv_{int(x.sum())}'\n"
        "    lib = torch.library.Library('aten', 'FRAGMENT')\n    lib.define(name + '(Tensor x) -> Tensor')\n"
        "    lib.impl(name, lambda x: x.clone(), 'CPU')\n    return getattr(torch.ops.aten, name)(x)"
    )
    *_, outcome = run(
        SETUP, Cell("answer", own), Cell("test", "with forbid('conv'):\n    f(torch.ones(1, 4))")
    )
    assert "an operator of its own ran" in outcome.error
    assert "conv_4" not in outcome.error


def test_a_thread_of_the_first_process_is_recorded_beside_a_copy(run):
    thread = (
        "import queue, threading, torch\nasked, told = queue.Queue(), queue.Queue()\n"
        "def work():\n    while True:\n        told.put(torch.max_pool1d(torch.ones(1, 4), 2))\n"
        "        import time; time.sleep(0.001)\n"
        "threading.Thread(target=work, daemon=True).start()\ndef f(x):\n    return x"
    )
    slow = "import time\nwith forbid('pooling'):\n    time.sleep(0.1)\n    f(1)"
    *_, outcome, _ = run(SETUP, Cell("answer", thread), Cell("test", slow), Cell("free", "1"))
    assert "max_pool1d ran" in outcome.error


def test_a_word_that_the_course_does_not_know_is_named(run):
    *_, outcome = run(SETUP, Cell("answer", CHEAT), Cell("test", "with forbid('pools'):\n    f(1)"))
    assert "there is no [forbidden.pools]" in outcome.error


def test_processes_of_a_hand_in_go_on_after_the_ban(run):
    pool = (
        "import os, torch\nhere, there = os.pipe()\nback, told = os.pipe()\n"
        "if os.fork() == 0:\n    while os.read(here, 1):\n        os.write(told, b'!')\n    os._exit(0)\n"
        "def f(x):\n    os.write(there, b'?')\n    return os.read(back, 1)"
    )
    *_, banned, after, _ = run(
        SETUP,
        Cell("answer", pool + "\ndef g(x):\n    return x"),
        Cell("test", "with forbid('conv'):\n    assert g(1) == 1"),
        Cell("test", "assert f(1) == b'!'"),
        Cell("free", "1"),
    )
    assert (banned.error, after.error) == ("", "")


@pytest.fixture
def words(monkeypatch):
    """Another course's words."""

    def have(*words):
        monkeypatch.setattr(conftest, "WARM", dataclasses.replace(conftest.WARM, forbidden=words))

    return have


def test_grouped_calls_alone_can_be_forbidden(run, words):
    words(Forbidden("groups", "grouped ones", operators=(Operators("aten::convolution", (("groups", 2),)),)))
    answer = "import torch\ndef f(x, n):\n    return torch.conv1d(x, torch.ones(2, 2 // n, 1), groups=n)"
    tests = [Cell("test", f"with forbid('groups'):\n    f(torch.ones(1, 2, 3), {n})") for n in (1, 2)]
    *_, one, two = run(SETUP, Cell("answer", answer), *tests)
    assert one.error == ""
    assert "aten.convolution ran, but this exercise forbids grouped ones." in two.error


def test_a_use_that_is_flagged_keeps_its_points_and_is_told(run, words):
    words(Forbidden("pooling", "pools", use="flag", operators=(Operators(r"aten::max_pool\d+d"),)))
    *_, test = run(
        SETUP, Cell("answer", CHEAT), Cell("test", "with forbid('pooling'):\n    f(torch.ones(1, 4))")
    )
    assert test.error == ""
    assert test.run.flagged == ("aten.max_pool1d ran, but this exercise forbids pools.",)


BLOCKS = "import torch, torchvision\ndef f(x):\n    return torch.max_pool1d(x, 2)\n" + (
    "def block():\n    return torchvision.models.resnet.BasicBlock(2, 2)"
)


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("with forbid('torchvision models'):\n    f(torch.ones(1, 4))", ""),
        ("with forbid('torchvision models'):\n    block()", "BasicBlock.__init__ ran"),
        ("with forbid('pooling'):\n    block()", ""),
        ("with forbid('torchvision models'), forbid('pooling'):\n    f(torch.ones(1, 4))", "max_pool1d ran"),
        ("with forbid('torchvision models'), forbid('pooling'):\n    block()", "BasicBlock.__init__ ran"),
        (
            "with forbid('torchvision models'):\n    block()\n    with forbid('pooling'):\n        pass",
            "BasicBlock",
        ),
        (
            "with forbid('torchvision models'):\n    with forbid('pooling'):\n        pass\n    block()",
            "BasicBlock",
        ),
    ],
)
def test_words_without_operators_are_recorded_by_their_marks_alone(run, test, said):
    made = "x = block()" if not said else "pass"  # the module is imported by then
    *_, outcome = run(SETUP, Cell("answer", BLOCKS), Cell("free", made), Cell("test", test))
    assert (said in outcome.error) if said else outcome.error == ""
