"""The engine: one hand-in is read, put right, executed and judged.

`grade` never raises because of what a student handed in; it says in the result what is wrong.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import LimitOutput

from grading.errors import InfrastructureError, SubmissionError
from grading.execute import Run, execute
from grading.plan import problem_with, release_path
from grading.records import CellResult, Job, Result, Status
from grading.transforms import Course, Note, merged_streams, parse, reconcile
from grading.verdict import diagnoses, judge, overall, reasons

ATTEMPTS = 2
"""How often a hand-in is run before a failure of the machine is reported."""

UNCERTAIN = (Status.OUT_OF_MEMORY, Status.KILLED)
"""Ends that the machine may have caused: run once more, and believed when they happen again."""


def grade(job: Job) -> tuple[Result, NotebookNode | None]:
    """The result of a hand-in and the executed notebook, None when there was nothing to execute."""
    course = read_course(job.source)
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
    if job.notebook.stem != job.assignment:
        notes.insert(0, Note(f"The file was called {job.notebook.name}; it is the only notebook handed in."))
    try:
        outcome = _executed(notebook, job)
    except InfrastructureError as error:
        return refused(job, course, Status.INFRASTRUCTURE_ERROR, f"{error.what}; {error.fix}"), None
    notebook, _ = LimitOutput().preprocess(merged_streams(notebook), {})
    notebook.metadata["grading"] = {"content_hash": job.content_hash}
    return _result(job, course, notebook, outcome, notes), notebook


def read_course(source: Path) -> Course:
    """The course's notebook and its release, which stands beside it in nbgrader's tree."""
    return Course(nbformat.read(source, as_version=4), nbformat.read(release_path(source), as_version=4))


def refused(job: Job, course: Course, status: Status, says: str, *, human: bool = True) -> Result:
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
        if utils.is_grade(cell)
    )
    reason = says if human else None
    return Result(job.student, job.assignment, status, 0.0, _points(cells), cells, (says,), {}, reason)


def _executed(notebook: NotebookNode, job: Job) -> Run:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            outcome = execute(notebook, job.limits, job.notebook)
        except InfrastructureError:
            if attempt == ATTEMPTS:
                raise
            continue
        if outcome.stopped not in UNCERTAIN or attempt == ATTEMPTS:
            return outcome
    raise AssertionError("the last attempt returns or raises")


def _result(job: Job, course: Course, notebook: NotebookNode, outcome: Run, notes: Sequence[Note]) -> Result:
    cells = judge(notebook, outcome, course, notes)
    sentences = [note.says for note in notes] + ([outcome.says] if outcome.says else [])
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
