"""The border to nbgrader: its own preprocessors make the release, its own converter fills the gradebook.

Nothing here reimplements nbgrader. `nbgrader generate_assignment`, run by hand in the course tree,
gives the same bytes.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.nbgraderformat import MetadataValidator, ValidationError
from nbgrader.preprocessors import SaveCells
from nbgrader.utils import capture_log
from traitlets.config import Config as Traits

from grading.config import Config
from grading.errors import BuildError, GradingError, MetadataError

CODE_STUB = '# Your code here.\nraise NotImplementedError("your answer goes here")'
TEXT_STUB = "*Your answer here.*"


def nbgrader_config(config: Config) -> str:
    """The text of `nbgrader_config.py`: what stock nbgrader must know to agree with us."""
    lines = [
        '"""Generated from course.toml; stock nbgrader reads it when run in this folder."""',
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
    if config.gradebook != f"sqlite:///{config.tree / 'gradebook.db'}":
        lines.append(f"c.CourseDirectory.db_url = {config.gradebook!r}")
    return "\n".join(lines) + "\n"


def refuse_bad_metadata(notebook: NotebookNode, where: object) -> None:
    """Refuse a notebook that nbgrader would refuse.

    Raises:
        MetadataError: A cell breaks nbgrader's schema, or two cells have one grade_id.
    """
    validator = MetadataValidator()
    seen: set[str] = set()
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        try:
            validator.validate_cell(cell)
        except ValidationError as error:
            what = f"nbgrader refuses the cell {grade_id!r} ({error.message})"
            raise MetadataError(what, where, "correct the cell's keys in the master") from None
        if grade_id in seen:
            fix = 'give one of them another part="..."'
            raise MetadataError(f"two cells have the grade_id {grade_id!r}", where, fix)
        if grade_id is not None:
            seen.add(grade_id)


def release_notebook(notebook: NotebookNode, where: object) -> str:
    """The student's notebook as text: generate_assignment's preprocessors, in its order.

    Raises:
        MetadataError: nbgrader refuses the notebook.
    """
    preprocessors = GenerateAssignment(config=_traits()).preprocessors
    kept = [preprocessor for preprocessor in preprocessors if preprocessor is not SaveCells]
    return _export(notebook, kept, where)


def register(config: Config, assignment: str) -> bool:
    """Write the assignment's cells to the gradebook and its release to the tree, as nbgrader does.

    Says whether there was anything to do. The source must stand in the tree already.

    Raises:
        BuildError: nbgrader cannot, above all because hand-ins to other cells are recorded already.
    """
    if _is_registered(config, assignment):
        return False
    traits = _traits()
    traits.CourseDirectory.root = str(config.tree)
    traits.CourseDirectory.course_id = config.name
    traits.CourseDirectory.db_url = config.gradebook
    traits.CourseDirectory.assignment_id = assignment
    converter = GenerateAssignment(coursedir=CourseDirectory(config=traits), config=traits)
    converter.force = True
    with _quiet(logging.ERROR), _programs_of_this_environment():
        outcome = capture_log(converter)
    if not outcome["success"]:
        raise _refusal(outcome.get("log", "") + outcome.get("error", ""), config.tree / "source" / assignment)
    return True


def _is_registered(config: Config, assignment: str) -> bool:
    """Whether release and gradebook hold what the source in the tree would give them."""
    source = config.tree / "source" / assignment / f"{assignment}.ipynb"
    release = config.tree / "release" / assignment / f"{assignment}.ipynb"
    notebook = nbformat.read(source, as_version=4)
    if not release.is_file() or release.read_text(encoding="utf-8") != release_notebook(notebook, source):
        return False
    cells = [cell for cell in _saved(notebook, source).cells if "nbgrader" in cell.metadata]
    graded = {cell.metadata.nbgrader.grade_id: cell for cell in cells}
    wanted = {name: (cell.source, cell.metadata.nbgrader.get("points")) for name, cell in graded.items()}
    with _programs_of_this_environment(), Gradebook(config.gradebook, config.name) as gradebook:
        try:
            stored = gradebook.find_notebook(assignment, assignment)
        except MissingEntry:
            return False
        points = {cell.name: cell.max_score for cell in stored.grade_cells}
        return {cell.name: (cell.source, points.get(cell.name)) for cell in stored.source_cells} == wanted


def _saved(notebook: NotebookNode, where: object) -> NotebookNode:
    """The notebook as SaveCells puts it into the gradebook: without solutions, with hidden tests."""
    preprocessors = GenerateAssignment(config=_traits()).preprocessors
    return nbformat.reads(
        _export(notebook, preprocessors[: preprocessors.index(SaveCells)], where), as_version=4
    )


def _export(notebook: NotebookNode, preprocessors: Sequence[type], where: object) -> str:
    converter = GenerateAssignment(config=_traits())
    exporter = converter.exporter_class(parent=converter, config=converter.config)
    for preprocessor in preprocessors:
        exporter.register_preprocessor(preprocessor)
    try:
        with _quiet():
            text, _ = exporter.from_notebook_node(notebook)
    except (RuntimeError, ValueError, ValidationError) as error:
        what = f"nbgrader cannot release it ({error})"
        raise MetadataError(what, where, "correct the cell in the master") from None
    return str(text)


def _refusal(log: str, where: Path) -> GradingError:
    if "submissions associated" in log:
        fix = "keep the graded cells as they were, or move gradebook.db away and grade again"
        return BuildError(
            "cells were added or removed, but hand-ins are recorded in the gradebook", where, fix
        )
    last = next((line for line in reversed(log.strip().splitlines()) if "Error" in line), log.strip()[-200:])
    return BuildError(
        f"nbgrader cannot generate the assignment ({last.strip()})", where, "correct the master"
    )


def _traits() -> Traits:
    traits = Traits()
    traits.ClearSolutions.code_stub = {"python": CODE_STUB}
    traits.ClearSolutions.text_stub = TEXT_STUB
    return traits


@contextlib.contextmanager
def _programs_of_this_environment() -> Iterator[None]:
    """With our environment's programs on the path: a new gradebook is stamped by calling `alembic`."""
    path = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join(filter(None, [str(Path(sys.executable).parent), path]))
    try:
        yield
    finally:
        os.environ["PATH"] = path


@contextlib.contextmanager
def _quiet(level: int = logging.CRITICAL) -> Iterator[None]:
    """Without nbgrader's log on stderr: what matters in it comes back as an exception."""
    log = logging.getLogger("traitlets")
    before = log.level, log.propagate
    log.setLevel(level)
    handler = logging.NullHandler()  # with no handler at all, logging prints errors itself
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]
