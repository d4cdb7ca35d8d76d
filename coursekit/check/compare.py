"""Comparing a plain student value with what the oracle gave: the first difference, in words and numbers."""

import enum
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from coursekit.check.values import Opaque, identical, safe_repr, type_name

RELATIVE_TOLERANCE = 1e-5
"""Of each expected number; and a tenth of it of the largest expected one, since sums cancel."""


class Kind(enum.StrEnum):
    """How a case ended; the value is what the card says."""

    PASSED = "passed"
    VALUE = "wrong value"
    SHAPE = "wrong shape"
    DTYPE = "wrong dtype"
    DEVICE = "wrong device"
    TYPE = "wrong type"
    RAISED = "raised an exception"
    DID_NOT_RAISE = "did not raise"
    MUTATED = "changed its arguments"
    FORBIDDEN = "forbidden call"


@dataclass(frozen=True)
class Mismatch:
    """Where a value differs first from the expected one."""

    kind: Kind
    sentence: str
    expected: object
    got: object
    place: str = ""
    """Which part of the result, such as ``"[0]"`` of a tuple; empty for the whole."""

    index: tuple[int, ...] | None = None
    """Of the first differing element of a tensor."""

    largest: float | None = None
    """The largest absolute difference between the two tensors or numbers."""

    @property
    def where(self) -> str:
        """The place in words, such as ``"result[0]"``; empty for the whole result."""
        return f"result{self.place}" if self.place.startswith("[") else self.place


def compare(expected: object, got: object, place: str = "") -> Mismatch | None:
    """The first difference between two plain values, or ``None``.

    Tensors: device, shape, dtype, then values. Integers, booleans and strings are exact; floats may differ by
    rounding. Containers are compared element by element.
    """
    if isinstance(expected, Tensor) and isinstance(got, Tensor):
        return _compare_tensors(expected, got, place)
    if isinstance(expected, float) and type(got) in (int, float):
        return _compare_numbers(expected, got, place)  # type: ignore[arg-type]
    if type(expected) is not type(got):
        return Mismatch(Kind.TYPE, wrong_type(expected, got), expected, got, place)
    if isinstance(expected, list | tuple) and isinstance(got, list | tuple):
        return _compare_sequences(expected, got, place)
    if isinstance(expected, dict) and isinstance(got, dict):
        return _compare_dicts(expected, got, place)
    if identical(expected, got):
        return None
    if type(expected) is int and type(got) is int:
        return _compare_numbers(expected, got, place)
    return Mismatch(Kind.VALUE, _expected_got(expected, got), expected, got, place)


def _compare_numbers(expected: float, got: float, place: str) -> Mismatch | None:
    """Two integers that differ, or a float and what was given for it."""
    try:
        # An integer may be too large for a float.
        difference = abs(float(expected) - float(got))
        close = type(expected) is float and (
            math.isclose(expected, got, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-8)
            or identical(expected, float(got))
        )
    except OverflowError:
        difference, close = math.inf, False
    if close:
        return None
    largest = difference if math.isfinite(difference) else None
    return Mismatch(Kind.VALUE, _expected_got(expected, got), expected, got, place, largest=largest)


def _compare_sequences(
    expected: list[object] | tuple[object, ...], got: list[object] | tuple[object, ...], place: str
) -> Mismatch | None:
    if len(expected) != len(got):
        sentence = f"{_count(len(expected), 'item')} asked for, got {len(got)}."
        return Mismatch(Kind.SHAPE, sentence, expected, got, place)
    for i, (want, have) in enumerate(zip(expected, got, strict=True)):
        mismatch = compare(want, have, f"{place}[{i}]")
        if mismatch is not None:
            return mismatch
    return None


def _compare_dicts(expected: dict[object, object], got: dict[object, object], place: str) -> Mismatch | None:
    if expected.keys() != got.keys():
        missing = ", ".join(sorted(map(repr, expected.keys() - got.keys()))) or "none"
        extra = ", ".join(sorted(map(repr, got.keys() - expected.keys())))[:120] or "none"
        return Mismatch(
            Kind.SHAPE, f"The keys differ: missing {missing}; not asked for: {extra}.", expected, got, place
        )
    for key, want in expected.items():
        mismatch = compare(want, got[key], f"{place}[{key!r}]")
        if mismatch is not None:
            return mismatch
    return None


def _compare_tensors(expected: Tensor, got: Tensor, place: str) -> Mismatch | None:
    if expected.device != got.device:
        sentence = f"The result is on {got.device}, the arguments were on {expected.device}."
        return Mismatch(Kind.DEVICE, sentence, expected, got, place)
    if expected.shape != got.shape:
        sentence = f"Shape {tuple(expected.shape)} was asked for, got {tuple(got.shape)}."
        return Mismatch(Kind.SHAPE, sentence, expected, got, place)
    differs = differing(expected, got)
    index = first_index(differs)
    largest = largest_difference(expected, got) if index is not None else None
    if expected.dtype != got.dtype:
        values = "the values differ too" if index is not None else "the values agree"
        sentence = f"dtype {dtype_name(expected)} was asked for, got {dtype_name(got)}; {values}."
        return Mismatch(Kind.DTYPE, sentence, expected, got, place, index, largest)
    if index is None:
        return None
    sentence = f"{int(differs.sum())} of {_count(differs.numel(), 'value')} differ."
    return Mismatch(Kind.VALUE, sentence, expected, got, place, index, largest)


def differing(expected: Tensor, got: Tensor) -> Tensor:
    """A boolean mask of the elements of two tensors of one shape that differ by more than rounding."""
    if not (
        expected.is_floating_point() or got.is_floating_point() or expected.is_complex() or got.is_complex()
    ):
        return expected != got
    double = torch.complex128 if expected.is_complex() or got.is_complex() else torch.float64
    a, b = expected.to(double), got.to(double)
    finite = a.abs()[a.abs().isfinite()]
    scale = max(1.0, float(finite.max())) if finite.numel() else 1.0
    close = (a - b).abs() <= RELATIVE_TOLERANCE * a.abs() + 0.1 * RELATIVE_TOLERANCE * scale
    # A difference of infinities is NaN and an infinite tolerance excuses all: these compare exactly.
    exact = (a == b) | ((a != a) & (b != b))
    return ~torch.where(a.abs().isfinite() & b.abs().isfinite(), close, exact)


def first_index(mask: Tensor) -> tuple[int, ...] | None:
    """The index of the first true element in row-major order, or ``None``."""
    places = mask.nonzero()
    return tuple(int(i) for i in places[0]) if len(places) else None


def largest_difference(expected: Tensor, got: Tensor) -> float | None:
    """The largest finite absolute difference between two tensors of one shape; ``None`` if none is finite."""
    double = torch.complex128 if expected.is_complex() or got.is_complex() else torch.float64
    difference = (expected.to(double) - got.to(double)).abs()
    difference = difference[difference.isfinite()]
    return float(difference.max()) if difference.numel() else None


def dtype_name(tensor: Tensor) -> str:
    """``"float32"`` rather than ``"torch.float32"``."""
    return str(tensor.dtype).removeprefix("torch.")


def describe(value: object) -> str:
    """A plain value's type in words, with shape and dtype for a tensor."""
    if value is None:
        return "None"
    if isinstance(value, Tensor):
        return f"a {dtype_name(value)} tensor of shape {tuple(value.shape)}"
    if isinstance(value, list | tuple):
        return f"a {type_name(value)} of {_count(len(value), 'item')}"
    if isinstance(value, Opaque):
        return f"an object of type {value.type}"
    name = type_name(value)
    return f"{'an' if name == 'int' else 'a'} {name}"


def wrong_type(expected: object, got: object) -> str:
    """One sentence on a value of the wrong type, with the way out where there is a usual one."""
    advice = ""
    if got is None:
        advice = " Is a return statement missing?"
    elif isinstance(got, Opaque) and isinstance(expected, Tensor):
        advice = " Return an ordinary torch.Tensor."
    elif type(expected) is int:
        if isinstance(got, Tensor) and got.numel() == 1:
            advice = " int(...) or .item() makes it a Python int."
        elif type(got) is float:
            advice = " Whole division is //, and int(...) makes it a Python int."
        elif type(got) is bool:
            advice = " A truth value is not a count."
    elif type(expected) is float and isinstance(got, Tensor) and got.numel() == 1:
        advice = " float(...) or .item() makes it a Python float."
    elif isinstance(expected, Tensor) and type(got) in (int, float):
        advice = " torch.tensor(...) makes it a tensor."
    elif isinstance(expected, tuple) and isinstance(got, list):
        advice = " tuple(...) makes it one."
    elif isinstance(expected, list) and isinstance(got, tuple):
        advice = " list(...) makes it one."
    sentence = f"{describe(expected)} was asked for, got {describe(got)}.{advice}"
    return sentence[0].upper() + sentence[1:]


def _expected_got(expected: object, got: object) -> str:
    return f"Expected {safe_repr(expected, 40)}, got {safe_repr(got, 40)}."


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
