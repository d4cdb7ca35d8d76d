"""How a layer works, drawn: the sliding window, the growing receptive field, max pooling's gradient."""

from __future__ import annotations

import base64
import html
import io
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle
from matplotlib.text import Text
from PIL import Image

from coursekit.probe import LayerProbe
from coursekit.viz.images import number
from coursekit.viz.style import COLOURS, array, image_tag, styled

WINDOW, RESULT, MARGIN = COLOURS[1], COLOURS[0], "#E4E4E4"


@dataclass(frozen=True)
class Slides:
    """Pictures to step through, for `viz.show`.

    Attributes:
        pictures: PNG files, all of one size.
        captions: what each of them shows, one sentence each.
    """

    pictures: tuple[bytes, ...]
    captions: tuple[str, ...]

    def to_html(self, alt: str, *, still: int = 3) -> str:
        """A player with a slider and a play button; where no script runs, `still` of the pictures instead.

        Nothing is loaded from elsewhere, and every picture has its caption as alternative text.
        """
        name = f"slides-{uuid.uuid4().hex[:8]}"
        chosen = np.unique(np.linspace(0, len(self.pictures) - 1, still).round().astype(int))
        stills = "".join(
            f"<div>{image_tag(self.pictures[i], f'{alt} Step {i + 1}: {self.captions[i]}')}"
            f"<div>{html.escape(self.captions[i])}</div></div>"
            for i in chosen
        )
        frames = [
            {"source": "data:image/png;base64," + base64.b64encode(picture).decode(), "caption": caption}
            for picture, caption in zip(self.pictures, self.captions, strict=True)
        ]
        data = json.dumps({"name": name, "alt": alt, "frames": frames}).replace("<", "\\u003c")
        return f'<div id="{name}">{stills}</div><script>({PLAYER})({data});</script>'


PLAYER = """function (slides) {
  const root = document.getElementById(slides.name);
  if (!root) return;
  const make = (tag, settings) => Object.assign(document.createElement(tag), settings);
  const picture = make("img", {style: "max-width:100%"});
  const caption = make("div", {style: "font-size:120%; min-height:1.6em"});
  caption.setAttribute("aria-live", "polite");
  const slider = make("input", {type: "range", min: 0, max: slides.frames.length - 1, value: 0,
                                style: "width:60%; vertical-align:middle"});
  slider.setAttribute("aria-label", "step");
  const button = make("button", {type: "button", textContent: "Play"});
  let timer = null;
  const draw = () => {
    const frame = slides.frames[slider.value];
    picture.src = frame.source;
    picture.alt = slides.alt + " Step " + (Number(slider.value) + 1) + ": " + frame.caption;
    caption.textContent = frame.caption;
  };
  const pause = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
  const step = () => {
    if (!root.isConnected || Number(slider.value) === slides.frames.length - 1) return pause();
    slider.value = Number(slider.value) + 1;
    draw();
  };
  button.onclick = () => {
    if (timer !== null) return pause();
    if (Number(slider.value) === slides.frames.length - 1) { slider.value = 0; draw(); }
    timer = setInterval(step, 700);
    button.textContent = "Pause";
  };
  slider.oninput = () => { pause(); draw(); };
  const controls = make("div", {});
  controls.append(button, " ", slider);
  root.replaceChildren(picture, caption, controls);
  draw();
}"""


@styled
def slide_window(
    image: Any,
    kernel: Any,
    *,
    stride: int = 1,
    padding: int = 0,
    steps: int = 16,
    digits: int = 2,
) -> Slides:
    """A kernel sliding over an image as a convolutional layer slides it, the output filled cell by cell.

    Args:
        image: `(H, W)`, small: up to about 8×8 keeps the numbers legible.
        kernel: `(h, w)`; slid as it is, not flipped.
        stride: cells from one window to the next.
        padding: rows and columns of zeros on each side.
        steps: windows shown one by one at most; the last picture shows the whole output.
        digits: decimal places of a value.

    Raises:
        ValueError: for anything but two dimensions, or a kernel that does not fit.
    """
    pixels, weights = array(image).astype(float), array(kernel).astype(float)
    if pixels.ndim != 2 or weights.ndim != 2:
        raise ValueError(f"image {pixels.shape} and kernel {weights.shape} must have two dimensions each")
    padded = np.pad(pixels, padding)
    if padded.shape[0] < weights.shape[0] or padded.shape[1] < weights.shape[1]:
        raise ValueError(f"a {weights.shape} kernel does not fit into the padded image {padded.shape}")
    result = _convolve(pixels, weights, stride, padding)
    cells = list(np.ndindex(*result.shape))
    shown = cells if len(cells) <= steps else [*cells[: steps - 1], cells[-1]]

    figure, window, target, numbers = _window_figure(padded, weights, result, padding, digits)
    pictures, captions = [], []
    for row, column in shown:
        top, left = row * stride, column * stride
        seen = padded[top : top + weights.shape[0], left : left + weights.shape[1]]
        products = [
            f"{number(a, digits)}·{number(b, digits)}" for a, b in zip(seen.flat, weights.flat, strict=True)
        ]
        terms = " + ".join(products) if len(products) <= 9 else "sum of all products"
        value = number(float(result[row, column]), digits)
        captions.append(f"output row {row}, column {column}: {terms} = {value}")
        window.set_xy((left - 0.5, top - 0.5))
        target.set_xy((column - 0.5, row - 0.5))
        for text in numbers[: row * result.shape[1] + column + 1]:
            text.set_visible(True)
        pictures.append(_picture(figure))
    plt.close(figure)
    return Slides(tuple(pictures), tuple(captions))


def _window_figure(
    padded: np.ndarray, weights: np.ndarray, result: np.ndarray, padding: int, digits: int
) -> tuple[Figure, Rectangle, Rectangle, list[Text]]:
    """Input, kernel and output side by side; the frames that move, and the output's numbers, still hidden."""
    grids = (padded, weights, result)
    # Placed by hand: every picture has the same size, and none waits for the layout to be worked out.
    across = sum(grid.shape[1] for grid in grids) + 2
    down = max(grid.shape[0] for grid in grids) + 0.7
    figure = plt.figure(figsize=(0.68 * across, 0.68 * down), layout="none")
    panels, left = [], 0
    for grid in grids:
        height, width = grid.shape
        bottom = (down - 0.7 - height) / 2
        panels.append(figure.add_axes((left / across, bottom / down, width / across, height / down)))
        left += width + 1
    frame = np.ones(padded.shape, bool)
    frame[padding : len(padded) - padding, padding : padded.shape[1] - padding] = False
    _cells(panels[0], padded, digits, title="input", grey=frame)
    _cells(panels[1], weights, digits, title="kernel")
    numbers = _cells(panels[2], result, digits, title="output")
    for text in numbers:
        text.set_visible(False)
    outline: dict[str, Any] = {"fill": False, "linewidth": 5}
    height, width = weights.shape
    window = Rectangle((-0.5, -0.5), width, height, edgecolor=WINDOW, **outline)
    target = Rectangle((-0.5, -0.5), 1, 1, edgecolor=RESULT, **outline)
    panels[0].add_patch(window)
    panels[1].add_patch(Rectangle((-0.5, -0.5), width, height, edgecolor=WINDOW, **outline))
    panels[2].add_patch(target)
    return figure, window, target, numbers


def _convolve(pixels: np.ndarray, weights: np.ndarray, stride: int, padding: int) -> np.ndarray:
    x, w = torch.from_numpy(pixels)[None, None], torch.from_numpy(weights)[None, None]
    return F.conv2d(x, w, stride=stride, padding=padding)[0, 0].numpy()


@styled
def receptive_fields(
    image: Any,
    rows: Sequence[LayerProbe],
    *,
    title: str = "",
    unit: str = "px",
) -> Figure:
    """The receptive field of one unit of each layer as nested squares on the image.

    Of each layer the unit nearest to the middle of the image is drawn; a field that reaches beyond the image
    covers padding there, drawn grey.

    Args:
        image: `(H, W)`, `(1, H, W)` or `(3, H, W)`, values in [0, 1].
        rows: from `probe.measure` on images of this size; rows without a field, and rows whose field is that
            of the row before, are left out.
        title: above the drawing.
        unit: behind the sizes.
    """
    pixels = array(image).astype(float)
    pixels = np.moveaxis(pixels, 0, -1).squeeze() if pixels.ndim == 3 else pixels
    height, width = pixels.shape[:2]
    squares = []
    for before, row in zip([None, *rows[:-1]], rows, strict=True):
        if row.size is None or row.stride is None or row.padding is None:
            continue
        if before is not None and before.size == row.size:
            continue
        corner = [_middle(side, row, i) for i, side in enumerate((height, width))]
        squares.append((row.name, row.size, corner))
    figure, ax = plt.subplots(figsize=(11.5, 7.5))
    edges = [-0.5, -0.5, height - 0.5, width - 0.5]
    for _, size, (top, left) in squares:
        edges = [
            min(edges[0], top),
            min(edges[1], left),
            max(edges[2], top + size),
            max(edges[3], left + size),
        ]
    ax.add_patch(
        Rectangle((edges[1], edges[0]), edges[3] - edges[1], edges[2] - edges[0], color=MARGIN, zorder=0)
    )
    ax.imshow(pixels, cmap="gray", vmin=0, vmax=1, zorder=1)
    shades = plt.get_cmap("plasma")(np.linspace(0.0, 0.9, max(len(squares), 2)))
    for (name, size, (top, left)), shade in zip(squares, shades, strict=False):
        ax.add_patch(Rectangle((left, top), size, size, fill=False, edgecolor="white", linewidth=6, zorder=2))
        ax.add_patch(
            Rectangle(
                (left, top),
                size,
                size,
                fill=False,
                edgecolor=shade,
                linewidth=3.5,
                zorder=3,
                label=f"{name}: {size} {unit}",
            )
        )
    room = 0.02 * (edges[3] - edges[1])
    ax.set(xlim=(edges[1] - room, edges[3] + room), ylim=(edges[2] + room, edges[0] - room), title=title)
    ax.set(xlabel=f"column ({unit})", ylabel=f"row ({unit})")
    ax.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, title="receptive field")
    return figure


def _middle(side: int, row: LayerProbe, axis: int) -> float:
    """Where the field begins of the unit whose field lies nearest to the middle of the image."""
    assert row.size is not None
    assert row.stride is not None
    assert row.padding is not None
    units = row.output_shape[1 + axis] if len(row.output_shape) == 3 else 1
    starts = np.arange(units) * row.stride - row.padding
    return float(starts[np.abs(starts + row.size / 2 - side / 2).argmin()]) - 0.5


@styled
def pool_route(
    x: Any, *, kernel: int = 2, stride: int | None = None, gradient: Any = None, digits: int = 1
) -> Figure:
    """Forward and backward through max pooling: which cells win, and where the gradient goes.

    Args:
        x: `(H, W)`, small: up to about 8×8 keeps the numbers legible.
        kernel: side of the window.
        stride: cells from one window to the next; by default the kernel.
        gradient: of the loss with respect to the output, of the output's shape; by default all ones.
        digits: decimal places of a value.

    Raises:
        ValueError: for anything but two dimensions, or a gradient of another shape than the output.
    """
    values = array(x).astype(float)
    if values.ndim != 2:
        raise ValueError(f"x must have two dimensions, not {values.shape}")
    leaf = torch.from_numpy(values)[None, None].requires_grad_()
    output, winners = F.max_pool2d(leaf, kernel, stride or kernel, return_indices=True)
    arriving = np.ones(output.shape[2:]) if gradient is None else array(gradient).astype(float)
    if arriving.shape != tuple(output.shape[2:]):
        raise ValueError(f"gradient is {arriving.shape}, the output is {tuple(output.shape[2:])}")
    output.backward(torch.from_numpy(arriving)[None, None])
    assert leaf.grad is not None
    returned = leaf.grad[0, 0].numpy()
    won = np.zeros(values.shape, bool)
    won.flat[winners.flatten().numpy()] = True

    rows, columns = values.shape
    out_columns = arriving.shape[1]
    ratios = [columns, out_columns, out_columns, columns]
    figure, panels = plt.subplots(
        1, 4, figsize=(0.62 * (sum(ratios) + 6), 0.62 * rows + 1.3), gridspec_kw={"width_ratios": ratios}
    )
    _cells(panels[0], values, digits, title="input x", lit=won)
    _cells(
        panels[1], output.detach()[0, 0].numpy(), digits, title="max of x", lit=np.ones(arriving.shape, bool)
    )
    _cells(panels[2], arriving, digits, title="∂L/∂max", lit=np.ones(arriving.shape, bool), light=RESULT)
    _cells(panels[3], returned, digits, title="∂L/∂x", lit=returned != 0, light=RESULT)
    for (i, j), winner in np.ndenumerate(winners[0, 0].numpy()):
        source = divmod(int(winner), columns)
        bend = -0.3 if source[0] < rows / 2 else 0.3  # outwards, around the numbers in between
        for start, end, a, b, colour in (
            (panels[0], panels[1], source, (i, j), WINDOW),
            (panels[2], panels[3], (i, j), source, RESULT),
        ):
            figure.add_artist(
                ConnectionPatch(
                    a[::-1],
                    b[::-1],
                    "data",
                    "data",
                    axesA=start,
                    axesB=end,
                    arrowstyle="-|>",
                    connectionstyle=f"arc3,rad={bend}",
                    mutation_scale=18,
                    color=colour,
                    linewidth=2,
                    alpha=0.75,
                    shrinkA=14,
                    shrinkB=14,
                )
            )
    return figure


def _cells(
    ax: Axes,
    values: np.ndarray,
    digits: int,
    *,
    title: str,
    grey: np.ndarray | None = None,
    lit: np.ndarray | None = None,
    light: str = WINDOW,
) -> list[Text]:
    """A grid of numbers, which are returned row by row; `grey` cells are shaded, `lit` cells tinted."""
    texts = []
    tint = 0.65 + 0.35 * np.array(to_rgb(light))
    for (i, j), value in np.ndenumerate(values):
        colour: Any = "white"
        if grey is not None and grey[i, j]:
            colour = MARGIN
        if lit is not None and lit[i, j]:
            colour = tint
        ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=colour, edgecolor="#808080", linewidth=1))
        texts.append(ax.text(j, i, number(value, digits), ha="center", va="center", fontsize=16))
    rows, columns = values.shape
    ax.set(xlim=(-0.62, columns - 0.38), ylim=(rows - 0.38, -0.62), aspect="equal", title=title)
    ax.set_axis_off()
    return texts


def _picture(figure: Figure) -> bytes:
    """A PNG of 64 colours: a third of the size, and nothing to see of it in a line drawing."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(64).save(buffer, format="png")
    return buffer.getvalue()
