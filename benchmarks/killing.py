"""What a run leaves behind that was ended by `kill -9` again and again, beside an undisturbed one.

    python benchmarks/killing.py [--sizes 1000] [--kills 10] [--seed 1]

The driver is killed at random moments and started again until it is through; what is then in the gradebook
and in the tree must equal what an undisturbed run leaves behind, and no process may be left.
"""

import argparse
import contextlib
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.scaling import command, descendants, make_class, make_course  # noqa: E402
from grading.config import load_config  # noqa: E402

KINDS = """grade.auto_score, grade.manual_score, grade.extra_credit, grade.needs_manual_grade
comment.auto_comment, comment.manual_comment"""


def still_there(processes: dict[int, str]) -> list[int]:
    """Those of these processes that have not ended."""
    left = []
    for pid, began in processes.items():
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if fields[19] == began and fields[0] not in "ZX":
                left.append(pid)
    return left


def contents(root: Path) -> dict[str, object]:
    """All that a run leaves behind, without ids and times that differ each time."""
    tree = load_config(root / "course.toml").tree
    where = (
        " JOIN submitted_notebook ON {0}.notebook_id = submitted_notebook.id"
        " JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id"
        " JOIN assignment ON submitted_assignment.assignment_id = assignment.id"
        " JOIN base_cell ON {0}.cell_id = base_cell.id"
    )
    found: dict[str, object] = {}
    with contextlib.closing(sqlite3.connect(tree / "gradebook.db")) as gradebook:
        tables = [
            name for (name,) in gradebook.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for name in tables:
            found[f"rows of {name}"] = gradebook.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
        for columns in KINDS.splitlines():
            table = columns.partition(".")[0]
            query = f"SELECT student_id, assignment.name, base_cell.name, {columns} FROM {table}"
            found[table] = sorted(map(repr, gradebook.execute(query + where.format(table))))
        for query in (
            "SELECT version_num FROM alembic_version",
            "SELECT student_id, timestamp FROM submitted_assignment",
            "SELECT id, first_name, last_name, email FROM student",
            "SELECT name, type, max_score, cell_type FROM grade_cells JOIN base_cell USING (id)",
            "SELECT name, source, checksum FROM source_cell",
        ):
            found[query] = sorted(map(repr, gradebook.execute(query)))
    for folder in ("autograded", "results"):
        for path in sorted((tree / folder).rglob("*")):
            if path.is_file():
                text = path.read_text()
                found[f"{folder}/{path.relative_to(tree / folder)}"] = (
                    text if path.suffix != ".json" else as_repeated(json.loads(text))
                )
    return found


def as_repeated(value: object) -> object:
    """The same without how long it took and what was drawn: as a second run would leave it."""
    if isinstance(value, dict):
        return {name: as_repeated(item) for name, item in value.items() if name not in ("seconds", "seed")}
    return [as_repeated(item) for item in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Killing:
    """What was seen when a run was killed again and again.

    stored: how many results there were at each kill. lingered: the longest that any process outlived its
    driver, in seconds. left: processes that were there half a minute later.
    """

    stored: tuple[int, ...]
    lingered: float
    left: tuple[int, ...]


def kill_and_resume(root: Path, size: int, kills: int, seed: int, *words: str) -> Killing:
    """Run to the end, ended by `kill -9` at random moments, a fifth of them before the first result."""
    chance, store = random.Random(seed), load_config(root / "course.toml").tree / "results"
    stored, longest, left = [], 0.0, []
    early = kills // 5
    for moment in [0] * early + sorted(chance.randrange(1, size) for _ in range(kills - early)):
        process = subprocess.Popen(
            command(*words), cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while len(list(store.glob("*.json"))) < moment and process.poll() is None:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.3) if moment else chance.uniform(0, 5))
        under = descendants(process.pid)
        process.kill()
        process.wait()
        killed = time.monotonic()
        while still_there(under) and time.monotonic() - killed < 30:
            time.sleep(0.02)
        longest = max(longest, time.monotonic() - killed)
        left += still_there(under)
        stored.append(len(list(store.glob("*.json"))))
    subprocess.run(command(*words), cwd=root, check=True, capture_output=True)
    return Killing(tuple(stored), longest, tuple(left))


def differences(one: dict[str, object], other: dict[str, object]) -> list[str]:
    """The names of what is not the same in both."""
    return [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]


def kill(sizes: Sequence[int], kills: int, seed: int) -> int:
    """Compare a run that was killed with one that was not; 0 when they came out the same."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        course = make_course(Path(folder, "course"))
        for size in sizes:
            calm = make_class(course, Path(folder, f"calm-{size}"), size)
            subprocess.run(command(), cwd=calm, check=True, capture_output=True)
            rough = make_class(course, Path(folder, f"rough-{size}"), size)
            started = time.monotonic()
            seen = kill_and_resume(rough, size, kills, seed)
            seconds = time.monotonic() - started
            found = differences(contents(calm), contents(rough))
            wrong += len(found) + len(seen.left)
            print(
                f"{size} hand-ins, killed {kills} times with {', '.join(map(str, seen.stored))} results"
                f" stored ({seconds:.0f} s): {len(found)} differences to an undisturbed run,"
                f" {len(seen.left)} processes left behind (the last one went after {seen.lingered:.1f} s)"
            )
            print("\n".join(found[:20]))
    return int(wrong > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000], metavar="N")
    parser.add_argument("--kills", type=int, default=10, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    return kill(args.sizes, args.kills, args.seed)


if __name__ == "__main__":
    raise SystemExit(main())
