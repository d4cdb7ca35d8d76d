"""Blocks of a network drawn as boxes and arrows, the way round them included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from coursekit.viz.style import COLOURS, styled

__all__ = ["Block", "blocks"]

WEIGHTS, OTHER, AROUND = "#CFE3F3", "#EFEFEF", COLOURS[1]
HEIGHT, GAP = 0.72, 0.4  # of a box, and of an arrow
START, RADIUS = 0.4, 0.25  # where the first arrow begins; of the addition


@dataclass(frozen=True)
class Block:
    """What is drawn of a block, from the input on.

    Attributes:
        branch: its layers; those whose name begins with a digit (`"3×3, 64"`) have weights.
        after: layers behind the addition.
        shortcut: what is written at the way round, `"identity"` say; None where there is none.
        before: layers that branch and shortcut share.
    """

    branch: tuple[str, ...]
    after: tuple[str, ...] = ()
    shortcut: str | None = None
    before: tuple[str, ...] = ()


@styled
def blocks(columns: Mapping[str, Block], *, title: str = "") -> Figure:
    """Blocks side by side, the input above, the output below.

    Args:
        columns: name -> block.
        title: above all of them.

    Raises:
        ValueError: for no blocks.
    """
    if not columns:
        raise ValueError("there is nothing to draw: give at least one block")
    lowest = min(_bottom(block) for block in columns.values())
    figure, panels = plt.subplots(
        1, len(columns), figsize=(3.1 * len(columns), 0.62 * (0.5 - lowest)), squeeze=False
    )
    for ax, (name, block) in zip(panels[0], columns.items(), strict=True):
        _draw(ax, block)
        ax.set(xlim=(-1.45, 2.15), ylim=(lowest, 0.2), title=name)
        ax.set_axis_off()
    if title:
        figure.suptitle(title)
    return figure


def _bottom(block: Block) -> float:
    """Where the arrow out of a block ends."""
    boxes = len(block.before) + len(block.branch) + len(block.after)
    return -START - boxes * (HEIGHT + GAP) - (GAP + 2 * RADIUS if block.shortcut else 0) - GAP - 0.2


def _draw(ax: Axes, block: Block) -> None:
    ax.text(0, -0.15, "x", ha="center", va="center", fontstyle="italic", fontsize=18)
    y = -START
    for layer in block.before:
        y = _box(ax, y, layer)
    fork = y - GAP / 2
    for layer in block.branch:
        y = _box(ax, y, layer)
    if block.shortcut:
        plus = y - GAP - RADIUS
        _arrow(ax, (0, y), (0, plus + RADIUS))
        ax.text(
            0, plus, "+", ha="center", va="center", fontsize=20,
            bbox={"boxstyle": "circle,pad=0.12", "facecolor": "white", "edgecolor": AROUND, "linewidth": 2.5},
        )  # fmt: skip
        ax.plot([0, 1.55, 1.55], [fork, fork, plus], color=AROUND, linewidth=2.5)
        _arrow(ax, (1.55, plus), (0.32, plus), AROUND)
        ax.text(1.72, (fork + plus) / 2, block.shortcut, rotation=90, va="center", ha="left", color=AROUND)
        y = plus - RADIUS
    for layer in block.after:
        y = _box(ax, y, layer)
    _arrow(ax, (0, y), (0, y - GAP))


def _box(ax: Axes, y: float, text: str) -> float:
    """An arrow down from y and a box below it; returns where the box ends."""
    top = y - GAP
    _arrow(ax, (0, y), (0, top))
    ax.add_patch(
        FancyBboxPatch(
            (-1.25, top - HEIGHT),
            2.5,
            HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=WEIGHTS if text[:1].isdigit() else OTHER,
            edgecolor="black",
            linewidth=1.3,
        )
    )
    ax.text(0, top - HEIGHT / 2, text, ha="center", va="center", fontsize=15)
    return top - HEIGHT


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = "black") -> None:
    ax.annotate(
        "",
        end,
        start,
        arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 2.0, "shrinkA": 0, "shrinkB": 0},
    )
