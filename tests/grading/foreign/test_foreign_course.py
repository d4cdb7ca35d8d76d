"""A course that somebody else keeps is graded by its own settings, and not a byte of it is changed."""

import csv
import io
import shutil
from dataclasses import dataclass

import nbformat
import pytest
from traitlets.config.loader import PyFileConfigLoader

from tests.grading.foreign.conftest import ANSWERS, Course, nbgrader, scores_of

WRONG = {**ANSWERS, "mean": "import numpy as np\ndef mean(values):\n    return max(values)"}
BOTH = ("motion", "waves")
SECRETS = ("tools.close(heights()", "mean([1, 2, 6])", "Two points for axes")


@dataclass(frozen=True)
class Graded:
    """A graded class: the course, what a run printed by assignment and student, and what else there is."""

    course: Course
    results: dict
    changed: bool
    exported: str


@pytest.fixture(scope="module")
def graded(blueprint, tmp_path_factory) -> Graded:
    """Three students and one who has left, in both assignments; a copy is there for stock nbgrader."""
    course = Course(shutil.copytree(blueprint, tmp_path_factory.mktemp("graded") / "course"))
    for student, answers in (("able", ANSWERS), ("blank", {}), ("wrong", WRONG), ("left", ANSWERS)):
        for assignment in BOTH:
            course.hand_in(student, assignment, **answers)
    shutil.copytree(course.tree, course.root / "stock")
    before = course.digest()
    results = {name: course.run(name) for name in BOTH}
    said = {}
    for command in ("report", "export", "feedback"):
        ran = course.grading(command, "motion")
        assert (ran.returncode, ran.stderr) == (0, "")
        said[command] = ran.stdout
    return Graded(course, results, course.digest() != before, said["export"])


def test_everything_in_the_course_is_as_it_was(graded):
    """Bytes and times, of files and of folders."""
    assert not graded.changed


def test_scores_are_those_of_stock_nbgrader(graded):
    """Blank text, a task, files and modules beside the notebook, a header, tests written by nbgrader."""
    calls = [f"autograde {name} {student}" for name in BOTH for student in ("able", "blank", "wrong")]
    stock = graded.course.root / "stock"
    nbgrader(*calls, cwd=stock)
    ours = scores_of(graded.course.work / "gradebook.db")
    assert ours == scores_of(stock / "gradebook.db")
    assert len(ours) == 3 * 6
    assert ours["blank", "why"] == 0.0, "the course's own stub was not recognised"
    assert ours["able", "why"] is ours["blank", "drawing"] is None


def test_a_blank_hand_in_is_blank_and_no_more(graded):
    blank = graded.results["motion"]["blank"]
    assert (blank["status"], blank["score"], blank["needs_human"], blank["notes"]) == (
        "failed",
        0.0,
        None,
        [],
    )


def test_a_library_that_only_the_solution_imports_is_not_given_to_a_blank_hand_in(graded):
    says = {cell["grade_id"]: cell["says"] for cell in graded.results["motion"]["blank"]["cells"]}
    assert says["test-numpy"] == "NameError: name 'np' is not defined"
    able = {cell["grade_id"]: cell["status"] for cell in graded.results["motion"]["able"]["cells"]}
    assert able["test-numpy"] == "passed"


def test_the_table_has_tasks_and_essays_for_people(graded):
    able, blank, wrong = csv.DictReader(io.StringIO(graded.exported))
    assert (able["student"], able["why"], able["drawing"], able["total"], able["max"]) == (
        "able",
        "",
        "",
        "6",
        "15",
    )
    assert (blank["why"], wrong["total"]) == ("0", "3")


def test_no_hidden_test_stands_in_what_students_get(graded):
    work = graded.course.work
    pages = sorted((work / "feedback").rglob("*.html"))
    released = sorted((work / "release").rglob("*.ipynb"))
    assert (len(pages), len(released)) == (3, 2)
    for path in [*pages, *released]:
        text = path.read_text().replace("&#39;", "'")
        assert not [secret for secret in SECRETS if secret in text], path
        assert "secret" not in text


def test_an_autotest_is_the_test_that_nbgrader_writes(graded):
    source = nbformat.read(graded.course.work / "source/waves/waves.ipynb", as_version=4)
    (test,) = (cell.source for cell in source.cells if cell.metadata.get("nbgrader", {}).get("grade"))
    assert "AUTOTEST" not in test
    assert 'assert str(squares(4)) == """[0, 1, 4, 9]"""' in test
    assert "sha1(" in test


def test_the_folder_of_grades_is_a_course_directory_for_stock_nbgrader(graded):
    course = graded.course
    stock = PyFileConfigLoader("nbgrader_config.py", str(course.work)).load_config()
    assert stock.CourseDirectory.root == str(course.work)
    assert stock.CourseDirectory.submitted_directory == str(course.tree / "handed_in")
    assert stock.ClearHiddenTests.begin_test_delimeter == "# << secret"
    assert stock.HTMLExporter.sanitize_html is True


def test_an_unchanged_hand_in_is_not_run_again(graded):
    again = graded.course.run("waves")
    assert again == graded.results["waves"]


def test_a_course_without_a_release_and_with_another_name_for_its_notebook(foreign):
    """The release is what nbgrader would make of the source."""
    content = foreign.released("waves")
    shutil.rmtree(foreign.tree / "published")
    foreign.source("waves").rename(foreign.source("waves").with_name("problem.ipynb"))
    path = foreign.hand_in("able", "waves", content=content, **ANSWERS)
    path.rename(path.with_name("problem.ipynb"))
    path.with_name("scratch.ipynb").write_text("{}")
    able = foreign.run("waves")["able"]
    assert (able["score"], able["notes"]) == (3, [])
    assert not (foreign.tree / "published").exists()
