"""The README's table of topics is written from the masters' headers, where a course asks for it."""

import pytest

from grading.course.readme import BEGIN, END
from grading.errors import BuildError

TEXT = f"# Small\n\n{BEGIN}\nan old table\n{END}\n\nMore to come.\n"
ROW = (
    "| 01 | Areas | [lecture](notebooks/01_areas/01_areas_lecture.ipynb), "
    "[assignment](notebooks/01_areas/01_areas.ipynb) | 3 + 4 by hand | 20 min | `trapezium` |"
)


@pytest.fixture
def with_readme(small):
    """The small course, with a README that it names."""
    small.edit("course.toml", 'name = "small"', 'name = "small"\nreadme = "README.md"')
    (small.root / "README.md").write_text(TEXT)
    return small


def test_the_table_has_a_row_a_topic_and_nothing_else_is_touched(with_readme):
    with_readme.build()
    text = (with_readme.root / "README.md").read_text()
    before, table, after = (
        text.partition(BEGIN)[0],
        text.partition(BEGIN)[2].partition(END)[0],
        text.partition(END)[2],
    )
    assert (before, after) == ("# Small\n\n", "\n\nMore to come.\n")
    assert table.strip().splitlines()[2:] == [ROW]
    assert with_readme.build().written == ()


def test_a_table_that_is_out_of_date_is_drift(with_readme):
    with_readme.build()
    with_readme.edit("README.md", "20 min", "25 min")
    assert [drift.path.name for drift in with_readme.build(check=True).drift] == ["README.md"]
    assert "25 min" in (with_readme.root / "README.md").read_text(), "a check writes nothing"


def test_a_header_that_changes_changes_the_table(with_readme):
    with_readme.edit("solutions/01_areas/assignment.py", 'title = "Areas"', 'title = "Surfaces"')
    with_readme.build()
    assert "| Surfaces |" in (with_readme.root / "README.md").read_text()


@pytest.mark.parametrize("text", ["no place for it", f"{END}\n{BEGIN}\n"])
def test_a_readme_without_a_place_for_the_table_is_refused(with_readme, text):
    (with_readme.root / "README.md").write_text(text)
    with pytest.raises(BuildError, match="the table of topics has no place"):
        with_readme.build()


def test_a_readme_that_is_not_there_is_refused(with_readme):
    (with_readme.root / "README.md").unlink()
    with pytest.raises(BuildError, match="there is no such file"):
        with_readme.build()


def test_a_course_that_names_no_readme_gets_none(small):
    small.build()
    assert not (small.root / "README.md").exists()
