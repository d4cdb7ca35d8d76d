"""How grading scales: 10, 100 and 1,000 hand-ins on 1 and 2 workers, in a local pool and by Dask.

    python benchmarks/scaling.py [--sizes 10 100 1000] [--workers 1 2] [--places local dask] [--json FILE]
        [--topic 01_convolution]

Every run is the command `grading run` on a fresh copy of a small made-up course, or of a topic of the real
one with its reference and alternatives as hand-ins; Dask's workers have graded something before, so that each
has its warm process. Prints a table in Markdown and writes it as JSON beside those of other topics.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import shutil
import signal
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

from benchmarks.grading import topic_hand_ins  # noqa: E402
from grading.commands.build import build  # noqa: E402
from grading.commands.demo import demo_course  # noqa: E402
from grading.config import load_config  # noqa: E402
from tests.grading.run.conftest import COURSE, MASTER, MadeUp  # noqa: E402

A = MadeUp.assignment
RESULTS = ROOT / "benchmarks" / "results" / "scaling.json"
BEGIN_SECONDS = 180
"""How long scheduler and workers may take to be there on a busy machine."""
ANSWERS: tuple[dict[str, str], ...] = (
    {},
    {"double": "def double(x):\n    return x + x"},
    {"double": "def double(x):\n    return x + 2"},
    {"double": "def double(x):\n    return 2 * int(x)", "root": "def root(x):\n    return x / 2"},
    {"essay": "*Your answer here.*"},
)


@dataclass(frozen=True)
class Row:
    """One run: of what, where, how long, what it used. driver_mb: the most memory that the command had."""

    topic: str
    place: str
    workers: int
    handins: int
    wall_s: float
    cpu_s: float
    driver_mb: float
    per_minute: float
    per_minute_running: float


def make_course(root: Path, topic: str = A) -> Path:
    """The made-up course, built, in this folder; or the real one as it is built, with this topic alone."""
    if topic != A:
        demo_course(load_config(ROOT / "course.toml"), topic, root / "build")
        shutil.copy(ROOT / "course.toml", root)
        words = root / "coursekit/check/forbidden.toml"
        words.parent.mkdir(parents=True)
        shutil.copy(ROOT / "coursekit/check/forbidden.toml", words)
        return root
    masters = root / "solutions" / A
    masters.mkdir(parents=True)
    (masters / "assignment.py").write_text(MASTER)
    (root / "course.toml").write_text(COURSE)
    build(load_config(root / "course.toml"))
    return root


def make_class(course: Path, root: Path, size: int, topic: str = A) -> Path:
    """A copy of the course with so many hand-ins, no two of them the same."""
    shutil.copytree(course, root)
    if topic != A:
        topic_hand_ins(load_config(root / "course.toml"), topic, size)
        return root
    made_up = MadeUp(load_config(root / "course.toml"))
    for number in range(size):
        notebook = made_up.solved(**ANSWERS[number % len(ANSWERS)])
        notebook.cells[-1].source += f"\n\nHand-in {number}."
        made_up.hand_in(f"student-{number:05d}", notebook)
    return root


def command(*words: str, topic: str = A) -> list[str]:
    """`grading run` of an assignment."""
    return [str(Path(sys.executable).with_name("grading")), "run", topic, *words]


def measured(root: Path, size: int, words: Sequence[str], topic: str) -> tuple[float, float, float, float]:
    """A whole run: seconds, seconds of processor, most memory in MB, hand-ins a minute once it is running."""
    started, most, lines = time.monotonic(), 0.0, [0.0, 0.0]
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            command("--json", *words, topic=topic), cwd=root, stdout=subprocess.PIPE, stderr=complaints
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
    from distributed import Client

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
        deadline = time.monotonic() + BEGIN_SECONDS
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
        processes = [start("worker", *words) for _ in range(workers)]
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=BEGIN_SECONDS)
        yield address, processes


def end_group(process: subprocess.Popen) -> None:
    """End a process that leads a group, and its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def local_row(course: Path, folder: Path, topic: str, size: int, workers: int) -> Row:
    root = make_class(course, folder / "course", size, topic)
    wall, cpu, most, running = measured(root, size, ["--jobs", str(workers)], topic)
    return Row(topic, "local", workers, size, wall, cpu, most, 60 * size / wall, running)


def dask_row(course: Path, folder: Path, topic: str, size: int, workers: int) -> Row:
    root = make_class(course, folder / "course", size, topic)
    warm = make_class(course, folder / "warm", 4 * workers, topic)
    with dask_cluster(workers, folder) as (address, processes):
        words = ["--scheduler", address]
        measured(warm, 4 * workers, words, topic)
        before = sum(processor_time(process.pid) for process in processes)
        wall, cpu, most, running = measured(root, size, words, topic)
        cpu += sum(processor_time(process.pid) for process in processes) - before
    return Row(topic, "dask", workers, size, wall, cpu, most, 60 * size / wall, running)


def markdown(rows: Sequence[Row]) -> str:
    heads = [
        "what",
        "where",
        "workers",
        "hand-ins",
        "wall s",
        "CPU s",
        "driver MB",
        "a minute",
        "a minute running",
    ]
    lines = [f"| {' | '.join(heads)} |", "|---|---" + "|---:" * (len(heads) - 2) + "|"]
    for row in rows:
        figures = (row.wall_s, row.cpu_s, row.driver_mb, row.per_minute, row.per_minute_running)
        cells = [
            row.topic,
            row.place,
            str(row.workers),
            str(row.handins),
            *(f"{figure:.1f}" for figure in figures),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def keep(path: Path, about: dict[str, object], rows: Sequence[Row]) -> None:
    """Write the rows in the place of those of the same topic."""
    topic = rows[0].topic
    before = json.loads(path.read_text()) if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {**about, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps({**before, topic: found}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000], metavar="N")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--topic", default=A, help="of the real course instead of the made-up one")
    parser.add_argument("--places", nargs="+", choices=("local", "dask"), default=["local", "dask"])
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the figures go")
    args = parser.parse_args()
    rows = []
    for place in args.places:
        for size in args.sizes:
            for workers in args.workers:
                with tempfile.TemporaryDirectory() as folder:
                    course = make_course(Path(folder, "blueprint"), args.topic)
                    measure = local_row if place == "local" else dask_row
                    rows.append(measure(course, Path(folder), args.topic, size, workers))
                    print(rows[-1], file=sys.stderr)
    about = {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
    }
    keep(args.json, about, rows)
    print(markdown(rows))


if __name__ == "__main__":
    main()
