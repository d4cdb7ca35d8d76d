"""Reading a master: header, cells, keys, regions."""

import textwrap

import pytest

from grading.course.masters import hidden_regions, read_master, solved_source
from grading.course.variants import answers_of, solved_cells
from grading.errors import MasterError

ASSIGNMENT = '''
# /// course
# topic = "00_sums"
# title = "Sums"
# minutes = 20
# objectives = ["add"]
#
# [exercises.add]
# points = 3
# minutes = 5
# forbidden = ["sum"]
#
# [exercises.essay]
# points = 4
# manual = true
# ///

# %% [markdown]
# # Sums

# %% setup=true
import math

# %% answer="add"
def add(a, b):
    """Their sum."""
    ### BEGIN SOLUTION
    return a + b
    ### END SOLUTION

# %% check="add"
check("add", add);

# %% test="add" part="small" points=2
# Small numbers.
### BEGIN HIDDEN TESTS
assert add(1, 2) == 3
### END HIDDEN TESTS

# %% test="add" points=1
assert add(0, 0) == 0

# %% [markdown] manual="essay" points=4
# Your words.
'''


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "master.py"
        path.write_text(textwrap.dedent(text))
        return path

    return write


def test_the_header_is_read(write):
    header = read_master(write(ASSIGNMENT)).header
    assert (header.topic, header.title, header.minutes, header.objectives) == (
        "00_sums",
        "Sums",
        20,
        ("add",),
    )
    add, essay = header.exercises
    assert (add.id, add.points, add.forbidden, essay.manual) == ("add", 3.0, ("sum",), True)
    assert header.points == 3, "manual points come on top"


def test_cells_keep_their_order_roles_and_names(write):
    cells = read_master(write(ASSIGNMENT)).cells
    assert [cell.role for cell in cells] == [None, "setup", "answer", "check", "test", "test", "manual"]
    assert [cell.grade_id for cell in cells] == [
        None,
        None,
        "add",
        "check-add",
        "test-add-small",
        "test-add",
        "essay",
    ]
    assert [cell.points for cell in cells] == [0, 0, 0, 0, 2, 1, 4]
    assert cells[0].kind == "markdown"
    assert cells[0].source == "# Sums"


def test_a_solved_cell_has_no_markers_and_a_hidden_region_no_prose(write):
    answer = read_master(write(ASSIGNMENT)).with_role("answer")[0]
    assert "###" not in solved_source(answer)
    assert "return a + b" in solved_source(answer)
    assert hidden_regions(answer) == ("    return a + b",)


def test_an_answer_can_be_exchanged(write, tmp_path):
    master = read_master(write(ASSIGNMENT))
    assert set(answers_of(master)) == {"add"}
    sources = [source for _, source in solved_cells(master, {"add": "add = None"})]
    assert "add = None" in sources
    assert not any("return a + b" in source for source in sources)
    with pytest.raises(MasterError, match="no answer cell for ad"):
        solved_cells(master, {"ad": ""})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('# %% answers="add"\nx = 1\n', "unknown key 'answers'.*known keys are"),
        ('# %% answer="add" setup=true\nx = 1\n', "one role"),
        ('# %% test="add"\nx = 1\n', "each of them needs points"),
        ('# %% answer="add" points=2\nx = 1\n', "points belong to test"),
        ('# %% test="add" points="2"\nx = 1\n', "wrong type"),
        ('# %% answer="a"\n### BEGIN SOLUTION\nx = 1\n', "pairs"),
        ('# %% answer="a"\n### END SOLUTION\n### BEGIN SOLUTION\n', "pairs"),
        ("# /// course\n# topic = \n# ///\n", "not TOML"),
        ('# /// course\n# topic = "t"\n# ///\n', "lacks 'title'"),
    ],
)
def test_a_broken_master_is_refused_with_its_place(write, text, says):
    with pytest.raises(MasterError, match=says) as caught:
        read_master(write(text))
    assert "master.py" in str(caught.value)
