"""check, hint and progress as a notebook calls them."""

import subprocess
import sys

import pytest
from IPython.core.interactiveshell import InteractiveShell

from coursekit.check import CheckError, UnknownExerciseError, check, fingerprints, hint, progress
from coursekit.check.card import MIME
from coursekit.check.fingerprints.__main__ import record, serialize
from tests.check import made_up
from tests.check.made_up import count, moving_sum, scale
from tests.check.test_fingerprints import AVERAGES, request


def averages(x, width=2):
    return moving_sum(x, width) / width


def test_check_returns_the_fraction_and_shows_a_bundle(shown):
    assert check("moving_sum", moving_sum) == 1.0
    assert check("moving_sum", averages) == 0.5
    assert check("scale", scale, count) == 1.0
    assert [b[MIME]["passed"] for b in shown] == [4, 2, 3]
    assert all(b.keys() == {"text/html", "text/plain", MIME} for b in shown)


def test_check_names_the_misconception_from_its_recorded_fingerprint(shown):
    fingerprints.FOLDER.mkdir()
    path = fingerprints.FOLDER / f"{made_up.TOPIC}.json"
    path.write_text(serialize(record(request(AVERAGES))))
    check("moving_sum", averages)
    assert shown[0][MIME]["diagnosis"] == ["average"]
    assert "You average." in shown[0]["text/plain"]
    assert "You average." in shown[0]["text/html"]


def test_outside_a_notebook_the_card_is_printed(capsys):
    check("moving_sum", moving_sum)
    assert capsys.readouterr().out.startswith("moving_sum: 4 of 4 cases passed")


def test_a_function_that_prints_is_fine(capsys):
    def talks(x, width=2):
        print("working")
        return moving_sum(x, width)

    assert check("moving_sum", talks) == 1.0
    assert capsys.readouterr().out.count("working") == 4


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: check("moving_sum"), r'no function came: call check\("moving_sum", moving_sum\)'),
        (lambda: check("moving_sum", 3), "object of type int"),
        (lambda: check("moving_sum", moving_sum(made_up.line(1, 2))), "without calling"),
        (lambda: check("moving_sum", moving_sum, moving_sum), "2 functions"),
        (lambda: check("scale", scale), "scale and count, but one function"),
        (lambda: hint("moving_sum", 4), "levels 1 to 3; 4"),
        (lambda: hint("moving_sum", 0), "levels 1 to 3; 0"),
        (lambda: hint("moving_sum", "2"), "levels 1 to 3"),
        (lambda: hint("scale"), "no hints"),
    ],
)
def test_a_wrong_call_gets_one_sentence(call, words):
    with pytest.raises(CheckError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("moving_sums", "Did you mean moving_sum?"),
        ("MovingSum", "moving_sum"),
        ("xyz", "There are: moving_sum, scale, add_into."),
        (moving_sum, "id of an exercise, a string"),
    ],
)
def test_an_unknown_exercise_gets_the_nearest_names(name, words):
    with pytest.raises(UnknownExerciseError, match=words.replace("?", r"\?")):
        check(name, moving_sum)


def test_ipython_shows_a_wrong_call_as_one_line(capsys):
    shell = InteractiveShell.instance()
    try:
        shell.run_cell("from coursekit.check import check\ncheck('moving_sum')")
    finally:
        InteractiveShell.clear_instance()
    assert [line for line in capsys.readouterr().out.splitlines() if line.strip()] == [
        "CheckError: Exercise moving_sum checks moving_sum, but no function came: call "
        'check("moving_sum", moving_sum).'
    ]


def test_hints_come_one_by_one_and_can_be_asked_for(shown):
    for _ in range(4):
        hint("moving_sum")
    hint("moving_sum", 1)
    hint("moving_sum")
    texts = [b["text/plain"] for b in shown]
    assert [text[:11] for text in texts] == [f"Hint {n} of 3" for n in (1, 2, 3, 3, 1, 2)]
    assert texts[1] == 'Hint 2 of 3 for moving_sum. Use unfold.\nhint("moving_sum") again gives the next.'
    assert "last one" in texts[2]
    assert "`unfold`" in shown[1]["text/markdown"]


def test_progress_shows_best_attempts_and_hints(shown):
    check("moving_sum", moving_sum)
    check("moving_sum", averages)
    hint("moving_sum")
    hint("moving_sum")
    progress()
    rows = [line.split() for line in shown[-1]["text/plain"].splitlines()]
    assert rows[0] == ["topic", "exercise", "best", "checks", "hints"]
    assert rows[1] == ["00_made_up", "moving_sum", "100%", "2", "2", "of", "3"]
    assert rows[2] == ["00_made_up", "scale", "not", "tried", "0", "0", "of", "0"]
    assert "moving_sum" in shown[-1]["text/html"]


def test_a_home_that_cannot_be_written_costs_one_sentence(shown, home):
    home.write_text("a file where the folder should be")
    assert check("moving_sum", moving_sum) == 1.0
    assert check("moving_sum", averages) == 0.5
    warned = ["cannot be saved" in b["text/plain"] for b in shown]
    assert warned == [True, False]
    progress()
    assert "100%" in shown[-1]["text/plain"]


def test_a_failing_check_calls_the_answer_once_a_case(shown):
    calls = []

    def runs_backwards(x, width=2):
        calls.append(width)
        return moving_sum(x, width).flip(0)

    assert check("moving_sum", runs_backwards) < 1
    assert len(calls) == len(made_up.MOVING_SUM.cases)


ORDERS = [
    "from coursekit import check",
    "import coursekit; check = coursekit.check",
    "from coursekit.check import forbid; from coursekit import check",
    "import coursekit.check; from coursekit import check",
    "import coursekit.check.fingerprints; from coursekit import check",
    "from coursekit import check; from coursekit.check import forbid; from coursekit import check",
    "from coursekit.check.cases import Case; import coursekit; check = coursekit.check",
    "from coursekit.check import check",
    "from coursekit import *",
    "import importlib; check = importlib.import_module('coursekit.check')",
    "import sys, coursekit.check; check = sys.modules['coursekit.check']",
]


def test_check_can_be_called_in_whatever_order_things_are_imported():
    """All orders in one interpreter, with the package forgotten in between: torch is slow to import."""
    program = f"""
import sys
import torch
for order in {ORDERS!r}:
    for name in [name for name in sys.modules if name.partition(".")[0] == "coursekit"]:
        del sys.modules[name]
    names = {{}}
    exec(order, names)
    import coursekit.check.topics
    sys.modules["coursekit.check.topics"].MODULES = {{"00_made_up": "tests.check.made_up"}}
    sys.modules.pop("tests.check.made_up", None)
    exec("from tests.check.made_up import moving_sum", names)
    result = eval("check('moving_sum', moving_sum)", names)
    assert result == 1.0, order
    exec("from coursekit.check import forbid, Case; from coursekit import check, hint, progress", names)
    assert eval("check('moving_sum', moving_sum)", names) == 1.0, order
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_the_checks_imports_neither_plots_nor_models():
    program = """
import sys
import coursekit.check
heavy = {"matplotlib", "torchvision", "IPython", "scipy", "torch._dynamo"}
heavy |= {name for name in sys.modules if name.startswith("coursekit.check.topics.")}
print(sorted(heavy & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
