"""`grading run`: hand-ins in, results out.

`run` is the border: a job goes in, a result comes out, and nothing that calls it knows how the hand-in was
run. Behind it stands `grading.engine`, which starts a fresh kernel for each hand-in.
"""

import argparse
import dataclasses
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from tqdm import tqdm

from grading.config import load_config
from grading.engine import grade
from grading.execute import stop_all
from grading.plan import plan
from grading.records import Job, Result, Status, to_json
from grading.store import Store, store_of


def run(job: Job, store: Store | None = None, *, force: bool = False) -> Result:
    """Grade one hand-in. Whatever the hand-in is, the answer is a result and never an exception.

    store: where a result of the same content is looked up and the new one is kept, with the executed
    notebook; force: run even when it is there. A failure of the machine is never kept.
    """
    if store is not None and not force and (known := store.load(job)) is not None:
        return known
    started = time.monotonic()
    result, notebook = grade(job)
    result = dataclasses.replace(
        result, seconds=round(time.monotonic() - started, 3), content_hash=job.content_hash
    )
    if store is not None and result.status is not Status.INFRASTRUCTURE_ERROR:
        store.save(result, notebook)
    return result


def run_all(
    jobs: Sequence[Job],
    store: Store,
    *,
    workers: int,
    force: bool = False,
    quiet: bool = False,
    runner: Callable[..., Result] = run,
) -> list[Result]:
    """Run the jobs, so many at a time, and give the results in the jobs' order.

    The kernels are processes; the threads here only wait for them. Interrupting kills the kernels and
    keeps what is done.
    """
    results: dict[int, Result] = {}
    with ThreadPoolExecutor(max_workers=workers) as pool:
        waiting = {pool.submit(runner, job, store, force=force): index for index, job in enumerate(jobs)}
        try:
            bar = tqdm(as_completed(waiting), total=len(jobs), unit="hand-in", disable=quiet, delay=1)
            for done in bar:
                results[waiting[done]] = done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_all()
            raise
    return [results[index] for index in range(len(jobs))]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `grading run`."""
    parser.add_argument("assignment", help="its name, e.g. 01_convolution")
    parser.add_argument(
        "--jobs", type=positive, default=os.cpu_count() or 1, metavar="N", help="hand-ins at a time"
    )
    parser.add_argument("--force", action="store_true", help="run also what was run before")
    parser.add_argument("--json", action="store_true", help="print one result a line as JSON")


def main(args: argparse.Namespace) -> int:
    """Run and record an assignment; 0, or 1 when the machine failed on some hand-ins."""
    from grading.record import record  # the gradebook's library is slow to import

    config = load_config(args.config)
    store = store_of(config)
    results = run_all(
        plan(config, args.assignment), store, workers=args.jobs, force=args.force, quiet=args.json
    )
    record(config, args.assignment, results, store)
    print("\n".join(map(to_json, results)) if args.json else "\n".join(_summary(args.assignment, results)))
    return int(any(result.status is Status.INFRASTRUCTURE_ERROR for result in results))


def positive(text: str) -> int:
    """A number of hand-ins at a time, as an argument."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least one hand-in at a time")
    return number


def _summary(assignment: str, results: Sequence[Result]) -> Iterator[str]:
    counts = Counter(str(result.status) for result in results)
    found = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items()))
    yield f"{len(results)} hand-ins: {found}"
    people = [result for result in results if result.needs_human]
    yield from (f"  look at {result.student}: {result.needs_human}" for result in people)
    yield f"next: grading report {assignment}, grading export {assignment}, grading feedback {assignment}"
