"""Loss and accuracy of a network on a data set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import coursekit
from coursekit.train.batches import Data, as_float, on_device


class Evaluation(NamedTuple):
    """Mean cross-entropy in nats and share of right answers from 0 to 1."""

    loss: float
    accuracy: float


@torch.no_grad()
def evaluate(model: nn.Module, data: Data, *, batch_size: int = 512) -> Evaluation:
    """Cross-entropy and accuracy of `model` on `data`, in evaluation mode, on the model's own device.

    Images of type uint8 are divided by 255, as in training. The mode of every module is what it was before.

    Raises:
        ValueError: for data that are no images with labels.
    """
    device = next((p.device for p in model.parameters()), coursekit.device())
    images, labels = on_device(data, device)
    sums = torch.zeros(2, device=device)
    with mode_kept(model):
        model.eval()
        for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            logits = model(as_float(x)).float()
            sums += torch.stack([F.cross_entropy(logits, y, reduction="sum"), right(logits, y)])
    return Evaluation(*(sums / len(labels)).tolist())


def right(logits: Tensor, y: Tensor) -> Tensor:
    """The number of right answers, as a float on the device."""
    return (logits.argmax(1) == y).sum().float()


@contextmanager
def mode_kept(model: nn.Module) -> Iterator[None]:
    """Give every module back its training mode at the end, frozen parts their evaluation mode too."""
    before = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in before:
            module.training = training
