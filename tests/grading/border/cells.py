"""The cells of a notebook, as tests write them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A cell: "answer", "locked", "test", "in place" (a test) or "free"; released: as students got it."""

    kind: str
    source: str
    released: str | None = None


def in_place(source: str) -> Cell:
    """A test whose calls are meant to change their arguments."""
    return Cell("in place", source)
