"""Forbidden functions leave a mark, however a hand-in got hold of them, and compute what they did before."""

import subprocess
import sys

PROGRAM = '''
import sys, types
import numpy as np
from grading.answer import marked

left = []
marked.mark_of = lambda name: lambda: left.append(name.removeprefix(marked.MARK))

def scaled(x, factor=2, *rest, more=1):
    """A function with everything that a function can have."""
    return x * factor + sum(rest) + more

class Base:
    def __init__(self, x): self.x = x

class Derived(Base):
    def __init__(self, x):
        super().__init__(x + 1)

taken, inner = scaled, np.core.multiarray.correlate if hasattr(np, "core") else None
earlier = np.convolve
marked.expect(["__main__.scaled", "__main__.Derived.__init__", "numpy.convolve",
               "numpy._core.multiarray.correlate", "nowhere.to_be.found", "__main__.missing"])
'''


def says(program, tmp_path):
    """What the program prints, in a process of its own: marks are for good."""
    file = tmp_path / "marks.py"
    file.write_text(PROGRAM + program)
    done = subprocess.run([sys.executable, "-W", "ignore", file], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_function_taken_before_leaves_the_mark_and_returns_the_same(tmp_path):
    assert says("print(taken(3, 4, 5, more=6), taken(1), *left)", tmp_path) == [
        "23", "3", "__main__.scaled", "__main__.scaled",
    ]  # fmt: skip


def test_a_constructor_that_asks_its_parent_works(tmp_path):
    assert says("print(Derived(1).x, *left)", tmp_path) == ["2", "__main__.Derived.__init__"]


def test_numpys_functions_are_marked_inside_and_below(tmp_path):
    assert says("print(*earlier([1, 2], [3]), *left)", tmp_path) == [
        "3", "6", "numpy.convolve", "numpy._core.multiarray.correlate",
    ]  # fmt: skip


def test_a_function_made_of_the_same_code_leaves_the_mark_as_well(tmp_path):
    program = "copy = types.FunctionType(scaled.__code__, globals(), 'other', (2,))\n"
    program += "copy(1, 1, more=0)\nprint(*left)"
    assert says(program, tmp_path) == ["__main__.scaled"]


def test_modules_that_come_later_are_marked_the_next_time(tmp_path):
    program = (
        "marked.expect(['colorsys.rgb_to_hsv'])\nimport colorsys\ncall = colorsys.rgb_to_hsv\n"
        "marked.mark_all()\ncall(0, 0, 0)\nprint(*left)"
    )
    assert says(program, tmp_path) == ["colorsys.rgb_to_hsv"]
