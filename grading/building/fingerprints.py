"""Fingerprints: what the named wrong answers return on the public inputs, recorded by the course's hook.

The hook is a program of the course, run in a process of its own: this package imports no course
code. It reads answers and variants as JSON and writes outputs as JSON; no source code comes back.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from grading.config import Config, fingerprints_path
from grading.errors import BuildError
from grading.masters import Master, solved_source
from grading.variants import Variant, answers_of

TOLERANCE = 1e-5  # relative, and absolute below one: machines differ in the last digits


def record(config: Config, master: Master, variants: Sequence[Variant]) -> tuple[str, tuple[str, ...]]:
    """The fingerprints of one topic as the text of their file, and the hook's remarks, line by line.

    Where the committed file differs only in the last digits, its text is returned.

    Raises:
        BuildError: The hook cannot be run, fails, or answers with something else than JSON.
    """
    assert master.header is not None
    topic = master.header.topic
    request = {
        "topic": topic,
        "setup": "\n\n".join(solved_source(cell) for cell in master.with_role("setup")),
        "answers": answers_of(master),
        "variants": [
            {
                "exercise": variant.exercise,
                "kind": variant.kind,
                "name": variant.name,
                "says": variant.says,
                "source": variant.source,
            }
            for variant in variants
        ],
    }
    answer, remarks = _call(config, request)
    path = fingerprints_path(config, topic)
    if path.is_file():
        committed = path.read_text(encoding="utf-8")
        if _same(_loads(committed), answer):
            return committed, remarks
    return json.dumps(answer, indent=1, sort_keys=True, ensure_ascii=False) + "\n", remarks


def _call(config: Config, request: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    command = [sys.executable if word == "{python}" else word for word in config.hooks.fingerprints]
    path = os.pathsep.join(filter(None, [str(config.root), os.environ.get("PYTHONPATH", "")]))
    where = f"{request['topic']}, fingerprints hook"
    try:
        done = subprocess.run(
            command,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            cwd=config.root,
            env={**os.environ, "PYTHONPATH": path},
            timeout=config.limits.job_seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        fix = "see hooks.fingerprints in course.toml"
        raise BuildError(f"the command could not be run ({error})", where, fix) from None
    remarks = tuple(done.stderr.strip().splitlines())
    if done.returncode != 0:
        last = remarks[-1] if remarks else "it said nothing"
        raise BuildError(
            f"it ended with status {done.returncode} ({last})", where, "correct the answer it names"
        )
    answer = _loads(done.stdout)
    if not isinstance(answer, dict):
        raise BuildError("it did not answer with a JSON object", where, "print nothing else on its stdout")
    return answer, remarks


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _same(one: Any, other: Any) -> bool:
    """Equal, numbers up to the tolerance."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        both_nan = math.isnan(one) and math.isnan(other)
        return both_nan or math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return type(one) is type(other) and bool(one == other)
