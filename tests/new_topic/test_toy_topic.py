"""A topic lives in three places: files there, and nothing else, take it from its masters to a report."""

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from tests.helpers import ROOT, run_tool
from tests.new_topic.toy import ANSWERS, FILES, PLACES, TOPIC

GENERATED = (f"notebooks/{TOPIC}/", f"coursekit/check/fingerprints/{TOPIC}.json", "README.md", "build/")
"""What `grading build` writes for a topic."""


def contents(root: Path) -> dict[str, bytes]:
    """Every file by its path, what Python keeps for itself left out."""
    files = [path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """The files that are new, gone, or another text."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


class Course:
    """The real course with no topic's masters yet, in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        unwanted = shutil.ignore_patterns("__pycache__", "assets", "fingerprints")
        shutil.copytree(ROOT / "coursekit", root / "coursekit", ignore=unwanted)
        code = ROOT / "coursekit/check/fingerprints"
        shutil.copytree(code, root / "coursekit/check/fingerprints", ignore=shutil.ignore_patterns("*.json"))
        for name in ("course.toml", "README.md"):
            shutil.copy(ROOT / name, root)
        self.environment = {"PYTHONPATH": str(root), "COURSEKIT_HOME": str(root.parent / "home")}

    def run(self, *words: str) -> str:
        """A command in the course's folder, with the course's own `coursekit`; what it printed."""
        ran = run_tool(*words, cwd=self.root, **self.environment)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def hand_in(self, student: str, answer: str | None, edit=lambda cells: cells) -> None:
        """The released notebook with this answer, as a student edited it."""
        notebook = nbformat.read(self.root / f"notebooks/{TOPIC}/{TOPIC}.ipynb", as_version=4)
        for cell in notebook.cells:
            if answer and cell.metadata.get("nbgrader", {}).get("grade_id") == "running_sum":
                cell.source = answer
        notebook.cells = edit(notebook.cells)
        path = self.root / f"build/course/submitted/{student}/{TOPIC}/{TOPIC}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(nbformat.writes(notebook))


def is_helper(cell) -> bool:
    return cell.metadata.get("nbgrader", {}).get("grade_id") == "helper-running_sum"


def without_helper(cells):
    return [cell for cell in cells if not is_helper(cell)]


def with_another_helper(cells):
    for cell in cells:
        if is_helper(cell):
            cell.source = "def right_sums(numbers):\n    return list(numbers)"
    return cells


@pytest.fixture(scope="module")
def touched() -> dict[str, list[str]]:
    """Files that adding the topic touched, and files that the build then touched."""
    return {}


@pytest.fixture(scope="module")
def course(tmp_path_factory, touched) -> Course:
    """The course with the toy topic, built."""
    course = Course(tmp_path_factory.mktemp("toy") / "course")
    empty = contents(course.root)
    for name, text in FILES.items():
        path = course.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    added = contents(course.root)
    course.run("grading", "build")
    touched.update(author=changed(empty, added), build=changed(added, contents(course.root)))
    return course


@pytest.fixture(scope="module")
def graded(course) -> dict[str, dict]:
    """Results by student."""
    for student, answer in ANSWERS.items():
        course.hand_in(student, answer)
    course.hand_in("blank", None)
    course.hand_in("deleted", ANSWERS["wrong"], without_helper)
    course.hand_in("edited", ANSWERS["wrong"], with_another_helper)
    lines = course.run("grading", "run", TOPIC, "--jobs", "1", "--json").splitlines()
    return {result["student"]: result for result in map(json.loads, lines)}


def test_the_author_touches_three_places_and_the_build_what_it_generates(course, touched):
    assert touched["author"] == sorted(FILES)
    assert {place for place in PLACES for name in touched["author"] if name.startswith(place)} == set(PLACES)
    assert [name for name in touched["author"] if not name.startswith(PLACES)] == []
    assert touched["build"]
    assert [name for name in touched["build"] if not name.startswith(GENERATED)] == []
    assert "| 77 | Running sums |" in (course.root / "README.md").read_text()


def test_the_release_shows_nothing_of_what_tests_share(course):
    notebook = nbformat.read(course.root / f"notebooks/{TOPIC}/{TOPIC}.ipynb", as_version=4)
    (helper,) = filter(is_helper, notebook.cells)
    assert helper.source == "# Nothing to do here: the hidden tests below share it."
    assert helper.metadata.nbgrader.points == 0
    assert "right_sums" not in nbformat.writes(notebook)


def test_the_public_check_passes_a_right_answer_and_names_a_mistake(course):
    program = f"""
import contextlib, io, sys
from coursekit import check
for source in {[ANSWERS["solved"], ANSWERS["wrong"]]!r}:
    names = {{}}
    exec(source, names)
    card = io.StringIO()
    with contextlib.redirect_stdout(card):
        share = check("running_sum", names["running_sum"])
    print(share, "You give the numbers back as they are." in " ".join(card.getvalue().split()))
"""
    assert course.run("python", "-c", program).splitlines() == ["1.0 False", "0.0 True"]


def test_hand_ins_get_their_points(graded):
    scores = {student: result["score"] for student, result in graded.items()}
    assert scores == {"solved": 2, "blank": 0, "wrong": 1, "curious": 0, "deleted": 1, "edited": 1}
    assert {result["max_score"] for result in graded.values()} == {2}


def test_an_answer_sees_nothing_of_what_tests_share(graded):
    said = [cell["says"] for cell in graded["curious"]["cells"] if cell["max_score"]]
    assert said == ["NameError: name 'right_sums' is not defined"] * 2


def test_a_helper_cell_that_a_student_deletes_or_edits_comes_back(graded):
    assert graded["deleted"]["notes"] == ["The cell 'helper-running_sum' was missing; it was put back."]
    assert graded["edited"]["status"] == "tampered"
    assert "helper-running_sum" in graded["edited"]["needs_human"]
    helpers = [cell for result in graded.values() for cell in result["cells"] if not cell["max_score"]]
    assert {(cell["grade_id"], cell["status"], cell["score"]) for cell in helpers} == {
        ("helper-running_sum", "passed", 0)
    }


def test_the_report_has_a_column_for_the_exercise_and_names_the_mistake(course, graded):
    course.run("grading", "report", TOPIC, "--output", "report.html")
    page = (course.root / "report.html").read_text()
    assert all(student in page for student in graded)
    assert "repeats-numbers" in page
    assert re.findall(r'<th class="number"><code>([\w-]+)', page) == ["running_sum"]
