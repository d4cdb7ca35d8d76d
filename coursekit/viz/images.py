"""Pictures, kernels and matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from coursekit.viz.style import INTENSITY, SIGNED, array, axes, styled

LARGEST_ANNOTATED = 16  # rows or columns; numbers in a larger matrix would be too small to read


@styled
def show_images(
    images: Any,
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    size: float = 2.6,
    cmap: str = "gray",
    limits: tuple[float, float] | None = (0.0, 1.0),
    title: str = "",
) -> Figure:
    """A grid of images.

    Args:
        images: `(N, C, H, W)`, `(N, H, W)`, or a sequence of `(C, H, W)` or `(H, W)` of any sizes; C is 1 or
            3.
        titles: one a picture.
        columns: pictures in a row; by default up to eight.
        size: width of a picture in inches.
        cmap: colour map of one-channel images.
        limits: the values drawn black and white; None takes each image's own smallest and largest, which a
            filter's result needs (its values leave [0, 1]).
        title: above the whole grid.

    Raises:
        ValueError: for no images, a wrong number of titles, or channels other than 1 and 3.
    """
    pictures = [_picture(image) for image in images]
    if not pictures:
        raise ValueError("there are no images to show")
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"{len(titles)} titles for {len(pictures)} images; give one each")
    columns = min(len(pictures), 8) if columns is None else columns
    rows = math.ceil(len(pictures) / columns)
    height, width = pictures[0].shape[:2]
    room = 0.45 if titles is not None else 0.08
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(columns * size, rows * (size * height / width + room) + (0.5 if title else 0)),
        squeeze=False,
    )
    for ax in grid.flat:
        ax.set_axis_off()
    for i, (ax, picture) in enumerate(zip(grid.flat, pictures, strict=False)):
        low, high = limits or (float(picture.min()), float(picture.max()))
        if picture.ndim == 3:
            scaled = np.clip((picture - low) / max(high - low, 1e-12), 0, 1)
            ax.imshow(scaled)
        else:
            ax.imshow(picture, cmap=cmap, vmin=low, vmax=high)
        if titles is not None:
            ax.set_title(titles[i])
    if title:
        figure.suptitle(title)
    return figure


@styled
def show_kernels(
    kernels: Any,
    titles: Sequence[str] | None = None,
    *,
    columns: int | None = None,
    size: float = 2.6,
    annotate: bool | None = None,
    digits: int = 2,
    title: str = "",
) -> Figure:
    """Kernels on one signed colour scale, white at zero, with their values written in.

    Args:
        kernels: `(N, h, w)`, `(N, 1, h, w)`, or a sequence of `(h, w)` kernels.
        titles: one a kernel.
        columns: kernels in a row; by default up to eight.
        size: width of a kernel in inches.
        annotate: write the values; by default for kernels up to 5×5.
        digits: decimal places of a value.
        title: above the whole grid.

    Raises:
        ValueError: for no kernels or a wrong number of titles.
    """
    values = [_picture(kernel) for kernel in kernels]
    if not values:
        raise ValueError("there are no kernels to show")
    if titles is not None and len(titles) != len(values):
        raise ValueError(f"{len(titles)} titles for {len(values)} kernels; give one each")
    columns = min(len(values), 8) if columns is None else columns
    rows = math.ceil(len(values) / columns)
    largest = max(float(np.abs(v).max()) for v in values) or 1.0
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(
            columns * size,
            rows * (size + (0.45 if titles is not None else 0.1)) + (0.5 if title else 0),
        ),
        squeeze=False,
    )
    for ax in grid.flat:
        ax.set_axis_off()
    for i, (ax, value) in enumerate(zip(grid.flat, values, strict=False)):
        ax.imshow(value, cmap=SIGNED, vmin=-largest, vmax=largest)
        h, w = value.shape
        ax.add_patch(
            Rectangle((-0.5, -0.5), w, h, fill=False, edgecolor="#808080", linewidth=2, clip_on=False)
        )
        if annotate or (annotate is None and max(value.shape) <= 5):
            write_values(ax, value, largest, digits=digits, fontsize=16 if max(value.shape) <= 3 else 14)
        if titles is not None:
            ax.set_title(titles[i])
    if title:
        figure.suptitle(title)
    return figure


@styled
def show_matrix(
    matrix: Any,
    *,
    title: str = "",
    xlabel: str = "column",
    ylabel: str = "row",
    signed: bool | None = None,
    annotate: bool | None = None,
    digits: int = 2,
    blocks: tuple[int, int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A matrix as coloured cells: the bands of a Toeplitz matrix, a confusion matrix, a kernel.

    Args:
        matrix: `(rows, columns)`.
        title: above it.
        xlabel: what a column is.
        ylabel: what a row is.
        signed: a colour scale with white at zero; by default where there is a negative value or many zeros.
        annotate: write the values; by default up to 16 rows and columns.
        digits: decimal places of a value.
        blocks: `(rows, columns)` of one block: lines are drawn between the blocks.
        ax: draw here instead of in a new figure.

    Raises:
        ValueError: for anything but two dimensions.
    """
    values = array(matrix).astype(float)
    if values.ndim != 2:
        raise ValueError(f"a matrix has two dimensions, this has {values.ndim}: {values.shape}")
    rows, columns = values.shape
    scale = min(0.9, 10.5 / max(rows, columns))
    ax = axes(ax, max(4.0, columns * scale + 2.0), max(3.0, rows * scale + 1.6))
    signed = bool((values < 0).any() or (values == 0).mean() > 0.5) if signed is None else signed
    largest = float(np.abs(values).max()) or 1.0
    if signed:
        drawn = ax.imshow(values, cmap=SIGNED, vmin=-largest, vmax=largest)
    else:
        drawn = ax.imshow(values, cmap=INTENSITY)
    if annotate or (annotate is None and max(rows, columns) <= LARGEST_ANNOTATED):
        shade = largest if signed else None
        write_values(ax, values, shade, digits=digits, fontsize=14, skip_zero=signed)
    else:
        ax.figure.colorbar(drawn, ax=ax, shrink=0.8)
    if blocks:
        high, wide = blocks
        for edge in np.arange(high, rows, high) - 0.5:
            ax.axhline(edge, color="#606060", linewidth=1)
        for edge in np.arange(wide, columns, wide) - 0.5:
            ax.axvline(edge, color="#606060", linewidth=1)
    for spine in ax.spines.values():
        spine.set_visible(True)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    return ax


def write_values(
    ax: Axes,
    values: np.ndarray,
    largest: float | None,
    *,
    digits: int = 2,
    fontsize: float = 14,
    skip_zero: bool = False,
    trim: bool = True,
) -> None:
    """Write each cell's value, white on dark cells.

    Args:
        ax: where `imshow` drew the values.
        values: `(rows, columns)`.
        largest: end of a signed colour scale; None for a scale from the smallest to the largest value.
        digits: decimal places.
        fontsize: in points.
        skip_zero: leave cells with zero empty.
        trim: drop zeros at a number's end.
    """
    low, high = float(values.min()), float(values.max())
    for (i, j), value in np.ndenumerate(values):
        if skip_zero and value == 0:
            continue
        dark = value - low <= 0.5 * (high - low) if largest is None else abs(value) > 0.6 * largest
        text = number(value, digits, trim=trim)
        ax.text(j, i, text, ha="center", va="center", fontsize=fontsize, color="white" if dark else "black")


def number(value: float, digits: int = 2, *, trim: bool = True) -> str:
    """A value as short as its decimal places allow: 3, −0.5, 0.11, 37,749."""
    text = f"{value:,.{digits}f}"
    if digits and trim:
        text = text.rstrip("0").rstrip(".")
    return (text if text not in ("-0", "") else "0").replace("-", "−")


def _picture(image: Any) -> np.ndarray:
    """`(H, W)` for one channel, `(H, W, 3)` for three."""
    values = array(image).astype(float)
    if values.ndim == 3 and values.shape[0] == 1:
        return values[0]
    if values.ndim == 3 and values.shape[0] == 3:
        return np.moveaxis(values, 0, 2)
    if values.ndim == 2:
        return values
    raise ValueError(f"an image is (H, W), (1, H, W) or (3, H, W), this is {values.shape}")
