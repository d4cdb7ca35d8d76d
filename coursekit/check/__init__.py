"""Check an exercise: ``check("conv2d", conv2d)`` tries the public cases and says what is wrong and why.

This package is called as the function of the same name, so ``from coursekit import check`` gives something
to call whether or not a module below it was imported before.

    from coursekit import check, hint, progress
    from coursekit.check import forbid

    check("conv2d", conv2d)
    hint("conv2d")
"""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from coursekit.check.cases import Case, Exercise
from coursekit.check.commands import check, hint, progress
from coursekit.check.fresh import fixed_and_fresh, fresh_generator
from coursekit.check.guard import forbid
from coursekit.errors import CheckError, ForbiddenCallError, UnknownExerciseError

__all__ = [
    "Case",
    "CheckError",
    "Exercise",
    "ForbiddenCallError",
    "UnknownExerciseError",
    "check",
    "fixed_and_fresh",
    "forbid",
    "fresh_generator",
    "hint",
    "progress",
]


class _CallablePackage(ModuleType):
    """A package that is called as its function ``check``."""

    def __call__(self, exercise_id: str, *functions: Callable[..., Any]) -> float:
        return check(exercise_id, *functions)


sys.modules[__name__].__class__ = _CallablePackage
