"""Depthwise separable convolution."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from torch import nn

from ..formula import Samples, evaluate
from .group import recomputes
from .measure import macs, stack, weights

PRINTED = "((D1*1)+(D1*1-1)+1)*D2*H2*W2"  # on the slide whose label is to be told


def depthwise(c: int, k: int) -> nn.Conv2d:
    """One k×k filter a channel."""
    return nn.Conv2d(c, c, k, padding=k // 2, groups=c, bias=False, device="meta")


def pointwise(c_in: int, c_out: int) -> nn.Conv2d:
    """1×1, all channels."""
    return nn.Conv2d(c_in, c_out, 1, bias=False, device="meta")


def standard(c_in: int, c_out: int, k: int) -> nn.Conv2d:
    """k×k, all channels."""
    return nn.Conv2d(c_in, c_out, k, padding=k // 2, bias=False, device="meta")


@recomputes("05", how="torch's depthwise, pointwise and standard convolutions, counted and profiled")
def separable() -> dict[str, Any]:
    """Weights and operations of both parts, and the share of a standard convolution."""
    squares = [{"k": k, "c": c} for k, c in ((3, 8), (5, 4), (1, 6))]
    layers = [
        {"D1": d1, "D2": d2, "F": f, "H2": h, "W2": w}
        for d1, d2, f, h, w in ((8, 16, 3, 7, 9), (32, 64, 5, 14, 14), (4, 3, 1, 5, 6))
    ]
    ratios = [{"D1": d1, "D2": d2, "F": f} for d1, d2, f in ((32, 64, 3), (16, 16, 5), (8, 100, 3))]

    def share(D1: int, D2: int, F: int) -> Fraction:
        separable = macs(stack(depthwise(D1, F), pointwise(D1, D2)), D1, 14, 14)
        return Fraction(separable, macs(standard(D1, D2, F), D1, 14, 14))

    return {
        "05-depthwise-params": Samples.of(squares, lambda k, c: weights(depthwise(c, k))),
        "05-depthwise-separable-params": Samples.of(
            squares, lambda k, c: weights(stack(depthwise(c, k), pointwise(c, c)))
        ),
        "05-flops-depthwise": Samples.of(
            layers, lambda D1, D2, F, H2, W2: 2 * macs(depthwise(D1, F), D1, H2, W2)
        ),
        "05-flops-pointwise": Samples.of(
            layers, lambda D1, D2, F, H2, W2: 2 * macs(pointwise(D1, D2), D1, H2, W2)
        ),
        "05-flops-pointwise-label": _label(layers),
        "05-reduction-formula": Samples.of(ratios, share),
        "05-reduction-one-eighth": [float(1 / share(32, D2, 3)) for D2 in (128, 512)],
    }


def _label(settings: list[dict[str, int]]) -> str:
    """Which of the two layers the printed product counts."""
    counted = {
        "depthwise": [2 * macs(depthwise(s["D1"], s["F"]), s["D1"], s["H2"], s["W2"]) for s in settings],
        "pointwise": [2 * macs(pointwise(s["D1"], s["D2"]), s["D1"], s["H2"], s["W2"]) for s in settings],
    }
    printed = [evaluate(PRINTED, setting) for setting in settings]
    return next((name for name, counts in counted.items() if counts == printed), "neither")
