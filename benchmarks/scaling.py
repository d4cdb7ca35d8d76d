"""How grading scales: 10, 100 and 1,000 hand-ins on 1 and 2 workers, in a local pool and by Dask.

    python benchmarks/scaling.py [--sizes 10 100 1000] [--workers 1 2] [--places local dask] [--json FILE]
    python benchmarks/scaling.py --kill [--sizes 1000] [--kills 10] [--seed 1]

Every run is the command `grading run` on a fresh copy of a small made-up course; Dask's workers have graded
something before, so that each has its warm process. Prints a table in Markdown and writes the same as JSON.

--kill: the driver is ended by `kill -9` at random moments and started again until it is through; what is
then in the gradebook and in the tree must equal what an undisturbed run leaves behind.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from grading.build import build  # noqa: E402
from grading.config import load_config  # noqa: E402
from tests.grading.run.conftest import COURSE, MASTER, MadeUp  # noqa: E402

A = MadeUp.assignment
RESULTS = ROOT / "benchmarks" / "results" / "scaling.json"
ANSWERS = (
    {},
    {"double": "def double(x):\n    return x + x"},
    {"double": "def double(x):\n    return x + 2"},
    {"double": "def double(x):\n    return 2 * int(x)", "root": "def root(x):\n    return x / 2"},
    {"essay": "*Your answer here.*"},
)
KINDS = """grade.auto_score, grade.manual_score, grade.extra_credit, grade.needs_manual_grade
comment.auto_comment, comment.manual_comment"""


@dataclass(frozen=True)
class Row:
    """One run: where, how long, and what it used. driver_mb: the most memory that `grading run` ever had."""

    place: str
    workers: int
    handins: int
    wall_s: float
    cpu_s: float
    driver_mb: float
    per_minute: float
    per_minute_running: float


def make_course(root: Path) -> Path:
    """The made-up course, built, in this folder."""
    masters = root / "solutions" / A
    masters.mkdir(parents=True)
    (masters / "assignment.py").write_text(MASTER)
    (root / "course.toml").write_text(COURSE)
    build(load_config(root / "course.toml"))
    return root


def make_class(course: Path, root: Path, size: int) -> Path:
    """A copy of the course with so many hand-ins, no two of them the same."""
    shutil.copytree(course, root)
    made_up = MadeUp(load_config(root / "course.toml"))
    for number in range(size):
        notebook = made_up.solved(**ANSWERS[number % len(ANSWERS)])
        notebook.cells[-1].source += f"\n\nHand-in {number}."
        made_up.hand_in(f"student-{number:05d}", notebook)
    return root


def command(*words: str) -> list[str]:
    """`grading run` of the made-up assignment."""
    return [str(Path(sys.executable).with_name("grading")), "run", A, *words]


def measured(root: Path, size: int, words: Sequence[str]) -> tuple[float, float, float, float]:
    """A whole run: seconds, seconds of processor, most memory in MB, hand-ins a minute once it is running."""
    started, most, lines = time.monotonic(), 0.0, [0.0, 0.0]
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            command("--json", *words), cwd=root, stdout=subprocess.PIPE, stderr=complaints
        )
        assert process.stdout is not None
        for number, _ in enumerate(process.stdout):  # a line a hand-in
            lines[min(number, 1)] = time.monotonic()
            most = max(most, peak_memory(process.pid))
        most = max(most, peak_memory(process.pid))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or number + 1 != size:
            complaints.seek(0)
            raise SystemExit(f"grading run ended with {process.returncode}:\n{complaints.read()}")
    wall, running = time.monotonic() - started, max(lines[1] - lines[0], 1e-3)
    return wall, usage.ru_utime + usage.ru_stime, most, 60 * (size - 1) / running


def peak_memory(pid: int) -> float:
    """The most memory that this process alone ever had, in MB; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def descendants(pid: int) -> dict[int, str]:
    """Every process under this one with the time it began, by which it can be told from a later one."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = (int(fields[1]), fields[19])
    found, before = {pid}, 0
    while len(found) > before:
        before = len(found)
        found |= {child for child, (parent, _) in parents.items() if parent in found}
    return {child: parents[child][1] for child in found - {pid} if child in parents}


def still_there(processes: dict[int, str]) -> list[int]:
    """Those of these processes that have not ended."""
    left = []
    for pid, began in processes.items():
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if fields[19] == began and fields[0] not in "ZX":
                left.append(pid)
    return left


def processor_time(pid: int) -> float:
    """Seconds that this process, all under it and all they have waited for have used."""
    ticks = 0
    for one in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def dask_cluster(workers: int, folder: Path, **settings: str) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A scheduler and workers of one thread each, processes like anybody's; its address and the workers."""
    program, file = str(Path(sys.executable).with_name("dask")), folder / "scheduler.json"
    environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT)}
    where = ["--scheduler-file", str(file), "--no-dashboard"]
    with contextlib.ExitStack() as all_of_them:

        def start(*words: str) -> subprocess.Popen:
            log = all_of_them.enter_context((folder / f"{words[0]}.log").open("a"))
            process = subprocess.Popen(
                [program, *words, *where],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            all_of_them.callback(end_group, process)
            return process

        start("scheduler", "--host", "127.0.0.1", "--port", "0")
        deadline = time.monotonic() + 60
        while not file.exists() or not file.read_text().strip():
            if time.monotonic() > deadline:
                raise SystemExit((folder / "scheduler.log").read_text())
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        words = [
            "--host",
            "127.0.0.1",
            "--nworkers",
            "1",
            "--nthreads",
            "1",
            "--local-directory",
            str(folder),
        ]
        yield address, [start("worker", *words) for _ in range(workers)]


def end_group(process: subprocess.Popen) -> None:
    """End a process that leads a group, and its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def local_row(course: Path, folder: Path, size: int, workers: int) -> Row:
    root = make_class(course, folder / "course", size)
    wall, cpu, most, running = measured(root, size, ["--jobs", str(workers)])
    return Row("local", workers, size, wall, cpu, most, 60 * size / wall, running)


def dask_row(course: Path, folder: Path, size: int, workers: int) -> Row:
    root = make_class(course, folder / "course", size)
    warm = make_class(course, folder / "warm", 4 * workers)
    with dask_cluster(workers, folder) as (address, processes):
        words = ["--scheduler", address]
        measured(warm, 4 * workers, words)
        before = sum(processor_time(process.pid) for process in processes)
        wall, cpu, most, running = measured(root, size, words)
        cpu += sum(processor_time(process.pid) for process in processes) - before
    return Row("dask", workers, size, wall, cpu, most, 60 * size / wall, running)


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
                    text if path.suffix != ".json" else without_seconds(json.loads(text))
                )
    return found


def without_seconds(value: object) -> object:
    """The same without how long it took."""
    if isinstance(value, dict):
        return {name: without_seconds(item) for name, item in value.items() if name != "seconds"}
    return [without_seconds(item) for item in value] if isinstance(value, list) else value


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


def markdown(rows: Sequence[Row]) -> str:
    heads = ["where", "workers", "hand-ins", "wall s", "CPU s", "driver MB", "a minute", "a minute running"]
    lines = [f"| {' | '.join(heads)} |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for row in rows:
        figures = (row.wall_s, row.cpu_s, row.driver_mb, row.per_minute, row.per_minute_running)
        cells = [row.place, str(row.workers), str(row.handins), *(f"{figure:.1f}" for figure in figures)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000], metavar="N")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--places", nargs="+", choices=("local", "dask"), default=["local", "dask"])
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the figures go")
    parser.add_argument("--kill", action="store_true", help="kill and resume instead of measuring")
    parser.add_argument("--kills", type=int, default=10, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.kill:
        return kill(args.sizes, args.kills, args.seed)
    rows = []
    for place in args.places:
        for size in args.sizes:
            for workers in args.workers:
                with tempfile.TemporaryDirectory() as folder:
                    course = make_course(Path(folder, "blueprint"))
                    measure = local_row if place == "local" else dask_row
                    rows.append(measure(course, Path(folder), size, workers))
                    print(rows[-1], file=sys.stderr)
    about = {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
    }
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps({**about, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")
    print(markdown(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
