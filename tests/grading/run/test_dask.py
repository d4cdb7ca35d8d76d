"""Do Dask's workers give the same results as this machine, also when they die?"""

import os
import signal
import time

import pytest

from benchmarks.scaling import ANSWERS, dask_cluster, descendants, end_group
from grading.commands.run import results
from grading.engine import handin, schedule
from grading.engine.schedule import run_jobs
from grading.errors import InfrastructureError, SubmissionError
from grading.gradebook.store import store_of
from grading.handins.original import read_original
from grading.handins.plan import plan
from grading.records import Status

A = "01_numbers"

pytestmark = pytest.mark.slow


def hand_in_class(made_up, size):
    for number in range(size):
        notebook = made_up.solved(**ANSWERS[number % len(ANSWERS)])
        made_up.hand_in(f"student-{number:02}", notebook)
    return plan(made_up.config, A)


def verdicts(found):
    """What was found, in the order of the names."""
    return sorted(
        (r.student, r.status, [(c.grade_id, c.status, c.score, c.says) for c in r.cells]) for r in found
    )


def worker_processes(process):
    """The processes under `dask worker` that run jobs, and not those that they begin."""
    return [pid for pid in descendants(process.pid) if b"spawn_main" in command_of(pid)]


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def ends_its_worker(job):
    """A runner for workers: one student's hand-in ends whatever runs it."""
    if job.student == "student-01":
        os.kill(os.getpid(), signal.SIGKILL)
    return no_points(job)


def no_points(job):
    """A runner that runs nothing."""
    return handin.refused(job, read_original(job.source), Status.FAILED, "Not run."), None


def takes_a_second(job):
    time.sleep(1)
    return no_points(job)


def breaks(job):
    raise ZeroDivisionError("a mistake of ours")


def test_serial_local_and_dask_agree_and_a_worker_that_is_killed_halfway_costs_nothing(made_up, tmp_path):
    jobs, store = hand_in_class(made_up, 20), store_of(made_up.config)
    serial = verdicts(results(jobs, store, workers=1, quiet=True, force=True))
    local = verdicts(results(jobs, store, workers=2, quiet=True, force=True))
    assert serial == local
    assert {status for _, status, _ in serial} == {Status.PASSED, Status.PARTIAL}
    with dask_cluster(2, tmp_path) as (address, workers):
        found = []
        for result in results(jobs, store, scheduler=address, quiet=True, force=True):
            found.append(result)
            if len(found) == 5:
                doomed = worker_processes(workers[0])
                assert doomed, "no process runs jobs"
                for pid in doomed:
                    os.kill(pid, signal.SIGKILL)
    assert verdicts(found) == serial


def test_a_job_that_ends_every_worker_is_reported_and_the_others_go_on(made_up, tmp_path):
    jobs = hand_in_class(made_up, 6)
    settings = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with dask_cluster(1, tmp_path, **settings) as (address, _):
        found = [
            result for result, _ in run_jobs(jobs, ends_its_worker, workers=1, scheduler=address, quiet=True)
        ]
    statuses = {result.student: result.status for result in found}
    others = {f"student-0{number}": Status.FAILED for number in (0, 2, 3, 4, 5)}
    assert statuses == {**others, "student-01": Status.INFRASTRUCTURE_ERROR}
    (culprit,) = (result for result in found if result.student == "student-01")
    assert "it ended 2 workers" in culprit.needs_human


def test_a_mistake_on_a_worker_costs_that_result_and_other_files_are_noticed(made_up, tmp_path, monkeypatch):
    job, other = hand_in_class(made_up, 2)
    with dask_cluster(1, tmp_path) as (address, _):
        ((result, _),) = run_jobs([job], breaks, workers=1, scheduler=address, quiet=True)
        assert result.status is Status.INFRASTRUCTURE_ERROR
        assert "ZeroDivisionError: a mistake of ours" in result.needs_human

        monkeypatch.setattr(os.path, "lexists", lambda path: path != other.notebook)
        ((result, _),) = run_jobs([other], no_points, workers=1, scheduler=address, quiet=True)
        monkeypatch.undo()
        assert result.status is Status.INFRASTRUCTURE_ERROR
        assert "does not see the files" in result.needs_human

        monkeypatch.setattr(schedule, "ENGINE_VERSION", "another")
        ((result, _),) = run_jobs([other], no_points, workers=1, scheduler=address, quiet=True)
        assert "another version of grading" in result.needs_human


def test_no_scheduler_no_workers_and_workers_that_go_are_said_in_a_sentence(made_up, tmp_path, monkeypatch):
    monkeypatch.setattr(schedule, "WORKER_SECONDS", 2)
    monkeypatch.setattr(schedule, "POLL_SECONDS", 1)
    jobs = hand_in_class(made_up, 6)
    with pytest.raises(SubmissionError, match="there is no Dask scheduler"):
        list(run_jobs(jobs, no_points, workers=1, scheduler="tcp://127.0.0.1:9", quiet=True))
    with dask_cluster(1, tmp_path) as (address, (worker,)):
        outcomes = run_jobs(jobs, takes_a_second, workers=1, scheduler=address, quiet=True)
        assert next(outcomes)[0].student == "student-00"
        end_group(worker)
        with pytest.raises(InfrastructureError, match="no workers left; run the assignment again"):
            list(outcomes)
        with pytest.raises(SubmissionError, match="this Dask scheduler has no workers"):
            list(run_jobs(jobs, no_points, workers=1, scheduler=address, quiet=True))


def test_a_scheduler_that_goes_ends_the_run_with_a_sentence(made_up, tmp_path, monkeypatch):
    monkeypatch.setattr(schedule, "POLL_SECONDS", 1)
    jobs = hand_in_class(made_up, 6)
    with dask_cluster(1, tmp_path) as (address, _):
        outcomes = run_jobs(jobs, takes_a_second, workers=1, scheduler=address, quiet=True)
        next(outcomes)
        scheduler = next(pid for pid in descendants(os.getpid()) if b"scheduler\0" in command_of(pid))
        os.kill(scheduler, signal.SIGKILL)
        with pytest.raises(InfrastructureError, match=r"Dask scheduler (is gone|has no workers left)"):
            list(outcomes)
