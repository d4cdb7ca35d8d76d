"""Every plot of the course, legible at the back of a room.

Each function returns the Axes or Figure it drew; `show` displays one with alternative text. Arrays and
tensors are both taken, on any device.

    fig = viz.show_kernels(kernels, titles=["blur", "sharpen"])
    viz.show(fig, alt="Two 3×3 kernels: blur, all ninths; sharpen, 5 in the middle and -1 beside it.")
"""

from coursekit.viz.architecture import Block, blocks
from coursekit.viz.drawings import Slides, pool_route, receptive_fields, slide_window
from coursekit.viz.images import show_images, show_kernels, show_matrix
from coursekit.viz.plots import bars, curves, heatmap, scatter, table
from coursekit.viz.style import COLOURS, STYLE, show, use_style
from coursekit.viz.surfaces import contours

__all__ = [
    "COLOURS",
    "STYLE",
    "Block",
    "Slides",
    "bars",
    "blocks",
    "contours",
    "curves",
    "heatmap",
    "pool_route",
    "receptive_fields",
    "scatter",
    "show",
    "show_images",
    "show_kernels",
    "show_matrix",
    "slide_window",
    "table",
    "use_style",
]
