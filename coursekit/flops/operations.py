"""Which formula counts which ATen operation, and which operations cost nothing.

`cost` answers with MACs and other operations, or None for an operation that no table here knows: the tracer
lists those instead of leaving them out in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from torch import Tensor

from coursekit.flops import formulas

__all__ = ["Cost", "cost", "knows"]

Cost = tuple[int, int]  # MACs, other operations
Arguments = Mapping[str, Any]


def cost(name: str, arguments: Arguments, result: Any) -> Cost | None:
    """MACs and other operations of one call; None where nothing is known of the operation.

    Args:
        name: of the ATen operation, without overload: `"convolution"`, `"add_"`.
        arguments: by the names of the operation's schema.
        result: what it returned.
    """
    out = result[0] if isinstance(result, tuple | list) and result else result
    if name in _FORMULAS:
        return _FORMULAS[name](arguments, out)
    plain = _plain(name)
    if plain in _FREE or not _computes(arguments, out):
        return (0, 0)
    if plain in _ELEMENTWISE:
        return (0, out.numel() * _ELEMENTWISE[plain])
    if plain in _REDUCTIONS:
        return (0, _numel(next(iter(arguments.values()))) * _REDUCTIONS[plain])
    return None


def knows(name: str) -> bool:
    """Whether a table here holds the operation."""
    return name in _FORMULAS or any(_plain(name) in table for table in (_FREE, _ELEMENTWISE, _REDUCTIONS))


def _plain(name: str) -> str:
    """`"relu"` for `"relu_"`, which does the same in place."""
    return name if name.startswith("__") else name.rstrip("_")


def _computes(arguments: Arguments, out: Any) -> bool:
    """Whether floating-point numbers take part: sizes, indices and masks among themselves are not counted."""
    values = [*arguments.values(), out]
    tensors = [
        t for v in values for t in (v if isinstance(v, tuple | list) else (v,)) if isinstance(t, Tensor)
    ]
    return any(t.is_floating_point() or t.is_complex() for t in tensors)


def _numel(x: Any) -> int:
    return x.numel() if isinstance(x, Tensor) else sum(t.numel() for t in x)


def _convolution(a: Arguments, out: Tensor) -> Cost:
    macs = formulas.convolution_macs(
        a["input"].shape, a["weight"].shape, out.shape, transposed=a.get("transposed", False)
    )
    return macs, 0


def _product(left: str, *, bias: str = "") -> Callable[[Arguments, Tensor], Cost]:
    """A matrix product; a bias is where its sums begin, unless it comes scaled."""

    def count(a: Arguments, out: Tensor) -> Cost:
        scaled = bool(bias) and (a.get("beta", 1) not in (0, 1) or a.get("alpha", 1) != 1)
        return formulas.matmul_macs(out.shape, a[left].shape[-1]), out.numel() if scaled else 0

    return count


def _addbmm(a: Arguments, out: Tensor) -> Cost:
    return formulas.matmul_macs(out.shape, a["batch1"].shape[0] * a["batch1"].shape[-1]), 0


def _attention(a: Arguments, out: Tensor) -> Cost:
    q, k, v = a["query"].shape, a["key"].shape, a["value"].shape
    return formulas.attention_macs(q, k, v), formulas.attention_other(q, k)


def _trilinear(a: Arguments, out: Tensor) -> Cost | None:
    """`nn.Bilinear`: every pair of inputs for every output, the pairs' own products counted as other."""
    first, weight, last = a["i1"].shape, a["i2"].shape, a["i3"].shape
    if list(a["expand1"]) != [1, 3] or list(a["expand2"]) != [0] or list(a["expand3"]) != [1, 2]:
        return None
    pairs = first[0] * prod(weight[1:])
    return pairs * weight[0], first[0] * first[-1] * last[-1] * weight[0]


def _pool(dims: int) -> Callable[[Arguments, Tensor], Cost]:
    def count(a: Arguments, out: Tensor) -> Cost:
        kernel = a["kernel_size"]
        kernel = [kernel] if isinstance(kernel, int) else list(kernel)
        return 0, formulas.pooling_operations(out.shape, kernel * dims if len(kernel) == 1 else kernel)

    return count


def _resized_pool(dims: int) -> Callable[[Arguments, Tensor], Cost]:
    def count(a: Arguments, out: Tensor) -> Cost:
        return 0, formulas.resized_pooling_operations(a["self"].shape, out.shape, dims)

    return count


def _each(operations: int) -> Callable[[Arguments, Tensor], Cost]:
    return lambda a, out: (0, out.numel() * operations)


def _batch_norm(a: Arguments, out: Tensor) -> Cost:
    own = a.get("training", a.get("train", True))
    return 0, out.numel() * (formulas.NORMALIZATION if own else formulas.BATCH_NORM_FIXED)


def _fixed_batch_norm(a: Arguments, out: Tensor) -> Cost:
    return 0, out.numel() * formulas.BATCH_NORM_FIXED


def _like_input(operations: int) -> Callable[[Arguments, Tensor], Cost]:
    return lambda a, out: (0, _numel(next(iter(a.values()))) * operations)


_FORMULAS: dict[str, Callable[[Arguments, Any], Cost | None]] = {
    **dict.fromkeys(("convolution", "_convolution", "cudnn_convolution", "mkldnn_convolution"), _convolution),
    **dict.fromkeys(("convolution_overrideable", "miopen_convolution"), _convolution),
    "mm": _product("self"),
    "bmm": _product("self"),
    "mv": _product("self"),
    "dot": lambda a, out: (a["self"].numel(), 0),
    "vdot": lambda a, out: (a["self"].numel(), 0),
    "addmm": _product("mat1", bias="self"),
    "addmm_": _product("mat1", bias="self"),
    "_addmm_activation": lambda a, out: (out.numel() * a["mat1"].shape[-1], out.numel()),
    "addmv": _product("mat", bias="self"),
    "baddbmm": _product("batch1", bias="self"),
    "baddbmm_": _product("batch1", bias="self"),
    "addbmm": _addbmm,
    "_trilinear": _trilinear,
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
            "_scaled_dot_product_fused_attention_overrideable",
            "_scaled_dot_product_attention_math",
        ),
        _attention,
    ),
    **{f"{kind}_pool{dims}d": _pool(dims) for kind in ("max", "avg") for dims in (1, 2, 3)},
    **{f"max_pool{dims}d_with_indices": _pool(dims) for dims in (2, 3)},
    **{f"{kind}_pool{dims}d": _resized_pool(dims) for kind in ("adaptive_max",) for dims in (2, 3)},
    **{f"_adaptive_avg_pool{dims}d": _resized_pool(dims) for dims in (2, 3)},
    "adaptive_avg_pool1d": _resized_pool(1),
    **dict.fromkeys(("native_batch_norm", "cudnn_batch_norm", "_native_batch_norm_legit"), _batch_norm),
    **dict.fromkeys(("miopen_batch_norm", "_batch_norm_with_update"), _batch_norm),
    **dict.fromkeys(("_native_batch_norm_legit_no_training", "_batch_norm_no_update"), _fixed_batch_norm),
    **dict.fromkeys(("native_layer_norm", "native_group_norm"), _each(formulas.NORMALIZATION)),
    "_fused_rms_norm": _each(formulas.RMS_NORMALIZATION),
    **dict.fromkeys(("_softmax", "_safe_softmax", "_log_softmax"), _each(formulas.SOFTMAX)),
    "logsumexp": _like_input(formulas.SOFTMAX - 1),
    "upsample_linear1d": _each(2),
    **dict.fromkeys(("upsample_bilinear2d", "_upsample_bilinear2d_aa"), _each(4)),
    "upsample_trilinear3d": _each(8),
    **dict.fromkeys(("upsample_bicubic2d", "_upsample_bicubic2d_aa"), _each(16)),
    "_thnn_fused_lstm_cell": lambda a, out: (0, 2 * a["input_gates"].numel() + 5 * out.numel()),
}

# One number out of one number of each argument: operations for each number of the result.
# fmt: off
_ELEMENTWISE: dict[str, int] = {
    **dict.fromkeys((
        "add", "sub", "rsub", "mul", "div", "true_divide", "pow", "remainder", "fmod", "floor_divide",
        "maximum", "minimum", "fmax", "fmin", "atan2", "hypot", "lerp", "square", "sqrt", "rsqrt",
        "reciprocal", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin",
        "acos", "atan", "sinh", "cosh", "erf", "erfc", "erfinv", "neg", "abs", "sign", "sgn", "floor", "ceil",
        "round", "trunc", "frac", "clamp", "clamp_min", "clamp_max", "relu", "relu6", "leaky_relu", "prelu",
        "_prelu_kernel", "rrelu_with_noise", "elu", "selu", "celu", "gelu", "silu", "mish", "hardtanh",
        "hardswish", "hardsigmoid", "sigmoid", "log_sigmoid_forward", "tanh", "hardshrink", "softshrink",
        "softplus", "threshold", "eq", "ne", "lt", "le", "gt", "ge", "logical_not", "where", "masked_fill",
        "cumsum", "native_dropout", "polar", "logit", "nan_to_num", "isnan", "isinf", "isfinite", "xlogy",
        "sinc", "glu", "__and__", "__or__",
    ), 1),
    "addcmul": 2, "addcdiv": 2,
}
# Many numbers to one: operations for each number of the first argument.
_REDUCTIONS: dict[str, int] = {
    **dict.fromkeys((
        "sum", "mean", "prod", "amax", "amin", "max", "min", "argmax", "argmin", "any", "all", "norm",
        "linalg_vector_norm", "aminmax", "count_nonzero", "nansum",
    ), 1),
    "var": formulas.VARIANCE, "var_mean": formulas.VARIANCE, "std": formulas.VARIANCE,
    "std_mean": formulas.VARIANCE,
}
# What only moves, makes, looks up or names numbers.
_FREE = frozenset({
    "view", "_unsafe_view", "_reshape_alias", "reshape", "view_as_real", "view_as_complex", "as_strided",
    "permute", "transpose", "t", "expand", "expand_as", "squeeze", "unsqueeze", "slice", "select", "narrow",
    "split", "split_with_sizes", "chunk", "unsafe_split", "unbind", "diagonal", "unfold", "alias", "detach",
    "lift_fresh", "clone", "contiguous", "copy", "_to_copy", "to", "resize", "cat", "stack", "repeat", "roll",
    "flip", "rot90", "tril", "triu", "constant_pad_nd", "pad", "reflection_pad1d", "reflection_pad2d",
    "reflection_pad3d", "replication_pad1d", "replication_pad2d", "replication_pad3d", "im2col",
    "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "native_channel_shuffle", "upsample_nearest1d",
    "upsample_nearest2d", "upsample_nearest3d", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d",
    "_upsample_nearest_exact3d", "index", "index_select", "index_put", "_index_put_impl", "gather", "scatter",
    "slice_scatter", "select_scatter", "take", "masked_select", "embedding", "one_hot", "empty", "empty_like",
    "empty_strided", "zeros", "zeros_like", "ones", "ones_like", "full", "full_like", "new_empty",
    "new_empty_strided", "new_zeros", "new_ones", "new_full", "fill", "zero", "arange", "linspace", "eye",
    "scalar_tensor", "set", "bernoulli", "uniform", "normal", "random", "rand", "randn", "rand_like",
    "randn_like", "randperm", "randint", "_local_scalar_dense", "is_same_size", "equal", "item", "real",
    "imag", "unflatten", "movedim", "fill_diagonal", "_nested_tensor_from_mask", "bitwise_not", "bitwise_and",
    "_assert_async", "_conj", "resolve_conj", "conj", "meshgrid", "sym_size", "_pad_circular",
    "_native_batch_norm_legit_functional",
})
# fmt: on
