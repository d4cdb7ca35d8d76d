"""The command: help with an example, one sentence for an error, nothing imported in vain."""

import ast
import builtins
import os
import pickle
import re
import subprocess
import sys
import tomllib
from typing import Any

import pytest

from grading import errors
from grading.cli import COMMANDS, main
from tests.helpers import ROOT


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"example: grading {command}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", ["build", "run 01_numbers", "report", "export", "feedback a", "demo"])
def test_what_cannot_be_done_is_one_sentence_and_status_1(command, tmp_path, capsys):
    missing, (name, *words) = tmp_path / "course.toml", command.split()
    assert main([name, *words, "--config", str(missing)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    fix = "run in the course's folder or give --config"
    assert printed.err == f"grading {name}: {missing}: there is no such file; {fix}\n"


WRONG = [
    "",
    "grade",
    "--jobs 2",
    *(f"{command} --no-such-option" for command in COMMANDS),
    "run",
    "run a --jobs 0",
]


@pytest.mark.parametrize("words", WRONG)
def test_wrong_usage_is_refused_with_status_2(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(words.split())
    assert stopped.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (stopped.value.code, capsys.readouterr().out) == (0, f"grading {project['version']}\n")


def test_a_file_that_cannot_be_written_is_named_in_one_sentence(monkeypatch, capsys):
    def write(args):
        raise PermissionError(13, "Permission denied", "/there/grades.csv")

    monkeypatch.setattr("grading.commands.export.main", write)
    assert main(["export"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        "grading export: /there/grades.csv: it cannot be read or written (Permission denied); "
    )
    assert said.count("\n") == 1


PRINTS = """
import sys, types
from grading import cli
module = types.ModuleType("printing")
module.add_arguments = lambda parser: None
sys.modules["printing"] = module
cli.COMMANDS = {"print": cli.Command("printing", "print", "grading print")}

def work(args):
    WORK
    return 0

module.main = work
sys.exit(cli.main(["print"]))
"""


def with_closed_pipe(work, stream):
    """Status and other output of a command that does this, once nobody reads one of its streams any more."""
    reading, writing = os.pipe()
    os.close(reading)  # before it begins: the first write fails, without a race
    others: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {stream: writing}
    process = subprocess.Popen([sys.executable, "-c", PRINTS.replace("WORK", work)], cwd=ROOT, **others)
    os.close(writing)
    said = process.communicate()
    return process.returncode, (said[1] if stream == "stdout" else said[0]).decode()


@pytest.mark.parametrize(
    "work",
    [
        "print('a line')",
        "print('a line', flush=True)",
        "print('x' * 1_000_000)",
        "[print('a line') for _ in range(100_000)]",
    ],
)
def test_a_closed_pipe_ends_a_command_quietly(work):
    assert with_closed_pipe(work, "stdout") == (141, "")


def test_so_does_help():
    status, said = with_closed_pipe("cli._parser(None).parse_args(['--help'])", "stdout")
    assert (status in (0, 141), said) == (True, "")  # argparse itself may not mind


def test_so_does_one_for_what_it_complains_of():
    assert with_closed_pipe("print('a line', file=sys.stderr, flush=True)", "stderr") == (141, "")


def test_a_pipe_of_our_own_that_breaks_is_no_closed_pipe(monkeypatch):
    def work(args):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("grading.commands.export.main", work)
    with open(os.devnull, "w") as nowhere:  # a stream that is still read
        monkeypatch.setattr(sys, "stdout", nowhere)
        monkeypatch.setattr(sys, "stderr", nowhere)
        with pytest.raises(BrokenPipeError):
            main(["export"])


def test_help_imports_no_nbgrader():
    code = (
        "import sys, grading.cli\n"
        "try: grading.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in ('nbgrader', 'nbformat', 'torch', 'jupytext')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def exceptions_of(folder):
    """Every exception that is defined under the folder, by name, with the name of what it derives from."""
    nodes = [
        node
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and node.bases
    ]
    bases = {node.name: ast.unparse(node.bases[0]).rpartition(".")[2] for node in nodes}

    def is_exception(name):
        kind = getattr(builtins, name, None)
        ours = name in bases and is_exception(bases[name])
        return ours or (isinstance(kind, type) and issubclass(kind, BaseException))

    return {name: base for name, base in bases.items() if is_exception(name)}


def drawn_in(text):
    """The tree as it is drawn: every name but those at the left, with the one above it."""
    above, found = {}, {}
    for line in text.splitlines():
        if (match := re.match(r"    ((?:│   |    )*(?:[├└]── )?)(\w+)(?:  |$)", line)) is not None:
            depth = len(match[1]) // 4
            above[depth] = match[2]
            if depth:
                found[match[2]] = above[depth - 1]
    return found


def test_the_drawing_above_the_errors_is_the_tree_of_all_exceptions_of_grading():
    defined = exceptions_of(ROOT / "grading")
    assert len(defined) > 12
    assert {"GradingError": "Exception", **drawn_in(errors.__doc__)} == defined


def test_an_exception_that_is_not_drawn_or_hangs_elsewhere_would_be_seen(tmp_path):
    (tmp_path / "new.py").write_text(
        "class A(errors.GradingError): ...\nclass GradingError(Exception): ...\n"
        "class B(A): ...\nclass C(str): ...\n"
    )
    assert exceptions_of(tmp_path) == {"A": "GradingError", "GradingError": "Exception", "B": "A"}
    drawing = "    Top   says\n    ├── A  says\n    │   └── B\n    └── C says\n    C2"
    assert drawn_in(drawing.replace("C says", "C  says")) == {"A": "Top", "B": "A", "C": "Top"}


def test_an_error_says_where_what_and_what_to_do_and_pickles():
    error = errors.SubmissionError("it is no notebook", "ada/01.ipynb", "ask for it again")
    assert str(error) == "ada/01.ipynb: it is no notebook; ask for it again"
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.where) == (errors.SubmissionError, str(error), "ada/01.ipynb")
