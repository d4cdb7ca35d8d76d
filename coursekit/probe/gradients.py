"""Which pixels one output unit depends on, and how strongly: by the gradient of that unit."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from coursekit.probe.positive_weights import run_with_positive_weights

__all__ = ["as_map", "influence", "input_shape", "support"]


def support(network: nn.Module, input_size: int | Sequence[int], position: tuple[int, int]) -> Tensor:
    """The input pixels that one output unit depends on, as a boolean map `(H, W)`.

    Args:
        network: any module that takes `(N, C, H, W)`; it is left as it was.
        input_size: side of a square image, `(H, W)`, or `(C, H, W)`.
        position: row and column of the output unit.

    Raises:
        IndexError: for a position outside the output.
    """
    shape = input_shape(network, input_size)
    x, output = run_with_positive_weights(network, shape)
    return _gradient(as_map(output), x, position) != 0


def influence(
    network: nn.Module, x: Tensor, position: tuple[int, int] | None = None, *, channel: int | None = None
) -> Tensor:
    """How strongly each pixel moves one output unit: the gradient's size, `(H, W)`, for the real weights.

    Not every pixel of the receptive field counts the same (Luo et al.: Understanding the effective receptive
    field in deep convolutional neural networks, NIPS 2016).

    Args:
        network: any module; its output is `(1, C, H, W)` or `(1, features)`.
        x: one image `(1, C, H, W)` or `(C, H, W)`.
        position: row and column of the output unit; by default the middle.
        channel: of the output; by default the sum over all.

    Raises:
        IndexError: for a position outside the output.
    """
    x = (x if x.dim() == 4 else x[None]).detach().clone().requires_grad_()
    output = as_map(network(x))
    if channel is not None:
        output = output[:, channel : channel + 1]
    height, width = output.shape[2:]
    return _gradient(output, x, position or (height // 2, width // 2))


def _gradient(layer: Tensor, x: Tensor, position: tuple[int, int]) -> Tensor:
    """Size of the gradient of the unit at this position, over channels summed: `(H, W)`."""
    height, width = layer.shape[2:]
    row, column = position
    if not (0 <= row < height and 0 <= column < width):
        raise IndexError(f"unit {position} lies outside the {height}×{width} output; count from (0, 0)")
    unit = layer[:, :, row, column].sum()
    if not unit.requires_grad:
        return torch.zeros(x.shape[2:])
    (gradient,) = torch.autograd.grad(unit, x, retain_graph=True)
    return gradient.abs().sum((0, 1))


def as_map(output: Tensor) -> Tensor:
    """`(N, features)` as a map of one unit."""
    return output if output.dim() == 4 else output.flatten(1)[:, :, None, None]


def input_shape(network: nn.Module, input_size: int | Sequence[int]) -> tuple[int, int, int]:
    """`(C, H, W)`; the channels, where they are not given, are those of the first convolution."""
    sizes = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
    if len(sizes) == 2:
        first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
        sizes = (first.in_channels if first is not None else 1, *sizes)
    if len(sizes) != 3:
        raise ValueError(f"input_size is {input_size}; give a side, (H, W) or (C, H, W)")
    return (sizes[0], sizes[1], sizes[2])
