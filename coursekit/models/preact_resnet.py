"""Pre-activation ResNet: norm and ReLU come before each convolution, and nothing comes after the addition.

He, Zhang, Ren, Sun: Identity mappings in deep residual networks, ECCV 2016. Its figure 1:

    ResNet            x → conv, norm, ReLU, conv, norm → + x → ReLU
    pre-activation    x → norm, ReLU, conv, norm, ReLU, conv → + x

so that x_L = x_l + F(x_l) + … + F(x_L−1): what a block adds reaches the later ones of its stage as it is,
and the gradient comes back the same way (equations 4 and 5). Depths and widths are those of the first paper:

    layer     preact_resnet18, 50        preact_resnet110, 164
    conv1     7×7, 64, stride 2          3×3, 16
    pool1     3×3 max, stride 2          none
    conv2_x   64 channels                16
    conv3_x   128, stride 2              32, stride 2
    conv4_x   256, stride 2              64, stride 2
    conv5_x   512, stride 2              none
    norm      norm, ReLU                 norm, ReLU
    avgpool   global average pooling
    fc        1000                       10

A shortcut that changes channels or map size starts behind the block's first norm and ReLU, as in the authors'
code. Where we differ: behind a 7×7 convolution, the first norm and ReLU come after the max pooling, not
before, which leaves all blocks alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from coursekit.models.card import Card
from coursekit.models.parts import ImageCheck, Layer, he_init
from coursekit.models.resnet import PadShortcut, make_stage

__all__ = ["BUILDERS", "PreActBasicBlock", "PreActBottleneck", "PreActResNet", "preact_resnet"]


@dataclass(frozen=True)
class Row:
    """One network.

    Attributes:
        block: a key of `BLOCKS`.
        depths: number of blocks in conv2_x, conv3_x and so on.
        width: channels of the 3×3 convolutions in conv2_x; each stage doubles them.
        shortcut: `"A"`, the identity padded with zeros, or `"B"`, a 1×1 convolution, where the shape changes.
        cifar: whether it is made for images of 32×32.
    """

    block: str
    depths: tuple[int, ...]
    width: int = 64
    shortcut: str = "B"
    cifar: bool = False


ROWS = {
    "preact_resnet18": Row("basic", (2, 2, 2, 2)),
    "preact_resnet50": Row("bottleneck", (3, 4, 6, 3)),
    "preact_resnet110": Row("basic", (18, 18, 18), width=16, shortcut="A", cifar=True),
    "preact_resnet164": Row("bottleneck", (18, 18, 18), width=16, cifar=True),
}


class NormActConv(nn.Sequential):
    """Norm, ReLU, convolution: `(N, c_in, H, W)` to `(N, c_out, H/stride, W/stride)`."""

    def __init__(
        self, c_in: int, c_out: int, kernel: int, stride: int = 1, *, conv: Layer, norm: Layer
    ) -> None:
        super().__init__()
        self.norm = norm(c_in)
        self.act = nn.ReLU(inplace=True)
        self.conv = conv(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)


def make_shortcut(option: str, c_in: int, c_out: int, stride: int, conv: Layer) -> nn.Module | None:
    """Option A or B where the shape changes, of `(N, c_in, H, W)` behind norm and ReLU; None elsewhere.

    Raises:
        ValueError: for another option.
    """
    if option not in ("A", "B"):
        raise ValueError(f"shortcut is {option!r}; choose one of A, B")
    if stride == 1 and c_in == c_out:
        return None
    return PadShortcut(c_in, c_out, stride) if option == "A" else conv(c_in, c_out, 1, stride, bias=False)


class PreActBlock(nn.Module):
    """x + F(x), or, where the shape changes, shortcut(preact(x)) + F(x).

    `(N, c_in, H, W)` to `(N, expansion · channels, H/stride, W/stride)`.

    Args:
        norm: the first layer of F; it and its ReLU are `preact`.
        residual: the layers of F behind them.
        shortcut: None for the identity.
    """

    expansion: ClassVar[int]  # channels that go out, in units of those of the 3×3 convolution

    def __init__(self, norm: nn.Module, residual: nn.Sequential, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.preact = nn.Sequential(norm, nn.ReLU(inplace=True))
        self.residual = residual
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        active = self.preact(x)
        out = self.residual(active)
        out += x if self.shortcut is None else self.shortcut(active)
        return out


class PreActBasicBlock(PreActBlock):
    """Two 3×3 convolutions: `(N, c_in, H, W)` to `(N, channels, H/stride, W/stride)`."""

    expansion = 1

    def __init__(
        self, c_in: int, channels: int, stride: int = 1, *, shortcut: str, conv: Layer, norm: Layer
    ) -> None:
        residual = nn.Sequential(
            conv(c_in, channels, 3, stride, padding=1, bias=False),
            NormActConv(channels, channels, 3, conv=conv, norm=norm),
        )
        super().__init__(norm(c_in), residual, make_shortcut(shortcut, c_in, channels, stride, conv))


class PreActBottleneck(PreActBlock):
    """1×1, 3×3 and 1×1 convolution: `(N, c_in, H, W)` to `(N, 4 · channels, H/stride, W/stride)`."""

    expansion = 4

    def __init__(
        self, c_in: int, channels: int, stride: int = 1, *, shortcut: str, conv: Layer, norm: Layer
    ) -> None:
        c_out = self.expansion * channels
        residual = nn.Sequential(
            conv(c_in, channels, 1, bias=False),
            NormActConv(channels, channels, 3, stride, conv=conv, norm=norm),
            NormActConv(channels, c_out, 1, conv=conv, norm=norm),
        )
        super().__init__(norm(c_in), residual, make_shortcut(shortcut, c_in, c_out, stride, conv))


BLOCKS: dict[str, type[PreActBlock]] = {"basic": PreActBasicBlock, "bottleneck": PreActBottleneck}


class PreActResNet(nn.Sequential):
    """Images `(N, in_channels, H, W)` of any size to logits `(N, num_classes)`.

    Args:
        name: of the network, for messages.
        row: its widths and depths.
        num_classes: number of logits.
        in_channels: channels of the images.
        conv: makes the convolutions.
        norm: makes the norms.
        pool1: stands behind the 7×7 convolution; None for 3×3 max pooling of stride 2.
    """

    def __init__(
        self,
        name: str,
        row: Row,
        *,
        num_classes: int,
        in_channels: int,
        conv: Layer = nn.Conv2d,
        norm: Layer = nn.BatchNorm2d,
        pool1: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.check = ImageCheck(name, in_channels)
        if row.cifar:
            self.conv1 = conv(in_channels, row.width, 3, padding=1, bias=False)
        else:
            self.conv1 = conv(in_channels, row.width, 7, 2, padding=3, bias=False)
            self.pool1 = nn.MaxPool2d(3, stride=2, padding=1) if pool1 is None else pool1

        block = BLOCKS[row.block]
        c_in = channels = row.width
        for i, depth in enumerate(row.depths, 2):
            stride = 1 if i == 2 else 2
            stage = make_stage(
                block, c_in, channels, depth, stride, shortcut=row.shortcut, conv=conv, norm=norm
            )
            self.add_module(f"conv{i}_x", stage)
            c_in, channels = block.expansion * channels, 2 * channels

        self.norm = norm(c_in)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(c_in, num_classes)
        he_init(self)


def preact_resnet(variant: str, *, num_classes: int = 1000, in_channels: int = 3) -> PreActResNet:
    """A network of `ROWS`, for images `(N, in_channels, H, W)`; returns logits `(N, num_classes)`."""
    return PreActResNet(variant, ROWS[variant], num_classes=num_classes, in_channels=in_channels)


BUILDERS = {name: partial(preact_resnet, name) for name in ROWS}

HE_2016 = "He, Zhang, Ren, Sun: Identity mappings in deep residual networks, ECCV 2016"

CARDS = {
    name: Card(HE_2016, 2016, input_shape=(3, 32, 32), num_classes=10, note="for CIFAR-10")
    if row.cifar
    else Card(HE_2016, 2016, note="the first norm and ReLU stand behind the max pooling")
    for name, row in ROWS.items()
}
