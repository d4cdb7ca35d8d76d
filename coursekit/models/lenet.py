"""LeNet-5: convolutions and average pooling in turn, then fully connected layers.

LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, Proceedings of the
IEEE 86(11), 1998.

    layer    output     kernel
    input    1 @ 32×32
    conv1    6 @ 28×28  5×5
    pool1    6 @ 14×14  2×2, stride 2, average
    conv2   16 @ 10×10  5×5
    pool2   16 @  5×5   2×2, stride 2, average
    fc3        120
    fc4         84
    fc5         10

The network is the one that is taught: 61,706 parameters for ten classes and one input channel. It differs
from the paper's in four places. There the subsampling layers have a trainable coefficient and bias and a
sigmoid behind them; here they only average. The paper's C3 connects each of its 16 maps to a chosen part of
the 6 maps below (its table I); here all are connected. The paper scales its tanh to 1.7159 tanh(2x/3); here
it is plain. The paper's output units are radial basis functions against fixed bitmaps; here they are a linear
layer of logits.

Fresh weights are torch's own, uniform between ±1 / sqrt(fan-in); the paper's lie between ±2.4 / fan-in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from coursekit.models.card import Card
from coursekit.models.parts import ImageCheck

__all__ = ["BUILDERS", "CARDS", "lenet5"]


@dataclass(frozen=True)
class Stage:
    """A convolution, its non-linearity and a 2×2 average pooling."""

    channels: int
    kernel: int


STAGES = (Stage(6, 5), Stage(16, 5))
HIDDEN = (120, 84)
MAP_SIZE = 5  # height and width of the last feature map, for 32×32 images

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU}
POOLINGS: dict[str, Callable[[int], nn.Module]] = {"avg": nn.AvgPool2d, "max": nn.MaxPool2d}


def lenet5(
    *,
    num_classes: int = 10,
    in_channels: int = 1,
    image_size: int = 32,
    activation: str = "tanh",
    pooling: str = "avg",
) -> nn.Sequential:
    """LeNet-5 for images `(N, in_channels, image_size, image_size)`; returns logits `(N, num_classes)`.

    Args:
        num_classes: number of logits.
        in_channels: 1 for grey images.
        image_size: 32 as in the paper, or 28: MNIST's images then get a frame of two zeros on each side in
            the first layer, so that strokes near the border reach the middle of a 5×5 kernel too.
        activation: `"tanh"` as in the paper, `"sigmoid"` or `"relu"`.
        pooling: `"avg"` as in the paper, or `"max"`.

    Raises:
        ValueError: for an image size, an activation or a pooling that is none of these; in forward, for
            images of another size.
    """
    if image_size not in (28, 32):
        raise ValueError(f"lenet5 takes 32×32 images, or 28×28 which it pads; image_size is {image_size}")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation is {activation!r}; choose one of {', '.join(ACTIVATIONS)}")
    if pooling not in POOLINGS:
        raise ValueError(f"pooling is {pooling!r}; choose one of {', '.join(POOLINGS)}")

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["check"] = ImageCheck("lenet5", in_channels, exact=image_size)
    channels = in_channels
    for i, stage in enumerate(STAGES, 1):
        padding = (32 - image_size) // 2 if i == 1 else 0
        layers[f"conv{i}"] = nn.Conv2d(channels, stage.channels, stage.kernel, padding=padding)
        layers[f"{activation}{i}"] = ACTIVATIONS[activation]()
        layers[f"pool{i}"] = POOLINGS[pooling](2)
        channels = stage.channels
    layers["flatten"] = nn.Flatten()
    features = channels * MAP_SIZE**2
    for i, width in enumerate(HIDDEN, len(STAGES) + 1):
        layers[f"fc{i}"] = nn.Linear(features, width)
        layers[f"{activation}{i}"] = ACTIVATIONS[activation]()
        features = width
    layers["fc5"] = nn.Linear(features, num_classes)
    return nn.Sequential(layers)


CARDS = {
    "lenet5": Card(
        paper="LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, "
        "Proceedings of the IEEE 1998",
        year=1998,
        input_shape=(1, 32, 32),
        num_classes=10,
        smallest=32,
        note="as it is taught, 61,706 parameters; image_size=28 takes MNIST's images",
    )
}
BUILDERS = {"lenet5": lenet5}
