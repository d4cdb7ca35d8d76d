"""The model zoo: one file a family, all of them built through `create_model`.

Names follow torchvision's where it has the model. The registry below is an explicit table; a family's file
holds its spec rows, its blocks, its network and its builders, in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatch

from torch import nn

from coursekit.models import alexnet, lenet

__all__ = ["create_model", "list_models", "registry"]

Builder = Callable[..., nn.Module]


def registry(families: Iterable[Mapping[str, Builder]]) -> dict[str, Builder]:
    """One table of builders out of one table a family.

    Raises:
        ValueError: when two families use one name.
    """
    table: dict[str, Builder] = {}
    for family in families:
        for name, builder in family.items():
            if name in table:
                raise ValueError(f"two models are called {name!r}: rename one where its family is defined")
            table[name] = builder
    return table


_MODELS = registry([lenet.BUILDERS, alexnet.BUILDERS])


def list_models(filter: str = "") -> list[str]:
    """The names that `create_model` knows, sorted.

    Args:
        filter: a part of a name (`"net"`), or a pattern (`"resnet*"`); empty for all.
    """
    pattern = filter if any(sign in filter for sign in "*?[") else f"*{filter}*"
    return sorted(name for name in _MODELS if fnmatch(name, pattern))


def create_model(name: str, *, num_classes: int = 1000, in_channels: int = 3, **options: object) -> nn.Module:
    """Build a network with fresh weights, on the CPU, in training mode.

    Args:
        name: one of `list_models()`.
        num_classes: number of outputs (logits).
        in_channels: channels of the images: 3 for colour, 1 for grey.
        **options: what the family's builder takes beyond these, as in its docstring.

    Raises:
        ValueError: for a name that is not in the table, with the nearest names.
        TypeError: for an option that this family does not have.
    """
    if name not in _MODELS:
        near = get_close_matches(name, _MODELS, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(list_models())}"
        raise ValueError(f"no model is called {name!r}: {hint}")
    return _MODELS[name](num_classes=num_classes, in_channels=in_channels, **options)
