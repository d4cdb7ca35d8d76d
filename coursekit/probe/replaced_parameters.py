"""Running a network on other parameters than its own, without a copy and without a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from torch import Tensor, nn

__all__ = ["replaced_parameters"]

Slots = dict[str, Any]


@contextmanager
def replaced_parameters(
    network: nn.Module, make: Callable[[Tensor], Tensor], *, training: bool = False
) -> Iterator[dict[int, tuple[str, int]]]:
    """Replace parameters and buffers for the length of a block; put everything back as it was afterwards.

    A parameter that several modules share has one replacement. Attributes that the run sets on modules, and
    the mode they are in, are put back as well.

    Args:
        network: any module.
        make: the replacement of a tensor that requires no gradient; parameters get one that requires it if
            they do.
        training: the mode of every module meanwhile.

    Yields:
        id of a parameter's replacement -> the parameter's path and how many numbers it has.
    """
    before = [(m, dict(vars(m)), dict(m._parameters), dict(m._buffers)) for m in network.modules()]
    made: dict[int, Tensor] = {}

    def replacement(x: Tensor) -> Tensor:
        if id(x) not in made:
            new = make(x.detach())
            made[id(x)] = nn.Parameter(new, x.requires_grad) if isinstance(x, nn.Parameter) else new
        return made[id(x)]

    sizes = {id(p): (name, p.numel()) for name, p in network.named_parameters()}
    try:
        for module, _, parameters, buffers in before:
            for own, kept in _slots(module, parameters, buffers):
                own.update({name: replacement(x) for name, x in kept.items() if x is not None})
            vars(module)["training"] = training
            if isinstance(module, nn.RNNBase):  # keeps a list of its own
                vars(module)["_flat_weights"] = [getattr(module, n) for n in module._flat_weights_names]
        yield {id(made[key]): value for key, value in sizes.items()}
    finally:
        for module, attributes, parameters, buffers in before:
            vars(module).clear()
            vars(module).update(attributes)
            for own, kept in _slots(module, parameters, buffers):
                own.clear()
                own.update(kept)


def _slots(module: nn.Module, parameters: Slots, buffers: Slots) -> list[tuple[Slots, Slots]]:
    """Where a module keeps its tensors, and what it kept there."""
    return [(cast(Slots, module._parameters), parameters), (cast(Slots, module._buffers), buffers)]
