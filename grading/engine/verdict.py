"""From what happened in a notebook to points: one verdict a graded cell, and what a person has to look at.

A test cell passes only when it ran to its end without an error. Text on stderr costs nothing. As in
nbgrader, a number as the value of the last expression is the points it earned.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nbformat.notebooknode import NotebookNode
from nbgrader import utils

from grading.engine.supervise import CellRun, Run
from grading.handins.original import Note, Original
from grading.handins.reconcile import unanswered
from grading.records import CellResult, Status, exercise_of

SAYS_LENGTH = 300
NAMES_KEPT = 20
_NAME = re.compile(r"[\w.-]{1,80}")
_NO_MEMORY = re.compile(r"MemoryError|can't allocate memory|not enough memory", re.IGNORECASE)


def judge(
    notebook: NotebookNode, run: Run, course: Original, notes: Sequence[Note]
) -> tuple[CellResult, ...]:
    """The verdict on every graded cell of the executed notebook, in its order."""
    gone = {note.grade_id for note in notes if note.missing}
    answers = _answer_ids(notebook)
    results = []
    for index, cell in enumerate(notebook.cells):
        if not utils.is_grade(cell) and not utils.is_task(cell):
            continue
        name, points = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
        if utils.is_task(cell):  # what was done for it stands in cells of the student's own
            results.append(_by_hand(name, points, blank=False))
            continue
        if utils.is_solution(cell) or cell.cell_type != "code":
            results.append(_by_hand(name, points, unanswered(cell, course) or name in gone))
            continue
        result = judge_test(name, points, run.cells.get(index), run)
        answer = exercise_of(name, answers)
        if answer in gone and answer != name and result.status in (Status.FAILED, Status.ERROR):
            says = f"The answer cell {answer!r} was missing. {result.says}"
            result = CellResult(name, Status.MISSING, 0.0, points, says, result.seconds)
        results.append(result)
    return tuple(results)


def judge_test(grade_id: str, points: float, cell: CellRun | None, run: Run) -> CellResult:
    """The verdict on one test cell: `cell` is how it ran, None when it was not started."""
    if cell is None:
        says = run.says or "The cell was not run."
        return CellResult(grade_id, Status.NOT_REACHED, 0.0, points, says)
    seconds = round(cell.seconds, 3)
    if not cell.ended:
        status = cell.status or Status.NOT_REACHED
        return CellResult(grade_id, status, 0.0, points, cell.says or run.says, seconds)
    if cell.error is not None:
        return CellResult(grade_id, _error_status(cell.error), 0.0, points, _error_says(cell.error), seconds)
    score = _earned(cell.value, points)
    if score is None:
        says = f"The test gave {cell.value:g}, which is no number of points from 0 to {points:g}."
        return CellResult(grade_id, Status.ERROR, 0.0, points, says, seconds)
    if score == points:
        return CellResult(grade_id, Status.PASSED, points, points, "", seconds)
    status = Status.PARTIAL if score > 0 else Status.FAILED
    return CellResult(grade_id, status, score, points, f"{score:g} of {points:g} points.", seconds)


def overall(cells: Iterable[CellResult], run: Run, notes: Iterable[Note]) -> Status:
    """The status of a whole hand-in."""
    tests = [cell for cell in cells if not cell.manual]
    if any(note.tampered for note in notes):
        return Status.TAMPERED
    if run.stopped is not None:
        return run.stopped
    if run.broken and run.broken[0].status is not None:
        return run.broken[0].status
    score, points = sum(cell.score for cell in tests), sum(cell.max_score for cell in tests)
    if score == points:
        return Status.PASSED
    return Status.PARTIAL if score > 0 else Status.FAILED


def reasons(
    notebook: NotebookNode, run: Run, cells: Sequence[CellResult], notes: Sequence[Note]
) -> list[str]:
    """Why a person has to look at this hand-in; empty for most."""
    found = [note.says for note in notes if note.tampered]
    gone = {note.grade_id for note in notes if note.missing}
    found += [cell.says for cell in run.broken]
    found += [
        f"{notebook.cells[i].metadata.nbgrader.grade_id}: {says}"
        for i, cell in run.cells.items()
        for says in cell.flagged
    ]
    if run.stopped is not None:
        found.append(run.says)
    answered = False
    for index, cell in enumerate(notebook.cells):
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if utils.is_solution(cell):
            answered = True
            if name in gone:  # a test that was deleted is simply put back; an answer may stand elsewhere
                found.append(f"The answer cell {name!r} was missing.")
        done = run.cells.get(index)
        if done is None or not utils.is_locked(cell):
            continue
        shared = cell.metadata.get("grading", {}).get("helper")  # the tests behind it rest on it
        if done.error and (shared or not answered):  # no answer ran before it that had to be right
            found.append(f"The course's own cell {name!r} failed ({_error_says(done.error)}).")
    found += [
        cell.says for cell in cells if cell.status is Status.ERROR and cell.says.startswith("The test gave")
    ]
    found += [f"{cell.grade_id}: {cell.says}" for cell in cells if cell.status is Status.OUT_OF_MEMORY][:1]
    return list(dict.fromkeys(found))


def diagnoses(notebook: NotebookNode, mime: str) -> dict[str, tuple[str, ...]]:
    """The misconceptions that the public checks named: exercise to names.

    Only the course's own locked cells are read. What stands there passed through the student's process,
    so it informs and never scores, and anything that does not look like a name is dropped.
    """
    found: dict[str, tuple[str, ...]] = {}
    for cell in notebook.cells:
        if not utils.is_locked(cell) or cell.cell_type != "code" or not mime:
            continue
        for output in cell.outputs:
            bundle = output.get("data", {}).get(mime)
            if isinstance(bundle, Mapping) and _is_name(bundle.get("exercise")):
                names = bundle.get("diagnosis")
                kept = [name for name in names if _is_name(name)] if isinstance(names, list) else []
                if kept:
                    found[bundle["exercise"]] = tuple(kept[:NAMES_KEPT])
    return found


def _answer_ids(notebook: NotebookNode) -> list[str]:
    return [
        cell.metadata.nbgrader.grade_id
        for cell in notebook.cells
        if utils.is_solution(cell) and not utils.is_grade(cell)
    ]


def _by_hand(name: str, points: float, blank: bool) -> CellResult:
    if blank:
        return CellResult(name, Status.MISSING, 0.0, points, "Not answered.", manual=True)
    return CellResult(name, Status.PASSED, 0.0, points, "To be graded by hand.", manual=True)


def _earned(value: float | None, points: float) -> float | None:
    """Points for this value of the last expression; None when it is a number no test may give."""
    if value is None or isinstance(value, bool):
        return points  # no number: the cell ran to its end
    return float(value) if math.isfinite(value) and 0 <= value <= points else None


def _error_status(error: tuple[str, str]) -> Status:
    name, message = error
    if _NO_MEMORY.search(name) or _NO_MEMORY.search(message):
        return Status.OUT_OF_MEMORY
    return Status.FAILED if name == "AssertionError" else Status.ERROR


def _error_says(error: tuple[str, str]) -> str:
    name, message = error
    return _short(f"{name}: {message}" if message.strip() else name)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= SAYS_LENGTH else text[: SAYS_LENGTH - 1] + "…"


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None
