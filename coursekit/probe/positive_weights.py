"""A run whose gradients show every pixel that a unit depends on.

Every weight is the same positive constant meanwhile, max pooling averages its window, and non-linearities,
normalization and dropout let everything through: no gradient vanishes by accident.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coursekit.probe.layer_calls import LET_THROUGH, LayerRecorder, bind, kind_of, pair, replaced_numbers

__all__ = ["run_with_positive_weights"]


def run_with_positive_weights(network: nn.Module, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Run the network with positive constants on an input of `size` (C, H, W).

    Returns:
        The input, which requires a gradient, and the output.
    """
    # One number seen through a stride of zero: a constant weight of any shape takes no memory.
    x = torch.ones(1, *size, requires_grad=True)
    with replaced_numbers(network, lambda p: torch.ones(()).expand(p.shape)), _Positive():
        return x, network(x)


class _Positive(LayerRecorder):
    """Each layer replaced by its positive counterpart."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        x = args[0] if args else kwargs.get("input")
        kind = kind_of(func, x, args, kwargs)
        name = getattr(func, "__name__", "")
        if kind == "pool":
            output = _pool(name, args, kwargs)
        elif kind == "adaptive":
            output = _spread(F.adaptive_avg_pool2d(_one(x), args[1]), x.shape[1])
        elif kind == "linear":
            mean = x.mean(-1, keepdim=True)
            weight = bind(("input", "weight", "bias"), args, kwargs)["weight"]
            output = mean.expand(*mean.shape[:-1], len(weight))
        elif name == "conv2d":
            output = _convolution(args, kwargs)
        else:
            return _elementwise(func, x, args, kwargs)
        return (output, output.new_zeros(output.shape)) if name.endswith("_with_indices") else output


_POOL_TAIL = {
    "max_pool2d": ("dilation", "ceil_mode", "return_indices"),
    "max_pool2d_with_indices": ("dilation", "ceil_mode", "return_indices"),
    "avg_pool2d": ("ceil_mode", "count_include_pad", "divisor_override"),
}
_PAIRWISE = {
    **dict.fromkeys(("add", "add_", "__add__", "__iadd__", "__radd__"), operator.add),
    **dict.fromkeys(("mul", "mul_", "__mul__", "__imul__", "__rmul__"), operator.mul),
}


def _convolution(args: Any, kwargs: Any) -> Tensor:
    bound = bind(("input", "weight", "bias", "stride", "padding", "dilation", "groups"), args, kwargs)
    weight, dilation = bound["weight"], pair(bound.get("dilation", 1))
    stride, padding = pair(bound.get("stride", 1)), bound.get("padding", 0)
    x, groups = bound["input"], bound.get("groups", 1)
    if groups > 1 and not hasattr(x, "one_channel"):  # channels differ: groups keep them apart
        mixed = x.unflatten(1, (groups, -1)).mean(2)
        seen = _average(mixed, tuple(weight.shape[2:]), stride, padding, dilation)
        return seen.repeat_interleave(len(weight) // groups, 1)
    one = _average(_one(x), tuple(weight.shape[2:]), stride, padding, dilation)
    return _spread(one, len(weight))


def _pool(name: str, args: Any, kwargs: Any) -> Tensor:
    bound = bind(("input", "kernel_size", "stride", "padding", *_POOL_TAIL[name]), args, kwargs)
    x, kernel = bound["input"], pair(bound["kernel_size"])
    stride, padding = pair(bound.get("stride") or kernel), pair(bound.get("padding", 0))
    ceil, dilation = bool(bound.get("ceil_mode", False)), pair(bound.get("dilation", 1))
    return _spread(_average(_one(x), kernel, stride, padding, dilation, ceil), x.shape[1])


def _elementwise(func: Callable[..., Any], x: Any, args: Any, kwargs: Any) -> Any:
    """Non-linearities and normalization let everything through; sums of spread maps stay spread."""
    name = getattr(func, "__name__", "")
    if name.rstrip("_") in LET_THROUGH:
        return x
    if name in _PAIRWISE and len(args) == 2:
        y = args[1]
        spread = hasattr(x, "one_channel") and hasattr(y, "one_channel")
        if spread and x.shape == y.shape:
            return _spread(_PAIRWISE[name](_one(x), _one(y)), x.shape[1])
        return _PAIRWISE[name](x, y)  # in place is not possible on a spread map
    return func(*args, **kwargs)


def _spread(one: Tensor, channels: int) -> Tensor:
    """One channel seen as many, without the memory.

    Its gradient is cut down to its sign: deep networks would otherwise shrink it below what a float can hold.
    """
    if one.requires_grad:
        one.register_hook(torch.sign)
    many = one.expand(-1, channels, -1, -1)
    many.one_channel = one  # type: ignore[attr-defined]
    return many


def _one(x: Tensor) -> Tensor:
    """One channel that depends on whatever any of the channels depends on."""
    one: Tensor | None = getattr(x, "one_channel", None)
    return x.mean(1, keepdim=True) if one is None else one


def _average(
    x: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, int],
    padding: Any,
    dilation: tuple[int, int],
    ceil: bool = False,
) -> Tensor:
    """The mean of each window, by pooling where it can: its backward pass is several times faster."""
    if not isinstance(padding, str):
        padding = pair(padding)
        if dilation == (1, 1) and 2 * padding[0] <= kernel[0] and 2 * padding[1] <= kernel[1]:
            return F.avg_pool2d(x, kernel, stride, padding, ceil)
    channels = x.shape[1]
    weight = torch.ones(channels, 1, *kernel) / (kernel[0] * kernel[1])
    return F.conv2d(x, weight, None, stride, padding, dilation, channels)
