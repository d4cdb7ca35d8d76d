"""`grading export`: the grades as CSV, the same bytes for the same grades."""

import argparse
import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path

from grading.config import load_config
from grading.course.adopted import graded_course
from grading.gradebook.store import write_atomically
from grading.gradebook.table import Entry, Row, Table, load_table

FORMULA = ("=", "+", "-", "@")
"""What makes a spreadsheet take a text for a formula."""


def to_csv(table: Table) -> str:
    """One line a hand-in: student, status, points in every exercise, total, and what the total may be.

    An exercise that nobody has graded yet is empty, never 0. No times: they differ from run to run.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "status", *(exercise.id for exercise in table.exercises), "total", "max"])
    writer.writerows(_line(row, table) for row in table.rows)
    return text.getvalue()


def harmless(text: str) -> str:
    """The text on one line, with an apostrophe in front where a spreadsheet would compute it."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return f"'{line}" if line.lstrip().startswith(FORMULA) else line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `grading export`."""
    parser.add_argument("assignment", nargs="?", help="its name; may be left out when there is one")
    parser.add_argument("--output", type=Path, help="the file to write (default: the terminal)")


def main(args: argparse.Namespace) -> int:
    """Write the grades of a graded class."""
    table = load_table(graded_course(load_config(args.config)), args.assignment)
    if args.output is None:
        print(to_csv(table), end="")
    else:
        write_atomically(args.output, to_csv(table))
        print(f"{args.output}: {len(table.rows)} hand-ins", file=sys.stderr)
    if table.ungraded:
        print(f"not graded yet: {', '.join(table.ungraded)}", file=sys.stderr)
    return 0


def _line(row: Row, table: Table) -> Iterator[str]:
    yield harmless(row.result.student)
    yield str(row.result.status)
    for exercise in table.exercises:
        entry = row.entries.get(exercise.id)
        yield _points(entry)
    yield f"{row.total:g}"
    yield f"{table.points:g}"


def _points(entry: Entry | None) -> str:
    return "" if entry is None or entry.score is None else f"{entry.score:g}"
