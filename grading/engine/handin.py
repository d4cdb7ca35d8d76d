"""The engine: one hand-in is read, put right, executed and judged.

`grade` never raises because of what a student handed in; it says in the result what is wrong.
"""

import dataclasses
import logging
import os
import secrets
import time
from collections.abc import Sequence

from nbformat.notebooknode import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import LimitOutput

from grading.engine.supervise import Run, execute, tasks_of
from grading.engine.verdict import diagnoses, judge, overall, reasons
from grading.errors import InfrastructureError, SubmissionError
from grading.handins.original import Note, Original, read_original
from grading.handins.parse import parse
from grading.handins.plan import problem_with
from grading.handins.reconcile import merged_streams, reconcile
from grading.records import CellResult, Job, Result, Status

log = logging.getLogger(__name__)

SEEDS = 2**32
"""Seeds are drawn below it: NumPy's random numbers take no larger ones."""

ATTEMPTS = 2
"""How often a hand-in is run before a failure of the machine is reported."""


def run(job: Job) -> tuple[Result, NotebookNode | None]:
    """The result of a hand-in with its time and its hash, and the executed notebook.

    Whatever the hand-in is, and whatever becomes of the machine, there is a result and never an exception.
    """
    started = time.monotonic()
    seed = secrets.randbelow(SEEDS) if job.seed is None else job.seed
    try:
        result, notebook = grade(dataclasses.replace(job, seed=seed))
    except Exception as error:  # a mistake of ours costs this hand-in's result, not the run
        log.exception("hand-in of %s", job.student)
        result, notebook = machine_failed(job, f"{type(error).__name__}: {error}"), None
    seconds = round(time.monotonic() - started, 3)
    result = dataclasses.replace(result, seconds=seconds, content_hash=job.content_hash, seed=seed)
    return result, notebook


def machine_failed(job: Job, says: str) -> Result:
    """The result of a hand-in on which the machine failed; it scores nothing and is run again next time."""
    return refused(job, read_original(job.source), Status.INFRASTRUCTURE_ERROR, says)


def grade(job: Job) -> tuple[Result, NotebookNode | None]:
    """The result of a hand-in and the executed notebook, None when there was nothing to execute."""
    course = read_original(job.source)
    if (problem := problem_with(job)) is not None:
        there = os.path.lexists(job.notebook)
        nothing = not there and problem == "Nothing was handed in."
        return refused(
            job, course, Status.ERROR if there else Status.MISSING, problem, human=not nothing
        ), None
    try:
        handin = parse(job.notebook.read_bytes())
    except SubmissionError as error:
        return refused(job, course, Status.ERROR, error.what), None
    notebook, notes = reconcile(handin, course)
    if job.notebook.stem != (course.name or job.assignment):
        notes.insert(0, Note(f"The file was called {job.notebook.name}; it is the only notebook handed in."))
    try:
        outcome = _executed(notebook, job, course)
    except InfrastructureError as error:
        return refused(job, course, Status.INFRASTRUCTURE_ERROR, f"{error.what}; {error.fix}"), None
    notebook, _ = LimitOutput().preprocess(merged_streams(notebook), {})
    notebook.metadata["grading"] = {"content_hash": job.content_hash}
    return _result(job, course, notebook, outcome, notes), notebook


def refused(job: Job, course: Original, status: Status, says: str, *, human: bool = True) -> Result:
    """The result of a hand-in that was not run: every cell has the status, no cell has points."""
    cells = tuple(
        CellResult(
            cell.metadata.nbgrader.grade_id,
            status,
            0.0,
            float(cell.metadata.nbgrader.points),
            says,
            manual=utils.is_solution(cell) or cell.cell_type != "code",
        )
        for cell in course.source.cells
        if utils.is_grade(cell) or utils.is_task(cell)
    )
    reason = says if human else None
    return Result(job.student, job.assignment, status, 0.0, _points(cells), cells, (says,), {}, reason)


def _executed(notebook: NotebookNode, job: Job, course: Original) -> Run:
    released = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in course.released.cells
        if "nbgrader" in cell.metadata
    }
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return execute(notebook, tasks_of(notebook, released), job)
        except InfrastructureError:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def _result(
    job: Job, course: Original, notebook: NotebookNode, outcome: Run, notes: Sequence[Note]
) -> Result:
    cells = judge(notebook, outcome, course, notes)
    sentences = [note.says for note in notes] + [cell.says for cell in outcome.broken]
    sentences += [outcome.says] if outcome.says else []
    sentences += [says for cell in outcome.cells.values() for says in cell.flagged]
    if job.warm.sandbox != "full":
        sentences.append(f"It ran without a full sandbox (sandbox = {job.warm.sandbox!r}).")
    tests = tuple(cell for cell in cells if not cell.manual)
    return Result(
        job.student,
        job.assignment,
        overall(cells, outcome, notes),
        sum(cell.score for cell in tests),
        _points(cells),
        cells,
        tuple(sentences),
        diagnoses(notebook, job.check_mime),
        " ".join(reasons(notebook, outcome, cells, notes)) or None,
    )


def _points(cells: Sequence[CellResult]) -> float:
    return sum(cell.max_score for cell in cells if not cell.manual)
