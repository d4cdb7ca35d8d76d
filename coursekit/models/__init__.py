"""The model zoo: one file a family, all of them built through `create_model`.

Names follow torchvision's where it has the model. The registry below is an explicit table; a family's file
holds its spec rows, its blocks, its network and its builders, in this order, and the cards that say what
paper each network comes from.

    model = create_model("resnet50", num_classes=10)
    model.load_state_dict(from_torchvision("resnet18", theirs), strict=True)
    card("resnet50").paper
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatch

from torch import Tensor, nn

from coursekit.models import (
    alexnet,
    bit,
    blockdrop,
    convnet_aig,
    convnext,
    deit,
    densenet,
    efficientnet,
    fcn,
    googlenet,
    inception_resnet,
    lenet,
    mobilenet_v1,
    mobilenet_v2,
    msdnet,
    nin,
    preact_resnet,
    resnet,
    resnet_cifar,
    senet,
    shufflenet,
    tdnn,
    text_cnn,
    unet,
    vgg,
    vit,
    xception,
    zfnet,
)
from coursekit.models.card import Card
from coursekit.models.weights import Renames, rename

__all__ = ["card", "create_model", "from_torchvision", "list_models", "registry"]

Builder = Callable[..., nn.Module]

FAMILIES = (
    tdnn,
    lenet,
    alexnet,
    zfnet,
    nin,
    text_cnn,
    vgg,
    googlenet,
    fcn,
    unet,
    resnet,
    resnet_cifar,
    preact_resnet,
    inception_resnet,
    densenet,
    xception,
    mobilenet_v1,
    mobilenet_v2,
    senet,
    shufflenet,
    efficientnet,
    bit,
    convnet_aig,
    blockdrop,
    msdnet,
    vit,
    deit,
    convnext,
)


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


_MODELS = registry(family.BUILDERS for family in FAMILIES)
_CARDS: dict[str, Card] = {name: card for family in FAMILIES for name, card in family.CARDS.items()}
_RENAMES: dict[str, Renames] = {
    name: table for family in FAMILIES for name, table in getattr(family, "FROM_TORCHVISION", {}).items()
}


def list_models(filter: str = "") -> list[str]:
    """The names that `create_model` knows, sorted.

    Args:
        filter: a part of a name (`"net"`), or a pattern (`"resnet*"`); empty for all.
    """
    pattern = filter if any(sign in filter for sign in "*?[") else f"*{filter}*"
    return sorted(name for name in _MODELS if fnmatch(name, pattern))


def create_model(name: str, *, num_classes: int = 1000, in_channels: int = 3, **options: object) -> nn.Module:
    """Build a network with fresh weights, on the CPU, in training mode.

    Inside `with torch.device("meta"):` or `"cuda"` it is built there.

    Args:
        name: one of `list_models()`.
        num_classes: number of outputs (logits).
        in_channels: channels of the images: 3 for colour, 1 for grey.
        **options: what the family's builder takes beyond these, as in its docstring.

    Raises:
        ValueError: for a name that is not in the table, with the nearest names.
        TypeError: for an option that this family does not have.
    """
    return _MODELS[_known(name)](num_classes=num_classes, in_channels=in_channels, **options)


def card(name: str) -> Card:
    """Paper, year, input and the lecture's figures of a network.

    Raises:
        ValueError: for a name that is not in the table, with the nearest names.
    """
    return _CARDS[_known(name)]


def from_torchvision(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put torchvision's state dict of a network under our names, for `load_state_dict(..., strict=True)`.

    Args:
        name: one of `list_models()` that torchvision has too.
        state: torchvision's state dict.

    Raises:
        ValueError: for a network that torchvision does not have, or a name that is not in the table.
        KeyError: for an entry that the family's table does not know.
    """
    if _known(name) not in _RENAMES:
        raise ValueError(f"torchvision has no {name}; it has {', '.join(sorted(_RENAMES))}")
    return rename(state, _RENAMES[name])


def _known(name: str) -> str:
    if name not in _MODELS:
        near = get_close_matches(name, _MODELS, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(list_models())}"
        raise ValueError(f"no model is called {name!r}: {hint}")
    return name
