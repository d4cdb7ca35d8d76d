"""The outputs a lecture keeps: recorded once, carried over while the code stays, plain text only."""

import nbformat
import pytest

from grading.errors import BuildError


def outputs(small):
    cells = nbformat.read(small.lecture, as_version=4).cells
    return {cell.source: cell.outputs for cell in cells if cell.cell_type == "code" and cell.outputs}


def test_only_kept_cells_have_outputs(small):
    kept = outputs(small)
    assert list(kept) == ['print("area", 12)\n6 * 7']
    (stream, result) = kept['print("area", 12)\n6 * 7']
    assert (stream.name, stream.text) == ("stdout", "area 12\n")
    assert result.data == {"text/plain": "42"}


def test_a_kept_cells_number_is_its_place_among_the_code(small):
    cells = [cell for cell in nbformat.read(small.lecture, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == [None, None, 3, None]
    assert cells[2].outputs[1].execution_count == 3


def test_changed_prose_keeps_outputs_without_running(small):
    small.edit("solutions/01_areas/lecture.py", "Covering a floor", "Covering a wall")
    small.edit(small.lecture, "area 12", "area twelve")  # a run would print 12 again
    small.build()
    assert outputs(small)['print("area", 12)\n6 * 7'][0].text == "area twelve\n"


def test_changed_code_runs_the_lecture(small):
    small.edit("solutions/01_areas/lecture.py", '"area", 12', '"area", 12 + 1')
    small.build()
    assert outputs(small)['print("area", 12 + 1)\n6 * 7'][0].text == "area 13\n"


def test_refresh_runs_an_unchanged_lecture(small):
    small.edit(small.lecture, "area 12", "area twelve")
    small.build(refresh=True)
    assert outputs(small)['print("area", 12)\n6 * 7'][0].text == "area 12\n"


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("1 / 0", "a cell raises ZeroDivisionError: division by zero.*correct cell 4, '1 / 0'"),
        ("x = 1", "the kept cell 'x = 1' has no output"),
        ('import sys; print("careful", file=sys.stderr)', "writes to stderr"),
        ('from IPython.display import HTML; HTML("<b>12</b>")', "displays text/html"),
    ],
)
def test_what_cannot_be_kept_is_refused(small, code, complaint):
    before = small.files()
    small.edit("solutions/01_areas/lecture.py", 'print("area", 12)\n6 * 7', code)
    with pytest.raises(BuildError, match=complaint):
        small.build()
    assert small.files() == before


def test_a_cell_that_does_not_end_is_named(small):
    small.edit("course.toml", "[hooks]", "[limits]\njob_seconds = 2\n\n[hooks]")
    small.edit("solutions/01_areas/lecture.py", "6 * 7", "import time; time.sleep(60)")
    match = r"cell 4, 'print\(\"area\", 12\)' does not end \(CellTimeoutError\)"
    with pytest.raises(BuildError, match=match):
        small.build()


def test_a_lecture_that_keeps_nothing_is_never_run(unbuilt):
    unbuilt.edit("solutions/01_areas/lecture.py", " keep=true", "")
    unbuilt.edit("solutions/01_areas/lecture.py", "6 * 7", "1 / 0")
    unbuilt.build()
    assert outputs(unbuilt) == {}
