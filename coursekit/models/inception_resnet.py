"""Inception-v4 and Inception-ResNet-v2: modules of factored convolutions, without and with shortcuts.

Szegedy, Ioffe, Vanhoucke, Alemi: Inception-v4, Inception-ResNet and the impact of residual connections on
learning, AAAI 2017; figures 3 to 9 (Inception-v4) and 15 to 19 (Inception-ResNet-v2).

    stage          height, 299×299 input   channels, repeats
                                           Inception-v4      Inception-ResNet-v2
    stem             35                     384               320
    inception_a      35                     384 × 4           320 × 10, 0.17
    reduction_a      17                    1024              1088
    inception_b      17                    1024 × 7          1088 × 20, 0.10
    reduction_b       8                    1536              2080
    inception_c       8                    1536 × 3          2080 × 9 + 1, 0.20 and 1
    last              8                       –              1536
    head                                   global average pooling, dropout 0.2, fully connected

Both are written as one chain of rows. A row is a convolution (with batch normalization and ReLU), a pooling,
branches side by side, or branches with a shortcut around them: relu(x + scale · linear 1×1(branches(x))). The
residual is scaled down, by the last number in the table, since training died without (section 3.3). Only
the latter network has shortcuts; "Inception-v4 is ResNet plus Inception" mixes the two up.

Differences from the paper: Inception-ResNet-v2 is the network that its authors released weights of, 55.8 M
parameters. Its stem is Inception-v3's in place of figure 3's, so maps have other widths (1088 channels,
1154 in figure 17; 2080, 2048 in figure 19); modules are repeated 10, 20, 10 times, not 5, 10, 5; the last
has neither scale nor ReLU. The paper does not say how the weights were drawn; here it is He et al. 2015.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from coursekit.models.card import Card
from coursekit.models.googlenet import Branches, conv_norm_relu
from coursekit.models.parts import ImageCheck, he_init

__all__ = ["BUILDERS", "CARDS", "inception_resnet_v2", "inception_v4"]


@dataclass(frozen=True)
class Conv:
    """Convolution, batch normalization, ReLU. `valid` is the paper's V: without padding."""

    channels: int
    kernel: int | tuple[int, int] = 1
    stride: int = 1
    valid: bool = False


@dataclass(frozen=True)
class Split:
    """Branches, each a chain of rows, that get the same map; their outputs are concatenated."""

    branches: tuple[Chain, ...]


@dataclass(frozen=True)
class Residual:
    """Branches with a shortcut around them."""

    branches: tuple[Chain, ...]
    scale: float
    relu: bool = True


Row = Conv | Split | Residual | Callable[[], nn.Module]
Chain = tuple[Row, ...]
Stages = dict[str, Chain]


def halve(channels: int) -> Conv:
    """The convolution that halves height and width."""
    return Conv(channels, 3, stride=2, valid=True)


def split(*branches: Chain) -> Split:
    """Branches side by side."""
    return Split(branches)


MAX = partial(nn.MaxPool2d, 3, stride=2)
AVERAGE = partial(nn.AvgPool2d, 3, stride=1, padding=1, count_include_pad=False)

INCEPTION_A = split(  # figure 4
    (Conv(96),),
    (Conv(64), Conv(96, 3)),
    (Conv(64), Conv(96, 3), Conv(96, 3)),
    (AVERAGE, Conv(96)),
)
INCEPTION_B = split(  # figure 5
    (Conv(384),),
    (Conv(192), Conv(224, (1, 7)), Conv(256, (7, 1))),
    (Conv(192), Conv(192, (7, 1)), Conv(224, (1, 7)), Conv(224, (7, 1)), Conv(256, (1, 7))),
    (AVERAGE, Conv(128)),
)
FORK = split((Conv(256, (1, 3)),), (Conv(256, (3, 1)),))
INCEPTION_C = split(  # figure 6
    (Conv(256),),
    (Conv(384), FORK),
    (Conv(384), Conv(448, (3, 1)), Conv(512, (1, 3)), FORK),
    (AVERAGE, Conv(256)),
)
INCEPTION_V4: Stages = {
    "stem": (  # figure 3
        halve(32),
        Conv(32, 3, valid=True),
        Conv(64, 3),
        split((MAX,), (halve(96),)),
        split(
            (Conv(64), Conv(96, 3, valid=True)),
            (Conv(64), Conv(64, (1, 7)), Conv(64, (7, 1)), Conv(96, 3, valid=True)),
        ),
        split((halve(192),), (MAX,)),
    ),
    "inception_a": 4 * (INCEPTION_A,),
    "reduction_a": (split((halve(384),), (Conv(192), Conv(224, 3), halve(256)), (MAX,)),),  # figure 7
    "inception_b": 7 * (INCEPTION_B,),
    "reduction_b": (  # figure 8
        split(
            (Conv(192), halve(192)),
            (Conv(256), Conv(256, (1, 7)), Conv(320, (7, 1)), halve(320)),
            (MAX,),
        ),
    ),
    "inception_c": 3 * (INCEPTION_C,),
}

RESNET_A: tuple[Chain, ...] = (  # figure 16
    (Conv(32),),
    (Conv(32), Conv(32, 3)),
    (Conv(32), Conv(48, 3), Conv(64, 3)),
)
RESNET_B: tuple[Chain, ...] = (  # figure 17
    (Conv(192),),
    (Conv(128), Conv(160, (1, 7)), Conv(192, (7, 1))),
)
RESNET_C: tuple[Chain, ...] = (  # figure 19
    (Conv(192),),
    (Conv(192), Conv(224, (1, 3)), Conv(256, (3, 1))),
)
INCEPTION_RESNET_V2: Stages = {
    "stem": (
        halve(32),
        Conv(32, 3, valid=True),
        Conv(64, 3),
        MAX,
        Conv(80),
        Conv(192, 3, valid=True),
        MAX,
        split(
            (Conv(96),),
            (Conv(48), Conv(64, 5)),
            (Conv(64), Conv(96, 3), Conv(96, 3)),
            (AVERAGE, Conv(64)),
        ),
    ),
    "inception_a": 10 * (Residual(RESNET_A, scale=0.17),),
    "reduction_a": (split((halve(384),), (Conv(256), Conv(256, 3), halve(384)), (MAX,)),),  # figure 7
    "inception_b": 20 * (Residual(RESNET_B, scale=0.10),),
    "reduction_b": (  # figure 18
        split(
            (Conv(256), halve(384)),
            (Conv(256), halve(288)),
            (Conv(256), Conv(288, 3), halve(320)),
            (MAX,),
        ),
    ),
    "inception_c": 9 * (Residual(RESNET_C, scale=0.20),) + (Residual(RESNET_C, scale=1.0, relu=False),),
    "last": (Conv(1536),),
}
SMALLEST = 75  # 75 → 37 → 35 → 17 → 15 → 7 → 3 → 1


def build(c_in: int, chain: Chain) -> tuple[nn.Sequential, int]:
    """The layers of a chain of rows, and the number of channels that come out."""
    layers: list[nn.Module] = []
    for row in chain:
        match row:
            case Conv():
                padding = 0 if row.valid else None
                layers.append(conv_norm_relu(c_in, row.channels, row.kernel, row.stride, padding=padding))
                c_in = row.channels
            case Split():
                side_by_side, c_in = branches(c_in, row.branches)
                layers.append(side_by_side)
            case Residual():
                layers.append(ResidualBlock(c_in, row))
            case pooling:
                layers.append(pooling())
    return nn.Sequential(*layers), c_in


def branches(c_in: int, chains: tuple[Chain, ...]) -> tuple[Branches, int]:
    """Chains side by side, and the number of channels of all together."""
    built = [build(c_in, chain) for chain in chains]
    layers = {f"branch{i}": layer for i, (layer, _) in enumerate(built)}
    return Branches(**layers), sum(width for _, width in built)


class ResidualBlock(nn.Module):
    """`relu(x + scale * linear(branches(x)))`; `(N, C, H, W)` stays."""

    def __init__(self, channels: int, row: Residual) -> None:
        super().__init__()
        self.scale = row.scale
        self.branches, width = branches(channels, row.branches)
        self.linear = nn.Conv2d(width, channels, 1)
        self.act = nn.ReLU(inplace=True) if row.relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(torch.add(x, self.linear(self.branches(x)), alpha=self.scale))


def _network(name: str, stages: Stages, num_classes: int, in_channels: int, dropout: float) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict(check=ImageCheck(name, in_channels, smallest=SMALLEST))
    channels = in_channels
    for stage, chain in stages.items():
        layers[stage], channels = build(channels, chain)
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["dropout"] = nn.Dropout(dropout)
    layers["fc"] = nn.Linear(channels, num_classes)
    network = nn.Sequential(layers)
    he_init(network, mode="fan_in")
    return network


def inception_v4(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2) -> nn.Sequential:
    """Inception-v4 for images `(N, in_channels, H, W)`, 299×299 in the paper; logits `(N, num_classes)`.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour images.
        dropout: probability with which one of the 1536 features is dropped in training.
    """
    return _network("inception_v4", INCEPTION_V4, num_classes, in_channels, dropout)


def inception_resnet_v2(
    *, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.2
) -> nn.Sequential:
    """Inception-ResNet-v2; shapes and arguments as in `inception_v4`."""
    return _network("inception_resnet_v2", INCEPTION_RESNET_V2, num_classes, in_channels, dropout)


PAPER = (
    "Szegedy, Ioffe, Vanhoucke, Alemi: Inception-v4, Inception-ResNet and the impact of residual connections "
    "on learning, AAAI 2017"
)
CARDS = {
    "inception_v4": Card(
        PAPER,
        2017,
        input_shape=(3, 299, 299),
        smallest=SMALLEST,
        note="No shortcuts, although a lecture calls it ResNet plus Inception: that is inception_resnet_v2.",
    ),
    "inception_resnet_v2": Card(
        PAPER,
        2017,
        input_shape=(3, 299, 299),
        smallest=SMALLEST,
        note="The network of the released weights: another stem and more modules than in the paper.",
    ),
}

BUILDERS = {"inception_v4": inception_v4, "inception_resnet_v2": inception_resnet_v2}
