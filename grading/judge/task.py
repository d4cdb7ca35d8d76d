"""What the supervisor asks of the judge; a module of its own, since only the judge needs heavy libraries."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["MOST_COPIES", "OVER_THERE", "Task", "copies_of"]

OVER_THERE = ("answer", "both")
"""Where cells run in the student's process."""

MOST_COPIES = 200
"""Of an answer's process; tests behind that many places in a notebook are judged on the process itself."""


@dataclass(frozen=True)
class Task:
    """One code cell: where it runs ("answer", "judge" or "both"), and its text here and there.

    "again" is a cell for both that has ended the student's process once: now it runs here only. "defined" is
    a test that was over before a process ended: now it only defines what it defines. in_place: calls in it
    are meant to change their arguments.
    """

    index: int
    where: str
    here: str
    there: str
    in_place: bool = False


def copies_of(tasks: Sequence[Task]) -> list[int | None]:
    """By position, the number of the copy of the answer's process that a cell is judged on, None for none.

    Tests with no cell of the student's between them share a copy, which is made where the first of them
    stands; so do the cells before them. What none of the student's follows is judged on the process itself.
    """
    numbers, number, tested = [], 0, False
    for task in tasks:
        if tested and task.where in OVER_THERE:
            number, tested = number + 1, False
        tested |= task.where == "judge"
        numbers.append(number)
    return [one if one < min(number, MOST_COPIES) else None for one in numbers]
