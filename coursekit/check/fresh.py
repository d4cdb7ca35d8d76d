"""Cases of hidden tests that nobody can know beforehand: fixed ones, then fresh ones of every grading.

The numbers follow from the environment variable GRADING_SEED. A grader that keeps tests apart from answers
sets it for the tests alone, to another value for each hand-in and run; without one it is 0.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch

Case = TypeVar("Case")
Whole = Callable[[int, int], int]
"""Draws a whole number from the lowest to the highest, both included."""


def fresh_generator(number: int) -> torch.Generator:
    """Random numbers for the test of this number, others in every grading."""
    return torch.Generator().manual_seed(1000 * int(os.environ.get("GRADING_SEED", "0")) + number)


def fixed_and_fresh(
    number: int, fixed: Iterable[Case], draw: Callable[[Whole], Case], *, count: int = 2
) -> Iterator[tuple[torch.Generator, Case]]:
    """Each case of the test of this number, with the generator that its tensors are to be drawn from.

    Args:
        number: Of the test, another one for each; it seeds the fixed cases' numbers.
        fixed: Cases that are the same in every grading. They tell right answers from wrong ones.
        draw: Makes a fresh case; it is given a function that draws a whole number from the lowest to the
            highest.
        count: The number of fresh cases, which come last.
    """
    generator = torch.Generator().manual_seed(number)
    for case in fixed:
        yield generator, case
    generator = fresh_generator(number)

    def whole(lowest: int, highest: int) -> int:
        return int(torch.randint(lowest, highest + 1, (), generator=generator))

    for _ in range(count):
        yield generator, draw(whole)
