"""SE-ResNet: a ResNet whose blocks weigh the channels of F(x) before they add it.

Hu, Shen, Sun: Squeeze-and-excitation networks, CVPR 2018. A bottleneck with its figure 3 put in:

    layer       output           of an input 256 @ 56×56
    1×1          64 @ 56×56
    3×3          64 @ 56×56
    1×1         256 @ 56×56      the branch F(x) of ResNet ends here
    squeeze     256 @  1×1       global average pooling
    excite       16              fully connected, 256 / 16, and ReLU
                256              fully connected, and sigmoid
    scale       256 @ 56×56      each channel of F(x) times its number
    + x         256 @ 56×56      and ReLU

Where we differ: the stride is in the 3×3 convolution, as in our resnet50; `stride_in_1x1=True` puts it into
the first 1×1, where the authors had it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from coursekit.models.card import Card, Figures
from coursekit.models.parts import SqueezeExcite
from coursekit.models.resnet import ROWS as RESNETS
from coursekit.models.resnet import Bottleneck, ResNet

__all__ = ["BUILDERS", "SEBottleneck", "se_resnet"]


@dataclass(frozen=True)
class Row:
    """Which ResNet, and the factor by which the squeeze lowers the number of channels."""

    resnet: str
    reduction: int = 16


ROWS = {
    "se_resnet50": Row("resnet50"),
    "se_resnet101": Row("resnet101"),
    "se_resnet152": Row("resnet152"),
}


class SEBottleneck(Bottleneck):
    """relu(SE(F(x)) + shortcut(x)): `(N, c_in, H, W)` to `(N, 4 · channels, H/stride, W/stride)`."""

    def __init__(
        self, c_in: int, channels: int, stride: int = 1, *, reduction: int = 16, **options: Any
    ) -> None:
        super().__init__(c_in, channels, stride, **options)
        c_out = self.expansion * channels
        self.residual.append(SqueezeExcite(c_out, c_out // reduction))


def se_resnet(
    variant: str,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    reduction: int | None = None,
    stride_in_1x1: bool = False,
    zero_init_residual: bool = False,
) -> ResNet:
    """A network of `ROWS`, for images `(N, in_channels, H, W)`; returns logits `(N, num_classes)`.

    Args:
        variant: a key of `ROWS`.
        num_classes: number of logits.
        in_channels: 3 for colour images.
        reduction: another one than the row's.
        stride_in_1x1: halve the map in a bottleneck's first 1×1 convolution, not in its 3×3.
        zero_init_residual: start with the last γ of every branch F at 0.
    """
    row = ROWS[variant]
    return ResNet(
        variant,
        SEBottleneck,
        RESNETS[row.resnet].depths,
        num_classes=num_classes,
        in_channels=in_channels,
        reduction=reduction or row.reduction,
        stride_in_1x1=stride_in_1x1,
        zero_init_residual=zero_init_residual,
    )


BUILDERS = {name: partial(se_resnet, name) for name in ROWS}

HU = "Hu, Shen, Sun: Squeeze-and-excitation networks, CVPR 2018"

CARDS = {
    "se_resnet50": Card(HU, 2018, lecture=Figures(top1=76.71)),
    "se_resnet101": Card(HU, 2018, lecture=Figures(top1=77.62)),
    "se_resnet152": Card(HU, 2018, lecture=Figures(top1=78.43)),
}
