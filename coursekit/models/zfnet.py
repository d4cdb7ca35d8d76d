"""ZFNet: AlexNet with a finer first layer, found by looking at what its layers respond to.

Zeiler, Fergus: Visualizing and understanding convolutional networks, ECCV 2014. Projected back to pixels,
AlexNet's first layer showed few middle frequencies and its second layer aliasing; windows of 11×11 and a
stride of 4 were blamed. Here they are 7×7 and 2. conv2 takes over the stride that conv1 gives up, so that
conv3 sees 13×13 units as in AlexNet.

    layer      output, 224×224 input   kernel, stride, padding
    conv1        96 @ 110×110          7, 2, 1
    pool1        96 @ 55×55            3, 2, to the border
    norm1        96 @ 55×55            5 maps
    conv2       256 @ 26×26            5, 2, 0
    pool2       256 @ 13×13            3, 2, to the border
    norm2       256 @ 13×13            5 maps
    conv3       512 @ 13×13            3, 1, 1
    conv4      1024 @ 13×13            3, 1, 1
    conv5       512 @ 13×13            3, 1, 1
    pool5       512 @ 6×6              3, 2, to the border
    fc6, fc7   4096
    fc8        1000

107,627,624 parameters, with the wide conv3 to conv5 of variant (b) in the paper's table 2. The network of its
figure 3 has AlexNet's 384, 384, 256 there and 62,357,608 parameters (`wide=False`). The paper gives neither
constants for its contrast normalization nor padding: here the constants are AlexNet's, and padding and
pooling are such that the sizes are those of figure 3.
"""

from __future__ import annotations

from torch import nn

from coursekit.models.alexnet import MAP_SIZE, Conv, classifier, convolutions, gaussian_init
from coursekit.models.card import Card, Figures

__all__ = ["BUILDERS", "CARDS", "zfnet"]

FIRST = (
    Conv(96, kernel=7, stride=2, padding=1, then=("pool", "norm")),
    Conv(256, kernel=5, stride=2, then=("pool", "norm")),
)
NARROW = (
    *FIRST,
    Conv(384, kernel=3, padding=1),
    Conv(384, kernel=3, padding=1),
    Conv(256, kernel=3, padding=1, then=("pool",)),
)
WIDE = (
    *FIRST,
    Conv(512, kernel=3, padding=1),
    Conv(1024, kernel=3, padding=1),
    Conv(512, kernel=3, padding=1, then=("pool",)),
)
SMALLEST = 47


def zfnet(
    *, num_classes: int = 1000, in_channels: int = 3, dropout: float = 0.5, wide: bool = True
) -> nn.Sequential:
    """ZFNet for images `(N, in_channels, 224, 224)`; returns logits `(N, num_classes)`.

    Images of another size from 47 pixels on work as well: the last map is averaged to 6×6. Fresh weights are
    the paper's: standard deviation 0.01, in conv1 for images of standard deviation 1, and biases 0.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour images.
        dropout: probability with which a unit of fc6 and fc7 is dropped in training.
        wide: 512, 1024, 512 maps in conv3 to conv5; else 384, 384, 256.
    """
    rows = WIDE if wide else NARROW
    layers = convolutions("zfnet", rows, in_channels=in_channels, smallest=SMALLEST, ceil_mode=True)
    layers |= classifier(rows[-1].channels, MAP_SIZE, num_classes=num_classes, dropout=dropout)
    network = nn.Sequential(layers)
    gaussian_init(network)
    return network


CARDS = {
    "zfnet": Card(
        paper="Zeiler, Fergus: Visualizing and understanding convolutional networks, ECCV 2014",
        year=2014,
        smallest=SMALLEST,
        lecture=Figures(top5_error=11.7),
        note="with the wide conv3 to conv5; 11.7% is Clarifai's ensemble of 2013, the paper's own is 14.8%",
    )
}
BUILDERS = {"zfnet": zfnet}
