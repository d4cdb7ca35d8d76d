"""What the supervisor asks of the judge; a module of its own, since only the judge needs heavy libraries."""

from dataclasses import dataclass

__all__ = ["Task"]


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
