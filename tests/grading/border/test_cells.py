"""Which cell runs where, and what a cell's text may be."""

import pytest

from tests.grading.border.cells import Cell

SETUP = Cell("locked", "import torch\nfrom coursekit import check\nfrom coursekit.check import forbid")
DOUBLE = Cell("answer", "def double(x):\n    return 2 * x")


def errors(outcomes):
    """What the tests among the outcomes said; others have to be fine."""
    return [outcome.error for outcome in outcomes]


@pytest.mark.parametrize(
    ("last", "value"),
    [
        ("double(1) / 4", 0.5),
        ("double(1)", 2),
        ("double(1) == 2", True),
        ("torch.tensor(double(0.25))", 0.5),
        ("sum(double(x) == y for x, y in [(1, 2), (2, 5)]) / 2", 0.5),
        ("double('a')", None),
        ("points = double(1)", None),
        ("double(1);", None),
    ],
)
def test_a_test_may_end_in_a_number(run, last, value):
    *_, test = run(SETUP, DOUBLE, Cell("test", last))
    assert test.error == ""
    assert test.value == value
    assert type(test.value) is type(value)


def test_a_test_may_end_in_what_the_public_check_gives(run):
    right = "def convolve2d(image, kernel):\n    h, w = kernel.shape\n"
    right += "    out = torch.zeros(image.shape[0] + h - 1, image.shape[1] + w - 1, dtype=image.dtype)\n"
    right += "    for i in range(h):\n        for j in range(w):\n"
    right += (
        "            out[i:i + image.shape[0], j:j + image.shape[1]] += kernel[i, j] * image\n    return out"
    )
    wrong = right.replace("return out", "return out if h * w > 1 and h == w else out + 1")
    cheat = "def convolve2d(image, kernel):\n    f = torch.nn.functional.conv2d\n    h, w = kernel.shape\n"
    cheat += "    return f(image[None, None], kernel.flip(0, 1)[None, None], padding=(h - 1, w - 1))[0, 0]"
    test = Cell("test", "check('convolve2d', convolve2d)")
    guarded = Cell("test", "with forbid('conv'):\n    score = check('convolve2d', convolve2d)\nscore")
    values = [run(SETUP, Cell("answer", answer), test, guarded)[2:] for answer in (right, wrong, cheat)]
    *_, (_, refused) = values
    assert [outcome.error for pair in values for outcome in pair if outcome is not refused] == [""] * 5
    assert [outcome.value for outcome in values[0]] == [1.0, 1.0]
    assert 0 < values[1][0].value < 1
    assert "conv2d ran" in refused.error, "what the check forbids, the test has to forbid as well"


def test_a_name_comes_from_the_students_cells_when_no_locked_cell_has_it(run):
    outcomes = run(
        Cell("locked", "limit = 3\ndef helper(x): return x + limit"),
        Cell("answer", "limit = 100\ndef helper(x): return 0\ndef mine(x): return helper(x)\nspeed = 7"),
        Cell("test", "assert helper(1) == 4 and limit == 3, 'the course keeps its own'"),
        Cell("test", "assert mine(1) == 0 and speed == 7, 'the student has theirs'"),
        Cell("test", "assert unknown == 3"),
    )
    assert errors(outcomes)[:4] == [""] * 4
    assert outcomes[4].error == "NameError: name 'unknown' is not defined"


def test_answers_are_looked_up_anew_for_every_test(run):
    outcomes = run(
        Cell("answer", "def f(): return 1\nkept = [1]"),
        Cell("test", "assert f() == 1 and kept == [1]; kept.append(2)"),
        Cell("free", "def f(): return 2\nkept.append(3)"),
        Cell("test", "assert f() == 2 and kept == [1, 3]"),
    )
    assert errors(outcomes) == [""] * 4


def test_a_locked_cell_may_define_what_asks_an_answer_later(run):
    outcomes = run(
        Cell(
            "locked",
            "def asked(x):\n    return double(x) + 1\nclass Asked:\n    def ask(self): return double(4)",
        ),
        DOUBLE,
        Cell("test", "assert asked(3) == 7"),
        Cell("test", "assert Asked().ask() == 8"),
    )
    assert errors(outcomes) == [""] * 4


def test_a_locked_cell_that_asks_at_once_runs_there_only_as_students_got_it(run):
    outcomes = run(
        DOUBLE,
        Cell("locked", "import os\nprint(double(21), 'hidden')", released="print(double(21), __name__)"),
        Cell("locked", "print('plain')"),
    )
    assert errors(outcomes) == [""] * 3
    assert [outcome.printed for outcome in outcomes] == ["", "42 __main__\n", "plain\n"]


def test_a_test_s_own_names_stay_with_the_tests(run):
    outcomes = run(
        DOUBLE,
        Cell("test", "expected = 42\ndef oracle(x): return 2 * x\nassert double(3) == oracle(3)"),
        Cell("answer", "found = [name for name in ('expected', 'oracle') if name in dir()]"),
        Cell("test", "assert found == [] and oracle(2) == 4"),
    )
    assert errors(outcomes) == [""] * 4


def test_classes_and_functions_of_locked_cells_mean_the_same_on_both_sides(run):
    outcomes = run(
        Cell(
            "locked",
            "from torch import nn\nclass Block(nn.Linear):\n    size = 3\ndef scale(x): return 2 * x",
        ),
        Cell("answer", "def make(kind): return kind(3, kind.size)\ndef apply(f, x): return f(x), f is scale"),
        Cell("test", "import torch\nassert make(Block)(torch.ones(1, 3)).shape == (1, 3)"),
        Cell("test", "assert apply(scale, 4) == (8, True)"),
        Cell("test", "def scale(x): return 5\nassert apply(scale, 4) == (5, False)"),
    )
    assert errors(outcomes) == [""] * 5


TEXTS = {
    "line magics": "%matplotlib inline\n%time assert double(1) == 2",
    "a cell magic": "%%time\nassert double(1) == 2\ndouble(2)",
    "a magic that calls an answer": "took = %timeit -n 1 -r 1 -o -q double(1)\nassert took.loops == 1",
    "await": "import asyncio\nawait asyncio.sleep(0)\nassert double(1) == 2",
    "a future": "from __future__ import annotations\ndef f(x: Unknown): return x\nassert f(double(1)) == 2",
    "hints": "x: int = double(1)\ny: 'Unknown' = double(x)\nassert y == 4",
    "a main guard": "if __name__ == '__main__':\n    assert double(1) == 2\nelse:\n    raise AssertionError",
    "a comprehension": "assert [double(x) for x in range(3) if double(x) < 3] == [0, 2]",
    "a lambda": "assert (lambda x: double(x))(2) == 4 and list(map(lambda x: double(x), [1])) == [2]",
    "a class": "class Case:\n    def run(self): return double(2)\nassert Case().run() == 4",
    "a generator": "def each():\n    yield double(1)\nassert next(each()) == 2",
    "a global": "def once():\n    global seen\n    seen = double(1)\nonce()\nassert seen == 2",
    "a shell line": "found = !echo {double(4)}\nassert found == ['8']",
    "eval": "%time assert eval('double(1)') == 2",
    "only a comment": "# nothing",
    "unicode": "größe = double(1)\nassert größe == 2",
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_test_may_be_written_in_any_way_that_a_cell_may(run, text):
    _, _, test, after = run(SETUP, DOUBLE, Cell("test", TEXTS[text]), Cell("test", "assert double(2) == 4"))
    assert (test.error, after.error) == ("", "")


@pytest.mark.parametrize("text", sorted(TEXTS.keys() - {"only a comment"}))
def test_and_it_fails_where_the_answer_is_wrong(run, text):
    wrong = Cell("answer", "def double(x):\n    raise ValueError('wrong')")
    *_, test = run(SETUP, wrong, Cell("test", TEXTS[text]))
    assert test.error != ""


@pytest.mark.parametrize(
    "source",
    ["def (:", "raise ValueError('mine')", "import no_such_module", "1/0", "%no_such_magic", "x = ["],
)
def test_a_cell_that_fails_costs_only_what_it_should_have_defined(run, source):
    broken, answer, test, other = run(
        Cell("free", source), DOUBLE, Cell("test", "assert double(1) == 2"), Cell("test", "mine(1)")
    )
    assert broken.error != ""
    assert any(output.output_type == "error" for output in broken.outputs)
    assert (answer.error, test.error) == ("", "")
    assert other.error == "NameError: name 'mine' is not defined"


def test_what_an_answer_shows_is_kept(run):
    shown = "from IPython.display import HTML, display\nprint('one')\ndisplay(HTML('<b>two</b>'))\n'three'"
    (cell,) = run(Cell("answer", shown))
    assert [output.output_type for output in cell.outputs] == ["stream", "display_data", "execute_result"]
    assert cell.outputs[1].data["text/html"] == "<b>two</b>"
    assert cell.outputs[2].data["text/plain"] == "'three'"


def test_a_pass_says_nothing_and_a_failure_says_its_message_only(run):
    _, right, wrong = run(
        DOUBLE,
        Cell("test", "assert double(1) == 2, 'a secret'"),
        Cell("test", "hidden = 41\nassert double(1) == hidden, 'what students read'"),
    )
    assert right.outputs == []
    (told,) = wrong.outputs
    assert (told.ename, told.evalue) == ("AssertionError", "what students read")
    assert "hidden" not in "".join(told.traceback)
