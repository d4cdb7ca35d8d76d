"""What an attack is, and the course that is attacked."""

import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

from grading.commands.build import build
from grading.config import Config, load_config
from tests.helpers import ROOT

PUZZLES, TENSORS = "01_puzzles", "02_tensors"

MARKERS = {
    "hidden": "marker-hidden-5b1e07c3",
    "master": "marker-master-d94a26f8",
    "neighbour": "marker-neighbour-63c0fe1a",
    "gradebook": "marker-gradebook-a8275d90",
    "environment": "marker-environment-1f9be642",
    "home": "marker-home-c730d85e",
}
"""Words that stand where no hand-in may read; an attack finds them by what stands before the last hyphen."""

FOUND = "found: "
"""What an attack found, it shows behind this word."""


@dataclass(frozen=True)
class Attack:
    """One hand-in that tries to get what it does not deserve.

    tries, gains: what it does, and what that would bring. answers: source by grade id; all others stay blank.
    first, last: cells of its own before and behind everything. edit: changes the notebook in other ways.
    deserved: points of an honest grader. harms: why it is not let loose on a machine without a sandbox.
    """

    name: str
    tries: str
    gains: str
    answers: Mapping[str, str] = field(default_factory=dict)
    first: str = ""
    last: str = ""
    edit: Callable[[NotebookNode], None] | None = None
    assignment: str = PUZZLES
    deserved: float = 0.0
    harms: str = ""

    def notebook(self, released: NotebookNode, places: Mapping[str, str]) -> NotebookNode:
        """The hand-in. places: what `@NAME@` in a cell stands for: paths, a port."""
        notebook = nbformat.from_dict(released)
        for cell in notebook.cells:
            if (name := id_of(cell)) in self.answers:
                cell.source = plain(self.answers[name])
        if self.first:
            notebook.cells.insert(0, nbformat.v4.new_code_cell(plain(self.first)))
        if self.last:
            notebook.cells.append(nbformat.v4.new_code_cell(plain(self.last)))
        if self.edit is not None:
            self.edit(notebook)
        for cell in notebook.cells:
            for word, value in {**places, "ATTACK": self.name}.items():
                cell.source = cell.source.replace(f"@{word}@", value)
        return notebook


def plain(source: str) -> str:
    """A cell's source without the indentation that it has in a table."""
    return textwrap.dedent(source).strip("\n")


def id_of(cell: NotebookNode) -> str | None:
    """The cell's grade_id, None for an ordinary cell."""
    name = cell.metadata.get("nbgrader", {}).get("grade_id")
    return str(name) if name is not None else None


def cell_of(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    """The cell with this grade_id."""
    return next(cell for cell in notebook.cells if id_of(cell) == grade_id)


COURSE = f"""
[course]
name = "besieged"
ships = ["notebooks"]

[engine]
preload = ["numpy", "torch", "coursekit.check"]
contexts = ["coursekit.check.forbid"]
forbidden = {json.dumps(str(ROOT / "coursekit/check/forbidden.toml"))}

[limits]
cell_seconds = 4
job_seconds = 30
memory_mb = 2048
scratch_mb = 64
processes = 32
"""

HEADER = """\
# /// course
# topic = "{topic}"
# title = "Besieged"
# minutes = 10
# objectives = ["be fair"]
#
{exercises}
# ///

# %% [markdown]
# # Besieged

# %% setup=true
{setup}
"""

EXERCISE = """
# %% answer="{name}"
{stub}
    ### BEGIN SOLUTION
    # {marker}
{solution}
    ### END SOLUTION

# %% check="{name}"
print(callable({called}))
"""

TEST = """
# %% test="{name}" {part}points={points}
# A hidden test.
### BEGIN HIDDEN TESTS
noted = "{marker}"
{test}
### END HIDDEN TESTS
"""


@dataclass(frozen=True)
class Exercise:
    """An exercise of the besieged course: its answer and its hidden tests, by part."""

    name: str
    stub: str
    solution: str
    tests: Mapping[str, tuple[float, str]]
    behind: str = ""  # a locked cell that uses the answer, and defines what the tests use

    @property
    def points(self) -> float:
        return sum(points for points, _ in self.tests.values())

    def master(self) -> str:
        indented = "\n".join(f"    {line}" for line in self.solution.splitlines())
        called = self.stub.split()[1].partition("(")[0].rstrip(":")
        text = EXERCISE.format(
            name=self.name, called=called, stub=self.stub, solution=indented, marker=MARKERS["master"]
        )
        text += f"\n# %% setup=true\n{self.behind}\n" if self.behind else ""
        for part, (points, test) in self.tests.items():
            word = f'part="{part}" ' if part else ""
            text += TEST.format(
                name=self.name, part=word, points=points, test=test.strip(), marker=MARKERS["hidden"]
            )
        return text

    def answer(self) -> str:
        """The reference answer as a student would hand it in."""
        return self.stub + "\n" + "\n".join(f"    {line}" for line in self.solution.splitlines())


PUZZLE_SETUP = """\
import math

def close(one, other):
    return math.isclose(one, other, abs_tol=1e-6)

# %%
import numpy as np
"""

PUZZLE_EXERCISES = (
    Exercise(
        "total", "def total(numbers):", "return sum(numbers)", {"": (2, "assert total([1, 2, 3]) == 6")}
    ),
    Exercise(
        "mean",
        "def mean(numbers):",
        "return sum(numbers) / len(numbers)",
        {"": (3, "2.0 * (mean([2, 4]) == 3) + 1.0 * (mean([1, 2, 4, 9]) == 4)")},
    ),
    Exercise(
        "root",
        "def root(x):",
        "if x < 0:\n    raise ValueError('no root')\nreturn x**0.5",
        {
            "value": (2, "assert close(root(9), 3)"),
            "raises": (
                1,
                "try:\n    root(-1)\nexcept ValueError:\n    pass\n"
                "else:\n    raise AssertionError('no error for -1')",
            ),
        },
    ),
    Exercise(
        "smooth",
        "def smooth(values):",
        "return (values[:-1] + values[1:]) / 2",
        {"": (2, "np.testing.assert_allclose(smooth(np.array([1.0, 3.0, 7.0])), [2.0, 5.0])")},
    ),
    Exercise(
        "primes",
        "def primes(n):",
        "return [k for k in range(2, n) if all(k % d for d in range(2, k))]",
        {"": (2, "assert list(primes(12)) == [2, 3, 5, 7, 11]")},
    ),
    Exercise(
        "square",
        "def square(x):",
        "return x * x",
        {"": (2, "assert all(map(lambda x: same(square(x), floor(x) ** 2), [3, 4, 5]))")},
        behind="from math import *\n\ndef same(one, other):\n    return one == other\n\n"
        "print(same(square(2), 4))",
    ),
    Exercise(
        "scaled",
        "def scaled(numbers):",
        "return [2 * number for number in numbers]",
        {"": (2, "numbers = [1, 2, 3]\nassert scaled(numbers) == [2 * n for n in numbers]")},
    ),
    Exercise(
        "account",
        "class Account:",
        "def __init__(self, balance):\n    self.balance = balance\n"
        "def deposit(self, amount):\n    self.balance += amount",
        {"": (2, "account = Account(5)\naccount.deposit(3)\nassert account.balance == 8")},
    ),
    Exercise(
        "twice",
        "def twice(function, x):",
        "return function(function(x))",
        {
            "": (
                2,
                "seen = []\ndef spy(x):\n    seen.append(x)\n    return 3 * x + 1\n"
                "assert twice(spy, 3) == 31 and seen == [3, 10]",
            )
        },
    ),
)

TENSOR_SETUP = """\
import torch
from torch import nn
from torch.nn import functional as F
from coursekit.check import forbid

torch.manual_seed(0)
x_test = torch.rand(4, 6)
"""

TENSOR_EXERCISES = (
    Exercise(
        "double",
        "def double(x):",
        "return x + x",
        {
            "value": (2, "torch.testing.assert_close(double(x_test), 2 * x_test)"),
            "again": (1, "assert torch.allclose(double(x_test), 2 * x_test)"),
        },
    ),
    Exercise(
        "relu",
        "def relu(x):",
        "return x * (x > 0)",
        {"": (2, "assert relu(x_test - 0.5).equal((x_test - 0.5).clamp(0))")},
    ),
    Exercise(
        "clip",
        "def clip(x):",
        "return x.clamp(0, 1)",
        {
            "": (
                2,
                "x = torch.linspace(-1, 2, 7)\n0.5 + 1.5 * torch.equal(clip(x), x.clamp(0, 1))",
            )
        },
    ),
    Exercise(
        "cube",
        "def cube(x):",
        "return x**3",
        {
            "": (
                2,
                "x = torch.tensor([1.0, 2.0], requires_grad=True)\ncube(x).sum().backward()\n"
                "torch.testing.assert_close(x.grad, torch.tensor([3.0, 12.0]))",
            )
        },
    ),
    Exercise(
        "layer",
        "class Layer(nn.Module):",
        "def __init__(self, inputs, outputs):\n    super().__init__()\n"
        "    self.weight = nn.Parameter(torch.zeros(outputs, inputs))\n"
        "def forward(self, x):\n    return x @ self.weight.T",
        {
            "": (
                2,
                "layer = Layer(6, 2)\nweight = torch.arange(12.0).reshape(2, 6)\n"
                "layer.load_state_dict({'weight': weight})\n"
                "torch.testing.assert_close(layer(x_test), x_test @ weight.T)\n"
                "assert layer.state_dict()['weight'].equal(weight)",
            )
        },
    ),
    Exercise(
        "folded",
        "def folded(first, second):",
        "new = nn.Linear(first.in_features, second.out_features)\n"
        "with torch.no_grad():\n"
        "    new.weight.copy_(second.weight @ first.weight)\n"
        "    new.bias.copy_(second.weight @ first.bias + second.bias)\n"
        "return new",
        {
            "": (
                2,
                "first, second = nn.Linear(6, 5), nn.Linear(5, 3)\none = folded(first, second)\n"
                "assert isinstance(one, nn.Linear)\n"
                "torch.testing.assert_close(one(x_test), second(first(x_test)))",
            )
        },
    ),
    Exercise(
        "correlate",
        "def correlate(x, weight):",
        "n = x.shape[-1] - weight.shape[-1] + 1\n"
        "return torch.stack([(x[:, i : i + weight.shape[-1]] * weight).sum(-1) for i in range(n)], -1)",
        {
            "": (
                3,
                "weight = torch.rand(3)\nexpected = F.conv1d(x_test[:, None], weight[None, None])[:, 0]\n"
                "with forbid('conv'):\n    got = correlate(x_test, weight)\n"
                "torch.testing.assert_close(got, expected)",
            )
        },
    ),
)

EXERCISES = {PUZZLES: PUZZLE_EXERCISES, TENSORS: TENSOR_EXERCISES}


def full(assignment: str) -> float:
    """All points of an assignment."""
    return sum(exercise.points for exercise in EXERCISES[assignment])


def known(assignment: str) -> dict[str, str]:
    """The right answers by grade id."""
    return {exercise.name: exercise.answer() for exercise in EXERCISES[assignment]}


def make_course(root: Path) -> Config:
    """The besieged course, built in this folder."""
    for topic, setup in ((PUZZLES, PUZZLE_SETUP), (TENSORS, TENSOR_SETUP)):
        exercises = EXERCISES[topic]
        rows = "#\n".join(f"# [exercises.{one.name}]\n# points = {one.points:g}\n" for one in exercises)
        folder = root / "solutions" / topic
        folder.mkdir(parents=True)
        master = HEADER.format(topic=topic, setup=setup, exercises=rows.rstrip())
        (folder / "assignment.py").write_text(master + "".join(one.master() for one in exercises))
        (folder / "misconceptions.py").write_text("")
    (root / "course.toml").write_text(COURSE)
    config = load_config(root / "course.toml")
    build(config)
    return config


def released(config: Config, assignment: str) -> NotebookNode:
    """What students got."""
    return nbformat.read(config.tree / "release" / assignment / f"{assignment}.ipynb", as_version=4)


HONEST = """
import os, time
from pathlib import Path
for folder in ("/tmp", "/dev/shm", "."):
    Path(folder, "mine").write_text("mine")
    assert Path(folder, "mine").read_text() == "mine"
began = time.process_time()
while time.process_time() < began + 0.3:
    pass
# {marker}
"""


def honest(config: Config, assignment: str) -> NotebookNode:
    """The hand-in of someone who knows everything, works on files and takes a moment."""
    notebook = released(config, assignment)
    answers = known(assignment)
    for cell in notebook.cells:
        cell.source = answers.get(id_of(cell) or "", cell.source)
    source = HONEST.format(marker=MARKERS["neighbour"])
    notebook.cells.insert(1, nbformat.v4.new_code_cell(source))
    return notebook


def hand_in(config: Config, student: str, assignment: str, notebook: NotebookNode) -> Path:
    """Put a notebook where this student hands in."""
    path = config.tree / "submitted" / student / assignment / f"{assignment}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")  # as it is: nbformat would mend it
    return path
