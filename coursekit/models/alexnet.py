"""AlexNet in the form that torchvision builds: one tower, 64, 192, 384, 256, 256 channels.

Krizhevsky: One weird trick for parallelizing convolutional neural networks, 2014; the network of Krizhevsky,
Sutskever, Hinton: ImageNet classification with deep convolutional neural networks, NIPS 2012, had 96, 256,
384, 384, 256 channels on two GPUs, and local response normalization.

    layer      output, 227×227 input   kernel, stride, padding
    conv1       64 @ 56×56             11, 4, 2
    pool1       64 @ 27×27              3, 2, 0
    conv2      192 @ 27×27              5, 1, 2
    pool2      192 @ 13×13              3, 2, 0
    conv3      384 @ 13×13              3, 1, 1
    conv4      256 @ 13×13              3, 1, 1
    conv5      256 @ 13×13              3, 1, 1
    pool5      256 @ 6×6                3, 2, 0
    flatten   9216
    fc6, fc7  4096
    fc8       1000

61,100,840 parameters with biases. torchvision's weights load through `RENAME` with `strict=True`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

__all__ = ["BUILDERS", "RENAME", "alexnet", "from_torchvision"]


@dataclass(frozen=True)
class Conv:
    """A convolution and its ReLU, followed by a 3×3 max pooling of stride 2 where `pool` says so."""

    channels: int
    kernel: int
    stride: int
    padding: int
    pool: bool


CONVOLUTIONS = (
    Conv(64, kernel=11, stride=4, padding=2, pool=True),
    Conv(192, kernel=5, stride=1, padding=2, pool=True),
    Conv(384, kernel=3, stride=1, padding=1, pool=False),
    Conv(256, kernel=3, stride=1, padding=1, pool=False),
    Conv(256, kernel=3, stride=1, padding=1, pool=True),
)
MAP_SIZE = 6  # height and width of the last feature map, for 224×224 and 227×227 images
HIDDEN = 4096

# torchvision's module -> ours
RENAME = {
    "features.0": "conv1",
    "features.3": "conv2",
    "features.6": "conv3",
    "features.8": "conv4",
    "features.10": "conv5",
    "classifier.1": "fc6",
    "classifier.4": "fc7",
    "classifier.6": "fc8",
}


def alexnet(*, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5) -> nn.Sequential:
    """AlexNet for images `(N, in_channels, 224 or 227, same)`; returns logits `(N, num_classes)`.

    Images of another size from 63 pixels on work as well: `resize` averages the last map to 6×6, as in
    torchvision; at 224 and 227 pixels the map has that size already and the layer does nothing.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour images.
        dropout: probability with which a unit before fc6 and fc7 is dropped in training.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = in_channels
    for i, row in enumerate(CONVOLUTIONS, 1):
        layers[f"conv{i}"] = nn.Conv2d(
            channels, row.channels, row.kernel, stride=row.stride, padding=row.padding
        )
        layers[f"relu{i}"] = nn.ReLU(inplace=True)
        if row.pool:
            layers[f"pool{i}"] = nn.MaxPool2d(3, stride=2)
        channels = row.channels
    layers["resize"] = nn.AdaptiveAvgPool2d(MAP_SIZE)
    layers["flatten"] = nn.Flatten()
    layers["dropout6"] = nn.Dropout(dropout)
    layers["fc6"] = nn.Linear(channels * MAP_SIZE**2, HIDDEN)
    layers["relu6"] = nn.ReLU(inplace=True)
    layers["dropout7"] = nn.Dropout(dropout)
    layers["fc7"] = nn.Linear(HIDDEN, HIDDEN)
    layers["relu7"] = nn.ReLU(inplace=True)
    layers["fc8"] = nn.Linear(HIDDEN, num_classes)
    return nn.Sequential(layers)


def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put torchvision's AlexNet state dict under our names, for `load_state_dict(..., strict=True)`.

    Raises:
        KeyError: for an entry that `RENAME` does not list.
    """
    renamed = {}
    for key, value in state.items():
        module, _, parameter = key.rpartition(".")
        if module not in RENAME:
            raise KeyError(f"{key!r} is no entry of torchvision's alexnet; is this its state dict?")
        renamed[f"{RENAME[module]}.{parameter}"] = value
    return renamed


BUILDERS = {"alexnet": alexnet}
