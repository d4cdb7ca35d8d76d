"""Networks to count and small networks to train: without memory, their size, their first weights."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from coursekit import models
from coursekit.models.googlenet import Branches

__all__ = ["count_parameters", "depth", "he_normal", "on_meta"]

Network = TypeVar("Network", bound=nn.Module)


def on_meta(name: str, **options: object) -> nn.Module:
    """A network of the zoo without memory for its weights: to be counted, not to be run on numbers.

    Args:
        name: one of `coursekit.models.list_models()`.
        **options: as `create_model` takes them.

    Raises:
        ValueError: for a name that is not in the zoo, with the nearest names.
    """
    with torch.device("meta"):
        return models.create_model(name, **options)  # type: ignore[arg-type]


def count_parameters(network: nn.Module) -> int:
    """Number of parameters, biases and those of norms included."""
    return sum(p.numel() for p in network.parameters())


def depth(network: nn.Module) -> int:
    """Layers with weights on the longest path through a network of layers in turn, as papers count them.

    Convolutions and fully connected layers; of branches side by side the longest one; shortcuts and
    auxiliary heads (children called `shortcut` and `aux`) are left out.
    """
    if isinstance(network, nn.Conv2d | nn.Linear):
        return 1
    parts = [depth(part) for name, part in network.named_children() if name not in ("shortcut", "aux")]
    return (max if isinstance(network, Branches) else sum)(parts) if parts else 0


def he_normal(network: Network) -> Network:
    """The network with normal weights of variance 2 / fan-in and biases of 0; norms stay as they are.

    He, Zhang, Ren, Sun: Delving deep into rectifiers, ICCV 2015, equation 10.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network
