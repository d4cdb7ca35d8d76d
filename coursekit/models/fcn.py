"""FCN: a classifier turned into convolutions gives a class at each pixel.

Long, Shelhamer, Darrell: Fully convolutional networks for semantic segmentation, CVPR 2015.

    layer      channels   size     from
    conv1-5    512        1/32     VGG-16, its poolings behind each of the five stages
    fc6, fc7   4096       1/32     VGG-16's fully connected layers: as convolutions of 7×7 and 1×1
    score      classes    1/32     1×1 conv
    upsample   classes    1        transposed conv of stride 32: fcn32s ends here

    fcn16s     score of fc7, × 2 by a transposed conv, plus a score of pool4, then upsampled by 16
    fcn8s      that sum, × 2 by another, plus a score of pool3, then upsampled by 8

    network    parameters, 21 classes   fixed kernels
    fcn32s     134,346,581              86,016         the paper's table 1 has 134 M
    fcn16s     134,364,410              21,504
    fcn8s      134,376,863               5,376

All upsampling begins as bilinear interpolation; that by 2 is learned, the last is not (section 4.3). Layers
that score begin with zeros, so that a skip changes nothing at first; a fresh network's logits are all 0.

It differs from the paper's in its borders. There fc6 has no padding and the image has a border of 100 zeros
instead, so that maps of different offsets have to be cropped onto one another. Here fc6 has a padding of 3,
and an image of any size is filled up with zeros at the right and below to a multiple of 32: each map then
lies exactly on the others, and only the result is cropped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn import init

from coursekit.models import vgg
from coursekit.models.card import Card
from coursekit.models.parts import ImageCheck

__all__ = ["BUILDERS", "CARDS", "FCN", "bilinear_kernel", "convolution_of", "fcn"]

STRIDE = 32  # of VGG-16 at fc7
SKIPS: dict[str, tuple[str, ...]] = {  # maps that are scored besides fc7, coarse to fine
    "fcn32s": (),
    "fcn16s": ("pool4",),
    "fcn8s": ("pool4", "pool3"),
}
CHANNELS = {"fc7": 4096, "pool4": 512, "pool3": 256}


class FCN(nn.Module):
    """Images to logits at each pixel; see `fcn`."""

    def __init__(
        self, name: str, num_classes: int, in_channels: int, skips: tuple[str, ...], vgg16: nn.Module
    ) -> None:
        super().__init__()
        self.check = ImageCheck(name, in_channels)
        layers = OrderedDict(vgg16.named_children())
        names = list(layers)
        trunk = names[names.index("conv1_1") : names.index("pool5") + 1]
        self.trunk = nn.Sequential(OrderedDict((n, layers[n]) for n in trunk))
        self.classifier = nn.Sequential(
            OrderedDict(
                fc6=convolution_of(layers["fc6"], vgg.MAP_SIZE),
                relu6=layers["relu6"],
                dropout6=layers["dropout6"],
                fc7=convolution_of(layers["fc7"], 1),
                relu7=layers["relu7"],
                dropout7=layers["dropout7"],
            )
        )
        self.score = nn.ModuleDict({n: nn.Conv2d(CHANNELS[n], num_classes, 1) for n in ("fc7", *skips)})
        self.twice = nn.ModuleDict({n: upsampling(num_classes, 2, learned=True) for n in skips})
        self.upsample = upsampling(num_classes, STRIDE // 2 ** len(skips), learned=False)
        for parameter in self.score.parameters():
            init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, in_channels, H, W)` to `(N, num_classes, H, W)`."""
        height, width = self.check(x).shape[2:]
        x = F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE))
        maps = {}
        for name, layer in self.trunk.named_children():
            x = layer(x)
            if name in self.twice:
                maps[name] = x
        scores = self.score["fc7"](self.classifier(x))
        for name, twice in self.twice.items():
            scores = twice(scores) + self.score[name](maps[name])
        return self.upsample(scores)[:, :, :height, :width]


def convolution_of(layer: nn.Module, side: int) -> nn.Conv2d:
    """The convolution that does everywhere what a fully connected layer does with a map of `side` × `side`.

    It holds the layer's own weights, and keeps the size of a map: `(N, C, H, W)` to `(N, units, H, W)`.
    """
    assert isinstance(layer, nn.Linear)
    channels = layer.in_features // side**2
    with torch.device("meta"):
        conv = nn.Conv2d(channels, layer.out_features, side, padding=side // 2)
    conv.weight = nn.Parameter(layer.weight.detach().view(conv.weight.shape))
    conv.bias = layer.bias
    return conv


def upsampling(channels: int, factor: int, *, learned: bool) -> nn.ConvTranspose2d:
    """A transposed convolution that interpolates: `(N, C, H, W)` to `(N, C, factor·H, factor·W)`.

    Learned ones may mix the channels later; fixed ones have one kernel a channel, not in training.
    """
    layer = nn.ConvTranspose2d(
        channels,
        channels,
        2 * factor,
        stride=factor,
        padding=factor // 2,
        groups=1 if learned else channels,
        bias=False,
    )
    kernel = bilinear_kernel(factor).to(layer.weight)
    with torch.no_grad():
        if learned:
            layer.weight.zero_()
            layer.weight.diagonal().copy_(kernel[:, :, None].expand(-1, -1, channels))
        else:
            layer.weight.copy_(kernel.expand_as(layer.weight))
    return layer.requires_grad_(learned)


def bilinear_kernel(factor: int) -> Tensor:
    """The kernel `(2 factor, 2 factor)` with which a transposed convolution of that stride interpolates.

    Along each axis it falls from its middle to nothing over `factor` pixels: (1, 3, 3, 1) / 4 for 2.
    """
    distance = (torch.arange(2 * factor) - (factor - 0.5)).abs()
    tent = 1 - distance / factor
    return torch.outer(tent, tent)


def fcn(
    name: str,
    *,
    num_classes: int = 21,
    in_channels: int = 3,
    dropout: float = 0.5,
    vgg16: nn.Module | None = None,
) -> FCN:
    """An FCN for images `(N, in_channels, H, W)` of any size; returns logits `(N, num_classes, H, W)`.

    Args:
        name: `"fcn32s"`, `"fcn16s"` or `"fcn8s"`.
        num_classes: number of logits at each pixel; 21 in PASCAL VOC, with the background.
        in_channels: 3 for colour images.
        dropout: probability with which a unit of fc6 and fc7 is dropped in training.
        vgg16: a trained network to begin with, as in the paper: its layers are taken over, not copied. None
            for a fresh one.
    """
    if vgg16 is None:
        vgg16 = vgg.vgg("vgg16", num_classes=1, in_channels=in_channels, dropout=dropout)
    return FCN(name, num_classes, in_channels, SKIPS[name], vgg16)


BUILDERS: dict[str, Callable[..., nn.Module]] = {name: partial(fcn, name) for name in SKIPS}
CARDS = {
    name: Card(
        paper="Long, Shelhamer, Darrell: Fully convolutional networks for semantic segmentation, CVPR 2015",
        year=2015,
        input_shape=(3, 500, 500),
        num_classes=21,
        note="Returns logits at each pixel. Borders differ from the paper's: fc6 has padding and the image "
        "none. The last upsampling's kernels are fixed, and fresh logits are 0.",
    )
    for name in SKIPS
}
