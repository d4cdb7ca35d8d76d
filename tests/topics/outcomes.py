"""What every variant of a topic does: on the public cases, and under the hidden tests of its exercise.

    python -m tests.topics.outcomes 04_resnet      # one line of JSON a variant

Each variant runs once, in a fork of a process that has the topic's other cells behind it: what it leaves in a
class, a default or a generator is gone with the fork, and one that never ends is ended. All tests of a topic
read the same table, and so does the one that holds the recorded fingerprints to what comes out today.
"""

import gc
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from coursekit.check.deadline import TimeIsUpError
from coursekit.check.diagnose import match
from coursekit.check.fingerprints import load, observation
from grading.course.variants import Variant
from tests.helpers import ROOT
from tests.topics.harness import Topic, execute, quiet, read_topic

SECONDS = 300
"""For all of a variant; then its fork is killed."""


@dataclass(frozen=True)
class Row:
    """What one variant did.

    observed: by public case, as fingerprints have it. failed: the sentence of each public case that it fails.
    named: the misconceptions that the public check names. points: by hidden test. errors: by test, kind
    and message. broken: the kinds that mean that the variant itself, not its answer, is wrong.
    ended: how its process ended, empty where it ran to its end.
    """

    exercise: str
    kind: str
    name: str
    observed: Mapping[str, Any] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    named: Sequence[str] = ()
    points: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    broken: Sequence[str] = ()
    ended: str = ""


def write(topic: str, path: Path) -> None:
    """Make the table of a topic in a process of its own, and add its rows to a file.

    Raises:
        RuntimeError: the process failed; with what it said.
    """
    words = [sys.executable, "-m", "tests.topics.outcomes", topic]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words[1:])}: {done.stderr[-2000:]}")
    with path.open("a", encoding="utf-8") as file:
        file.write(done.stdout)


def rows_of(topic: Topic) -> Iterator[Row]:
    """Each variant's row, from a fork of this process."""
    names = topic.namespace()
    for exercise in topic.exercises:  # what is slow the first time, imports and oracles, is so once
        topic.checked(exercise, names)
    topic.tested(dict(names))
    gc.collect()
    gc.freeze()
    for variant in topic.variants:
        yield _in_a_fork(topic, variant, names)


def _in_a_fork(topic: Topic, variant: Variant, names: dict[str, Any]) -> Row:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        row = _run(topic, variant, names)
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            json.dump(asdict(row), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = b""
        while select.select([pipe], [], [], SECONDS)[0] and (part := os.read(pipe.fileno(), 1 << 16)):
            text += part
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    try:
        return Row(**json.loads(text))
    except ValueError:
        how = f"exit status {os.waitstatus_to_exitcode(status)}"
        return Row(variant.exercise, variant.kind, variant.name, ended=how)


def _run(topic: Topic, variant: Variant, names: dict[str, Any]) -> Row:
    """Everything that is asked of a variant; in a fork, since it may change anything."""
    recorded = load(topic.master.header.topic).get(variant.exercise, ()) if topic.master.header else ()
    try:
        with quiet():
            execute(variant.source, names, f"{variant.exercise}, {variant.name}")
        outcomes = topic.checked(variant.exercise, names)
    except (Exception, TimeIsUpError) as error:
        says = f"{type(error).__name__}: {error}"
        return Row(variant.exercise, variant.kind, variant.name, ended=f"before the tests, {says}")
    graded = topic.tested(names, variant.exercise)
    return Row(
        variant.exercise,
        variant.kind,
        variant.name,
        observed={outcome.case.name: observation(outcome) for outcome in outcomes},
        failed={outcome.case.name: outcome.sentence for outcome in outcomes if not outcome.passed},
        named=[diagnosis.name for diagnosis in match(outcomes, recorded)],
        points=graded.points,
        errors={test: f"{type(error).__name__}: {error}"[:300] for test, error in graded.errors.items()},
        broken=[
            type(error).__name__
            for error in graded.errors.values()
            if isinstance(error, NameError | SyntaxError | TimeIsUpError)
        ],
    )


def main(topic: str) -> None:
    """Print the table, a line a variant; what answers print goes to the other stream."""
    torch.set_num_threads(1)  # of other threads, a fork would wait for ever
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for row in rows_of(read_topic(topic)):
        print(json.dumps(asdict(row)), file=output, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
