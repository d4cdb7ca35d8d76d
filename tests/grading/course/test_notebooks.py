"""Masters to notebooks: the metadata that other tools read."""

import nbformat
import pytest

from grading.course.masters import read_master
from grading.course.notebooks import assignment_notebook, lecture_notebook


def assignment(unbuilt):
    return assignment_notebook(read_master(unbuilt.root / "solutions/01_areas/assignment.py"))


def lecture(unbuilt):
    return lecture_notebook(read_master(unbuilt.root / "solutions/01_areas/lecture.py"))


@pytest.mark.parametrize(
    ("grade_id", "grade", "solution", "locked", "points"),
    [
        ("setup", False, False, True, None),
        ("trapezium", False, True, False, None),
        ("check-trapezium", False, False, True, None),
        ("test-trapezium", True, False, True, 2),
        ("test-trapezium-errors", True, False, True, 1),
        ("essay", True, True, False, 4),
    ],
)
def test_every_role_has_its_nbgrader_metadata(unbuilt, grade_id, grade, solution, locked, points):
    (cell,) = [cell for cell in assignment(unbuilt).cells if cell.id == grade_id]
    meta = cell.metadata.nbgrader
    assert (meta.grade_id, meta.schema_version) == (grade_id, 3)
    assert (meta.grade, meta.solution, meta.locked, meta.get("points")) == (grade, solution, locked, points)


def test_more_setup_cells_are_numbered(unbuilt):
    unbuilt.edit("solutions/01_areas/assignment.py", "# %%\ntrapezium", "# %% setup=true\nimport cmath")
    assert {"setup", "setup-2"} <= {cell.id for cell in assignment(unbuilt).cells}


def test_free_cells_and_parameters_are_not_nbgraders(unbuilt):
    free = [cell for cell in assignment(unbuilt).cells if "nbgrader" not in cell.metadata]
    assert [cell.source for cell in free][1:] == ['budget = "ci"', "trapezium"]
    assert free[1].metadata.tags == ["parameters"]


def test_a_lecture_cell_says_its_slide_its_facts_and_whether_it_is_compared(unbuilt):
    title, setup, parameters, kept, _ = lecture(unbuilt).cells
    assert title.metadata.slideshow == {"slide_type": "slide"}
    assert setup.metadata == {}
    assert parameters.metadata.tags == ["parameters"]
    assert kept.metadata == {
        "slideshow": {"slide_type": "fragment"},
        "course": {"facts": ["floor-area", "floor-tiles"]},
        "tags": ["nbval-check-output"],
    }


def test_editing_a_cell_leaves_the_ids_of_the_others(unbuilt):
    before = [cell.id for cell in lecture(unbuilt).cells]
    unbuilt.edit("solutions/01_areas/lecture.py", "Covering a floor", "Covering a wall")
    after = [cell.id for cell in lecture(unbuilt).cells]
    assert before[0] != after[0]
    assert before[1:] == after[1:]


def test_equal_cells_have_different_ids(unbuilt):
    unbuilt.edit("solutions/01_areas/lecture.py", 'print("not kept")', 'print("a")\n# %%\nprint("a")')
    ids = [cell.id for cell in lecture(unbuilt).cells]
    assert len(set(ids)) == len(ids)


def test_the_notebooks_are_valid_and_name_their_kernel_but_no_version(unbuilt):
    for notebook in (assignment(unbuilt), lecture(unbuilt)):
        nbformat.validate(notebook)
        assert notebook.metadata.kernelspec.name == "python3"
        assert "version" not in notebook.metadata.language_info
