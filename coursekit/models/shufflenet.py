"""ShuffleNet: grouped 1×1 convolutions, and a shuffle of the channels between them.

Zhang, Zhou, Lin, Sun: ShuffleNet: An extremely efficient convolutional neural network for mobile devices,
CVPR 2018.

In a bottleneck with a depthwise convolution nearly all operations are in the 1×1 convolutions. ShuffleNet
cuts those into g groups, at 1/g of the cost; so that a group does not see its own channels only, layer for
layer, the channels are shuffled: those of each group are dealt out to all groups of the next convolution
(figure 1).

Table 1, for 224×224 pixels, by number of groups g; the first unit of each stage has the stride 2:

    layer       output size   units    g = 1      2      3      4      8
    stem        112×112                   24     24     24     24     24   3×3, stride 2
    pool         56×56                    24     24     24     24     24   3×3, stride 2, max
    stage2       28×28          4        144    200    240    272    384
    stage3       14×14          8        288    400    480    544    768
    stage4        7×7           4        576    800    960   1088   1536
    pool          1×1
    classifier                          1000   1000   1000   1000   1000

    multiply-adds, paper                 143    140    137    133    137   million
      here, convolutions                142.5  140.0  136.5  133.3  136.8
      here, with classifier             143.1  140.8  137.5  134.3  138.4
    parameters                           1.53   1.73   1.87   1.97   2.43  million

The paper's counts leave the classifier out. It says nothing of the first weights; here they come from He's
normal distribution.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from coursekit.models.card import Card
from coursekit.models.parts import ConvNormAct, ImageCheck, he_init, make_divisible

__all__ = ["BUILDERS", "CARDS", "ShuffleUnit", "shufflenet_v1"]


@dataclass(frozen=True)
class Stage:
    """`units` units whose maps are `times` as wide as those of stage 2; the first has stride 2."""

    units: int
    times: int


STAGES = (Stage(units=4, times=1), Stage(units=8, times=2), Stage(units=4, times=4))
STEM = 24
CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}  # groups -> output channels of stage 2
BOTTLENECK = 4  # a unit's output is this many times wider than the map within


class ShuffleUnit(nn.Module):
    """Grouped 1×1, shuffle, depthwise 3×3, grouped 1×1 around a shortcut (figure 2b, 2c).

    `(N, c_in, H, W)` to `(N, c_out, H / stride, W / stride)`, rounded up. At stride 1 the input is added, and
    c_in must be c_out. At stride 2 the input is averaged and set beside the branch, which makes c_out - c_in
    channels: widening costs nothing.

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
        stride: 1 or 2.
        groups: g of both 1×1 convolutions.
        first_groups: g of the first of them, where it differs.
    """

    def __init__(
        self, c_in: int, c_out: int, *, stride: int, groups: int, first_groups: int | None = None
    ) -> None:
        super().__init__()
        thin = c_out // BOTTLENECK
        made = c_out if stride == 1 else c_out - c_in
        self.compress = ConvNormAct(c_in, thin, 1, groups=groups if first_groups is None else first_groups)
        self.shuffle = nn.ChannelShuffle(groups)
        self.depthwise = ConvNormAct(thin, thin, 3, stride, groups=thin, act=None)
        self.expand = ConvNormAct(thin, made, 1, groups=groups, act=None)
        self.pool = None if stride == 1 else nn.AvgPool2d(3, stride=2, padding=1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, c_in, H, W)` to `(N, c_out, H', W')`."""
        y = self.expand(self.depthwise(self.shuffle(self.compress(x))))
        return self.act(x + y if self.pool is None else torch.cat([self.pool(x), y], dim=1))


def _shufflenet(
    groups: int, *, num_classes: int = 1000, in_channels: int = 3, width: float = 1.0
) -> nn.Sequential:
    """ShuffleNet for images `(N, in_channels, H, W)` of any size; returns logits `(N, num_classes)`.

    Args:
        groups: g of the 1×1 convolutions: 1, 2, 3, 4 or 8.
        num_classes: number of logits.
        in_channels: 3 for colour images.
        width: factor s for the channels of every layer (section 3.3), rounded so that the groups divide them.

    Raises:
        ValueError: for another number of groups.
    """
    if groups not in CHANNELS:
        raise ValueError(f"groups is {groups}; table 1 has {', '.join(map(str, CHANNELS))}")
    c = make_divisible(width * STEM, groups)
    first = make_divisible(width * CHANNELS[groups], BOTTLENECK * groups)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["check"] = ImageCheck("shufflenet_v1", in_channels)
    layers["stem"] = ConvNormAct(in_channels, c, 3, stride=2)
    layers["maxpool"] = nn.MaxPool2d(3, stride=2, padding=1)
    for i, stage in enumerate(STAGES, 2):
        c_out = stage.times * first
        # The stem has so few channels that the first 1×1 convolution on them is not grouped (section 3.2).
        units = [ShuffleUnit(c, c_out, stride=2, groups=groups, first_groups=1 if i == 2 else None)]
        units += [ShuffleUnit(c_out, c_out, stride=1, groups=groups) for _ in range(stage.units - 1)]
        layers[f"stage{i}"] = nn.Sequential(*units)
        c = c_out
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["classifier"] = nn.Linear(c, num_classes)
    network = nn.Sequential(layers)
    he_init(network)
    return network


def shufflenet_v1(
    *, num_classes: int = 1000, in_channels: int = 3, groups: int = 3, width: float = 1.0
) -> nn.Sequential:
    """ShuffleNet with three groups, or as many as are asked for; everything else as in `_shufflenet`."""
    return _shufflenet(groups, num_classes=num_classes, in_channels=in_channels, width=width)


BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "shufflenet_v1": shufflenet_v1,
    **{f"shufflenet_v1_g{groups}": partial(_shufflenet, groups) for groups in CHANNELS},
}

CARDS = {
    name: Card(
        paper="Zhang, Zhou, Lin, Sun: ShuffleNet: An extremely efficient convolutional neural network for "
        "mobile devices, CVPR 2018",
        year=2018,
        note="With groups=3, unless the option says otherwise." if name == "shufflenet_v1" else "",
    )
    for name in BUILDERS
}
