"""Time-delay neural networks: convolution over time, before it was called so.

Waibel, Hanazawa, Hinton, Shikano, Lang: Phoneme recognition using time-delay neural networks, IEEE
Transactions on Acoustics, Speech, and Signal Processing 37(3), 1989. `tdnn` tells /b/, /d/ and /g/ apart:

    layer    output   window, frames
    input    16 @ 15                   melscale coefficients, a frame every 10 ms
    frame1    8 @ 13   3               sigmoid
    frame2    3 @  9   5               sigmoid, a unit for each class
    sum       3                        over time: where a phoneme's evidence lies does not matter

515 parameters. The paper feeds each sum into an output unit by fixed equal weights; here the sums themselves
are the logits.

Snyder, Garcia-Romero, Sell, Povey, Khudanpur: X-vectors: robust DNN embeddings for speaker recognition,
ICASSP 2018. `x_vector` tells speakers apart; dilation widens its context to 15 frames without more weights:

    layer      output            window, dilation   context
    input        24 @ T
    frame1      512 @ T − 4      5, 1               5
    frame2      512 @ T − 8      3, 2               9
    frame3      512 @ T − 14     3, 3               15
    frame4      512 @ T − 14     1, 1               15
    frame5    1,500 @ T − 14     1, 1               15
    statistics 3000                                 T: mean and standard deviation over time
    segment6    512                                 its output is the x-vector
    segment7    512
    head        speakers

All of it behind ReLU, as in the paper; it gives no initialization, so both networks have torch's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from coursekit.models.card import Card

__all__ = ["BUILDERS", "CARDS", "FrameCheck", "Frames", "Statistics", "SumOverTime", "tdnn", "x_vector"]


@dataclass(frozen=True)
class Frames:
    """Units that each see `window` frames, `dilation` apart."""

    units: int
    window: int
    dilation: int = 1


WAIBEL = (Frames(8, window=3), Frames(3, window=5))
X_VECTOR = (
    Frames(512, window=5),
    Frames(512, window=3, dilation=2),
    Frames(512, window=3, dilation=3),
    Frames(512, window=1),
    Frames(1500, window=1),
)
SEGMENT = (512, 512)


def context(rows: Sequence[Frames]) -> int:
    """Frames that a unit of the last layer sees: the fewest that the network takes."""
    return 1 + sum((row.window - 1) * row.dilation for row in rows)


class FrameCheck(nn.Module):
    """Lets sequences through that are long enough; the others raise `ValueError`."""

    def __init__(self, network: str, features: int, shortest: int) -> None:
        super().__init__()
        self.network = network
        self.features = features
        self.shortest = shortest

    def forward(self, x: Tensor) -> Tensor:
        """`(N, features, T)`, as it is."""
        if x.dim() != 3 or x.shape[1] != self.features:
            raise ValueError(
                f"{self.network} takes frames (N, {self.features}, T); got {tuple(x.shape)}"
                + (": add the batch axis with x[None]" if x.dim() == 2 else "")
            )
        if x.shape[2] < self.shortest:
            raise ValueError(
                f"{self.network} takes sequences from {self.shortest} frames on, got {x.shape[2]}: "
                f"its last layer sees {self.shortest}"
            )
        return x

    def extra_repr(self) -> str:
        """What is asked of a sequence."""
        return f"features={self.features}, shortest={self.shortest}"


class SumOverTime(nn.Module):
    """Adds up the evidence of all frames."""

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, T)` to `(N, C)`."""
        return x.sum(2)


class Statistics(nn.Module):
    """Mean and standard deviation over time.

    The variance divides by T and has 1e-5 added, so that one frame has a standard deviation, and a gradient.
    """

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, T)` to `(N, 2C)`."""
        variance, mean = torch.var_mean(x, 2, correction=0)
        return torch.cat([mean, (variance + 1e-5).sqrt()], dim=1)


def _frames(
    name: str, in_channels: int, rows: Sequence[Frames], act: Callable[[], nn.Module]
) -> OrderedDict[str, nn.Module]:
    """The layers that run along time: `(N, in_channels, T)` to `(N, units, T − context + 1)`."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(check=FrameCheck(name, in_channels, context(rows)))
    for i, row in enumerate(rows, 1):
        layers[f"frame{i}"] = nn.Conv1d(in_channels, row.units, row.window, dilation=row.dilation)
        layers[f"act{i}"] = act()
        in_channels = row.units
    return layers


def tdnn(*, num_classes: int = 3, in_channels: int = 16) -> nn.Sequential:
    """Waibel's network for `(N, in_channels, T)`, T from 7 on; returns logits `(N, num_classes)`.

    Args:
        num_classes: number of phonemes; the second layer has a unit for each.
        in_channels: coefficients of a frame.
    """
    rows = (*WAIBEL[:-1], Frames(num_classes, WAIBEL[-1].window))
    layers = _frames("tdnn", in_channels, rows, nn.Sigmoid)
    layers["sum"] = SumOverTime()
    return nn.Sequential(layers)


def x_vector(*, num_classes: int = 1000, in_channels: int = 24) -> nn.Sequential:
    """Snyder's network for `(N, in_channels, T)`, T from 15 on; returns logits `(N, num_classes)`.

    Args:
        num_classes: number of speakers.
        in_channels: filterbank energies of a frame.
    """
    layers = _frames("x_vector", in_channels, X_VECTOR, nn.ReLU)
    layers["statistics"] = Statistics()
    features = 2 * X_VECTOR[-1].units
    for i, units in enumerate(SEGMENT, len(X_VECTOR) + 1):
        layers[f"segment{i}"] = nn.Linear(features, units)
        layers[f"act{i}"] = nn.ReLU()
        features = units
    layers["head"] = nn.Linear(features, num_classes)
    return nn.Sequential(layers)


BUILDERS = {"tdnn": tdnn, "x_vector": x_vector}
CARDS = {
    "tdnn": Card(
        paper="Waibel, Hanazawa, Hinton, Shikano, Lang: Phoneme recognition using time-delay neural "
        "networks, IEEE Transactions on Acoustics, Speech, and Signal Processing 37(3), 1989",
        year=1989,
        input_shape=(16, 15),
        num_classes=3,
        smallest=context(WAIBEL),
        note="Takes frames (N, 16, T). The output units' fixed equal weights are left away: the sums over "
        "time are the logits.",
    ),
    "x_vector": Card(
        paper="Snyder, Garcia-Romero, Sell, Povey, Khudanpur: X-vectors: robust DNN embeddings for speaker "
        "recognition, ICASSP 2018",
        year=2018,
        input_shape=(24, 300),
        smallest=context(X_VECTOR),
        note="Takes frames (N, 24, T); the x-vector is what segment6 gives.",
    ),
}
