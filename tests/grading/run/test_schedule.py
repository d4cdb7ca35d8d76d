"""Does the pool keep order, hold nobody up, say how far it is, and stay small?"""

import json
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from grading.engine.schedule import run_jobs
from grading.records import Job, Result, Status
from tests.helpers import ROOT


def jobs_of(names):
    return [Job(name, "a", Path("notebook"), Path("source"), name) for name in names]


def passed(job, status=Status.PASSED):
    return Result(job.student, job.assignment, status, 1.0, 1.0, content_hash=job.content_hash), None


def students(outcomes):
    return [result.student for result, _ in outcomes]


def test_one_slow_hand_in_holds_up_nobody(made_up):
    others_done = threading.Semaphore(0)

    def run(job):
        if job.student == "00":
            for _ in range(30):
                assert others_done.acquire(timeout=20), "the others wait for the slow one"
        else:
            others_done.release()
        return passed(job)

    names = [f"{number:02}" for number in range(31)]
    assert students(run_jobs(jobs_of(names), run, workers=2, quiet=True)) == names


def test_an_outcome_is_kept_as_soon_as_it_is_there_and_not_when_its_turn_comes():
    kept = []
    second_is_kept = threading.Event()

    def run(job):
        assert job.student == "b" or second_is_kept.wait(20)
        return passed(job)

    def keep(outcome):
        kept.append(outcome[0].student)
        second_is_kept.set()
        return outcome

    assert students(run_jobs(jobs_of("ab"), run, workers=2, quiet=True, keep=keep)) == ["a", "b"]
    assert kept == ["b", "a"]


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
    assert students(found) == ["a", "d", "e", "b", "c"]
    assert [result.status for result, _ in found][-2:] == [Status.PASSED, Status.INFRASTRUCTURE_ERROR]
    assert (tried[-2:], tried.count("c"), alone) == (["b", "c"], 2, [{"b"}])


def test_the_progress_bar_says_how_many_how_fast_and_how_long_still(capsys):
    def run(job):
        time.sleep(0.3)
        return passed(job)

    list(run_jobs(jobs_of("abcdef"), run, workers=1))
    said = capsys.readouterr().err
    assert "/6 [" in said
    assert "hand-in/s" in said
    assert "<00:0" in said, "no time left"


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
def test_the_drivers_memory_does_not_grow_with_the_class(made_up, record_property):
    most = {}
    for size in (100, 1000):
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
    record_property("measured", f"driver's memory: {most[100]:.0f} MB at 100, {most[1000]:.0f} MB at 1,000")
    assert most[1000] < 1.2 * most[100]
