"""Do scores depend on the numbers that tests draw? The same answers under many seeds.

    python -m benchmarks.seeds [01_convolution ...] [--seeds 200] [--wrong 25] [--folder build/seeds]

For each topic: the reference and every alternative of each exercise, and so many misconceptions, each under
the hidden tests of its exercise, once for every seed, in a fork of a process that has run the topic's other
cells. What is done is kept in the folder, and not done again while master and variants stay the same. Prints
a table in Markdown, names every answer whose points differ, and writes JSON: for all topics to
benchmarks/results/seeds.json, for some to the folder.
"""

import argparse
import datetime
import gc
import hashlib
import json
import os
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from grading.course.variants import Variant
from tests.helpers import ROOT, TOPICS
from tests.topics.harness import Topic, execute, quiet, read_topic

RESULTS = Path(__file__).parent / "results" / "seeds.json"
SEED = "GRADING_SEED"
Points = dict[str, float]


def chosen(topic: Topic, wrong: int) -> list[Variant | str]:
    """What is tried: the reference of every exercise, by its name; all alternatives; some misconceptions."""
    mistakes = topic.of_kind("misconception")
    some = random.Random(len(mistakes)).sample(mistakes, min(wrong, len(mistakes)))
    return [*topic.exercises, *topic.of_kind("alternative"), *some]


def label(tried: Variant | str) -> str:
    """Its name in what is kept."""
    return f"{tried}/reference" if isinstance(tried, str) else f"{tried.exercise}/{tried.kind}/{tried.name}"


def points_under(
    topic: Topic, names: dict[str, Any], tried: Variant | str, seeds: Sequence[int]
) -> Iterator[tuple[int, Points]]:
    """The points of each hidden test under each seed, computed in a fork."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        try:
            os.close(reading)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # some answers show a bar
            with os.fdopen(writing, "w") as output, quiet():
                exercise = tried if isinstance(tried, str) else tried.exercise
                if isinstance(tried, Variant):
                    execute(tried.source, names, label(tried))
                for seed in seeds:
                    os.environ[SEED] = str(seed)
                    graded = topic.tested(names, exercise, helpers=SEED)
                    print(json.dumps([seed, dict(graded.points)]), file=output, flush=True)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        for row in pipe:
            seed, points = json.loads(row)
            yield seed, points
    os.wait()


def kept(path: Path) -> dict[str, dict[int, Points]]:
    """What was computed before, by answer and seed; a line that was cut off does not count."""
    found: dict[str, dict[int, Points]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            name, seed, points = json.loads(line)
        except ValueError:
            continue
        found.setdefault(name, {})[seed] = points
    return found


def run_topic(name: str, seeds: Sequence[int], wrong: int, folder: Path) -> dict[str, dict[int, Points]]:
    """The points of all that is tried, by answer and seed."""
    topic = read_topic(name)
    state = hashlib.sha256()
    for part in ("assignment.py", "misconceptions.py"):
        state.update((ROOT / "solutions" / name / part).read_bytes())
    path = folder / f"{name}-{state.hexdigest()[:12]}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    found, names = kept(path), topic.namespace()
    topic.tested(names)  # what is slow the first time, imports and oracles, is so once
    gc.collect()
    gc.freeze()
    with path.open("a") as file:
        for tried in chosen(topic, wrong):
            done = found.setdefault(label(tried), {})
            todo = [seed for seed in seeds if seed not in done]
            for seed, points in points_under(topic, names, tried, todo) if todo else ():
                done[seed] = points
                print(json.dumps([label(tried), seed, points]), file=file, flush=True)
            print(f"{name} {label(tried)}: {len(done)} seeds", file=sys.stderr, flush=True)
    return {label(tried): found[label(tried)] for tried in chosen(topic, wrong)}


def that_differ(found: Mapping[str, Mapping[int, Points]]) -> list[str]:
    """The answers that have other points under some seed than under the first."""
    return [name for name, by_seed in found.items() if len({json.dumps(p) for p in by_seed.values()}) > 1]


def that_lose(topic: Topic, found: Mapping[str, Mapping[int, Points]]) -> list[str]:
    """The right answers that lost a point under some seed."""
    full = {cell.grade_id: cell.points for cell in topic.master.with_role("test")}
    right = {name: by_seed for name, by_seed in found.items() if "/misconception/" not in name}
    return [
        name
        for name, by_seed in right.items()
        if any(points[test] < full[test] for points in by_seed.values() for test in points)
    ]


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("topics", nargs="*", default=TOPICS)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--wrong", type=int, default=25)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "seeds")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # of other threads, a fork would wait for ever
    rows = []
    for name in arguments.topics:
        start = time.perf_counter()
        found = run_topic(name, range(arguments.seeds), arguments.wrong, arguments.folder)
        complete = [by_seed for by_seed in found.values() if len(by_seed) == arguments.seeds]
        row: dict[str, Any] = {
            "topic": name,
            "answers": len(found),
            "complete": len(complete),
            "seeds": arguments.seeds,
        }
        row |= {"differ": that_differ(found), "lose": that_lose(read_topic(name), found)}
        rows.append(row | {"seconds": round(time.perf_counter() - start)})
    print("| topic | answers | seeds | gradings | points differ | right ones that lose |")
    print("|---|---:|---:|---:|---:|---:|")
    for row in rows:
        counts = (
            row["answers"],
            row["seeds"],
            row["answers"] * row["seeds"],
            len(row["differ"]),
            len(row["lose"]),
        )
        print(f"| {row['topic']} | {' | '.join(map(str, counts))} |")
    for row in rows:
        for name in sorted({*row["differ"], *row["lose"]}):
            print(f"\n{row['topic']}: {name}", end="")
    path = RESULTS if arguments.topics == TOPICS else arguments.folder / "seeds.json"
    path.write_text(json.dumps({"date": f"{datetime.date.today()}", "topics": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
