"""The command: help with an example, one sentence for an error, nothing imported in vain."""

import pickle
import subprocess
import sys

import pytest

from grading import errors
from grading.cli import COMMANDS, main


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"example: grading {command}" in " ".join(capsys.readouterr().out.split())


def test_an_error_is_one_sentence_and_status_2(tmp_path, capsys):
    missing = tmp_path / "course.toml"
    assert main(["build", "--config", str(missing)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    fix = "run in the course's folder or give --config"
    assert printed.err == f"grading build: {missing}: there is no such file; {fix}\n"


def test_an_unknown_command_is_refused():
    with pytest.raises(SystemExit) as stopped:
        main(["grade"])
    assert stopped.value.code == 2


def test_help_imports_no_nbgrader():
    code = (
        "import sys, grading.cli\n"
        "try: grading.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in ('nbgrader', 'nbformat', 'torch', 'jupytext')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_every_error_is_in_the_tree_drawn_above_them():
    drawn = errors.__doc__.split()
    defined = [name for name, kind in vars(errors).items() if isinstance(kind, type)]
    assert len(defined) > 8
    assert set(defined) <= set(drawn)


def test_an_error_says_where_what_and_what_to_do_and_pickles():
    error = errors.SubmissionError("it is no notebook", "ada/01.ipynb", "ask for it again")
    assert str(error) == "ada/01.ipynb: it is no notebook; ask for it again"
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.where) == (errors.SubmissionError, str(error), "ada/01.ipynb")
