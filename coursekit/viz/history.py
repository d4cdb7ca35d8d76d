"""A contest over the years: the best error of each, and how deep the network was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from coursekit.viz.style import COLOURS, styled

__all__ = ["Entry", "contest"]

NETWORK, BEFORE = COLOURS[0], "#8C8C8C"


@dataclass(frozen=True)
class Entry:
    """One entry of a contest.

    Attributes:
        year: of the contest.
        name: of the entry, short.
        error: in percent.
        depth: layers with weights; None where it has none, or several networks of different depth.
        network: whether networks were entered.
    """

    year: int
    name: str
    error: float
    depth: int | None = None
    network: bool = True


@styled
def contest(
    entries: Sequence[Entry],
    *,
    ylabel: str,
    reference: Mapping[str, float] | None = None,
    title: str = "",
) -> Figure:
    """Errors as bars, one an entry, and below them the depth of the networks on a logarithmic scale.

    Entries without a network are grey.

    Args:
        entries: in the order to draw them.
        ylabel: quantity and unit of the errors.
        reference: name -> error, drawn as a dashed line across, such as a human's.
        title: above the plot.

    Raises:
        ValueError: for no entries.
    """
    if not entries:
        raise ValueError("there are no entries to draw")
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(1.55 * len(entries) + 1.6, 8.2), sharex=True, height_ratios=(1.7, 1)
    )
    places = range(len(entries))
    colours = [NETWORK if entry.network else BEFORE for entry in entries]
    for place, entry, colour in zip(places, entries, colours, strict=True):
        above.bar(place, entry.error, color=colour, width=0.72)
        above.annotate(
            f"{entry.error:g}",
            (place, entry.error),
            (0, 6),
            textcoords="offset points",
            ha="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},  # over the dashed line
        )
    for name, value in (reference or {}).items():
        above.axhline(value, color=COLOURS[1], linestyle="--")
        above.annotate(
            f"{name} {value:g}",
            (len(entries) - 0.5, value),
            (0, 6),
            textcoords="offset points",
            ha="right",
            color=COLOURS[1],
        )
    deep = [(place, entry.depth) for place, entry in zip(places, entries, strict=True) if entry.depth]
    below.plot(*zip(*deep, strict=True), "o-", color=NETWORK) if deep else None
    for place, depth in deep:
        below.annotate(str(depth), (place, depth), (0, 9), textcoords="offset points", ha="center")
    above.set(ylabel=ylabel, title=title)
    below.set(ylabel="layers with weights", yscale="log")
    below.set_ylim(4, max((depth for _, depth in deep), default=10) * 2.6)
    below.set_yticks([], minor=True)
    ticks = [tick for tick in (10, 100, 1000) if tick < below.get_ylim()[1]]
    below.set_yticks(ticks, [str(tick) for tick in ticks])
    below.grid(axis="y")
    below.set_xticks(list(places), [f"{entry.year}\n{entry.name}" for entry in entries], fontsize=14)
    return figure
