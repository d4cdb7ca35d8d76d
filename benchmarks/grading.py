"""The same hand-ins graded by stock `nbgrader autograde` and by us, in one run on the same cores.

    python benchmarks/grading.py small             # five one-line answers, five tests, torch and torchvision
    python benchmarks/grading.py 01_convolution    # the reference and the alternatives of a real topic

Stock takes seconds a hand-in, so it grades `--stock` of them and we grade `--ours`, among them the same
ones, whose scores are compared. Wall time of ours includes starting the warm process, which is also given
by itself. Prints a Markdown table and writes JSON.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # this file is called as the package is that it measures

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import tempfile
import time
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from typing import Any

import nbformat
from nbgrader.api import Gradebook

from grading.commands.build import build
from grading.commands.demo import demo_course
from grading.commands.run import results
from grading.config import Config, load_config
from grading.course.made_up_class import make_class
from grading.course.masters import read_master
from grading.course.variants import read_variants
from grading.gradebook.record import recording
from grading.gradebook.store import store_of
from grading.handins.plan import plan
from grading.warm.client import stop_all, warm_process

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
TOPIC = "01_small"
ANSWERS = {
    "double": ("def double(x):", "    return 2 * x", "assert double(3) == 6"),
    "norm": (
        "def norm(x):",
        "    return (x * x).sum().sqrt()",
        "assert abs(norm(torch.tensor([3.0, 4.0])) - 5) < 1e-6",
    ),
    "relu": (
        "def relu(x):",
        "    return x.clamp(min=0)",
        "assert torch.equal(relu(torch.tensor([-1.0, 2.0])), torch.tensor([0.0, 2.0]))",
    ),
    "shape": ("def shape(x):", "    return tuple(x.shape)", "assert shape(torch.zeros(2, 3)) == (2, 3)"),
    "mean": ("def mean(x):", "    return x.mean()", "assert mean(torch.ones(4)) == 1"),
}
COURSE = """
[course]
name = "small"
ships = ["notebooks"]

[engine]
preload = ["numpy", "torch", "torchvision"]
"""


def small_course(root: Path) -> Config:
    """A course of one notebook: five answers of one line, five tests, torch and torchvision imported."""
    header = [
        "# /// course",
        f'# topic = "{TOPIC}"',
        '# title = "Small"',
        "# minutes = 5",
        '# objectives = ["one"]',
    ]
    cells = ["# %% setup=true\nimport torch\nimport torchvision"]
    for name, (head, body, test) in ANSWERS.items():
        header += ["#", f"# [exercises.{name}]", "# points = 1"]
        cells.append(f'# %% answer="{name}"\n{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION')
        cells.append(f'# %% check="{name}"\ncallable({name})')
        cells.append(f'# %% test="{name}" points=1\n### BEGIN HIDDEN TESTS\n{test}\n### END HIDDEN TESTS')
    folder = root / "solutions" / TOPIC
    folder.mkdir(parents=True)
    (folder / "assignment.py").write_text(
        "\n".join([*header, "# ///", ""]) + "\n" + "\n\n".join(cells) + "\n"
    )
    (root / "course.toml").write_text(COURSE)
    config = load_config(root / "course.toml")
    build(config)
    return config


def small_hand_ins(config: Config, count: int) -> None:
    """Every third hand-in has one answer wrong, so that scores differ."""
    released = nbformat.read(config.tree / "release" / TOPIC / f"{TOPIC}.ipynb", as_version=4)
    for number in range(count):
        notebook = nbformat.from_dict(json.loads(json.dumps(released)))
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in ANSWERS:
                head, body, _ = ANSWERS[name]
                wrong = number % 3 == 2 and name == "double"
                cell.source = f"{head}\n{'    return x' if wrong else body}\n# hand-in {number}"
        write(config, TOPIC, f"student-{number:04}", nbformat.writes(notebook))


def topic_course(root: Path, topic: str) -> Config:
    """The course itself, with a tree of its own."""
    return demo_course(load_config(ROOT / "course.toml"), topic, root)


def topic_hand_ins(config: Config, topic: str, count: int) -> None:
    """The reference, every alternative, and right hand-ins again until there are enough."""
    master = read_master(ROOT / "solutions" / topic / "assignment.py")
    variants = [v for v in read_variants(master) if v.kind == "alternative"]
    released = nbformat.read(config.tree / "release" / topic / f"{topic}.ipynb", as_version=4)
    honest = [
        handin
        for handin in make_class(master, variants, released)
        if handin.kind in ("reference", "alternative") and handin.content is not None
    ]
    for number in range(count):
        handin = honest[number % len(honest)]
        text = handin.content.decode().replace("\n", "\n", 1)
        notebook = nbformat.reads(text, as_version=4)
        notebook.cells.append(nbformat.v4.new_markdown_cell(f"hand-in {number}"))  # none is graded twice
        write(config, topic, f"student-{number:04}", nbformat.writes(notebook))


def write(config: Config, topic: str, student: str, text: str) -> None:
    """Hand in."""
    path = config.tree / "submitted" / student / topic / f"{topic}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def stock(config: Config, topic: str, count: int) -> dict[str, Any]:
    """`nbgrader autograde` on the first hand-ins, in a copy of the tree."""
    tree = config.tree.parent / "stock"
    shutil.copytree(config.tree, tree, ignore=shutil.ignore_patterns("results", "autograded"))
    for folder in sorted((tree / "submitted").iterdir())[count:]:
        shutil.rmtree(folder)
    for command in (["generate_assignment", topic, "--force"], ["autograde", topic]):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *command],
            cwd=tree,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(f"nbgrader {command[0]} failed:\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    scores = read_scores(f"sqlite:///{tree / 'gradebook.db'}", topic)
    return measured(count, seconds, used, after.ru_maxrss / 1024, scores)


def ours(config: Config, topic: str, count: int, workers: int) -> dict[str, Any]:
    """A run as the command makes it: planned, run, stored and recorded."""
    start, before = time.perf_counter(), cpu()
    warm = warm_process(config.warm)
    warmed = time.perf_counter() - start
    jobs = plan(config, topic)
    started = time.perf_counter()
    with recording(config, topic) as record:
        for result in results(jobs, store_of(config), workers=workers, quiet=True):
            record(result)
    seconds = time.perf_counter() - started
    memory = memory_of_tree(warm.process.pid) + resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    stop_all()
    used = cpu() - before
    row = measured(count, seconds, used, memory, read_scores(config.gradebook, topic))
    return {**row, "warm_start_s": warmed, "per_minute_with_start": 60 * count / (seconds + warmed)}


def cpu() -> float:
    """Seconds of processor time of this process and those it has waited for."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usage)


def memory_of_tree(pid: int) -> float:
    """Megabytes of the warm process and its parent, shared pages counted in each."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "status").read_text()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        if int(fields["Pid"]) == pid or int(fields["PPid"]) == pid:
            total += int(fields.get("VmHWM", "0 kB").split()[0]) / 1024
    return total


def read_scores(url: str, topic: str) -> dict[str, float]:
    """What the gradebook says."""
    with Gradebook(url) as gradebook:
        return {s.student_id: float(s.score) for s in gradebook.assignment_submissions(topic)}


def measured(
    count: int, seconds: float, used: float, memory: float, scores: dict[str, float]
) -> dict[str, Any]:
    return {
        "hand_ins": count,
        "wall_s": seconds,
        "cpu_s": used,
        "per_minute": 60 * count / seconds,
        "memory_mb": memory,
        "scores": scores,
    }


def compare(topic: str, root: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Both graders on one class."""
    if topic == "small":
        config, topic = small_course(root), TOPIC
        small_hand_ins(config, arguments.ours)
    else:
        config = topic_course(root, topic)
        topic_hand_ins(config, topic, arguments.ours)
    theirs = stock(config, topic, arguments.stock)
    mine = {workers: ours_again(config, topic, arguments.ours, workers) for workers in arguments.workers}
    last = mine[max(mine)]
    different = {
        s: (theirs["scores"][s], last["scores"][s])
        for s in theirs["scores"]
        if theirs["scores"][s] != last["scores"][s]
    }
    for row in (theirs, *mine.values()):
        del row["scores"]
    return {"topic": topic, "stock": theirs, "ours": mine, "different_scores": different}


def ours_again(config: Config, topic: str, count: int, workers: int) -> dict[str, Any]:
    """A run that finds nothing done: in a process of its own, with its own results and gradebook."""
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from benchmarks.grading import fresh, load_config, ours, replace\n"
        "config = fresh(Path(sys.argv[2]), Path(sys.argv[3]))\n"
        "print(json.dumps(ours(config, sys.argv[4], int(sys.argv[5]), int(sys.argv[6]))))\n"
    )
    file = config.root / "course.toml"
    words = [str(ROOT), str(file), str(config.tree), topic, str(count), str(workers)]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def fresh(file: Path, tree: Path) -> Config:
    """The configuration with this tree, in which nothing has been graded yet."""
    for name in ("results", "autograded"):
        shutil.rmtree(tree / name, ignore_errors=True)
    (tree / "gradebook.db").unlink(missing_ok=True)
    config = load_config(file)
    return replace(config, tree=tree, gradebook=f"sqlite:///{tree / 'gradebook.db'}")


def markdown(found: dict[str, Any]) -> str:
    """The table."""
    stock_rate = found["stock"]["per_minute"]
    lines = [
        f"{found['topic']}: {found['stock']['hand_ins']} hand-ins stock, "
        f"{next(iter(found['ours'].values()))['hand_ins']} ours",
        "",
        "| | a minute | times stock | wall s each | CPU s each | peak MB | start s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    rows = [
        ("nbgrader autograde", found["stock"]),
        *((f"ours, {n} at a time", row) for n, row in found["ours"].items()),
    ]
    for name, row in rows:
        count = row["hand_ins"]
        lines.append(
            f"| {name} | {row['per_minute']:.1f} | {row['per_minute'] / stock_rate:.0f} "
            f"| {row['wall_s'] / count:.3f} | {row['cpu_s'] / count:.3f} "
            f"| {row['memory_mb']:.0f} | {row.get('warm_start_s', 0):.1f} |"
        )
    lines += ["", f"scores that differ: {found['different_scores'] or 'none'}"]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("topic", help='"small" or the name of a topic')
    parser.add_argument("--stock", type=int, default=6, help="hand-ins for stock (default 6)")
    parser.add_argument("--ours", type=int, default=60, help="hand-ins for us (default 60)")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 2], help="hand-ins at a time (default 1 2)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = compare(arguments.topic, Path(folder).resolve(), arguments)
    found |= {
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
        "versions": {name: version(name) for name in ("nbgrader", "torch", "ipython")},
    }
    print(markdown(found))
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"grading-{found['topic']}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    print(f"\nwrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
