"""Running a network for what it does to the shape of things instead of for its numbers.

A run is seen through torch's function hook, so that layers and plain function calls count alike.
`layer_calls` runs on meta tensors and notes the layers with the shapes that the real input gives, without
computing or allocating anything; `coordinates` and `positive_weights` run the same layers with numbers that
show what a unit depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from coursekit.probe.module_calls import following_modules
from coursekit.probe.replaced_parameters import replaced_parameters

__all__ = [
    "LET_THROUGH",
    "LayerCall",
    "LayerRecorder",
    "bind",
    "kind_of",
    "layer_calls",
    "pair",
    "replaced_numbers",
]


@dataclass(frozen=True, eq=False)
class LayerCall:
    """One layer at work.

    Attributes:
        name: the module's path in the network; for a plain function call, the path of the module around it,
            if any, and the function's name.
        kind: `"conv"`, `"pool"`, `"linear"`, `"flatten"`, `"mean"` over height and width, or `"same"` for a
            pooling that changes nothing.
        input_shape: of its input, in the run that recorded it.
        output: of the run that recorded it.
        reason: why no receptive field is defined here; empty where it is.
    """

    name: str
    kind: str
    input_shape: tuple[int, ...]
    output: Tensor
    reason: str = ""


def layer_calls(network: nn.Module, input_shape: Sequence[int]) -> tuple[list[LayerCall], Tensor]:
    """The layers that the network runs through and its output, all on the meta device.

    Args:
        network: any module; it is left as it was.
        input_shape: `(C, H, W)`; one image is run.
    """
    recorder = LayerRecorder()
    with replaced_numbers(network, lambda p: torch.empty(p.shape, device="meta")), torch.no_grad():
        output = recorder.run(network, torch.zeros(1, *input_shape, device="meta"))
    return recorder.events, output


def replaced_numbers(
    network: nn.Module, parameter: Callable[[Tensor], Tensor]
) -> AbstractContextManager[object]:
    """The network in evaluation mode on other numbers; buffers that hold indices stay."""
    return replaced_parameters(network, lambda t: parameter(t) if t.is_floating_point() else t)


class LayerRecorder(TorchFunctionMode):
    """Writes down the functions that are layers, with the path of the module that called them."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[LayerCall] = []
        self.stack: list[tuple[str, bool]] = [("", False)]

    def run(self, network: nn.Module, x: Tensor) -> Any:
        """The network's output, its layers written down."""
        leaves = {path: not any(True for _ in m.children()) for path, m in network.named_modules()}

        def enter(path: str) -> None:
            self.stack.append((path, leaves[path]))

        with following_modules(network, enter, lambda: self.stack.pop() and None), self:
            return network(x)

    def name(self, function: str) -> str:
        """Of a layer: the module's path, or that of the module around a plain call and the function."""
        path, leaf = self.stack[-1]
        if leaf and path:
            return path
        return f"{path}.{function}" if path else function

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        x = args[0] if args else kwargs.get("input")
        kind = kind_of(func, x, args, kwargs)
        result = func(*args, **kwargs)
        if kind:
            output = result[0] if isinstance(result, tuple) else result
            if kind == "adaptive":
                kind = "same" if output.shape == x.shape else "pool"
            self.events.append(LayerCall(self.name(func.__name__), kind, tuple(x.shape), output))
        return result


_KINDS = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), "conv"),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), "conv"),
    **dict.fromkeys(("max_pool2d", "max_pool2d_with_indices", "avg_pool2d"), "pool"),
    **dict.fromkeys(("adaptive_avg_pool2d", "adaptive_max_pool2d"), "adaptive"),
    "adaptive_max_pool2d_with_indices": "adaptive",
    "linear": "linear",
}
# What these do to a value, in place or not, does not change what it depends on. Normalization is among them:
# that its statistics are taken over the whole map is no part of a receptive field as it is taught.
# fmt: off
LET_THROUGH = frozenset({
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish",
    "hardtanh", "hardswish", "hardsigmoid", "sigmoid", "logsigmoid", "tanh", "hardshrink", "softshrink",
    "tanhshrink", "softplus", "softsign", "threshold", "clamp", "clip", "dropout", "alpha_dropout",
    "feature_dropout", "dropout2d", "batch_norm", "instance_norm", "layer_norm", "group_norm", "rms_norm",
    "local_response_norm",
})
# fmt: on


def kind_of(func: Callable[..., Any], x: object, args: Any, kwargs: Any) -> str:
    """What kind of layer a call is; empty for none."""
    name = getattr(func, "__name__", "")
    if name == "linear":
        return "linear" if isinstance(x, Tensor) and x.dim() in (2, 4) else ""
    if not (isinstance(x, Tensor) and x.dim() == 4):
        return ""
    if name == "mean":
        dims = args[1] if len(args) > 1 else kwargs.get("dim")
        return "mean" if isinstance(dims, tuple | list) and {d % 4 for d in dims} == {2, 3} else ""
    if name == "flatten":
        start = args[1] if len(args) > 1 else kwargs.get("start_dim", 0)
        end = args[2] if len(args) > 2 else kwargs.get("end_dim", -1)
        return "flatten" if start == 1 and end in (-1, 3) else ""
    if name in ("view", "reshape"):
        sizes = args[1:] if len(args) > 2 else (args[1] if len(args) == 2 else kwargs.get("shape", ()))
        return "flatten" if isinstance(sizes, tuple | list) and len(sizes) == 2 else ""
    return _KINDS.get(name, "")


def bind(names: Sequence[str], args: Any, kwargs: Any) -> dict[str, Any]:
    """Arguments by name."""
    return {**dict(zip(names, args, strict=False)), **kwargs}


def pair(value: Any) -> tuple[int, int]:
    """For height and width."""
    if isinstance(value, int):
        return (value, value)
    first, *rest = value
    return (int(first), int(rest[0] if rest else first))
