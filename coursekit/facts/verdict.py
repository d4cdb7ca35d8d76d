"""Given against recomputed: a verdict is computed here and written down nowhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

from .fact import Fact, stated_value
from .formula import Samples, evaluate

__all__ = ["Verdict", "judge"]

CLOSE = 1e-5  # of formulas on real numbers, relative to the value


class Verdict(StrEnum):
    """How a fact came out."""

    MATCH = "match"
    ROUNDS = "rounds"
    CONVENTION = "other convention"
    ERRATUM = "erratum"
    DERIVED = "derived"
    STATED = "stated"
    PENDING = "pending"
    UNEXPLAINED = "unexplained"


def judge(fact: Fact, value: Any = None, failure: str = "") -> tuple[Verdict, str]:
    """The verdict on a fact and the reason where one is needed.

    Args:
        fact: what the slides say.
        value: what was recomputed; None where nothing was.
        failure: why nothing was.
    """
    if value is None and not (fact.stated or fact.pending or fact.right is not None):
        return Verdict.UNEXPLAINED, failure or "nothing recomputes it"
    if value is not None and (fact.stated or fact.pending):
        return Verdict.UNEXPLAINED, "it is recomputed: it is neither only stated nor pending"
    if fact.pending:
        return Verdict.PENDING, fact.pending
    agreement, needed = _agreement(fact, value)
    if agreement == "differs":
        verdict = Verdict.ERRATUM if fact.erratum else Verdict.CONVENTION
        return (
            (verdict, fact.explanation) if fact.explanation else (Verdict.UNEXPLAINED, "no reason is given")
        )
    if fact.explanation:
        return Verdict.UNEXPLAINED, f"it agrees, and is explained all the same: {fact.explanation}"
    if not needed:
        return Verdict.UNEXPLAINED, "it agrees without the `rounding` or `figures` that it claims"
    if fact.stated:
        return Verdict.STATED, fact.stated
    if fact.derived is not None:
        return Verdict.DERIVED, ""
    return (Verdict.MATCH if agreement == "match" else Verdict.ROUNDS), ""


def _agreement(fact: Fact, value: Any) -> tuple[str, bool]:
    """`"match"`, `"rounds"` or `"differs"`, and whether the stated rounding was needed for it."""
    if value is None:
        if fact.right is not None:
            return compare(fact.given, fact.right), True
        return (_same(fact.given, stated_value(fact.same_as)) if fact.same_as else "match"), True
    if fact.formula is not None:
        return _holds(fact.formula, value), True
    claimed = True if fact.given is None and fact.derived is None else fact.given
    claimed = fact.derived if claimed is None else claimed
    agreement = compare(claimed, value, fact.rounding, fact.figures)
    special = fact.rounding != "half up" or fact.figures is not None
    return agreement, not special or compare(claimed, value) == "differs"


def compare(given: Any, value: Any, rounding: str = "half up", figures: int | None = None) -> str:
    """`"match"` where both are the same, `"rounds"` where `given` is the rounded value, else `"differs"`.

    Lists are compared place by place; the worst place decides.
    """
    if isinstance(given, list) or (isinstance(value, Sequence) and not isinstance(value, str)):
        if not isinstance(given, list) or not isinstance(value, Sequence) or len(given) != len(value):
            return "differs"
        parts = {compare(g, v, rounding, figures) for g, v in zip(given, value, strict=True)}
        return next((word for word in ("differs", "rounds") if word in parts), "match")
    if isinstance(given, str | bool) or isinstance(value, str | bool):
        return "match" if type(given) is type(value) and given == value else "differs"
    if not isinstance(value, int | float | Decimal | Fraction) or given is None:
        return "differs"
    exact, claimed = _exact(value), _exact(given)
    if exact == claimed:
        return "match"
    unit = _last_digit(given, figures)
    half = Fraction(1, 2) if rounding == "half up" else 0
    rounded = math.floor(abs(exact) / unit + half) * unit
    return "rounds" if rounded == abs(claimed) and exact * claimed >= 0 else "differs"


def _same(first: Any, second: Any) -> str:
    """Two statements of one figure agree when the finer one rounds to the coarser one."""
    both = {compare(first, second), compare(second, first)}
    return "differs" if both == {"differs"} else "match"


def _holds(formula: Any, samples: Any) -> str:
    formulas = formula if isinstance(formula, list) else [formula]
    if not isinstance(samples, Samples) or not samples.settings:
        return "differs"
    for setting, measured in zip(samples.settings, samples.measured, strict=True):
        values = measured if isinstance(measured, tuple) else (measured,)
        if len(values) != len(formulas):
            return "differs"
        for text, seen in zip(formulas, values, strict=True):
            computed = evaluate(text, setting)
            exact = isinstance(computed, int | Fraction) and isinstance(seen, int | Fraction)
            if computed != seen and (exact or not math.isclose(computed, seen, rel_tol=CLOSE, abs_tol=CLOSE)):
                return "differs"
    return "match"


def _exact(number: Any) -> Fraction:
    return Fraction(repr(number)) if isinstance(number, float) else Fraction(number)


def _last_digit(given: Any, figures: int | None) -> Fraction:
    """The value of one in the last digit that is meant."""
    if figures is not None:
        return Fraction(10) ** (math.floor(math.log10(abs(given))) + 1 - figures)
    exponent = given.as_tuple().exponent if isinstance(given, Decimal) else 0
    return Fraction(10) ** min(int(exponent), 0)
