"""ConvNeXt: a ResNet modernized step by step into what a Vision Transformer looks like, without attention.

Liu, Mao, Wu, Feichtenhofer, Darrell, Xie: A ConvNet for the 2020s, CVPR 2022.

A block filters space and channels apart, as a Transformer does: a depthwise 7×7 convolution mixes
positions, then two fully connected layers, four times as wide between them, mix the channels at each
position. One normalization and one activation is all it has (figure 4). Its branch is scaled by a learned
factor per channel, which starts at 1e-6, and in training it is left out for some images of a batch at
random (stochastic depth).

ConvNeXt-T, for 224×224 pixels (table 9):

    layer        output         kernel
    stem          96 @ 56×56    4×4, stride 4, then layer normalization
    stage1        96 @ 56×56    3 blocks
    downsample2  192 @ 28×28    layer normalization, then 2×2, stride 2
    stage2       192 @ 28×28    3 blocks
    downsample3  384 @ 14×14    the same
    stage3       384 @ 14×14    9 blocks
    downsample4  768 @ 7×7      the same
    stage4       768 @ 7×7      3 blocks
    pool         768
    norm         768            layer normalization
    classifier  1000

    variant         channels                blocks        parameters    multiply-adds
    convnext_tiny    96, 192, 384,  768     3, 3,  9, 3    28,589,128     4.5 G
    convnext_small   96, 192, 384,  768     3, 3, 27, 3    50,223,688     8.7 G
    convnext_base   128, 256, 512, 1024     3, 3, 27, 3    88,591,464    15.4 G
    convnext_large  192, 384, 768, 1536     3, 3, 27, 3   197,767,336    34.4 G
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn import init

from coursekit.models.card import Card, Figures
from coursekit.models.parts import ImageCheck, StochasticDepth
from coursekit.models.weights import Renames

__all__ = ["BUILDERS", "CARDS", "FROM_TORCHVISION", "ConvNeXtBlock", "LayerNorm2d"]


@dataclass(frozen=True)
class Variant:
    """Channels and number of blocks of each stage, and the rate of stochastic depth at the last block."""

    channels: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int]
    stochastic_depth: float


VARIANTS = {
    "convnext_tiny": Variant((96, 192, 384, 768), (3, 3, 9, 3), stochastic_depth=0.1),
    "convnext_small": Variant((96, 192, 384, 768), (3, 3, 27, 3), stochastic_depth=0.4),
    "convnext_base": Variant((128, 256, 512, 1024), (3, 3, 27, 3), stochastic_depth=0.5),
    "convnext_large": Variant((192, 384, 768, 1536), (3, 3, 27, 3), stochastic_depth=0.5),
}
EPS = 1e-6  # of every layer normalization
LAYER_SCALE = 1e-6  # what the factors of the branches start at
SMALLEST = 32  # the strides are 4, 2, 2, 2, without padding


class LayerNorm2d(nn.LayerNorm):
    """Layer normalization over the channels at each position of a map: `(N, C, H, W)` stays."""

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` to the same."""
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    """x + scale · drop(project(GELU(expand(norm(depthwise(x)))))): `(N, C, H, W)` stays.

    The 1×1 convolutions of figure 4 are linear layers on maps with the channels last, which is the same and
    faster: the norm works on the last axis too, and moving an axis only changes strides, not memory.

    Args:
        channels: C.
        stochastic_depth: probability with which the branch is left out for an image in training.
    """

    def __init__(self, channels: int, stochastic_depth: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=EPS)
        self.expand = nn.Linear(channels, 4 * channels)
        self.act = nn.GELU()
        self.project = nn.Linear(4 * channels, channels)
        self.scale = nn.Parameter(torch.full((channels, 1, 1), LAYER_SCALE))
        self.drop = StochasticDepth(stochastic_depth)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` to the same."""
        y = self.depthwise(x).permute(0, 2, 3, 1)  # (N, H, W, C)
        y = self.project(self.act(self.expand(self.norm(y))))
        y = self.drop(y.permute(0, 3, 1, 2))  # (N, C, H, W)
        y = self.scale * y
        y += x  # in place: nothing needs the product again
        return y


def _convnext(
    name: str,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    stochastic_depth: float | None = None,
) -> nn.Sequential:
    """ConvNeXt for images `(N, in_channels, H, W)` from 32×32 pixels on; returns logits `(N, num_classes)`.

    Args:
        name: of the variant.
        num_classes: number of logits.
        in_channels: 3 for colour images.
        stochastic_depth: probability with which the last block is left out for an image in training, and
            proportionally less for those before it; the paper's for this variant if None.
    """
    variant = VARIANTS[name]
    last_rate = variant.stochastic_depth if stochastic_depth is None else stochastic_depth
    rates = iter(torch.linspace(0, last_rate, sum(variant.blocks), device="cpu").tolist())
    c = variant.channels[0]
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["check"] = ImageCheck(name, in_channels, smallest=SMALLEST)
    layers["stem"] = nn.Sequential(
        OrderedDict(conv=nn.Conv2d(in_channels, c, 4, stride=4), norm=LayerNorm2d(c, eps=EPS))
    )
    for i, (c_out, blocks) in enumerate(zip(variant.channels, variant.blocks, strict=True), 1):
        if i > 1:
            layers[f"downsample{i}"] = nn.Sequential(
                OrderedDict(norm=LayerNorm2d(c, eps=EPS), conv=nn.Conv2d(c, c_out, 2, stride=2))
            )
        layers[f"stage{i}"] = nn.Sequential(*(ConvNeXtBlock(c_out, next(rates)) for _ in range(blocks)))
        c = c_out
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["norm"] = nn.LayerNorm(c, eps=EPS)
    layers["classifier"] = nn.Linear(c, num_classes)
    network = nn.Sequential(layers)
    _init(network)
    return network


def _init(network: nn.Module) -> None:
    """Truncated normal weights of standard deviation 0.02, biases zero (table 5)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                init.zeros_(module.bias)


_RENAMES: Renames = {
    r"features\.0\.0\.(.+)": r"stem.conv.\1",
    r"features\.0\.1\.(.+)": r"stem.norm.\1",
    **{
        rf"features\.{theirs}\.(\d+)\.{part}": rf"stage{stage}.\1.{ours}"
        for stage, theirs in enumerate((1, 3, 5, 7), 1)
        for part, ours in {
            r"block\.0\.(.+)": r"depthwise.\2",
            r"block\.2\.(.+)": r"norm.\2",
            r"block\.3\.(.+)": r"expand.\2",
            r"block\.5\.(.+)": r"project.\2",
            r"layer_scale": "scale",
        }.items()
    },
    **{
        rf"features\.{theirs}\.{i}\.(.+)": rf"downsample{stage}.{part}.\1"
        for stage, theirs in enumerate((2, 4, 6), 2)
        for i, part in enumerate(("norm", "conv"))
    },
    r"classifier\.0\.(.+)": r"norm.\1",
    r"classifier\.2\.(.+)": r"classifier.\1",
}
FROM_TORCHVISION: dict[str, Renames] = dict.fromkeys(VARIANTS, _RENAMES)

_LECTURE = {
    "convnext_tiny": Figures(top1=82.52, params=28.6e6),
    "convnext_small": Figures(top1=83.616, params=50.2e6),
    "convnext_base": Figures(top1=84.062, params=88.6e6),
    "convnext_large": Figures(top1=84.414, params=197.8e6),
}
CARDS = {
    name: Card(
        paper="Liu, Mao, Wu, Feichtenhofer, Darrell, Xie: A ConvNet for the 2020s, CVPR 2022",
        year=2022,
        smallest=SMALLEST,
        lecture=_LECTURE[name],
    )
    for name in VARIANTS
}

BUILDERS: dict[str, Callable[..., nn.Module]] = {name: partial(_convnext, name) for name in VARIANTS}
