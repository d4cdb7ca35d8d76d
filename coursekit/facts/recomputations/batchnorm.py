"""Local response normalization and batch normalization, by torch's layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..formula import Samples
from .group import recomputes
from .measure import kinds, network, walk


@recomputes("03", how="torch's LocalResponseNorm on random maps, window by window")
def local_response() -> dict[str, Any]:
    """One activation among its neighbours."""
    torch.manual_seed(0)
    n, alpha, beta, k = 5, 0.02, 0.75, 2.0
    maps = torch.randn(1, 9, 2, 2, dtype=torch.float64) * 3
    normalized = nn.LocalResponseNorm(n, alpha=n * alpha, beta=beta, k=k)(maps)
    settings, measured = [], []
    for i in range(9):
        window = maps[0, max(0, i - n // 2) : i + n // 2 + 1, 0, 0]
        a, s = maps[0, i, 0, 0].item(), window.square().sum().item()
        settings.append({"a": a, "s": s, "alpha": alpha, "beta": beta, "k": k})
        measured.append(normalized[0, i, 0, 0].item())
    return {"03-lrn-formula": Samples(tuple(settings), tuple(measured))}


@recomputes("03", how="torch's BatchNorm1d in training on a random batch; its own running statistics")
def batch() -> dict[str, Any]:
    """Mean, variance, normalization, scale and shift."""
    torch.manual_seed(0)
    x = torch.randn(16, 5, dtype=torch.float64) * 3 + 2
    plain = nn.BatchNorm1d(5, affine=False, momentum=1.0).double()
    xhat = plain(x)
    assert plain.running_mean is not None
    assert plain.running_var is not None
    mu, var = plain.running_mean, plain.running_var * 15 / 16  # torch keeps the variance over m - 1
    layer = nn.BatchNorm1d(5).double()
    with torch.no_grad():
        layer.weight.uniform_(0.5, 2)
        layer.bias.uniform_(-1, 1)
    y = layer(x)
    gamma, beta = layer.weight, layer.bias
    places = [(0, 0), (3, 1), (7, 2), (15, 4)]

    def at(**columns: Tensor) -> tuple[dict[str, float], ...]:
        return tuple(
            {name: (t[i, j] if t.dim() == 2 else t[j]).item() for name, t in columns.items()}
            | {"eps": layer.eps}
            for i, j in places
        )

    def values(t: Tensor) -> tuple[float, ...]:
        return tuple(t[i, j].item() for i, j in places)

    # No layer but this one is asked what mean and variance are; these are the definitions.
    mean, spread = x.sum(0, keepdim=True) / 16, (x - x.mean(0)).square().sum(0, keepdim=True) / 16
    return {
        "03-bn-mean": mean.shape == (1, 5) and torch.allclose(mean[0], mu),
        "03-bn-var": spread.shape == (1, 5) and torch.allclose(spread[0], var),
        "03-bn-normalize": Samples(at(x=x, mu=mu, var=var), values(xhat)),
        "03-bn-scale-shift": Samples(at(xhat=xhat, gamma=gamma, beta=beta), values(y)),
        "03-bn-formula": Samples(at(x=x, mu=mu, var=var, gamma=gamma, beta=beta), values(y)),
        "03-bn-fc-shapes": {tuple(p.shape) for p in (mu, var, gamma, beta)} == {(5,)},
    }


@recomputes("03", how="torch's layers in training and evaluation; order of layers in vgg16_bn")
def usage() -> dict[str, Any]:
    """Running statistics, biases, maps, and where the layer stands."""
    torch.manual_seed(0)
    batches = [torch.randn(32, 3) * (i + 1) + i for i in range(4)]
    average = nn.BatchNorm1d(3, momentum=None)
    exponential = nn.BatchNorm1d(3)
    for x in batches:
        average(x)
    exponential(batches[0])
    assert exponential.running_mean is not None
    assert exponential.running_var is not None
    assert average.running_mean is not None
    assert average.running_var is not None
    means, variances = (torch.stack([f(x, 0) for x in batches]).mean(0) for f in (torch.mean, torch.var))
    weight, bias = torch.randn(6, 3), torch.randn(6) * 5
    after = nn.BatchNorm1d(6)
    maps = torch.randn(4, 3, 5, 6)
    over = maps - maps.mean((0, 2, 3), keepdim=True)
    over = over / (maps.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
    words = kinds(walk(network("vgg16_bn"), 3, 32, 32))
    places = [i for i, word in enumerate(words) if word == "normalization"]
    return {
        "03-bn-test-running": torch.allclose(exponential.running_mean, 0.1 * batches[0].mean(0))
        and torch.allclose(exponential.running_var, 0.9 + 0.1 * batches[0].var(0)),
        "03-bn-test-average": torch.allclose(average.running_mean, means, atol=1e-6)
        and torch.allclose(average.running_var, variances, rtol=1e-5),
        "03-bn-replaces-bias": torch.allclose(
            after(batches[0] @ weight.T), after(batches[0] @ weight.T + bias), atol=1e-4
        ),
        "03-bn-conv-shapes": torch.allclose(nn.BatchNorm2d(3, affine=False)(maps), over, atol=1e-5),
        "03-bn-placement": len(places) == 13
        and all((words[i - 1], words[i + 1]) == ("3×3", "ReLU") for i in places),
    }
