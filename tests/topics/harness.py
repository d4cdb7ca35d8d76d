"""A topic's answers and hidden tests, run in this process: a grader in miniature for the tests beside it."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from coursekit.check import topics
from coursekit.check.cases import Exercise
from coursekit.check.deadline import TimeIsUpError, time_limit
from coursekit.check.run import Outcome, run
from grading.course.masters import SOLUTION, Cell, Master, read_master, solved_source
from grading.course.variants import Variant, read_variants
from tests.helpers import ROOT

SECONDS = 60.0
"""For one test cell; a wrong answer may loop for ever."""


@dataclass(frozen=True)
class Graded:
    """What one hand-in earned: points by test cell, and the error where a cell failed."""

    points: Mapping[str, float]
    errors: Mapping[str, BaseException]

    @property
    def total(self) -> float:
        return sum(self.points.values())


@dataclass(frozen=True)
class Topic:
    """A topic's master, its variants and its public checks."""

    master: Master
    variants: tuple[Variant, ...]
    exercises: Mapping[str, Exercise]
    seconds: float = SECONDS

    def of_kind(self, kind: str) -> list[Variant]:
        return [variant for variant in self.variants if variant.kind == kind]

    def namespace(self, answers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Names after the setup cells and all answers, some of them exchanged."""
        names: dict[str, Any] = {"__name__": "__hand_in__"}
        for cell in self.master.cells:
            if cell.role in ("setup", "parameters"):
                execute(cell.source, names, f"{cell.role} cell")
            elif cell.role == "answer":
                execute(
                    (answers or {}).get(cell.exercise) or solved_source(cell),
                    names,
                    f"answer {cell.exercise}",
                )
        return names

    def grade(self, answers: Mapping[str, str] | None = None, *, exercise: str | None = None) -> Graded:
        """Run the hidden tests of all exercises, or of one, on a hand-in."""
        with quiet():
            return self.tested(self.namespace(answers), exercise)

    def tested(self, names: dict[str, Any], exercise: str | None = None, *, helpers: str = "") -> Graded:
        """Run the hidden tests of all exercises, or of one, where these names are defined.

        helpers: run only helper cells that have this word; the others have run with these names before.
        """
        points, errors = {}, {}
        with quiet():
            for cell in self.master.cells:
                if cell.role == "helper" and (cell.exercise is None or exercise in (None, cell.exercise)):
                    if helpers in cell.source:
                        execute(cell.source, names, cell.grade_id)
                elif cell.role == "test" and exercise in (None, cell.exercise):
                    try:
                        with time_limit(self.seconds):
                            execute(solved_source(cell), names, cell.grade_id)
                    except (Exception, TimeIsUpError) as error:
                        errors[cell.grade_id] = error
                    points[cell.grade_id] = 0.0 if cell.grade_id in errors else cell.points
        return Graded(points, errors)

    def checked(self, exercise: str, names: Mapping[str, Any]) -> tuple[Outcome, ...]:
        """Run the public check of an exercise where these names are defined."""
        public = self.exercises[exercise]
        with time_limit(SECONDS), quiet():
            return run(public, [names[name] for name in public.functions])


@cache
def read_topic(name: str) -> Topic:
    """The topic of this name, such as ``"01_convolution"``."""
    master = read_master(ROOT / "solutions" / name / "assignment.py")
    return Topic(
        master=master,
        variants=read_variants(master),
        exercises={exercise.id: exercise for exercise in topics.exercises(name)},
    )


def blank(cell: Cell) -> str:
    """A cell as nbgrader releases it: an error to be replaced where the solution was."""
    lines, inside = [], False
    for line in cell.source.splitlines():
        if line.strip() == SOLUTION[0]:
            lines.append(line[: len(line) - len(line.lstrip())] + "raise NotImplementedError()")
        inside = line.strip() == SOLUTION[0] or (inside and line.strip() != SOLUTION[1])
        if not inside and line.strip() != SOLUTION[1]:
            lines.append(line)
    return "\n".join(lines)


def execute(source: str, names: dict[str, Any], what: str | None) -> None:
    """Run a cell; what its traceback calls the file says which cell it was."""
    exec(_compiled(source, f"<{what}>"), names)


@cache
def _compiled(source: str, name: str) -> Any:
    return compile(source, name, "exec")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing an answer prints or warns about counts, as in grading."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
