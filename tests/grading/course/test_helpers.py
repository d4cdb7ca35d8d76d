"""Helper cells: what they become for nbgrader, and what a build refuses."""

import nbformat
import pytest
from nbgrader.api import Gradebook

from grading.course.notebooks import HELPER
from grading.errors import LeakError, MasterError

MASTER = "solutions/01_areas/assignment.py"
TEST = '# %% test="trapezium" points=2'
CODE = """\
def area_of_strips(top, bottom, height, strips=100):
    widths = [top + (bottom - top) * (number + 0.5) / strips for number in range(strips)]
    return sum(width * height / strips for width in widths)

"""


@pytest.fixture
def with_helper(small):
    """The small course, with something that both of its tests could share."""
    small.edit(MASTER, TEST, f'# %% helper="trapezium"\n{CODE}{TEST}')
    return small


def helper_of(path) -> nbformat.NotebookNode:
    cells = nbformat.read(path, as_version=4).cells
    return next(
        cell for cell in cells if cell.metadata.get("nbgrader", {}).get("grade_id") == "helper-trapezium"
    )


def test_it_is_a_graded_cell_without_points_and_hidden_as_a_whole(with_helper):
    with_helper.build()
    source, released = helper_of(with_helper.source), helper_of(with_helper.release)
    marks = source.metadata.nbgrader
    assert (marks.grade, marks.solution, marks.locked, marks.points) == (True, False, True, 0)
    assert "def area_of_strips" in source.source
    assert released.source == HELPER
    assert with_helper.build(check=True).drift == ()


def test_it_adds_nothing_to_the_points_in_the_gradebook(with_helper):
    with_helper.build()
    with Gradebook(with_helper.config.gradebook, "small") as gradebook:
        assert gradebook.find_assignment("01_areas").max_code_score == 3


def test_one_for_all_exercises_has_a_name_of_its_own(small):
    small.edit(MASTER, TEST, f'# %% helper=true part="strips"\n{CODE}{TEST}')
    small.build()
    assert "helper-strips" in small.source.read_text()
    assert "area_of_strips" not in small.release.read_text()


def test_students_must_not_get_its_code_elsewhere(with_helper):
    (with_helper.root / "kit/strips.py").write_text(CODE)
    with pytest.raises(LeakError, match="helper-trapezium"):
        with_helper.build()


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (TEST, f'# %% helper="circle"\n{CODE}{TEST}', "names no exercise"),
        (TEST, f"# %% helper=false\n{CODE}{TEST}", "helper=false says nothing"),
        (TEST, f'# %% helper="trapezium" points=1\n{CODE}{TEST}', "points belong to test and manual cells"),
        (TEST, f'# %% [markdown] helper="trapezium"\n# Strips.\n\n{TEST}', "a helper cell holds code"),
        (
            TEST,
            f'# %% helper="trapezium"\n### BEGIN HIDDEN TESTS\n{CODE}### END HIDDEN TESTS\n\n{TEST}',
            "hidden as a whole",
        ),
        (
            '# %% test="trapezium" part="errors"',
            f'# %% helper="trapezium"\n{CODE}# %% test="trapezium" part="errors"',
            "a test before it cannot use it",
        ),
    ],
)
def test_what_a_build_refuses(small, before, after, says):
    small.edit(MASTER, before, after)
    with pytest.raises(MasterError, match=says):
        small.build()


def test_a_lecture_has_none(small):
    small.edit("solutions/01_areas/lecture.py", '# %%\nprint("not kept")', "# %% helper=true\nx = 1")
    with pytest.raises(MasterError, match="a lecture has no helper cells"):
        small.build()
