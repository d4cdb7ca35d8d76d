"""Fingerprints: what known mistakes give on the public cases.

A mistake's code is not part of this package, only its outputs are: one JSON file a topic, written by
``python -m coursekit.check.fingerprints record``. For each exercise it holds what a right answer gives
(``right``), and one line a mistake: what it gives where that is something else, and the cases that say
nothing about it since its outputs change by themselves (``varies``).

An observation is what one case gave, as JSON:

==========================  ===============================================================================
value                       observation
==========================  ===============================================================================
an exception                ``{"raises": "ValueError"}``
a forbidden call            ``{"raises": "ForbiddenCallError", "group": "conv"}``
a tensor                    ``{"dtype": "float32", "shape": [1, 2], "values": [1, 2.5]}``, row-major
a larger one                ``{"dtype": "float32", "shape": [4, 9], "sums": [...]}``, see ``_sums``
changed arguments as well   ``{"changed": [0], "value": ...}`` with the positions of the arguments
int, bool, str, None        itself
float                       rounded to 6 significant digits; ``{"float": "nan"}`` where JSON has no number
tuple, list                 a list
dict                        ``{"items": [[key, value], ...]}``
anything else               ``{"type": "its type"}``
==========================  ===============================================================================
"""

import functools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coursekit.check.compare import dtype_name
from coursekit.check.run import Outcome
from coursekit.check.values import MOST_ITEMS, Opaque, plain, type_name

VERSION = 2
TOLERANCE = 2e-5
"""Relative; the files hold 6 significant digits."""

FEW_VALUES = 12
"""Tensors of more values are known by sums, unless they hold a NaN or an infinity."""

PERIODS = (13, 17, 19)
"""No two places of a tensor have the same three remainders: their product is above ``MOST_ITEMS``."""

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Fingerprint:
    """A named mistake, the sentence that explains it, and its observation on each public case."""

    name: str
    says: str
    outputs: Mapping[str, Any]


def observation(outcome: Outcome) -> Any:
    """What one case gave, as JSON."""
    if outcome.violations:
        return {"raises": "ForbiddenCallError", "group": outcome.violations[0].group}
    if outcome.failure is not None:
        return {"raises": outcome.failure.type}
    value = observe(outcome.got)
    changed = [i for i, argument in enumerate(outcome.arguments) if argument.name in outcome.changed]
    return {"changed": changed, "value": value} if changed else value


def observe(value: object) -> Any:
    """Any value as JSON, without calling a method that its own class may have overridden."""
    value = plain(value)
    if isinstance(value, Tensor):
        return _observe_tensor(value)
    if isinstance(value, list | tuple):
        return [observe(item) for item in value]
    if isinstance(value, dict):
        return {"items": [[observe(key), observe(item)] for key, item in value.items()]}
    if isinstance(value, float):
        return _rounded(value) if math.isfinite(value) else {"float": str(value)}
    if value is None or isinstance(value, int | str):
        return value
    return {"type": value.type if isinstance(value, Opaque) else type_name(value)}


def _observe_tensor(tensor: Tensor) -> dict[str, Any]:
    head: dict[str, Any] = {"dtype": dtype_name(tensor), "shape": list(tensor.shape)}
    if tensor.is_meta or tensor.numel() > MOST_ITEMS:
        return head | {"values": None}
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    numbers = tensor.cpu().flatten()
    if len(numbers) > FEW_VALUES and bool(numbers.isfinite().all()):
        return head | {"sums": [_compact(item) for item in _sums(numbers.double())]}
    return head | {"values": [_compact(item) for item in numbers.tolist()]}


def _sums(numbers: Tensor) -> list[float]:
    """A few numbers that change with every number of many, and with its place.

    The sum of the absolute values, the sum, and for each of ``PERIODS`` the sum of the numbers times weights
    that run from -(period // 2) to period // 2 again and again. Whole numbers give whole sums, exactly.
    """
    place = torch.arange(len(numbers), dtype=torch.float64)
    weighted = [float((place % period - period // 2) @ numbers) for period in PERIODS]
    return [float(numbers.abs().sum()), float(numbers.sum()), *weighted]


def _compact(number: float) -> float | str:
    if not math.isfinite(number):
        return str(number)
    return int(number) if number == int(number) and abs(number) < 2**53 else _rounded(number)


def _rounded(number: float) -> float:
    return float(f"{number:.6g}")


def matches(a: Any, b: Any) -> bool:
    """Whether two observations are the same but for rounding. Tensors that were too large never match."""
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys() or ("values" in a and None in (a["values"], b["values"])):
            return False
        if "values" in a or "sums" in a:
            near = _close if "values" in a else _close_sums
            key = "values" if "values" in a else "sums"
            return (a["dtype"], a["shape"]) == (b["dtype"], b["shape"]) and near(a[key], b[key])
        return all(matches(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(matches(x, y) for x, y in zip(a, b, strict=True))
    if type(a) is float and type(b) is float:
        return _close([a], [b])
    return type(a) is type(b) and bool(a == b)


def _close(a: list[Any], b: list[Any]) -> bool:
    if len(a) != len(b):
        return False
    scale = max((abs(x) for x in a if not isinstance(x, str)), default=0.0)
    return all(
        x == y
        if isinstance(x, str) or isinstance(y, str)
        else math.isclose(x, y, rel_tol=TOLERANCE, abs_tol=0.1 * TOLERANCE * scale)
        for x, y in zip(a, b, strict=True)
    )


def _close_sums(a: list[float], b: list[float]) -> bool:
    """Sums may differ by as much as if each of the numbers were off by the tolerance."""
    largest = TOLERANCE * max(a[0], b[0])
    weights = (1, 1, *(period // 2 for period in PERIODS))
    return all(abs(x - y) <= largest * weight for x, y, weight in zip(a, b, weights, strict=True))


def read(document: Mapping[str, Any]) -> dict[str, tuple[Fingerprint, ...]]:
    """The fingerprints of a recorded document by exercise, each with all that its mistake gives."""
    return {
        exercise: tuple(
            Fingerprint(name, row["says"], _outputs(recorded["right"], row))
            for name, row in sorted(recorded["mistakes"].items())
        )
        for exercise, recorded in document["exercises"].items()
    }


def _outputs(right: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        case: row["outputs"].get(case, expected)
        for case, expected in right.items()
        if case not in row.get("varies", ())
    }


def drift(recorded: Mapping[str, Fingerprint], observed: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """In sentences, how what the mistakes of an exercise give now differs from their fingerprints.

    recorded: by name. observed: the observation of each case, by the mistake's name; leave out mistakes that
    are right on every public case, as they have no fingerprint.
    """
    for name in sorted(recorded.keys() - observed.keys()):
        yield f"{name}: recorded, but there is no such mistake."
    for name, outputs in sorted(observed.items()):
        if name not in recorded:
            yield f"{name}: not recorded."
            continue
        for case, known in recorded[name].outputs.items():
            if case not in outputs:
                yield f"{name}, {case}: recorded, but there is no such case."
            elif not matches(outputs[case], known):
                yield f"{name}, {case}: {str(known)[:80]} is recorded, {str(outputs[case])[:80]} comes out."


@functools.cache
def load(topic: str) -> Mapping[str, tuple[Fingerprint, ...]]:
    """The fingerprints of a topic's exercises by id; none when the topic has no file."""
    path = FOLDER / f"{topic}.json"
    if not path.exists():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    if document["version"] != VERSION:
        raise ValueError(
            f"{path.name}: version {document['version']}, this package reads {VERSION}; record it anew."
        )
    return read(document)
