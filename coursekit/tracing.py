"""Running a network for what it does to the shape of things instead of for its numbers.

Two runs, both seen through torch's function hook, so that layers and plain function calls count alike:

- `shapes_run` on meta tensors: the shapes that the real input gives, without computing or allocating
  anything;
- `positive_run` on a larger input, with weights that are positive constants, max pooling turned into average
  pooling and non-linearities left out, so that the gradient of a unit is positive on exactly the pixels that
  the unit depends on. A fully connected layer behind a flattened map runs as what it is: a convolution whose
  kernel has the size of that map. What treats the whole map as one (global pooling) marks everything behind
  it with not-a-number, which gradients carry back to the input.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["Event", "positive_run", "shapes_run"]

WHOLE = "the whole input: global pooling looks at everything"


@dataclass(frozen=True, eq=False)
class Event:
    """One layer at work.

    Attributes:
        name: the module's path in the network; for a plain function call, the path of the module around it,
            if any, and the function's name.
        kind: `"conv"`, `"pool"`, `"linear"`, `"flatten"`, or `"same"` for a pooling that changes nothing.
        input_shape: of its input, in the run that recorded it.
        output: in `shapes_run` on the meta device; in `positive_run` a map `(1, C, H, W)` over the larger
            input.
        reason: why no receptive field is defined here; empty where it is.
    """

    name: str
    kind: str
    input_shape: tuple[int, ...]
    output: Tensor
    reason: str = ""


def shapes_run(network: nn.Module, input_shape: Sequence[int]) -> tuple[list[Event], Tensor]:
    """The layers that the network runs through and its output, all on the meta device.

    Args:
        network: any module; it is copied, and neither changed nor run itself.
        input_shape: `(C, H, W)`; one image is run.
    """
    network = _copy(network, lambda p: p.to("meta", torch.float32))
    recorder = _Recorder(network)
    with torch.no_grad(), recorder.names(), recorder:
        output = network(torch.zeros(1, *input_shape, device="meta"))
    return recorder.events, output


def positive_run(
    network: nn.Module, before: Sequence[Event], size: Sequence[int]
) -> tuple[Tensor, list[Event], Tensor]:
    """Run the network with positive constants on an input of `size` (C, H, W) pixels.

    Args:
        network: any module; it is copied, and neither changed nor run itself.
        before: what `shapes_run` recorded on the real input.
        size: of the larger input.

    Returns:
        The input, which requires a gradient, the layers, and the output.
    """
    # One number seen through a stride of zero: a constant weight of any shape takes no memory.
    network = _copy(network, lambda p: torch.ones(()).expand(p.shape))
    x = torch.ones(1, *size, requires_grad=True)
    recorder = _PositiveRecorder(network, before)
    with recorder.names(), recorder:
        output = network(x)
    return x, recorder.events, output


def _copy(network: nn.Module, replace: Callable[[Tensor], Tensor]) -> nn.Module:
    """A float32 copy in evaluation mode; parameters are replaced on the way, so that none is duplicated."""
    memo: dict[int, Any] = {}
    for parameter in network.parameters():
        memo[id(parameter)] = nn.Parameter(replace(parameter.detach()), requires_grad=False)
    for buffer in network.buffers():
        memo[id(buffer)] = replace(buffer.detach()) if buffer.is_floating_point() else buffer.detach().clone()
    return copy.deepcopy(network, memo).eval()


def _is_map(x: object) -> bool:
    return isinstance(x, Tensor) and x.dim() == 4


class _Recorder(TorchFunctionMode):
    """Writes down the functions that are layers, with the path of the module that called them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.events: list[Event] = []
        self.stack: list[tuple[str, bool]] = [("", False)]

    @contextmanager
    def names(self) -> Iterator[None]:
        """Follow which module is running."""
        handles = []
        for path, module in self.network.named_modules():
            entry = (path, not any(True for _ in module.children()))

            def enter(module: nn.Module, args: object, entry: tuple[str, bool] = entry) -> None:
                self.stack.append(entry)

            def leave(module: nn.Module, args: object, output: object) -> None:
                self.stack.pop()

            handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def name(self, function: str) -> str:
        path, leaf = self.stack[-1]
        if leaf and path:
            return path
        return f"{path}.{function}" if path else function

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        x = args[0] if args else kwargs.get("input")
        kind = _kind(func, x, args, kwargs)
        result = func(*args, **kwargs)
        if kind:
            output = result[0] if isinstance(result, tuple) else result
            if kind == "adaptive":
                kind = "same" if output.shape == x.shape else "pool"
            self.events.append(Event(self.name(func.__name__), kind, tuple(x.shape), output))
        return result


class _PositiveRecorder(_Recorder):
    """The same layers, each replaced by its positive counterpart on the larger input."""

    def __init__(self, network: nn.Module, before: Sequence[Event]) -> None:
        super().__init__(network)
        self.before = before
        self.flattened: tuple[int, ...] = (1, 1)
        self.reason = ""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        x = args[0] if args else kwargs.get("input")
        kind = _kind(func, x, args, kwargs)
        if not kind:
            return _elementwise(func, x, args, kwargs)
        if len(self.events) == len(self.before):
            raise ValueError(
                f"{self.name(func.__name__)} runs on a larger input only; its field is not defined"
            )
        real = self.before[len(self.events)]
        output = self.run(func, kind, x, args, kwargs, real)
        self.events.append(Event(real.name, real.kind, tuple(x.shape), output, self.reason))
        return (output, output.new_zeros(output.shape)) if func.__name__.endswith("_with_indices") else output

    def run(
        self, func: Callable[..., Any], kind: str, x: Tensor, args: Any, kwargs: Any, real: Event
    ) -> Tensor:
        height, width = real.input_shape[2:] if len(real.input_shape) == 4 else (1, 1)
        if kind == "flatten":
            self.flattened = (height, width)
            return x  # stays a map; the layer behind takes windows of this height and width
        if kind == "linear":
            return self.linear(func, x, args, kwargs, real)
        if kind == "mean":
            return self.undefined(WHOLE, x.mean((2, 3), keepdim=len(real.output.shape) == 4))
        if kind == "adaptive":
            out_height, out_width = real.output.shape[2:]
            if real.kind == "same":
                return x
            if (out_height, out_width) == (1, 1):
                return self.undefined(WHOLE, x.mean((2, 3), keepdim=True))
            if height % out_height or width % out_width:
                reason = f"not defined: {height}×{width} averaged to {out_height}×{out_width}, windows differ"
                return self.undefined(reason, F.adaptive_avg_pool2d(x, (out_height, out_width)))
            window = (height // out_height, width // out_width)
            return _spread(F.avg_pool2d(_one(x), window), x.shape[1])
        if kind == "pool":
            return self.pool(func, x, args, kwargs, real)
        if func.__name__ != "conv2d":
            reason = f"not defined behind {func.__name__}"
            return self.undefined(reason, func(*args, **kwargs))
        bound = _bind(("input", "weight", "bias", "stride", "padding", "dilation", "groups"), args, kwargs)
        weight = bound["weight"]
        kernel, dilation = tuple(weight.shape[2:]), _pair(bound.get("dilation", 1))
        stride, padding = _pair(bound.get("stride", 1)), bound.get("padding", 0)
        return _spread(_average(_one(x), kernel, stride, padding, dilation), len(weight))

    def linear(self, func: Callable[..., Any], x: Tensor, args: Any, kwargs: Any, real: Event) -> Tensor:
        weight = _bind(("input", "weight", "bias"), args, kwargs)["weight"]
        if len(real.input_shape) != 2 or x.dim() != 4:  # on the last dimension, whatever the others are
            mean = x.mean(-1, keepdim=True)
            return mean.expand(*mean.shape[:-1], len(weight))
        window = (1, 1) if weight.shape[1] == x.shape[1] else self.flattened
        if x.shape[1] * window[0] * window[1] != weight.shape[1]:
            raise ValueError(
                f"{real.name} takes {weight.shape[1]} numbers, which is no whole window of the flattened map "
                f"with {x.shape[1]} channels of {self.flattened[0]}×{self.flattened[1]}"
            )
        return _spread(F.avg_pool2d(_one(x), window, stride=1), len(weight))

    def pool(self, func: Callable[..., Any], x: Tensor, args: Any, kwargs: Any, real: Event) -> Tensor:
        names = ("input", "kernel_size", "stride", "padding", *_POOL_TAIL[func.__name__])
        bound = _bind(names, args, kwargs)
        kernel = _pair(bound["kernel_size"])
        if kernel == tuple(x.shape[2:]) and kernel != tuple(real.input_shape[2:]):
            return self.undefined(WHOLE, x.mean((2, 3), keepdim=True))  # its size was read off the map
        stride = _pair(bound.get("stride") or kernel)
        padding, dilation = _pair(bound.get("padding", 0)), _pair(bound.get("dilation", 1))
        return _spread(_average(_one(x), kernel, stride, padding, dilation), x.shape[1])

    def undefined(self, reason: str, output: Tensor) -> Tensor:
        self.reason = self.reason or reason
        return output * float("nan")


_POOL_TAIL = {
    "max_pool2d": ("dilation", "ceil_mode", "return_indices"),
    "max_pool2d_with_indices": ("dilation", "ceil_mode", "return_indices"),
    "avg_pool2d": ("ceil_mode", "count_include_pad", "divisor_override"),
}
_KINDS = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), "conv"),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), "conv"),
    **dict.fromkeys(_POOL_TAIL, "pool"),
    **dict.fromkeys(("adaptive_avg_pool2d", "adaptive_max_pool2d"), "adaptive"),
    "adaptive_max_pool2d_with_indices": "adaptive",
    "linear": "linear",
}
# What these do to a value, in place or not, does not change what it depends on. Normalization is among them:
# that its statistics are taken over the whole map is no part of a receptive field as it is taught.
# fmt: off
_LET_THROUGH = frozenset({
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish",
    "hardtanh", "hardswish", "hardsigmoid", "sigmoid", "logsigmoid", "tanh", "hardshrink", "softshrink",
    "tanhshrink", "softplus", "softsign", "threshold", "clamp", "clip", "dropout", "alpha_dropout",
    "feature_dropout", "dropout2d", "batch_norm", "instance_norm", "layer_norm", "group_norm",
    "local_response_norm",
})
# fmt: on
_PAIRWISE = {
    **dict.fromkeys(("add", "add_", "__add__", "__iadd__", "__radd__"), operator.add),
    **dict.fromkeys(("mul", "mul_", "__mul__", "__imul__", "__rmul__"), operator.mul),
}


def _kind(func: Callable[..., Any], x: object, args: Any, kwargs: Any) -> str:
    """What kind of layer a call is; empty for none."""
    name = getattr(func, "__name__", "")
    if name == "linear":
        return "linear" if isinstance(x, Tensor) and x.dim() in (2, 4) else ""
    if not _is_map(x):
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


def _elementwise(func: Callable[..., Any], x: Any, args: Any, kwargs: Any) -> Any:
    """Non-linearities and normalization let everything through; sums of spread maps stay spread."""
    name = getattr(func, "__name__", "")
    if name.rstrip("_") in _LET_THROUGH:
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
        one.register_hook(lambda gradient: torch.where(gradient.isnan(), gradient, gradient.sign()))
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
) -> Tensor:
    """The mean of each window, by pooling where it can: its backward pass is several times faster."""
    if not isinstance(padding, str):
        padding = _pair(padding)
        if dilation == (1, 1) and 2 * padding[0] <= kernel[0] and 2 * padding[1] <= kernel[1]:
            return F.avg_pool2d(x, kernel, stride, padding)
    weight = torch.ones(1, 1, *kernel) / (kernel[0] * kernel[1])
    return F.conv2d(x, weight, None, stride, padding, dilation)


def _bind(names: Sequence[str], args: Any, kwargs: Any) -> dict[str, Any]:
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return (value, value)
    first, *rest = value
    return (int(first), int(rest[0] if rest else first))
