"""``python -m coursekit.check.fingerprints record``: wrong answers in, their fingerprints out.

Reads a JSON document from standard input and writes one to standard output:

    in   {"topic": ..., "sources": ..., "setup": source, "answers": {exercise: source},
          "variants": [{"exercise": ..., "kind": "misconception", "name": ..., "says": ..., "source": ...}]}
    out  {"version": 2, "topic": ..., "sources": ...,
          "exercises": {exercise: {"right": {case: observation},
                                   "mistakes": {name: {"says": ..., "outputs": {case: observation},
                                                       "varies": [case]}}}}}

``sources`` is given back as it came: whoever asks knows by it what the document was made from.

What cannot be diagnosed is said on standard error. The sources are the course's own: they are executed.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Mapping
from typing import Any

import torch

from coursekit.check import topics
from coursekit.check.cases import Exercise
from coursekit.check.deadline import TimeIsUpError, time_limit
from coursekit.check.fingerprints import VERSION, matches, observation
from coursekit.check.run import Outcome, run
from coursekit.errors import RecordError

SECONDS = 20.0
"""How long one wrong answer may take on all public cases of its exercise."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m coursekit.check.fingerprints", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("command", choices=["record"])
    parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # What an answer prints is no part of the document.
            document = record(json.load(sys.stdin))
    except json.JSONDecodeError as error:
        return _refuse(f"Standard input is no JSON document: {error}.")
    except RecordError as error:
        return _refuse(str(error))
    sys.stdout.write(serialize(document))
    return 0


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2


def record(request: Mapping[str, Any]) -> dict[str, Any]:
    """The fingerprints of the misconceptions in ``request``, after its own answers passed every public case.

    Raises ``RecordError`` when a part is missing, an exercise is unknown, or an answer does not pass.
    """
    try:
        topic, setup, answers = request["topic"], request["setup"], request["answers"]
        variants = [variant for variant in request["variants"] if variant["kind"] == "misconception"]
    except (KeyError, TypeError) as error:
        raise RecordError(
            f"The document lacks {error}; it needs topic, setup, answers and variants."
        ) from error
    if topic not in topics.MODULES:
        raise RecordError(
            f"There are no public checks for topic {topic!r}; add it to coursekit.check.topics."
        )
    exercises = {exercise.id: exercise for exercise in topics.exercises(topic)}
    namespace = {"__name__": "__fingerprints__"}
    _execute(setup, namespace, "the setup cells")
    for name, source in answers.items():
        _execute(source, namespace, f"the answer {name!r}")
    right = {name: _right(exercises[name], namespace) for name in answers if name in exercises}
    recorded: dict[str, dict[str, Any]] = {}
    for variant in variants:
        if variant["exercise"] not in exercises:
            raise RecordError(
                f"Misconception {variant['name']!r}: no public check for {variant['exercise']!r}."
            )
        name = variant["exercise"]
        outputs = _outputs(exercises[name], variant, namespace)
        if outputs:
            exercise = recorded.setdefault(name, {"right": right[name], "mistakes": {}})
            exercise["mistakes"][variant["name"]] = {"says": variant["says"], **_beside(right[name], outputs)}
    return {
        "version": VERSION,
        "topic": topic,
        "sources": request.get("sources", ""),
        "exercises": recorded,
    }


def serialize(document: Mapping[str, Any]) -> str:
    """The document as JSON, the same bytes for the same content: one line for each mistake and each case."""
    return _json(document, levels=4) + "\n"


def _json(value: object, levels: int) -> str:
    """JSON with a line for each entry of so many levels of objects, and everything deeper on one line."""
    if levels and isinstance(value, dict):
        entries = [f"{json.dumps(key)}:{_json(item, levels - 1)}" for key, item in sorted(value.items())]
        return "{\n" + ",\n".join(entries) + "\n}"
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _execute(source: str, namespace: dict[str, Any], what: str) -> None:
    try:
        exec(compile(source, f"<{what}>", "exec"), namespace)
    except Exception as error:
        raise RecordError(f"Running {what} raised {type(error).__name__}: {error}.") from error


def _right(exercise: Exercise, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """What the course's own answer gives on each public case, all of which it has to pass."""
    outcomes = run(exercise, _functions(exercise, namespace))
    for outcome in outcomes:
        if not outcome.passed:
            raise RecordError(
                f"The answer {exercise.id!r} fails its own public case {outcome.case.name!r}: "
                f"{outcome.kind}. {outcome.sentence} Mend one of the two."
            )
    return {outcome.case.name: observation(outcome) for outcome in outcomes}


def _beside(right: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
    """A mistake's outputs beside the right ones: those that differ, and the cases that have none."""
    varies = [case for case in right if case not in outputs]
    return {
        "outputs": {case: output for case, output in outputs.items() if not matches(output, right[case])}
    } | ({"varies": varies} if varies else {})


def _functions(exercise: Exercise, namespace: Mapping[str, Any]) -> list[Any]:
    missing = [name for name in exercise.functions if not callable(namespace.get(name))]
    if missing:
        raise RecordError(f"Exercise {exercise.id!r}: nothing defines the function {missing[0]}.")
    return [namespace[name] for name in exercise.functions]


def _outputs(exercise: Exercise, variant: Mapping[str, Any], namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Observations by case; empty, and the reason on standard error, where none can diagnose."""
    what = f"{exercise.id}: {variant['name']}"
    try:
        with time_limit(SECONDS):
            runs = []
            for _ in range(2):
                own = dict(namespace)
                _execute(variant["source"], own, f"the misconception {variant['name']!r}")
                runs.append(run(exercise, _functions(exercise, own)))
    except TimeIsUpError:
        print(f"{what}: left out, not done after {SECONDS:g} s.", file=sys.stderr)
        return {}
    if all(outcome.passed for outcome in runs[0]):
        print(f"{what}: left out, right on every public case, so no check can tell it.", file=sys.stderr)
        return {}
    return _stable_outputs(what, *runs)


def _stable_outputs(what: str, first: tuple[Outcome, ...], second: tuple[Outcome, ...]) -> dict[str, Any]:
    outputs = {}
    for one, other in zip(first, second, strict=True):
        if matches(observation(one), observation(other)):
            outputs[one.case.name] = observation(one)
        else:
            print(
                f"{what}: case {one.case.name!r} left out, its output changes or is too large.",
                file=sys.stderr,
            )
    return outputs


if __name__ == "__main__":
    sys.exit(main())
