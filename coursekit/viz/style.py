"""How the course's figures look, and how they are displayed with alternative text."""

from __future__ import annotations

import base64
import functools
import html
import io
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from PIL import Image

P = ParamSpec("P")
R = TypeVar("R")

# Okabe and Ito's colours, told apart with any kind of colour vision; black first is left to text and axes.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

SIGNED = "PuOr"  # diverging, white at zero: kernels, differences
INTENSITY = "cividis"  # everything else that is no picture

STYLE: dict[str, Any] = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "font.size": 16,
    "axes.titlesize": 17,
    "axes.labelsize": 16,
    "xtick.labelsize": 14,
    "ytick.labelsize": 14,
    "legend.fontsize": 15,
    "figure.titlesize": 19,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": "#D0D0D0",
    "lines.linewidth": 2.5,
    "lines.markersize": 8,
    "image.cmap": INTENSITY,
    "image.interpolation": "nearest",
}


def use_style() -> None:
    """Give all later figures of this session the course's style, plain matplotlib ones too."""
    mpl.rcParams.update(STYLE)


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Draw in the course's style without changing the session's."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(STYLE):
            return function(*args, **kwargs)

    return wrapper


def array(values: Any) -> np.ndarray:
    """A NumPy array out of a tensor on any device, a list or an array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.float() if values.is_floating_point() else values
    return np.asarray(values)


def axes(ax: Axes | None, width: float = 8.0, height: float = 5.0) -> Axes:
    """The Axes given, or those of a new figure of this size in inches."""
    return plt.subplots(figsize=(width, height))[1] if ax is None else ax


def png(figure: Figure) -> bytes:
    """The figure as a PNG file on white, cut to what is drawn.

    What `savefig(bbox_inches="tight")` gives, but drawn once instead of twice, since figures are
    the slowest cells of an assignment. Where something stands outside of the figure, only matplotlib's own
    way has it.
    """
    buffer = io.BytesIO()
    if (picture := _drawn_once(figure)) is not None:
        picture.save(buffer, "png", compress_level=3)  # on photographs twice as quick as 6, and no larger
    else:
        figure.savefig(buffer, format="png", bbox_inches="tight", facecolor="white")
    return buffer.getvalue()


def _drawn_once(figure: Figure) -> Image.Image | None:
    """The picture; None for another backend or resolution, or if something stands outside of the figure."""
    canvas = figure.canvas
    if not isinstance(canvas, FigureCanvasAgg) or mpl.rcParams["savefig.dpi"] not in ("figure", figure.dpi):
        return None
    colour = figure.get_facecolor()
    figure.set_facecolor("white")
    canvas.draw()
    figure.set_facecolor(colour)
    width, height = canvas.get_width_height()
    box = figure.get_tightbbox(canvas.get_renderer()).transformed(figure.dpi_scale_trans)
    if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1:
        return None
    pad = mpl.rcParams["savefig.pad_inches"] * figure.dpi
    left, top = int(box.x0 - pad), int(height - box.y1 - pad)
    right, bottom = int(box.x1 + pad) + 1, int(height - box.y0 + pad) + 1
    picture = Image.new("RGB", (right - left, bottom - top), "white")
    picture.paste(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"), (-left, -top))
    return picture


def image_tag(picture: bytes, alt: str, *, style: str = "max-width:100%") -> str:
    """A PNG as an HTML image with alternative text, nothing outside the tag needed."""
    source = base64.b64encode(picture).decode()
    return f'<img src="data:image/png;base64,{source}" alt="{html.escape(alt)}" style="{style}">'


def show(drawing: Any, alt: str) -> None:
    """Display a figure with alternative text and close it.

    The picture travels as an HTML `<img alt=…>`: JupyterLab's image renderer writes no `alt` from the
    metadata of a PNG output, nor does nbconvert's default template. Where HTML is not shown, the text stands
    alone.

    Args:
        drawing: a Figure, an Axes, or what `slide_window` returns.
        alt: what there is to see, in words, for those who cannot see it.

    Raises:
        ValueError: for an empty alternative text.
    """
    from IPython.display import display

    if not alt.strip():
        raise ValueError("alt is empty: say in words what the figure shows")
    figure: Any = drawing.figure if isinstance(drawing, Axes) else drawing
    markup = image_tag(png(figure), alt) if isinstance(figure, Figure) else figure.to_html(alt)
    display({"text/html": markup, "text/plain": f"[Figure: {alt}]"}, raw=True)
    if isinstance(figure, Figure):
        plt.close(figure)
