"""What grading a hand-in costs above its cells, and where it goes.

    python -m benchmarks.overhead small 01_convolution [--hand-ins 30]

Cells alone: all cells of a hand-in, tests included, one after another in one fork of a process that has
imported what the course preloads and has a shell; neither sandbox nor second process, nothing kept. Graded:
one hand-in at a time, read, run and recorded as `grading run` does it. Prints a Markdown table, writes JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.grading import (
    RESULTS,
    TOPIC,
    fresh,
    small_course,
    small_hand_ins,
    topic_course,
    topic_hand_ins,
)
from grading.commands.run import results
from grading.config import Config
from grading.gradebook.record import recording
from grading.gradebook.store import store_of
from grading.handins.original import read_original
from grading.handins.parse import parse
from grading.handins.plan import plan
from grading.handins.reconcile import reconcile
from grading.warm.client import close_all, warm_process


def cells_alone(sources: list[list[str]], preload: list[str]) -> tuple[float, float]:
    """Seconds of the clock and of the processor that a notebook's cells take, medians over the notebooks."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in preload:
        importlib.import_module(name)
    from grading.fork.huge_pages import collapse
    from grading.fork.shell import attach, make_shell, run_cell, seed_all
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
    warm = warm_process(config.warm)
    forks: list[tuple[str, Any]] = []
    fork = warm.fork

    def noted(role: str, *args: Any, **kwargs: Any) -> Any:
        forks.append((role, fork(role, *args, **kwargs)))
        return forks[-1][1]

    warm.fork = noted  # type: ignore[method-assign]
    jobs = plan(config, topic)
    with recording(config, topic) as record:
        started, worked = time.perf_counter(), time.process_time()
        for result in results(jobs, store_of(config), workers=1, quiet=True):
            record(result)
        wall, driver = time.perf_counter() - started, time.process_time() - worked
    close_all()
    seconds = Counter({"driver": driver})
    for role, each in forks:
        seconds[role] += each.ending.cpu
    return {name: value / len(jobs) for name, value in {"wall": wall, **seconds}.items()}


def measure(topic: str, count: int, root: Path) -> dict[str, Any]:
    """Both on one class."""
    if topic == "small":
        config, topic = small_course(root), TOPIC
        small_hand_ins(config, count)
    else:
        config = topic_course(root, topic)
        topic_hand_ins(config, topic, count)
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
    return {
        "topic": topic,
        "hand_ins": count,
        "cells_alone": {"wall": wall, "processor": processor},
        "graded": ours,
        "overhead": ours["wall"] - wall,
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table, in seconds a hand-in."""
    lines = [
        "| | cells alone | graded | above the cells | processor: answer | judge | driver |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        ours = row["graded"]
        figures = (row["cells_alone"]["wall"], ours["wall"], row["overhead"])
        cells = (f"{value:.3f}" for value in (*figures, ours["answer"], ours["judge"], ours["driver"]))
        lines.append(f"| {row['topic']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("topics", nargs="+", help='"small" or the name of a topic')
    parser.add_argument("--hand-ins", type=int, default=30)
    arguments = parser.parse_args()
    rows = []
    for topic in arguments.topics:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(topic, arguments.hand_ins, Path(folder).resolve()))
    print(markdown(rows))
    path = RESULTS / "overhead.json"
    path.write_text(json.dumps({"date": date.today().isoformat(), "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
