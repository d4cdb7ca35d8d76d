"""Results into nbgrader's gradebook and tree, so that its formgrader and its feedback work on them.

One writer, one transaction a hand-in. Points that a person gave and comments that a person wrote are
never touched. The meaning of every field is nbgrader's own (its SaveAutoGrades).
"""

import contextlib
import gc
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import nbformat
import nbgrader
import sqlalchemy
from alembic.script import ScriptDirectory
from nbformat.notebooknode import NotebookNode
from nbgrader import utils
from nbgrader.api import Gradebook, MissingEntry, SubmittedNotebook

from grading.config import Config
from grading.course.adopted import traits_of
from grading.course.nbgrader_tree import save_cells
from grading.gradebook.lock import only_writer
from grading.gradebook.store import remove_partial, store_of, write_atomically
from grading.handins.tree import submitted_path
from grading.records import CellResult, Result, Status
from grading.text import shown

ID_LENGTH = 128
"""As long as nbgrader's schema has it; SQLite does not mind, PostgreSQL does."""

TIMESTAMP = "timestamp.txt"
VERSION_TABLE = "alembic_version"


@contextlib.contextmanager
def recording(config: Config, assignment: str, *, wait: bool = False) -> Iterator[Callable[[Result], None]]:
    """A function that writes one result; the same result twice leaves everything as it is.

    The executed notebook goes to `autograded/STUDENT/ASSIGNMENT`. A hand-in on which the machine failed is
    left as it was before. Only one run at a time writes: another one is refused, or waited for.

    Raises:
        BuildError: nbgrader cannot take the assignment into its gradebook.
        GradebookBusyError: another run writes to this gradebook.
        GradingError: there is no database at the gradebook's address.
    """
    store = store_of(config)
    with only_writer(config, wait=wait):
        store.tidy()
        _stamp(config)
        save_cells(config, assignment, traits_of(config))
        gc.freeze()  # looking through all that was imported, again and again, costs more than recording
        with _opened(config) as gradebook:

            def write(result: Result) -> None:
                if result.status is not Status.INFRASTRUCTURE_ERROR:
                    _record_one(gradebook, config, result, store.notebook_path(result))
                    gradebook.db.expunge_all()  # what is written need not be remembered

            yield write


def record(config: Config, assignment: str, results: Iterable[Result]) -> None:
    """Write the results of one assignment."""
    with recording(config, assignment) as write:
        for result in results:
            write(result)


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
    return config.tree / "autograded" / student_id(student) / assignment / f"{assignment}.ipynb"


def student_id(name: str) -> str:
    """What a student is called in the gradebook: the name of the folder, as far as a database can hold it."""
    if shown(name, ID_LENGTH) == name:
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    return f"{shown(name, 100)[:100]}-{digest}"


def _record_one(gradebook: Gradebook, config: Config, result: Result, executed: Path) -> None:
    student = student_id(result.student)
    target = autograded_path(config, result.student, result.assignment)
    text = executed.read_text(encoding="utf-8") if executed.is_file() else None
    unchanged = target.is_file() and target.read_text(encoding="utf-8") == text
    answers = {} if text is None else _answer_cells(text)
    stamp = submitted_path(config) / result.student / result.assignment / TIMESTAMP
    handed_in = _timestamp(stamp)
    with _transaction(gradebook):
        gradebook.update_or_create_student(student)
        fields = {"timestamp": handed_in} if handed_in else {}
        submission = gradebook.update_or_create_submission(result.assignment, student, **fields)
        notebook = next(notebook for notebook in submission.notebooks if notebook.name == result.assignment)
        _set_grades(notebook, {cell.grade_id: cell for cell in result.cells}, review=not unchanged)
        for comment in notebook.comments:
            cell = answers.get(comment.name)
            blank = cell is None or cell.metadata.nbgrader.get("checksum") == utils.compute_checksum(cell)
            comment.auto_comment = "No response." if blank else None
    if text is None:
        target.unlink(missing_ok=True)
    elif not unchanged:
        remove_partial(target.parent)
        write_atomically(target, text)
        if handed_in:
            write_atomically(target.parent / TIMESTAMP, handed_in)


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


def _answer_cells(text: str) -> dict[str, NotebookNode]:
    """The answer cells of a notebook that we wrote, by grade_id."""
    cells = [cell for cell in nbformat.v4.reads(text).cells if "nbgrader" in cell.metadata]
    return {cell.metadata.nbgrader.grade_id: cell for cell in cells if utils.is_solution(cell)}


def _timestamp(path: Path) -> str | None:
    """The time in nbgrader's timestamp file; None where there is none or it cannot be read.

    Whoever hands in may put anything there: a link is not followed, a pipe is not waited for.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            text = file.read(200).decode("utf-8").strip()
        utils.parse_utc(text)
    except (OSError, ValueError, OverflowError):
        return None
    return text


def _stamp(config: Config) -> None:
    """Put the version of nbgrader's schema into a gradebook that has none.

    nbgrader does that behind all else when it makes a gradebook: ended in between, it never would.
    """
    engine = sqlalchemy.create_engine(config.gradebook, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        if VERSION_TABLE not in sqlalchemy.inspect(connection).get_table_names():
            connection.execute(
                sqlalchemy.text(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL)")
            )
        if not connection.scalar(sqlalchemy.text(f"SELECT count(*) FROM {VERSION_TABLE}")):
            scripts = ScriptDirectory(str(Path(nbgrader.__file__).with_name("alembic")))
            version = {"version": scripts.get_current_head()}
            connection.execute(sqlalchemy.text(f"INSERT INTO {VERSION_TABLE} VALUES (:version)"), version)


@contextlib.contextmanager
def _opened(config: Config) -> Iterator[Gradebook]:
    """The gradebook, for many small transactions.

    SQLite makes and removes a file in each; cutting that to nothing instead is as safe and half as long.
    """
    with Gradebook(config.gradebook, config.name) as gradebook:
        sqlite = gradebook.engine.dialect.name == "sqlite"
        if sqlite:
            gradebook.db.execute(sqlalchemy.text("PRAGMA journal_mode = TRUNCATE"))
        yield gradebook
        if sqlite:
            gradebook.db.execute(sqlalchemy.text("PRAGMA journal_mode = DELETE"))


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
