"""Classes that an answer and its tests both need: import them, build, take apart.

They stand in a module, so that a notebook, a public check and a hidden test mean the same classes.
"""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """relu(branch(x) + shortcut(x)), where the shortcut is `downsample`, or x itself if that is None."""

    def __init__(self, branch: nn.Sequential, downsample: nn.Module | None = None) -> None:
        super().__init__()
        self.branch = branch  # F(x): convolutions and norms; a batch normalization is the last of them
        self.downsample = downsample
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """`(N, c_in, H, W)` to `(N, c_out, H/stride, W/stride)`."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.branch(x) + shortcut)


class PlainBlock(nn.Module):
    """relu(branch(x)): a block without a shortcut."""

    def __init__(self, branch: nn.Sequential) -> None:
        super().__init__()
        self.branch = branch
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """`(N, c_in, H, W)` to `(N, c_out, H/stride, W/stride)`."""
        return self.relu(self.branch(x))


class Recorder(nn.Module):
    """A block that computes next to nothing and keeps what it was made with, for whoever makes blocks."""

    expansion = 1

    def __init__(self, c_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.made_with = (c_in, channels, stride)
        self.scale = nn.Parameter(torch.ones(()))  # tells two instances apart

    def forward(self, x: Tensor) -> Tensor:
        """A map of the size that a real block would make, all zeros: `(N, channels * expansion, H', W')`."""
        c_in, channels, stride = self.made_with
        if x.shape[1] != c_in:
            raise ValueError(f"this block was made for {c_in} channels, but {x.shape[1]} came")
        height, width = (-(-side // stride) for side in x.shape[2:])
        return self.scale * x.new_zeros(len(x), channels * self.expansion, height, width)


class WideRecorder(Recorder):
    """A recorder for blocks that make four times as many channels as they are asked for."""

    expansion = 4


class SmallResNet(nn.Module):
    """A residual network for small images, with the names of torchvision's.

    A 3 x 3 convolution, then one stage for each entry of `widths` (`layer1`, `layer2`, ...), each of `depth`
    residual blocks, all but the first with a stride of 2; the average over all places, and a classifier.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (8, 16),
        depth: int = 2,
        *,
        in_channels: int = 1,
        num_classes: int = 10,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        self.stages = len(widths)
        c_in = widths[0]
        for number, width in enumerate(widths, start=1):
            blocks = []
            for block in range(depth):
                stride = 2 if number > 1 and block == 0 else 1
                blocks.append(_block(c_in, width, stride))
                c_in = width
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(c_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images `(N, in_channels, H, W)` to logits `(N, num_classes)`."""
        x = self.relu(self.bn1(self.conv1(x)))
        for number in range(1, self.stages + 1):
            x = self.get_submodule(f"layer{number}")(x)
        return self.fc(self.avgpool(x).flatten(1))


def _block(c_in: int, c_out: int, stride: int) -> ResidualBlock:
    if stride == 1 and c_in == c_out:
        return ResidualBlock(branch(c_in, c_out, c_out))
    way = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))
    return ResidualBlock(branch(c_in, c_out, c_out, stride=stride), way)


def branch(*channels: int, stride: int = 1) -> nn.Sequential:
    """3 x 3 convolutions from each number of channels to the next, norms behind, ReLUs between them."""
    layers: list[nn.Module] = []
    for c_in, c_out in pairwise(channels):
        layers += [
            nn.Conv2d(c_in, c_out, 3, 1 if layers else stride, padding=1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers[:-1])


def nested() -> nn.Sequential:
    """A network for images (N, 1, H, W) and five classes: blocks at several depths, one of them plain."""
    deep = nn.Sequential(OrderedDict(last=ResidualBlock(branch(4, 3, 3, 4)), act=nn.Tanh()))
    widening = ResidualBlock(branch(3, 2, 4), nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    return nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(1, 3, 3),
            body=nn.Sequential(ResidualBlock(branch(3, 3)), nn.Sequential(widening, deep)),
            plain=PlainBlock(branch(4, 4, 4)),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(4, 5),
        )
    )


def networks() -> list[nn.Module]:
    """Two small networks to try a function on, for images (N, 1, H, W) and five classes."""
    return [SmallResNet((3, 5), num_classes=5), nested()]
