"""U-Net: down to coarse maps that know what, up again to fine ones that know where.

Ronneberger, Fischer, Brox: U-Net: Convolutional networks for biomedical image segmentation, MICCAI 2015.

    stage    channels   output, valid convolutions   output, same
    input       1       572×572                      512×512
    down1      64       568×568                      512×512        3×3 conv, ReLU, twice
    down2     128       280×280                      256×256        behind a 2×2 max pooling, stride 2
    down3     256       136×136                      128×128
    down4     512        64×64                        64×64
    bottom   1024        28×28                        32×32
    up4       512        52×52                        64×64         2×2 up-convolution, beside it what down4
    up3       256       100×100                      128×128        gave, 3×3 conv, ReLU, twice
    up2       128       196×196                      256×256
    up1        64       388×388                      512×512
    head    classes     388×388                      512×512        1×1 conv

23 convolutions with the four up-convolutions; 31,030,658 parameters for one input channel and two classes.

The paper's convolutions have no padding: each takes a pixel off every border, and what is passed across is
cropped. That is `padding="valid"`. The default is `"same"`, as U-Nets are mostly built today: the output is
as large as the input, and nothing is cropped. Dropout stands at the end of the contracting path, as in the
paper, which gives no rate: here it is 0.5 behind the last two stages. The loss's weight map (equation 2) is
left to the training.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import init

from coursekit.models.card import Card
from coursekit.models.parts import ImageCheck, he_init

__all__ = ["BUILDERS", "CARDS", "DoubleConv", "UNet", "UpConv", "unet", "valid_output"]

CHANNELS = (64, 128, 256, 512, 1024)  # of the contracting path's stages
PADDINGS = ("same", "valid")


class DoubleConv(nn.Sequential):
    """3×3 convolution and ReLU, twice: `(N, c_in, H, W)` to `(N, c_out, H, W)`, or 4 pixels less if valid."""

    def __init__(self, c_in: int, c_out: int, padding: str) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_out, 3, padding=padding),
            nn.ReLU(inplace=True),
            nn.Conv2d(c_out, c_out, 3, padding=padding),
            nn.ReLU(inplace=True),
        )


class UpConv(nn.Module):
    """A stage of the expansive path: up, beside it what was passed across, and a double convolution."""

    def __init__(self, c_in: int, c_out: int, padding: str, *, skip: bool) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(c_in, c_out, 2, stride=2)
        self.conv = DoubleConv(2 * c_out if skip else c_out, c_out, padding)

    def forward(self, x: Tensor, across: Tensor | None) -> Tensor:
        """`(N, c_in, H, W)` and a map of at least `(N, c_out, 2H, 2W)` to that shape, 4 less if valid."""
        x = self.up(x)
        if across is not None:
            x = torch.cat([crop(across, x.shape[2], x.shape[3]), x], dim=1)
        return self.conv(x)


class UNet(nn.Module):
    """Images to logits at each pixel; see `unet`."""

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        channels: tuple[int, ...],
        padding: str,
        skips: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.levels = len(channels) - 1
        self.valid = padding == "valid"
        self.skips = skips
        multiple = 2**self.levels
        self.check = ImageCheck(
            "unet",
            in_channels,
            smallest=1 if self.valid else multiple,
            multiple=1 if self.valid else multiple,
        )
        self.down = nn.ModuleList(
            DoubleConv(c_in, c_out, padding) for c_in, c_out in pairwise((in_channels, *channels))
        )
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)
        self.up = nn.ModuleList(
            UpConv(c_in, c_out, padding, skip=skips) for c_in, c_out in pairwise(reversed(channels))
        )
        self.head = nn.Conv2d(channels[0], num_classes, 1)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, in_channels, H, W)` to `(N, num_classes, H', W')`."""
        x = self.check(x)
        if self.valid:
            for side in x.shape[2:]:
                valid_output(side, self.levels)
        passed: list[Tensor] = []
        for i, stage in enumerate(self.down):
            x = stage(self.pool(x) if passed else x)
            if i >= self.levels - 1:
                x = self.dropout(x)
            passed.append(x)
        for stage, across in zip(self.up, reversed(passed[:-1]), strict=True):
            x = stage(x, across if self.skips else None)
        return self.head(x)


def crop(x: Tensor, height: int, width: int) -> Tensor:
    """The middle of a map, `(N, C, H, W)` to `(N, C, height, width)`; a view."""
    top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    return x[:, :, top : top + height, left : left + width]


def valid_output(side: int, levels: int = 4) -> int:
    """Height or width of what valid convolutions leave of an image's: 388 of 572, for four poolings.

    A double convolution takes 4 pixels of its map, 4 · 2^level of the image; each level has two of them, the
    bottom one. With it the tiles can be chosen that a large picture is cut into (the paper's figure 2).

    Raises:
        ValueError: for a side of which nothing is left, or that is odd before some pooling.
    """
    scale = 2**levels
    taken = 4 * (2 * (scale - 1) + scale)
    if side <= taken or (side + 4) % scale:
        fits = max(side, taken + 1)
        fits += -(fits + 4) % scale
        raise ValueError(
            f"unet of valid convolutions takes {taken} pixels off height and width, and its {levels} "
            f"poolings need even sides; {side} pixels do not fit, pad them to {fits}"
        )
    return side - taken


def init_weights(model: nn.Module) -> None:
    """Normal weights of variance 2 / N, N the inputs of a unit (section 3), and no bias."""
    he_init(model, mode="fan_in")
    for module in model.modules():
        if isinstance(module, nn.ConvTranspose2d) and module.bias is not None:
            # Its windows do not overlap: a unit has one input from each channel.
            init.normal_(module.weight, std=(2 / module.in_channels) ** 0.5)
            init.zeros_(module.bias)


def unet(
    *,
    num_classes: int = 2,
    in_channels: int = 1,
    channels: tuple[int, ...] = CHANNELS,
    padding: str = "same",
    skips: bool = True,
    dropout: float = 0.5,
) -> UNet:
    """U-Net for images `(N, in_channels, H, W)`; returns maps of logits `(N, num_classes, H', W')`.

    Args:
        num_classes: number of logits at each pixel.
        in_channels: 1 for grey images.
        channels: of the contracting path's stages; fewer or narrower ones for small images.
        padding: `"same"`: H' = H and W' = W, multiples of 16 (2 for each pooling); `"valid"` as in the paper:
            572 gives 388, see `valid_output`.
        skips: False passes nothing across, to see what the skip connections are good for.
        dropout: probability with which a unit at the end of the contracting path is dropped in training.

    Raises:
        ValueError: for another padding, or fewer than two stages.
    """
    if padding not in PADDINGS:
        raise ValueError(f"padding is {padding!r}; choose one of {', '.join(PADDINGS)}")
    if len(channels) < 2:
        raise ValueError(f"unet needs at least two stages to pass something across; channels is {channels}")
    return UNet(num_classes, in_channels, tuple(channels), padding, skips, dropout)


BUILDERS = {"unet": unet}
CARDS = {
    "unet": Card(
        paper="Ronneberger, Fischer, Brox: U-Net: Convolutional networks for biomedical image segmentation, "
        "MICCAI 2015",
        year=2015,
        input_shape=(1, 512, 512),
        num_classes=2,
        smallest=2 ** (len(CHANNELS) - 1),
        note="Returns logits at each pixel. Convolutions keep the size, where the paper's do not "
        '(padding="valid", 572×572 to 388×388).',
    )
}
