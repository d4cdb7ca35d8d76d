"""Grouped convolution, ResNeXt, ShuffleNet, and the guidelines on the number of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from coursekit.probe import receptive_field

from ..formula import Samples
from .bottleneck import bottleneck_block
from .group import recomputes
from .measure import macs, network, stack, weights


def conv(c_in: int, c_out: int, k: int | tuple[int, int] = 3, groups: int = 1) -> nn.Conv2d:
    """A convolution that keeps height and width, without bias, on the meta device."""
    padding = k // 2 if isinstance(k, int) else (k[0] // 2, k[1] // 2)
    return nn.Conv2d(c_in, c_out, k, padding=padding, groups=groups, bias=False, device="meta")


@recomputes("05", how="torch's grouped convolutions, counted, profiled and run on random maps")
def groups() -> dict[str, Any]:
    """Shapes, operations, and what is computed."""
    torch.manual_seed(0)
    settings = [
        {"Cin": i, "Cout": o, "K": k, "G": g, "H": h, "W": w}
        for i, o, k, g, h, w in ((8, 12, 3, 1, 7, 7), (8, 12, 3, 4, 5, 6), (16, 16, 1, 8, 9, 9))
    ]
    x, weight = torch.randn(1, 8, 5, 5), torch.randn(6, 4, 3, 3)
    apart = [F.conv2d(part, w) for part, w in zip(x.chunk(2, 1), weight.chunk(2), strict=True)]
    return {
        "05-grouped-procedure": torch.allclose(F.conv2d(x, weight, groups=2), torch.cat(apart, 1), atol=1e-5),
        "05-group-shape": list(conv(8, 12, groups=4).weight.shape),
        "05-depthwise-shape": [list(conv(8, n, groups=8).weight.shape) for n in (8, 16)],
        "05-group-flops": Samples.of(
            settings, lambda Cin, Cout, K, G, H, W: macs(conv(Cin, Cout, K, G), Cin, H, W)
        ),
    }


@recomputes(
    "05", how="grouped and plain bottlenecks profiled; the root of their difference; both run on random maps"
)
def resnext() -> dict[str, Any]:
    """What a bottleneck in G paths costs."""
    settings = [{"G": g, "C": c, "c": n} for g, c, n in ((4, 64, 24), (32, 64, 4), (1, 16, 16), (8, 32, 5))]
    maps = [
        s | {"H": h, "W": w} for s, (h, w) in zip(settings, ((7, 7), (5, 6), (9, 9), (4, 4)), strict=True)
    ]

    def paths(G: int, C: int, c: int, H: int = 1, W: int = 1) -> int:
        return macs(bottleneck_block(C, c, G), 4 * C, H, W)

    def difference(G: int, C: int, c: int) -> int:
        return paths(G, C, c) - macs(bottleneck_block(C), 4 * C, 1, 1)

    def width(G: int) -> float:
        """Where the difference, a parabola through three measured points, is zero."""
        points = (8, 16, 24)
        roots = np.roots(np.polyfit(points, [difference(G, 64, c) for c in points], 2))
        return float(max(roots.real))

    torch.manual_seed(0)
    x = torch.randn(1, 16, 5, 5)
    down, middle, up = torch.randn(12, 16, 1, 1), torch.randn(12, 3, 3, 3), torch.randn(16, 12, 1, 1)
    grouped = F.conv2d(F.conv2d(F.conv2d(x, down), middle, padding=1, groups=4), up)
    apart = [
        F.conv2d(F.conv2d(F.conv2d(x, a), b, padding=1), c)
        for a, b, c in zip(down.chunk(4), middle.chunk(4), up.chunk(4, 1), strict=True)
    ]
    return {
        "05-resnext-path-flops": Samples.of(maps, paths),
        "05-resnext-equation": Samples.of(settings, difference),
        "05-resnext-g4-c24": width(4),
        "05-resnext-g32-c4": width(32),
        "05-resnext-parallel-equals-grouped": torch.allclose(grouped, torch.stack(apart).sum(0), atol=1e-3),
    }


@recomputes("05", how="nn.ChannelShuffle on numbered channels; the 1×1 convolutions of shufflenet_v1")
def shufflenet() -> dict[str, Any]:
    """Groups that see each other."""
    channels = torch.arange(12.0).view(1, 12, 1, 1)
    shuffled = nn.ChannelShuffle(3)(channels).flatten().tolist()
    seen = [{int(channel) // 4 for channel in shuffled[g : g + 4]} for g in (0, 4, 8)]
    unit = network("shufflenet_v1", groups=3).get_submodule("stage3.1")
    ones = [m for m in unit.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    settings = [{"C": c, "G": g, "H": h, "W": w} for c, g, h, w in ((12, 3, 7, 7), (16, 4, 5, 6))]
    return {
        "05-shufflenet": seen == [{0, 1, 2}] * 3
        and [m.groups for m in ones] == [3, 3]
        and any(isinstance(m, nn.ChannelShuffle) for m in unit.modules()),
        "05-shufflenet-group-cost": Samples.of(settings, lambda C, G, H, W: macs(conv(C, C, 1, G), C, H, W)),
    }


@recomputes(
    "05", how="weights of torch convolutions for several numbers of channels; fields measured by gradient"
)
def guidelines() -> dict[str, Any]:
    """What saves weights."""
    plain = [{"C": c, "K": k} for c, k in ((8, 16), (16, 16), (64, 32))]
    split = [{"C": c, "K": k, "G": g} for c, k, g in ((16, 32, 4), (64, 64, 8), (8, 8, 2))]
    two, one = [nn.Conv2d(1, 1, 3) for _ in range(2)], nn.Conv2d(1, 1, 5)
    return {
        "05-guideline-2": [
            weights(stack(conv(1, 1), conv(1, 1))),
            weights(conv(1, 1, 5)),
            receptive_field(nn.Sequential(*two), 32).size,
            receptive_field(nn.Sequential(one), 32).size,
        ],
        "05-guideline-3": Samples.of(plain, lambda C, K: weights(conv(C, K)) // 9),
        "05-guideline-4": Samples.of(split, lambda C, K, G: weights(conv(C, K, groups=G)) // 9),
        "05-guideline-5-spatial": Samples.of(
            plain, lambda C, K: weights(stack(conv(C, K, (1, 3)), conv(K, K, (3, 1))))
        ),
        "05-guideline-5-channels": Samples.of(
            split, lambda C, K, G: weights(stack(conv(C, K, groups=G), conv(K, K, 1)))
        ),
    }
