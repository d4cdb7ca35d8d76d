"""Killed at any moment: is nothing lost, nothing doubled, and nothing left running?"""

import itertools
import os
import signal

import pytest

from benchmarks.killing import contents, differences, kill_and_resume, still_there
from benchmarks.scaling import descendants, make_class
from grading.commands.run import results
from grading.engine import handin, supervise
from grading.gradebook.store import store_of
from grading.handins.plan import plan
from grading.records import Status
from grading.warm import client
from tests.helpers import run_tool

A = "01_numbers"
HANDINS = 60


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_one_that_was_left_alone(
    blueprint, tmp_path, record_property, pytestconfig
):
    kills = 10 if pytestconfig.getoption("exhaustive") else 5
    calm = make_class(blueprint, tmp_path / "calm", HANDINS)
    rough = make_class(blueprint, tmp_path / "rough", HANDINS)
    assert run_tool("grading", "run", A, cwd=calm).returncode == 0
    seen = kill_and_resume(rough, HANDINS, kills, seed=4)
    assert seen.stored[0] < seen.stored[-1], "every kill came at the same moment"
    assert differences(contents(calm), contents(rough)) == []
    assert seen.left == (), "processes outlived the driver"
    record_property(
        "measured",
        f"{HANDINS} hand-ins, driver killed with {', '.join(map(str, seen.stored))} results stored: the same"
        f" gradebook; the last process went {seen.lingered:.1f} s after its driver",
    )


def test_what_is_compared_would_show_a_point_a_comment_and_a_file_too_many(blueprint, tmp_path):
    one = make_class(blueprint, tmp_path / "one", 4)
    assert run_tool("grading", "run", A, cwd=one).returncode == 0
    before = contents(one)
    assert len(before["grade"]) == 4 * 4
    assert len(before["comment"]) == 4 * 3
    assert sum(name.startswith("autograded/") for name in before) == 4
    (one / "build/course/autograded/student-00000/stray").write_text("")
    assert differences(before, contents(one)) == ["autograded/student-00000/stray"]


def test_a_warm_process_that_is_killed_is_replaced_and_nobody_loses_a_point(made_up, monkeypatch):
    monkeypatch.setattr(client, "_processes", {})
    for number in range(12):
        made_up.hand_in(f"student-{number:02}", made_up.solved())
    killed = []

    def kill_the_warm_process():
        (process,) = client._processes.values()
        under = descendants(process.process.pid)
        os.kill(process.process.pid, signal.SIGKILL)
        killed.append(under)

    found = []
    outcomes = results(plan(made_up.config, A), store_of(made_up.config), workers=2, quiet=True)
    for result in outcomes:
        found.append(result)
        if len(found) in (1, 3):
            kill_the_warm_process()
    client.close_all()
    assert len({result.student for result in found}) == len(found)
    assert {(result.status, result.score) for result in found} == {(Status.PASSED, 7.0)}
    assert len(killed) == 2
    assert killed[0].keys().isdisjoint(killed[1]), "the second one was the first"
    assert [still_there(under) for under in killed] == [[], []]


def test_a_hand_in_that_ends_the_warm_process_each_time_is_reported_and_the_others_pass(made_up, monkeypatch):
    """As when the machine's memory runs out: the kernel may choose the process that all others come from."""
    monkeypatch.setattr(client, "_processes", {})
    for student in "abc":
        made_up.hand_in(student, made_up.solved())
    ended = itertools.count()

    def execute(notebook, tasks, job):
        if job.student != "b":
            return supervise.execute(notebook, tasks, job)
        process = client.warm_process(job.warm)
        process.process.kill()
        process.process.wait()
        next(ended)
        return supervise._execute(notebook, tasks, job, process, "/tmp")

    monkeypatch.setattr(handin, "execute", execute)
    found = {
        r.student: r
        for r in results(plan(made_up.config, A), store_of(made_up.config), workers=2, quiet=True)
    }
    client.close_all()
    assert (found["a"].status, found["c"].status) == (Status.PASSED, Status.PASSED)
    assert found["b"].status is Status.INFRASTRUCTURE_ERROR
    assert "warm process" in found["b"].needs_human
    assert next(ended) == 4, "twice in its turn, twice alone at the end"
