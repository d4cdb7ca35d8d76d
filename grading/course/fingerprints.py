"""Fingerprints: what the named wrong answers return on the public inputs, recorded by the course's hook.

The hook is a program of the course, run in a process of its own: this package imports no course
code. It reads answers and variants as JSON and writes outputs as JSON, which are kept as they come; no
source code comes back.

It runs only when something it depends on has changed. `sources`, a hash of what the file was made from,
goes to the hook and comes back in the file: answers, variants, and the files that the course's
configuration names, such as public cases and the recorder itself.
"""

import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from grading.config import Config, fingerprints_path
from grading.course.masters import Master, solved_source
from grading.course.variants import Variant, answers_of
from grading.errors import BuildError

TOLERANCE = 1e-5  # relative, and absolute below one: machines differ in the last digits


def committed(config: Config, master: Master, variants: Sequence[Variant]) -> str | None:
    """The file of one topic as it is, None where it is missing or was made from something else.

    Raises:
        BuildError: The configuration names source files that are not there.
    """
    path = fingerprints_path(config, _topic(master))
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    request = _request(config, master, variants)
    return text if _sources(_loads(text)) == request["sources"] else None


def record(config: Config, master: Master, variants: Sequence[Variant]) -> tuple[str, tuple[str, ...]]:
    """The fingerprints of one topic as the text of their file, and the hook's remarks, line by line.

    Where nothing but `sources` and the last digits of numbers would change, the committed numbers stay.

    Raises:
        BuildError: The hook cannot be run, fails, or answers with something else than JSON.
    """
    request = _request(config, master, variants)
    text, answer, remarks = _call(config, request)
    path = fingerprints_path(config, _topic(master))
    if path.is_file():
        before = path.read_text(encoding="utf-8")
        known = _loads(before)
        if _sources(known) and _same({**known, "sources": request["sources"]}, answer):
            return before.replace(_sources(known), request["sources"]), remarks
    return text, remarks


def _topic(master: Master) -> str:
    assert master.header is not None
    return master.header.topic


def _request(config: Config, master: Master, variants: Sequence[Variant]) -> dict[str, Any]:
    """What the hook is asked."""
    request: dict[str, Any] = {
        "topic": _topic(master),
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
    return {**request, "sources": _hash(request, _source_files(config, _topic(master)), config.root)}


def _source_files(config: Config, topic: str) -> Iterator[Path]:
    for pattern in (pattern.format(topic=topic) for pattern in config.hooks.fingerprints_sources):
        found = sorted(path for path in config.root.glob(pattern) if path.is_file())
        if not found:
            where = "course.toml, hooks.fingerprints_sources"
            raise BuildError(f"no file is called {pattern!r}", where, "correct the pattern")
        yield from found


def _hash(request: Mapping[str, Any], files: Iterator[Path], root: Path) -> str:
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode())
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"\n{path.relative_to(root).as_posix()} {content}".encode())
    return digest.hexdigest()


def _sources(document: Any) -> str:
    found = document.get("sources") if isinstance(document, dict) else None
    return found if isinstance(found, str) else ""


def _call(config: Config, request: dict[str, Any]) -> tuple[str, Any, tuple[str, ...]]:
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
    if _sources(answer) != request["sources"]:
        fix = "copy the key from what it reads"
        raise BuildError("its answer does not repeat the key 'sources'", where, fix)
    return done.stdout, answer, remarks


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
