"""Are ways around a guard seen in the text of a hand-in, and is honest work left alone?"""

import ast

import pytest

import coursekit.check
from grading.answer.computed_names import CheckNames, checking
from grading.answer.words import CHECK
from grading.engine.evasion import evasions
from tests.attacks.corpus import guard
from tests.attacks.corpus.attack import plain

CONTEXTS = ["coursekit.check.forbid"]

WAYS = {
    "the guard by an import": "from coursekit.check import guard",
    "the guard by attributes": "import coursekit.check as c\nc.guard.forbid = None",
    "the guard by another name": "from coursekit import check as c\nc.groups.GROUPS.clear()",
    "what lies below torch's guards": "torch._C._DisableTorchDispatch()",
    "getattr by another name": "look = getattr\nlook(torch, '_' + 'C')",
    "getattr as an argument": "list(map(getattr, [f], ['__glo' + 'bals__']))",
    "arguments that cannot be seen": "getattr(*pair)",
    "the check of names": "_checked_access = lambda f, *a: f(*a)",
    "a pattern": "match f:\n    case object(__globals__=g):\n        pass",
    "code in an annotation": "import typing\ntyping.get_type_hints(f)",
    "code in a text that is timed": "import timeit\ntimeit.timeit('pass')",
    "code in a file": "torch.load('weights', weights_only=False)",
    "another class": "block.__class__ = Plain",
    "a name in a string": "getattr(torch, '_C')",
    "letters that look like others": "ｅxec('pass')",
    "code in a text": "%time exec('pass')",
    "threads": "import threading",
    "processes of torch's own": "import torch\ntorch.multiprocessing.spawn(f)",
    "processes": "import os\nos.fork()",
    "a program in the background": "!python server.py &",
    "a cell of another language": "%%bash\npython server.py",
    "the interpreter's modules": "import sys\nsys.modules['coursekit.check.guard'] = None",
    "the same by another name": "import sys as s\ns.modules",
    "the answering process": "from grading.answer import process",
    "frames": "try:\n    1 / 0\nexcept Exception as error:\n    f = error.__traceback__.tb_frame.f_back",
}
HONEST = {
    "a signal": "def smooth(signal, kernel):\n    return signal * kernel",
    "the parts of a network": "for part in net.modules():\n    print(part)",
    "warnings": "import sys\nprint('careful', file=sys.stderr)",
    "magics": "%matplotlib inline\n%timeit -n 1 f(x)\n!pip list",
    "a per cent sign": "print('%d %%' % round(100 * x)); y = x % 3",
    "bars": "from tqdm.auto import tqdm\nfor x in tqdm(range(3)):\n    pass",
    "the check itself": "from coursekit import check\n_ = check('conv2d', conv2d)",
    "labels": "plt.plot(x, label='signal types')",
    "a compiled pattern": "import re\nre.compile('x')",
    "evaluation": "net.eval()",
    "a numbered layer": "def forward(self, x):\n    return getattr(self, f'layer{i}')(x)",
    "children exchanged": "for name, child in net.named_children():\n    setattr(net, name, Plain(child))",
    "a class of the same kind": "other = block.__class__(3)",
    "weights": "torch.load('weights', weights_only=True)",
    "a clock": "from timeit import default_timer",
    "a syntax error": "def f(:\n  pass",
    "odd indentation": "  if x:\n y",
}


@pytest.mark.parametrize("name", WAYS)
def test_a_way_round_is_named(name):
    assert evasions([WAYS[name]], CONTEXTS)


@pytest.mark.parametrize("name", HONEST)
def test_honest_work_names_none(name):
    assert evasions([HONEST[name]], CONTEXTS) == []


def run(source):
    """As the answering process runs it: this module's names are the hand-in's."""
    names = {CHECK: checking(CONTEXTS), "check": coursekit.check, "Word": Word}
    tree = ast.fix_missing_locations(CheckNames().visit(ast.parse(source)))
    exec(compile(tree, "hand-in", "exec"), names)
    return names


class Word(str):
    """A text that says something else each time."""

    def __str__(self):
        return "width"


@pytest.mark.parametrize(
    "access",
    [
        "getattr(run, '__glo' + 'bals__')",
        "getattr(run, '__glo' + 'bals__', None)",
        "hasattr(run, '__glo' + 'bals__')",
        "setattr(run, '__co' + 'de__', None)",
        "getattr(run, Word('__glo' + 'bals__'))",
        "getattr(check, 'gu' + 'ard')",
        "setattr(check, 'for' + 'bid', None)",
        "[f for f in [run] if getattr(f, '_' + '_dict__')]",
    ],
)
def test_a_computed_name_that_leads_below_the_guard_is_refused_when_it_runs(access):
    assert evasions([access], CONTEXTS) == []  # the text does not show it
    with pytest.raises(AttributeError, match="cannot compute the name"):
        run(f"def run(): pass\n{access}")


def test_a_computed_name_of_ones_own_is_as_ever():
    names = run(
        "class Net: pass\n"
        "net = Net()\n"
        "for i in range(2):\n"
        "    setattr(net, f'layer{i}', i + 5)\n"
        "found = [getattr(net, f'layer{i}', None) for i in range(3)], hasattr(net, f'layer{2}')"
    )
    assert names["found"] == ([5, 6, None], False)


def test_an_import_in_one_cell_is_known_in_the_next():
    assert evasions(["import coursekit.check as quiet", "quiet.guard.Watch"], CONTEXTS)


IN_THE_TEXT = [a for a in guard.ATTACKS[1:-2] if a.name != "steps-outside-by-another-name"]


@pytest.mark.parametrize("attack", IN_THE_TEXT, ids=lambda attack: attack.name)
def test_every_attack_on_the_guard_would_be_seen_by_its_text_alone(attack):
    assert evasions([plain(attack.first), *map(plain, attack.answers.values())], CONTEXTS)
