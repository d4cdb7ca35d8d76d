"""Sentences about results, computed from the results they speak of."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["range_of", "verdict"]


def verdict(shown: bool, claim: str, measured: str) -> None:
    """Print what this run says about a claim, whatever was hoped for.

    Args:
        shown: whether the numbers show it.
        claim: the sentence.
        measured: the numbers, in words.
    """
    print(f"{'shown' if shown else 'NOT shown'}: {claim} ({measured})")


def range_of(shares: Any, digits: int = 1) -> str:
    """Mean, smallest and largest of some runs in percent: `"70.3 % (68.0 to 72.5)"`.

    Args:
        shares: from 0 to 1, one for each run.
        digits: behind the point.
    """
    v = 100 * np.asarray(shares, dtype=float)
    return f"{v.mean():.{digits}f} % ({v.min():.{digits}f} to {v.max():.{digits}f})"
