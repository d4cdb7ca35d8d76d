"""Do the commands say what they did, and fail with a sentence?"""

import json

import pytest

from grading import cli, engine
from grading.errors import InfrastructureError
from grading.execute import CellRun, Run

A = "01_numbers"


@pytest.fixture
def grading(made_up, monkeypatch, capsys):
    """Calls `grading` in the course's folder: exit status, what it printed, what it complained about."""
    monkeypatch.chdir(made_up.config.root)
    monkeypatch.setattr(engine, "execute", everything_passes)

    def call(*words):
        status = cli.main(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def everything_passes(notebook, limits, handin=None):
    return Run({index: CellRun(ended=True) for index, _ in enumerate(notebook.cells)})


def test_a_class_is_graded_reported_exported_and_given_feedback(made_up, grading):
    made_up.hand_in("a", made_up.solved())
    made_up.hand_in("b", b"no notebook")
    status, said, _ = grading("run", A, "--jobs", "2")
    assert status == 0
    assert "2 hand-ins: 1 error, 1 passed" in said
    assert "look at b: The file is not a notebook" in said

    status, said, _ = grading("report")
    assert (status, said.strip().endswith(f"reports/{A}.html")) == (0, True)
    status, said, _ = grading("export", A)
    assert said.splitlines() == [
        "student,status,double,root,essay,total,max",
        "a,passed,5,2,,7,11",
        "b,error,0,0,0,0,11",
    ]
    assert grading("feedback", A)[0] == 0


def test_results_as_json_are_one_line_each_and_nothing_else(made_up, grading):
    made_up.hand_in("a", made_up.solved())
    status, said, complained = grading("run", A, "--json")
    records = [json.loads(line) for line in said.splitlines()]
    assert (status, complained) == (0, "")
    assert [(record["record"], record["student"], record["score"]) for record in records] == [
        ("Result", "a", 7.0)
    ]


def test_a_failure_of_the_machine_makes_the_command_fail(made_up, grading, monkeypatch):
    def fail(*args):
        raise InfrastructureError("no sockets left")

    monkeypatch.setattr(engine, "execute", fail)
    made_up.hand_in("a", made_up.solved())
    status, said, _ = grading("run", A)
    assert status == 1
    assert "no sockets left" in said


def test_what_was_not_graded_yet_is_named(made_up, grading):
    made_up.hand_in("a", made_up.solved())
    grading("run", A)
    made_up.hand_in("late", made_up.solved())
    for command in ("report", "export"):
        status, _, complained = grading(command)
        assert status == 0
        assert "not graded yet: late" in complained


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "02_letters"), "run `grading build`, or name one of 01_numbers"),
        (("run", A), "there are no hand-ins"),
        (("report", A), "there are no hand-ins"),
        (("feedback", A), "run `grading run 01_numbers` first"),
        (("demo", "02_letters"), "has not been built; run `grading build`"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_status_2(grading, words, says):
    status, _, complained = grading(*words)
    assert status == 2
    assert says in complained
    assert len(complained.strip().splitlines()) == 1
