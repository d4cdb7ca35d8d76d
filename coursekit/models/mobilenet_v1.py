"""MobileNet: a plain network of depthwise separable convolutions.

Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam: MobileNets: Efficient convolutional neural
networks for mobile vision applications, arXiv:1704.04861, 2017.

A 3×3 convolution from C to C channels costs 9 C² H W multiply-adds. Here it falls into two: a depthwise 3×3
convolution filters each channel by itself, 9 C H W, and a 1×1 convolution mixes the channels, C² H W;
together 9 C / (9 + C) times less, nearly nine times for many channels (section 3.1).

Table 1, for 224×224 pixels; each row is a depthwise separable convolution, the stride being the depthwise
one's:

    layer       stride   output
    stem        2          32 @ 112×112   3×3, all channels
    block1      1          64 @ 112×112
    block2-3    2, 1      128 @ 56×56
    block4-5    2, 1      256 @ 28×28
    block6-11   2, 1...   512 @ 14×14
    block12-13  2, 1     1024 @ 7×7
    pool                 1024
    classifier           1000

4,231,976 parameters and 568.7 million multiply-adds (the paper: 4.2 and 569 million). Its table 1 gives the
last depthwise convolution the stride 2 and yet the same size before and behind it; the stride is 1. The
paper says nothing of the first weights; here they come from He's normal distribution.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from coursekit.models.card import Card
from coursekit.models.parts import ConvNormAct, ImageCheck, he_init, make_divisible

__all__ = ["BUILDERS", "CARDS", "DepthwiseSeparable", "mobilenet_v1"]


@dataclass(frozen=True)
class Row:
    """`blocks` depthwise separable convolutions to `channels`; the first has the stride."""

    channels: int
    blocks: int
    stride: int


ROWS = (
    Row(channels=64, blocks=1, stride=1),
    Row(channels=128, blocks=2, stride=2),
    Row(channels=256, blocks=2, stride=2),
    Row(channels=512, blocks=6, stride=2),
    Row(channels=1024, blocks=2, stride=2),
)
STEM = 32


class DepthwiseSeparable(nn.Sequential):
    """Depthwise 3×3, then pointwise 1×1: `(N, c_in, H, W)` to `(N, c_out, H / stride, W / stride)`.

    Heights and widths are rounded up. Batch normalization and ReLU stand behind both (figure 3).
    """

    def __init__(self, c_in: int, c_out: int, *, stride: int) -> None:
        super().__init__(
            OrderedDict(
                depthwise=ConvNormAct(c_in, c_in, 3, stride, groups=c_in),
                pointwise=ConvNormAct(c_in, c_out, 1),
            )
        )


def mobilenet_v1(*, num_classes: int = 1000, in_channels: int = 3, width: float = 1.0) -> nn.Sequential:
    """MobileNet for images `(N, in_channels, H, W)` of any size; returns logits `(N, num_classes)`.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour images.
        width: the multiplier α for the channels of every layer, rounded to multiples of eight (section 3.3).
            The paper's other multiplier, ρ, is for the size of the images and needs no option.
    """
    c = make_divisible(width * STEM)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["check"] = ImageCheck("mobilenet_v1", in_channels)
    layers["stem"] = ConvNormAct(in_channels, c, 3, stride=2)
    blocks = [(row.channels, row.stride if i == 0 else 1) for row in ROWS for i in range(row.blocks)]
    for i, (channels, stride) in enumerate(blocks, 1):
        c_out = make_divisible(width * channels)
        layers[f"block{i}"] = DepthwiseSeparable(c, c_out, stride=stride)
        c = c_out
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["classifier"] = nn.Linear(c, num_classes)
    network = nn.Sequential(layers)
    he_init(network)
    return network


CARDS = {
    "mobilenet_v1": Card(
        paper="Howard et al.: MobileNets: Efficient convolutional neural networks for mobile vision "
        "applications, arXiv:1704.04861, 2017",
        year=2017,
    )
}

BUILDERS = {"mobilenet_v1": mobilenet_v1}
