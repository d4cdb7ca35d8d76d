"""Is work done once, and a failure of the machine never scored?"""

import threading

import pytest

from grading import engine, execute
from grading.errors import InfrastructureError
from grading.execute import CellRun, Run
from grading.plan import plan
from grading.records import Status
from grading.run import run, run_all
from grading.store import store_of

A = "01_numbers"


def all_passed(notebook, limits, handin=None):
    return Run({index: CellRun(ended=True) for index, _ in enumerate(notebook.cells)})


@pytest.fixture
def calls(monkeypatch):
    """Names of the hand-ins that were executed; every test of theirs passes."""
    names = []

    def note(notebook, limits, handin=None):
        names.append(handin.parents[1].name)
        return all_passed(notebook, limits)

    monkeypatch.setattr(engine, "execute", note)
    return names


def test_an_unchanged_hand_in_is_not_run_again(made_up, calls):
    for student in "abc":
        made_up.hand_in(student, made_up.solved())
    store = store_of(made_up.config)
    first = run_all(plan(made_up.config, A), store, workers=2, quiet=True)
    second = run_all(plan(made_up.config, A), store, workers=2, quiet=True)
    assert second == first
    assert sorted(calls) == ["a", "b", "c"]


def test_a_run_that_lost_half_of_its_results_runs_only_that_half(made_up, calls):
    for student in "abcdef":
        made_up.hand_in(student, made_up.solved())
    store = store_of(made_up.config)
    first = run_all(plan(made_up.config, A), store, workers=2, quiet=True)
    for result in first[::2]:
        (store.folder / f"{result.content_hash}.json").unlink()
    (store.folder / f"{first[1].content_hash}.json").write_text('{"record": "Res')  # killed while writing
    calls.clear()
    second = run_all(plan(made_up.config, A), store, workers=2, quiet=True)
    assert sorted(calls) == ["a", "b", "c", "e"]
    assert [result.score for result in second] == [7.0] * 6


def test_a_changed_hand_in_and_a_forced_one_are_run_again(made_up, calls):
    path = made_up.hand_in("a", made_up.solved())
    store = store_of(made_up.config)
    run_all(plan(made_up.config, A), store, workers=1, quiet=True)
    path.write_bytes(path.read_bytes() + b" ")
    run_all(plan(made_up.config, A), store, workers=1, quiet=True)
    run_all(plan(made_up.config, A), store, workers=1, quiet=True, force=True)
    assert calls == ["a", "a", "a"]


def test_results_come_in_the_order_of_the_jobs(made_up, calls):
    for student in "edcba":
        made_up.hand_in(student, made_up.solved())
    results = run_all(plan(made_up.config, A), store_of(made_up.config), workers=4, quiet=True)
    assert [result.student for result in results] == list("abcde")


def failing(times, error):
    """An executor that raises so many times and then passes everything."""
    left = [error] * times

    def execute_or_fail(notebook, limits, handin=None):
        if left:
            raise left.pop()
        return all_passed(notebook, limits)

    return execute_or_fail


def test_a_failure_of_the_machine_is_tried_once_more(made_up, monkeypatch):
    monkeypatch.setattr(engine, "execute", failing(1, InfrastructureError("no sockets left")))
    made_up.hand_in("a", made_up.solved())
    assert run(plan(made_up.config, A)[0]).status is Status.PASSED


def test_a_second_failure_is_reported_never_scored_and_run_again_next_time(made_up, monkeypatch):
    made_up.hand_in("a", made_up.solved())
    store, (job,) = store_of(made_up.config), plan(made_up.config, A)
    monkeypatch.setattr(engine, "execute", failing(2, InfrastructureError("no sockets left")))
    result = run(job, store)
    assert result.status is Status.INFRASTRUCTURE_ERROR
    assert {cell.status for cell in result.cells} == {Status.INFRASTRUCTURE_ERROR}
    assert "no sockets left" in result.needs_human
    assert store.load(job) is None
    assert run(job, store).status is Status.PASSED


def test_a_kernel_killed_from_outside_is_believed_only_the_second_time(made_up, monkeypatch):
    made_up.hand_in("a", made_up.solved())
    (job,) = plan(made_up.config, A)
    once = [Run({}, Status.OUT_OF_MEMORY, 3, "The kernel was killed.")]
    monkeypatch.setattr(engine, "execute", lambda *args: once.pop() if once else all_passed(*args))
    assert run(job).status is Status.PASSED
    monkeypatch.setattr(
        engine, "execute", lambda *args: Run({}, Status.OUT_OF_MEMORY, 3, "The kernel was killed.")
    )
    assert run(job).status is Status.OUT_OF_MEMORY


def test_a_kernel_that_cannot_be_started_is_a_failure_of_the_machine(made_up, monkeypatch):
    made_up.hand_in("a", made_up.solved())
    (job,) = plan(made_up.config, A)
    source = job.source
    source.write_text(source.read_text().replace('"name": "python3"', '"name": "no-such-kernel"'))
    result = run(job)
    assert result.status is Status.INFRASTRUCTURE_ERROR
    assert "no-such-kernel" in result.needs_human


def test_interrupting_stops_what_waits_and_keeps_what_is_done(made_up, monkeypatch):
    for student in "abcd":
        made_up.hand_in(student, made_up.solved())
    monkeypatch.setattr(execute, "_stopping", threading.Event())
    seen = []

    def interrupted(job, store, force=False):
        seen.append(job.student)
        if job.student == "b":
            raise KeyboardInterrupt
        return run(job, store)

    monkeypatch.setattr(engine, "execute", all_passed)
    store = store_of(made_up.config)
    with pytest.raises(KeyboardInterrupt):
        run_all(plan(made_up.config, A), store, workers=1, quiet=True, runner=interrupted)
    assert execute._stopping.is_set()
    assert store.load(plan(made_up.config, A)[0]) is not None
    assert len(seen) < 4 or store.load(plan(made_up.config, A)[3]) is not None
