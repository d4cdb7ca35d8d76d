"""Stock nbgrader, called as its users call it, works on the tree that we generate."""

import shutil
import sqlite3

import nbformat
import pytest

from tests.helpers import TOPICS, run_tool

pytestmark = [pytest.mark.notebooks, pytest.mark.slow]


@pytest.fixture(scope="module", params=TOPICS)
def graded(request, course, tmp_path_factory):
    """nbgrader's own autograde and feedback on a blank and on a solved hand-in: (tree, topic)."""
    topic = request.param
    tree = tmp_path_factory.mktemp("stock") / "course"
    without_work = shutil.ignore_patterns("submitted", "autograded", "feedback", "results")
    shutil.copytree(course / "build/course", tree, ignore=without_work)  # other tests hand in there too
    for student, folder in {"blank": "release", "solved": "source"}.items():
        target = tree / "submitted" / student / topic
        target.mkdir(parents=True)
        shutil.copy(tree / folder / topic / f"{topic}.ipynb", target)
    for command in (["autograde", topic], ["generate_feedback", topic]):
        ran = run_tool("nbgrader", *command, cwd=tree)
        assert ran.returncode == 0, ran.stderr[-4000:]
    return tree, topic


def scores(tree) -> dict[str, float]:
    query = """
        SELECT submitted_assignment.student_id, SUM(grade.auto_score)
        FROM grade
        JOIN submitted_notebook ON grade.notebook_id = submitted_notebook.id
        JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id
        GROUP BY submitted_assignment.student_id
    """
    with sqlite3.connect(tree / "gradebook.db") as database:
        return {student: score or 0.0 for student, score in database.execute(query)}


def test_a_blank_release_scores_nothing_and_a_solved_one_everything(graded, course):
    from grading.course.masters import read_master

    tree, topic = graded
    points = read_master(course / "solutions" / topic / "assignment.py").header.points
    assert scores(tree) == {"blank": 0, "solved": points}


def test_a_blank_release_runs_to_its_end(graded):
    tree, topic = graded
    notebook = nbformat.read(tree / "autograded/blank" / topic / f"{topic}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    assert all(cell.execution_count for cell in code)


def test_every_student_gets_a_feedback_page(graded):
    tree, topic = graded
    for student in ("blank", "solved"):
        page = tree / "feedback" / student / topic / f"{topic}.html"
        assert topic.split("_")[1] in page.read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize(("folder", "verdict"), [("source", "Success"), ("release", "failed")])
def test_validate_tells_a_solved_notebook_from_a_blank_one(topic, folder, verdict, course):
    notebook = course / "build/course" / folder / topic / f"{topic}.ipynb"
    patient = "--Execute.timeout=900"  # its own limit is 30 seconds a cell, which a busy machine needs to import torch
    ran = run_tool("nbgrader", "validate", patient, str(notebook), cwd=course)
    assert verdict in ran.stdout + ran.stderr
