"""The figure that lectures share: every run of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from coursekit.viz import COLOURS

__all__ = ["dots"]


def dots(
    ax: Axes,
    values: Mapping[str, Any],
    *,
    xlabel: str,
    title: str = "",
    zero: bool = False,
    digits: int = 1,
    log: bool = False,
) -> None:
    """Every run a dot and their mean a bar across, on an axis that need not begin at 0.

    Args:
        ax: to draw on.
        values: what was compared -> one number for each run, or one number.
        xlabel: what the numbers are, with their unit.
        title: of the axes.
        zero: the numbers are differences: mark 0, write the means with their sign.
        digits: of the means, behind the point.
        log: a logarithmic axis, the means as powers of ten.
    """
    for place, runs in enumerate(values.values()):
        runs = np.atleast_1d(runs)
        ax.plot(runs, np.full(len(runs), place), "o", color=COLOURS[0], markersize=10, alpha=0.55)
        ax.plot(runs.mean(), place, "|", color=COLOURS[1], markersize=30, markeredgewidth=4)
        text = f"{runs.mean():.0e}" if log else f"{runs.mean():{'+' if zero else ''}.{digits}f}"
        ax.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", color=COLOURS[1])
    if zero:
        ax.axvline(0, color="black", linestyle=":")
    ax.set_yticks(range(len(values)), list(values))
    ax.set(xlabel=xlabel, title=title, ylim=(len(values) - 0.5, -0.5), xscale="log" if log else "linear")
    ax.grid(axis="x")
