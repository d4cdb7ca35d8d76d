"""The cells of a notebook, as tests write them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A cell: "answer", "locked", "helper", "test", "in place" or "free"; released: as students got it."""

    kind: str
    source: str
    released: str | None = None


def tests_in(text: str) -> Iterator[Cell]:
    """The tests in a text, one behind each `# %%`; behind `# %% in place`, one that changes its arguments."""
    for kind, source in re.findall(r"^# %%(.*)\n((?:(?!# %%).*\n?)*)", f"# %%\n{text}", flags=re.MULTILINE):
        if source.strip():
            yield Cell(kind.strip() or "test", source)
