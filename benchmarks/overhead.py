"""What grading a hand-in costs above its cells, and where it goes.

    python -m benchmarks.overhead small 01_convolution 04_resnet [--hand-ins 30]

Cells alone: all cells of a hand-in, tests included, one after another in one fork of a process that has
imported what the course preloads and has a shell; neither sandbox nor second process, nothing kept. Graded:
one hand-in at a time, read, run and recorded as `grading run` does it. Of a topic both are measured twice:
for right hand-ins, and for those in which every exercise has a misconception. Processor seconds are what to
compare; those of the clock depend on what else the machine does. Prints a Markdown table, writes JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import nbformat

from benchmarks.grading import (
    RESULTS,
    ROOT,
    TOPIC,
    fresh,
    small_course,
    small_hand_ins,
    topic_course,
    topic_hand_ins,
    write,
)
from grading.commands.run import results
from grading.config import Config
from grading.course.masters import read_master
from grading.course.variants import answers_of, read_variants
from grading.gradebook.record import recording
from grading.gradebook.store import store_of
from grading.handins.original import read_original
from grading.handins.parse import parse
from grading.handins.plan import plan
from grading.handins.reconcile import reconcile
from grading.warm.client import close_all, warm_process
from grading.warm.forks import Forks


def cells_alone(sources: list[list[str]], preload: list[str]) -> tuple[float, float]:
    """Seconds of the clock and of the processor that a notebook's cells take, medians over the notebooks."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in preload:
        importlib.import_module(name)
    from grading.fork.huge_pages import collapse
    from grading.fork.randomness import seed_all
    from grading.fork.shell import attach, make_shell, run_cell
    from grading.warm.zygote import _warm_up

    shell = make_shell()
    _warm_up(shell)
    collapse()
    times = []
    for cells in sources:
        ours, theirs = os.pipe()
        if not os.fork():
            seed_all()
            outputs = attach(shell)
            started, worked = time.perf_counter(), time.process_time()
            for source in cells:
                run_cell(shell, outputs, source)
            took = [time.perf_counter() - started, time.process_time() - worked]
            os.write(theirs, json.dumps(took).encode())
            os._exit(0)
        os.wait()
        times.append(json.loads(os.read(ours, 1000)))
        os.close(ours)
        os.close(theirs)
    wall, processor = zip(*times, strict=True)
    return statistics.median(wall), statistics.median(processor)


def graded(config: Config, topic: str) -> dict[str, float]:
    """Seconds a hand-in, all in all, and of the processor in each kind of process."""
    warm_process(config.warm)
    forks: list[tuple[str, Any]] = []
    fork = Forks.fork

    def noted(warm: Forks, role: str, *args: Any, **kwargs: Any) -> Any:
        forks.append((role, fork(warm, role, *args, **kwargs)))
        return forks[-1][1]

    Forks.fork = noted  # type: ignore[method-assign,assignment]
    jobs = plan(config, topic)
    with recording(config, topic) as record:
        started, worked = time.perf_counter(), time.process_time()
        for result in results(jobs, store_of(config), workers=1, quiet=True):
            record(result)
        wall, driver = time.perf_counter() - started, time.process_time() - worked
    close_all()
    Forks.fork = fork  # type: ignore[method-assign]
    seconds = Counter({"driver": driver})
    for role, each in forks:
        seconds[role] += each.ending.cpu
    return {name: value / len(jobs) for name, value in {"wall": wall, **seconds}.items()}


def measures(topic: str, count: int, root: Path) -> Iterator[dict[str, Any]]:
    """Both on one class, and of a topic on a class of wrong hand-ins."""
    if topic == "small":
        config = small_course(root)
        small_hand_ins(config, count)
        yield measure("small", TOPIC, config)
        return
    config = topic_course(root, topic)
    topic_hand_ins(config, topic, count)
    yield measure(f"{topic}, solved", topic, config)
    shutil.rmtree(config.tree / "submitted")
    wrong_hand_ins(config, topic, count)
    yield measure(f"{topic}, wrong", topic, config)


def wrong_hand_ins(config: Config, topic: str, count: int) -> None:
    """Notebooks with the first misconception of each exercise, some with the next one, and so on."""
    master, path = ROOT / "solutions" / topic, config.tree / "release" / topic / f"{topic}.ipynb"
    found: dict[str, list[str]] = {}
    for variant in read_variants(read_master(master / "assignment.py")):
        if variant.kind == "misconception":
            found.setdefault(variant.exercise, []).append(variant.source)
    right = answers_of(read_master(master / "assignment.py"))
    for number in range(count):
        wrong = {exercise: sources[number % len(sources)] for exercise, sources in found.items()}
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            cell.source = (right | wrong).get(name, cell.source)
        write(config, topic, f"student-{number:04}", nbformat.writes(notebook))


def measure(name: str, topic: str, config: Config) -> dict[str, Any]:
    """The hand-ins that are there."""
    count = len(plan(config, topic))
    course = read_original(plan(config, topic)[0].source)
    sources = []
    for job in plan(config, topic)[:10]:
        notebook, _ = reconcile(parse(job.notebook.read_bytes()), course)
        sources.append([cell.source for cell in notebook.cells if cell.cell_type == "code"])
    arguments = json.dumps([sources, list(config.warm.preload)])
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "from benchmarks.overhead import cells_alone\n"
        "print(json.dumps(cells_alone(*json.load(sys.stdin))))"
    )
    root_of_us = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code, root_of_us], input=arguments, capture_output=True, text=True, check=True
    )
    wall, processor = json.loads(done.stdout.splitlines()[-1])
    ours = graded(fresh(config.root / "course.toml", config.tree), topic)
    work = ours["answer"] + ours["judge"] + ours["driver"]
    return {
        "topic": name,
        "hand_ins": count,
        "cells_alone": {"wall": wall, "processor": processor},
        "graded": ours,
        "overhead": ours["wall"] - wall,
        "processor": work,
        "ratio": work / processor,
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table, in seconds a hand-in."""
    lines = [
        "| | clock: cells | graded | processor: cells alone | graded | times | answer | judge | driver |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        alone, ours = row["cells_alone"], row["graded"]
        figures = [alone["wall"], ours["wall"], alone["processor"], row["processor"], row["ratio"]]
        figures += [ours["answer"], ours["judge"], ours["driver"]]
        lines.append(f"| {row['topic']} | {' | '.join(f'{value:.3f}' for value in figures)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("topics", nargs="+", help='"small" or the name of a topic')
    parser.add_argument("--hand-ins", type=int, default=30)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for topic in arguments.topics:
        with tempfile.TemporaryDirectory() as folder:
            rows += measures(topic, arguments.hand_ins, Path(folder).resolve())
    print(markdown(rows))
    path = RESULTS / "overhead.json"
    path.write_text(json.dumps({"date": date.today().isoformat(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
