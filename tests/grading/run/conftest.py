"""A made-up course of three small exercises that needs no library, and ways to hand something in."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from grading.commands.build import build
from grading.config import Config, load_config

A = "01_numbers"
MIME = "application/vnd.made-up.check+json"

COURSE = f"""
[course]
name = "made-up"
check_mime = "{MIME}"
ships = ["notebooks"]

[limits]
cell_seconds = 4
job_seconds = 30
memory_mb = 2048
"""

MASTER = f'''
# /// course
# topic = "01_numbers"
# title = "Numbers"
# minutes = 10
# objectives = ["double a number"]
#
# [exercises.double]
# points = 5
#
# [exercises.root]
# points = 2
#
# [exercises.essay]
# points = 4
# manual = true
# ///

# %% [markdown]
# # Numbers

# %% setup=true
import math
from IPython.display import display

def check(name, function, wrong):
    try:
        met = wrong(function)
    except Exception:
        met = False
    bundle = {{"exercise": name, "diagnosis": ["adds-two"] if met else []}}
    display({{"text/plain": "a card", "{MIME}": bundle}}, raw=True)

# %% parameters=true
budget = "ci"

# %% answer="double"
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% check="double"
check("double", double, lambda function: function(5) == 7)

# %% test="double" part="small" points=2
# Small numbers.
### BEGIN HIDDEN TESTS
assert double(3) == 6, "twice three"
### END HIDDEN TESTS

# %% test="double" part="kinds" points=3
# Half of the points for integers, half for floats.
### BEGIN HIDDEN TESTS
1.5 * (double(4) == 8) + 1.5 * (double(0.5) == 1.0)
### END HIDDEN TESTS

# %% answer="root"
def root(x):
    """The square root of x."""
    ### BEGIN SOLUTION
    return x**0.5
    ### END SOLUTION

# %% check="root"
check("root", root, lambda function: function(4) == 6)

# %% test="root" points=2
# Two.
### BEGIN HIDDEN TESTS
assert math.isclose(root(2), math.sqrt(2))
### END HIDDEN TESTS

# %% [markdown] manual="essay" points=4
# ### BEGIN SOLUTION
# Because it is so.
# ### END SOLUTION
'''

VARIANTS = """
# %% misconception="double" name="adds-two"
# You add two instead of doubling.
def double(x):
    return x + 2

# %% misconception="double" name="drops-fractions"
# You cut off what stands behind the point.
def double(x):
    return 2 * int(x)

# %% alternative="double" name="sum"
# x and x.
def double(x):
    return x + x
"""

KNOWN = {
    "double": "def double(x):\n    return 2 * x",
    "root": "def root(x):\n    return x ** 0.5",
    "essay": "In my own words.",
}


def id_of(cell):
    """The cell's grade_id, None for an ordinary cell."""
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def cell_of(notebook, grade_id):
    """The cell with this grade_id."""
    return next(cell for cell in notebook.cells if id_of(cell) == grade_id)


@dataclass(frozen=True)
class MadeUp:
    """The course in a folder of its own, and how to hand something in."""

    config: Config
    assignment = A

    def source(self):
        return nbformat.read(self.config.tree / "source" / A / f"{A}.ipynb", as_version=4)

    def released(self):
        return nbformat.read(self.config.tree / "release" / A / f"{A}.ipynb", as_version=4)

    def solved(self, **answers):
        """The hand-in of someone who knows everything, some answers exchanged."""
        notebook = self.released()
        for cell in notebook.cells:
            cell.source = (KNOWN | answers).get(id_of(cell), cell.source)
        return notebook

    def hand_in(self, student, content, name=f"{A}.ipynb"):
        """Put a notebook, or bytes, where this student hands in."""
        path = self.config.tree / "submitted" / student / A / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else nbformat.writes(content).encode())
        return path

    def folder(self, student):
        """An empty folder of this student."""
        path = self.config.tree / "submitted" / student / A
        path.mkdir(parents=True, exist_ok=True)
        return path


@pytest.fixture(scope="session")
def blueprint(tmp_path_factory) -> Path:
    """The course as built, without hand-ins."""
    root = tmp_path_factory.mktemp("blueprint")
    masters = root / "solutions" / A
    masters.mkdir(parents=True)
    (masters / "assignment.py").write_text(MASTER)
    (masters / "misconceptions.py").write_text(VARIANTS)
    (root / "course.toml").write_text(COURSE)
    build(load_config(root / "course.toml"))
    return root


@pytest.fixture
def made_up(blueprint, tmp_path) -> MadeUp:
    """A fresh copy of the course."""
    shutil.copytree(blueprint, tmp_path / "course")
    return MadeUp(load_config(tmp_path / "course" / "course.toml"))


@pytest.fixture(scope="session")
def shared(blueprint, tmp_path_factory) -> MadeUp:
    """A copy for tests that share one graded class and do not change it."""
    root = tmp_path_factory.mktemp("shared") / "course"
    shutil.copytree(blueprint, root)
    return MadeUp(load_config(root / "course.toml"))
