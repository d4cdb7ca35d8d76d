"""How far a function is from moving its output along with its input."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["equivariance_gap"]


def equivariance_gap(function: Callable[[Tensor], Tensor], x: Tensor, shift: tuple[int, int]) -> float:
    """How far the function is from moving its output along with its input.

    The largest difference between f(shifted x) and shifted f(x), as a share of the largest |f(x)|: 0 for
    equivariance. Shifts are circular, so that nothing is lost at the border; zero padding shows up as a gap.
    An output without height and width (class scores) is not shifted: then 0 means invariance.

    Args:
        function: maps `(N, C, H, W)` to `(N, C', H', W')` or `(N, features)`.
        x: images `(N, C, H, W)`.
        shift: rows down and columns to the right, in input pixels.

    Raises:
        ValueError: when a smaller output would have to move by a part of a pixel.
    """
    with torch.no_grad():
        before, after = function(x), function(x.roll(shift, (-2, -1)))
        if before.dim() == 4:
            moves = []
            for axis, step in zip((-2, -1), shift, strict=True):
                move, rest = divmod(step * before.shape[axis], x.shape[axis])
                if rest:
                    raise ValueError(
                        f"a shift of {step} pixels is no whole number of pixels in an output of "
                        f"{before.shape[axis]} for an input of {x.shape[axis]}"
                    )
                moves.append(move)
            before = before.roll(moves, (-2, -1))
        difference, scale = (after - before).abs().max().item(), before.abs().max().item()
    return difference / scale if scale else float("inf" if difference else 0)
