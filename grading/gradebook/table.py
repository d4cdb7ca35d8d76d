"""The class as a table: hand-ins down, exercises across, points that people gave included."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import nbformat
from nbgrader import utils

from grading.config import Config
from grading.course.masters import read_master
from grading.course.variants import Variant, read_variants
from grading.errors import SubmissionError, UsageError
from grading.gradebook.record import scores_by_hand, student_id
from grading.gradebook.store import store_of
from grading.handins.plan import plan
from grading.handins.tree import built_assignments, source_path
from grading.records import CellResult, Result, Status, exercise_of

NOT_RUN = (Status.MISSING, Status.ERROR, Status.INFRASTRUCTURE_ERROR)


@dataclass(frozen=True)
class Exercise:
    """A column: what it is called, its points, and whether a person grades all of it."""

    id: str
    points: float
    manual: bool


@dataclass(frozen=True)
class Entry:
    """One hand-in's outcome in one exercise; score None: nobody has graded it yet."""

    score: float | None
    max_score: float
    status: Status
    says: str = ""


@dataclass(frozen=True)
class Row:
    """One hand-in: its result and its entry in every exercise."""

    result: Result
    entries: Mapping[str, Entry]

    @property
    def total(self) -> float:
        """Points so far, those given by hand included."""
        return sum(entry.score or 0.0 for entry in self.entries.values())

    @property
    def was_run(self) -> bool:
        """Whether anything of this hand-in could be executed."""
        return any(
            cell.status not in NOT_RUN or cell.seconds > 0 for cell in self.result.cells if not cell.manual
        )


@dataclass(frozen=True)
class Table:
    """A graded class. ungraded: students whose hand-in changed or came after the last run."""

    assignment: str
    exercises: tuple[Exercise, ...]
    rows: tuple[Row, ...]
    ungraded: tuple[str, ...] = ()
    says: Mapping[tuple[str, str], str] | None = None

    @property
    def points(self) -> float:
        """All points there are, by tests and by hand."""
        return sum(exercise.points for exercise in self.exercises)


def load_table(config: Config, assignment: str | None) -> Table:
    """The class as it was last graded; the assignment may be left out where there is only one.

    Raises:
        SubmissionError: Nothing has been built or graded. UsageError: The assignment has to be named.
    """
    assignment = assignment or _only_assignment(config)
    store = store_of(config)
    jobs = plan(config, assignment)
    found = [(job, store.load(job)) for job in jobs]
    results = [result for _, result in found if result is not None]
    if not results:
        fix = f"run `grading run {assignment}` first"
        raise SubmissionError(f"no hand-in of {assignment} has been graded", config.tree, fix)
    ungraded = tuple(job.student for job, result in found if result is None)
    variants = _variants(config, assignment)
    return make_table(
        assignment,
        results,
        _exercise_ids(config, assignment),
        by_hand=scores_by_hand(config, assignment),
        ungraded=ungraded,
        says={(variant.exercise, variant.name): variant.says for variant in variants},
    )


def make_table(
    assignment: str,
    results: Sequence[Result],
    exercise_ids: Sequence[str],
    *,
    by_hand: Mapping[str, Mapping[str, float]] | None = None,
    ungraded: tuple[str, ...] = (),
    says: Mapping[tuple[str, str], str] | None = None,
) -> Table:
    """The table of these results, rows by student, columns in the order of the notebook.

    exercise_ids: names that group cells ("conv2d" for "test-conv2d-stride"); a cell that belongs to none
    is a column of its own. by_hand: student to grade_id to the points that a person gave.
    """
    grouped = [_grouped(result, exercise_ids) for result in results]
    longest = max(grouped, key=len, default={})
    exercises = tuple(
        Exercise(name, sum(cell.max_score for cell in cells), all(cell.manual for cell in cells))
        for name, cells in longest.items()
    )
    rows = [
        Row(
            result,
            {
                name: _entry(cells, (by_hand or {}).get(student_id(result.student), {}))
                for name, cells in group.items()
            },
        )
        for result, group in zip(results, grouped, strict=True)
    ]
    rows.sort(key=lambda row: row.result.student)
    return Table(assignment, exercises, tuple(rows), ungraded, says)


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, median and standard deviation; zeros of an empty class."""
    if not values:
        return 0.0, 0.0, 0.0
    return statistics.fmean(values), statistics.median(values), statistics.pstdev(values)


def _grouped(result: Result, exercise_ids: Sequence[str]) -> dict[str, list[CellResult]]:
    groups: dict[str, list[CellResult]] = {}
    for cell in result.cells:
        if not cell.manual and not cell.max_score:
            continue  # what tests share: nobody earns anything there
        groups.setdefault(exercise_of(cell.grade_id, exercise_ids), []).append(cell)
    return groups


def _entry(cells: Sequence[CellResult], by_hand: Mapping[str, float]) -> Entry:
    scores = [_score(cell, by_hand.get(cell.grade_id)) for cell in cells]
    points = sum(cell.max_score for cell in cells)
    known = [score for score in scores if score is not None]
    score = sum(known) if len(known) == len(scores) else None
    says = "\n".join(f"{cell.grade_id}: {cell.says}" for cell in cells if cell.says)
    if score is None:
        waiting = (
            Status.INFRASTRUCTURE_ERROR
            if cells[0].status is Status.INFRASTRUCTURE_ERROR
            else Status.NOT_REACHED
        )
        return Entry(None, points, waiting, says)
    if score >= points:
        return Entry(score, points, Status.PASSED, says)
    if score > 0:
        return Entry(score, points, Status.PARTIAL, says)
    worst = next(cell.status for cell in cells if cell.status is not Status.PASSED or cell.manual)
    return Entry(score, points, Status.FAILED if worst is Status.PASSED else worst, says)


def _score(cell: CellResult, by_hand: float | None) -> float | None:
    if by_hand is not None:
        return by_hand
    if cell.status is Status.INFRASTRUCTURE_ERROR or (cell.manual and cell.status is Status.PASSED):
        return None
    return cell.score


def _exercise_ids(config: Config, assignment: str) -> list[str]:
    """From the master where the course has one, else the answer cells of the notebook."""
    master = config.masters / assignment / "assignment.py"
    header = read_master(master).header if master.is_file() else None
    if header is not None:
        return [exercise.id for exercise in header.exercises]
    notebook = nbformat.read(source_path(config, assignment), as_version=4)
    return [cell.metadata.nbgrader.grade_id for cell in notebook.cells if utils.is_solution(cell)]


def _variants(config: Config, assignment: str) -> tuple[Variant, ...]:
    path = config.masters / assignment / "assignment.py"
    return read_variants(read_master(path)) if path.is_file() else ()


def _only_assignment(config: Config) -> str:
    first, *others = built_assignments(config)
    if not others:
        return first
    fix = f"name one of {', '.join([first, *others])}"
    raise UsageError("there are several assignments", config.tree / "source", fix)
