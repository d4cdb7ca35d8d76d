"""The small ResNets and plain networks for 32×32 images, of 6n + 2 layers.

He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016, section 4.2.

    layer     output        kernels
    conv1     16 @ 32×32    3×3
    conv2_x   16 @ 32×32    [3×3, 3×3] × n
    conv3_x   32 @ 16×16    [3×3, 3×3] × n, the first convolution with stride 2
    conv4_x   64 @  8×8     [3×3, 3×3] × n, the first convolution with stride 2
    avgpool   64            global average pooling
    fc        10

n = 3, 5, 7, 9, 18 gives 20, 32, 44, 56, 110 layers. All shortcuts are of option A, so a residual network has
exactly as many parameters as the plain one: 0.27, 0.46, 0.66, 0.85 and 1.7 million (the paper's table 6). The
paper trains resnet110 with a tenth of the learning rate until the training error is below 80%.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from torch import nn

from coursekit.models.card import Card
from coursekit.models.parts import ConvNormAct, ImageCheck, he_init
from coursekit.models.resnet import HE, BasicBlock, make_stage

__all__ = ["BUILDERS", "CifarResNet", "cifar_resnet"]


@dataclass(frozen=True)
class Row:
    """A depth: n blocks in each of the three stages, and their shortcuts (option of `make_shortcut`)."""

    n: int
    shortcut: str = "A"


ROWS = {
    "resnet20": Row(3),
    "resnet32": Row(5),
    "resnet44": Row(7),
    "resnet56": Row(9),
    "resnet110": Row(18),
    "plain20": Row(3, "none"),
    "plain32": Row(5, "none"),
    "plain44": Row(7, "none"),
    "plain56": Row(9, "none"),
}


class CifarResNet(nn.Sequential):
    """Images `(N, in_channels, H, W)` of any size, 32×32 or 28×28 say, to logits `(N, num_classes)`."""

    def __init__(self, name: str, n: int, *, shortcut: str, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.check = ImageCheck(name, in_channels)
        self.conv1 = ConvNormAct(in_channels, 16, 3)
        self.conv2_x = make_stage(BasicBlock, 16, 16, n, stride=1, shortcut=shortcut)
        self.conv3_x = make_stage(BasicBlock, 16, 32, n, stride=2, shortcut=shortcut)
        self.conv4_x = make_stage(BasicBlock, 32, 64, n, stride=2, shortcut=shortcut)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(64, num_classes)
        he_init(self)


def cifar_resnet(
    variant: str, *, num_classes: int = 10, in_channels: int = 3, shortcut: str | None = None
) -> CifarResNet:
    """A network of `ROWS`, for images `(N, in_channels, H, W)`; returns logits `(N, num_classes)`.

    Args:
        variant: a key of `ROWS`.
        num_classes: number of logits.
        in_channels: 3 for colour images, 1 for grey ones.
        shortcut: another option than the row's, see `make_shortcut` in the module `resnet`.
    """
    row = ROWS[variant]
    return CifarResNet(
        variant, row.n, shortcut=shortcut or row.shortcut, num_classes=num_classes, in_channels=in_channels
    )


BUILDERS = {name: partial(cifar_resnet, name) for name in ROWS}

CARDS = {
    name: Card(
        HE,
        2016,
        input_shape=(3, 32, 32),
        num_classes=10,
        note="for CIFAR-10" + (", without shortcuts" if row.shortcut == "none" else ""),
    )
    for name, row in ROWS.items()
}
