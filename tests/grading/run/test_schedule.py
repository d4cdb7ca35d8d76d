"""Does the pool give what is there, keep workers busy, say how far it is, and stay small?"""

import contextlib
import json
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from grading.engine.progress import Progress, _rest, time_left
from grading.engine.schedule import AHEAD, run_jobs
from grading.records import Job, Limits, Result, Status
from tests.helpers import ROOT

PATIENCE = 60
"""Seconds that a test which fails may take; one that passes waits for nothing."""


def jobs_of(names):
    return [Job(name, "a", Path("notebook"), Path("source"), name) for name in names]


def passed(job, status=Status.PASSED):
    return Result(job.student, job.assignment, status, 1.0, 1.0, content_hash=job.content_hash), None


def students(outcomes):
    return [result.student for result, _ in outcomes]


def test_a_worker_goes_on_while_results_are_recorded_and_no_more_is_begun_than_it_needs():
    class Counted(list):
        taken = 0

        def __iter__(self):
            for job in super().__iter__():
                self.taken += 1
                yield job

    jobs, all_run = Counted(jobs_of(map(str, range(1000)))), threading.Semaphore(0)

    def run(job):
        all_run.release()
        return passed(job)

    with contextlib.closing(run_jobs(jobs, run, workers=3, quiet=True)) as outcomes:
        for given in range(1, 51):
            next(outcomes)
            assert jobs.taken == 3 * AHEAD + given
        for _ in range(jobs.taken):  # though nobody asks for the next result
            assert all_run.acquire(timeout=PATIENCE)


def test_one_worker_takes_hand_ins_in_their_order():
    names = [f"{number:02}" for number in range(31)]
    assert students(run_jobs(jobs_of(names), passed, workers=1, quiet=True)) == names


def test_an_outcome_is_kept_and_given_when_it_is_there_and_not_when_its_turn_comes():
    kept, second_is_given = [], threading.Event()

    def run(job):
        assert job.student == "b" or second_is_given.wait(PATIENCE)
        return passed(job)

    def keep(outcome):
        kept.append(outcome[0].student)
        return outcome

    outcomes = run_jobs(jobs_of("ab"), run, workers=2, quiet=True, keep=keep)
    assert (next(outcomes)[0].student, kept) == ("b", ["b"])
    second_is_given.set()
    assert (students(outcomes), kept) == (["a"], ["b", "a"])


@pytest.mark.parametrize("workers", [1, 3])
def test_a_job_on_which_the_machine_failed_is_run_again_at_the_end_and_alone(workers):
    tried, running, alone = [], set(), []

    def run(job):
        tried.append(job.student)
        running.add(job.student)
        if job.student == "b" and tried.count("b") == 2:
            alone.append(set(running))
        time.sleep(0.01)
        running.discard(job.student)
        failed = job.student == "c" or (job.student == "b" and tried.count("b") == 1)
        return passed(job, Status.INFRASTRUCTURE_ERROR if failed else Status.PASSED)

    found = list(run_jobs(jobs_of("abcde"), run, workers=workers, quiet=True))
    statuses = {result.student: result.status for result, _ in found}
    assert (sorted(students(found)[:3]), sorted(students(found)[3:])) == (["a", "d", "e"], ["b", "c"])
    assert [statuses[student] for student in "bc"] == [Status.PASSED, Status.INFRASTRUCTURE_ERROR]
    assert (sorted(tried[-2:]), tried.count("c"), alone) == (["b", "c"], 2, [{"b"}])


def test_the_bar_says_how_many_how_fast_how_long_still_and_what_runs_longest(capsys, monkeypatch):
    """Two at a time, ten in all: four took 6 s each, one has run for 31 s, one for 2 s, four wait."""
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    *finished, slow, other = jobs_of(["a", "b", "c", "d", "\x1b[2Jslow", "other"])
    with contextlib.closing(Progress(10, at_once=2)) as progress, contextlib.ExitStack() as running:
        for job in finished:
            clock[0] = 100.0
            with progress.running(job):
                clock[0] += 6
            progress.count()
        running.enter_context(progress.running(slow))
        clock[0] += 29
        running.enter_context(progress.running(other))
        clock[0] += 2
        progress.show()
        said = capsys.readouterr().err.split("\r")[-1]
    assert "| 4/10 [" in said
    assert "hand-in" in said
    assert "about 00:31 left; longest: \\u001b[2Jslow, 31 s]" in said  # 31 + 4 + 4 * 6 over two is less


def test_the_bar_names_no_hand_in_before_it_has_run_long_and_no_time_before_it_can(capsys):
    with contextlib.closing(Progress(2, at_once=1)) as progress, progress.running(jobs_of("a")[0]):
        progress.show()
    assert "left" not in capsys.readouterr().err
    assert progress.says(1) == "about 00:00 left"
    assert progress.says(2) == ""


@pytest.mark.parametrize(
    ("rests", "waiting", "at_once", "expected"),
    [
        ([], 10, 2, 20.0),  # 10 of 4 s each, two at a time
        ([4.0, 0.0], 9, 2, 20.0),
        ([60.0, 1.0], 3, 2, 60.0),  # the slow one outlasts the rest
        ([60.0, 1.0], 89, 2, 208.5),
        ([], 0, 2, 0.0),
    ],
)
def test_the_time_left_is_the_load_shared_evenly_but_never_less_than_the_slowest_needs(
    rests, waiting, at_once, expected
):
    assert time_left(rests, waiting, 4.0, at_once) == expected


@pytest.mark.parametrize(("ran", "rest"), [(0, 6), (2, 4), (3, 3), (6, 6), (31, 31), (400, 200), (700, 0)])
def test_what_has_run_long_may_run_as_long_again_but_not_beyond_its_limit(ran, rest):
    """Six seconds on average, 600 at most."""
    (job,) = jobs_of("a")
    assert job.limits == Limits(job_seconds=600)
    assert _rest(ran, 6.0, job) == rest


def test_a_quiet_run_says_nothing(capsys):
    def run(job):
        time.sleep(0.6)
        return passed(job)

    list(run_jobs(jobs_of("abc"), run, workers=1, quiet=True))
    assert capsys.readouterr().err == ""


DRIVER = """
    import sys
    import nbformat
    from pathlib import Path
    from grading import engine
    from grading.config import load_config
    from grading.handins.plan import plan
    from grading.gradebook.record import recording
    from grading.commands.run import results
    from grading.gradebook.store import store_of
    from grading.engine.supervise import CellRun, Run

    def execute(notebook, tasks, job):  # a hundred kilobytes shown, no process begun
        notebook.cells[-3].outputs = [nbformat.v4.new_output("stream", text=job.student * 10_000)]
        return Run({index: CellRun(ended=True) for index, _ in enumerate(notebook.cells)})

    engine.execute = execute
    config = load_config(Path(sys.argv[1]) / "course.toml")
    jobs = plan(config, "01_numbers")
    with recording(config, "01_numbers") as record:
        for result in results(jobs, store_of(config), workers=2, quiet=True):
            record(result)
    status = Path("/proc/self/status").read_text()  # getrusage also knows what began this process
    print(len(jobs), int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""


@pytest.mark.slow
def test_the_drivers_memory_does_not_grow_with_the_class(made_up, record_property, pytestconfig):
    few, many = 100, 1000 if pytestconfig.getoption("exhaustive") else 400
    most = {}
    for size in (few, many):
        for number in range(size):
            path = made_up.config.tree / "submitted" / f"student-{number:04}" / made_up.assignment
            path.mkdir(parents=True, exist_ok=True)
            (path / f"{made_up.assignment}.ipynb").write_text(json.dumps(made_up.solved()))
        words = [sys.executable, "-c", textwrap.dedent(DRIVER), str(made_up.config.root)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        handins, megabytes = done.stdout.split()
        assert int(handins) == size
        most[size] = float(megabytes)
    said = f"{most[few]:.0f} MB at {few}, {most[many]:.0f} MB at {many}"
    record_property("measured", f"driver's memory: {said}")
    assert most[many] < 1.2 * most[few]
