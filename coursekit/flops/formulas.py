"""What an operation costs, from shapes alone: nothing here has seen a tensor, a module or a tracer.

Two kinds of counts, kept apart everywhere:

- MACs, multiply-adds, of what multiplies by weights or by other activations: convolution, matrix products,
  attention;
- other operations: pooling, normalization, activation, sums of maps. One multiply-add counts as one operation
  here too, and a function such as a sigmoid as one, whatever it costs a processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

__all__ = [
    "attention_macs",
    "attention_other",
    "convolution_macs",
    "matmul_macs",
    "pooling_operations",
    "resized_pooling_operations",
]

Shape = Sequence[int]

# Operations for each number.
BATCH_NORM_FIXED = 1  # statistics, weight and bias fold into one multiply-add
NORMALIZATION = 5  # mean, difference, its square and sum, scaling, and a multiply-add for weight and bias
RMS_NORMALIZATION = 3  # square and sum, scaling, weight
SOFTMAX = 5  # largest, difference, exponential, sum, division
VARIANCE = 3  # mean, difference, square and sum


def convolution_macs(x: Shape, weight: Shape, out: Shape, *, transposed: bool = False) -> int:
    """Every position meets the whole kernel once: positions of the output, or of the input if transposed.

    Args:
        x: `(N, C, ...)` of the input.
        weight: as torch keeps it: `(C_out, C_in / groups, ...)`, transposed `(C_in, C_out / groups, ...)`; so
            groups and depthwise layers need no case of their own.
        out: `(N, C_out, ...)` of the output.
        transposed: for a transposed convolution, which scatters where the other gathers.
    """
    positions = x[2:] if transposed else out[2:]
    return x[0] * prod(positions) * prod(weight)


def matmul_macs(out: Shape, inner: int) -> int:
    """Every number of the product is a sum of `inner` products."""
    return prod(out) * inner


def attention_macs(query: Shape, key: Shape, value: Shape) -> int:
    """Scores of every query with every key, and as many weighted sums of values.

    Args:
        query: `(..., heads, L, E)`.
        key: `(..., heads, S, E)`; with fewer heads each of them serves several query heads.
        value: `(..., heads, S, E_v)`.
    """
    pairs = prod(query[:-1]) * key[-2]
    return pairs * (query[-1] + value[-1])


def attention_other(query: Shape, key: Shape) -> int:
    """The scaling and the softmax of the scores."""
    return prod(query[:-1]) * key[-2] * (1 + SOFTMAX)


def pooling_operations(out: Shape, window: Shape) -> int:
    """Each number of the output looks once at each number of its window; a window of one is only copied."""
    size = prod(window)
    return prod(out) * size if size > 1 else 0


def resized_pooling_operations(x: Shape, out: Shape, dims: int) -> int:
    """Pooling to a given size: window i of n over a side of s reaches from floor(i s/n) to ceil((i + 1) s/n).

    Args:
        x: shape of the input.
        out: shape of the output.
        dims: how many of the last dimensions are pooled.
    """
    seen = 1
    for side, n in zip(x[-dims:], out[-dims:], strict=True):
        seen *= sum(-(-(i + 1) * side // n) - i * side // n for i in range(n))
    return prod(out[:-dims]) * seen if tuple(x) != tuple(out) else 0
