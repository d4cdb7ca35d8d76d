"""VGG: nothing but 3×3 convolutions and 2×2 pooling, 11 to 19 layers deep.

Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition, ICLR 2015. Two 3×3
convolutions see 5×5 pixels and three see 7×7, with fewer weights than one such kernel (27 C² against 49 C²
for 7×7) and a ReLU behind each. Columns of table 1, with the kernels of their stages:

    network     column   64   128   256       512       512       parameters    multiply-adds
    vgg11       A        3    3     3 3       3 3       3 3       132,863,336    7.6 G
    vgg11_lrn   A-LRN    3 n  3     3 3       3 3       3 3       132,863,336    7.6 G
    vgg13       B        3 3  3 3   3 3       3 3       3 3       133,047,848   11.3 G
    vgg16_1x1   C        3 3  3 3   3 3 1     3 3 1     3 3 1     133,638,952   11.8 G
    vgg16       D        3 3  3 3   3 3 3     3 3 3     3 3 3     138,357,544   15.5 G
    vgg19       E        3 3  3 3   3 3 3 3   3 3 3 3   3 3 3 3   143,667,240   19.6 G

    output, 224×224    112  56    28        14        7         behind the stage's pooling

Behind n stands local response normalization. All end in fully connected layers of 4096, 4096 and 1000 units,
which hold 124 million of the parameters. The `_bn` networks have batch normalization behind each convolution;
they are not the paper's, but torchvision's.

The paper began with N(0, 0.1²) for A and put A's layers into the deeper networks; it names Glorot and
Bengio's initialization as another way. Fresh weights here are those of He, Zhang, Ren, Sun: Delving deep into
rectifiers, ICCV 2015, made for deep networks with ReLU, as in torchvision.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from coursekit.models.alexnet import classifier, local_response_norm
from coursekit.models.card import Card, Figures
from coursekit.models.parts import ImageCheck, he_init
from coursekit.models.weights import Renames

__all__ = ["BUILDERS", "CARDS", "FROM_TORCHVISION", "vgg"]


@dataclass(frozen=True)
class Column:
    """A column of table 1: the kernels of the convolutions in each of the five stages."""

    letter: str
    kernels: tuple[tuple[int, ...], ...]
    lrn: bool = False  # local response normalization behind the first convolution


WIDTHS = (64, 128, 256, 512, 512)  # maps of the stages
COLUMNS = {
    "vgg11": Column("A", ((3,), (3,), (3, 3), (3, 3), (3, 3))),
    "vgg11_lrn": Column("A-LRN", ((3,), (3,), (3, 3), (3, 3), (3, 3)), lrn=True),
    "vgg13": Column("B", ((3, 3), (3, 3), (3, 3), (3, 3), (3, 3))),
    "vgg16_1x1": Column("C", ((3, 3), (3, 3), (3, 3, 1), (3, 3, 1), (3, 3, 1))),
    "vgg16": Column("D", ((3, 3), (3, 3), (3, 3, 3), (3, 3, 3), (3, 3, 3))),
    "vgg19": Column("E", ((3, 3), (3, 3), (3, 3, 3, 3), (3, 3, 3, 3), (3, 3, 3, 3))),
}
WITH_BATCH_NORM = ("vgg11", "vgg13", "vgg16", "vgg19")
MAP_SIZE = 7  # height and width of the last feature map, for 224×224 images
SMALLEST = 32  # five poolings halve it to one pixel


def vgg(
    name: str,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    batch_norm: bool = False,
    dropout: float = 0.5,
) -> nn.Sequential:
    """A VGG for images `(N, in_channels, 224, 224)`; returns logits `(N, num_classes)`.

    Images of another size from 32 pixels on work as well: the last map is averaged to 7×7, as in torchvision.

    Args:
        name: one of `COLUMNS`.
        num_classes: number of logits.
        in_channels: 3 for colour images.
        batch_norm: normalize behind each convolution.
        dropout: probability with which a unit of fc6 and fc7 is dropped in training.
    """
    column = COLUMNS[name]
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["check"] = ImageCheck(name, in_channels, smallest=SMALLEST)
    channels = in_channels
    for stage, (width, kernels) in enumerate(zip(WIDTHS, column.kernels, strict=True), 1):
        for i, kernel in enumerate(kernels, 1):
            layers[f"conv{stage}_{i}"] = nn.Conv2d(channels, width, kernel, padding=kernel // 2)
            if batch_norm:
                layers[f"bn{stage}_{i}"] = nn.BatchNorm2d(width)
            layers[f"relu{stage}_{i}"] = nn.ReLU(inplace=True)
            if column.lrn and (stage, i) == (1, 1):
                layers["norm1_1"] = local_response_norm()
            channels = width
        layers[f"pool{stage}"] = nn.MaxPool2d(2)
    layers |= classifier(channels, MAP_SIZE, num_classes=num_classes, dropout=dropout)
    network = nn.Sequential(layers)
    he_init(network)
    return network


BUILDERS: dict[str, Callable[..., nn.Module]] = {
    **{name: partial(vgg, name) for name in COLUMNS},
    **{f"{name}_bn": partial(vgg, name, batch_norm=True) for name in WITH_BATCH_NORM},
}


def _renames(column: Column, batch_norm: bool) -> Renames:
    """One number a layer in torchvision: convolution, normalization if any, ReLU, ..., pooling."""
    table, number = {}, 0
    for stage, kernels in enumerate(column.kernels, 1):
        for i, _ in enumerate(kernels, 1):
            table[rf"features\.{number}\.(.+)"] = rf"conv{stage}_{i}.\1"
            if batch_norm:
                table[rf"features\.{number + 1}\.(.+)"] = rf"bn{stage}_{i}.\1"
            number += 3 if batch_norm else 2
        number += 1
    return table | {rf"classifier\.{n}\.(.+)": rf"{fc}.\1" for n, fc in ((0, "fc6"), (3, "fc7"), (6, "fc8"))}


FROM_TORCHVISION = {
    **{name: _renames(COLUMNS[name], False) for name in WITH_BATCH_NORM},
    **{f"{name}_bn": _renames(COLUMNS[name], True) for name in WITH_BATCH_NORM},
}

# What the lectures say of each, and what is to be said of that.
LECTURE = {
    "vgg11": (Figures(params=133e6), ""),
    "vgg11_lrn": (Figures(params=133e6), ""),
    "vgg13": (Figures(params=133e6), ""),
    "vgg16_1x1": (Figures(params=134e6), ""),
    "vgg16": (
        Figures(top1=72.98, top5_error=7.32, params=138e6, flops=13.6e9),
        "; 13.6 GFLOP leave conv3_3 out, all are 15.5; 72.98% is of the comparison with SENet",
    ),
    "vgg19": (Figures(top5_error=7.3, params=144e6), ""),
}
CARDS = {
    name: Card(
        paper="Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition, "
        "ICLR 2015",
        year=2015,
        smallest=SMALLEST,
        lecture=LECTURE.get(name, (Figures(), ""))[0],
        note=f"column {COLUMNS[name.removesuffix('_bn')].letter} of table 1"
        + (", with batch normalization" if name.endswith("_bn") else "")
        + LECTURE.get(name, (Figures(), ""))[1],
    )
    for name in BUILDERS
}
