"""How long `check(...)` takes: the median of 20 calls in a warm process, for a right and a wrong answer.

    python benchmarks/public_check.py [--json FILE]

Prints one row an exercise and the time of the very first check of a process, which also imports what the
checks need.
"""

import argparse
import contextlib
import datetime
import io
import json
import platform
import statistics
import time
from pathlib import Path

import torch

from coursekit import check
from coursekit.check.topics import MODULES, exercises
from grading.course.masters import read_master
from grading.course.variants import answers_of, of_kind, read_variants, solved_cells

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 20


def namespace_of(folder: Path) -> dict[str, object]:
    """The names that the setup cells and the reference answers define."""
    names: dict[str, object] = {}
    for cell, source in solved_cells(read_master(folder / "assignment.py")):
        if cell.role in ("setup", "answer"):
            exec(source, names)
    return names


def seconds(exercise: str, functions: list[object]) -> float:
    """One call, its card printed into nowhere."""
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        check(exercise, *functions)
        return time.perf_counter() - start


def rows_of(topic: str) -> list[dict[str, object]]:
    """Median times of every exercise of a topic: reference answer and first misconception."""
    folder = ROOT / "solutions" / topic
    names = namespace_of(folder)
    wrong = of_kind(read_variants(read_master(folder / "assignment.py")), "misconception")
    rows = []
    for exercise in exercises(topic):
        if exercise.id not in answers_of(read_master(folder / "assignment.py")):
            continue
        variant = next(iter(wrong[exercise.id].values()))
        mistaken = dict(names)
        exec(variant.source, mistaken)
        row: dict[str, object] = {"exercise": exercise.id, "misconception": variant.name}
        for label, source in (("right", names), ("wrong", mistaken)):
            functions = [source[name] for name in exercise.functions]
            first = seconds(exercise.id, functions)
            row[label] = round(statistics.median(seconds(exercise.id, functions) for _ in range(REPEATS)), 4)
            row[f"{label}_first"] = round(first, 4)
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the rows here")
    args = parser.parse_args()
    rows = [row for topic in MODULES for row in rows_of(topic)]
    print(f"{'exercise':<18}{'right (s)':>10}{'wrong (s)':>10}   the wrong answer")
    for row in rows:
        print(f"{row['exercise']:<18}{row['right']:>10.4f}{row['wrong']:>10.4f}   {row['misconception']}")
    print(f"first check of the process: {rows[0]['right_first']:.2f} s")
    if args.json:
        about = {
            "date": datetime.date.today().isoformat(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        }
        args.json.write_text(json.dumps({**about, "repeats": REPEATS, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
