"""Do the commands say what they did, and fail with a sentence?"""

import contextlib
import json
import shutil
import threading

import pytest

from grading import cli
from grading.engine import handin
from grading.engine.supervise import CellRun, Run
from grading.errors import InfrastructureError
from grading.gradebook import lock
from grading.gradebook.lock import only_writer

A = "01_numbers"


@pytest.fixture
def grading(made_up, monkeypatch, capsys):
    """Calls `grading` in the course's folder: exit status, what it printed, what it complained about."""
    monkeypatch.chdir(made_up.config.root)
    monkeypatch.setattr(handin, "execute", everything_passes)

    def call(*words):
        status = cli.main(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def everything_passes(notebook, tasks, job):
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

    monkeypatch.setattr(handin, "execute", fail)
    made_up.hand_in("a", made_up.solved())
    status, said, _ = grading("run", A)
    assert status == 1
    assert "no sockets left" in said


def test_a_second_run_is_refused_or_waits_for_the_first(made_up, grading, monkeypatch):
    made_up.hand_in("a", made_up.solved())
    waiting = threading.Event()
    with contextlib.ExitStack() as first:
        first.enter_context(only_writer(made_up.config))
        status, _, complained = grading("run", A)
        assert (status, "another run (process" in complained) == (1, True)
        assert "use --wait" in complained

        def end_the_first(holder, where, wait):
            waiting.set()
            first.close()

        monkeypatch.setattr(lock, "_busy", end_the_first)
        status, said, _ = grading("run", A, "--wait")
    assert waiting.is_set()
    assert (status, "1 hand-ins: 1 passed" in said) == (0, True)


def test_a_gradebook_that_is_no_database_is_named_in_one_sentence(made_up, grading):
    made_up.hand_in("a", made_up.solved())
    (made_up.config.tree / "gradebook.db").write_bytes(b"a spreadsheet, by mistake" * 100)
    status, _, complained = grading("run", A)
    assert status == 1
    assert complained.startswith(
        "grading run: the gradebook cannot be used (file is not a database); see that "
    )


def test_a_name_that_would_move_the_cursor_is_shown_and_not_obeyed(made_up, grading):
    made_up.hand_in("\x1b[2J\u202ecod.exe", b"no notebook")
    _, said, _ = grading("run", A)
    assert "look at \\u001b[2J\\u202ecod.exe: The file is not a notebook" in said


def test_help_describes_every_option_and_gives_examples(capsys):
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    said = capsys.readouterr().out
    for option in ("--jobs", "--scheduler", "--sandbox", "--wait", "--force", "--json"):
        assert said.count(option) >= 2, f"{option} has no help"
    assert "grading run 01_convolution --scheduler tcp://host:8786" in said


def test_what_was_not_graded_yet_is_named(made_up, grading):
    made_up.hand_in("a", made_up.solved())
    grading("run", A)
    made_up.hand_in("late", made_up.solved())
    for command in ("report", "export"):
        status, _, complained = grading(command)
        assert status == 0
        assert "not graded yet: late" in complained


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("run", "02_letters"), 2, "there is no assignment '02_letters'; name one of 01_numbers"),
        (("report", "02_letters"), 2, "there is no assignment '02_letters'; name one of 01_numbers"),
        (("feedback", "02_letters"), 2, "there is no assignment '02_letters'; name one of 01_numbers"),
        (("demo", "02_letters"), 2, "there is no assignment '02_letters'; name one of 01_numbers"),
        (("build", "02_letters"), 2, "no topic '02_letters'; the topics are 01_numbers"),
        (("run", A), 1, "there are no hand-ins; put them there as STUDENT/01_numbers/"),
        (("report", A), 1, "there are no hand-ins"),
        (("feedback", A), 1, "run `grading run 01_numbers` first"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(grading, words, status, says):
    """Status 2 where the words of the command are wrong, else 1."""
    found, _, complained = grading(*words)
    assert (found, says in complained) == (status, True), complained
    assert len(complained.strip().splitlines()) == 1


def test_of_several_assignments_one_has_to_be_named(made_up, grading):
    (made_up.config.tree / "source" / "02_letters").mkdir()
    for command in ("report", "export"):
        status, _, complained = grading(command)
        assert (status, "name one of 01_numbers, 02_letters" in complained) == (2, True)


@pytest.mark.parametrize(
    "words", ["run 01_numbers", "report", "report 01_numbers", "export", "feedback 01_numbers", "demo"]
)
def test_with_no_topic_built_every_command_says_what_to_run(made_up, grading, words):
    shutil.rmtree(made_up.config.tree)
    status, said, complained = grading(*words.split())
    assert (status, said) == (1, "")
    assert complained.endswith("no topic has been built; run `grading build`\n")
    assert complained.count("\n") == 1


def test_a_topic_that_is_not_built_beside_one_that_is_has_to_be_built(made_up, grading):
    master = made_up.config.masters / "02_letters" / "assignment.py"
    master.parent.mkdir()
    master.write_text("")
    status, _, complained = grading("run", "02_letters")
    assert status == 1
    assert "the assignment '02_letters' has not been built; run `grading build`" in complained


def test_the_report_as_json_holds_what_a_program_asks_for(made_up, grading):
    made_up.hand_in("a", made_up.solved())
    made_up.hand_in("b", b"no notebook")
    grading("run", A)
    status, said, complained = grading("report", "--json")
    report = json.loads(said)
    assert (status, complained) == (0, "")
    assert not (made_up.config.tree / "reports").exists()
    assert (report["assignment"], report["points"], report["not_graded_yet"]) == (A, 11, [])
    assert [(one["student"], one["status"], one["total"]) for one in report["hand_ins"]] == [
        ("a", "passed", 7.0),
        ("b", "error", 0.0),
    ]
    assert report["hand_ins"][0]["points"] == {"double": 5.0, "root": 2.0, "essay": None}
    assert report["hand_ins"][1]["needs_human"].startswith("The file is not a notebook")
    assert [one["exercise"]["id"] for one in report["exercises"]] == ["double", "root", "essay"]
