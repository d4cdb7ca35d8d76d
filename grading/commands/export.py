"""`grading export`: the grades as CSV, the same bytes for the same grades."""

import argparse
import csv
import io
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from grading.config import load_config
from grading.course.adopted import graded_course
from grading.gradebook.store import write_atomically
from grading.gradebook.table import Entry, Row, Table, load_table

FORMULA = ("=", "+", "-", "@")
"""What makes a spreadsheet take a text for a formula (OWASP, CSV Injection; CWE-1236)."""

SKIPPED = ("Cc", "Cf", "Zs", "Zl", "Zp", "Mn", "Me")
"""Kinds of characters that nobody sees in front of a text: controls, white space, marks without a letter."""

LOOK_ALIKES = ("\u2212", "\u02d7", "\u2795", "\u2796")
"""Minus and plus signs that Unicode keeps apart."""

COLUMNS = ";"
"""What separates columns as well, where a comma separates decimals."""


def to_csv(table: Table) -> str:
    """One line a hand-in: student, status, points in every exercise, total, and what the total may be.

    An exercise that nobody has graded yet is empty, never 0. No times: they differ from run to run.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    exercises = [harmless(exercise.id) for exercise in table.exercises]
    writer.writerow(["student", "status", *exercises, "total", "max"])
    writer.writerows(_line(row, table) for row in table.rows)
    return text.getvalue()


def harmless(text: str) -> str:
    """The text on one line, with an apostrophe in front where a spreadsheet would compute it.

    Spreadsheets fold signs of other widths into the usual ones, so what counts is what a sign is compatible
    with in Unicode (NFKC); every dash and minus counts as one.
    """
    line = "".join(character if character.isprintable() else " " for character in text)
    cells = line.split(COLUMNS)
    return COLUMNS.join(f"'{cell}" if _begins_as_formula(cell) else cell for cell in cells)


def _begins_as_formula(text: str) -> bool:
    seen = (sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) not in SKIPPED)
    first = next(seen, "")
    return first in FORMULA or first in LOOK_ALIKES or (first != "" and unicodedata.category(first) == "Pd")


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
