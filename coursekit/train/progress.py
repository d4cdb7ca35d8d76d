"""The progress bar: steps done, steps a second, time left."""

from __future__ import annotations

import sys
from typing import Any

from coursekit.frontend import is_live

DELAY = 2.0  # seconds before it appears, so that a short training draws none


def progress_bar(total: int, *, done: int = 0, shown: bool = True) -> Any:
    """A tqdm bar over `total` steps where someone watches, else one that draws nothing.

    Args:
        total: steps of the whole training.
        done: steps that an earlier process did; they don't count for the rate.
        shown: False draws nothing, whoever watches.
    """
    from tqdm.auto import tqdm

    watched = is_live() or sys.stderr.isatty()
    return tqdm(
        total=total, initial=done, delay=DELAY, disable=not (shown and watched), unit="step", leave=False
    )
