"""Are ways around a guard seen in the text of a hand-in, and is honest work left alone?"""

import pytest

from grading.evasion import evasions
from tests.attacks.corpus import guard
from tests.attacks.corpus.attack import plain

CONTEXTS = ["coursekit.check.forbid"]

WAYS = {
    "the guard by an import": "from coursekit.check import guard",
    "the guard by attributes": "import coursekit.check as c\nc.guard.forbid = None",
    "the guard by another name": "from coursekit import check as c\nc.groups.GROUPS.clear()",
    "what lies below torch's guards": "torch._C._DisableTorchDispatch()",
    "a name that is computed": "getattr(torch, '_' + 'C')",
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
    "the answering process": "from grading import answer",
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
    "a syntax error": "def f(:\n  pass",
    "odd indentation": "  if x:\n y",
}


@pytest.mark.parametrize("name", WAYS)
def test_a_way_round_is_named(name):
    assert evasions([WAYS[name]], CONTEXTS)


@pytest.mark.parametrize("name", HONEST)
def test_honest_work_names_none(name):
    assert evasions([HONEST[name]], CONTEXTS) == []


def test_an_import_in_one_cell_is_known_in_the_next():
    assert evasions(["import coursekit.check as quiet", "quiet.guard.Watch"], CONTEXTS)


@pytest.mark.parametrize("attack", guard.ATTACKS[1:-2], ids=lambda attack: attack.name)
def test_every_attack_on_the_guard_would_be_seen_by_its_text_alone(attack):
    assert evasions([plain(attack.first), *map(plain, attack.answers.values())], CONTEXTS)
