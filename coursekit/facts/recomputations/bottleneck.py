"""1×1 convolutions that make the next layer cheap: the bottleneck sums of the slides."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..formula import Samples
from .group import recomputes
from .measure import macs, output_shape, stack


@recomputes("02", how="convolutions profiled at one position, and on 28×28 pixels")
def sums() -> dict[str, Any]:
    """Operations with and without the detour."""
    reduce, middle, expand = nn.Conv2d(256, 64, 1), nn.Conv2d(64, 64, 3, padding=1), nn.Conv2d(64, 256, 1)
    steps = [macs(layer, layer.in_channels, 1, 1) for layer in (reduce, middle, expand)]
    direct = nn.Conv2d(192, 32, 5, padding=2)
    first, then = nn.Conv2d(192, 16, 1), nn.Conv2d(16, 32, 5, padding=2)
    channels, height, width = output_shape(direct, 192, 28, 28)
    return {
        "02-bottleneck-direct": macs(nn.Conv2d(256, 256, 3, padding=1), 256, 1, 1) / 1000,
        "02-bottleneck-reduce": steps[0] / 1024,
        "02-bottleneck-3x3": steps[1] / 1024,
        "02-bottleneck-expand": steps[2] / 1024,
        "02-bottleneck-total": sum(steps) / 1000,
        "02-1x1-direct-ops": macs(direct, 192, 28, 28) / 1e6,
        "02-1x1-reduce-step": macs(first, 192, 28, 28) / 1e6,
        "02-1x1-conv5-step": macs(then, 16, 28, 28) / 1e6,
        "02-1x1-total": macs(stack(first, then), 192, 28, 28) / 1e6,
        "02-1x1-example-shape": [height, width, channels],
        "02-1x1-unpadded": macs(nn.Conv2d(192, 32, 5), 192, 28, 28) / 1e6,
        "02-pointwise-reduce-example": [
            2 * macs(nn.Conv2d(256, 128, 5, padding=2), 256, 32, 32) / 1e9,
            2 * macs(stack(nn.Conv2d(256, 128, 1), nn.Conv2d(128, 128, 5, padding=2)), 256, 32, 32) / 1e9,
        ],
    }


def basic_block(C: int) -> nn.Sequential:
    """Two 3×3 convolutions."""
    return stack(*(nn.Conv2d(C, C, 3, padding=1, bias=False) for _ in range(2)))


def bottleneck_block(C: int, c: int | None = None, G: int = 1) -> nn.Sequential:
    """1×1, 3×3 in `G` groups, 1×1: 4C to G·c to 4C channels; `c` is C where it is None."""
    inner = G * (C if c is None else c)
    return stack(
        nn.Conv2d(4 * C, inner, 1, bias=False),
        nn.Conv2d(inner, inner, 3, padding=1, groups=G, bias=False),
        nn.Conv2d(inner, 4 * C, 1, bias=False),
    )


@recomputes("04", "05", how="residual branches profiled for several H, W and C")
def block_costs() -> dict[str, Any]:
    """Operations of both residual branches."""
    settings = [{"H": h, "W": w, "C": c} for h, w, c in ((7, 7, 16), (5, 9, 8), (14, 14, 64))]
    return {
        "04-basic-block-flops": Samples.of(settings, lambda H, W, C: macs(basic_block(C), C, H, W)),
        "04-bottleneck-block-flops": Samples.of(
            settings, lambda H, W, C: macs(bottleneck_block(C), 4 * C, H, W)
        ),
        "05-se-bottleneck-218": macs(bottleneck_block(64), 256, 56, 56) / 1e6,
    }
