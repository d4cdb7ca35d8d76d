"""`grading demo`: a made-up class graded from beginning to end, and the grades held against what it deserves.

The class is made from an assignment's master (`grading.course.made_up_class`); nobody in it exists.
Everything is done in a course tree of its own by the code that grades real hand-ins.
"""

import argparse
import dataclasses
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import nbformat

from grading.commands.export import to_csv
from grading.commands.report import to_html
from grading.commands.run import positive, results
from grading.config import Config, load_config
from grading.course import nbgrader_tree
from grading.course.made_up_class import ANY, FULL, LESS, ZERO, HandIn, make_class, selection
from grading.course.masters import Master, read_master
from grading.course.variants import Variant, read_variants
from grading.errors import MasterError, SubmissionError
from grading.gradebook.record import record
from grading.gradebook.store import store_of, write_atomically
from grading.gradebook.table import Row, Table, load_table
from grading.handins.plan import plan
from grading.handins.tree import check_built

CELL_SECONDS = 10.0
"""Shorter than in a real run: one hand-in of the class never ends."""

MISCONCEPTIONS, ALTERNATIVES = 5, 1
"""How many of each an exercise has in the class, unless all are asked for: seventy seconds on two cores."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `grading demo`."""
    parser.add_argument("assignment", nargs="?", help="its name (default: the first one)")
    parser.add_argument("--out", type=Path, help="where everything goes (default: build/demo)")
    parser.add_argument("--all", action="store_true", help="every misconception and alternative there is")
    parser.add_argument(
        "--jobs", type=positive, default=os.cpu_count() or 1, metavar="N", help="hand-ins at a time"
    )


def main(args: argparse.Namespace) -> int:
    """Make the class, grade it and check the grades; 0 when every hand-in got what it deserves."""
    started = time.monotonic()
    course = load_config(args.config)
    assignment = args.assignment or _first_assignment(course)
    out = args.out or course.root / "build" / "demo"
    config = demo_course(course, assignment, out)
    master = _master(course, assignment)
    variants = read_variants(master)
    chosen = variants if args.all else _selection(variants)
    released = course.tree / "release" / assignment / f"{assignment}.ipynb"
    handins = make_class(master, chosen, nbformat.read(released, as_version=4))
    hand_in(handins, config, assignment)

    jobs = plan(config, assignment)
    print(f"{assignment}: a class of {len(jobs)} hand-ins, {args.jobs} at a time")
    if len(chosen) < len(variants):
        print(f"{len(chosen)} of {len(variants)} misconceptions and alternatives; --all takes every one")
    sys.stdout.flush()
    store = store_of(config)
    known = sum(store.load(job) is not None for job in jobs)
    record(config, assignment, results(jobs, store, workers=args.jobs))
    table = load_table(config, assignment)
    write_atomically(out / "report.html", to_html(table, f"{course.name}, a made-up class"))
    write_atomically(out / "grades.csv", to_csv(table))

    wrong = differences(handins, table)
    for line in _lines(handins, table, wrong):
        print(line)
    seconds = time.monotonic() - started
    print(f"\n{len(jobs)} hand-ins in {seconds:.0f} s ({known} of them graded before)")
    print(f"report  {out / 'report.html'}\ngrades  {out / 'grades.csv'}")
    print(f"one by one, in nbgrader's own pages:  cd {config.tree} && jupyter lab  (Nbgrader > Formgrader)")
    return 1 if wrong else 0


def demo_course(course: Config, assignment: str, out: Path) -> Config:
    """A course tree for the demonstration, beside the real one: the same source and release, other hand-ins.

    Raises:
        SubmissionError: The assignment has not been built. UsageError: There is no such assignment.
    """
    check_built(course, assignment)
    tree = out.resolve() / "course"
    limits = dataclasses.replace(course.limits, cell_seconds=min(CELL_SECONDS, course.limits.cell_seconds))
    gradebook = f"sqlite:///{tree / 'gradebook.db'}"
    config = dataclasses.replace(course, tree=tree, gradebook=gradebook, limits=limits)
    for kind in ("source", "release"):
        path = Path(kind, assignment, f"{assignment}.ipynb")
        changed = (
            not (tree / path).is_file() or (tree / path).read_bytes() != (course.tree / path).read_bytes()
        )
        if changed:  # recorded hand-ins belong to the former cells
            (tree / "gradebook.db").unlink(missing_ok=True)
            write_atomically(tree / path, (course.tree / path).read_text(encoding="utf-8"))
    write_atomically(tree / "nbgrader_config.py", nbgrader_tree.nbgrader_config(config))
    return config


def hand_in(handins: Sequence[HandIn], config: Config, assignment: str) -> None:
    """Put the class into the tree in the place of the one that was there."""
    submitted = config.tree / "submitted"
    shutil.rmtree(submitted, ignore_errors=True)
    for handin in handins:
        folder = submitted / handin.student / assignment
        folder.mkdir(parents=True)
        path = folder / (handin.file or f"{assignment}.ipynb")
        if handin.link is not None:
            path.symlink_to(submitted / handin.link / assignment / path.name)
        elif handin.content is not None:
            path.write_bytes(handin.content)


def differences(handins: Sequence[HandIn], table: Table) -> dict[str, str]:
    """Students whose grade is not what their hand-in deserves, and how it differs."""
    rows = {row.result.student: row for row in table.rows}
    found = {
        handin.student: "; ".join(_differences(handin, rows[handin.student]))
        if handin.student in rows
        else "no result"
        for handin in handins
    }
    return {student: says for student, says in found.items() if says}


def _differences(handin: HandIn, row: Row) -> Iterator[str]:
    result, deserves = row.result, handin.deserves
    if result.status not in deserves.statuses:
        yield f"is {result.status}, not {' or '.join(sorted(deserves.statuses))}"
    for exercise, wanted in deserves.points.items():
        entry = row.entries[exercise]
        if entry.score is None:
            yield f"{exercise} has no score"
            continue
        full = entry.score == entry.max_score
        right = {ANY: True, FULL: full, LESS: not full, ZERO: entry.score == 0}
        if not right[wanted]:
            yield f"{exercise} has {entry.score:g} of {entry.max_score:g}, deserves {wanted}"
    if (result.needs_human is not None) != deserves.needs_human:
        said = f"asks for a person ({result.needs_human})" if result.needs_human else "asks for no person"
        yield said


def _lines(handins: Sequence[HandIn], table: Table, wrong: Mapping[str, str]) -> Iterator[str]:
    kinds = Counter(handin.kind for handin in handins)
    right = Counter(handin.kind for handin in handins if handin.student not in wrong)
    width = max(map(len, kinds))
    yield f"\n{'kind':{width}}  hand-ins  as deserved"
    for kind, count in kinds.items():
        mark = "" if right[kind] == count else "  <-"
        yield f"{kind:{width}}  {count:8}  {right[kind]:11}{mark}"
    yield f"{'all':{width}}  {len(handins):8}  {len(handins) - len(wrong):11}"
    diagnoses = {row.result.student: row.result.diagnoses for row in table.rows}
    asked = [handin for handin in handins if handin.diagnosis is not None]
    named = sum(_is_named(handin, diagnoses.get(handin.student, {})) for handin in asked)
    if asked:
        yield f"misconceptions named by the public checks: {named} of {len(asked)}"
    yield from (f"{student} {says}" for student, says in wrong.items())


def _is_named(handin: HandIn, diagnoses: Mapping[str, Sequence[str]]) -> bool:
    assert handin.diagnosis is not None
    exercise, name = handin.diagnosis
    return name in diagnoses.get(exercise, ())


def _selection(variants: Sequence[Variant]) -> list[Variant]:
    wrong = selection(variants, "misconception", MISCONCEPTIONS)
    return wrong + selection(variants, "alternative", ALTERNATIVES)


def _master(course: Config, assignment: str) -> Master:
    path = course.masters / assignment / "assignment.py"
    if not path.is_file():
        raise MasterError("there is no master to make a class from", path, "name another assignment")
    return read_master(path)


def _first_assignment(course: Config) -> str:
    names = sorted(path.parent.name for path in course.masters.glob("*/assignment.py"))
    if not names:
        raise SubmissionError(
            "there is no assignment", course.masters, "write one, or correct course.masters"
        )
    return names[0]
