"""What the judges of one notebook have in common: cells that ask no answer, run once for all of them.

Judges are forked from a process in which that was done; it knows hidden tests, so no answer is.
"""

import contextlib
import functools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from grading.fork.randomness import random_state, same_random_state, seed_all, set_random_state
from grading.fork.shell import attach, run_cell
from grading.judge.course_names import Given
from grading.judge.names import Names
from grading.judge.results import result_of
from grading.judge.stand_ins import StandIns

__all__ = ["SEED", "Done", "Prepared", "prepare"]

SEED = "GRADING_SEED"
"""The variable with the seed of a hand-in, for tests with numbers of their own."""

_SHELL = re.compile(r"_+|_i+|_i?\d+|_?(In|Out|ih|oh|dh)")
"""Names that the shell keeps for itself."""


@dataclass(frozen=True)
class Done:
    """A cell that was run before there was an answer: its result, the names and the random state it left.

    seeds: calls that seeded random numbers, which are made in the answer's process as well.
    """

    result: dict[str, Any]
    names: dict[str, Any]
    random: dict[str, Any] | None
    seeds: list[tuple[str, Any]]


class Prepared:
    """Cells that were run for all judges, by their text, and what stands in for contexts since."""

    def __init__(self, shell: InteractiveShell, contexts: Sequence[str]) -> None:
        self.done: dict[str, Done] = {}
        self.stand_ins = StandIns(contexts)
        self.held = contextlib.ExitStack()
        # A cell is transformed to see what it asks for, and again to run; a hidden test can be long.
        shell.transform_cell = functools.lru_cache(shell.transform_cell)


def prepare(
    sources: Sequence[str], contexts: Sequence[str], given: Given, shell: InteractiveShell
) -> Prepared:
    """Run those of the instructor's cells that ask no answer, for many judges to be forked from here.

    sources: the locked cells in their order. A cell is left to the judges when it raises, when it takes a
    name that only an answer or a cell that is left has, when it looks at the seed of the hand-in, or when
    another has the same text, which is all that a judge knows it by.
    """
    prepared = Prepared(shell, contexts)
    outputs, names, space = attach(shell), Names(shell, given), shell.user_ns
    before_all = set(space)
    seed_all()
    prepared.held.enter_context(prepared.stand_ins.standing())  # as long as there are judges
    for source in sources:
        before, own, random = dict(space), set(names.own), random_state()
        seeds = prepared.stand_ins.seeds = []
        left = sources.count(source) > 1 or bool(names.asked(source))
        with _watched_seed() as looked:
            cell = None if left else run_cell(shell, outputs, source)
        if cell is None or cell.error is not None or looked:
            space.clear()
            space.update(before)
            names.own = own
            set_random_state(random)
            continue
        made = {name: value for name, value in space.items() if before.get(name, names) is not value}
        made = {name: value for name, value in made.items() if not _SHELL.fullmatch(name)}
        names.own |= made.keys()
        after = random_state()
        moved = None if same_random_state(random, after) else after
        prepared.done[source] = Done(result_of(cell), made, moved, list(seeds))
    for name in set(space) - before_all:
        del space[name]
    return prepared


@contextlib.contextmanager
def _watched_seed() -> Iterator[list[str]]:
    """Notes when the seed of the hand-in is read, which has none yet."""
    looked: list[str] = []

    class Watched(dict[bytes, bytes]):
        def __getitem__(self, key: bytes) -> bytes:
            if key == SEED.encode():
                looked.append(SEED)
            return super().__getitem__(key)

    held = os.environ._data  # type: ignore[attr-defined]
    os.environ._data = Watched(held)  # type: ignore[attr-defined]
    try:
        yield looked
    finally:
        os.environ._data = dict(os.environ._data)  # type: ignore[attr-defined]
