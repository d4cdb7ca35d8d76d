"""The loss around a trained network, along random directions that are made comparable.

Li, Xu, Taylor, Studer, Goldstein: Visualizing the loss landscape of neural nets, NeurIPS 2018, section 4.

A network whose filters are ten times as large, with batch norm behind them, computes the same function; a
step of the same length then changes ten times less. So each filter of a direction gets the length of the
network's own filter, and a step of 1 means the same everywhere.

    a, b = direction(net, seed=0), direction(net, seed=1)
    grid = losses(net, a, b, torch.linspace(-1, 1, 11), images, labels)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

__all__ = ["direction", "local_minima", "losses"]

Direction = Mapping[str, Tensor]


def direction(net: nn.Module, seed: int) -> dict[str, Tensor]:
    """A random direction in the space of the weights, each filter as long as the network's own.

    Name of a parameter -> tensor of its shape. Biases and the parameters of norms do not move (zeros), as in
    the paper.
    """
    generator = torch.Generator().manual_seed(seed)
    moves = {}
    for name, weight in net.named_parameters():
        move = torch.zeros_like(weight)
        if weight.dim() >= 2:
            drawn = torch.randn(weight.shape, generator=generator).to(weight)
            lengths = [w.detach().flatten(1).norm(dim=1) for w in (weight, drawn)]
            scale = lengths[0] / lengths[1].clamp_min(1e-12)
            move = drawn * scale.view(-1, *(1 for _ in weight.shape[1:]))
        moves[name] = move
    return moves


@torch.no_grad()
def losses(
    net: nn.Module, across: Direction, up: Direction, steps: Any, images: Tensor, labels: Tensor
) -> Tensor:
    """Cross-entropy at every point of a square grid around the network: `(rows, columns)`, up and across.

    The network is in evaluation mode meanwhile (norms keep their averages, as in the authors' code); its
    weights and mode are as before afterwards.

    Args:
        net: trained.
        across: from `direction`.
        up: another one.
        steps: places along both, `(n,)`; 0 is the network itself.
        images: `(N, C, H, W)`.
        labels: `(N,)`.
    """
    places = torch.as_tensor(steps).tolist()
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    weights = dict(net.named_parameters())
    rows = []
    for v in places:
        base = {name: weight + v * up[name] for name, weight in weights.items()}
        row = []
        for u in places:
            moved = {name: weight + u * across[name] for name, weight in base.items()}
            row.append(F.cross_entropy(functional_call(net, moved, (images,)), labels))
        rows.append(torch.stack(row))
    for module, training in modes:
        module.training = training
    return torch.stack(rows).cpu()


def local_minima(grid: Tensor) -> int:
    """Local minima of a surface `(rows, columns)`: points lower than all eight neighbours, border left out.

    A bowl has one. NaN and infinity are no minima.
    """
    inner = grid[1:-1, 1:-1]
    rows, columns = grid.shape
    lowest = torch.isfinite(inner)
    for i in range(3):
        for j in range(3):
            if (i, j) != (1, 1):
                lowest &= ~(inner >= grid[i : rows - 2 + i, j : columns - 2 + j])
    return int(lowest.sum())
