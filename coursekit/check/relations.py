"""Simple relations between a wrong result and the right one that hold whatever the exercise is."""

import math

import torch
from torch import Tensor

from coursekit.check.compare import Kind, differing
from coursekit.check.run import Outcome

Pair = tuple[Tensor, Tensor]


def explain(failing: list[Outcome]) -> tuple[str, str] | None:
    """The name and the sentence of a relation that holds in every failing case, or ``None``."""
    if not failing:
        return None
    numbers = [_integers(outcome) for outcome in failing]
    if all(number is not None for number in numbers):
        return _off_by_one([number for number in numbers if number is not None])
    pairs = [_tensors(outcome) for outcome in failing]
    if any(pair is None for pair in pairs):
        return None
    tensors = [pair for pair in pairs if pair is not None]
    if all(_transposed(pair) for pair in tensors):
        return (
            "transposed",
            "Your result is the right one with its last two axes exchanged: rows became columns.",
        )
    if any(expected.shape != got.shape for expected, got in tensors):
        return None
    for axes, words in (((-1,), "left to right"), ((-2,), "upside down"), ((-2, -1), "by 180 degrees")):
        if all(expected.dim() >= -min(axes) and _same(got.flip(axes), expected) for expected, got in tensors):
            verb = "rotated" if len(axes) == 2 else "flipped"
            return "flipped", f"Your result is the right one {verb} {words}."
    return _off_by_constant(tensors)


def _integers(outcome: Outcome) -> tuple[int, int] | None:
    mismatch = outcome.mismatch
    if mismatch is None or outcome.kind is not Kind.VALUE:
        return None
    expected, got = mismatch.expected, mismatch.got
    return (expected, got) if type(expected) is int and type(got) is int else None


def _tensors(outcome: Outcome) -> Pair | None:
    mismatch = outcome.mismatch
    if mismatch is None or outcome.kind not in (Kind.VALUE, Kind.SHAPE):
        return None
    expected, got = mismatch.expected, mismatch.got
    if not isinstance(expected, Tensor) or not isinstance(got, Tensor) or expected.numel() < 2:
        return None
    numeric = expected.dtype == got.dtype and not expected.is_complex() and not got.is_meta
    return (expected, got) if numeric else None


def _off_by_one(numbers: list[tuple[int, int]]) -> tuple[str, str] | None:
    differences = {got - expected for expected, got in numbers}
    if differences <= {1} or differences <= {-1}:
        word = "large" if 1 in differences else "small"
        return "off-by-one", f"Every wrong result is one too {word}."
    return None


def _transposed(pair: Pair) -> bool:
    expected, got = pair
    return expected.dim() >= 2 and got.dim() == expected.dim() and _same(got.transpose(-1, -2), expected)


def _off_by_constant(pairs: list[Pair]) -> tuple[str, str] | None:
    if not any(expected.unique().numel() > 1 for expected, _ in pairs):
        return None  # Any wrong constant is the right one times something.
    factors = [_factor(pair) for pair in pairs]
    known = [factor for factor in factors if factor is not None]
    if len(known) == len(pairs):
        return "constant-factor", f"Your result is the right one times {_range(known)}."
    offsets = [_offset(pair) for pair in pairs]
    known = [offset for offset in offsets if offset is not None]
    if len(known) == len(pairs):
        return "constant-offset", f"Your result is the right one plus {_range(known)}."
    return None


def _factor(pair: Pair) -> float | None:
    """The c with got = c * expected, where at least two numbers say so."""
    expected, got = pair[0].double(), pair[1].double()
    used = expected != 0
    if int(used.sum()) < 2 or not got.isfinite().all():
        return None
    factor = float((got[used] / expected[used]).median())
    return factor if factor != 0 and _same(got, factor * expected) else None


def _offset(pair: Pair) -> float | None:
    expected, got = pair[0].double(), pair[1].double()
    offset = float((got - expected).median())
    return offset if math.isfinite(offset) and _same(got, expected + offset) else None


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and not bool(differing(b.to(torch.float64), a.to(torch.float64)).any())


def _range(numbers: list[float]) -> str:
    low, high = min(numbers), max(numbers)
    if math.isclose(low, high, rel_tol=1e-4, abs_tol=1e-9):
        return f"{low:.4g}"
    return f"a constant, from {low:.4g} to {high:.4g} by case"
