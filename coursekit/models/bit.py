"""BiT, Big Transfer: pre-activation ResNets, pre-trained on large data, that need no batch statistics.

Kolesnikov, Beyer, Zhai, Puigcerver, Yung, Gelly, Houlsby: Big transfer (BiT): General visual representation
learning, ECCV 2020. Batch norm is in the way twice: a device holds few images of a large network, and running
statistics don't fit the task one transfers to. In its place stand two things that look at one image only, or
at none:

- group norm (Wu, He: Group normalization, ECCV 2018): mean and deviation over each of 32 groups of channels;
- weight standardization (Qiao, Wang, Liu, Shen, Yuille: Micro-batch training with batch-channel normalization
  and weight standardization, 2019): a filter is used with mean 0 and variance 1.

    layer     output     bit_resnet50 (R50x1), `width=1`
    conv1     112×112    7×7, 64, stride 2
    pool1      56×56     3×3 max pooling, stride 2, behind a frame of zeros
    conv2_x    56×56     [1×1, 64   3×3, 64   1×1, 256]   ×3
    conv3_x    28×28     [1×1, 128  3×3, 128  1×1, 512]   ×4
    conv4_x    14×14     [1×1, 256  3×3, 256  1×1, 1024]  ×6
    conv5_x     7×7      [1×1, 512  3×3, 512  1×1, 2048]  ×3
    norm                 group norm, ReLU
    avgpool     1×1      global average pooling
    fc                   1000

`width` multiplies all channels: the paper has R50x1, R101x1, R50x3, R101x3 and R152x4, the last its largest.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from coursekit.models.card import Card
from coursekit.models.preact_resnet import PreActResNet, Row

__all__ = ["BUILDERS", "StdConv2d", "bit_resnet"]

ROWS = {
    "bit_resnet50": Row("bottleneck", (3, 4, 6, 3)),
    "bit_resnet101": Row("bottleneck", (3, 4, 23, 3)),
    "bit_resnet152": Row("bottleneck", (3, 8, 36, 3)),
}

GROUPS = 32
EPS = 1e-10  # as in the authors' code


class StdConv2d(nn.Conv2d):
    """A convolution with weight standardization: `(N, c_in, H, W)` to `(N, c_out, H', W')`."""

    def forward(self, x: Tensor) -> Tensor:
        """Each filter less its mean, over its deviation; then the convolution."""
        var, mean = torch.var_mean(self.weight, dim=(1, 2, 3), correction=0, keepdim=True)
        return self._conv_forward(x, (self.weight - mean) * torch.rsqrt(var + EPS), self.bias)


def bit_resnet(
    variant: str, *, num_classes: int = 1000, in_channels: int = 3, width: int = 1
) -> PreActResNet:
    """A network of `ROWS`, for images `(N, in_channels, H, W)`; returns logits `(N, num_classes)`.

    Args:
        variant: a key of `ROWS`.
        num_classes: number of logits.
        in_channels: 3 for colour images.
        width: factor for all channels; 3 makes `bit_resnet50` the paper's R50x3.
    """
    row = ROWS[variant]
    return PreActResNet(
        variant,
        replace(row, width=width * row.width),
        num_classes=num_classes,
        in_channels=in_channels,
        conv=StdConv2d,
        norm=partial(nn.GroupNorm, GROUPS),
        pool1=nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(3, stride=2)),
    )


BUILDERS = {name: partial(bit_resnet, name) for name in ROWS}

KOLESNIKOV = (
    "Kolesnikov, Beyer, Zhai, Puigcerver, Yung, Gelly, Houlsby: Big transfer (BiT): General visual "
    "representation learning, ECCV 2020"
)

CARDS = {
    "bit_resnet50": Card(KOLESNIKOV, 2020),
    "bit_resnet101": Card(KOLESNIKOV, 2020),
    "bit_resnet152": Card(KOLESNIKOV, 2020, note="with width=4 the ResNet152x4 of BiT-L"),
}
