"""`grading report`: the graded class on one self-contained page."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import jinja2

from grading.config import load_config
from grading.course.adopted import graded_course
from grading.gradebook.store import write_atomically
from grading.gradebook.table import Entry, Exercise, Row, Table, load_table, spread
from grading.records import Status

BINS = 10

SIGNS = {
    Status.PASSED: ("✓", "full points"),
    Status.PARTIAL: ("◐", "some of the points"),
    Status.FAILED: ("✗", "the answer ran and is wrong"),
    Status.ERROR: ("⚡", "the answer raised an exception, or the file could not be read"),
    Status.TIMEOUT: ("◷", "took too long and was stopped"),
    Status.OUT_OF_MEMORY: ("▣", "used more memory than it may"),
    Status.KILLED: ("☠", "ended its own process, or died of a signal"),
    Status.NOT_REACHED: ("…", "the run ended before it; by hand: waits for a person"),
    Status.MISSING: ("∅", "not handed in, or not answered"),
    Status.TAMPERED: ("✎", "a locked cell was changed; the original was graded"),
    Status.INFRASTRUCTURE_ERROR: ("⚙", "the machine failed; not scored, run it again"),
}


@dataclass(frozen=True)
class Met:
    """A misconception that the public checks named, how often, and what it says."""

    name: str
    count: int
    says: str


@dataclass(frozen=True)
class Summary:
    """An exercise over the class. lost: how many hand-ins that ran got less than full points."""

    exercise: Exercise
    ran: int
    lost: int
    mean: float
    met: tuple[Met, ...]

    @property
    def rate(self) -> float:
        """Share of the hand-ins that lost points, 0 to 1."""
        return self.lost / self.ran if self.ran else 0.0


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram: from, to (percent), how many hand-ins."""

    low: int
    high: int
    count: int


def to_html(table: Table, course: str) -> str:
    """The report as one page: no other file, no network. Everything from hand-ins is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("grading", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    ran = [row for row in table.rows if row.was_run]
    mean, median, deviation = spread([row.result.score for row in ran])
    seconds = sorted(row.result.seconds for row in ran)
    return environment.get_template("report.html").render(
        course=course,
        table=table,
        ran=ran,
        tested=sum(exercise.points for exercise in table.exercises if not exercise.manual),
        mean=mean,
        median=median,
        deviation=deviation,
        bars=histogram([percent(row) for row in ran]),
        summaries=[summary(exercise, table, ran) for exercise in table.exercises],
        people=[row for row in table.rows if row.result.needs_human],
        notes=[row for row in table.rows if row.result.notes and not row.result.needs_human],
        waiting=sum(entry.score is None for row in ran for entry in row.entries.values()),
        statuses=Counter(row.result.status for row in table.rows),
        signs=SIGNS,
        shade=shade,
        seconds=seconds,
        slowest=sorted(ran, key=lambda row: -row.result.seconds)[:5],
    )


def to_plain(table: Table) -> dict[str, object]:
    """The class as JSON has it: exercises with what went wrong in them, hand-ins with what became of them."""
    ran = [row for row in table.rows if row.was_run]
    return {
        "assignment": table.assignment,
        "points": table.points,
        "not_graded_yet": list(table.ungraded),
        "exercises": [asdict(summary(exercise, table, ran)) for exercise in table.exercises],
        "hand_ins": [
            {
                "student": row.result.student,
                "status": row.result.status,
                "total": row.total,
                "points": {name: entry.score for name, entry in row.entries.items()},
                "diagnoses": row.result.diagnoses,
                "notes": row.result.notes,
                "needs_human": row.result.needs_human,
                "seconds": row.result.seconds,
            }
            for row in table.rows
        ],
    }


def histogram(values: Sequence[float]) -> list[Bar]:
    """Hand-ins by percent of the points, ten bars; the last one holds 100 as well."""
    counts = Counter(min(int(value * BINS / 100), BINS - 1) for value in values)
    width = 100 // BINS
    return [Bar(number * width, (number + 1) * width, counts[number]) for number in range(BINS)]


def percent(row: Row) -> float:
    """Percent of the points that tests give."""
    return 100 * row.result.score / row.result.max_score if row.result.max_score else 0.0


def summary(exercise: Exercise, table: Table, ran: Sequence[Row]) -> Summary:
    """One exercise over the hand-ins that ran: who lost points, and over which misconceptions."""
    graded = [entry for row in ran if (entry := row.entries.get(exercise.id)) and entry.score is not None]
    lost = sum(entry.score < entry.max_score for entry in graded if entry.score is not None)
    mean, _, _ = spread([entry.score for entry in graded if entry.score is not None])
    names = Counter(name for row in ran for name in row.result.diagnoses.get(exercise.id, ()))
    known = table.says or {}
    met = [
        Met(name, count, known.get((exercise.id, name), ""))
        for name, count in sorted(names.items(), key=lambda item: (-item[1], item[0]))
        if not known or (exercise.id, name) in known
    ]
    return Summary(exercise, len(graded), lost, mean, tuple(met))


def shade(entry: Entry) -> str:
    """The class of a cell of the matrix: how much of the points, in five steps, or why there are none."""
    if entry.score is None:
        return "waits"
    if entry.score >= entry.max_score:
        return "full"
    share = entry.score / entry.max_score
    return "none" if share == 0 else "low" if share < 0.5 else "high"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `grading report`."""
    parser.add_argument("assignment", nargs="?", help="its name; may be left out when there is one")
    parser.add_argument("--output", type=Path, help="the file to write (default: in the course's tree)")
    parser.add_argument("--json", action="store_true", help="print the class for a program; write no page")


def main(args: argparse.Namespace) -> int:
    """Write the report of a graded class and say where."""
    config = graded_course(load_config(args.config))
    table = load_table(config, args.assignment)
    if args.json:
        print(json.dumps(to_plain(table), indent=1))
        return 0
    output = args.output or config.tree / "reports" / f"{table.assignment}.html"
    write_atomically(output, to_html(table, config.name))
    if table.ungraded:
        print(f"not graded yet: {', '.join(table.ungraded)}", file=sys.stderr)
    print(output)
    return 0
