"""The border to nbgrader: its own preprocessors make the release, its own converter fills the gradebook.

Nothing here reimplements nbgrader. `nbgrader generate_assignment`, run by hand in the course tree,
gives the same bytes.
"""

from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import IncludeHeaderFooter, InstantiateTests, SaveCells
from traitlets.config import Config as Traits

from grading.config import Config, gradebook_in
from grading.course.files import write_if_changed
from grading.course.nbgrader_steps import (
    OF_STUDENTS,
    STEPS,
    programs_of_this_environment,
    refuse_autotests,
    refuse_bad_metadata,
    run_steps,
)
from grading.errors import BuildError, ConfigError, MetadataError

__all__ = [
    "ADDED", "MADE", "RELEASE", "is_foreign", "nbgrader_config", "own_traits", "refuse_bad_metadata",
    "refuse_foreign", "register", "release_notebook", "save_cells",
]  # fmt: skip

MADE = '"""Generated from course.toml; stock nbgrader reads it when run in this folder."""'
"""How an `nbgrader_config.py` begins that this program has written: the mark of a folder that it has made."""

ADDED = (IncludeHeaderFooter, InstantiateTests)
"""Steps that put something in; a source that stands in a tree of ours has been through them."""

RELEASE = [step for step in STEPS if step is not SaveCells]
BEFORE = [step for step in STEPS[: STEPS.index(SaveCells)] if step not in ADDED]
"""What makes of a source the cells that the gradebook gets: without solutions, with hidden tests."""

CODE_STUB = '# Your code here.\nraise NotImplementedError("your answer goes here")'
TEXT_STUB = "*Your answer here.*"

PARTS = ("nbgrader_config.py", "nbgrader_config.json", "source", "release")
"""One of these makes a folder a course directory."""


def nbgrader_config(config: Config, more: Iterator[str] | tuple[str, ...] = ()) -> str:
    """The text of `nbgrader_config.py`: what stock nbgrader must know to agree with us, and more of it."""
    lines = [
        MADE,
        "",
        "from pathlib import Path",
        "",
        "c = get_config()  # noqa: F821",
        f"c.CourseDirectory.course_id = {config.name!r}",
        "c.CourseDirectory.root = str(Path(__file__).resolve().parent)",
        f'c.ClearSolutions.code_stub = {{"python": {CODE_STUB!r}}}',
        f"c.ClearSolutions.text_stub = {TEXT_STUB!r}",
        f"c.Execute.timeout = {int(config.limits.cell_seconds)}",
        "",
        "# A hand-in is shown in the browser of somebody who may change grades: no script of it runs there.",
        "c.HTMLExporter.sanitize_html = True",
        "try:",
        "    from grading.gradebook.sanitize import FILTERS",
        "except ImportError:  # nbconvert's own filter: as safe, and plainer",
        '    FILTERS = {"strip_files_prefix": "nbconvert.filters.strings.clean_html"}',
        "c.HTMLExporter.filters = FILTERS",
        "",
    ]
    if config.gradebook != gradebook_in(config.tree):
        lines.append(f"c.CourseDirectory.db_url = {config.gradebook!r}")
    return "\n".join([*lines, *more]) + "\n"


def is_foreign(tree: Path) -> bool:
    """Whether this is a course directory of nbgrader's that this program has not made."""
    try:
        with (tree / "nbgrader_config.py").open(encoding="utf-8") as file:
            if file.readline().rstrip("\n") == MADE:
                return False
    except (FileNotFoundError, NotADirectoryError):
        pass
    except UnicodeDecodeError:
        return True
    return any((tree / name).exists() for name in PARTS)


def refuse_foreign(tree: Path) -> None:
    """Return when a build may write into this folder.

    Raises:
        ConfigError: Somebody else has made it.
    """
    if is_foreign(tree):
        fix = 'name another folder as "tree" in course.toml'
        raise ConfigError("this course directory was not made by `grading build`", tree, fix)


def release_notebook(notebook: NotebookNode, where: object) -> str:
    """The student's notebook as text: generate_assignment's preprocessors, in its order.

    Raises:
        MetadataError: nbgrader refuses the notebook, or a test in it is a comment for nbgrader to write it.
    """
    refuse_autotests(notebook, where)
    return run_steps(notebook, RELEASE, where, own_traits())


def register(config: Config, assignment: str) -> bool:
    """Write the assignment's cells to the gradebook and its release to the tree, as nbgrader does.

    Says whether there was anything to do. The source must stand in the tree already, and the tree must be one
    that a build has made.

    Raises:
        BuildError: nbgrader cannot, above all because hand-ins to other cells are recorded already.
    """
    source = config.tree / "source" / assignment / f"{assignment}.ipynb"
    release = config.tree / "release" / assignment / f"{assignment}.ipynb"
    text = release_notebook(nbformat.read(source, as_version=4), source)
    saved = save_cells(config, assignment, own_traits())
    return write_if_changed(release, text) or saved


def save_cells(config: Config, assignment: str, traits: Traits) -> bool:
    """Write the cells of the assignment in the tree to the gradebook alone; says whether that was to be done.

    traits: nbgrader's settings for the source in the tree.

    Raises:
        BuildError: hand-ins to other cells, or other notebooks of this assignment, are recorded already.
    """
    source = config.tree / "source" / assignment / f"{assignment}.ipynb"
    notebook = nbformat.read(source, as_version=4)
    if _is_saved(config, assignment, run_steps(notebook, BEFORE, source, traits)):
        return False
    resources = {"notebook": assignment, "assignment": assignment, "db_url": config.gradebook}
    with programs_of_this_environment(), Gradebook(config.gradebook, config.name) as gradebook:
        others = [one.name for one in gradebook.update_or_create_assignment(assignment).notebooks]
    if others and others != [assignment]:
        fix = "name another gradebook in course.toml, or none"
        what = f"the gradebook knows {assignment} by other notebooks ({', '.join(sorted(others))})"
        raise BuildError(what, config.gradebook, fix)
    try:
        run_steps(notebook, [*BEFORE, SaveCells], source, traits, resources={"nbgrader": resources})
    except MetadataError as error:
        if "submissions associated" not in error.what:
            raise
        fix = "keep the graded cells as they were, or move gradebook.db away and grade again"
        what = "cells were added or removed, but hand-ins are recorded in the gradebook"
        raise BuildError(what, source.parent, fix) from None
    return True


def _is_saved(config: Config, assignment: str, text: str) -> bool:
    """Whether the gradebook holds the cells of this notebook, which is as it would be put there."""
    cells = [cell for cell in nbformat.reads(text, as_version=4).cells if "nbgrader" in cell.metadata]
    wanted = {
        cell.metadata.nbgrader.grade_id: (cell.source, cell.metadata.nbgrader.get("points"))
        for cell in cells
        if any(cell.metadata.nbgrader.get(mark) for mark in OF_STUDENTS)
    }
    with programs_of_this_environment(), Gradebook(config.gradebook, config.name) as gradebook:
        try:
            stored = gradebook.find_notebook(assignment, assignment)
        except MissingEntry:
            return False
        points = {cell.name: cell.max_score for cell in [*stored.grade_cells, *stored.task_cells]}
        return {cell.name: (cell.source, points.get(cell.name)) for cell in stored.source_cells} == wanted


def own_traits() -> Traits:
    """The settings of nbgrader for what a build generates."""
    traits = Traits()
    traits.ClearSolutions.code_stub = {"python": CODE_STUB}
    traits.ClearSolutions.text_stub = TEXT_STUB
    return traits
