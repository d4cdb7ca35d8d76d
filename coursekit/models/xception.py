"""Xception: inception modules taken to the extreme, which are depthwise separable convolutions.

Chollet: Xception: Deep learning with depthwise separable convolutions, CVPR 2017; its figure 5.

    flow      layer       output, 299×299 input   convolutions
    entry     conv1         32 @ 149×149          3×3, stride 2, no padding
              conv2         64 @ 147×147          3×3, no padding
              block1       128 @ 74×74            2 separable, pooling of stride 2
              block2       256 @ 37×37            2 separable, pooling of stride 2
              block3       728 @ 19×19            2 separable, pooling of stride 2
    middle    block4…11    728 @ 19×19            3 separable, eight times
    exit      block12     1024 @ 10×10            2 separable, pooling of stride 2
              conv3       1536 @ 10×10            separable
              conv4       2048 @ 10×10            separable
              head        1000                    global average pooling, fully connected

An inception module maps channels with 1×1 convolutions and looks at space in a few groups of the channels.
With as many groups as channels, space and channels are told apart altogether. All separable convolutions
are 3×3 with batch normalization and no ReLU between their two halves: section 4.7 of the paper finds that
one harms there, where MobileNet has one. Every block has a shortcut: the identity in the middle flow, else
a 1×1 convolution.

22,855,952 parameters, the 22.86 M of the paper's table 3. Differences: weights are drawn after He et al.
2015 (the paper does not say), and the dropout of 0.5 in front of the last layer is off unless asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from coursekit.models.card import Card
from coursekit.models.parts import ConvNormAct, ImageCheck, he_init

__all__ = ["BUILDERS", "CARDS", "xception"]


@dataclass(frozen=True)
class Row:
    """A block: the channels of its separable convolutions; at stride 2 a max pooling ends it."""

    widths: tuple[int, ...]
    stride: int = 1


ENTRY = (Row((128, 128), 2), Row((256, 256), 2), Row((728, 728), 2))
MIDDLE = (Row((728, 728, 728)),) * 8
EXIT = (Row((728, 1024), 2),)
LAST = (1536, 2048)  # separable convolutions behind the blocks
SMALLEST = 7  # 7 → 3 → 1


def separable(c_in: int, c_out: int) -> nn.Sequential:
    """A 3×3 convolution of each channel by itself, then a 1×1 convolution of all: `(N, c_out, H, W)`."""
    return nn.Sequential(
        OrderedDict(
            depthwise=nn.Conv2d(c_in, c_in, 3, padding=1, groups=c_in, bias=False),
            pointwise=nn.Conv2d(c_in, c_out, 1, bias=False),
            norm=nn.BatchNorm2d(c_out),
        )
    )


class Block(nn.Module):
    """ReLU and separable convolution in turn, and a shortcut: `(N, c_in, H, W)` to `(N, c_out, H', W')`.

    Args:
        c_in: channels that come in.
        row: channels of the convolutions, and the stride.
        first: block1, which has a ReLU in front of it already.
    """

    def __init__(self, c_in: int, row: Row, *, first: bool = False) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i, (before, width) in enumerate(zip((c_in, *row.widths), row.widths, strict=False), 1):
            if i > 1 or not first:
                layers[f"relu{i}"] = nn.ReLU(inplace=i > 1)  # the shortcut still needs the block's input
            layers[f"conv{i}"] = separable(before, width)
        if row.stride > 1:
            layers["pool"] = nn.MaxPool2d(3, row.stride, padding=1)
        self.layers = nn.Sequential(layers)
        keeps_shape = row.stride == 1 and row.widths[-1] == c_in
        self.shortcut = (
            nn.Identity() if keeps_shape else ConvNormAct(c_in, row.widths[-1], 1, row.stride, act=None)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) + self.shortcut(x)


def xception(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.0) -> nn.Sequential:
    """Xception for images `(N, in_channels, H, W)`, 299×299 in the paper; returns logits `(N, num_classes)`.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour images.
        dropout: probability with which one of the 2048 features is dropped in training; 0.5 in the paper.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        check=ImageCheck("xception", in_channels, smallest=SMALLEST),
        conv1=ConvNormAct(in_channels, 32, 3, 2, padding=0),
        conv2=ConvNormAct(32, 64, 3, padding=0),
    )
    channels = 64
    for i, row in enumerate(ENTRY + MIDDLE + EXIT, 1):
        layers[f"block{i}"] = Block(channels, row, first=i == 1)
        channels = row.widths[-1]
    for i, width in enumerate(LAST, 3):
        layers[f"conv{i}"] = separable(channels, width)
        layers[f"relu{i}"] = nn.ReLU(inplace=True)
        channels = width
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["dropout"] = nn.Dropout(dropout)
    layers["fc"] = nn.Linear(channels, num_classes)
    network = nn.Sequential(layers)
    he_init(network, mode="fan_in")
    return network


CARDS = {
    "xception": Card(
        "Chollet: Xception: Deep learning with depthwise separable convolutions, CVPR 2017",
        2017,
        input_shape=(3, 299, 299),
        smallest=SMALLEST,
    )
}

BUILDERS = {"xception": xception}
