"""Does one endless hand-in hold up nothing, and does the order in which hand-ins end leave no trace?"""

import contextlib
import dataclasses
import io
import itertools
import random
import shutil
import sqlite3
import sys
import threading

import pytest

from benchmarks.killing import contents
from grading.commands.export import to_csv
from grading.commands.report import to_html
from grading.commands.run import Summary, results
from grading.config import load_config
from grading.engine import handin as engine
from grading.engine import progress, schedule
from grading.engine.supervise import CellRun, Run
from grading.gradebook.record import record, recording
from grading.gradebook.store import store_of
from grading.gradebook.table import load_table
from grading.handins.plan import plan
from grading.records import Status

A = "01_numbers"
PATIENCE = 60
"""Seconds that a test which fails may take; one that passes waits for nothing."""


class Screen(io.StringIO):
    """What the bar writes to; an event is set when it says something."""

    def __init__(self, awaited):
        super().__init__()
        self.awaited, self.said = awaited, threading.Event()

    def write(self, text):
        if self.awaited in text:
            self.said.set()
        return super().write(text)


def test_while_one_of_a_hundred_runs_the_others_are_finished_recorded_and_counted(made_up, monkeypatch):
    """The one ends only when the bar has counted all others: held up by it, they would wait for ever."""
    screen = Screen(" 99/100 [")
    recorded: list[tuple[str]] = []
    monkeypatch.setattr(sys, "stderr", screen)
    for module in (schedule, progress):
        monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    for number in range(100):
        made_up.hand_in(f"student-{number:02}", b"the same for all")
    jobs, store = plan(made_up.config, A), store_of(made_up.config)

    def run(job):
        if job.student == "student-13":
            assert screen.said.wait(PATIENCE), "the bar does not count what is finished"
            with contextlib.closing(sqlite3.connect(made_up.config.tree / "gradebook.db")) as gradebook:
                recorded.extend(gradebook.execute("SELECT student_id FROM submitted_assignment"))
            assert sum(store.load(job) is not None for job in jobs) == 99
        return engine.run(job)

    with recording(made_up.config, A) as write:
        found = []
        for result in results(jobs, store, workers=2, runner=run):
            write(result)
            found.append(result.student)
    names = [job.student for job in jobs]
    assert sorted(name for (name,) in recorded) == names[:13] + names[14:]
    assert found[-1] == "student-13"
    assert sorted(found) == names
    assert "100/100 [" in screen.getvalue()


def mixed(notebook, tasks, job):
    """An executor without processes: some hand-ins have a wrong answer, some end in a timeout."""
    cells = {index: CellRun(ended=True) for index, _ in enumerate(notebook.cells)}
    tests = [task.index for task in tasks if task.where == "judge"]
    if job.student in "bd":
        cells[tests[0]] = CellRun(ended=True, error=("AssertionError", "twice three"))
    if job.student in "cd":
        cells[tests[-1]] = CellRun(status=Status.TIMEOUT, says="It took longer than 4 seconds.")
    return Run(cells)


def graded(root, order, monkeypatch):
    """The class graded so that hand-ins end in this order: all that is written and printed of it."""
    config = load_config(root / "course.toml")
    turns = {student: threading.Event() for student in order}
    turns[order[0]].set()
    following = dict(itertools.pairwise(order))

    def in_turn(job):
        assert turns[job.student].wait(PATIENCE)
        result, notebook = engine.run(job)
        return dataclasses.replace(result, seconds=1.0, seed=1), notebook

    def write_all(found):
        for result in found:
            summary.add(result)
            ended.append(result.student)
            yield result
            if (next_one := following.get(result.student)) is not None:
                turns[next_one].set()

    monkeypatch.setattr(engine, "execute", mixed)
    ended: list[str] = []
    summary = Summary()
    found = results(plan(config, A), store_of(config), workers=len(order), quiet=True, runner=in_turn)
    record(config, A, write_all(found))
    assert ended == list(order)
    table = load_table(config, A)
    return to_csv(table), to_html(table, "made-up"), list(summary.lines(A)), contents(root)


def test_gradebook_report_csv_and_summary_are_the_same_in_whatever_order_hand_ins_end(made_up, monkeypatch):
    for student in "abcdefg":
        made_up.hand_in(student, b"no notebook" if student in "eg" else made_up.solved())
    shuffled = "".join(random.Random(5).sample("abcdefg", 7))
    outcomes = []
    for order in ("abcdefg", "gfedcba", shuffled):
        root = made_up.config.root.with_name(order)
        shutil.copytree(made_up.config.root, root)
        outcomes.append(graded(root, order, monkeypatch))
    csv, _, summary, _ = outcomes[0]
    assert [line.split(",")[1] for line in csv.splitlines()[1:]] == [
        "passed",
        "partial",
        "timeout",
        "timeout",
        "error",
        "passed",
        "error",
    ]
    assert len(summary) == 6
    assert outcomes[1] == outcomes[0]
    assert outcomes[2] == outcomes[0]


@pytest.mark.parametrize("force", [False, True])
def test_run_again_what_took_longest_and_what_is_not_known_comes_first(made_up, force):
    seconds = {"a": 1.0, "b": 30.0, "c": 2.0}
    begun = []

    def run(job):
        begun.append(job.student)
        result, notebook = engine.run(job)
        return dataclasses.replace(result, seconds=seconds.get(job.student, 0.0)), notebook

    def run_all(**how):
        begun.clear()
        return list(results(plan(made_up.config, A), store_of(made_up.config), quiet=True, runner=run, **how))

    for student in "abc":
        made_up.hand_in(student, b"no notebook")
    run_all()
    assert begun == ["a", "b", "c"]
    made_up.hand_in("late", b"no notebook")
    run_all(force=force)
    assert begun == (["late", "b", "c", "a"] if force else ["late"])
