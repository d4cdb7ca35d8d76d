"""`grading run`: hand-ins in, results out.

plan makes the jobs, schedule runs them, store keeps what comes out, record puts it into the gradebook: one
writer, as the results come. Killed at any moment, the next run goes on where this one was.
"""

import argparse
import dataclasses
import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence

from grading.config import SANDBOXES, Config, load_config
from grading.engine import handin
from grading.engine.schedule import Outcome, Runner, run_jobs
from grading.gradebook.store import Store, store_of
from grading.handins.plan import plan
from grading.records import Job, Result, Status, to_json
from grading.text import shown


def results(
    jobs: Sequence[Job],
    store: Store,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    force: bool = False,
    quiet: bool = False,
    runner: Runner | None = None,
) -> Iterator[Result]:
    """The result of every job as it comes, those of the store first; a new one is stored before it is given.

    force: run also what was run before, what took longest first. A failure of the machine is never stored.
    What was run with another seed than a job names is run anew.
    """
    todo, took = [], {}
    for job in jobs:
        known = store.load(job)
        if known is not None and not force and job.seed in (None, known.seed):
            yield known
        else:
            todo.append(job)
            took[job.student] = math.inf if known is None else known.seconds
    todo.sort(key=lambda job: -took[job.student])

    def keep(outcome: Outcome) -> Outcome:
        result, notebook = outcome
        if result.status is not Status.INFRASTRUCTURE_ERROR:
            store.save(result, notebook)
        return result, None

    outcomes = run_jobs(
        todo, runner or handin.run, workers=workers, scheduler=scheduler, quiet=quiet, keep=keep
    )
    yield from (result for result, _ in outcomes)


EXAMPLES = """example: grading run 01_convolution             a hand-in at a time on each core
         grading run 01_convolution --jobs 1 --json    one after another, a line of JSON each as it ends
         grading run 01_convolution --wait             behind the run that is under way
         grading run 01_convolution --seed 7           every test draws the same numbers for everybody

on several machines that share this folder:
  dask scheduler                                prints its address
  dask worker tcp://host:8786 --nthreads 1      on each machine; --nworkers for more
  grading run 01_convolution --scheduler tcp://host:8786
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `grading run`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("assignment", help="its name, e.g. 01_convolution")
    parser.add_argument(
        "--jobs",
        type=positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="hand-ins at a time (default: one a core, here %(default)s)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="let the workers of this Dask scheduler do it; they must see the same files",
    )
    parser.add_argument(
        "--sandbox",
        choices=SANDBOXES,
        help="limits: without namespaces and Landlock, for a machine that has none; every result says so",
    )
    parser.add_argument(
        "--wait",
        action="store_true",
        help="where another run writes to the gradebook, wait for its end instead of giving up",
    )
    parser.add_argument(
        "--seed",
        type=seed,
        metavar="N",
        help="of the numbers that tests draw, for all (default: another for each hand-in and run)",
    )
    parser.add_argument("--force", action="store_true", help="run also what was run before")
    parser.add_argument("--json", action="store_true", help="print one result a line as JSON")


def main(args: argparse.Namespace) -> int:
    """Run and record an assignment; 0, or 1 when the machine failed on some hand-ins."""
    from grading.course.adopted import adopt
    from grading.gradebook.record import recording

    config = load_config(args.config)
    if args.sandbox:
        config = dataclasses.replace(config, warm=dataclasses.replace(config.warm, sandbox=args.sandbox))
    summary = Summary()
    config = adopt(config, args.assignment)
    jobs = [dataclasses.replace(job, seed=args.seed) for job in plan(config, args.assignment)]
    with recording(config, args.assignment, wait=args.wait) as record:
        for result in grade(config, jobs, args):
            record(result)
            summary.add(result)
            if args.json:
                print(json.dumps(json.loads(to_json(result))), flush=True)  # in ASCII, for any terminal
    if not args.json:
        print("\n".join(summary.lines(args.assignment)))
    return int(summary.counts[Status.INFRASTRUCTURE_ERROR] > 0)


def grade(config: Config, jobs: Sequence[Job], args: argparse.Namespace) -> Iterator[Result]:
    """The results of these jobs, as the command's arguments have it."""
    return results(
        jobs,
        store_of(config),
        workers=args.jobs,
        scheduler=args.scheduler,
        force=args.force,
        quiet=args.json,
    )


def positive(text: str) -> int:
    """A number of hand-ins at a time, as an argument."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least one hand-in at a time")
    return number


def seed(text: str) -> int:
    """A seed, as an argument."""
    if not 0 <= (number := int(text)) < handin.SEEDS:
        raise argparse.ArgumentTypeError(f"a number from 0 to {handin.SEEDS - 1}")
    return number


@dataclasses.dataclass
class Summary:
    """What a run came to: how many of each status, and who asks for a person."""

    counts: Counter[Status] = dataclasses.field(default_factory=Counter)
    people: list[str] = dataclasses.field(default_factory=list)

    def add(self, result: Result) -> None:
        """One more result."""
        self.counts[result.status] += 1
        if result.needs_human:
            self.people.append(f"  look at {shown(result.student)}: {shown(result.needs_human, 500)}")

    def lines(self, assignment: str) -> Iterator[str]:
        """The summary as lines of text."""
        counts = sorted((str(status), count) for status, count in self.counts.items())
        found = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts)
        yield f"{self.counts.total()} hand-ins: {found}"
        yield from sorted(self.people)
        yield f"next: grading report {assignment}, grading export {assignment}, grading feedback {assignment}"
