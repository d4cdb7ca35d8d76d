"""MobileNet and MobileNetV2: blocks and their costs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import torch
from torch import nn

from ..formula import Samples
from .bottleneck import bottleneck_block
from .depthwise import depthwise, pointwise, standard
from .group import recomputes
from .measure import kinds, macs, network, stack, walk


def separable_block(C: int) -> nn.Sequential:
    """3×3 depthwise, then 1×1."""
    return stack(depthwise(C, 3), pointwise(C, C))


def inverted_block(C: int, t: int) -> nn.Sequential:
    """1×1 to t·C channels, 3×3 depthwise, 1×1 back."""
    return stack(pointwise(C, t * C), depthwise(t * C, 3), pointwise(t * C, C))


@recomputes("05", how="depthwise separable and inverted blocks profiled for several H, W and C")
def block_costs() -> dict[str, Any]:
    """Operations."""
    settings = [{"C": c, "H": h, "W": w} for c, h, w in ((16, 7, 7), (64, 5, 9), (8, 14, 14))]
    expansions = [s | {"t": t} for s, t in zip(settings, (6, 1, 4), strict=True)]

    def speedup(C: int) -> Fraction:
        return Fraction(macs(standard(C, C, 3), C, 7, 7), macs(separable_block(C), C, 7, 7))

    return {
        "05-mobilenet-standard": Samples.of(settings, lambda C, H, W: macs(standard(C, C, 3), C, H, W)),
        "05-mobilenet-separable": Samples.of(settings, lambda C, H, W: macs(separable_block(C), C, H, W)),
        "05-mobilenet-speedup": Samples.of([{"C": c} for c in (1, 16, 64, 512)], speedup),
        "05-mobilenetv2-flops": Samples.of(
            expansions, lambda C, H, W, t: macs(inverted_block(C, t), C, H, W)
        ),
        "05-mobilenetv2-at-equal-width": macs(inverted_block(256, 6), 256, 7, 7)
        / macs(bottleneck_block(64), 256, 7, 7),
    }


@recomputes(
    "05",
    how="layers of the blocks of mobilenet_v1 and mobilenet_v2, in the order in which they run; nn.ReLU6",
)
def blocks() -> dict[str, Any]:
    """What follows what."""

    def block(name: str, number: int) -> list[str]:
        steps = walk(network(name), 3, 224, 224)
        return kinds([step for step in steps if step.name.startswith(f"block{number}.")])

    points = [-3.0, -0.5, 0.0, 1.5, 5.9, 6.0, 9.0]
    return {
        "05-mobilenet-block": block("mobilenet_v1", 2),
        "05-mobilenetv2-block": block("mobilenet_v2", 3),
        "05-relu6": Samples.of([{"x": x} for x in points], lambda x: nn.ReLU6()(torch.tensor(x)).item()),
    }
