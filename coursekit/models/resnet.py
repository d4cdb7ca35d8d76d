"""ResNet: every block learns what to add to its input, H(x) = F(x) + x; and the plain networks without "+ x".

He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016 (best paper). Its table 1:

    layer     output     resnet18        resnet34        resnet50, 101, 152
    conv1     112×112    7×7, 64, stride 2
    pool1      56×56     3×3 max pooling, stride 2
    conv2_x    56×56     [3×3, 64]  ×2   [3×3, 64]  ×3   [1×1, 64   3×3, 64   1×1, 256]   ×3, 3, 3
    conv3_x    28×28     [3×3, 128] ×2   [3×3, 128] ×4   [1×1, 128  3×3, 128  1×1, 512]   ×4, 4, 8
    conv4_x    14×14     [3×3, 256] ×2   [3×3, 256] ×6   [1×1, 256  3×3, 256  1×1, 1024]  ×6, 23, 36
    conv5_x     7×7      [3×3, 512] ×2   [3×3, 512] ×3   [1×1, 512  3×3, 512  1×1, 2048]  ×3, 3, 3
    avgpool     1×1      global average pooling
    fc                   1000

[3×3, 64] stands for the two convolutions of a basic block. Two later papers widen a bottleneck's middle: Wide
ResNet (Zagoruyko, Komodakis: Wide residual networks, BMVC 2016), and ResNeXt, which also cuts it into paths
(Xie, Girshick, Dollár, Tu, He: Aggregated residual transformations for deep neural networks, CVPR 2017; 32x4d
are 32 paths of 4 channels in conv2_x).

Where we differ from the first paper: a bottleneck that halves the map does so in its 3×3 convolution, as in
torchvision ("v1.5", 4.089 G multiply-adds for resnet50); `stride_in_1x1=True` moves the stride into the first
1×1, where the paper has it (3.858 G). The paper's resnet34 has shortcuts of option A, ours of option B.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import init

from coursekit.models.card import Card, Figures
from coursekit.models.parts import ConvNormAct, ImageCheck, he_init

__all__ = ["BUILDERS", "BasicBlock", "Bottleneck", "PadShortcut", "ResNet", "ResidualBlock", "resnet"]


@dataclass(frozen=True)
class Row:
    """A column of table 1.

    Attributes:
        block: a key of `BLOCKS`.
        depths: number of blocks in conv2_x, conv3_x, conv4_x and conv5_x.
        shortcut: an option of `make_shortcut`.
        groups: of a bottleneck's 3×3 convolution; ResNeXt's number of paths.
        widen: channels of that convolution, in units of ResNet's.
    """

    block: str
    depths: tuple[int, int, int, int]
    shortcut: str = "B"
    groups: int = 1
    widen: int = 1


ROWS = {
    "plain18": Row("basic", (2, 2, 2, 2), shortcut="none"),
    "plain34": Row("basic", (3, 4, 6, 3), shortcut="none"),
    "resnet18": Row("basic", (2, 2, 2, 2)),
    "resnet34": Row("basic", (3, 4, 6, 3)),
    "resnet50": Row("bottleneck", (3, 4, 6, 3)),
    "resnet101": Row("bottleneck", (3, 4, 23, 3)),
    "resnet152": Row("bottleneck", (3, 8, 36, 3)),
    "wide_resnet50_2": Row("bottleneck", (3, 4, 6, 3), widen=2),
    "wide_resnet101_2": Row("bottleneck", (3, 4, 23, 3), widen=2),
    "resnext50_32x4d": Row("bottleneck", (3, 4, 6, 3), groups=32, widen=2),  # 32 · 4 = 2 · 64 in conv2_x
    "resnext101_32x8d": Row("bottleneck", (3, 4, 23, 3), groups=32, widen=4),  # 32 · 8 = 4 · 64
}


class PadShortcut(nn.Module):
    """Option A: every `stride`-th pixel, and zeros for the new channels; no weights."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.new_channels = c_out - c_in
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """`(N, c_in, H, W)` to `(N, c_out, H/stride, W/stride)`, rounded up."""
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.new_channels))


def make_shortcut(option: str, c_in: int, c_out: int, stride: int) -> nn.Module | None:
    """The way round a block, `(N, c_in, H, W)` to `(N, c_out, H/stride, W/stride)`; section 3.3 and table 3.

    The options: `"A"`, the identity, with zeros for new channels; `"B"`, a 1×1 convolution where channels or
    map size change, the identity elsewhere; `"C"`, a 1×1 convolution everywhere; `"none"`, no way round.

    Raises:
        ValueError: for another option.
    """
    changes = stride != 1 or c_in != c_out
    if option == "none":
        return None
    if option == "C" or (option == "B" and changes):
        return ConvNormAct(c_in, c_out, 1, stride, act=None)
    if option in ("A", "B"):
        return PadShortcut(c_in, c_out, stride) if changes else nn.Identity()
    raise ValueError(f"shortcut is {option!r}; choose one of A, B, C, none")


class ResidualBlock(nn.Module):
    """relu(F(x) + shortcut(x)), equations 1 and 2; without a shortcut relu(F(x)), as in a plain network.

    `(N, c_in, H, W)` to `(N, expansion · channels, H/stride, W/stride)`. If the identity is what is wanted, F
    has only to become zero. F ends without ReLU, so that it can take away as well as add.
    """

    expansion: ClassVar[int]  # channels that go out, in units of those of the 3×3 convolution

    def __init__(self, residual: nn.Sequential, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.residual = residual
        self.shortcut = shortcut
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out = self.residual(x)
        if self.shortcut is not None:
            out += self.shortcut(x)  # in place: no layer needs F(x) again, not even for its gradient
        return self.relu(out)


class BasicBlock(ResidualBlock):
    """Two 3×3 convolutions, figure 5 left: `(N, c_in, H, W)` to `(N, channels, H/stride, W/stride)`."""

    expansion = 1

    def __init__(self, c_in: int, channels: int, stride: int = 1, *, shortcut: str = "B") -> None:
        residual = nn.Sequential(
            ConvNormAct(c_in, channels, 3, stride),
            ConvNormAct(channels, channels, 3, act=None),
        )
        super().__init__(residual, make_shortcut(shortcut, c_in, channels, stride))


class Bottleneck(ResidualBlock):
    """1×1 to fewer channels, 3×3 among them, 1×1 to four times as many, figure 5 on the right.

    `(N, c_in, H, W)` to `(N, 4 · channels, H/stride, W/stride)`. `groups` is ResNeXt's number of paths,
    written as one grouped convolution (its figure 3c); `widen` multiplies the inner channels alone.
    """

    expansion = 4

    def __init__(
        self,
        c_in: int,
        channels: int,
        stride: int = 1,
        *,
        groups: int = 1,
        widen: int = 1,
        stride_in_1x1: bool = False,
        shortcut: str = "B",
    ) -> None:
        inner, c_out = widen * channels, self.expansion * channels
        stride_1x1, stride_3x3 = (stride, 1) if stride_in_1x1 else (1, stride)
        residual = nn.Sequential(
            ConvNormAct(c_in, inner, 1, stride_1x1),
            ConvNormAct(inner, inner, 3, stride_3x3, groups=groups),
            ConvNormAct(inner, c_out, 1, act=None),
        )
        super().__init__(residual, make_shortcut(shortcut, c_in, c_out, stride))


BLOCKS: dict[str, type[ResidualBlock]] = {"basic": BasicBlock, "bottleneck": Bottleneck}


def make_stage(
    block: type[Any], c_in: int, channels: int, depth: int, stride: int, **options: Any
) -> nn.Sequential:
    """`depth` blocks of the class `block`: the first changes channels and map size, the others neither.

    `(N, c_in, H, W)` to `(N, block.expansion · channels, H/stride, W/stride)`; `options` are for every block.
    """
    c_out = block.expansion * channels
    others = (block(c_out, channels, **options) for _ in range(depth - 1))
    return nn.Sequential(block(c_in, channels, stride, **options), *others)


class ResNet(nn.Sequential):
    """Images `(N, in_channels, H, W)` of any size to logits `(N, num_classes)`; `options` for every block."""

    def __init__(
        self,
        name: str,
        block: type[ResidualBlock],
        depths: tuple[int, int, int, int],
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        zero_init_residual: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        e = block.expansion
        self.check = ImageCheck(name, in_channels)
        self.conv1 = ConvNormAct(in_channels, 64, 7, stride=2)
        self.pool1 = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv2_x = make_stage(block, 64, 64, depths[0], stride=1, **options)
        self.conv3_x = make_stage(block, 64 * e, 128, depths[1], stride=2, **options)
        self.conv4_x = make_stage(block, 128 * e, 256, depths[2], stride=2, **options)
        self.conv5_x = make_stage(block, 256 * e, 512, depths[3], stride=2, **options)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(512 * e, num_classes)

        he_init(self)
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, ResidualBlock):
                    *_, last = (m for m in module.residual.modules() if isinstance(m, nn.BatchNorm2d))
                    init.zeros_(last.weight)


def resnet(
    variant: str,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    shortcut: str | None = None,
    stride_in_1x1: bool = False,
    zero_init_residual: bool = False,
) -> ResNet:
    """A network of `ROWS`, for images `(N, in_channels, H, W)`; returns logits `(N, num_classes)`.

    Args:
        variant: a key of `ROWS`.
        num_classes: number of logits.
        in_channels: 3 for colour images.
        shortcut: another option than the row's: `"A"`, `"B"` or `"C"` of the paper, see `make_shortcut`.
        stride_in_1x1: halve the map in a bottleneck's first 1×1 convolution as in the paper, not in its 3×3.
        zero_init_residual: start with the last γ of every branch F at 0, so that each block is its shortcut
            (Goyal et al.: Accurate, large minibatch SGD, 2017, section 5.1).

    Raises:
        ValueError: for an option that the network's blocks don't have.
    """
    row = ROWS[variant]
    options: dict[str, Any] = {"shortcut": shortcut or row.shortcut, "zero_init_residual": zero_init_residual}
    if row.block == "bottleneck":
        options |= {"groups": row.groups, "widen": row.widen, "stride_in_1x1": stride_in_1x1}
    elif stride_in_1x1:
        raise ValueError(f"{variant} has basic blocks, with no 1×1 convolution to put the stride in")
    return ResNet(
        variant, BLOCKS[row.block], row.depths, num_classes=num_classes, in_channels=in_channels, **options
    )


BUILDERS = {name: partial(resnet, name) for name in ROWS}


def _renames() -> dict[str, str]:
    table = {r"conv1\.weight": "conv1.conv.weight", r"bn1\.(.+)": r"conv1.norm.\1", r"fc\.(.+)": r"fc.\1"}
    for stage in (1, 2, 3, 4):  # theirs: layer1 to layer4, ours: conv2_x to conv5_x
        theirs, ours = rf"layer{stage}\.(\d+)", rf"conv{stage + 1}_x.\1"
        for i in (1, 2, 3):
            table[rf"{theirs}\.conv{i}\.weight"] = f"{ours}.residual.{i - 1}.conv.weight"
            table[rf"{theirs}\.bn{i}\.(.+)"] = rf"{ours}.residual.{i - 1}.norm.\2"
        table[rf"{theirs}\.downsample\.0\.weight"] = f"{ours}.shortcut.conv.weight"
        table[rf"{theirs}\.downsample\.1\.(.+)"] = rf"{ours}.shortcut.norm.\2"
    return table


FROM_TORCHVISION = {name: _renames() for name in ROWS if not name.startswith("plain")}

HE = "He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016"
XIE = "Xie, Girshick, Dollár, Tu, He: Aggregated residual transformations for deep neural networks, CVPR 2017"
WIDE = "Zagoruyko, Komodakis: Wide residual networks, BMVC 2016"
A = 'the lecture counts FLOPs with shortcut="A", as the paper does'
V1 = "the lecture counts FLOPs with stride_in_1x1=True, as the paper does"

CARDS = {
    "plain18": Card(HE, 2016, note="resnet18 without shortcuts"),
    "plain34": Card(HE, 2016, note="resnet34 without shortcuts; its training error is higher than plain18's"),
    "resnet18": Card(HE, 2016, lecture=Figures(top1=69.758, flops=1.8e9)),
    "resnet34": Card(HE, 2016, lecture=Figures(top1=73.314, flops=3.6e9), note=A),
    "resnet50": Card(HE, 2016, lecture=Figures(top1=76.13, flops=3.8e9), note=V1),
    "resnet101": Card(HE, 2016, lecture=Figures(top1=77.374, flops=7.6e9), note=V1),
    "resnet152": Card(
        HE, 2016, lecture=Figures(78.312, 3.57, flops=11.3e9), note=f"{V1}; the top-5 error is an ensemble's"
    ),
    "wide_resnet50_2": Card(WIDE, 2016, lecture=Figures(top1=78.468, params=68.9e6)),
    "wide_resnet101_2": Card(WIDE, 2016, lecture=Figures(top1=78.848, params=126.9e6)),
    "resnext50_32x4d": Card(XIE, 2017, lecture=Figures(top1=77.89)),
    "resnext101_32x8d": Card(XIE, 2017),
}
