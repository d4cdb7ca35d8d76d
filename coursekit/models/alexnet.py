"""AlexNet: five convolutions, three fully connected layers, ReLU, dropout, overlapping pooling.

Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural networks, NIPS 2012. Two
GPUs of 3 GB held half of the maps each, so that conv2, conv4 and conv5 see only the half of their own GPU:
they are grouped convolutions. Three networks go by the name, and differ in their convolutions:

- `alexnet`, what torchvision builds: one tower with fewer maps and no normalization, of Krizhevsky: One weird
  trick for parallelizing convolutional neural networks, 2014. 61,100,840 parameters.
- `alexnet_2012`, the paper's: 60,965,224 parameters, 724 million multiply-adds.
- `alexnet_ungrouped`, the paper's maps on one GPU, as many drawings and parameter tables have it: 62,378,344
  parameters, 1,135 million multiply-adds. It normalizes behind the pooling, where maps are smaller.

    layer      alexnet        alexnet_2012             kernel, stride, padding
    input        3 @ 227×227    3 @ 227×227
    conv1       64 @ 56×56     96 @ 55×55              11, 4, 2 (alexnet) or 0
    norm1                      96 @ 55×55               5 maps
    pool1       64 @ 27×27     96 @ 27×27               3, 2, 0
    conv2      192 @ 27×27    256 @ 27×27, 2 groups     5, 1, 2
    norm2                     256 @ 27×27               5 maps
    pool2      192 @ 13×13    256 @ 13×13               3, 2, 0
    conv3      384 @ 13×13    384 @ 13×13               3, 1, 1
    conv4      256 @ 13×13    384 @ 13×13, 2 groups     3, 1, 1
    conv5      256 @ 13×13    256 @ 13×13, 2 groups     3, 1, 1
    pool5      256 @ 6×6      256 @ 6×6                 3, 2, 0
    flatten   9216           9216
    fc6, fc7  4096           4096
    fc8       1000           1000

The paper says that images have 224×224 pixels, but 55×55 windows of 11×11 at stride 4 need 227. Its two GPUs
normalized 48 and 128 maps each on their own; here the five neighbours may come from both halves.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from torch import nn
from torch.nn import init

from coursekit.models.card import Card, Figures
from coursekit.models.parts import ImageCheck

__all__ = ["BUILDERS", "CARDS", "FROM_TORCHVISION", "Conv", "alexnet", "alexnet_2012", "alexnet_ungrouped"]


@dataclass(frozen=True)
class Conv:
    """A convolution and its ReLU.

    `then` names what follows, in order: `"pool"`, the largest of 3×3 at stride 2 (windows overlap, section
    3.4), or `"norm"`, local response normalization.
    """

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    then: tuple[str, ...] = ()


ONE_TOWER = (
    Conv(64, kernel=11, stride=4, padding=2, then=("pool",)),
    Conv(192, kernel=5, padding=2, then=("pool",)),
    Conv(384, kernel=3, padding=1),
    Conv(256, kernel=3, padding=1),
    Conv(256, kernel=3, padding=1, then=("pool",)),
)
TWO_GPUS = (
    Conv(96, kernel=11, stride=4, then=("norm", "pool")),
    Conv(256, kernel=5, padding=2, groups=2, then=("norm", "pool")),
    Conv(384, kernel=3, padding=1),  # the one layer behind conv1 that sees the maps of both GPUs
    Conv(384, kernel=3, padding=1, groups=2),
    Conv(256, kernel=3, padding=1, groups=2, then=("pool",)),
)
UNGROUPED = tuple(replace(row, groups=1, then=row.then[::-1]) for row in TWO_GPUS)

MAP_SIZE = 6  # height and width of the last feature map, for 224×224 and 227×227 images
HIDDEN = 4096
PIXEL_STD = 58.0  # of ImageNet's pixels between 0 and 255


def local_response_norm() -> nn.LocalResponseNorm:
    """Section 3.3: each unit over (2 + 1e-4 Σ a²)^0.75, the sum over it and its neighbours in five maps.

    torch takes the mean of the squares, not their sum, so its alpha is five times the paper's.
    """
    return nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)


def convolutions(
    name: str, rows: Sequence[Conv], *, in_channels: int, smallest: int, ceil_mode: bool = False
) -> OrderedDict[str, nn.Module]:
    """Layers `check`, `conv1`, `relu1`, `norm1`, `pool1`, ...: `(N, in_channels, H, W)` to maps.

    Args:
        name: the network's.
        rows: one for each convolution.
        in_channels: 3 for colour images.
        smallest: side of the smallest image that leaves one unit.
        ceil_mode: whether pooling takes a last window that reaches over the border.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["check"] = ImageCheck(name, in_channels, smallest=smallest)
    channels = in_channels
    for i, row in enumerate(rows, 1):
        layers[f"conv{i}"] = nn.Conv2d(
            channels, row.channels, row.kernel, row.stride, row.padding, groups=row.groups
        )
        layers[f"relu{i}"] = nn.ReLU(inplace=True)
        for what in row.then:
            pool = what == "pool"
            layers[f"{what}{i}"] = nn.MaxPool2d(3, 2, ceil_mode=ceil_mode) if pool else local_response_norm()
        channels = row.channels
    return layers


def classifier(
    channels: int, side: int, *, num_classes: int, dropout: float, drop_inputs: bool = False
) -> OrderedDict[str, nn.Module]:
    """Layers `resize` to `fc8`: maps `(N, channels, H, W)` to logits `(N, num_classes)`.

    Args:
        channels: of the maps.
        side: height and width that fc6 takes; maps of another size are averaged to it.
        num_classes: number of logits.
        dropout: probability with which a unit is dropped in training.
        drop_inputs: drop inputs of fc6 and fc7 instead of their outputs.
    """
    layers = OrderedDict[str, nn.Module](resize=nn.AdaptiveAvgPool2d(side), flatten=nn.Flatten())
    features = channels * side**2
    for i in (6, 7):
        hidden: dict[str, nn.Module] = {
            f"fc{i}": nn.Linear(features, HIDDEN),
            f"relu{i}": nn.ReLU(inplace=True),
        }
        drop: dict[str, nn.Module] = {f"dropout{i}": nn.Dropout(dropout)}
        layers.update(drop | hidden if drop_inputs else hidden | drop)
        features = HIDDEN
    layers["fc8"] = nn.Linear(features, num_classes)
    return layers


def gaussian_init(network: nn.Module, *, ones: Collection[str] = ()) -> None:
    """Weights of mean 0 and standard deviation 0.01, biases 1 in the layers named in `ones`, else 0.

    Section 5 of the paper; biases of 1 give the ReLUs positive inputs at first. The paper's pixels range from
    0 to 255, less their mean. Ours are also divided by their standard deviation, and the weights of conv1 are
    larger by as much, so that maps are as large as the paper's; else the biases would drown the image.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            init.normal_(module.weight, std=0.01 * (PIXEL_STD if name == "conv1" else 1.0))
            if module.bias is not None:
                init.constant_(module.bias, 1.0 if name in ones else 0.0)


def alexnet(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> nn.Sequential:
    """One tower, for images `(N, in_channels, 224 or 227, same)`; returns logits `(N, num_classes)`.

    Images of another size from 63 pixels on work as well: `resize` averages the last map to 6×6, as in
    torchvision; at 224 and 227 pixels the map has that size already and the layer does nothing. Fresh weights
    are torch's own, as in torchvision.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour images.
        dropout: probability with which an input of fc6 and fc7 is dropped in training.
    """
    layers = convolutions("alexnet", ONE_TOWER, in_channels=in_channels, smallest=63)
    layers |= classifier(256, MAP_SIZE, num_classes=num_classes, dropout=dropout, drop_inputs=True)
    return nn.Sequential(layers)


def alexnet_2012(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> nn.Sequential:
    """The paper's two halves, for images `(N, in_channels, 227, 227)`; returns logits `(N, num_classes)`.

    Images of another size from 67 pixels on work as well, as in `alexnet`.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour images.
        dropout: probability with which a unit of fc6 and fc7 is dropped in training.
    """
    return _paper("alexnet_2012", TWO_GPUS, num_classes, in_channels, dropout)


def alexnet_ungrouped(
    *, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5
) -> nn.Sequential:
    """As `alexnet_2012`, with all maps connected and normalization behind the pooling."""
    return _paper("alexnet_ungrouped", UNGROUPED, num_classes, in_channels, dropout)


def _paper(
    name: str, rows: Sequence[Conv], num_classes: int, in_channels: int, dropout: float
) -> nn.Sequential:
    layers = convolutions(name, rows, in_channels=in_channels, smallest=67)
    layers |= classifier(256, MAP_SIZE, num_classes=num_classes, dropout=dropout)
    network = nn.Sequential(layers)
    gaussian_init(network, ones=("conv2", "conv4", "conv5", "fc6", "fc7"))
    return network


# torchvision numbers its layers.
FROM_TORCHVISION = {
    "alexnet": {
        r"features\.0\.(.+)": r"conv1.\1",
        r"features\.3\.(.+)": r"conv2.\1",
        r"features\.6\.(.+)": r"conv3.\1",
        r"features\.8\.(.+)": r"conv4.\1",
        r"features\.10\.(.+)": r"conv5.\1",
        r"classifier\.1\.(.+)": r"fc6.\1",
        r"classifier\.4\.(.+)": r"fc7.\1",
        r"classifier\.6\.(.+)": r"fc8.\1",
    }
}

PAPER = (
    "Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural networks, "
    "NIPS 2012"
)
CARDS = {
    "alexnet": Card(
        paper="Krizhevsky: One weird trick for parallelizing convolutional neural networks, arXiv 2014",
        year=2014,
        smallest=63,
        lecture=Figures(top1=56.522, params=61.1e6, flops=0.7e9),
        note="torchvision's form, one tower; fresh weights are torch's own",
    ),
    "alexnet_2012": Card(
        paper=PAPER,
        year=2012,
        input_shape=(3, 227, 227),
        smallest=67,
        lecture=Figures(top5_error=16.4, params=60e6),
        note="the 16.4% are of five such networks together",
    ),
    "alexnet_ungrouped": Card(
        paper=PAPER,
        year=2012,
        input_shape=(3, 227, 227),
        smallest=67,
        lecture=Figures(params=62_378_344),
        note="the paper's maps without its two groups",
    ),
}
BUILDERS = {"alexnet": alexnet, "alexnet_2012": alexnet_2012, "alexnet_ungrouped": alexnet_ungrouped}
