"""Results into nbgrader's gradebook and tree, so that its formgrader and its feedback work on them.

One writer, one transaction a hand-in. Points that a person gave and comments that a person wrote are
never touched. The meaning of every field is nbgrader's own (its SaveAutoGrades).
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode
from nbgrader import utils
from nbgrader.api import Gradebook, MissingEntry, SubmittedNotebook

from grading.building import stock
from grading.config import Config
from grading.records import CellResult, Result, Status
from grading.store import Store, write_atomically


def record(config: Config, assignment: str, results: Sequence[Result], store: Store) -> None:
    """Write the results of one assignment; the same results twice leave everything as it is.

    The executed notebooks go to `autograded/STUDENT/ASSIGNMENT`. A hand-in on which the machine failed
    is left as it was before.

    Raises:
        BuildError: nbgrader cannot take the assignment into its gradebook.
    """
    stock.register(config, assignment)
    with Gradebook(config.gradebook, config.name) as gradebook:
        for result in results:
            if result.status is not Status.INFRASTRUCTURE_ERROR:
                _record_one(gradebook, config, result, store.notebook_path(result))


def scores_by_hand(config: Config, assignment: str) -> dict[str, dict[str, float]]:
    """What people gave: student to grade_id to points; empty where nothing was recorded yet."""
    found: dict[str, dict[str, float]] = {}
    with Gradebook(config.gradebook, config.name) as gradebook:
        try:
            submissions = gradebook.assignment_submissions(assignment)
        except MissingEntry:
            return found
        for submission in submissions:
            for notebook in submission.notebooks:
                for grade in notebook.grades:
                    if grade.manual_score is not None or grade.extra_credit:
                        points = grade.score if grade.score is not None else 0.0
                        found.setdefault(submission.student_id, {})[grade.name] = float(points)
    return found


def autograded_path(config: Config, student: str, assignment: str) -> Path:
    """Where nbgrader looks for the graded notebook."""
    return config.tree / "autograded" / student / assignment / f"{assignment}.ipynb"


def _record_one(gradebook: Gradebook, config: Config, result: Result, executed: Path) -> None:
    target = autograded_path(config, result.student, result.assignment)
    text = executed.read_text(encoding="utf-8") if executed.is_file() else None
    unchanged = target.is_file() and target.read_text(encoding="utf-8") == text
    answers = {} if text is None else _answer_cells(nbformat.reads(text, as_version=4))
    stamp = config.tree / "submitted" / result.student / result.assignment / "timestamp.txt"
    with _transaction(gradebook):
        gradebook.update_or_create_student(result.student)
        fields = {"timestamp": text_of} if (text_of := _timestamp(stamp)) else {}
        gradebook.update_or_create_submission(result.assignment, result.student, **fields)
        notebook = gradebook.find_submission_notebook(result.assignment, result.assignment, result.student)
        _set_grades(notebook, {cell.grade_id: cell for cell in result.cells}, review=not unchanged)
        for comment in notebook.comments:
            cell = answers.get(comment.name)
            blank = cell is None or cell.metadata.nbgrader.get("checksum") == utils.compute_checksum(cell)
            comment.auto_comment = "No response." if blank else None
    if text is None:
        target.unlink(missing_ok=True)
    elif not unchanged:
        write_atomically(target, text)
        if stamp.is_file():
            write_atomically(target.parent / stamp.name, stamp.read_text(encoding="utf-8"))


def _set_grades(notebook: SubmittedNotebook, cells: Mapping[str, CellResult], *, review: bool) -> None:
    for grade in notebook.grades:
        cell = cells.get(grade.name)
        score = _auto_score(cell)
        changed = grade.auto_score != score
        grade.auto_score = score
        if grade.manual_score is None:
            grade.needs_manual_grade = score is None
        elif review or changed:  # a person graded something else: have them look again
            grade.needs_manual_grade = True


def _auto_score(cell: CellResult | None) -> float | None:
    """As nbgrader has it: None asks for a person, a manual cell that nobody answered has 0 points."""
    if cell is None:
        return None
    waits = cell.manual and cell.status is Status.PASSED
    return None if waits else cell.score


def _answer_cells(notebook: NotebookNode) -> dict[str, NotebookNode]:
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells if utils.is_solution(cell)}


def _timestamp(path: Path) -> str | None:
    """The time in nbgrader's timestamp file, None where there is none or it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8").strip()
        utils.parse_utc(text)
    except (OSError, ValueError, OverflowError):
        return None
    return text


@contextlib.contextmanager
def _transaction(gradebook: Gradebook) -> Iterator[None]:
    """One transaction for calls that commit one by one: inside, a commit only flushes.

    A run that is killed leaves a hand-in recorded as a whole or not at all, and the disk is written to
    once instead of once a call.
    """
    session = gradebook.db()
    commit, session.commit = session.commit, session.flush
    try:
        with session.no_autoflush:
            yield
        commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.commit = commit
