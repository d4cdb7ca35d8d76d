"""DenseNet: within a block every layer sees the maps of all layers before it.

Huang, Liu, van der Maaten, Weinberger: Densely connected convolutional networks, CVPR 2017; the networks of
its table 1, which are DenseNet-BC: a bottleneck in each layer (B) and compression between blocks (C).

    stage        output, 224×224 input   layers
    stem          112×112                7×7 convolution, stride 2
    pool           56×56                 3×3 max pooling, stride 2
    block1         56×56                 (1×1, 3×3) × 6
    transition1    28×28                 1×1, 2×2 average pooling
    block2         28×28                 (1×1, 3×3) × 12
    transition2    14×14                 1×1, 2×2 average pooling
    block3         14×14                 (1×1, 3×3) × 24 | 32 | 48 | 36    for 121 | 169 | 201 | 161
    transition3     7×7                  1×1, 2×2 average pooling
    block4          7×7                  (1×1, 3×3) × 16 | 32 | 32 | 24
    head            1×1                  global average pooling, fully connected

Layer l of a block gets k₀ + (l − 1) k channels, with k the growth rate, and adds k of its own: where ResNet
adds what a layer found to what it was given, DenseNet puts it beside, by concatenation. "Convolution" in the
table is batch normalization, ReLU, convolution, in this order. The number in the name counts the layers with
weights: 1 + 2 (6 + 12 + 24 + 16) + 3 + 1 = 121.

The network is the paper's. Its weights are drawn after He et al. 2015 as there.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from coursekit.models.card import Card, Figures
from coursekit.models.parts import ImageCheck, he_init
from coursekit.models.weights import Renames

__all__ = [
    "BUILDERS",
    "CARDS",
    "FROM_TORCHVISION",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
]


@dataclass(frozen=True)
class Spec:
    """A column of table 1."""

    blocks: tuple[int, int, int, int]  # dense layers of each block
    growth: int  # k: channels that a layer adds
    stem: int  # channels in front of the first block: 2k


SPECS = {
    "densenet121": Spec((6, 12, 24, 16), growth=32, stem=64),
    "densenet161": Spec((6, 12, 36, 24), growth=48, stem=96),
    "densenet169": Spec((6, 12, 32, 32), growth=32, stem=64),
    "densenet201": Spec((6, 12, 48, 32), growth=32, stem=64),
}
BOTTLENECK = 4  # channels behind a layer's 1×1 convolution, in multiples of the growth rate
COMPRESSION = 0.5  # theta: the part of the channels that a transition keeps
SMALLEST = 29  # 29 → 15 → 8 → 4 → 2 → 1


class DenseLayer(nn.Module):
    """What is there already, and `growth` new channels beside: `(N, C, H, W)` to `(N, C + growth, H, W)`.

    Norm, ReLU, 1×1 convolution to `BOTTLENECK * growth` channels; norm, ReLU, 3×3 convolution to `growth`.
    """

    def __init__(self, c_in: int, growth: int, dropout: float) -> None:
        super().__init__()
        width = BOTTLENECK * growth
        self.layers = nn.Sequential(
            OrderedDict(
                norm1=nn.BatchNorm2d(c_in),
                relu1=nn.ReLU(inplace=True),
                conv1=nn.Conv2d(c_in, width, 1, bias=False),
                norm2=nn.BatchNorm2d(width),
                relu2=nn.ReLU(inplace=True),
                conv2=nn.Conv2d(width, growth, 3, padding=1, bias=False),
                dropout=nn.Dropout(dropout),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.layers(x)], dim=1)


def dense_block(c_in: int, depth: int, growth: int, dropout: float) -> nn.Sequential:
    """`(N, c_in, H, W)` to `(N, c_in + depth * growth, H, W)`."""
    return nn.Sequential(
        OrderedDict((f"layer{i + 1}", DenseLayer(c_in + i * growth, growth, dropout)) for i in range(depth))
    )


def transition(c_in: int, c_out: int) -> nn.Sequential:
    """Fewer channels and half the height and width: `(N, c_in, H, W)` to `(N, c_out, H / 2, W / 2)`."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(c_in),
            relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(c_in, c_out, 1, bias=False),
            pool=nn.AvgPool2d(2),
        )
    )


def _densenet(name: str, num_classes: int, in_channels: int, dropout: float) -> nn.Sequential:
    spec = SPECS[name]
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        check=ImageCheck(name, in_channels, smallest=SMALLEST),
        conv0=nn.Conv2d(in_channels, spec.stem, 7, stride=2, padding=3, bias=False),
        norm0=nn.BatchNorm2d(spec.stem),
        relu0=nn.ReLU(inplace=True),
        pool0=nn.MaxPool2d(3, stride=2, padding=1),
    )
    channels = spec.stem
    for i, depth in enumerate(spec.blocks, 1):
        layers[f"block{i}"] = dense_block(channels, depth, spec.growth, dropout)
        channels += depth * spec.growth
        if i < len(spec.blocks):
            layers[f"transition{i}"] = transition(channels, int(COMPRESSION * channels))
            channels = int(COMPRESSION * channels)
    layers["norm"] = nn.BatchNorm2d(channels)
    layers["relu"] = nn.ReLU(inplace=True)
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["fc"] = nn.Linear(channels, num_classes)
    network = nn.Sequential(layers)
    he_init(network, mode="fan_in")
    return network


def densenet121(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.0) -> nn.Sequential:
    """DenseNet-121, growth rate 32; images `(N, in_channels, H, W)` to logits `(N, num_classes)`.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour images.
        dropout: probability with which one of a layer's new values is dropped in training; the paper has 0.2
            where it trains without augmentation, and none on ImageNet.
    """
    return _densenet("densenet121", num_classes, in_channels, dropout)


def densenet161(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.0) -> nn.Sequential:
    """DenseNet-161, growth rate 48; arguments as in `densenet121`."""
    return _densenet("densenet161", num_classes, in_channels, dropout)


def densenet169(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.0) -> nn.Sequential:
    """DenseNet-169, growth rate 32; arguments as in `densenet121`."""
    return _densenet("densenet169", num_classes, in_channels, dropout)


def densenet201(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.0) -> nn.Sequential:
    """DenseNet-201, growth rate 32; arguments as in `densenet121`."""
    return _densenet("densenet201", num_classes, in_channels, dropout)


RENAMES: Renames = {
    r"features\.(conv0|norm0)\.(.+)": r"\1.\2",
    r"features\.denseblock(\d)\.denselayer(\d+)\.(.+)": r"block\1.layer\2.layers.\3",
    r"features\.transition(\d)\.(.+)": r"transition\1.\2",
    r"features\.norm5\.(.+)": r"norm.\1",
    r"classifier\.(.+)": r"fc.\1",
}
FROM_TORCHVISION = {name: RENAMES for name in SPECS}

PAPER = "Huang, Liu, van der Maaten, Weinberger: Densely connected convolutional networks, CVPR 2017"
CARDS = {
    "densenet121": Card(PAPER, 2017, smallest=SMALLEST, lecture=Figures(top1=74.434, params=8.0e6)),
    "densenet161": Card(PAPER, 2017, smallest=SMALLEST, lecture=Figures(top1=77.138, params=28.7e6)),
    "densenet169": Card(PAPER, 2017, smallest=SMALLEST, lecture=Figures(top1=75.600, params=14.1e6)),
    "densenet201": Card(PAPER, 2017, smallest=SMALLEST, lecture=Figures(top1=76.896, params=20.0e6)),
}

BUILDERS = {
    "densenet121": densenet121,
    "densenet161": densenet161,
    "densenet169": densenet169,
    "densenet201": densenet201,
}
