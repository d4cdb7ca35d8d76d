"""Does the gradebook hold what was graded, and never lose what a person put there?"""

import sqlite3

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from grading.commands.feedback import generate_feedback
from grading.commands.run import results
from grading.engine import handin
from grading.engine.supervise import CellRun, Run, execute
from grading.gradebook.record import autograded_path, record, scores_by_hand
from grading.gradebook.store import store_of
from grading.handins.plan import plan
from grading.records import Status

A = "01_numbers"


@pytest.fixture
def grade_class(made_up, monkeypatch):
    """Grades and records what is handed in; a test cell fails where the answer says `wrong`."""

    def execute(notebook, tasks, job):
        run, wrong = Run(), False
        for index, cell in enumerate(notebook.cells):
            name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
            wrong = "wrong" in cell.source if name in ("double", "root") else wrong
            failed = wrong and name.startswith("test-")
            run.cells[index] = CellRun(ended=True, error=("AssertionError", "no") if failed else None)
        return run

    monkeypatch.setattr(handin, "execute", execute)

    def grade():
        store = store_of(made_up.config)
        found = list(results(plan(made_up.config, A), store, quiet=True))
        record(made_up.config, A, found)
        return {result.student: result for result in found}

    return grade


def grades(made_up, student):
    """grade_id to automatic points, points by hand, and whether a person has to look."""
    with Gradebook(made_up.config.gradebook, "made-up") as gradebook:
        notebook = gradebook.find_submission_notebook(A, A, student)
        return {
            grade.name: (grade.auto_score, grade.manual_score, grade.needs_manual_grade)
            for grade in notebook.grades
        }


def grade_by_hand(made_up, student, grade_id, points, comment=None):
    with Gradebook(made_up.config.gradebook, "made-up") as gradebook:
        grade = gradebook.find_grade(grade_id, A, A, student)
        grade.manual_score, grade.needs_manual_grade = points, False
        if comment is not None:
            gradebook.find_comment("essay", A, A, student).manual_comment = comment
        gradebook.db.commit()


def dump(made_up):
    with sqlite3.connect(made_up.config.tree / "gradebook.db") as connection:
        return list(connection.iterdump())


def test_points_of_tests_go_in_and_an_essay_waits_for_a_person(made_up, grade_class):
    made_up.hand_in("student", made_up.solved(root="def root(x):\n    return 'wrong'"))
    grade_class()
    assert grades(made_up, "student") == {
        "test-double-small": (2.0, None, False),
        "test-double-kinds": (3.0, None, False),
        "test-root": (0.0, None, False),
        "essay": (None, None, True),
    }


def test_an_essay_nobody_wrote_gets_no_points_and_asks_for_no_person(made_up, grade_class):
    made_up.hand_in("student", made_up.solved(essay="*Your answer here.*"))
    made_up.folder("nobody")
    grade_class()
    for student in ("student", "nobody"):
        assert grades(made_up, student)["essay"] == (0.0, None, False)


def test_recording_twice_leaves_every_byte_of_the_gradebook_as_it_was(made_up, grade_class):
    made_up.hand_in("student", made_up.solved())
    made_up.hand_in("text", b"no notebook")
    grade_class()
    first = dump(made_up)
    grade_class()
    assert dump(made_up) == first


def test_what_a_person_gave_and_wrote_survives_a_new_run(made_up, grade_class):
    made_up.hand_in("student", made_up.solved(root="wrong = 1"))
    grade_class()
    grade_by_hand(made_up, "student", "essay", 3.0, comment="Nicely put.")
    grade_by_hand(made_up, "student", "test-root", 1.0)
    grade_class()
    assert grades(made_up, "student")["essay"] == (None, 3.0, False)
    assert grades(made_up, "student")["test-root"] == (0.0, 1.0, False)

    made_up.hand_in("student", made_up.solved())  # handed in again: everything right now
    grade_class()
    assert grades(made_up, "student")["essay"] == (None, 3.0, True)  # kept, to be looked at again
    assert grades(made_up, "student")["test-root"] == (2.0, 1.0, True)
    with Gradebook(made_up.config.gradebook, "made-up") as gradebook:
        assert gradebook.find_comment("essay", A, A, "student").manual_comment == "Nicely put."
    assert scores_by_hand(made_up.config, A) == {"student": {"essay": 3.0, "test-root": 1.0}}


def test_a_failure_of_the_machine_changes_nothing_in_the_gradebook(made_up, grade_class, monkeypatch):
    from grading.errors import InfrastructureError

    made_up.hand_in("student", made_up.solved())
    grade_class()
    before = dump(made_up)

    def fail(*args):
        raise InfrastructureError("no sockets left")

    monkeypatch.setattr(handin, "execute", fail)
    made_up.hand_in("student", made_up.solved(root="pass"))
    assert grade_class()["student"].status is Status.INFRASTRUCTURE_ERROR
    assert dump(made_up) == before


def test_a_hand_in_is_recorded_as_a_whole_or_not_at_all(made_up, grade_class, monkeypatch):
    made_up.hand_in("student", made_up.solved())

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr("grading.gradebook.record._set_grades", fail)
    with pytest.raises(OSError, match="disk full"):
        grade_class()
    with Gradebook(made_up.config.gradebook, "made-up") as gradebook:
        assert [student.id for student in gradebook.students] == []


def test_the_time_of_handing_in_is_recorded(made_up, grade_class):
    path = made_up.hand_in("student", made_up.solved())
    (path.parent / "timestamp.txt").write_text("2024-05-02 12:30:00 UTC")
    made_up.hand_in("careless", made_up.solved())
    (made_up.folder("careless") / "timestamp.txt").write_text("last Tuesday, I think")
    grade_class()
    with Gradebook(made_up.config.gradebook, "made-up") as gradebook:
        assert gradebook.find_submission(A, "student").timestamp.isoformat() == "2024-05-02T12:30:00"
        assert gradebook.find_submission(A, "careless").timestamp is None


def test_the_graded_notebook_stands_where_nbgrader_looks_and_its_feedback_shows_the_points(
    made_up, grade_class
):
    made_up.hand_in("student", made_up.solved(root="wrong = 1"))
    grade_class()
    executed = nbformat.read(autograded_path(made_up.config, "student", A), as_version=4)
    nbformat.validate(executed)
    generate_feedback(made_up.config, A)
    page = made_up.config.tree / "feedback" / "student" / A / f"{A}.html"
    assert "Score: 5.0 / 11.0" in page.read_text()


def test_feedback_says_what_a_test_said_and_shows_no_hidden_test(made_up, grade_class, monkeypatch):
    def execute_with_traceback(notebook, tasks, job):
        outcome = execute(notebook, tasks, job)
        cell = next(cell for cell in notebook.cells if "isclose" in cell.source)
        lines = ["----> 3 assert math.isclose(root(2), math.sqrt(2))"]
        cell.outputs = [
            nbformat.v4.new_output("error", ename="AssertionError", evalue="not", traceback=lines)
        ]
        return outcome

    monkeypatch.setattr(handin, "execute", execute_with_traceback)
    made_up.hand_in("student", made_up.solved(root="wrong = 1"))
    grade_class()
    assert "isclose" in autograded_path(made_up.config, "student", A).read_text()
    generate_feedback(made_up.config, A)
    page = (made_up.config.tree / "feedback" / "student" / A / f"{A}.html").read_text()
    assert "isclose" not in page
    assert "HIDDEN TESTS" not in page
    assert "AssertionError: not" in page


def test_nbgraders_own_pages_list_the_hand_in_as_graded_and_its_essay_as_waiting(made_up, grade_class):
    made_up.hand_in("student", made_up.solved())
    made_up.hand_in("text", b"no notebook")
    grade_class()
    traits = Config()
    traits.CourseDirectory.root = str(made_up.config.tree)
    traits.CourseDirectory.course_id = "made-up"
    api = NbGraderAPI(CourseDirectory(config=traits))
    found = {one["student"]: one for one in api.get_submissions(A)}
    assert found["student"]["autograded"]
    assert found["student"]["needs_manual_grade"]
    assert (found["student"]["score"], found["student"]["max_score"]) == (7.0, 11.0)
    assert [one["student"] for one in api.get_notebook_submissions(A, A)] == ["student"]
