"""The topics that have public checks, and how to find an exercise by its id.

A topic is a module with ``TOPIC`` (its name) and ``EXERCISES`` (a tuple of ``Exercise``). Modules are
imported when an exercise is looked for, not before.
"""

import difflib
import importlib

from coursekit.check.cases import Exercise
from coursekit.errors import UnknownExerciseError

MODULES: dict[str, str] = {
    "01_convolution": "coursekit.check.topics.convolution",
    "04_resnet": "coursekit.check.topics.resnet",
}
"""Topic name to the module that holds its exercises, in the order of the course."""


def exercises(topic: str) -> tuple[Exercise, ...]:
    """The exercises of ``topic``, in the order of its assignment; ``KeyError`` for an unknown topic."""
    found: tuple[Exercise, ...] = importlib.import_module(MODULES[topic]).EXERCISES
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
