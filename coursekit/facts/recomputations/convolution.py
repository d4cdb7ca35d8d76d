"""The convolution itself: its sum, its shapes, its receptive field, and pooling."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coursekit.probe import equivariance_gap, receptive_field

from ..formula import Samples
from .group import recomputes
from .measure import macs, output_shape, stack, weights


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=_generator(), dtype=torch.float64)


def _by_fourier(image: Tensor, kernel: Tensor) -> Tensor:
    """The full convolution of two arrays, by the convolution theorem: no sum of the definition is used."""
    size = [a + b - 1 for a, b in zip(image.shape, kernel.shape, strict=True)]
    return torch.fft.irfftn(torch.fft.rfftn(image, size) * torch.fft.rfftn(kernel, size), size)


def _by_torch(image: Tensor, kernel: Tensor) -> Tensor:
    """What torch's layer function makes of all overlaps of two arrays, without flipping anything."""
    convolve = F.conv1d if image.dim() == 1 else F.conv2d
    return convolve(image[None, None], kernel[None, None], padding=[n - 1 for n in kernel.shape])[0, 0]


def _flip(x: Tensor) -> Tensor:
    return x.flip(tuple(range(x.dim())))


@recomputes("01", how="torch's conv1d and conv2d against products of Fourier transforms, on random arrays")
def definition() -> dict[str, Any]:
    """What is convolution, what is not, and its laws."""
    line, taps, more = _random(9), _random(4), _random(3)
    image, kernel = _random(6, 7), _random(3, 2)
    turn = _by_fourier(_by_fourier(line, taps), more)
    once = _by_fourier(line, _by_fourier(taps, more))
    chain = _by_torch(_by_torch(line, _flip(taps)), _flip(more))
    close = torch.allclose
    return {
        "01-conv-1d-integral": close(_by_torch(line, _flip(taps)), torch.from_numpy(np.convolve(line, taps))),
        "01-conv-2d": close(_by_torch(image, _flip(kernel)), _by_fourier(image, kernel)),
        "01-conv-commutative": close(_by_torch(image, _flip(kernel)), _by_torch(kernel, _flip(image))),
        "01-libraries-cross-correlate": close(_by_torch(image, kernel), _by_fourier(image, _flip(kernel)))
        and not close(_by_torch(image, kernel), _by_fourier(image, kernel)),
        "01-conv-associative": close(turn, once) and close(chain, once),
    }


@recomputes("00", "01", how="single units of torch layers against sums over einsum")
def units() -> dict[str, Any]:
    """One unit of a layer."""
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 2, 5).double()
    assert layer.bias is not None
    x = _random(1, 3, 9, 9)
    windows = x.unfold(2, 5, 1).unfold(3, 5, 1)
    sums = torch.einsum("nchwij,kcij->nkhw", windows, layer.weight) + layer.bias[:, None, None]
    alone = [F.conv2d(x, layer.weight[i : i + 1], layer.bias[i : i + 1]) for i in (0, 1)]
    dense = nn.Linear(4, 1).double()
    features = _random(5, 4)
    odds = torch.exp(torch.einsum("nd,d->n", features, dense.weight[0]) + dense.bias)
    return {
        "00-perceptron": torch.allclose(torch.sigmoid(dense(features))[:, 0], odds / (1 + odds)),
        "01-neuron-formula": torch.allclose(layer(x), sums),
        "01-two-neurons-index": torch.allclose(layer(x), torch.cat(alone, 1)),
        "01-neuron-weights-5x5": layer.weight[0].numel(),
        "01-dot-75": layer.weight[0].numel(),
        "01-1x1-dot-64": nn.Conv2d(64, 32, 1).weight[0].numel(),
        "01-conv-weights-4d": list(nn.Conv2d(3, 6, (5, 4)).weight.shape),
        "01-conv1d-weights": list(nn.Conv1d(4, 7, 3).weight.shape),
        "01-conv3d-weights": list(nn.Conv3d(4, 7, 3).weight.shape),
        "01-conv-hyperparameters": [name for name, _ in layer.named_parameters()],
        "01-mlp-input-size": torch.empty(400, 400, 3, device="meta").flatten().numel(),
        "01-mlp-248000": torch.empty(400, 400, 3, device="meta").flatten().numel(),
        "01-mlp-params": weights(nn.Linear(400 * 400 * 3, 500, device="meta")) / 1e6,
    }


@recomputes("01", how="torch's convolutions and poolings run on meta tensors")
def sizes() -> dict[str, Any]:
    """Shapes of outputs."""
    first, second = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 10, 5)
    six = output_shape(first, 3, 32, 32)
    settings = [
        {"w": w, "k": k, "s": s, "p": p}
        for w, k, s, p in product((5, 8, 11, 16), (1, 2, 3, 5), (1, 2, 3), (0, 1, 2))
    ]
    widths = [{"w": w} for w in (3, 4, 7, 32, 224)]
    filters = [{"K": k} for k in (1, 4, 96)]
    # Each of the three settings moves its own part of the shape.
    arranged = [
        output_shape(nn.Conv2d(3, k, 3, stride, padding), 3, 16, 16)
        for k, stride, padding in ((4, 1, 0), (8, 1, 0), (4, 2, 0), (4, 1, 1))
    ]
    halves = all(
        output_shape(nn.Conv2d(1, 1, 3, 2, 1), 1, n, n)
        == output_shape(stack(nn.Conv2d(1, 1, 3, 1, 1), nn.MaxPool2d(2)), 1, n, n)
        for n in range(4, 40, 2)
    )
    same = [nn.Conv2d(3, 10, 3, padding=1), nn.Conv2d(10, 10, 3, padding=1), nn.MaxPool2d(2)]
    return {
        "01-outsize-formula": Samples.of(
            settings, lambda w, k, s, p: output_shape(nn.Conv2d(1, 1, k, s, p), 1, w, w)[1]
        ),
        "01-outsize-same": Samples.of(widths, lambda w: output_shape(nn.Conv2d(1, 1, 3, 1, 1), 1, w, w)[1]),
        "01-k-filters-k-maps": Samples.of(filters, lambda K: output_shape(nn.Conv2d(3, K, 3), 3, 9, 9)[0]),
        "01-outsize-32-5": output_shape(nn.Conv2d(1, 1, 5), 1, 32, 32)[1],
        "01-map-28": list(output_shape(nn.Conv2d(3, 1, 5), 3, 32, 32)[1:]),
        "01-six-maps": list(six),
        "01-six-bias": nn.Conv2d(3, 6, 5).bias.numel(),  # type: ignore[union-attr]
        "01-conv-32-5-28": [*six[1:], six[0]],
        "01-stride2-pad1-7": output_shape(nn.Conv2d(1, 1, 3, 2, 1), 1, 7, 7)[1],
        "01-1x1-64-32": list(output_shape(nn.Conv2d(64, 32, 1), 64, 56, 56)),
        "01-stack-32-28-24": [six[1], output_shape(second, *six)[1]],
        "01-stack-params": [sum(p.numel() for p in layer.parameters()) for layer in (first, second)],
        "01-conv-conv-pool": list(output_shape(stack(*same), 3, 32, 32)),
        "01-spatial-arrangement": arranged == [(4, 14, 14), (8, 14, 14), (4, 7, 7), (4, 16, 16)],
        "01-no-pooling-stride": halves,
    }


@recomputes("01", how="weights of torch layers, and fields measured by gradient")
def fields() -> dict[str, Any]:
    """What a unit sees, and for how many weights."""
    chains = [{"L": depth, "K": kernel} for depth in (1, 2, 3, 5) for kernel in (1, 3, 5)]
    maps = [{"K": k} for k in (2, 8, 16)]
    layers = [{"C": c, "H": h, "W": w} for c, h, w in ((4, 7, 7), (8, 5, 9))]
    plain, dilated = nn.Conv2d(1, 1, 3, bias=False), nn.Conv2d(1, 1, 3, dilation=2, bias=False)

    def field(*parts: nn.Module) -> int:
        return receptive_field(nn.Sequential(*parts), 64).size

    def chain(channels: int, kernel: int, depth: int) -> nn.Sequential:
        layers = [
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False) for _ in range(depth)
        ]
        return stack(*layers)

    def costs(C: int, H: int, W: int, kernel: int, depth: int) -> tuple[int, int]:
        return weights(chain(C, kernel, depth)), macs(chain(C, kernel, depth), C, H, W)

    return {
        "01-rf-formula": Samples.of(chains, lambda L, K: field(*(nn.Conv2d(1, 1, K) for _ in range(L)))),
        "01-three-3x3-vs-7x7-weights": Samples.of(
            maps, lambda K: (weights(chain(K, 7, 1)), weights(chain(K, 3, 3)))
        ),
        "01-5x5-params": Samples.of(layers, lambda C, H, W: costs(C, H, W, 5, 1)),
        "01-two-3x3-params": Samples.of(layers, lambda C, H, W: costs(C, H, W, 3, 2)),
        "01-dilated-25-9": [field(dilated) ** 2, weights(dilated)],
        "01-dilated-49-18": [field(plain, dilated) ** 2, weights(nn.Sequential(plain, dilated))],
        "01-guideline-6-dilated": field(dilated) > field(plain) and weights(dilated) == weights(plain),
    }


@recomputes("01", how="pooling and convolution run on small inputs")
def pooling_and_shifts() -> dict[str, Any]:
    """Max pooling forward and backward; what a shifted image does."""
    example = torch.tensor([[1.0, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])
    x = _random(1, 1, 6, 6).requires_grad_()
    pooled = F.max_pool2d(x, 2)
    coming = _random(*pooled.shape)
    pooled.backward(coming)
    assert x.grad is not None
    largest = x.detach() == pooled.detach().repeat_interleave(2, 2).repeat_interleave(2, 3)
    sent = torch.where(largest, coming.repeat_interleave(2, 2).repeat_interleave(2, 3), 0)
    torch.manual_seed(0)
    around = partial(nn.Conv2d, kernel_size=3, padding=1, padding_mode="circular")  # no border
    network = nn.Sequential(around(1, 4), nn.ReLU(), around(4, 4))
    gap = equivariance_gap(network, torch.randn(1, 1, 24, 24), shift=(3, 2))
    local = receptive_field(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)), 24).size
    return {
        "01-maxpool-example": F.max_pool2d(example[None], 2)[0].int().tolist(),
        "01-maxpool-backprop": torch.equal(x.grad, sent),
        "01-nutshell": gap < 1e-5 and local == 5,
    }
