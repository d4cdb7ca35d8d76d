"""nbgrader's own preprocessors run over a notebook, and what they refuse said by cell.

Which of them make a release is nbgrader's word (`GenerateAssignment`); here they are called in its order.
"""

import contextlib
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.warnings import MissingIDFieldWarning
from nbgrader.converters import GenerateAssignment
from nbgrader.nbgraderformat import MetadataValidator, ValidationError
from nbgrader.nbgraderformat.common import SchemaMismatchError
from nbgrader.preprocessors import instantiatetests
from traitlets.config import Config as Traits

from grading.errors import MetadataError
from grading.text import short

__all__ = [
    "STEPS", "cell_name", "programs_of_this_environment", "quiet", "refuse_autotests",
    "refuse_bad_metadata", "run_steps",
]  # fmt: skip

STEPS: Sequence[type] = tuple(GenerateAssignment.preprocessors.default())
"""Of `nbgrader generate_assignment`."""

MASTER = "correct the cell in the master"
OF_STUDENTS = ("grade", "solution", "locked", "task")
"""Marks of which a cell has one that nbgrader has to do with."""


def cell_name(cell: NotebookNode, index: int) -> str:
    """What to call a cell so that people find it: by its id, else by its place and its first line."""
    marks = cell.metadata.get("nbgrader")
    name = marks.get("grade_id") if isinstance(marks, Mapping) else None
    if name:
        return f"the cell {name!r}"
    line = next((line for line in cell.source.splitlines() if line.strip()), "")
    return f"cell {index + 1} ({short(line.strip(), 50)!r})"


def refuse_bad_metadata(notebook: NotebookNode, where: object, fix: str = MASTER) -> None:
    """Refuse a notebook that nbgrader would refuse.

    Raises:
        MetadataError: A cell breaks nbgrader's schema, has no grade_id, or shares it with another one.
    """
    validator = MetadataValidator()
    seen: dict[str, str] = {}
    for index, cell in enumerate(notebook.cells):
        name = cell_name(cell, index)
        marks = cell.metadata.get("nbgrader")
        if marks is None:
            continue
        try:
            if not isinstance(marks, Mapping):
                raise ValidationError("its metadata is no table")
            validator.validate_cell(cell)
        except (ValidationError, SchemaMismatchError) as error:
            says = "it has no grade_id" if _has_no_id(marks) else short(_message(error), 120)
            raise MetadataError(f"nbgrader refuses {name} ({says})", where, fix) from None
        if not any(marks.get(mark) for mark in OF_STUDENTS):
            continue
        if (grade_id := str(marks.get("grade_id"))) in seen:
            what = f"two cells have the grade_id {grade_id!r}, {seen[grade_id]} and cell {index + 1}"
            raise MetadataError(what, where, 'give one of them another part="..."' if fix == MASTER else fix)
        seen[grade_id] = f"cell {index + 1}"


def refuse_autotests(
    notebook: NotebookNode, where: object, delimiter: str = "AUTOTEST", fix: str = ""
) -> None:
    """Refuse a test that is a comment: run as it stands, everybody would pass it.

    Raises:
        MetadataError: A line of a code cell asks nbgrader to write a test in its place.
    """
    for index, cell in enumerate(notebook.cells):
        lines = cell.source.splitlines() if cell.cell_type == "code" else []
        asks = [line for line in lines if delimiter in line and "#" in line.partition(delimiter)[0]]
        if asks:
            line = short(asks[0].strip(), 60)
            what = f"{cell_name(cell, index)} has a line that is to become a test ({line!r})"
            raise MetadataError(what, where, fix or "write the test itself")


def run_steps(
    notebook: NotebookNode,
    steps: Sequence[type],
    where: object,
    traits: Traits,
    *,
    resources: Mapping[str, Any] | None = None,
    fix: str = MASTER,
    level: int = logging.CRITICAL,
) -> str:
    """The text of the notebook that these preprocessors of nbgrader's make of one.

    level: from which on nbgrader's log is heard.

    Raises:
        MetadataError: One of them refuses the notebook; says which cell it was at.
    """
    converter = GenerateAssignment(config=traits)
    exporter = converter.exporter_class(parent=converter, config=converter.config)
    at: list[str] = []
    for step in steps:
        exporter.register_preprocessor(_noting(step(parent=exporter), at))
    try:
        with warnings.catch_warnings(), quiet(level), programs_of_this_environment(), _no_kernel_left():
            warnings.simplefilter("ignore", MissingIDFieldWarning)  # of a header's cells
            text, _ = exporter.from_notebook_node(notebook, resources=dict(resources or {}))
    except Exception as error:  # of a configured program: a notebook's code, a template, a header
        who = f"{at[0]} cannot be released" if at else "nbgrader cannot release it"
        raise MetadataError(f"{who} ({_said(error)})", where, fix) from None
    return str(text)


def _noting(step: Any, at: list[str]) -> Any:
    """The step, which notes at which cell it is."""
    convert: Callable[..., Any] = step.preprocess_cell
    start: Callable[..., Any] = step.preprocess

    def noted_cell(cell: NotebookNode, resources: Any, index: int) -> Any:
        at[:] = [cell_name(cell, index)]
        return convert(cell, resources, index)

    def noted(notebook: NotebookNode, resources: Any) -> Any:
        at.clear()
        return start(notebook, resources)

    step.preprocess_cell, step.preprocess = noted_cell, noted
    return step


def _has_no_id(marks: Mapping[str, Any]) -> bool:
    return not marks.get("grade_id") and any(marks.get(mark) for mark in OF_STUDENTS)


def _message(error: Exception) -> str:
    return str(getattr(error, "message", None) or error)


def _said(error: Exception) -> str:
    """In a few words; the errors of a kernel come with a traceback in front."""
    if name := getattr(error, "ename", ""):
        return short(f"{name}: {error.evalue}", 200)  # type: ignore[attr-defined]
    text = " ".join(_message(error).split()) or "nbgrader gives no reason"
    return short(text if isinstance(error, RuntimeError) and text else f"{type(error).__name__}: {text}", 200)


@contextlib.contextmanager
def _no_kernel_left() -> Iterator[None]:
    """The kernel is left running by nbgrader in which a template of AUTOTEST has failed."""
    start, started = instantiatetests.start_new_kernel, []

    def noted(*args: Any, **kwargs: Any) -> Any:
        started.append(start(*args, **{**kwargs, "stderr": subprocess.DEVNULL}))  # warnings about itself
        return started[-1]

    instantiatetests.start_new_kernel = noted
    try:
        yield
    finally:
        instantiatetests.start_new_kernel = start
        for manager, client in started:
            client.stop_channels()
            if manager.is_alive():
                manager.shutdown_kernel(now=True)
            manager.cleanup_resources()


@contextlib.contextmanager
def programs_of_this_environment() -> Iterator[None]:
    """With our environment's programs on the path: a new gradebook is stamped by calling `alembic`."""
    path = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join(filter(None, [str(Path(sys.executable).parent), path]))
    try:
        yield
    finally:
        os.environ["PATH"] = path


@contextlib.contextmanager
def quiet(level: int = logging.CRITICAL) -> Iterator[None]:
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
