"""Network in network: a small multilayer perceptron slides over the image instead of a linear filter.

Lin, Chen, Yan: Network in network, ICLR 2014. Behind a convolution, two 1×1 convolutions with ReLU are a
perceptron with two more layers, run at each position (`mlpconv`, section 3.1). The last block has one map per
class, and the mean of that map is the class's logit: no fully connected layer is left (section 3.2).

The paper's own networks are for CIFAR, SVHN and MNIST. This one has four blocks and is for ImageNet; the
first author published it in the format of the library Caffe:

    layer         output, 224×224 input   kernel, stride, padding
    mlpconv1        96 @ 54×54            11, 4, 0; 1; 1
    pool1           96 @ 27×27             3, 2, to the border
    mlpconv2       256 @ 27×27             5, 1, 2; 1; 1
    pool2          256 @ 13×13             3, 2, to the border
    mlpconv3       384 @ 13×13             3, 1, 1; 1; 1
    pool3          384 @ 6×6               3, 2, to the border
    dropout3
    mlpconv4      1000 @ 6×6               3, 1, 1; 1; 1 (1024, 1024 and 1000 maps)
    mean          1000

7,595,176 parameters, an eighth of AlexNet's; the published file has 29 MB. We leave the last ReLU away: a
class whose map is zero for every image would never learn, which among few classes soon happens to all.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn
from torch.nn import init

from coursekit.models.alexnet import PIXEL_STD
from coursekit.models.card import Card
from coursekit.models.parts import ImageCheck

__all__ = ["BUILDERS", "CARDS", "mlpconv", "nin"]


@dataclass(frozen=True)
class Block:
    """An mlpconv block; `stds` are the standard deviations of the fresh weights of its three convolutions."""

    channels: int
    kernel: int
    stride: int
    padding: int
    stds: tuple[float, float, float]


BLOCKS = (
    Block(96, kernel=11, stride=4, padding=0, stds=(0.01 * PIXEL_STD, 0.05, 0.05)),
    Block(256, kernel=5, stride=1, padding=2, stds=(0.05, 0.05, 0.05)),
    Block(384, kernel=3, stride=1, padding=1, stds=(0.01, 0.05, 0.05)),
    Block(1024, kernel=3, stride=1, padding=1, stds=(0.05, 0.05, 0.01)),
)
SMALLEST = 39


def mlpconv(channels: int, row: Block, out_channels: int, *, last_relu: bool = True) -> nn.Sequential:
    """Equation 2: convolution, ReLU, and twice 1×1 convolution, ReLU.

    `(N, channels, H, W)` to `(N, out_channels, H', W')`.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(channels, row.channels, row.kernel, row.stride, row.padding)
    layers["relu"] = nn.ReLU(inplace=True)
    layers["mlp1"] = nn.Conv2d(row.channels, row.channels, 1)
    layers["relu1"] = nn.ReLU(inplace=True)
    layers["mlp2"] = nn.Conv2d(row.channels, out_channels, 1)
    if last_relu:
        layers["relu2"] = nn.ReLU(inplace=True)
    block = nn.Sequential(layers)
    for name, std in zip(("conv", "mlp1", "mlp2"), row.stds, strict=True):
        init.normal_(block.get_parameter(f"{name}.weight"), std=std)
        init.zeros_(block.get_parameter(f"{name}.bias"))
    return block


def nin(
    *, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5, last_relu: bool = False
) -> nn.Sequential:
    """Network in network for images `(N, in_channels, 224, 224)`; returns logits `(N, num_classes)`.

    Images of another size from 39 pixels on work as well. Fresh weights are those of the published network:
    normal, biases 0; the first layer's are scaled to images of standard deviation 1, as in AlexNet.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour images.
        dropout: probability with which a unit before the last block is dropped in training.
        last_relu: cut the class maps at zero, as the paper and the published network do.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["check"] = ImageCheck("nin", in_channels, smallest=SMALLEST)
    channels = in_channels
    *rows, last = BLOCKS
    for i, row in enumerate(rows, 1):
        layers[f"mlpconv{i}"] = mlpconv(channels, row, row.channels)
        layers[f"pool{i}"] = nn.MaxPool2d(3, 2, ceil_mode=True)
        channels = row.channels
    layers["dropout3"] = nn.Dropout(dropout)
    layers["mlpconv4"] = mlpconv(channels, last, num_classes, last_relu=last_relu)
    layers["mean"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    return nn.Sequential(layers)


CARDS = {
    "nin": Card(
        paper="Lin, Chen, Yan: Network in network, ICLR 2014",
        year=2014,
        smallest=SMALLEST,
        note="the first author's for ImageNet, less its last ReLU; the paper's own take smaller images",
    )
}
BUILDERS = {"nin": nin}
