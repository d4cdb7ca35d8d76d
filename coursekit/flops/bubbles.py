"""The accuracy-cost chart, with labels that do not lie on each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from coursekit.viz.style import COLOURS, styled

if TYPE_CHECKING:
    from coursekit.flops.comparison import Comparison

__all__ = ["chart"]

LARGEST = 3200  # area of the largest bubble, in points²
UNITS = {"mac": "multiply-adds", "2mac": "operations, 2 a multiply-add", "lecture": "operations"}
NEAR = 12  # pixels; labels farther off get a line
DIRECTIONS = [(np.cos(t), np.sin(t)) for t in np.linspace(0, 2 * np.pi, 24, endpoint=False)]


@styled
def chart(comparison: Comparison) -> Figure:
    """See `Comparison.plot`."""
    rows = [row for row in comparison.rows if row.top1 is not None]
    if not rows:
        raise ValueError("no accuracy is known: pass accuracy={name: percent}")
    figure, axes = plt.subplots(figsize=(14, 8))
    x = np.array([row.flops / 1e9 for row in rows])
    y = np.array([row.top1 for row in rows], dtype=float)
    params = np.array([row.params for row in rows], dtype=float)
    areas = LARGEST * params / params.max()
    colours = [COLOURS[i % (len(COLOURS) - 1)] for i in range(len(rows))]
    axes.scatter(x, y, s=areas, c=colours, alpha=0.55, edgecolors=colours, linewidths=1.5)
    axes.plot(x, y, "k.", markersize=4)
    axes.set(xscale="log", xlabel=f"{UNITS[comparison.convention]} of one image (billions)")
    axes.set_ylabel("ImageNet top-1 accuracy (%)")
    axes.grid()
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.margins(x=0.14, y=0.16)
    _legend(axes, params.max())
    figure.canvas.draw()  # places are known only now
    _label(axes, [row.name for row in rows], np.column_stack([x, y]), np.sqrt(areas / np.pi))
    return figure


def _legend(axes: Axes, largest: float) -> None:
    """Three round numbers of parameters as bubbles."""
    sizes = [10 ** round(np.log10(largest) - step) for step in (0, 0.7, 1.4)]
    handles = [
        axes.scatter([], [], s=LARGEST * size / largest, color="#B0B0B0", label=f"{size / 1e6:g} M")
        for size in dict.fromkeys(sizes)
        if size <= largest * 1.5
    ]
    axes.legend(
        handles=handles,
        title="parameters",
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        labelspacing=1.6,
        borderpad=1.2,
        handletextpad=1.6,
        title_fontsize=14,
    )


def _label(axes: Axes, names: Sequence[str], points: Any, radii: Any) -> None:
    """Each name where it covers no bubble and no other name, as near to its own bubble as possible."""
    figure: Any = axes.figure
    pixels = figure.dpi / 72
    centres, radii = axes.transData.transform(points), radii * pixels
    legend = axes.get_legend()
    renderer: Any = figure.canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    texts = [legend.get_window_extent(renderer)] if legend else []
    bubbles = [Bbox.from_extents(*(c - r), *(c + r)) for c, r in zip(centres, radii, strict=True)]
    lines: list[Bbox] = []
    for i in sorted(range(len(names)), key=lambda i: -radii[i]):
        text = axes.annotate(names[i], points[i], fontsize=13, va="center", ha="center", zorder=5)
        size = text.get_window_extent(renderer).size
        others = [box for j, box in enumerate(bubbles) if j != i]
        best: tuple[float, float, Bbox, list[Bbox]] | None = None
        for distance, box in _places(centres[i], radii[i], size):
            line = _line(box, centres[i]) if distance > NEAR else []
            cost = (
                1000 * (_covered([box.padded(2)], texts) + (not _inside(box, frame)))
                + 200 * _covered(line, texts)
                + 100 * _covered([box], others)
                + 40 * _covered([box], lines)
                + distance
            )
            if best is None or cost < best[0]:
                best = (cost, distance, box, line)
        assert best is not None
        _, distance, box, line = best
        texts.append(box)
        lines += line
        middle = np.mean([box.min, box.max], axis=0)
        text.set_position((middle - centres[i]) / pixels)
        text.set_anncoords("offset points")
        if line:
            axes.annotate(
                "", points[i], xytext=tuple(axes.transData.inverted().transform(_nearest(box, centres[i]))),
                arrowprops={"arrowstyle": "-", "color": "#606060", "linewidth": 1},
            )  # fmt: skip


def _places(centre: Any, radius: float, size: Any) -> list[tuple[float, Bbox]]:
    """Distance from the bubble and box of the text, all around it."""
    places: list[tuple[float, Bbox]] = []
    for distance in (4, 10, 20, 34, 50, 70, 95, 125, 160, 200):
        for dx, dy in DIRECTIONS:
            middle = (
                centre
                + np.array([dx, dy]) * (radius + distance)
                + np.sign([round(dx, 6), round(dy, 6)]) * size / 2
            )
            places.append((distance, Bbox.from_extents(*(middle - size / 2), *(middle + size / 2))))
    return places


def _inside(box: Bbox, frame: Bbox) -> bool:
    return bool(frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1)


def _covered(boxes: Sequence[Bbox], others: Sequence[Bbox]) -> int:
    """How many of the others lie under any of the boxes."""
    return sum(any(box.overlaps(other) for box in boxes) for other in others)


def _line(box: Bbox, centre: Any) -> list[Bbox]:
    """The line that joins a far label to its bubble, as a row of small boxes."""
    end = _nearest(box, centre)
    along = (centre + (end - centre) * t for t in np.linspace(0.1, 0.9, 16))
    return [Bbox.from_extents(*(point - 1), *(point + 1)) for point in along]


def _nearest(box: Bbox, point: Any) -> Any:
    return np.clip(point, box.min, box.max)
