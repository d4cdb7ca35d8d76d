"""Where things lie in nbgrader's tree: the course's notebook, its release, a student's file."""

import os
from pathlib import Path

from grading.config import Config
from grading.errors import SubmissionError, UsageError
from grading.text import shown

__all__ = [
    "built_assignments", "check_built", "files_path", "find_notebook", "names_in", "release_path",
    "source_path", "submitted_path",
]  # fmt: skip


def source_path(config: Config, assignment: str) -> Path:
    """The course's own notebook, hidden tests included."""
    return config.tree.resolve() / "source" / assignment / f"{assignment}.ipynb"


def release_path(source: Path) -> Path:
    """The notebook as students got it, which stands beside its source in nbgrader's tree."""
    return source.parents[2] / "release" / source.parent.name / source.name


def submitted_path(config: Config) -> Path:
    """The folder of hand-ins, one folder a student in it."""
    return config.foreign.submitted if config.foreign else config.tree / "submitted"


def files_path(config: Config, assignment: str) -> Path | None:
    """The archive of what lies beside the notebook of this assignment, where the course has such files."""
    archive = config.tree / "files" / f"{assignment}.zip"
    return archive.resolve() if config.foreign and archive.is_file() else None


def check_built(config: Config, assignment: str) -> None:
    """Return when the assignment has been built.

    Raises:
        SubmissionError: It has not been built. UsageError: There is no such assignment.
    """
    source = source_path(config, assignment)
    missing = [path for path in (source, release_path(source)) if not path.is_file()]
    if not missing:
        return
    built = built_assignments(config)
    if assignment not in built and not (config.masters / assignment / "assignment.py").is_file():
        fix = f"name one of {', '.join(built)}"
        raise UsageError(f"there is no assignment {shown(assignment)!r}", config.tree / "source", fix)
    if config.foreign:
        raise SubmissionError(f"no hand-in of {assignment} has been graded", config.tree, _RUN)
    raise SubmissionError(
        f"the assignment {assignment!r} has not been built", missing[0], "run `grading build`"
    )


_RUN = "run `grading run ASSIGNMENT` first"


def built_assignments(config: Config) -> list[str]:
    """The names of the assignments that have been built; there is at least one.

    Raises:
        SubmissionError: No topic has been built.
    """
    names = sorted(folder.name for folder in (config.tree / "source").glob("*/"))
    if not names and config.foreign:
        raise SubmissionError("no assignment has been graded", config.tree, _RUN)
    if not names:
        raise SubmissionError("no topic has been built", config.tree, "run `grading build`")
    return names


def find_notebook(folder: Path, name: str) -> Path:
    """The notebook in a student's folder: of the right name, or else the only one there is."""
    expected = folder / f"{name}.ipynb"
    if os.path.lexists(expected):
        return expected
    others = [name for name in names_in(folder) if name.lower().endswith(".ipynb") and name[0] != "."]
    return folder / others[0] if len(others) == 1 else expected


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, sorted; nothing where there is none."""
    return sorted(os.listdir(folder)) if folder.is_dir() else []
