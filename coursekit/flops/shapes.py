"""Results of the commonest operations on meta tensors, made here instead of by torch's own meta kernels.

torch computes most shapes in Python, and its first such kernel imports a compiler and a computer algebra
system: two to three seconds before anything is counted. The operations that most networks consist of are
therefore answered here, with the shape, the strides and the type that the CPU's kernel gives. Whatever a rule
does not cover it leaves to torch, by returning NotImplemented.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["meta_like", "quick_result"]

Arguments = Mapping[str, Any]


def quick_result(name: str, arguments: Arguments) -> Any:
    """What the operation returns on meta tensors; NotImplemented where no rule covers it.

    Args:
        name: of the ATen operation, without overload.
        arguments: by the names of the operation's schema; all tensors are on the meta device.
    """
    rule = _RULES.get(name)
    return NotImplemented if rule is None or "out" in arguments else rule(arguments)


def _make(shape: Sequence[int], like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    return torch.empty(tuple(shape), dtype=dtype or like.dtype, device="meta")


def _map_layout(x: Tensor) -> torch.memory_format | None:
    """Contiguous or channels-last; None for anything else."""
    if x.is_contiguous():
        return torch.contiguous_format
    if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
        return torch.channels_last
    return None


def _make_map(shape: Sequence[int], like: Tensor, dtype: torch.dtype | None = None) -> Any:
    """In the layout of the map it comes from."""
    layout = _map_layout(like)
    if layout is None:
        return NotImplemented
    return torch.empty(tuple(shape), dtype=dtype or like.dtype, device="meta", memory_format=layout)


def meta_like(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Of the same shape and, where no two numbers share a place and none is left empty, the same strides."""
    dtype = dtype or x.dtype
    if x.is_contiguous():
        return torch.empty(x.shape, dtype=dtype, device="meta")
    order = sorted(range(x.dim()), key=lambda i: (x.stride(i), x.shape[i]))
    strides, step = [0] * x.dim(), 1
    for i in order:
        strides[i] = step
        step *= x.shape[i]
    return torch.empty_strided(x.shape, strides, dtype=dtype, device="meta")


def _same(a: Arguments) -> Any:
    return meta_like(next(iter(a.values())))


def _restrided(a: Arguments) -> Any:
    """Pooling to one number sets strides that mean nothing; others are left to torch."""
    x = a["self"]
    return x if tuple(a["size"]) == tuple(x.shape) and x.numel() == max(x.shape) else NotImplemented


def _in_place(a: Arguments) -> Any:
    return next(iter(a.values()))


def _pairwise(a: Arguments) -> Any:
    """Numbers of one tensor, the other being a number or repeated along it."""
    first, second = a["self"], a["other"]
    dtype = torch.result_type(first, second)
    if not dtype.is_floating_point or not isinstance(first, Tensor):
        return NotImplemented
    if not isinstance(second, Tensor) or _repeats(second, first):
        return meta_like(first, dtype)
    return meta_like(second, dtype) if _repeats(first, second) else NotImplemented


def _repeats(small: Tensor, large: Tensor) -> bool:
    """Whether the small one is repeated along the large one, which then gives shape and strides."""
    if small.shape == large.shape:
        return True
    if small.dim() > large.dim():
        return False
    sides = zip(reversed(small.shape), reversed(large.shape), strict=False)
    return small.numel() < large.numel() and all(s in (1, t) for s, t in sides)


def _pairwise_in_place(a: Arguments) -> Any:
    first, second = a["self"], a["other"]
    fits = not isinstance(second, Tensor) or second.shape == first.shape or _repeats(second, first)
    return first if fits else NotImplemented


def _product(left: str, right: str) -> Callable[[Arguments], Any]:
    def rule(a: Arguments) -> Any:
        x, y = a[left], a[right]
        if x.shape[-1] != y.shape[-2] or x.shape[:-2] != y.shape[:-2] or x.dtype != y.dtype:
            return NotImplemented  # torch says what is wrong
        return _make((*x.shape[:-1], y.shape[-1]), x)

    return rule


def _windows(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil: bool = False) -> int:
    """How many windows fit, as torch cuts them."""
    reach = dilation * (kernel - 1) + 1
    room = size + 2 * padding + (stride - 1 if ceil else 0)
    if reach > room:
        raise ValueError(f"a window of {reach} does not fit into {size} with {padding} on both sides")
    count = torch.empty(room, device="meta").unfold(0, reach, stride).shape[0]
    return count - 1 if ceil and (count - 1) * stride >= size + padding else count


def _all(values: Any, dims: int) -> list[int]:
    values = [values] if isinstance(values, int) else list(values)
    return values * dims if len(values) == 1 else values


def _convolution(a: Arguments) -> Any:
    x, weight = a["input"], a["weight"]
    dims = weight.dim() - 2
    if a["transposed"] or x.dim() != dims + 2 or not weight.is_contiguous():
        return NotImplemented
    if x.shape[1] != weight.shape[1] * a["groups"]:
        return NotImplemented  # torch says what is wrong
    settings = zip(
        x.shape[2:],
        weight.shape[2:],
        *(_all(a[key], dims) for key in ("stride", "padding", "dilation")),
        strict=True,
    )
    return _make_map((x.shape[0], weight.shape[0], *(_windows(*row) for row in settings)), x)


def _pooled(a: Arguments, stride: Any) -> tuple[int, ...] | None:
    x = a["self"]
    if x.dim() != 4:
        return None
    kernel = _all(a["kernel_size"], 2)
    rows = zip(
        x.shape[2:],
        kernel,
        _all(stride or kernel, 2),
        _all(a.get("padding", 0), 2),
        _all(a.get("dilation", 1), 2),
        strict=True,
    )
    return (*x.shape[:2], *(_windows(*row, a.get("ceil_mode", False)) for row in rows))


def _max_pool(a: Arguments) -> Any:
    shape = _pooled(a, a.get("stride"))
    if shape is None or _map_layout(a["self"]) is None:
        return NotImplemented
    return _make_map(shape, a["self"]), _make_map(shape, a["self"], torch.int64)


def _avg_pool(a: Arguments) -> Any:
    shape = _pooled(a, a.get("stride"))
    return NotImplemented if shape is None else _make_map(shape, a["self"])


def _resized_pool(a: Arguments) -> Any:
    x, size = a["self"], _all(a["output_size"], 2)
    return _make_map((*x.shape[:-2], *size), x) if x.dim() == 4 else NotImplemented


def _mean(a: Arguments) -> Any:
    x, dims = a["self"], a.get("dim")
    if not dims or a.get("dtype") is not None:
        return NotImplemented
    gone = {d % x.dim() for d in dims}
    if a.get("keepdim", False):
        return _make([1 if i in gone else side for i, side in enumerate(x.shape)], x)
    return _make([side for i, side in enumerate(x.shape) if i not in gone], x)


def _batch_norm(a: Arguments) -> Any:
    x = a["input"]
    kept = (x.shape[1],) if a["training"] else (0,)
    return meta_like(x), _make(kept, x), _make(kept, x)


def _layer_norm(a: Arguments) -> Any:
    x = a["input"]
    rest = len(a["normalized_shape"])
    kept = (*x.shape[:-rest], *(1 for _ in range(rest)))
    return _make(x.shape, x), _make(kept, x), _make(kept, x)


def _softmax(a: Arguments) -> Any:
    return _make(a["self"].shape, a["self"]) if a["self"].is_contiguous() else NotImplemented


def _cat(a: Arguments) -> Any:
    tensors, dim = a["tensors"], a.get("dim", 0)
    first = tensors[0]
    mixed = first.dim() == 4 and len({_map_layout(t) for t in tensors}) > 1
    if mixed or any(t.dim() != first.dim() or t.dtype != first.dtype for t in tensors):
        return NotImplemented
    shape = list(first.shape)
    for i, t in enumerate(tensors):
        rest, wanted = list(t.shape), list(shape)
        rest[dim] = wanted[dim] = 0
        if rest != wanted:
            return NotImplemented  # torch says what is wrong
        if i:
            shape[dim] += t.shape[dim]
    return _make_map(shape, first) if first.dim() == 4 else _make(shape, first)


def _clone(a: Arguments) -> Any:
    x, wanted = a["self"], a.get("memory_format")
    if wanted in (None, torch.preserve_format):
        return meta_like(x)
    return torch.empty(x.shape, dtype=x.dtype, device="meta", memory_format=wanted)


def _embedding(a: Arguments) -> Any:
    return _make((*a["indices"].shape, a["weight"].shape[1]), a["weight"])


def _attention(a: Arguments) -> Any:
    query = a["query"]
    batch, heads, length, _ = query.shape
    return meta_like(query), _make((batch, length, heads), query, torch.float32).transpose(1, 2)


# fmt: off
_RULES: dict[str, Callable[[Arguments], Any]] = {
    **dict.fromkeys((
        "relu", "hardtanh", "gelu", "silu", "sigmoid", "tanh", "hardswish", "hardsigmoid", "leaky_relu",
        "elu", "mish", "exp", "neg",
    ), _same),
    **dict.fromkeys((
        "relu_", "hardtanh_", "silu_", "sigmoid_", "tanh_", "hardswish_", "hardsigmoid_", "leaky_relu_",
        "elu_", "mish_",
    ), _in_place),
    **dict.fromkeys(("add", "sub", "mul", "div"), _pairwise),
    **dict.fromkeys(("add_", "sub_", "mul_", "div_"), _pairwise_in_place),
    "mm": _product("self", "mat2"), "addmm": _product("mat1", "mat2"), "bmm": _product("self", "mat2"),
    "convolution": _convolution,
    "max_pool2d_with_indices": _max_pool, "avg_pool2d": _avg_pool, "_adaptive_avg_pool2d": _resized_pool,
    "mean": _mean, "native_batch_norm": _batch_norm, "native_layer_norm": _layer_norm, "_softmax": _softmax,
    "cat": _cat, "as_strided_": _restrided, "clone": _clone, "embedding": _embedding,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
}
# fmt: on
