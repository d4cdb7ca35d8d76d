"""Where things lie in nbgrader's tree: the course's notebook, its release, a student's file."""

import os
from pathlib import Path

from grading.config import Config

__all__ = ["find_notebook", "names_in", "release_path", "source_path"]


def source_path(config: Config, assignment: str) -> Path:
    """The course's own notebook, hidden tests included."""
    return config.tree.resolve() / "source" / assignment / f"{assignment}.ipynb"


def release_path(source: Path) -> Path:
    """The notebook as students got it, which stands beside its source in nbgrader's tree."""
    return source.parents[2] / "release" / source.parent.name / source.name


def find_notebook(folder: Path, assignment: str) -> Path:
    """The notebook in a student's folder: of the right name, or else the only one there is."""
    expected = folder / f"{assignment}.ipynb"
    if os.path.lexists(expected):
        return expected
    others = [name for name in names_in(folder) if name.lower().endswith(".ipynb") and name[0] != "."]
    return folder / others[0] if len(others) == 1 else expected


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, sorted; nothing where there is none."""
    return sorted(os.listdir(folder)) if folder.is_dir() else []
