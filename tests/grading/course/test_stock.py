"""Stock nbgrader, called as its users call it, agrees with what we generate."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grading.errors import BuildError


def nbgrader(*words, cwd):
    program = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{program}{os.pathsep}{os.environ['PATH']}"}
    ran = subprocess.run(
        [program / "nbgrader", *words], cwd=cwd, env=environment, text=True, capture_output=True, check=False
    )
    return ran.stdout + ran.stderr


def test_generate_assignment_gives_the_notebook_that_we_release(small):
    tree = small.root / "build/course"
    release = tree / "release/01_areas/01_areas.ipynb"
    release.unlink()
    said = nbgrader("generate_assignment", "01_areas", "--force", cwd=tree)
    assert release.read_bytes() == small.release.read_bytes(), said


def test_validate_accepts_the_source_and_rejects_the_release(small):
    tree = small.root / "build/course"
    assert "Success" in nbgrader("validate", "source/01_areas/01_areas.ipynb", cwd=tree)
    assert "failed" in nbgrader("validate", "release/01_areas/01_areas.ipynb", cwd=tree)


def test_the_gradebook_knows_cells_and_points(small):
    from nbgrader.api import Gradebook

    with Gradebook(small.config.gradebook, "small") as gradebook:
        notebook = gradebook.find_notebook("01_areas", "01_areas")
        points = {cell.name: cell.max_score for cell in notebook.grade_cells}
        assert points == {"test-trapezium": 2, "test-trapezium-errors": 1, "essay": 4}
        assert {cell.name for cell in notebook.solution_cells} == {"trapezium", "essay"}
        assert not any("mean_width" in cell.source for cell in notebook.source_cells)


def test_a_lost_gradebook_is_filled_again(small):
    from nbgrader.api import Gradebook

    (small.root / "build/course/gradebook.db").unlink()
    assert small.build().written == ()
    with Gradebook(small.config.gradebook, "small") as gradebook:
        assert gradebook.find_notebook("01_areas", "01_areas").max_score == 7


@pytest.mark.filterwarnings("ignore:Object of type <Submitted")  # nbgrader's own
def test_cells_cannot_be_added_once_hand_ins_are_recorded(small):
    from nbgrader.api import Gradebook

    with Gradebook(small.config.gradebook, "small") as gradebook:
        gradebook.add_student("ada")
        gradebook.add_submission("01_areas", "ada")
    small.edit("solutions/01_areas/assignment.py", 'part="errors"', 'part="bad-input"')
    with pytest.raises(BuildError, match=r"hand-ins are recorded.*move gradebook.db away"):
        small.build()


def test_an_edited_release_in_the_tree_is_made_again(small):
    release = small.root / "build/course/release/01_areas/01_areas.ipynb"
    small.edit(release, "How much paper", "How much paint")
    small.build()
    assert release.read_bytes() == small.release.read_bytes()


def settings_read(tree, *blocked):
    """The settings as nbgrader reads them from the tree, in a process that cannot import what is blocked."""
    lines = [
        "import json, sys",
        f"sys.modules.update(dict.fromkeys({blocked!r}))",
        "from traitlets.config.loader import PyFileConfigLoader",
        "print(json.dumps(PyFileConfigLoader('nbgrader_config.py').load_config()['HTMLExporter']))",
    ]
    ran = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=tree, text=True, capture_output=True, check=True
    )
    return json.loads(ran.stdout)


def test_pages_are_cleaned_by_our_filter_and_without_us_by_nbconverts(small):
    tree = small.root / "build/course"
    ours = settings_read(tree)
    assert ours["sanitize_html"]
    assert set(ours["filters"].values()) == {"grading.gradebook.sanitize.clean_html"}
    theirs = settings_read(tree, "grading")
    assert theirs["sanitize_html"]
    assert theirs["filters"] == {"strip_files_prefix": "nbconvert.filters.strings.clean_html"}


def test_nbval_accepts_the_outputs_a_lecture_keeps(small):
    words = (
        "-c",
        os.devnull,
        "--rootdir",
        str(small.root),
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "--nbval-lax",
    )
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *words, str(small.lecture)],
        cwd=small.root,
        text=True,
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert "4 passed" in ran.stdout
