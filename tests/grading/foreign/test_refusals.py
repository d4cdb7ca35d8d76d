"""What is not understood is refused by name before anybody has a grade, and nothing is touched."""

import json
import os
import shutil

import nbformat
import pytest

from grading import cli
from grading.commands.build import build
from grading.config import load_config
from grading.course.adopted import adopt
from grading.course.nbgrader_tree import MADE, release_notebook
from grading.errors import ConfigError, MetadataError
from tests.grading.foreign.conftest import cell, notebook

ANSWER = cell("answer", "def squares(n):\n    return [i * i for i in range(n)]", "squares")
SHARED = [
    cell("test", "assert squares(0) == []", "same", 1),
    cell("test", "assert squares(1) == [0]", "same", 1),
]


def marked(new, **marks):
    """The cell with other metadata; None takes a mark away."""
    told = {**new.metadata.nbgrader, **marks}
    new.metadata.nbgrader = {key: value for key, value in told.items() if value is not None}
    return new


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([ANSWER, marked(cell("test", "assert squares(2) == [0, 1]", "x", 1), grade_id=None)],
         "nbgrader refuses cell 2 ('assert squares(2) == [0, 1]') (it has no grade_id)"),
        ([ANSWER, marked(cell("answer", "def cubes(n):", "x"), grade_id="")],
         "nbgrader refuses cell 2 ('def cubes(n):') (it has no grade_id)"),
        ([ANSWER, *SHARED], "two cells have the grade_id 'same', cell 2 and cell 3"),
        ([ANSWER, marked(cell("test", "assert squares(2)", "worth", 1), points=None)],
         "nbgrader refuses the cell 'worth' (nbgrader cell 'worth' does not have points)"),
        ([ANSWER, marked(cell("test", "assert squares(2)", "old", 1), schema_version=1)],
         "nbgrader refuses the cell 'old' (Outdated schema version: 1 (expected 3))"),
        ([cell("plain", "# << model answer\nx = 1\n# >> model answer")],
         "cell 3 ('# << model answer') cannot be released (Solution region detected in a non-solution cell"),
        ([ANSWER, cell("locked", "# << secret\nx = 1\n# >> secret", "open")],
         "the cell 'open' cannot be released (Hidden test region detected in a non-grade cell"),
        ([ANSWER, cell("test", "# << secret\nassert squares(1)", "endless", 1)],
         "the cell 'endless' cannot be released (No end hidden tests statement found)"),
        ([ANSWER, cell("test", "x = squares(2) ### AUTOTEST x", "behind", 1)],
         "the cell 'behind' has a line that is to become a test ('x = squares(2) ### AUTOTEST x')"),
        ([ANSWER, cell("test", "### AUTOTEST cubes(2)", "failing", 1)],
         "the cell 'failing' cannot be released (NameError: name 'cubes' is not defined)"),
        ([ANSWER, cell("locked", "### AUTOTEST squares(2)", "ungraded")],
         "the cell 'ungraded' cannot be released"),
        ([ANSWER, cell("test", "kept = squares\ndel squares\nsquares = kept", "uses", 1)],
         "the cell 'uses' deletes or replaces the answer 'squares'"),
    ],
)  # fmt: skip
def test_a_cell_that_is_not_understood_is_named_with_its_file(foreign, cells, says):
    foreign.rewrite(*cells, assignment="waves")
    said = foreign.refusal("waves")
    assert f"grading run: {foreign.source('waves')}: {says}" in said


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("c.GenerateAssignment.preprocessors = []", "GenerateAssignment.preprocessors is a setting"),
        ("c.Autograde.exclude_overwriting = {'waves': ['a.py']}", "Autograde.exclude_overwriting is a"),
        ("c.BaseConverter.pre_convert_hook = print", "BaseConverter.pre_convert_hook is a setting"),
        ("c.LateSubmissionPlugin.penalty_method = 'zero'", "LateSubmissionPlugin.penalty_method is a"),
        ("c.ClearHiddenTests.enabled = False", "ClearHiddenTests.enabled is a setting"),
        ("c.ClearSolutions.enforce_metadata = False", "ClearSolutions.enforce_metadata is a setting"),
        ("c.CourseDirectory.directory_structure = '{student_id}'", "CourseDirectory.directory_structure is"),
        ("c.ClearSolutions.begin_solution = 'x'", "ClearSolutions.begin_solution is a setting"),
        ("c.Unheard.of = 1", "Unheard.of is a setting that is not understood"),
        ("c.NbGrader.course_id = 'x'", "NbGrader.course_id is a setting that is not understood; write"),
        ("c.CourseDirectory.root = '/'", "CourseDirectory.root names another folder"),
        ("c.CourseDirectory.source_directory = 3", "nbgrader refuses a setting"),
        ("1 / 0", "cannot be read (ZeroDivisionError: division by zero)"),
        ("raise SystemExit", "cannot be read (SystemExit:"),
    ],
)  # fmt: skip
def test_a_setting_that_is_not_understood_is_named_with_its_file(foreign, line, says):
    foreign.set(line)
    said = foreign.refusal()
    assert f"{foreign.tree / 'nbgrader_config.py'}: {says}" in said


def test_settings_that_have_no_say_in_a_grade_are_no_reason_to_refuse(foreign):
    foreign.set(
        "c.NbGrader.logfile = 'x.log'", "c.ExchangeCollect.check_owner = False", "c.Execute.timeout = 3",
        "c.CourseDirectory.db_url = 'sqlite:////nowhere.db'", "c.ClearSolutions.enforce_metadata = True",
        "c.Authenticator.plugin_class = 'x'", "c.FormgradeApp.x = 1", "c.LockCells.lock_all_cells = True",
    )  # fmt: skip
    adopt(load_config(foreign.root / "course.toml"), "motion")


def test_settings_in_json_count_as_those_in_python_do(foreign):
    settings = {"ClearHiddenTests": {"begin_test_delimeter": "# << hush", "end_test_delimeter": "# >> hush"}}
    (foreign.tree / "nbgrader_config.json").write_text(json.dumps(settings))
    foreign.rewrite(ANSWER, cell("test", "# << hush\nassert squares(1) == [0]\n# >> hush\n1", "hushed", 1))
    adopt(load_config(foreign.root / "course.toml"), "motion")
    released = nbformat.read(foreign.work / "release/motion/motion.ipynb", as_version=4)
    assert released.cells[-1].source == "1"


def test_a_release_that_shows_a_hidden_test_is_named(foreign):
    path = foreign.tree / "published/motion/motion.ipynb"
    shown = foreign.released()
    for new in shown.cells:
        if new.metadata.get("nbgrader", {}).get("grade_id") == "test-mean":
            new.source = "assert np.isclose(mean([1, 2, 6]), 3)"
    nbformat.write(shown, path)
    assert f"{path}: the cell 'test-mean' shows students a hidden test" in foreign.refusal()


def test_several_notebooks_in_one_assignment_are_named(foreign):
    shutil.copy(foreign.source(), foreign.source().with_name("more.ipynb"))
    assert "an assignment of 2 notebooks (more, motion) is not understood" in foreign.refusal()


def test_another_language_is_named(foreign):
    other = notebook(cell("plain", "x <- 1"))
    other.metadata.kernelspec = {"name": "ir", "language": "R", "display_name": "R"}
    nbformat.write(other, foreign.source())
    assert f"{foreign.source()}: the notebook is written in R; only Python" in foreign.refusal()


def test_a_source_that_is_no_notebook_is_named(foreign):
    foreign.source().write_text("{")
    assert f"{foreign.source()}: this is no notebook" in foreign.refusal()


def test_an_assignment_that_is_not_there_is_wrong_usage(foreign):
    assert "there is no assignment 'heat'; name one of motion, waves" in foreign.refusal("heat", status=2)


def test_files_that_would_fill_a_hand_ins_folder_are_named(foreign):
    with (foreign.source().parent / "film.bin").open("wb") as file:
        os.truncate(file.fileno(), 200 * 2**20)
    assert "the files beside the notebook have 200 MB" in foreign.refusal()


class TestATreeThatABuildHasMade:
    def test_a_master_does_not_let_nbgrader_write_its_tests(self):
        asks = notebook(ANSWER, cell("test", "### AUTOTEST squares(2)", "lazy", 1))
        with pytest.raises(MetadataError, match="the cell 'lazy' has a line that is to become a test"):
            release_notebook(asks, "assignment.py")

    @pytest.mark.parametrize(
        ("new", "says"),
        [
            (cell("test", "### AUTOTEST squares(2)", "lazy", 1), "the cell 'lazy' has a line"),
            (marked(cell("test", "assert squares(2)", "x", 1), grade_id=None), "(it has no grade_id)"),
        ],
    )
    def test_its_source_is_looked_at_as_well_before_a_run(self, tmp_path, capsys, new, says):
        (tmp_path / "course.toml").write_text('[course]\nname = "own"\n')
        path = tmp_path / "build/course/source/a/a.ipynb"
        path.parent.mkdir(parents=True)
        (tmp_path / "build/course/nbgrader_config.py").write_text(f"{MADE}\n")
        nbformat.write(notebook(ANSWER, new), path)
        assert cli.main(["run", "a", "--config", str(tmp_path / "course.toml")]) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"grading run: {path}: ")
        assert says in said


class TestNothingIsWrittenIntoAFolderOfSomebodyElse:
    def test_a_build_refuses_the_course(self, foreign):
        (foreign.root / "solutions").mkdir()
        before = foreign.digest()
        with pytest.raises(ConfigError, match="this course directory was not made by `grading build`"):
            build(load_config(foreign.root / "course.toml"))
        assert foreign.digest() == before

    def test_a_run_refuses_a_folder_for_its_own_files_that_holds_others(self, foreign):
        foreign.work.mkdir(parents=True)
        (foreign.work / "thesis.txt").write_text("")
        assert f"{foreign.work}: this folder was not made by `grading run`" in foreign.refusal()

    def test_a_run_refuses_a_folder_with_the_grades_of_another_course(self, foreign):
        adopt(load_config(foreign.root / "course.toml"), "motion")
        shutil.copytree(foreign.tree, foreign.root / "chemistry")
        settings = foreign.root / "course.toml"
        settings.write_text(settings.read_text().replace('"physics"\n\n', '"chemistry"\n\n'))
        assert f"{foreign.work}: this folder holds the grades of another course" in foreign.refusal()
