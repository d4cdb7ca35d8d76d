"""The topics that have public checks, found by themselves, and how to find an exercise by its id.

A topic is a package in this folder, named as its folder of notebooks, ``04_resnet/``, with ``EXERCISES`` (a
tuple of ``Exercise``) in its ``__init__.py``; where its oracles are slow, ``warm_up()`` beside them computes
them ahead. Such a name is no Python name, so no ``import`` statement reaches it. ``load`` does, and inside of
it everything is as in any package: relative imports, tracebacks, pickles. Topics are imported when an
exercise is looked for, not before.
"""

import difflib
import importlib
import pkgutil
from types import ModuleType

from coursekit.check.cases import Exercise
from coursekit.errors import UnknownExerciseError

MODULES: dict[str, str] = {
    found.name: f"{__name__}.{found.name}"
    for found in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name)
    if found.ispkg
}
"""Topic name to the package that holds its exercises, in the order of the course."""


def load(topic: str, part: str = "") -> ModuleType:
    """The package of ``topic``, or a module in it: ``load("04_resnet", "surgery")``.

    Raises ``KeyError`` for an unknown topic, ``ModuleNotFoundError`` for a module that it does not have.
    """
    return importlib.import_module(f"{MODULES[topic]}.{part}" if part else MODULES[topic])


def exercises(topic: str) -> tuple[Exercise, ...]:
    """The exercises of ``topic``, in the order of its assignment; ``KeyError`` for an unknown topic."""
    found: tuple[Exercise, ...] = load(topic).EXERCISES
    return found


def find(exercise_id: str) -> tuple[str, Exercise]:
    """The topic of an exercise, and the exercise.

    Raises ``UnknownExerciseError``, with the nearest ids, when no topic has it.
    """
    known: list[str] = []
    for topic in MODULES:
        for exercise in exercises(topic):
            if exercise.id == exercise_id:
                return topic, exercise
            known.append(exercise.id)
    raise UnknownExerciseError(_unknown(exercise_id, known))


def _unknown(exercise_id: object, known: list[str]) -> str:
    if not isinstance(exercise_id, str):
        return f"The first argument is the id of an exercise, a string; there are: {', '.join(known)}."
    near = difflib.get_close_matches(exercise_id, known, n=3, cutoff=0.5)
    advice = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(known)}."
    return f"There is no exercise {exercise_id[:60]!r}. {advice}"
