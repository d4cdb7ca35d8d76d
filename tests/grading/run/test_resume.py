"""Is work done once, and a failure of the machine never scored?"""

import contextlib
import sqlite3

import pytest
from nbgrader.api import get_alembic_version

from grading.commands.run import results
from grading.course.nbgrader_steps import programs_of_this_environment
from grading.engine import handin, schedule
from grading.engine.supervise import CellRun, Run
from grading.errors import InfrastructureError
from grading.gradebook.record import autograded_path, recording
from grading.gradebook.store import store_of
from grading.handins.plan import plan
from grading.records import Status
from grading.warm import client

A = "01_numbers"


def list_of(made_up, **how):
    """The results of everything handed in, as a list."""
    return list(results(plan(made_up.config, A), store_of(made_up.config), quiet=True, **how))


def all_passed(notebook, tasks, job):
    return Run({index: CellRun(ended=True) for index, _ in enumerate(notebook.cells)})


@pytest.fixture
def calls(monkeypatch):
    """Names of the hand-ins that were executed; every test of theirs passes."""
    names = []

    def note(notebook, tasks, job):
        names.append(job.student)
        return all_passed(notebook, tasks, job)

    monkeypatch.setattr(handin, "execute", note)
    return names


def test_an_unchanged_hand_in_is_not_run_again(made_up, calls):
    for student in "abc":
        made_up.hand_in(student, made_up.solved())
    store_of(made_up.config)
    first = list_of(made_up, workers=2)
    second = list_of(made_up, workers=2)
    assert second == sorted(first, key=lambda result: result.student)
    assert sorted(calls) == ["a", "b", "c"]


def test_a_run_that_lost_half_of_its_results_runs_only_that_half(made_up, calls):
    for student in "abcdef":
        made_up.hand_in(student, made_up.solved())
    store = store_of(made_up.config)
    first = sorted(list_of(made_up, workers=2), key=lambda result: result.student)
    for result in first[::2]:
        (store.folder / f"{result.content_hash}.json").unlink()
    (store.folder / f"{first[1].content_hash}.json").write_text('{"record": "Res')  # killed while writing
    calls.clear()
    second = list_of(made_up, workers=2)
    assert sorted(calls) == ["a", "b", "c", "e"]
    assert [result.score for result in second] == [7.0] * 6


def test_what_a_killed_run_had_half_written_is_cleared_away(made_up, calls):
    path = made_up.hand_in("a", made_up.solved())
    with recording(made_up.config, A) as record:
        record(list_of(made_up)[0])
    autograded = autograded_path(made_up.config, "a", A).parent
    for folder in (store_of(made_up.config).folder, autograded):
        (folder / ".half.ipynb.1234.partial").write_text("{")
    path.write_bytes(path.read_bytes() + b" ")
    with recording(made_up.config, A) as record:
        record(list_of(made_up)[0])
    assert list(made_up.config.tree.rglob("*.partial")) == []


def test_a_gradebook_whose_making_was_ended_halfway_is_completed(made_up, calls):
    """nbgrader writes the version of its schema last, and `nbgrader db upgrade` needs it."""
    made_up.hand_in("a", made_up.solved())
    with recording(made_up.config, A):
        pass

    def version():
        with contextlib.closing(sqlite3.connect(made_up.config.tree / "gradebook.db")) as gradebook:
            return gradebook.execute("SELECT version_num FROM alembic_version").fetchall()

    with programs_of_this_environment():
        assert version() == [(get_alembic_version(),)]
    for statement in ("DELETE FROM alembic_version", "DROP TABLE alembic_version"):
        before = version()
        with contextlib.closing(sqlite3.connect(made_up.config.tree / "gradebook.db")) as gradebook:
            gradebook.execute(statement)
            gradebook.commit()
        with recording(made_up.config, A):
            pass
        assert version() == before


def test_a_changed_hand_in_and_a_forced_one_are_run_again(made_up, calls):
    path = made_up.hand_in("a", made_up.solved())
    store_of(made_up.config)
    list_of(made_up, workers=1)
    path.write_bytes(path.read_bytes() + b" ")
    list_of(made_up, workers=1)
    list_of(made_up, workers=1, force=True)
    assert calls == ["a", "a", "a"]


def test_one_after_another_they_are_taken_in_the_order_of_the_names(made_up, calls):
    for student in "edcba":
        made_up.hand_in(student, made_up.solved())
    assert [result.student for result in list_of(made_up, workers=1)] == list("abcde")
    assert calls == list("abcde")


def failing(times, error):
    """An executor that raises so many times and then passes everything."""
    left = [error] * times

    def execute_or_fail(notebook, tasks, job):
        if left:
            raise left.pop()
        return all_passed(notebook, tasks, job)

    return execute_or_fail


def test_a_failure_of_the_machine_is_tried_once_more(made_up, monkeypatch):
    monkeypatch.setattr(handin, "execute", failing(1, InfrastructureError("no sockets left")))
    made_up.hand_in("a", made_up.solved())
    assert handin.run(plan(made_up.config, A)[0])[0].status is Status.PASSED


def test_a_second_failure_is_reported_never_scored_and_run_again_next_time(made_up, monkeypatch):
    made_up.hand_in("a", made_up.solved())
    store, (job,) = store_of(made_up.config), plan(made_up.config, A)
    monkeypatch.setattr(handin, "execute", failing(2, InfrastructureError("no sockets left")))
    (result,) = list_of(made_up)
    assert result.status is Status.INFRASTRUCTURE_ERROR
    assert {cell.status for cell in result.cells} == {Status.INFRASTRUCTURE_ERROR}
    assert "no sockets left" in result.needs_human
    assert store.load(job) is None
    assert list_of(made_up)[0].status is Status.PASSED


def test_interrupting_stops_what_waits_and_keeps_what_is_done(made_up, monkeypatch):
    for student in "abcd":
        made_up.hand_in(student, made_up.solved())
    seen, stopped = [], []
    monkeypatch.setattr(schedule, "stop_all", lambda: stopped.append(True))

    def interrupted(job):
        seen.append(job.student)
        if job.student == "b":
            raise KeyboardInterrupt
        return handin.run(job)

    monkeypatch.setattr(handin, "execute", all_passed)
    store = store_of(made_up.config)
    with pytest.raises(KeyboardInterrupt):
        list_of(made_up, workers=2, runner=interrupted)
    assert stopped == [True]
    assert not client._stopping.is_set(), "nothing can be run any more"
    assert store.load(plan(made_up.config, A)[0]) is not None
    assert len(seen) < 4 or store.load(plan(made_up.config, A)[3]) is not None
