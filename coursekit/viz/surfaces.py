"""Surfaces over a plane, side by side on one colour scale: the loss around two networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from coursekit.viz.images import number
from coursekit.viz.style import COLOURS, INTENSITY, array, styled

__all__ = ["contours"]


@styled
def contours(
    surfaces: Mapping[str, Any],
    *,
    steps: Any,
    label: str,
    levels: Sequence[float] | int = 12,
    log: bool = False,
    xlabel: str = "first direction",
    ylabel: str = "second direction",
    mark: tuple[float, float] | None = (0.0, 0.0),
    title: str = "",
) -> Figure:
    """Contour lines, filled, a panel a surface; the same colour is the same height in all of them.

    Args:
        surfaces: name -> heights `(n, n)`, rows from bottom to top; what is not finite counts as the highest.
        steps: places along both directions, `(n,)`.
        label: quantity and unit of the heights.
        levels: heights of the lines, rising; or how many, spread evenly from the lowest to the highest.
        log: spread them evenly on a logarithmic scale, and so the colours.
        xlabel: quantity and unit.
        ylabel: quantity and unit.
        mark: a point to mark in each panel, such as the network itself.
        title: above all panels.

    Raises:
        ValueError: for no surfaces, a surface that does not fit the steps, levels that do not rise, or
            heights of 0 and less on a logarithmic scale.
    """
    places = array(steps).astype(float)
    if not surfaces:
        raise ValueError("there is nothing to draw: give at least one surface")
    grids = {name: array(values).astype(float) for name, values in surfaces.items()}
    for name, grid in grids.items():
        if grid.shape != (len(places), len(places)):
            raise ValueError(f"{name!r} is {grid.shape}, steps ask for {(len(places), len(places))}")
    heights = _levels(np.concatenate([grid.ravel() for grid in grids.values()]), levels, log)
    norm = BoundaryNorm(heights, 256, extend="both")
    figure, panels = plt.subplots(
        1, len(grids), figsize=(5.6 * len(grids) + 1.6, 5.6), squeeze=False, sharex=True, sharey=True
    )
    for ax, (name, grid) in zip(panels[0], grids.items(), strict=True):
        finite = np.where(np.isfinite(grid), grid, 10 * heights[-1])
        ax.contourf(places, places, finite, heights, cmap=INTENSITY, norm=norm, extend="both")
        lines = ax.contour(places, places, finite, heights, colors="black", linewidths=0.8)
        ax.clabel(lines, lines.levels[::2], fmt=lambda value: number(value, 2), fontsize=14)
        if mark is not None:
            ax.plot(*mark, "*", color="white", markeredgecolor=COLOURS[1], markeredgewidth=2, markersize=20)
        ax.set(title=name, xlabel=xlabel, aspect="equal")
        ax.xaxis.set_major_locator(MaxNLocator(5))
        ax.yaxis.set_major_locator(MaxNLocator(5))
    panels[0, 0].set_ylabel(ylabel)
    scale = figure.colorbar(
        ScalarMappable(norm, INTENSITY), ax=panels[0].tolist(), label=label, ticks=heights[::2]
    )
    scale.ax.set_yticklabels([number(float(value), 2) for value in heights[::2]])
    if title:
        figure.suptitle(title)
    return figure


def _levels(values: np.ndarray, levels: Sequence[float] | int, log: bool) -> np.ndarray:
    """The heights of the lines."""
    finite = values[np.isfinite(values)]
    if log and (finite <= 0).any():
        raise ValueError("a height is 0 or less, which a logarithmic scale does not have")
    if not isinstance(levels, int):
        heights = np.asarray(levels, dtype=float)
    elif log:
        heights = np.geomspace(finite.min(), finite.max(), levels)
    else:
        heights = np.linspace(finite.min(), finite.max(), levels)
    if len(heights) < 2 or (np.diff(heights) <= 0).any():
        raise ValueError(f"levels are {heights.tolist()}: give at least two, rising")
    return heights
