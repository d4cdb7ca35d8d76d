"""A run in which every pixel carries its coordinate and every unit passes on the extremes that it sees.

A layer gives then, instead of a weighted sum of its window, the largest coordinate in it. Two images run side
by side, one of them with the coordinates negated, so that the last and the first pixel of every unit's window
come out, whatever the layers in between: branches, concatenation, groups, shuffled channels, maps with the
channels last. One axis is measured at a time, and along the other one the image and all windows are one pixel
wide, which makes an image of thousands of pixels cheap.

Minus infinity stands for what depends on no pixel, such as a parameter. Infinity stands for what depends on
all of them: global pooling, and with it squeeze-and-excitation, and attention look at everything, and so does
every unit behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from coursekit.models.parts import ImageCheck
from coursekit.probe.layer_calls import (
    LET_THROUGH,
    LayerCall,
    LayerRecorder,
    bind,
    kind_of,
    pair,
    replaced_numbers,
)

__all__ = ["run_on_coordinates"]

NOTHING, EVERYTHING = -torch.inf, torch.inf
POOLING = "the whole input: global pooling looks at everything"
ATTENTION = "the whole input: attention looks at everything"


def run_on_coordinates(
    network: nn.Module, before: Sequence[LayerCall], channels: int, side: int, axis: int
) -> tuple[list[LayerCall], Tensor | None, str]:
    """Run the network on coordinates.

    Args:
        network: any module; it is left as it was.
        before: what `layer_calls` recorded on the real input.
        channels: of the input.
        side: of the image along the axis, usually larger than that of the real input.
        axis: 0 for the height, 1 for the width.

    Returns:
        The layers, the output (of several the last), and an empty text. Where the network cannot be run on
        such an image, the layers up to there, None, and why.
    """
    pixels = torch.arange(side, dtype=torch.float32)
    shape = (side, 1) if axis == 0 else (1, side)
    x = torch.stack([pixels, -pixels]).reshape(2, 1, *shape).repeat(1, channels, 1, 1)
    recorder = _Coordinates(before, axis)
    with replaced_numbers(network, lambda p: _nothing(p.shape)), torch.no_grad():
        for module in network.modules():
            # Put back with everything else.
            if isinstance(module, ImageCheck):
                module.smallest, module.multiple, module.exact = 1, 1, None
            if isinstance(module, nn.BatchNorm1d):  # flattened maps stay maps
                vars(module)["_check_input_dim"] = lambda x: None
        try:
            output = recorder.run(network, x)
        except Exception as error:  # whatever a network does on an image that it is not made for
            cause = str(error).partition("\n")[0] or type(error).__name__
            return recorder.events, None, f"not defined: the network takes no larger image ({cause})"
    return recorder.events, [t for t in tree_leaves(output) if isinstance(t, Tensor)][-1], ""


def _nothing(shape: Sequence[int]) -> Tensor:
    """Of no pixel: one number seen through a stride of zero, which takes no memory."""
    return torch.full((), NOTHING).expand(tuple(shape))


def _is_nothing(x: Any) -> bool:
    return isinstance(x, Tensor) and x.untyped_storage().nbytes() == 4


class _Coordinates(LayerRecorder):
    """The same layers as before, each passing on the largest coordinate that it sees."""

    def __init__(self, before: Sequence[LayerCall], axis: int) -> None:
        super().__init__()
        self.before = before
        self.axis = axis
        self.flattened = 1
        self.reason = ""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        x = args[0] if args else kwargs.get("input")
        kind = kind_of(func, x, args, kwargs)
        if not kind or not x.is_floating_point():
            return self.carry(func, args, kwargs)
        if len(self.events) == len(self.before):
            raise ValueError(f"{self.name(func.__name__)} runs on a larger image only")
        real = self.before[len(self.events)]
        output = self.layer(func.__name__, kind, x, args, kwargs, real)
        channels_last = kind == "linear" and len(real.output.shape) == 4
        seen = output.permute(0, 3, 1, 2) if channels_last else output
        self.events.append(LayerCall(real.name, real.kind, tuple(x.shape), seen, self.reason))
        return (output, output.new_zeros(output.shape)) if func.__name__.endswith("_with_indices") else output

    def layer(self, name: str, kind: str, x: Tensor, args: Any, kwargs: Any, real: LayerCall) -> Tensor:
        """The output of what counts as a layer."""
        side = real.input_shape[2 + self.axis] if len(real.input_shape) == 4 else 1
        if kind == "flatten":
            if bool((x == EVERYTHING).all()):
                return torch.full((2, *real.output.shape[1:]), EVERYTHING)
            self.flattened = side
            return x  # stays a map; the layer behind takes windows of this size
        if kind == "linear":
            weight = bind(("input", "weight"), args, kwargs)["weight"]
            if x.dim() == 4 and len(real.input_shape) == 2:
                window = 1 if weight.shape[1] == x.shape[1] else self.flattened
                return self.windows(x, window).amax(1, keepdim=True).repeat(1, len(weight), 1, 1)
            largest = x.amax(-1, keepdim=True)
            return largest.expand(*largest.shape[:-1], len(weight))
        if kind == "mean":
            return self.everything(POOLING, x.mean((2, 3), keepdim=len(real.output.shape) == 4))
        if kind == "adaptive":
            return self.resized(x, side, real)
        if kind == "pool":
            return self.pool(x, args, kwargs, side)
        return self.convolution(name, x, args, kwargs)

    def convolution(self, name: str, x: Tensor, args: Any, kwargs: Any) -> Tensor:
        if name == "conv_transpose2d":
            return self.everything(f"not defined behind {name}", self.transposed(x, args, kwargs))
        b = bind(("input", "weight", "bias", "stride", "padding", "dilation", "groups"), args, kwargs)
        weight, groups, i = b["weight"], b.get("groups", 1), self.axis
        kernel, spread = weight.shape[2 + i], pair(b.get("dilation", 1))[i]
        padding: Any = b.get("padding", 0)
        if isinstance(padding, str):
            reach = spread * (kernel - 1) if padding == "same" else 0
            x, padding = self.padded(x, reach // 2, reach - reach // 2), 0
        largest = x.unflatten(1, (groups, -1)).amax(2)
        seen = self.windows(largest, kernel, pair(b.get("stride", 1))[i], pair(padding)[i], spread)
        return seen.repeat_interleave(len(weight) // groups, 1)

    def transposed(self, x: Tensor, args: Any, kwargs: Any) -> Tensor:
        """Something of the right shape."""
        names = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
        b = bind(names, args, kwargs)
        kernel = self.along(b["weight"].shape[2:], 1)
        return F.conv_transpose2d(
            x[:, :1],
            torch.ones(1, b["weight"].shape[1] * b.get("groups", 1), *kernel),
            stride=self.along(b.get("stride", 1), 1),
            padding=self.along(b.get("padding", 0), 0),
            output_padding=self.along(b.get("output_padding", 0), 0),
            dilation=self.along(b.get("dilation", 1), 1),
        )

    def pool(self, x: Tensor, args: Any, kwargs: Any, side: int) -> Tensor:
        b = bind(("input", "kernel_size", "stride", "padding"), args[:4], kwargs)
        later = dict(zip(("dilation", "ceil_mode"), args[4:], strict=False))
        if len(args) > 4 and isinstance(args[4], bool):  # average pooling has no dilation
            later = {"ceil_mode": args[4]}
        b = {**later, **b}
        i = self.axis
        kernel = pair(b["kernel_size"])[i]
        if kernel == x.shape[2 + i] != side:  # its size was read off the map
            return self.everything(POOLING, x.mean((2, 3), keepdim=True))
        stride, dilation = pair(b.get("stride") or b["kernel_size"])[i], pair(b.get("dilation", 1))[i]
        padding, ceil = pair(b.get("padding", 0))[i], bool(b.get("ceil_mode", False))
        return self.windows(x, kernel, stride, padding, dilation, ceil)

    def resized(self, x: Tensor, side: int, real: LayerCall) -> Tensor:
        """Adaptive pooling: the real input says which windows it has."""
        wanted = real.output.shape[2 + self.axis]
        if real.kind == "same":
            return x
        if tuple(real.output.shape[2:]) == (1, 1):
            return self.everything(POOLING, x.mean((2, 3), keepdim=True))
        if side % wanted:
            sides = ["×".join(map(str, shape[2:])) for shape in (real.input_shape, real.output.shape)]
            reason = f"not defined: {sides[0]} averaged to {sides[1]}, windows differ"
            return self.everything(reason, self.windows(x, side // wanted, side // wanted))
        return self.windows(x, side // wanted, side // wanted)

    def windows(
        self,
        x: Tensor,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        ceil: bool = False,
    ) -> Tensor:
        """The largest coordinate in each window along the axis; padding has none."""
        if x.shape[3 - self.axis] != 1:
            raise ValueError("height and width trade places")
        if 2 * padding > kernel:
            x, padding = self.padded(x, padding, padding), 0
        return F.max_pool2d(
            x,
            self.along(kernel, 1),
            self.along(stride, 1),
            self.along(padding, 0),
            self.along(dilation, 1),
            ceil,
        )

    def padded(self, x: Tensor, before: int, after: int) -> Tensor:
        sizes = (0, 0, before, after) if self.axis == 0 else (before, after, 0, 0)
        return F.pad(x, sizes, value=NOTHING)

    def along(self, value: Any, default: int) -> tuple[int, int]:
        """A setting of the measured axis; the other one has a size of one pixel."""
        value = pair(value)[self.axis]
        return (value, default) if self.axis == 0 else (default, value)

    def everything(self, reason: str, like: Tensor) -> Tensor:
        """Of this shape, depending on all pixels."""
        self.reason = self.reason or reason
        return torch.full(like.shape, EVERYTHING)

    def carry(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """What is no layer: values pass, move, or meet."""
        name = getattr(func, "__name__", "")
        plain = name.strip("_")
        x = args[0] if args else kwargs.get("input")
        if name in _MOVING or plain in _MOVING:
            return func(*args, **kwargs)
        if plain in LET_THROUGH or plain in _CASTING:
            return x
        if plain == "softmax" and x.is_floating_point():
            dim = args[1] if len(args) > 1 else kwargs["dim"]
            return x.amax(dim, keepdim=True).expand(x.shape)
        if plain in _MAKING:
            made = func(*args, **kwargs)
            return made.fill_(NOTHING) if made.is_floating_point() else made
        if plain in _MEETING and len(args) >= 2:
            return _meet(x, args[1])
        if plain in ("addcmul", "addcdiv"):
            return _meet(x, _meet(args[1], args[2]))
        if plain == "linear":
            return x.amax(-1, keepdim=True).expand(
                *x.shape[:-1], len(bind(("input", "weight"), args, kwargs)["weight"])
            )
        if plain == "pad":
            return self.pad(*args, **kwargs)
        if plain in ("interpolate", "upsample"):
            return self.interpolate(*args, **kwargs)
        if plain in _REDUCING and isinstance(x, Tensor) and x.is_floating_point():
            return _reduce(x, *args[1:], **kwargs)
        return self.unknown(func, plain, args, kwargs)

    def unknown(self, func: Callable[..., Any], name: str, args: Any, kwargs: Any) -> Any:
        """Its result depends on everything, unless it comes from no pixel."""
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor) and t.is_floating_point()]
        if given and all(map(_is_nothing, given)):
            args, kwargs = tree_map(lambda t: t.to("meta") if isinstance(t, Tensor) else t, (args, kwargs))
            return tree_map(
                lambda t: _nothing(t.shape) if isinstance(t, Tensor) else t, func(*args, **kwargs)
            )
        result = func(*args, **kwargs)
        if name in ("matmul", "mm", "bmm") and _is_nothing(args[1]):
            return args[0].amax(-1, keepdim=True).expand(result.shape)
        reason = ATTENTION if name in _ATTENDING else f"not defined behind {name}"

        def value(t: Any) -> Any:
            floats = isinstance(t, Tensor) and t.is_floating_point()
            return self.everything(reason, t) if floats and given else t

        return tree_map(value, result)

    def pad(
        self, x: Tensor, sizes: Sequence[int], mode: str = "constant", value: float | None = None
    ) -> Tensor:
        sizes = list(sizes)
        other = 0 if self.axis == 0 else 1  # F.pad begins with the last dimension
        if x.dim() == 4 and x.shape[3 - self.axis] == 1:
            sizes[2 * other : 2 * other + 2] = [0, 0][: len(sizes) - 2 * other]
        if mode == "constant":
            return F.pad(x, sizes, value=NOTHING)
        return F.pad(x, sizes, mode)

    def interpolate(
        self, x: Tensor, size: Any = None, scale_factor: Any = None, *_: Any, **__: Any
    ) -> Tensor:
        if x.dim() != 4:
            raise ValueError("only maps are resized")
        side = x.shape[2 + self.axis]
        if size is not None:
            side = pair(size)[self.axis]
        else:
            scale = scale_factor if isinstance(scale_factor, int | float) else scale_factor[self.axis]
            side = int(side * scale)
        shape = [*x.shape[:2], 1, 1]
        shape[2 + self.axis] = side
        return self.everything("not defined behind interpolate", torch.empty(shape))


def _meet(x: Any, y: Any) -> Any:
    """Of two values: whatever either depends on."""
    if not isinstance(x, Tensor) or not isinstance(y, Tensor):
        return x if isinstance(x, Tensor) else y
    if _is_nothing(y) and not _is_nothing(x):
        return _beside_nothing(x, y)
    if _is_nothing(x):
        return _beside_nothing(y, x)
    return torch.maximum(x, y)


def _beside_nothing(x: Tensor, nothing: Tensor) -> Tensor:
    """The value itself; a parameter of another size is one that fits the real image, such as positions."""
    try:
        return x.expand(torch.broadcast_shapes(x.shape, nothing.shape))
    except RuntimeError:
        return x


def _reduce(x: Tensor, dim: Any = None, keepdim: bool = False, **_: Any) -> Tensor:
    dims = list(range(x.dim())) if dim is None else dim
    return x.amax(dims, keepdim=keepdim)


# fmt: off
_MOVING = frozenset({
    "__get__", "__set__", "dim", "size", "numel", "stride", "is_contiguous", "is_floating_point", "__len__",
    "new_tensor", "ndimension", "nelement", "requires_grad_", "type_as", "shape", "get_device",
    "storage_offset", "view", "reshape", "flatten", "unflatten", "permute", "transpose", "t", "swapaxes",
    "movedim", "moveaxis", "contiguous", "clone", "detach", "alias", "squeeze", "unsqueeze", "expand",
    "expand_as", "repeat", "repeat_interleave", "tile", "cat", "concat", "concatenate", "stack", "hstack",
    "vstack", "split", "chunk", "tensor_split", "unbind", "narrow", "select", "getitem", "__getitem__",
    "__setitem__", "index_select", "gather", "take", "roll", "flip", "rot90", "pixel_shuffle",
    "pixel_unshuffle", "channel_shuffle", "unfold", "broadcast_to", "broadcast_tensors", "meshgrid",
    "view_as", "reshape_as", "ravel", "diagonal", "tril", "triu", "identity", "_assert", "arange",
    "max_unpool2d",
})
_CASTING = frozenset({"float", "to", "half", "bfloat16", "double", "type", "cpu", "cuda", "abs", "neg", "exp",
    "log", "log1p", "sqrt", "rsqrt", "square", "reciprocal", "sin", "cos", "erf", "sign", "round", "floor",
    "ceil", "negative", "invert", "normalize", "nan_to_num",
})
_MEETING = frozenset({
    "add", "iadd", "radd", "sub", "isub", "rsub", "mul", "imul", "rmul", "multiply", "div", "idiv", "truediv",
    "itruediv", "rtruediv", "true_divide", "divide", "subtract", "pow", "ipow", "maximum", "minimum", "lerp",
})
_REDUCING = frozenset({"mean", "sum", "amax", "amin"})
_ATTENDING = frozenset({
    "scaled_dot_product_attention", "multi_head_attention_forward", "matmul", "rmatmul", "bmm", "einsum",
})
_MAKING = frozenset({
    "zeros", "ones", "full", "empty", "rand", "randn", "eye", "tensor", "linspace", "zeros_like", "ones_like",
    "full_like", "empty_like", "rand_like", "randn_like", "new_zeros", "new_ones", "new_full", "new_empty",
})
# fmt: on
