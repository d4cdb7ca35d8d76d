"""The command `coursekit`, on real notebooks in real kernels."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import coursekit
from coursekit import cli, notebooks


def check_cell(exercise: str, source: str) -> nbformat.NotebookNode:
    locked = {"grade_id": f"check-{exercise}", "locked": True, "grade": False, "solution": False}
    return new_code_cell(source, metadata={"nbgrader": locked})


def result(exercise: str, passed: int, total: int, says: tuple[str, ...] = ()) -> str:
    """A cell that leaves a card, as a check does."""
    card = {"exercise": exercise, "passed": passed, "total": total, "fraction": passed / total, "says": says}
    bundle = {"text/plain": "card", notebooks.CHECK_MIME: card}
    return f"from IPython.display import display; display({bundle!r}, raw=True)"


def write(path: Path, *cells: nbformat.NotebookNode) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course folder with one lecture, and the terminal in it."""
    lecture = tmp_path / "notebooks" / "01_convolution" / "01_convolution_lecture.ipynb"
    write(
        lecture,
        new_markdown_cell("# Convolution", metadata={"slideshow": {"slide_type": "slide"}}),
        new_code_cell('budget = "laptop"', metadata={"tags": ["parameters"]}),
        new_code_cell('print("budget is", budget)', metadata={"slideshow": {"slide_type": "slide"}}),
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


# check


@pytest.mark.notebooks
def test_check_prints_every_exercise_and_leaves_with_1_when_one_is_wrong(tmp_path, capsys):
    notebook = write(
        tmp_path / "mine.ipynb",
        new_code_cell("print('set up')"),
        check_cell("output_size", result("output_size", 7, 7)),
        check_cell("conv2d", result("conv2d", 5, 7, ("You flip the kernel.",))),
        check_cell("max_pool2d", "check_that_does_not_exist(max_pool2d)"),
    )
    before = notebook.read_bytes()
    assert cli.main(["check", str(notebook)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["right", "output_size", "7/7"]
    assert lines[1].split() == ["wrong", "conv2d", "5/7"]
    assert lines[2].strip() == "You flip the kernel."
    assert lines[3].split()[:2] == ["wrong", "max_pool2d"]
    assert lines[4].strip().startswith("NameError: name 'check_that_does_not_exist'")
    assert lines[5] == "1 of 3 exercises pass every public case."
    assert notebook.read_bytes() == before


@pytest.mark.notebooks
def test_check_leaves_with_0_when_all_are_right_and_prints_json_for_a_program(tmp_path, capsys):
    notebook = write(tmp_path / "mine.ipynb", check_cell("conv2d", result("conv2d", 7, 7)))
    assert cli.main(["check", str(notebook), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["right"] == 1
    assert printed["exercises"] == [
        {"exercise": "conv2d", "passed": 7, "total": 7, "says": [], "right": True}
    ]


@pytest.mark.notebooks
def test_check_runs_the_real_checks(tmp_path, capsys):
    notebook = write(
        tmp_path / "mine.ipynb",
        new_code_cell(
            "from coursekit import check\n"
            "def output_size(size, kernel, stride=1, padding=0, dilation=1):\n"
            "    return size\n"
        ),
        check_cell("output_size", 'check("output_size", output_size);'),
    )
    assert cli.main(["check", str(notebook)]) == 1
    assert "wrong  output_size" in capsys.readouterr().out


@pytest.mark.notebooks
def test_an_endless_cell_ends_with_a_sentence(tmp_path, capsys):
    notebook = write(tmp_path / "mine.ipynb", new_code_cell("while True: pass"))
    assert cli.main(["check", str(notebook), "--timeout", "2"]) == 1
    assert "longer than 2 s: look for an endless loop" in capsys.readouterr().err


@pytest.mark.notebooks
def test_a_kernel_that_dies_ends_with_a_sentence(tmp_path, capsys):
    notebook = write(tmp_path / "mine.ipynb", new_code_cell("import os; os._exit(1)"))
    assert cli.main(["check", str(notebook)]) == 1
    assert "the kernel died" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("", "is no notebook: save it again from JupyterLab"),
        ("{}", "is no notebook"),
        ('{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "is no notebook"),
    ],
)
def test_what_is_no_notebook_is_refused_in_one_sentence(tmp_path, capsys, content, part):
    path = tmp_path / "mine.ipynb"
    path.write_text(content)
    assert cli.main(["check", str(path)]) == 1
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1


def test_the_last_card_of_an_exercise_counts():
    cells = [
        nbformat.from_dict({"cell_type": "code", "metadata": {}, "source": "", "outputs": outputs})
        for outputs in (
            [card("conv2d", 3, 7)],
            [card("conv2d", 7, 7), card("output_size", 1, 2)],
        )
    ]
    results = notebooks.exercise_results(nbformat.from_dict({"cells": cells}))
    assert [(r.exercise, r.passed, r.right) for r in results] == [
        ("conv2d", 7, True),
        ("output_size", 1, False),
    ]


def card(exercise: str, passed: int, total: int) -> dict:
    data = {notebooks.CHECK_MIME: {"exercise": exercise, "passed": passed, "total": total}}
    return {"output_type": "display_data", "metadata": {}, "data": data}


# lecture


@pytest.mark.notebooks
def test_lecture_check_runs_it_small_and_prints_the_time_of_each_cell(course, capsys):
    assert cli.main(["lecture", "1", "--check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("cell")[-1].split(maxsplit=1) for line in lines[:-1]] == [
        ["1", 'budget = "laptop"'],
        ["2", 'print("budget is", budget)'],
    ]
    assert lines[-1].endswith("s  in all")


@pytest.mark.notebooks
def test_lecture_check_complains_about_slow_cells_and_errors(course, capsys, monkeypatch):
    monkeypatch.setattr(cli, "CELL_SECONDS", 0.1)
    monkeypatch.setattr(cli, "LECTURE_SECONDS", 0.2)
    slow = course / "notebooks" / "02_flops" / "02_flops_lecture.ipynb"
    write(slow, new_code_cell("import time; time.sleep(0.3)"), new_code_cell("1 / 0"))
    assert cli.main(["lecture", "02", "--check"]) == 1
    complaints = capsys.readouterr().err
    assert "cell 1 ended in ZeroDivisionError: division by zero" in complaints
    assert "cell 0 takes 0.3 s, more than 0.1 s" in complaints
    assert re.search(r"the lecture takes 0\.\d s, more than 0\.2 s", complaints)


@pytest.mark.notebooks
def test_lecture_slides_writes_a_slide_show_with_outputs(course, capsys):
    assert cli.main(["lecture", "01_convolution", "--slides", "--reveal", "reveal.js"]) == 0
    page = (course / "build" / "slides" / "01_convolution_lecture.html").read_text()
    assert page.count("<section") >= 2
    assert "budget is laptop" in page
    assert "reveal.js/dist/reveal.css" in page


@pytest.mark.notebooks
def test_a_lecture_that_fails_gives_no_slides(course, capsys):
    write(course / "notebooks" / "02_flops" / "02_flops_lecture.ipynb", new_code_cell("1 / 0"))
    assert cli.main(["lecture", "2", "--slides"]) == 1
    assert "ZeroDivisionError: division by zero; no slides were written" in capsys.readouterr().err
    assert not (course / "build").exists()


@pytest.mark.notebooks
def test_slides_that_cannot_be_written_end_with_a_sentence(course, capsys):
    (course / "build").write_text("a file where a folder has to be")
    assert cli.main(["lecture", "1", "--slides"]) == 1
    error = capsys.readouterr().err
    assert "cannot write" in error
    assert error.count("\n") == 1


# What was asked for does not exist


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["lecture", "05"], "there is 01_convolution"),
        (["check", "nowhere.ipynb"], "there is no file nowhere.ipynb: give the path of a notebook"),
        (["facts", "--topic", "77"], "77"),
        (["profile", "resnet51"], "did you mean resnet"),
        (["profile", "resnet18", "--input", "big"], "give channels, height and width as 3x224x224"),
        (["profile", "resnet18", "--input", "3x8"], "resnet18 takes images"),
    ],
)
def test_what_does_not_exist_is_wrong_usage_and_said_in_one_sentence(course, capsys, arguments, part):
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("coursekit: ")
    assert part in error
    assert error.count("\n") == 1


# A reader that goes


def with_a_closed_pipe(*arguments: str, stderr_too: bool = False) -> tuple[int, str]:
    """Exit status, and stderr, of the command whose output nobody reads any more."""
    read, write_ = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "coursekit.cli", *arguments],
            stdout=write_,
            stderr=subprocess.STDOUT if stderr_too else subprocess.PIPE,
            text=True,
            check=False,
            timeout=300,
        )
    finally:
        os.close(write_)
    return done.returncode, done.stderr or ""


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], ["facts", "--help"]],
    ids=" ".join,
)
def test_a_closed_pipe_ends_the_command_without_a_word(arguments):
    status, said = with_a_closed_pipe(*arguments)
    assert status in (0, 141)  # 0 where argparse has swallowed it, which it does where output is not buffered
    assert "Traceback" not in said
    assert "Broken" not in said


def test_a_command_that_still_works_when_the_pipe_closes_leaves_with_141():
    assert with_a_closed_pipe("doctor", "--json") == (141, "")


def test_so_does_a_closed_pipe_for_errors(tmp_path):
    assert with_a_closed_pipe("check", str(tmp_path / "none.ipynb"), stderr_too=True) == (141, "")


def test_the_version_is_said(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"coursekit {coursekit.__version__}\n"


def test_the_course_is_found_from_a_folder_below_it(course, monkeypatch):
    monkeypatch.chdir(course / "notebooks" / "01_convolution")
    assert notebooks.course_folder() == course


# The others


def test_doctor_prints_json_for_a_program(capsys):
    assert cli.main(["doctor", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["healthy"] is True
    assert {"subject", "status", "message"} == set(printed["findings"][0])


def test_progress_prints_every_exercise(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path))
    assert cli.main(["progress"]) == 0
    assert "conv2d_backward" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["lab"], ["{folder}/notebooks"]),
        (["lab", "--", "--no-browser"], ["{folder}/notebooks", "--no-browser"]),
        (["lecture", "01"], ["{folder}/notebooks/01_convolution/01_convolution_lecture.ipynb"]),
        (["lecture", "01", "--live"], ["{folder}/notebooks/01_convolution/01_convolution_lecture.ipynb"]),
    ],
)
def test_lab_and_live_start_jupyterlab_of_this_python(course, monkeypatch, arguments, expected):
    started = []

    class Done:
        returncode = 0

    def run(command, check):
        started.append(command)
        return Done()

    monkeypatch.setattr("coursekit.cli.subprocess.run", run)
    assert cli.main(arguments) == 0
    words = [word.format(folder=course) for word in expected]
    assert started == [[sys.executable, "-m", "jupyterlab", *words]]


@pytest.mark.parametrize("command", ["doctor", "lab", "check", "progress", "lecture"])
def test_every_command_has_help_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--help"])
    assert ended.value.code == 0
    assert f"example: coursekit {command}" in " ".join(capsys.readouterr().out.split())


def test_no_command_and_two_ways_at_once_are_refused(capsys):
    for arguments in ([], ["lecture", "01", "--check", "--slides"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        assert ended.value.code == 2
