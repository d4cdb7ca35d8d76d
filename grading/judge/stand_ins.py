"""What stands, in the judging process, where something means only a thing over there: contexts and seeds."""

import contextlib
import functools
import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from grading.judge.link import Link

__all__ = ["StandIns"]

SEEDS = (("random", "seed"), ("numpy.random", "seed"), ("torch", "manual_seed"))
"""Functions that seed random numbers: called in a test, they seed those of the answer as well."""


class StandIns:
    """Stand in for contexts and seeds of random numbers, which mean something only where an answer is.

    Entered here, a context holds over there; numbers seeded here are seeded over there before the next call.
    link: to the answer; before there is one, contexts mean nothing, and what was seeded is noted in `seeds`.
    """

    def __init__(self, contexts: Sequence[str]) -> None:
        self.contexts = contexts
        self.link: Link | None = None
        self.seeds: list[tuple[str, Any]] = []
        self.stand = False

    @contextlib.contextmanager
    def standing(self) -> Iterator[None]:
        """Meanwhile, who imports one of them gets ours."""
        if self.stand:
            yield
            return
        self.stand = True
        with contextlib.ExitStack() as stack:
            made = [(dotted, self._forbidding) for dotted in self.contexts]
            for module, name in SEEDS:
                seed = getattr(importlib.import_module(module), name)
                made.append((f"{module}.{name}", self._seeding(f"{module}.{name}", seed)))
            for dotted, ours in made:
                module, _, name = dotted.rpartition(".")
                owner = importlib.import_module(module)
                stack.callback(setattr, owner, name, getattr(owner, name))
                setattr(owner, name, ours)
            yield

    def _seeding(self, dotted: str, seed: Any) -> Any:
        @functools.wraps(seed)
        def seeded(number: Any = None, *more: Any, **options: Any) -> Any:
            result = seed(number, *more, **options)
            if type(number) is int:
                (self.link or self).seeds.append((dotted, number))
            return result

        return seeded

    def _forbidding(self, *words: str, **_: Any) -> contextlib.AbstractContextManager[None]:
        if self.link is None or self.link.guard is None:
            return contextlib.nullcontext()
        return self.link.guard.forbidding(self.link, words)
