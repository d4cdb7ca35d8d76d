"""Random changes of a batch, on the device that it lies on, another one for each image.

Each is a small object that is called as `augment(images, generator)` and returns new images:

    augment = Compose(RandomCrop(4, mode="reflect"), RandomFlip(), Cutout(8))

Images are float `(N, C, H, W)`, the generator is on their device. Nothing loops over images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from coursekit.train.describing import described

MODES = ("constant", "reflect", "replicate")


class Augment(Protocol):
    """What `TrainConfig(augment=...)` takes; a function will do."""

    def __call__(self, images: Tensor, generator: torch.Generator, /) -> Tensor:
        """Images `(N, C, H, W)` changed at random, not in place."""
        ...


class Compose:
    """One after the other, in the order given."""

    def __init__(self, *augments: Augment) -> None:
        self.augments = augments

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images `(N, C, H, W)` after every change."""
        for augment in self.augments:
            images = augment(images, generator)
        return images

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(described, self.augments))})"


@dataclass(frozen=True)
class RandomFlip:
    """Mirror left and right, each image with probability `p`."""

    p: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise ValueError(f"p is {self.p}; a probability is from 0 to 1")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images `(N, C, H, W)`, some of them mirrored."""
        chosen = _uniform(len(images), images, generator) < self.p
        return torch.where(chosen.view(-1, 1, 1, 1), images.flip(-1), images)


@dataclass(frozen=True)
class RandomCrop:
    """Pad every side, then cut out a window of the old size, elsewhere in each image.

    Attributes:
        padding: pixels on each side; a window is shifted by up to as many.
        mode: `"constant"`, `"reflect"` or `"replicate"`, as `torch.nn.functional.pad` has them.
        fill: value of a constant padding. Of normalized images that were black outside it is -mean / std.
    """

    padding: int
    mode: str = "constant"
    fill: float = 0.0

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise ValueError(f"padding is {self.padding}; it is a number of pixels")
        if self.mode not in MODES:
            raise ValueError(f"mode is {self.mode!r}; choose one of {', '.join(MODES)}")
        if self.fill and self.mode != "constant":
            raise ValueError(f"fill is {self.fill}, but mode {self.mode!r} fills with the image's own pixels")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images `(N, C, H, W)`, each shifted by its own `(dy, dx)` from -padding to padding."""
        n, _, height, width = images.shape
        value = self.fill if self.mode == "constant" else None
        padded = F.pad(images, [self.padding] * 4, mode=self.mode, value=value)
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (N, C, dy, dx, H, W), a view
        shift = torch.randint(2 * self.padding + 1, (2, n), generator=generator, device=images.device)
        return windows[torch.arange(n, device=images.device), :, *shift]


@dataclass(frozen=True)
class Cutout:
    """Hide a square of `size` pixels around a random pixel; at the border less of it is seen.

    DeVries, Taylor: Improved regularization of convolutional neural networks with cutout, 2017.
    """

    size: int
    fill: float = 0.0

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"size is {self.size}; it is a number of pixels")

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images `(N, C, H, W)`, in each a square set to `fill`."""
        n, _, height, width = images.shape
        rows = self._hidden(height, _uniform(n, images, generator))
        columns = self._hidden(width, _uniform(n, images, generator))
        return images.masked_fill((rows[:, :, None] & columns[:, None, :]).unsqueeze(1), self.fill)

    def _hidden(self, length: int, where: Tensor) -> Tensor:
        """Which of `length` positions the square covers: `(N, length)`."""
        first = (where * length).long() - self.size // 2
        offset = torch.arange(length, device=where.device) - first.unsqueeze(1)
        return (offset >= 0) & (offset < self.size)


def _uniform(n: int, images: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(n, generator=generator, device=images.device)
