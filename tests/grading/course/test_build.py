"""`grading build`: the right files, the same bytes every time, and only what changed is written."""

import json

import nbformat
import pytest

from grading.cli import main
from grading.course import fingerprints
from grading.errors import BuildError, LeakError, MasterError, MetadataError, UsageError


def cell(path, cell_id):
    return next(cell for cell in nbformat.read(path, as_version=4).cells if cell.id == cell_id)


def test_a_course_generates_these_files(small):
    assert set(small.files()) == {
        "notebooks/01_areas/01_areas.ipynb",
        "notebooks/01_areas/01_areas_lecture.ipynb",
        "kit/fingerprints/01_areas.json",
        "build/course/nbgrader_config.py",
        "build/course/source/01_areas/01_areas.ipynb",
        "build/course/release/01_areas/01_areas.ipynb",
    }


def test_the_source_has_the_solution_and_the_release_a_friendly_stub(small):
    assert "mean_width = (top + bottom) / 2" in cell(small.source, "trapezium").source
    released = cell(small.release, "trapezium").source
    assert "mean_width" not in released
    assert '"""Return the area of a trapezium."""' in released
    assert 'raise NotImplementedError("your answer goes here")' in released


def test_the_source_has_hidden_tests_and_the_release_only_what_they_say(small):
    assert "isclose" in cell(small.source, "test-trapezium").source
    assert cell(small.release, "test-trapezium").source == "# Triangles and rectangles are trapeziums."


def test_building_again_writes_nothing_and_runs_no_lecture(small):
    before = {path: path.stat().st_mtime_ns for path in small.root.rglob("*") if path.is_file()}
    said: list[str] = []
    from grading.commands.build import build

    built = build(small.config, say=said.append)
    assert built.written == built.removed == ()
    assert {path: path.stat().st_mtime_ns for path in small.root.rglob("*") if path.is_file()} == before
    assert not any("running" in line for line in said)


def test_two_builds_in_two_places_give_the_same_bytes(unbuilt, built_once):
    unbuilt.build()
    assert unbuilt.files() == built_once.files()


def test_the_release_in_the_tree_is_the_released_notebook(small):
    release = small.root / "build/course/release/01_areas/01_areas.ipynb"
    assert release.read_bytes() == small.release.read_bytes()


def test_a_changed_hidden_test_reaches_source_and_gradebook_alone(small):
    small.edit("solutions/01_areas/assignment.py", "trapezium(4, 4, 2.5), 10", "trapezium(4, 4, 5), 20")
    written = small.build().written
    assert [path.relative_to(small.root).as_posix() for path in written] == [
        "build/course/source/01_areas/01_areas.ipynb"
    ]
    from nbgrader.api import Gradebook

    with Gradebook(small.config.gradebook, "small") as gradebook:
        stored = gradebook.find_source_cell("test-trapezium", "01_areas", "01_areas").source
    assert "trapezium(4, 4, 5)" in stored


def test_fingerprints_are_what_the_hook_says(small):
    stored = json.loads(small.fingerprints.read_text())
    assert stored["exercises"]["trapezium"]["forgets-half"]["outputs"] == {"one": 2.0}
    assert "longest" not in small.fingerprints.read_text()


@pytest.mark.parametrize("check", [True, False])
def test_variants_are_not_run_while_nothing_has_changed(small, monkeypatch, check):
    monkeypatch.setattr(fingerprints, "_call", None)
    built = small.build(check=check)
    assert built.written == built.drift == ()


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("solutions/01_areas/assignment.py", "mean_width * height", "height * mean_width"),
        ("solutions/01_areas/assignment.py", "import math\n", "import math, cmath\n"),
        ("solutions/01_areas/misconceptions.py", "height * longest", "longest * height"),
        ("solutions/01_areas/misconceptions.py", "forgot to halve", "did not halve"),
        ("hook.py", "import json, sys", "import sys, json"),
    ],
    ids=["an answer", "a setup cell", "a variant", "a sentence", "a file it depends on"],
)
def test_fingerprints_are_recorded_anew_when_something_has_changed(small, monkeypatch, path, old, new):
    small.edit(path, old, new)
    with monkeypatch.context() as patch:
        patch.setattr(fingerprints, "_call", None)  # a check runs nothing
        drift = {drift.path: drift.what for drift in small.build(check=True).drift}
    assert drift[small.fingerprints] == "was recorded from other answers, variants or checks"
    before = json.loads(small.fingerprints.read_text())
    assert small.fingerprints in small.build().written
    after = json.loads(small.fingerprints.read_text())
    assert before["sources"] != after["sources"]
    assert small.build(check=True).drift == ()


def test_missing_fingerprints_are_drift(small):
    small.fingerprints.unlink()
    assert [(drift.path, drift.what) for drift in small.build(check=True).drift] == [
        (small.fingerprints, "is missing")
    ]


def test_variants_can_be_run_again_without_a_reason(small):
    small.edit(small.fingerprints, "2.0", "2.1")
    assert small.build().written == ()
    assert small.build(refresh=True).written == (small.fingerprints,)


def test_fingerprints_that_differ_in_the_last_digit_only_stay_as_they_are(small):
    small.edit(small.fingerprints, "2.0", "2.0000000001")
    small.edit("hook.py", "import json, sys", "import sys, json")
    assert small.build().written == (small.fingerprints,)
    assert "2.0000000001" in small.fingerprints.read_text()
    assert small.build(check=True).drift == ()
    small.edit(small.fingerprints, "2.0000000001", "2.1")
    small.edit("hook.py", "import sys, json", "import json, sys")
    small.build()
    assert "2.1" not in small.fingerprints.read_text()


def test_a_hook_that_fails_is_reported_with_its_last_words(small):
    (small.root / "hook.py").write_text("raise SystemExit('no such case')")
    with pytest.raises(BuildError, match=r"status 1 \(no such case\)"):
        small.build()


def test_a_hook_that_talks_is_told_to_be_quiet(small):
    (small.root / "hook.py").write_text("print('hello')")
    with pytest.raises(BuildError, match="JSON"):
        small.build()


def test_a_hook_that_does_not_say_what_it_was_asked_is_refused(small):
    small.edit("hook.py", '"sources": request["sources"], ', "")
    with pytest.raises(BuildError, match="does not repeat the key 'sources'"):
        small.build()


def test_sources_that_are_not_there_are_named(small):
    small.edit("course.toml", '_sources = ["hook.py"]', '_sources = ["{topic}.py"]')
    with pytest.raises(BuildError, match=r"no file is called '01_areas\.py'"):
        small.build(check=True)


def test_a_deleted_topic_takes_its_files_with_it(small):
    folder = small.root / "solutions/02_more"
    folder.mkdir()
    (folder / "lecture.py").write_text("# %% [markdown]\n# More.\n")
    small.build()
    before = small.files()
    for name in ("assignment.py", "misconceptions.py", "lecture.py"):
        (small.root / "solutions/01_areas" / name).unlink()
    (small.root / "notebooks/notes.txt").write_text("not ours")
    (small.root / "notebooks/01_areas/figure.txt").write_text("not ours either")
    drift = {drift.path.name for drift in small.build(check=True).drift}
    assert drift == {"01_areas.ipynb", "01_areas_lecture.ipynb", "01_areas.json"}
    assert len(small.build().removed) == 5
    assert set(before) - set(small.files()) == {name for name in before if "01_areas" in name}
    assert (small.root / "notebooks/notes.txt").exists()
    assert (small.root / "notebooks/01_areas/figure.txt").exists()
    assert not (small.root / "build/course/source/01_areas").exists()


def test_a_deleted_lecture_is_removed(small):
    (small.root / "solutions/01_areas/lecture.py").unlink()
    assert small.build().removed == (small.lecture,)


def test_one_topic_can_be_built_alone(small):
    folder = small.root / "solutions/02_more"
    folder.mkdir()
    (folder / "lecture.py").write_text("# %% [markdown]\n# More.\n")
    small.edit("solutions/01_areas/assignment.py", "How much paper", "How much paint")
    written = small.build("02_more").written
    assert [path.name for path in written] == ["02_more_lecture.ipynb"]
    with pytest.raises(UsageError, match=r"no topic '03_none'.*01_areas, 02_more"):
        small.build("03_none")


class TestCheck:
    def test_an_up_to_date_course_has_no_drift(self, small):
        assert small.build(check=True).drift == ()

    def test_an_edited_notebook_is_named_with_the_difference(self, small):
        small.edit(small.release, "How much paper", "How much paint")
        (drift,) = small.build(check=True).drift
        assert drift.path == small.release
        assert '-    "How much paint' in drift.diff
        assert '+    "How much paper' in drift.diff

    def test_edited_metadata_is_drift(self, small):
        small.edit(small.release, '"points": 2', '"points": 3')
        assert [drift.path for drift in small.build(check=True).drift] == [small.release]

    def test_a_missing_notebook_is_drift(self, small):
        small.release.unlink()
        small.lecture.unlink()
        drift = small.build(check=True).drift
        assert {(one.path, one.what) for one in drift} == {
            (small.release, "is missing"),
            (small.lecture, "is missing"),
        }

    def test_a_changed_lecture_is_drift_and_is_not_run(self, small):
        small.edit("solutions/01_areas/lecture.py", "6 * 7", "raise SystemExit")
        (drift,) = small.build(check=True).drift
        assert drift.path == small.lecture
        assert "raise SystemExit" in drift.diff

    def test_a_kept_cell_without_output_is_drift(self, small):
        notebook = nbformat.read(small.lecture, as_version=4)
        for kept in notebook.cells:
            if kept.cell_type == "code":
                kept.outputs = []
        nbformat.write(notebook, small.lecture)
        (drift,) = small.build(check=True).drift
        assert "lacks the output of a kept cell" in drift.what

    def test_it_writes_nothing(self, small):
        small.edit("solutions/01_areas/assignment.py", "How much paper", "How much paint")
        before = small.files()
        assert small.build(check=True).drift
        assert small.files() == before

    def test_a_fresh_checkout_needs_no_tree(self, small):
        import shutil

        shutil.rmtree(small.root / "build")
        assert small.build(check=True).drift == ()
        assert not (small.root / "build").exists()

    def test_the_command_fails_and_names_the_file(self, small, capsys):
        small.edit(small.release, "How much paper", "How much paint")
        assert main(["build", "--check", "--config", str(small.root / "course.toml")]) == 1
        printed = capsys.readouterr()
        assert "notebooks/01_areas/01_areas.ipynb differs from its master" in printed.out
        assert "run grading build" in printed.err


class TestRefusals:
    def refused(self, small, error, old, new, match, file="assignment.py"):
        small.edit(f"solutions/01_areas/{file}", old, new)
        before = small.files()
        with pytest.raises(error, match=match):
            small.build()
        assert small.files() == before

    def test_two_cells_with_one_grade_id(self, small):
        old = 'test="trapezium" part="errors" points=1'
        self.refused(small, MetadataError, old, 'test="trapezium" points=1', "two cells.*'test-trapezium'")

    def test_a_grade_id_nbgrader_does_not_take(self, small):
        self.refused(
            small, MetadataError, 'part="errors"', 'part="bad input"', "refuses the cell 'test-trapezium-bad"
        )

    def test_negative_points(self, small):
        small.edit("solutions/01_areas/assignment.py", "points = 3", "points = 1")
        self.refused(small, MetadataError, "points=1", "points=-1", "minimum")

    def test_points_that_do_not_add_up(self, small):
        self.refused(small, MasterError, "points=2", "points=1", "3 points in the header, 2 in its cells")

    def test_a_test_of_no_exercise(self, small):
        self.refused(
            small, MasterError, 'check="trapezium"', 'check="trapezoid"', "'trapezoid' names no exercise"
        )

    def test_an_exercise_without_tests(self, small):
        new = "# [exercises.more]\n# points = 0\n# ///"
        self.refused(
            small, MasterError, "# ///\n\n", new + "\n\n", "'more' has no answer and no check and no test"
        )

    def test_a_topic_in_another_topics_folder(self, small):
        self.refused(small, MasterError, '"01_areas"', '"02_areas"', "topic '02_areas'")

    def test_a_marker_only_nbgrader_sees(self, small):
        new = "A hidden cell says BEGIN SOLUTION somewhere."
        self.refused(small, MasterError, "How much paper covers a shape?", new, "looks like a marker")

    def test_a_solution_outside_an_answer(self, small):
        new = 'budget = "ci"\n### BEGIN SOLUTION\n### END SOLUTION'
        self.refused(
            small, MetadataError, 'budget = "ci"', new, "Solution region detected in a non-solution cell"
        )

    def test_an_answer_in_a_lecture(self, small):
        new = '# %% answer="x"\nprint("not kept")'
        self.refused(small, MasterError, '# %%\nprint("not kept")', new, "no answer cells", "lecture.py")

    def test_a_variant_of_no_answer(self, small):
        new = 'misconception="circle"'
        self.refused(
            small,
            MasterError,
            'misconception="trapezium"',
            new,
            "'circle', not an answer",
            "misconceptions.py",
        )

    def test_a_leak_in_the_lecture(self, small):
        line = 'raise ValueError( f"negative length in {top}, {bottom}, {height}" )'
        new = f"# Covering a floor\n# Note:\n# `{line}`"
        match = r"01_areas_lecture.ipynb, cell 1, line 3: .*the solution of trapezium"
        self.refused(small, LeakError, "# Covering a floor", new, match, "lecture.py")


def test_json_says_what_was_written(small, capsys):
    small.edit("solutions/01_areas/assignment.py", "How much paper", "How much paint")
    assert main(["build", "--json", "--config", str(small.root / "course.toml")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["written"] == [
        "notebooks/01_areas/01_areas.ipynb",
        "build/course/source/01_areas/01_areas.ipynb",
    ]
    assert said["removed"] == said["drift"] == []
