"""MobileNetV2: inverted residuals with linear bottlenecks.

Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted residuals and linear bottlenecks, CVPR 2018.

A residual block of a ResNet is wide outside and narrow within; this one is the other way round. A 1×1
convolution expands the thin input t times, a depthwise 3×3 convolution filters each channel of the wide map
by itself, and a 1×1 convolution projects it back to a thin output, with no non-linearity behind it: a ReLU
on few channels would lose what they hold (section 3.2). The shortcut joins the thin ends, so only thin maps
have to be kept between blocks.

Table 2, for 224×224 pixels; each row is n blocks, and the first of them has the stride s:

    layer       t     c   n  s   output
    stem        -    32   1  2     32 @ 112×112   3×3
    block1      1    16   1  1     16 @ 112×112
    block2-3    6    24   2  2     24 @ 56×56
    block4-6    6    32   3  2     32 @ 28×28
    block7-10   6    64   4  2     64 @ 14×14
    block11-13  6    96   3  1     96 @ 14×14
    block14-16  6   160   3  2    160 @ 7×7
    block17     6   320   1  1    320 @ 7×7
    head        -  1280   1  1   1280 @ 7×7       1×1
    pool                         1280
    classifier                   1000

3,504,872 parameters and 300.8 million multiply-adds (the paper: 3.4 and 300 million). As torchvision does,
and unlike the paper, the convolutions start from He's normal distribution, and batch normalization keeps
torch's momentum.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from coursekit.models.card import Card
from coursekit.models.parts import ConvNormAct, ImageCheck, Layer, he_init, make_divisible
from coursekit.models.weights import Renames

__all__ = ["BUILDERS", "CARDS", "FROM_TORCHVISION", "InvertedResidual", "mobilenet_v2"]


@dataclass(frozen=True)
class Row:
    """A row of Table 2: `n` blocks that expand `t` times and give `c` channels; the first has stride `s`."""

    t: int
    c: int
    n: int
    s: int


ROWS = (
    Row(t=1, c=16, n=1, s=1),
    Row(t=6, c=24, n=2, s=2),
    Row(t=6, c=32, n=3, s=2),
    Row(t=6, c=64, n=4, s=2),
    Row(t=6, c=96, n=3, s=1),
    Row(t=6, c=160, n=3, s=2),
    Row(t=6, c=320, n=1, s=1),
)
STEM, HEAD = 32, 1280  # channels before and behind the rows


class InvertedResidual(nn.Module):
    """Expand, filter depthwise, project: `(N, c_in, H, W)` to `(N, c_out, H / stride, W / stride)`.

    Heights and widths are rounded up. A shortcut adds the input where the shapes agree (figure 4d).

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
        stride: of the depthwise convolution.
        expansion: t, how many times wider the map within is; at 1 there is no convolution that expands.
        kernel: of the depthwise convolution.
        act: behind the first two convolutions; ReLU6 keeps activations small enough for few bits.
        gate: a layer between the depthwise convolution and the projection, `(N, t c_in, H', W')` both sides;
            MobileNetV2 has none, its successors put squeeze-and-excitation here.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        *,
        stride: int,
        expansion: int,
        kernel: int = 3,
        act: Layer = nn.ReLU6,
        gate: nn.Module | None = None,
    ) -> None:
        super().__init__()
        wide = expansion * c_in
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if expansion != 1:
            layers["expand"] = ConvNormAct(c_in, wide, 1, act=act)
        layers["depthwise"] = ConvNormAct(wide, wide, kernel, stride, groups=wide, act=act)
        if gate is not None:
            layers["gate"] = gate
        layers["project"] = ConvNormAct(wide, c_out, 1, act=None)  # the linear bottleneck
        self.branch = nn.Sequential(layers)
        self.shortcut = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        """`(N, c_in, H, W)` to `(N, c_out, H', W')`."""
        return x + self.branch(x) if self.shortcut else self.branch(x)


def mobilenet_v2(
    *, num_classes: int = 1000, in_channels: int = 3, width: float = 1.0, dropout: float = 0.2
) -> nn.Sequential:
    """MobileNetV2 for images `(N, in_channels, H, W)` of any size; returns logits `(N, num_classes)`.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour images.
        width: factor for the channels of every layer, rounded to multiples of eight; below 1 the head
            stays as wide as it is (section 6.1).
        dropout: probability with which a feature before the classifier is dropped in training.
    """
    c = make_divisible(width * STEM)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["check"] = ImageCheck("mobilenet_v2", in_channels)
    layers["stem"] = ConvNormAct(in_channels, c, 3, stride=2, act=nn.ReLU6)
    blocks = [(row, row.s if i == 0 else 1) for row in ROWS for i in range(row.n)]
    for i, (row, stride) in enumerate(blocks, 1):
        c_out = make_divisible(width * row.c)
        layers[f"block{i}"] = InvertedResidual(c, c_out, stride=stride, expansion=row.t)
        c = c_out
    head = make_divisible(max(width, 1.0) * HEAD)
    layers["head"] = ConvNormAct(c, head, 1, act=nn.ReLU6)
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["dropout"] = nn.Dropout(dropout)
    layers["classifier"] = nn.Linear(head, num_classes)
    network = nn.Sequential(layers)
    he_init(network)
    return network


FROM_TORCHVISION: dict[str, Renames] = {
    "mobilenet_v2": {
        r"features\.0\.0\.(.+)": r"stem.conv.\1",
        r"features\.0\.1\.(.+)": r"stem.norm.\1",
        # The first block does not expand: its layers count from the depthwise convolution on.
        r"features\.1\.conv\.0\.0\.(.+)": r"block1.branch.depthwise.conv.\1",
        r"features\.1\.conv\.0\.1\.(.+)": r"block1.branch.depthwise.norm.\1",
        r"features\.1\.conv\.1\.(.+)": r"block1.branch.project.conv.\1",
        r"features\.1\.conv\.2\.(.+)": r"block1.branch.project.norm.\1",
        r"features\.(\d+)\.conv\.0\.0\.(.+)": r"block\1.branch.expand.conv.\2",
        r"features\.(\d+)\.conv\.0\.1\.(.+)": r"block\1.branch.expand.norm.\2",
        r"features\.(\d+)\.conv\.1\.0\.(.+)": r"block\1.branch.depthwise.conv.\2",
        r"features\.(\d+)\.conv\.1\.1\.(.+)": r"block\1.branch.depthwise.norm.\2",
        r"features\.(\d+)\.conv\.2\.(.+)": r"block\1.branch.project.conv.\2",
        r"features\.(\d+)\.conv\.3\.(.+)": r"block\1.branch.project.norm.\2",
        r"features\.18\.0\.(.+)": r"head.conv.\1",
        r"features\.18\.1\.(.+)": r"head.norm.\1",
        r"classifier\.1\.(.+)": r"classifier.\1",
    }
}

CARDS = {
    "mobilenet_v2": Card(
        paper="Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted residuals and linear "
        "bottlenecks, CVPR 2018",
        year=2018,
        note="ImageNet weights ship with the course: coursekit.data.load_weights('mobilenet_v2').",
    )
}

BUILDERS = {"mobilenet_v2": mobilenet_v2}
