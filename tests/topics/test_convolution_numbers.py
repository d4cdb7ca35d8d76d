"""Topic 01: its numbers counted once more, by closed forms that know nothing of the course's code.

The numbers stand in `coursekit/facts/data/01.toml`; `tests/lecture/test_facts.py` holds notebooks to them.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch

from tests.lecture.telling import disagreements, numbers, out, results, to_tell

# --- closed forms ----------------------------------------------------------------------------------------


def alexnet() -> dict[str, Any]:
    """The one-tower table on 227 pixels: a window's first and last pixel followed through the layers."""
    layers = {
        "conv1": (64, 11, 4, 2),
        "pool1": (64, 3, 2, 0),
        "conv2": (192, 5, 1, 2),
        "pool2": (192, 3, 2, 0),
        "conv3": (384, 3, 1, 1),
        "conv4": (256, 3, 1, 1),
        "conv5": (256, 3, 1, 1),
        "pool5": (256, 3, 2, 0),
        "fc6": (4096, 6, 1, 0),
        "fc7": (4096, 1, 1, 0),
        "fc8": (1000, 1, 1, 0),
    }
    table: dict[str, Any] = {}
    size, history = 227, []
    for name, (channels, kernel, stride, padding) in layers.items():
        size = out(size, kernel, stride, padding)
        history.append((kernel, stride, padding))
        (first, last), (next_first, _) = (seen(unit, history) for unit in (0, 1))
        column = "size" if name.startswith("fc") else "outsize"
        table[f"01-alexnet-{name}-{column}"] = channels if column == "size" else size
        if column == "outsize":
            table[f"01-alexnet-{name}-channels"] = channels
        table[f"01-alexnet-{name}-rf"] = last - first + 1
        table[f"01-alexnet-{name}-eff-stride"] = next_first - first
        table[f"01-alexnet-{name}-eff-padding"] = -first
        if name == "pool5":  # flattening moves numbers and changes none
            table["01-alexnet-flatten-size"] = channels * size * size
            for part in ("rf", "eff-stride", "eff-padding"):
                table[f"01-alexnet-flatten-{part}"] = table[f"01-alexnet-pool5-{part}"]
    return table


def seen(unit: int, history: list[tuple[int, int, int]]) -> tuple[int, int]:
    """First and last input pixel of a unit, from the last layer back to the image."""
    first = last = unit
    for kernel, stride, padding in reversed(history):
        first, last = first * stride - padding, last * stride - padding + kernel - 1
    return first, last


def alexnet_227() -> dict[str, Any]:
    c1 = out(227, 11, 4)
    p1 = out(c1, 3, 2)
    p2 = out(out(p1, 5, 1, 2), 3, 2)
    shapes = {
        "conv1": [c1, c1, 96],
        "pool1": [p1, p1, 96],
        "norms": [p1, p1, 96, p2, p2, 256],
        "conv2": [out(p1, 5, 1, 2)] * 2 + [256],
        "pool2": [p2, p2, 256],
        "conv3": [out(p2, 3, 1, 1)] * 2 + [384],
        "conv4": [out(p2, 3, 1, 1)] * 2 + [384],
        "conv5": [out(p2, 3, 1, 1)] * 2 + [256],
        "pool3": [out(p2, 3, 2)] * 2 + [256],
    }
    return {f"01-alexnet227-{name}": shape for name, shape in shapes.items()}


def resnet() -> dict[str, Any]:
    stem = out(224, 7, 2, 3)
    sizes = itertools.accumulate(range(4), lambda size, _: out(size, 3, 2, 1), initial=stem)
    names = ("conv1", "conv2x", "conv3x", "conv4x", "conv5x")
    return {f"01-resnet-{name}-outsize": size for name, size in zip(names, sizes, strict=True)}


def full(a: list[int], b: list[int]) -> list[int]:
    """One-dimensional convolution by its definition."""
    return [
        sum(a[m] * b[t - m] for m in range(len(a)) if 0 <= t - m < len(b)) for t in range(len(a) + len(b) - 1)
    ]


def full_2d(a: list[list[int]], b: list[list[int]]) -> list[list[int]]:
    """Two-dimensional convolution by its definition."""
    rows, columns = len(a) + len(b) - 1, len(a[0]) + len(b[0]) - 1
    inside = [(m, n) for m in range(len(a)) for n in range(len(a[0]))]
    return [
        [
            sum(
                a[m][n] * b[i - m][j - n] for m, n in inside if 0 <= i - m < len(b) and 0 <= j - n < len(b[0])
            )
            for j in range(columns)
        ]
        for i in range(rows)
    ]


def as_library(a: list[list[int]], b: list[list[int]], *, flip: bool) -> list[list[int]]:
    """What torch's conv2d makes of the same lists, over all overlaps."""
    image, kernel = (torch.tensor(v, dtype=torch.float64)[None, None] for v in (a, b))
    kernel = kernel.flip(2, 3) if flip else kernel
    padding = (len(b) - 1, len(b[0]) - 1)
    return torch.nn.functional.conv2d(image, kernel, padding=padding)[0, 0].int().tolist()


A, B = [[1, 2, 0], [3, -1, 4], [2, 2, 1]], [[1, 0], [2, -3]]
FLIPPED = [row[::-1] for row in B[::-1]]


def neuron_sum() -> bool:
    """One output of a layer is the sum of products over channel, row and column, plus the bias."""
    layer = torch.nn.Conv2d(2, 1, 2).double()
    x = torch.arange(18.0, dtype=torch.float64).view(1, 2, 3, 3)
    places = itertools.product(range(2), range(2), range(2))
    by_hand = sum(x[0, c, 1 + i, 1 + j] * layer.weight[0, c, i, j] for c, i, j in places) + layer.bias[0]
    return bool(torch.isclose(layer(x)[0, 0, 1, 1], by_hand))


def formula_of_sizes() -> bool:
    cases = itertools.product(range(5, 20), (1, 2, 3, 5), (1, 2, 3), (0, 1, 2))
    return all(out(w, k, s, p) == (w + 2 * p - k) // s + 1 for w, k, s, p in cases)


RECOUNTED: dict[str, Any] = {
    **alexnet(),
    **alexnet_227(),
    **resnet(),
    "01-alexnet227-fc": [alexnet()[f"01-alexnet-{name}-size"] for name in ("fc6", "fc7", "fc8")],
    "01-mlp-input-size": 400 * 400 * 3,
    "01-mlp-params": 500 * 400 * 400 * 3,
    "01-mlp-248000": 400 * 400 * 3,
    "01-neuron-weights-5x5": 3 * 5 * 5,
    "01-dot-75": 5 * 5 * 3,
    "01-map-28": [out(32, 5)] * 2,
    "01-six-maps": [6, out(32, 5), out(32, 5)],
    "01-six-bias": 6,
    "01-conv-32-5-28": [out(32, 5), out(32, 5), 6],
    "01-outsize-32-5": out(32, 5),
    "01-stride2-pad1-7": out(7, 3, 2, 1),
    "01-stack-32-28-24": [out(32, 5), out(out(32, 5), 5)],
    "01-stack-params": [6 * (5 * 5 * 3 + 1), 10 * (5 * 5 * 6 + 1)],
    "01-96-filters-shared": [96, 11, 11, 3, out(227, 11, 4)],
    "01-1x1-64-32": [32, out(56, 1), out(56, 1)],
    "01-1x1-dot-64": 64,
    "01-dilated-25-9": [(2 * 2 + 1) ** 2, 3 * 3],
    "01-dilated-49-18": [(1 + 2 + 4) ** 2, 2 * 3 * 3],
    "01-maxpool-example": [6, 8, 3, 4],
    "01-three-3x3-vs-7x7-weights": [7 * 7, 3 * 3 * 3],
    "01-5x5-params": 5 * 5,
    "01-two-3x3-params": 2 * 3 * 3,
    "01-conv-1d-integral": full([1, 2, 3], [4, 5]) == [4, 13, 22, 15],
    "01-conv-2d": full_2d(A, B) == as_library(A, B, flip=True) != as_library(A, B, flip=False),
    "01-conv-commutative": full_2d(A, B) == full_2d(B, A),
    "01-libraries-cross-correlate": as_library(A, B, flip=False) == full_2d(A, FLIPPED),
    "01-conv-associative": full(full([1, 5, -2], [1, 2]), [3, -1]) == full([1, 5, -2], full([1, 2], [3, -1])),
    "01-neuron-formula": neuron_sum(),
    "01-outsize-formula": formula_of_sizes(),
    "01-outsize-same": all(out(w, 3, 1, 1) == w for w in range(1, 300)),
    "01-overlap-pool-definition": all(out(n, 3, 2) == out(n, 2, 2) for n in (55, 27)),
    "01-rf-formula": all(
        seen(50, [(k, 1, 0)] * depth)[1] - 50 == depth * (k - 1) for k in (3, 5, 7) for depth in range(1, 9)
    ),
}


def test_counting_again_gives_what_the_lecture_tells() -> None:
    assert disagreements("01", RECOUNTED) == {}


COUNTED = ("number", "table", "formula")


def test_every_number_that_is_recomputed_is_counted_again() -> None:
    recomputed = [i for i, result in results("01").items() if result.fact.kind in COUNTED]
    stated = {i for i in recomputed if results("01")[i].value is None}
    assert {i for i in recomputed if numbers(to_tell("01")[i])} - stated - set(RECOUNTED) == set()
