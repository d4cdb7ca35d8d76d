"""Counting operations: numbers that keep a tally of what is done with them, and profiled layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

from torch import nn

from ..formula import Samples
from .group import recomputes
from .measure import macs, output_shape, parameters, weights


@dataclass
class Tally:
    """How often was multiplied, and how often added."""

    multiplications: int = 0
    additions: int = 0


@dataclass
class Counted:
    """A number that tells its tally what is done with it."""

    value: float
    tally: Tally = field(repr=False)

    def __mul__(self, other: Counted) -> Counted:
        self.tally.multiplications += 1
        return Counted(self.value * other.value, self.tally)

    def __add__(self, other: Counted) -> Counted:
        self.tally.additions += 1
        return Counted(self.value + other.value, self.tally)


def _dot(size: int, *, bias: bool = False) -> Tally:
    """What a dot product of so many numbers takes, with a bias behind it if wanted."""
    tally = Tally()
    products = [Counted(1.0, tally) * Counted(2.0, tally) for _ in range(size)]
    total = reduce(add, products)
    if bias:
        total + Counted(1.0, tally)
    return tally


def _both(tally: Tally) -> int:
    return tally.multiplications + tally.additions


@recomputes("02", how="a dot product of numbers that count what is done with them")
def one_output() -> dict[str, Any]:
    """One output, operation by operation."""
    kernels = [{"F": f} for f in (1, 2, 3, 5)]
    filters = [{"D1": d, "F": f} for d in (1, 3, 16) for f in (1, 3, 5)]
    filter5 = nn.Conv2d(3, 1, 5)
    return {
        "02-mult-per-window": Samples.of(kernels, lambda F: _dot(F * F).multiplications),
        "02-add-per-window": Samples.of(kernels, lambda F: _dot(F * F).additions),
        "02-flops-one-output": Samples.of(filters, lambda D1, F: _both(_dot(D1 * F * F, bias=True))),
        "02-params-76": parameters(filter5),
        "02-params-760": parameters(nn.Conv2d(3, 10, 5)),
    }


def _outputs(layer: nn.Module, channels: int, side: int) -> int:
    out_channels, height, width = output_shape(layer, channels, side, side)
    return out_channels * height * width


@recomputes(
    "02",
    "05",
    how="torch convolutions profiled for several sizes; two operations a multiply-add where slides count so",
)
def layers() -> dict[str, Any]:
    """A whole layer: memory, weights, operations."""
    same = [{"h": h, "w": w, "c": c, "k": k} for h, w, c, k in ((4, 5, 3, 3), (7, 7, 8, 1), (6, 9, 4, 5))]
    valid = [
        {"D1": d1, "F": f, "D2": d2, "H2": h, "W2": w}
        for d1, f, d2, h, w in ((3, 5, 6, 28, 28), (8, 3, 16, 7, 9), (4, 1, 5, 6, 6))
    ]
    halving = [{"H": h, "W": w, "C": c} for h, w, c in ((7, 7, 8), (5, 6, 4))]
    squares = [{"k": k, "c": c} for k, c in ((3, 8), (1, 4), (5, 3))]

    def conv(c: int, k: int, **options: Any) -> nn.Conv2d:
        return nn.Conv2d(c, c, k, padding=k // 2, bias=False, **options)

    def twice(D1: int, F: int, D2: int, H2: int, W2: int) -> int:
        """Both operations of each multiply-add; the bias is the addition that the first product lacks."""
        return 2 * macs(nn.Conv2d(D1, D2, F), D1, H2 + F - 1, W2 + F - 1)

    def resolution(channels: int, H: int, W: int) -> tuple[int, int, int]:
        layer = conv(channels, 3)
        return (
            output_shape(layer, channels, H, W)[0] * H * W,
            weights(layer),
            macs(layer, channels, H, W),
        )

    def one_filter(k: int, c: int) -> tuple[int, int]:
        layer = nn.Conv2d(c, 1, k, bias=False)
        return weights(layer), macs(layer, c, k, k)

    def all_filters(k: int, c: int) -> tuple[int, int]:
        layer = nn.Conv2d(c, c, k, bias=False)
        return weights(layer), macs(layer, c, k, k)

    return {
        "02-conv-space-io": Samples.of(same, lambda h, w, c, k: output_shape(conv(c, k), c, h, w)[0] * h * w),
        "02-conv-space-filters": Samples.of(same, lambda h, w, c, k: weights(conv(c, k))),
        "02-conv-time": Samples.of(same, lambda h, w, c, k: macs(conv(c, k), c, h, w)),
        "02-flops-formula": Samples.of(valid, twice),
        "05-flops-standard": Samples.of(valid, twice),
        "02-halving-rule-a": Samples.of(halving, lambda H, W, C: resolution(C, 2 * H, 2 * W)),
        "02-halving-rule-b": Samples.of(halving, lambda H, W, C: resolution(2 * C, H, W)),
        "05-standard-conv-one-filter": Samples.of(squares, one_filter),
        "05-standard-conv-c-filters": Samples.of(squares, all_filters),
    }
