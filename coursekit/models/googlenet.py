"""GoogLeNet: nine inception modules, each with 1×1, 3×3 and 5×5 convolutions and a pooling side by side.

Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich: Going deeper with convolutions,
CVPR 2015 (winner of ILSVRC 2014); its table 1 and figure 3.

    layer                output, 224×224 input
    conv1                  64 @ 112×112         7×7, stride 2
    pool1, lrn1            64 @ 56×56           3×3 max, stride 2; local response normalization
    reduce2, conv2, lrn2  192 @ 56×56           1×1; 3×3
    pool2                 192 @ 28×28
    inception3a, b        256, 480 @ 28×28
    pool3                 480 @ 14×14
    inception4a … e       512, 512, 512, 528, 832 @ 14×14      auxiliary heads behind 4a and 4d
    pool4                 832 @ 7×7
    inception5a, b        832, 1024 @ 7×7
    head                 1000                   global average pooling, dropout 0.4, fully connected

22 layers with weights on the longest path: 3 in the stem, 2 in each module, 1 at the end. Without the
auxiliary heads 6,998,552 parameters and 1.583 G multiply-adds. Only training uses these heads: their
losses, weighted by 0.3, bring gradients to the lower half. The 1×1 convolutions in front of the 3×3 and
5×5 ones (figure 2b; 2a has none) reduce the channels and so the cost.

`googlenet` is the paper's; for the initial weights, which it does not give, He et al. 2015. `googlenet_bn`
has batch normalization behind every convolution (Ioffe, Szegedy: Batch normalization, ICML 2015, who
changed the modules too) and so neither biases nor local response normalization.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coursekit.models.card import Card, Figures
from coursekit.models.parts import ConvNormAct, ImageCheck, Layer, he_init
from coursekit.models.weights import Renames

__all__ = ["BUILDERS", "CARDS", "FROM_TORCHVISION", "Branches", "conv_norm_relu", "googlenet", "googlenet_bn"]


@dataclass(frozen=True)
class Row:
    """An inception module's line of table 1: the channels of its convolutions."""

    name: str
    one: int  # 1×1
    three: tuple[int, int]  # 1×1 that reduces, then 3×3
    five: tuple[int, int]  # 1×1 that reduces, then 5×5
    pool: int  # 1×1 behind the pooling

    @property
    def channels(self) -> int:
        """Channels that come out."""
        return self.one + self.three[1] + self.five[1] + self.pool


# A 3×3 max pooling of stride 2 stands in front of each stage.
STAGES = {
    3: (Row("3a", 64, (96, 128), (16, 32), 32), Row("3b", 128, (128, 192), (32, 96), 64)),
    4: (
        Row("4a", 192, (96, 208), (16, 48), 64),
        Row("4b", 160, (112, 224), (24, 64), 64),
        Row("4c", 128, (128, 256), (24, 64), 64),
        Row("4d", 112, (144, 288), (32, 64), 64),
        Row("4e", 256, (160, 320), (32, 128), 128),
    ),
    5: (Row("5a", 256, (160, 320), (32, 128), 128), Row("5b", 384, (192, 384), (48, 128), 128)),
}
AUXILIARY = ("4a", "4d")  # the modules that an auxiliary head stands behind


class Branches(nn.ModuleDict):
    """Puts one map through several branches and concatenates the channels of what comes out."""

    def __init__(self, **branches: nn.Module) -> None:
        super().__init__(branches)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` to `(N, C_1 + C_2 + …, H', W')`."""
        return torch.cat([branch(x) for branch in self.values()], dim=1)


def inception(c_in: int, row: Row, conv: Layer, wide_kernel: int) -> Branches:
    """The module of figure 2b, `(N, c_in, H, W)` to `(N, row.channels, H, W)`."""
    return Branches(
        one=conv(c_in, row.one, 1),
        three=nn.Sequential(conv(c_in, row.three[0], 1), conv(*row.three, 3)),
        five=nn.Sequential(conv(c_in, row.five[0], 1), conv(*row.five, wide_kernel)),
        pool=nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(c_in, row.pool, 1)),
    )


class AuxiliaryHead(nn.Module):
    """Logits `(N, num_classes)` from a map `(N, c_in, 14, 14)` halfway up; section 5 of the paper.

    The average over 5×5 windows of stride 3 leaves 4×4. Maps of other sizes are averaged to 4×4 behind it, or
    instead of it where they are smaller than a window.
    """

    def __init__(self, c_in: int, num_classes: int, conv: Layer, windows: bool) -> None:
        super().__init__()
        self.windows = windows
        self.conv = conv(c_in, 128, 1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if self.windows and min(x.shape[2:]) >= 5:
            x = F.avg_pool2d(x, 5, stride=3)
        x = self.conv(F.adaptive_avg_pool2d(x, 4)).flatten(1)
        return self.fc2(self.dropout(self.relu(self.fc1(x))))


def conv_relu(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution with bias, and ReLU; height and width stay at stride 1."""
    conv = nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2)
    return nn.Sequential(OrderedDict(conv=conv, act=nn.ReLU(inplace=True)))


conv_norm_relu = partial(ConvNormAct, norm=partial(nn.BatchNorm2d, eps=0.001))


@dataclass(frozen=True)
class Variant:
    """What the networks of this file differ in."""

    conv: Layer
    lrn: bool  # local response normalization in the stem
    wide_kernel: int = 5  # of the branch that is called 5×5
    last_pool: int = 3  # kernel of pool4
    aux_windows: bool = True  # whether auxiliary heads average over 5×5 windows of stride 3
    smallest: int = 31  # 31 → 16 → 8 → 4 → 2 → 1


PAPER = Variant(conv_relu, lrn=True)
PAPER_BN = Variant(conv_norm_relu, lrn=False)
TORCHVISION = Variant(conv_norm_relu, lrn=False, wide_kernel=3, last_pool=2, aux_windows=False, smallest=15)


class GoogLeNet(nn.Module):
    """Images `(N, in_channels, H, W)` to logits `(N, num_classes)`; in training `(logits, aux1, aux2)`."""

    def __init__(
        self, name: str, variant: Variant, num_classes: int, in_channels: int, aux: bool, dropout: float
    ) -> None:
        super().__init__()
        conv = variant.conv
        # Ceil mode gives the paper's sizes: 112, 56, 28, 14, 7.
        pool = partial(nn.MaxPool2d, stride=2, ceil_mode=True)
        lrn = partial(nn.LocalResponseNorm, 5) if variant.lrn else nn.Identity
        self.stem = nn.Sequential(
            OrderedDict(
                check=ImageCheck(name, in_channels, smallest=variant.smallest),
                conv1=conv(in_channels, 64, 7, 2),
                pool1=pool(3),
                lrn1=lrn(),
                reduce2=conv(64, 64, 1),
                conv2=conv(64, 192, 3),
                lrn2=lrn(),
            )
        )
        self.body = nn.ModuleDict()
        self.aux = nn.ModuleDict()
        channels = 192
        for stage, rows in STAGES.items():
            self.body[f"pool{stage - 1}"] = pool(variant.last_pool if stage == 5 else 3)
            for row in rows:
                place = f"inception{row.name}"
                self.body[place] = inception(channels, row, conv, variant.wide_kernel)
                channels = row.channels
                if aux and row.name in AUXILIARY:
                    self.aux[place] = AuxiliaryHead(channels, num_classes, conv, variant.aux_windows)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        self.fc = nn.Linear(channels, num_classes)
        he_init(self, mode="fan_in")

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        x = self.stem(x)
        heads = []
        for place, layer in self.body.items():
            x = layer(x)
            if self.training and place in self.aux:
                heads.append(self.aux[place](x))
        logits = self.fc(self.pool(x))
        return (logits, *heads) if heads else logits


def googlenet(
    *, num_classes: int = 1000, in_channels: int = 3, aux: bool = True, dropout: float = 0.4
) -> GoogLeNet:
    """GoogLeNet as in the paper; images `(N, in_channels, H, W)` to logits `(N, num_classes)`.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour images.
        aux: with the two auxiliary heads. In training the network then returns `(logits, aux1, aux2)`, each
            `(N, num_classes)`; in evaluation it returns the logits alone, with or without them.
        dropout: probability with which one of the 1024 features is dropped in training.
    """
    return GoogLeNet("googlenet", PAPER, num_classes, in_channels, aux, dropout)


def googlenet_bn(
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    aux: bool = True,
    dropout: float = 0.4,
    as_in_torchvision: bool = False,
) -> GoogLeNet:
    """GoogLeNet with batch normalization; shapes as in `googlenet`.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour images.
        aux: as in `googlenet`.
        dropout: as in `googlenet`.
        as_in_torchvision: the network that torchvision's `googlenet` is, and its weights need: 3×3 where the
            paper has 5×5, a last pooling of 2×2, and auxiliary heads that average over other windows;
            6,624,904 parameters without these heads. Its pretrained weights expect images scaled to [-1, 1]
            in place of ImageNet's normalization (torchvision's network converts from one to the other).
    """
    variant = TORCHVISION if as_in_torchvision else PAPER_BN
    return GoogLeNet("googlenet_bn", variant, num_classes, in_channels, aux, dropout)


PLACES = {
    "conv1": "stem.conv1",
    "conv2": "stem.reduce2",
    "conv3": "stem.conv2",
    r"inception(\w+)\.branch1": r"body.inception\1.one",
    r"inception(\w+)\.branch2\.(\d)": r"body.inception\1.three.\2",
    r"inception(\w+)\.branch3\.(\d)": r"body.inception\1.five.\2",
    r"inception(\w+)\.branch4\.1": r"body.inception\1.pool.1",
    r"aux1\.conv": "aux.inception4a.conv",
    r"aux2\.conv": "aux.inception4d.conv",
}
RENAMES: Renames = {
    **{rf"{theirs}\.conv\.(?P<entry>\w+)": rf"{ours}.conv.\g<entry>" for theirs, ours in PLACES.items()},
    **{rf"{theirs}\.bn\.(?P<entry>\w+)": rf"{ours}.norm.\g<entry>" for theirs, ours in PLACES.items()},
    r"aux1\.(fc\d\.\w+)": r"aux.inception4a.\1",
    r"aux2\.(fc\d\.\w+)": r"aux.inception4d.\1",
    r"(fc\.\w+)": r"\1",
}
FROM_TORCHVISION = {"googlenet_bn": RENAMES}

CARDS = {
    "googlenet": Card(
        "Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich: Going deeper with "
        "convolutions, CVPR 2015",
        2015,
        smallest=PAPER.smallest,
        lecture=Figures(top5_error=6.67),
        note="ILSVRC 2014. The lectures give it 4 and 5 million parameters; the paper's table 1 has 7.0.",
    ),
    "googlenet_bn": Card(
        "Ioffe, Szegedy: Batch normalization: Accelerating deep network training by reducing internal "
        "covariate shift, ICML 2015",
        2015,
        smallest=PAPER_BN.smallest,
        note="GoogLeNet's table with batch normalization; the modules of this paper are others.",
    ),
}

BUILDERS = {"googlenet": googlenet, "googlenet_bn": googlenet_bn}
