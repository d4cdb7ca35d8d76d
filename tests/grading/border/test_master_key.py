"""`in_place=true` in a master reaches the cell that is run."""

import nbformat
import pytest

from grading.commands.build import build
from grading.config import load_config
from grading.course.masters import read_master
from grading.engine.supervise import tasks_of
from grading.errors import MasterError
from grading.handins.original import Original
from grading.handins.parse import parse
from grading.handins.reconcile import reconcile

MASTER = '''\
# /// course
# topic = "01_zero"
# title = "Zero"
# minutes = 5
# objectives = ["forget"]
#
# [exercises.zero_]
# points = 3
# ///

# %% answer="zero_"
def zero_(x):
    """Set all of x to zero."""
    ### BEGIN SOLUTION
    x[:] = [0] * len(x)
    ### END SOLUTION

# %% check="zero_"
print(zero_([1]))

# %% test="zero_" part="changed" points=2 in_place=true
# It is changed.
### BEGIN HIDDEN TESTS
x = [1, 2]
zero_(x)
assert x == [0, 0]
### END HIDDEN TESTS

# %% test="zero_" part="nothing" points=1
# It returns nothing.
### BEGIN HIDDEN TESTS
assert zero_([1]) is None
### END HIDDEN TESTS
'''


@pytest.fixture
def built(tmp_path):
    folder = tmp_path / "solutions" / "01_zero"
    folder.mkdir(parents=True)
    (folder / "assignment.py").write_text(MASTER)
    (folder / "misconceptions.py").write_text("# Nothing yet.\n")
    (tmp_path / "course.toml").write_text('[course]\nname = "zero"\nships = ["notebooks"]\n')
    config = load_config(tmp_path / "course.toml")
    build(config)
    return {
        kind: nbformat.read(config.tree / kind / "01_zero" / "01_zero.ipynb", as_version=4)
        for kind in ("source", "release")
    }


def marks(notebook):
    """By grade id, whether a cell is marked."""
    return {
        cell.metadata.nbgrader.grade_id: cell.metadata.get("grading", {}).get("in_place", False)
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    }


def test_source_and_release_have_the_mark(built):
    for notebook in built.values():
        assert marks(notebook) == {
            "zero_": False,
            "check-zero_": False,
            "test-zero_-changed": True,
            "test-zero_-nothing": False,
        }


def test_the_mark_is_the_courses_whatever_a_hand_in_says(built):
    handin = nbformat.from_dict(built["release"])
    for cell in handin.cells:
        cell.metadata["grading"] = {
            "in_place": "nothing" in cell.metadata.get("nbgrader", {}).get("grade_id", "")
        }
    notebook, _ = reconcile(
        parse(nbformat.writes(handin).encode()), Original(built["source"], built["release"])
    )
    assert [task.in_place for task in tasks_of(notebook, {})] == [False, False, True, False]


def test_it_belongs_to_tests_only(tmp_path):
    path = tmp_path / "assignment.py"
    for text in (
        MASTER.replace(" points=2 in_place=true", ' points=2 in_place="yes"'),
        MASTER.replace('answer="zero_"', 'answer="zero_" in_place=true'),
    ):
        path.write_text(text)
        with pytest.raises(MasterError, match="in_place"):
            read_master(path)
