"""Honest work on a real topic is never hurt: right answers in any style, with any habit, have full points."""

import ast
import itertools
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import nbformat
import pytest

from grading.commands.run import results
from grading.config import Config, load_config
from grading.course.masters import read_master
from grading.course.variants import Variant, answers_of, read_variants
from grading.engine import handin
from grading.gradebook.store import store_of
from grading.handins.plan import plan
from grading.records import Result, Status
from tests.grading.honest.habits import HABITS, around
from tests.grading.honest.idioms import INSIDE, SCRATCH
from tests.helpers import ASSIGNMENTS, ROOT, promises_of

RUNS = int(os.environ.get("HONEST_RUNS", "2"))
"""How often one hand-in is run to see whether its scores change."""


@dataclass(frozen=True)
class Work:
    """The topic in a folder of its own, and how to hand something in."""

    topic: str
    config: Config
    answers: dict[str, str]
    alternatives: dict[str, list[Variant]]

    def hand_in(self, student: str, sources: dict[str, str], scratch: Iterable[str] = ()) -> None:
        """The released notebook with these answers, the reference's where none is given.

        scratch: cells of one's own, which stand before everything else and behind it.
        """
        path = self.config.tree / "release" / self.topic / f"{self.topic}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in self.answers:
                cell.source = sources.get(name, self.answers[name])
        cells = [nbformat.v4.new_code_cell(text) for text in scratch]
        notebook.cells = [*notebook.cells[:2], *cells[::2], *notebook.cells[2:], *cells[1::2]]
        to = self.config.tree / "submitted" / student / self.topic / f"{self.topic}.ipynb"
        to.parent.mkdir(parents=True, exist_ok=True)  # a worker may come back to this topic
        to.write_text(nbformat.writes(notebook))


def functions_of(source: str) -> list[str]:
    """Functions of a cell, and of its classes what they compute."""
    names = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            names.append(node.name)
        elif isinstance(node, ast.ClassDef):
            inside = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
            names += [f"{node.name}.forward"] * ("forward" in inside)
    return names


def styles(alternatives: dict[str, list[Variant]]) -> dict[str, dict[str, str]]:
    """Hand-ins by name: every alternative stands in one of them.

    Exercises do not ask each other, but an answer may use another one as the reference has it: such an
    alternative is handed in by itself.
    """
    asking = [one for variants in alternatives.values() for one in variants if _asks(one, alternatives)]
    alone = {
        exercise: [one for one in variants if one not in asking]
        for exercise, variants in alternatives.items()
    }
    count = max(map(len, alone.values()))
    mixed = {
        f"style-{number}": {
            exercise: variants[number % len(variants)].source for exercise, variants in alone.items()
        }
        for number in range(count)
    }
    return mixed | {f"style-{one.exercise}-{one.name}": {one.exercise: one.source} for one in asking}


def _asks(one: Variant, alternatives: dict[str, list[Variant]]) -> bool:
    """Whether an answer uses what another exercise's answers define."""
    names = {node.id for node in ast.walk(ast.parse(one.source)) if isinstance(node, ast.Name)}
    others = set[str]()
    for exercise, variants in alternatives.items():
        if exercise != one.exercise:
            others |= set.intersection(*(_defined(variant.source) for variant in variants))
    return bool(names & others - _defined(one.source))


def _defined(source: str) -> set[str]:
    """Names of all functions and classes in a cell, at any depth."""
    kinds = ast.FunctionDef, ast.ClassDef
    return {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)}


def with_habits(topic: str, sources: dict[str, str]) -> dict[str, dict[str, str]]:
    """Hand-ins by name: in one of them each habit stands at one exercise, and each exercise has a habit."""
    found: dict[str, dict[str, str]] = defaultdict(lambda: dict(sources))
    exercises = list(sources)
    for number, (name, habit) in enumerate(HABITS.items()):
        exercise = promises_of(topic).habit_places.get(name, exercises[number % len(exercises)])
        student = f"habits-{number // len(exercises)}"
        before = found[student][exercise]
        found[student][exercise] = habit(before, functions_of(sources[exercise]))
        assert found[student][exercise] != before, name
    return found


def with_idioms(sources: dict[str, str]) -> dict[str, str]:
    """Answers whose functions do something ordinary first, another thing in each exercise."""
    inside = itertools.cycle(INSIDE.values())
    return {
        exercise: around(f"{next(inside)}\nreturn call(*args, **kwargs)")(source, functions_of(source))
        for exercise, source in sources.items()
    }


@pytest.fixture(scope="module", params=ASSIGNMENTS)
def work(course, request) -> Work:
    topic = request.param
    config = load_config(course / "course.toml")
    answers = answers_of(read_master(course / "solutions" / topic / "assignment.py"))
    alternatives: dict[str, list[Variant]] = defaultdict(list)
    for variant in read_variants(read_master(ROOT / "solutions" / topic / "assignment.py")):
        if variant.kind == "alternative":
            alternatives[variant.exercise].append(variant)
    work = Work(topic, config, answers, dict(alternatives))
    handins = styles(work.alternatives)
    handins |= with_habits(topic, handins["style-0"])
    for student, sources in handins.items():
        work.hand_in(student, sources)
    work.hand_in("idioms-scratch", {}, SCRATCH.values())
    work.hand_in("idioms-inside", with_idioms(answers))
    return work


@pytest.fixture(scope="module")
def graded(work) -> dict[str, Result]:
    """The result of every hand-in, two at a time; in the other topic there may be more students."""
    submitted = work.config.tree / "submitted"
    jobs = [job for job in plan(work.config, work.topic) if (submitted / job.student / work.topic).is_dir()]
    found = results(jobs, store_of(work.config), workers=2, quiet=True)
    return {result.student: result for result in found}


def lost(result: Result) -> list[str]:
    """What lost points, in words."""
    return [
        f"{result.student}, {cell.grade_id}: {cell.status} {cell.says}"
        for cell in result.cells
        if not cell.manual and cell.score != cell.max_score
    ]


def scores(result: Result) -> list[tuple[str, float]]:
    """The points of each cell."""
    return [(cell.grade_id, cell.score) for cell in result.cells]


def test_every_alternative_stands_in_a_hand_in(work):
    there = {source for sources in styles(work.alternatives).values() for source in sources.values()}
    assert there == {variant.source for variants in work.alternatives.values() for variant in variants}
    assert sum(map(len, work.alternatives.values())) >= promises_of(work.topic).alternatives


def test_every_style_has_full_points(graded):
    wrong = [line for name, result in graded.items() if name.startswith("style") for line in lost(result)]
    assert not wrong, "\n".join(wrong)


def test_every_habit_has_full_points(graded):
    wrong = [line for name, result in graded.items() if name.startswith("habits") for line in lost(result)]
    assert not wrong, "\n".join(wrong)


def test_every_idiom_has_full_points(graded, record_property):
    assert len(SCRATCH) >= 40
    wrong = [line for name, result in graded.items() if name.startswith("idioms") for line in lost(result)]
    assert not wrong, "\n".join(wrong)


def test_nobody_asks_for_a_person(graded):
    assert {result.student: result.needs_human for result in graded.values() if result.needs_human} == {}
    assert {result.status for result in graded.values()} == {Status.PASSED}


def test_scores_are_the_same_on_one_worker(work, graded):
    jobs = [job for job in plan(work.config, work.topic) if job.student in promises_of(work.topic).run_again]
    again = results(jobs, store_of(work.config), workers=1, quiet=True, force=True)
    assert {result.student: scores(result) for result in again} == {
        job.student: scores(graded[job.student]) for job in jobs
    }


def test_scores_are_the_same_in_every_run(work, record_property):
    job = next(job for job in plan(work.config, work.topic) if job.student == "habits-0")
    started = time.monotonic()
    runs = [handin.run(job)[0] for _ in range(RUNS)]
    seconds = (time.monotonic() - started) / RUNS
    assert len({tuple(scores(run)) for run in runs}) == 1
    record_property("measured", f"a hand-in of {work.topic}: {seconds:.1f} s, the same scores in {RUNS} runs")
