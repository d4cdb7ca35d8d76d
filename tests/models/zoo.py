"""What the tests of the zoo share: examples to run a network on, and its logits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from coursekit.models import FAMILIES, card, create_model


@dataclass(frozen=True)
class Family:
    """Those of a family's networks that a test is for."""

    name: str
    networks: tuple[str, ...]

    @property
    def smallest(self) -> str:
        """The network with the fewest modules; of those, the fewest parameters."""
        return self.networks[0] if len(self.networks) == 1 else min(self.networks, key=_size)


def families(names: Iterable[str]) -> list[Family]:
    """These networks by family; a family that has none of them is left out."""
    names = set(names)
    found = [
        Family(family.__name__.rpartition(".")[2], tuple(name for name in family.BUILDERS if name in names))
        for family in FAMILIES
    ]
    return [family for family in found if family.networks]


@cache
def _size(name: str) -> tuple[int, int]:
    network = on_meta(name)
    return len(list(network.modules())), parameters(network)


def on_meta(name: str) -> nn.Module:
    """A network in evaluation mode, for what it was made for, without memory for its weights."""
    with torch.device("meta"):
        return create_model(name, **classes_and_channels(name)).eval()


def example(name: str, batch: int = 2, *, side: int | None = None, seed: int = 0) -> Tensor:
    """A batch of the network's own input shape; images of another side where one is given."""
    generator = torch.Generator().manual_seed(seed)
    shape = card(name).input_shape
    if len(shape) == 1:  # tokens
        return torch.randint(0, 50, (batch, *shape), generator=generator)
    if side is not None:
        shape = (shape[0], *(side for _ in shape[1:]))
    return torch.randn(batch, *shape, generator=generator)


def small_example(name: str, batch: int = 2) -> Tensor:
    """Images a little larger than the smallest, so that batch normalization has something to normalize."""
    side = card(name).smallest
    exact = len(card(name).input_shape) != 3 or side >= card(name).input_shape[-1]
    return example(name, batch) if exact else example(name, batch, side=min(32 * (side // 32 + 1), 96))


def classes_and_channels(name: str) -> dict[str, int]:
    """The classes and channels that a network was made for, as options of `create_model`."""
    shape = card(name).input_shape
    return {"num_classes": card(name).num_classes, "in_channels": shape[0] if len(shape) > 1 else 1}


def logits(output: Any) -> list[Tensor]:
    """All heads' logits of any network of the zoo, as a list."""
    return [output] if isinstance(output, Tensor) else list(output)


def parameters(model: nn.Module) -> int:
    """Number of parameters, those that are shared counted once."""
    return sum(p.numel() for p in model.parameters())


def stirred(model: nn.Module, seed: int = 0) -> nn.Module:
    """Draws weights and statistics anew, so that every layer shows in the logits and none is as another."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, generator=generator)
            elif isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.running_var):
                    tensor.uniform_(0.8, 1.2, generator=generator)
                for tensor in (module.bias, module.running_mean):
                    tensor.uniform_(-0.2, 0.2, generator=generator)
    return model
