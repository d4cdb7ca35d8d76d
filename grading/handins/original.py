"""The notebook that a hand-in is held against, and what is noted where the two differ."""

import functools
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

from grading.handins.tree import release_path

__all__ = ["Note", "Original", "read_original"]


@dataclass(frozen=True)
class Note:
    """Something found in a hand-in, said in a sentence; tampered: a person should look at it."""

    says: str
    grade_id: str = ""
    tampered: bool = False
    missing: bool = False


@dataclass(frozen=True)
class Original:
    """The course's own notebook, with hidden tests, and as students got it."""

    source: NotebookNode
    released: NotebookNode

    @property
    def name(self) -> str | None:
        """What students call the notebook, where that is not the name of the assignment."""
        name: str | None = self.source.metadata.get("grading", {}).get("notebook")
        return name


def read_original(source: Path) -> Original:
    """The course's notebook and its release, which stands beside it in nbgrader's tree."""
    released = release_path(source)
    return _read_original(source, source.stat().st_mtime_ns, released, released.stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _read_original(source: Path, _: int, released: Path, __: int) -> Original:
    return Original(nbformat.read(source, as_version=4), nbformat.read(released, as_version=4))
