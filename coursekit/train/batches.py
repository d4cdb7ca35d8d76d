"""The training set on the device, and the batches cut out of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from coursekit.train.config import TrainConfig

Data = Any  # an ImageSet, a pair (images, labels), or anything that begins with these two


def on_device(data: Data, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images `(N, C, H, W)` and labels `(N,)` on the device.

    Raises:
        ValueError: when they are no images with labels.
    """
    images, labels = data[0], data[1]
    if images.dim() < 2 or labels.dim() != 1 or len(images) != len(labels) or not len(labels):
        raise ValueError(
            f"images {tuple(images.shape)} and labels {tuple(labels.shape)} do not belong together: "
            "give images (N, C, H, W) and labels (N,), N at least 1"
        )
    return images.to(device), labels.to(device)


def as_float(images: Tensor) -> Tensor:
    """Bytes from 0 to 255 as float32 from 0 to 1; everything else as it is."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


def batch_sizes(n: int, batch_size: int) -> list[int]:
    """Sizes of an epoch's batches; a last image alone joins the batch before it.

    One image has no batch statistics, and batch normalization refuses it in training.
    """
    sizes = [min(batch_size, n - start) for start in range(0, n, batch_size)]
    if len(sizes) > 1 and sizes[-1] == 1 < batch_size:
        sizes[-2:] = [batch_size + 1]
    return sizes


class Batches:
    """Cuts a seeded permutation into batches, epoch after epoch, and knows where it stands.

    Attributes:
        sizes: of an epoch's batches.
        order: the permutation of the epoch under way; None between two epochs.
        position: batches of it that were handed out.
    """

    def __init__(self, data: tuple[Tensor, Tensor], config: TrainConfig) -> None:
        self.images, self.labels = data
        self.augment = config.augment
        self.layout = torch.channels_last if config.channels_last else None
        self.generator = torch.Generator(self.labels.device).manual_seed(config.seed)
        self.sizes = batch_sizes(len(self.labels), config.batch_size)
        self.order: Tensor | None = None
        self.position = 0

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches left in the epoch under way, or those of a new one."""
        if self.order is None:
            n, device = len(self.labels), self.labels.device
            self.order = torch.randperm(n, generator=self.generator, device=device)
        for index in self.order.split(self.sizes)[self.position :]:
            x = as_float(self.images[index])
            if self.augment is not None:
                x = self.augment(x, self.generator)
            self.position += 1
            yield x if self.layout is None else x.contiguous(memory_format=self.layout), self.labels[index]

    def finish(self) -> None:
        """End the epoch under way; the next one has another order."""
        self.order, self.position = None, 0

    def state_dict(self) -> dict[str, Any]:
        """Where it stands."""
        return {"order": self.order, "position": self.position, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where another stood, over the same data."""
        order = state["order"]
        self.order = None if order is None else order.to(self.labels.device)
        self.position = state["position"]
        self.generator.set_state(state["generator"].cpu())
