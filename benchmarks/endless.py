"""A class with one hand-in that never ends: how long it takes, and what the progress bar says meanwhile.

    python -m benchmarks.endless [--hand-ins 100] [--workers 2] [--cell-seconds 20] [--places 0 13 50]

Each row is the command `grading run` on a fresh copy of the small made-up course; the endless one stands at
this place among the students. Ideal: the jobs' own times, as their results have them, shared evenly among the
workers, or the longest of them where that is more. Took: from the begin of the first one to the last result.
Both are of one run, so that what else the machine does cancels. Bar: what it had counted, and what was
stored, when the endless one had run for three quarters of its time. Prints a table in Markdown, writes JSON.
"""

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.scaling import ANSWERS, command, make_course
from grading.config import load_config
from tests.grading.run.conftest import MadeUp

RESULTS = Path(__file__).parent / "results" / "endless.json"
ENDLESS = "def double(x):\n    while True:\n        pass"
COUNTED = re.compile(r"\| (\d+)/\d+ \[(.*)\]")


@dataclass(frozen=True)
class Row:
    """One run: times in seconds; what the bar counted and said, and what was stored, at the moment `at_s`."""

    place: int
    handins: int
    workers: int
    longest_s: float
    mean_s: float
    ideal_s: float
    took_s: float
    command_s: float
    at_s: float
    stored: int
    counted: int
    said: str

    @property
    def ratio(self) -> float:
        """How much longer than the ideal."""
        return self.took_s / self.ideal_s


class Bar:
    """What the command says on stderr, each line with the time it came."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[tuple[float, str]] = []
        self.process = process
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:  # universal newlines: each time the bar is drawn anew
            self.lines.append((time.time(), line.strip()))

    def at(self, moment: float) -> tuple[int, str]:
        """What it showed then: how many, and the rest of the line."""
        found = (0, "")
        for came, line in self.lines:
            if came <= moment and (match := COUNTED.search(line)):
                found = (int(match[1]), match[2])
        return found


def hand_in_class(made_up: MadeUp, size: int, place: int) -> None:
    """So many hand-ins, no two of them the same, and the endless one at its place."""
    for number in range(size):
        answers = {"double": ENDLESS} if number == place else ANSWERS[number % len(ANSWERS)]
        notebook = made_up.solved(**answers)
        notebook.cells[-1].source += f"\n\nHand-in {number}."
        made_up.hand_in(f"student-{number:04}", notebook)


def measured(root: Path, size: int, place: int, workers: int, seconds: float) -> Row:
    """Grade the class in this folder."""
    course = make_course(root)
    file = course / "course.toml"
    text = re.sub(r"(cell|job)_seconds = \d+", "", file.read_text())
    file.write_text(text + f"cell_seconds = {seconds}\njob_seconds = {4 * seconds}\n")
    config = load_config(file)
    hand_in_class(MadeUp(config), size, place)
    started = time.time()
    process = subprocess.Popen(
        command("--jobs", str(workers)),
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    bar = Bar(process)
    if process.wait():
        raise SystemExit("\n".join(line for _, line in bar.lines))
    bar.thread.join()
    command_s = time.time() - started
    took: dict[str, tuple[float, float]] = {}
    for path in (config.tree / "results").glob("*.json"):
        result = json.loads(path.read_text())
        took[result["student"]] = (result["seconds"], path.stat().st_mtime)
    if len(took) != size:
        raise SystemExit(f"{len(took)} results of {size} hand-ins")
    own = [own for own, _ in took.values()]
    begin = min(ended - own for own, ended in took.values())
    endless, ended = took[f"student-{place:04}"]
    moment = ended - endless / 4
    counted, said = bar.at(moment)
    return Row(
        place,
        size,
        workers,
        max(own),
        sum(own) / size,
        max(max(own), sum(own) / workers),
        max(ended for _, ended in took.values()) - begin,
        command_s,
        moment - begin,
        sum(ended <= moment for _, ended in took.values()),
        counted,
        said,
    )


def markdown(rows: Sequence[Row]) -> str:
    """The table."""
    heads = [
        "endless",
        "hand-ins",
        "workers",
        "longest_s",
        "mean_s",
        "ideal_s",
        "took_s",
        "ratio",
        "at_s",
        "stored",
        "bar",
    ]
    lines = [f"| {' | '.join(heads)} |", "|---:" * (len(heads) - 1) + "|---|"]
    for row in rows:
        times = (row.longest_s, row.mean_s, row.ideal_s, row.took_s)
        cells = [
            str(row.place),
            str(row.handins),
            str(row.workers),
            *(f"{figure:.2f}" for figure in times),
            f"{row.ratio:.3f}",
            f"{row.at_s:.1f}",
            str(row.stored),
            f"{row.counted}/{row.handins} [{row.said}]",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hand-ins", type=int, default=100, metavar="N")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    parser.add_argument("--cell-seconds", type=float, default=20, metavar="S", help="the limit of a cell")
    parser.add_argument("--places", type=int, nargs="+", default=[0, 13, 50], metavar="N")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the figures go")
    args = parser.parse_args()
    rows = []
    for place in args.places:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve()
            rows.append(measured(root, args.hand_ins, place, args.workers, args.cell_seconds))
            print(rows[-1], file=sys.stderr)
    found = [{**asdict(row), "ratio": row.ratio} for row in rows]
    about = {"date": datetime.date.today().isoformat(), "cores": os.cpu_count()}
    args.json.write_text(json.dumps({**about, "rows": found}, indent=1) + "\n")
    print(markdown(rows))


if __name__ == "__main__":
    main()
