"""What kind of layer a call of a torch function is, by its name."""

from __future__ import annotations

from typing import Any

from torch import Tensor

__all__ = ["LAYERS", "kind_of"]

# The rows of the lecture's tables; the rest (norm, activation, ...) can be folded away.
LAYERS = frozenset({
    "conv", "pool", "linear", "matmul", "attention", "recurrent", "embedding", "flatten",
})  # fmt: skip

# fmt: off
_KINDS = {
    **{f"conv{transposed}{dims}d": "conv" for transposed in ("", "_transpose") for dims in (1, 2, 3)},
    "conv_tbc": "conv", "convolution": "conv",
    "linear": "linear", "bilinear": "linear",
    **dict.fromkeys((
        "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "mv", "dot", "vdot", "addmm", "addbmm", "baddbmm",
        "addmv", "einsum", "tensordot", "chain_matmul", "multi_dot", "inner",
    ), "matmul"),
    **dict.fromkeys(("scaled_dot_product_attention", "multi_head_attention_forward"), "attention"),
    **dict.fromkeys((
        "lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell",
    ), "recurrent"),
    **dict.fromkeys(("embedding", "embedding_bag"), "embedding"),
    **{
        f"{kind}_pool{dims}d{tail}": "pool"
        for kind in ("max", "avg", "lp", "fractional_max", "adaptive_max", "adaptive_avg")
        for dims in (1, 2, 3) for tail in ("", "_with_indices")
    },
    **dict.fromkeys((
        "batch_norm", "layer_norm", "group_norm", "instance_norm", "local_response_norm", "rms_norm",
        "native_batch_norm", "native_layer_norm", "normalize",
    ), "norm"),
    **dict.fromkeys((
        "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish",
        "hardtanh", "hardswish", "hardsigmoid", "sigmoid", "logsigmoid", "tanh", "hardshrink", "softshrink",
        "tanhshrink", "softplus", "softsign", "threshold", "softmax", "log_softmax", "softmin", "glu",
    ), "activation"),
    **dict.fromkeys(("cat", "concat", "concatenate", "stack", "hstack", "vstack"), "concat"),
    **dict.fromkeys(("interpolate", "upsample", "grid_sample"), "resize"),
    **dict.fromkeys(("dropout", "dropout2d", "alpha_dropout", "feature_dropout"), "dropout"),
}
# fmt: on


def kind_of(function: str, args: Any, kwargs: Any, output: Tensor) -> str:
    """`"conv"`, `"pool"`, `"linear"`, ... and `"other"`.

    A view of maps as vectors is a flattening whatever it is called, a mean over height and width a pooling,
    and a pooling to the size that its input has already is `"same"`.
    """
    name = function if function.startswith("__") else function.rstrip("_")
    x = args[0] if args else kwargs.get("input")
    maps = isinstance(x, Tensor) and x.dim() >= 3
    if name.startswith("adaptive") and maps and x.shape == output.shape:
        return "same"
    if name in ("flatten", "view", "reshape") and maps and output.dim() == 2 and len(x) == len(output):
        return "flatten"
    if name == "mean" and maps and x.dim() == 4 and output.numel() == x.shape[0] * x.shape[1]:
        return "pool" if _dims(args, kwargs) == {2, 3} else "other"
    return _KINDS.get(name, "other")


def _dims(args: Any, kwargs: Any) -> set[int]:
    dims = args[1] if len(args) > 1 else kwargs.get("dim")
    return {d % 4 for d in dims} if isinstance(dims, tuple | list) else set()
