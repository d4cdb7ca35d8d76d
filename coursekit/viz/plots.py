"""Curves, bars, points, heat maps and printed tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from coursekit.viz.images import number, write_values
from coursekit.viz.style import COLOURS, INTENSITY, MARKERS, SIGNED, array, axes, styled


@styled
def curves(
    series: Mapping[str, Any],
    *,
    x: Any = None,
    xlabel: str,
    ylabel: str,
    title: str = "",
    xscale: str = "linear",
    yscale: str = "linear",
    ylim: tuple[float, float] | None = None,
    percent: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Lines over a common x, each with the spread over its seeds.

    Args:
        series: name -> values `(points,)`, or `(seeds, points)`: then the line is the mean and the band
            behind it reaches from the smallest to the largest seed.
        x: `(points,)`; by default 1, 2, 3, ...
        xlabel: quantity and unit.
        ylabel: quantity and unit.
        title: above the plot.
        xscale: `"linear"` or `"log"`.
        yscale: likewise.
        ylim: lower and upper end of the y axis.
        percent: values are shares from 0 to 1, drawn as percent.
        ax: draw here instead of in a new figure.

    Raises:
        ValueError: when a series and x have different numbers of points.
    """
    ax = axes(ax)
    for i, (name, values) in enumerate(series.items()):
        runs = np.atleast_2d(array(values).astype(float)) * (100 if percent else 1)
        points = np.arange(1, runs.shape[1] + 1) if x is None else array(x)
        if len(points) != runs.shape[1]:
            raise ValueError(f"{name!r} has {runs.shape[1]} points, x has {len(points)}")
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        ax.plot(
            points,
            runs.mean(0),
            color=colour,
            marker=marker if len(points) <= 30 else None,
            linestyle=("-", "--", "-.", ":")[i // len(COLOURS) % 4],
            label=name,
        )
        if len(runs) > 1:
            ax.fill_between(points, runs.min(0), runs.max(0), color=colour, alpha=0.2, linewidth=0)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
    if ylim is not None:
        ax.set_ylim(*ylim)
    if x is None and xscale == "linear":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(axis="y")
    if len(series) > 1:
        ax.legend(frameon=False)
    return ax


@styled
def bars(
    values: Mapping[str, Any],
    *,
    ylabel: str,
    title: str = "",
    digits: int = 2,
    unit: str = "",
    reference: Mapping[str, float] | None = None,
    log: bool = False,
    percent: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """One horizontal bar a name, with its value written beside it.

    Args:
        values: name -> value, or `(seeds,)`: then the bar is the mean and every seed a dot on it.
        ylabel: quantity and unit, under the value axis.
        title: above the plot.
        digits: decimal places of a written value.
        unit: written behind a value.
        reference: name -> a vertical dashed line at this value, such as chance level.
        log: logarithmic value axis; a bar's length then means nothing, its end does.
        percent: values are shares from 0 to 1, drawn as percent.
        ax: draw here instead of in a new figure.
    """
    ax = axes(ax, 9.0, 1.3 + 0.62 * len(values))
    factor = 100 if percent else 1
    runs = [np.atleast_1d(array(value).astype(float)) * factor for value in values.values()]
    means = [float(run.mean()) for run in runs]
    places = np.arange(len(runs))
    ax.barh(places, means, color=COLOURS[0], height=0.66)
    for place, run, mean in zip(places, runs, means, strict=True):
        if len(run) > 1:
            ax.plot(run, np.full(len(run), place), "o", color="black", markersize=6, alpha=0.7)
        text = f"{number(mean, digits)}{' %' if percent else ''}{' ' + unit if unit else ''}"
        ax.annotate(
            text, (max(run.max(), mean), place), xytext=(8, 0), textcoords="offset points", va="center"
        )
    for i, (name, value) in enumerate((reference or {}).items(), 1):
        colour = COLOURS[i % len(COLOURS)]
        ax.axvline(value * factor, color=colour, linestyle="--")
        ax.text(
            value * factor,
            1.0,
            f"{name} ",
            color=colour,
            ha="center",
            va="bottom",
            transform=ax.get_xaxis_transform(),
        )
    ax.set_yticks(places, list(values))
    ax.invert_yaxis()
    ax.margins(x=0.18)
    if log:
        ax.set_xscale("log")
    elif min(means, default=0) >= 0:
        ax.set_xlim(left=0)
    ax.set_xlabel(ylabel)
    ax.set_title(title, pad=26 if reference else None)
    return ax


@styled
def scatter(
    points: Mapping[str, tuple[float, float]],
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    xscale: str = "linear",
    yscale: str = "linear",
    ax: Axes | None = None,
) -> Axes:
    """Named points, each with its name beside it: models by cost and accuracy.

    Args:
        points: name -> (x, y).
        xlabel: quantity and unit.
        ylabel: quantity and unit.
        title: above the plot.
        xscale: `"linear"` or `"log"`.
        yscale: likewise.
        ax: draw here instead of in a new figure.
    """
    ax = axes(ax)
    for i, (name, (x, y)) in enumerate(points.items()):
        ax.plot(x, y, MARKERS[i % len(MARKERS)], color=COLOURS[i % len(COLOURS)], markersize=11)
        ax.annotate(name, (x, y), xytext=(9, 6), textcoords="offset points", fontsize=15)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, xscale=xscale, yscale=yscale)
    ax.margins(0.15)
    ax.grid()
    return ax


@styled
def heatmap(
    values: Any,
    *,
    rows: Sequence[object],
    columns: Sequence[object],
    xlabel: str,
    ylabel: str,
    label: str = "",
    title: str = "",
    signed: bool = False,
    digits: int = 2,
    ax: Axes | None = None,
) -> Axes:
    """A value for each pair of settings, written into its cell.

    Args:
        values: `(len(rows), len(columns))`.
        rows: what each row stands for.
        columns: what each column stands for.
        xlabel: quantity and unit along the columns.
        ylabel: quantity and unit along the rows.
        label: quantity and unit of the values, at the colour scale.
        title: above the plot.
        signed: a colour scale with white at zero.
        digits: decimal places of a value.
        ax: draw here instead of in a new figure.

    Raises:
        ValueError: when rows and columns do not fit the values.
    """
    grid = array(values).astype(float)
    if grid.shape != (len(rows), len(columns)):
        raise ValueError(f"values are {grid.shape}, rows and columns name {(len(rows), len(columns))}")
    ax = axes(ax, max(5.0, 1.1 * len(columns) + 3.2), max(3.2, 0.75 * len(rows) + 1.8))
    largest = float(np.abs(grid).max()) or 1.0
    low, high = (-largest, largest) if signed else (None, None)
    drawn = ax.imshow(grid, cmap=SIGNED if signed else INTENSITY, aspect="auto", vmin=low, vmax=high)
    write_values(ax, grid, largest if signed else None, digits=digits, fontsize=15, trim=False)
    ax.set_xticks(range(len(columns)), [str(c) for c in columns])
    ax.set_yticks(range(len(rows)), [str(r) for r in rows])
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    ax.figure.colorbar(drawn, ax=ax, label=label)
    return ax


def table(rows: Sequence[Any], header: Sequence[str] | None = None, *, digits: int = 3) -> None:
    """Print rows in aligned columns: numbers to the right, the rest to the left.

    Args:
        rows: sequences of equal length, or dataclass or named-tuple instances, whose fields are the columns.
        header: the columns' names; by default the fields' names, if there are any.
        digits: decimal places of a float.

    Raises:
        ValueError: when rows or header differ in length.
    """
    records = [_record(row) for row in rows]
    names = list(header) if header is not None else next((list(names) for names, _ in records if names), [])
    cells = [[_cell(value, digits) for value in values] for _, values in records]
    widths_of = [*([names] if names else []), *cells]
    if len({len(row) for row in widths_of}) > 1:
        raise ValueError(f"rows have {sorted({len(row) for row in cells})} columns, the header {len(names)}")
    widths = [max(map(len, column)) for column in zip(*widths_of, strict=True)]
    right = [
        all(isinstance(values[i], int | float) or values[i] is None for _, values in records)
        for i in range(len(widths))
    ]

    def line(row: Sequence[str]) -> str:
        padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)]
        return "  ".join(padded).rstrip()

    if names:
        print(line(names))
        print("  ".join("─" * width for width in widths))
    for row in cells:
        print(line(row))


def _record(row: Any) -> tuple[tuple[str, ...], list[Any]]:
    if hasattr(row, "__dataclass_fields__"):
        names = tuple(row.__dataclass_fields__)
        return names, [getattr(row, name) for name in names]
    return tuple(getattr(row, "_fields", ())), list(row)


def _cell(value: Any, digits: int) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.{digits}f}"
    if isinstance(value, tuple | list):
        return "×".join(str(v) for v in value)
    return str(value)
