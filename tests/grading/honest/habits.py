"""Habits that students have in their notebooks: none of them is wrong, and none may cost a point.

Each takes the source of an answer cell and the names of its functions, and gives a source with the habit. The
functions of a class are there as `"Net.forward"`.
"""

from collections.abc import Callable, Sequence


def around(body: str) -> Callable[[str, Sequence[str]], str]:
    """Every function of the answer in a wrapper with this body; `call` makes the call."""

    def habit(source: str, functions: Sequence[str]) -> str:
        indented = "\n".join(" " * 8 + line for line in body.splitlines())
        wrapper = [
            "def _habit(call):",
            "    import functools",
            "    @functools.wraps(call)",
            "    def habit(*args, **kwargs):",
            indented,
            "    return habit",
        ]
        return "\n".join([source, "", *wrapper, *(f"{name} = _habit({name})" for name in functions)])

    return habit


def _before(*lines: str) -> Callable[[str, Sequence[str]], str]:
    return lambda source, functions: "\n".join([*lines, source])


def _behind(*lines: str) -> Callable[[str, Sequence[str]], str]:
    return lambda source, functions: "\n".join([source, *lines])


def _decorated(*decorators: str) -> Callable[[str, Sequence[str]], str]:
    def habit(source: str, functions: Sequence[str]) -> str:
        for name in functions:
            source = source.replace(f"def {name}(", "\n".join([*decorators, f"def {name}("]), 1)
        return source

    return habit


def timed_cell(source: str, functions: Sequence[str]) -> str:
    """`%%time` over the whole cell."""
    return f"%%time\n{source}"


def typed(source: str, functions: Sequence[str]) -> str:
    """Type hints that are only text, and a helper that uses them."""
    lines = [
        "from __future__ import annotations",
        "from typing import *",
        "Number = TypeVar('Number', int, float)",
        "def twice(x: Number | NotDefinedAnywhere) -> list[Number]: return [x, x]",
    ]
    return "\n".join([*lines, source])


def helper_class(source: str, functions: Sequence[str]) -> str:
    """A class that counts calls and can be called itself."""
    lines = [
        "import functools",
        "class Counted:",
        "    calls: ClassVar[int] = 0",
        "    def __init__(self, function): self.function = function",
        "    def __call__(self, *args, **kwargs):",
        "        Counted.calls += 1",
        "        return self.function(*args, **kwargs)",
        *(f"{name} = {'functools.partialmethod' * ('.' in name)}(Counted({name}))" for name in functions),
    ]
    return "\n".join(["from typing import ClassVar", source, *lines])


def methods(source: str, functions: Sequence[str]) -> str:
    """The functions are methods of an object."""
    lines = ["class Mine:", "    def __repr__(self): return f'<{self.__class__.__name__}>'", "mine = Mine()"]
    for name in functions:
        method = name.replace(".", "_")
        lines += [f"mine.{method} = {name}", f"{name} = lambda *a, **options: mine.{method}(*a, **options)"]
    return "\n".join([source, *lines, "print(mine)"])


HABITS: dict[str, Callable[[str, Sequence[str]], str]] = {
    "warns": around(
        "import sys, warnings\n"
        "warnings.warn('this is deprecated, or will be', FutureWarning, stacklevel=2)\n"
        "print('careful', file=sys.stderr)\n"
        "return call(*args, **kwargs)"
    ),
    "prints": around(
        "print('called with', [getattr(a, 'shape', a) for a in args], kwargs)\n"
        "result = call(*args, **kwargs)\n"
        "print('result', result)\n"
        "return result"
    ),
    "logs": around(
        "import logging\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "logging.getLogger(__name__).info('call of %s', call)\n"
        "return call(*args, **kwargs)"
    ),
    "shows a bar": around(
        "from tqdm.auto import tqdm, trange\n"
        "for _ in trange(2, desc='thinking'):\n"
        "    for _ in tqdm([1, 2], leave=False):\n"
        "        pass\n"
        "return call(*args, **kwargs)"
    ),
    "plots": around(
        "from matplotlib import pyplot as plt\n"
        "if len(args) == 2:\n"
        "    plt.figure(figsize=(1, 1))\n"
        "    plt.plot([1, 2], [2, 1])\n"
        "    plt.show()\n"
        "return call(*args, **kwargs)"
    ),
    "global state": lambda source, functions: (
        "calls, seen = 0, []\n"
        + around(
            "global calls\ncalls += 1\nseen.append(len(args))\nreturn call(*args, **kwargs)",
        )(source, functions)
    ),
    "caches": lambda source, functions: (
        "import functools\n@functools.lru_cache(maxsize=None)\ndef factorial(n):\n"
        "    return 1 if n < 2 else n * factorial(n - 1)\n"
        + around("assert factorial(5) == 120\nreturn call(*args, **kwargs)")(source, functions)
    ),
    "no_grad": _decorated("@torch.no_grad()"),
    "asserts": around(
        "import numpy as np\n"
        "assert np.asarray([1.0]).dtype == np.float64, 'numpy is here'\n"
        "rng = np.random.default_rng(0)\n"
        "assert rng.random() < 1\n"
        "return call(*args, **kwargs)"
    ),
    "magics": _before("%matplotlib inline", "%config InlineBackend.figure_format = 'svg'", "import torch"),
    "times": _behind(
        "%timeit -n 1 -r 1 sum(range(100))",
        "%time sum(range(100))",
        "import time; started = time.perf_counter()",
    ),
    "awaits": _behind("import asyncio", "await asyncio.sleep(0)"),
    "asks the shell": _behind("!ls", "%pwd", "%who"),
    "displays": _behind(
        "from IPython.display import Markdown, display",
        "display(Markdown('**my answer**'))",
        "torch.ones(2)",
    ),
    "seeds": _before("import random", "random.seed(0); torch.manual_seed(0)"),
    "ends with a fault": _behind("try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    print(error)"),
    "main guard": _behind("if __name__ == '__main__':\n    print('as a script')"),
    "float64 by default": _behind("torch.set_printoptions(precision=3)"),
    "imports all": _before("from math import *", "import numpy as np, torch, torch.nn as nn"),
    "timed cell": timed_cell,
    "type hints": typed,
    "helper class": helper_class,
    "methods": methods,
}
