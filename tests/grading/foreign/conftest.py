"""A course that nbgrader's own commands have made, with settings of its own, and ways to grade it."""

import contextlib
import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from grading import cli
from tests.helpers import run_tool

SETTINGS = """
c = get_config()
c.ClearSolutions.begin_solution_delimeter = "# << model answer"
c.ClearSolutions.end_solution_delimeter = "# >> model answer"
c.ClearSolutions.code_stub = {"python": "# hier schreiben\\nraise NotImplementedError"}
c.ClearSolutions.text_stub = "(noch leer)"
c.ClearHiddenTests.begin_test_delimeter = "# << secret"
c.ClearHiddenTests.end_test_delimeter = "# >> secret"
c.ClearMarkScheme.begin_mark_scheme_delimeter = "<< scheme"
c.ClearMarkScheme.end_mark_scheme_delimeter = ">> scheme"
c.CourseDirectory.source_directory = "masters"
c.CourseDirectory.release_directory = "published"
c.CourseDirectory.submitted_directory = "handed_in"
c.CourseDirectory.student_id_exclude = "left"
c.IncludeHeaderFooter.header = "masters/header.ipynb"
c.Exchange.root = "/srv/exchange"
"""

COURSE = """
[course]
name = "physics"
tree = "physics"

[limits]
cell_seconds = 20
"""

MARKS = {"grade": False, "solution": False, "locked": False, "schema_version": 3, "task": False}
USUAL = {
    "answer": {"solution": True},
    "locked": {"locked": True},
    "test": {"grade": True, "locked": True},
    "essay": {"grade": True, "solution": True},
    "task": {"task": True, "locked": True},
}


def cell(kind, source, grade_id="", points=None):
    """A cell of a course's notebook; essays and tasks are text."""
    text = kind in ("essay", "task", "text")
    new = nbformat.v4.new_markdown_cell(source) if text else nbformat.v4.new_code_cell(source)
    if kind in USUAL:
        new.metadata.nbgrader = {**MARKS, **USUAL[kind], "grade_id": grade_id}
        if points is not None:
            new.metadata.nbgrader["points"] = points
    return new


def notebook(*cells):
    """A notebook of these cells for Python."""
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    return nbformat.v4.new_notebook(cells=list(cells), metadata={"kernelspec": kernel})


MOTION = notebook(
    cell("plain", "import csv\nimport tools"),
    cell(
        "answer",
        "def heights():\n    # << model answer\n    with open('drop.csv') as file:\n"
        "        return [float(row[1]) for row in csv.reader(file)]\n    # >> model answer",
        "heights",
    ),
    cell(
        "test",
        "# Three of them.\n# << secret\nassert tools.close(heights(), [9.0, 4.0, 1.0])\n# >> secret",
        "test-heights",
        2,
    ),
    cell(
        "answer",
        "# << model answer\nimport numpy as np\n\ndef mean(values):\n"
        "    return float(np.mean(values))\n# >> model answer",
        "mean",
    ),
    cell("test", "assert np.isclose(np.pi, 3.14159265)", "test-numpy", 1),
    cell("test", "# << secret\nassert np.isclose(mean([1, 2, 6]), 3)\n# >> secret", "test-mean", 3),
    cell("locked", "g = 9.81", "constant"),
    cell("essay", "# << model answer\nBecause of g.\n# >> model answer", "why", 4),
    cell("task", "Draw it.\n\n<< scheme\nTwo points for axes.\n>> scheme", "drawing", 5),
)

WAVES = notebook(
    cell("answer", "def squares(n):\n    return [i * i for i in range(n)]", "squares"),
    cell("test", "### AUTOTEST squares(1); squares(4)\n### HASHED AUTOTEST squares(3)", "test-squares", 3),
)

ANSWERS = {
    "heights": "def heights():\n    return [float(line.split(',')[1]) for line in open('drop.csv')]",
    "mean": "import numpy as np\ndef mean(values):\n    return sum(values) / len(values)",
    "why": "It falls.",
    "squares": "def squares(n):\n    return [i**2 for i in range(n)]",
}


@dataclass(frozen=True)
class Course:
    """The folder of course.toml, with the foreign course in `physics`."""

    root: Path

    @property
    def tree(self) -> Path:
        return self.root / "physics"

    @property
    def work(self) -> Path:
        return self.root / "build/graded"

    def source(self, assignment="motion") -> Path:
        return self.tree / "masters" / assignment / f"{assignment}.ipynb"

    def rewrite(self, *cells, assignment="motion"):
        """Another source of this assignment, and no release of it."""
        nbformat.write(notebook(*cells), self.source(assignment))
        shutil.rmtree(self.tree / "published" / assignment, ignore_errors=True)

    def released(self, assignment="motion"):
        return nbformat.read(self.tree / "published" / assignment / f"{assignment}.ipynb", as_version=4)

    def hand_in(self, student, assignment="motion", content=None, **answers):
        """What students got with these answers in it."""
        new = content or self.released(assignment)
        for one in new.cells:
            one.source = answers.get(one.metadata.get("nbgrader", {}).get("grade_id"), one.source)
        path = self.tree / "handed_in" / student / assignment / f"{assignment}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new, path)
        return path

    def grading(self, *words):
        return run_tool("grading", *words, cwd=self.root, OMP_NUM_THREADS="1")

    def run(self, assignment="motion"):
        """The results of a run by student."""
        ran = self.grading("run", assignment, "--jobs", "1", "--json")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert ran.stderr == ""
        return {one["student"]: one for one in map(json.loads, ran.stdout.splitlines())}

    def set(self, *lines):
        """More settings of the course's own."""
        with (self.tree / "nbgrader_config.py").open("a") as file:
            file.write("\n".join(["", *lines, ""]))

    def refusal(self, assignment="motion", status=1):
        """The one sentence with which a run is refused; nobody has a grade, and nothing was touched."""
        self.hand_in("able", assignment, content=notebook(cell("plain", "1")))
        before, said = self.digest(), io.StringIO()
        with contextlib.redirect_stderr(said):
            assert cli.main(["run", assignment, "--config", str(self.root / "course.toml")]) == status
        assert said.getvalue().count("\n") == 1, said.getvalue()
        assert not (self.work / "results").exists()
        assert self.digest() == before
        return said.getvalue()

    def digest(self):
        """Names, times and bytes of all that lies in the foreign course."""
        return {
            str(path.relative_to(self.tree)): (
                path.stat().st_mtime_ns,
                hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            )
            for path in [self.tree, *sorted(self.tree.rglob("*"))]
        }


STOCK = """
import sys
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config.loader import PyFileConfigLoader

config = PyFileConfigLoader("nbgrader_config.py").load_config()
api = NbGraderAPI(CourseDirectory(config=config), config=config)
for call in sys.argv[1:]:
    what, *arguments = call.split()
    outcome = getattr(api, what)(*arguments)
    assert outcome["success"], outcome
"""


def nbgrader(*calls, cwd):
    """Stock nbgrader in the course's folder, with the course's own settings; one process for all calls."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        [sys.executable, "-c", STOCK, *calls],
        cwd=cwd, env={**os.environ, "PATH": path}, text=True, capture_output=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def scores_of(gradebook):
    """What nbgrader's gradebook holds: student and cell to automatic score, None where a person looks."""
    query = """
        SELECT submitted_assignment.student_id, base_cell.name, grade.auto_score
        FROM grade JOIN base_cell ON grade.cell_id = base_cell.id
        JOIN submitted_notebook ON grade.notebook_id = submitted_notebook.id
        JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id
    """
    with closing(sqlite3.connect(gradebook)) as database:
        return {(student, name): score for student, name, score in database.execute(query)}


@pytest.fixture(scope="session")
def blueprint(tmp_path_factory) -> Path:
    """The course as nbgrader's own commands leave it: two assignments, both generated."""
    root = tmp_path_factory.mktemp("foreign")
    (root / "course.toml").write_text(COURSE)
    tree = root / "physics"
    (tree / "masters").mkdir(parents=True)
    (tree / "nbgrader_config.py").write_text(SETTINGS)
    header = notebook(cell("text", "# Physics"), cell("plain", "import math"))
    nbformat.write(header, tree / "masters/header.ipynb")
    shutil.copy(Path(__file__).with_name("autotests.yml"), tree)
    for name, content in (("motion", MOTION), ("waves", WAVES)):
        (tree / "masters" / name).mkdir()
        nbformat.write(content, tree / "masters" / name / f"{name}.ipynb")
    (tree / "masters/motion/drop.csv").write_text("0,9\n1,4\n2,1\n")
    (tree / "masters/motion/tools.py").write_text("def close(a, b):\n    return list(a) == list(b)\n")
    nbgrader("generate_assignment motion", "generate_assignment waves", cwd=tree)
    return root


@pytest.fixture
def foreign(blueprint, tmp_path) -> Course:
    """A fresh copy of the course."""
    return Course(shutil.copytree(blueprint, tmp_path / "course"))
