"""What the recomputations share: networks without memory, their layers at work, their costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from coursekit.flops import profile
from coursekit.models import create_model

__all__ = [
    "Step",
    "count_layers",
    "kinds",
    "macs",
    "network",
    "output_shape",
    "parameters",
    "side",
    "stack",
    "walk",
    "weights",
]

KINDS: dict[type[nn.Module], str] = {
    nn.Linear: "fully connected",
    nn.MaxPool2d: "max pooling",
    nn.AvgPool2d: "average pooling",
    nn.AdaptiveAvgPool2d: "global average pooling",
    nn.BatchNorm2d: "normalization",
    nn.LocalResponseNorm: "local response normalization",
    nn.ReLU: "ReLU",
    nn.ReLU6: "ReLU6",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.Dropout: "dropout",
}


@dataclass(frozen=True, eq=False)
class Step:
    """One layer at work, shapes without the batch axis."""

    name: str
    layer: nn.Module
    input: tuple[int, ...]
    output: tuple[int, ...]


@cache
def network(name: str, **options: object) -> nn.Module:
    """A network of the zoo on the meta device, in evaluation mode."""
    with torch.device("meta"):
        return create_model(name, **options).eval()  # type: ignore[arg-type]


def stack(*layers: nn.Module) -> nn.Sequential:
    """Layers in turn, on the meta device."""
    return nn.Sequential(*layers).to("meta")


def parameters(module: nn.Module, but: str = "\0") -> int:
    """Number of parameters, without those whose name begins with `but`."""
    return sum(p.numel() for name, p in module.named_parameters() if not name.startswith(but))


def weights(module: nn.Module) -> int:
    """Number of weights: parameters that are neither biases nor scales."""
    return sum(p.numel() for p in module.parameters() if p.dim() > 1)


def macs(module: nn.Module, *input_shape: int) -> int:
    """Multiply-adds on one input `(C, H, W)`, as `coursekit.flops.profile` counts them."""
    return profile(module, input_shape).macs


def output_shape(module: nn.Module, *input_shape: int) -> tuple[int, ...]:
    """Shape of the output for one input, without the batch axis."""
    with torch.no_grad():
        out: Tensor = module.to("meta")(torch.empty(1, *input_shape, device="meta"))
    return tuple(out.shape[1:])


def walk(module: nn.Module, *input_shape: int) -> list[Step]:
    """The layers that have no children, in the order in which they run."""
    steps: list[Step] = []
    handles = []
    for name, layer in module.named_modules():
        if any(True for _ in layer.children()):
            continue

        def seen(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, name: str = name) -> None:
            steps.append(Step(name, layer, tuple(inputs[0].shape[1:]), tuple(output.shape[1:])))

        handles.append(layer.register_forward_hook(seen))
    try:
        with torch.no_grad():
            module(torch.empty(1, *input_shape, device="meta"))
    finally:
        for handle in handles:
            handle.remove()
    return steps


def kinds(steps: Sequence[Step]) -> list[str]:
    """What each layer is, convolutions by kernel: `"1×1"`, `"3×3 depthwise"`; others are left out."""
    words = []
    for step in steps:
        layer = step.layer
        if isinstance(layer, nn.Conv2d):
            height, width = layer.kernel_size
            depthwise = layer.groups == layer.in_channels > 1
            words.append(f"{height}×{width}" + (" depthwise" if depthwise else ""))
        elif type(layer) in KINDS:
            words.append(KINDS[type(layer)])
    return words


def side(size: int | tuple[int, ...]) -> int:
    """Of a square window or step, which torch keeps as one number or as two."""
    return size if isinstance(size, int) else size[0]


def count_layers(module: nn.Module, *, without: str = "\0") -> int:
    """Convolutions and fully connected layers, but for those with `without` in their name."""
    return sum(
        isinstance(layer, nn.Conv2d | nn.Linear) and without not in name
        for name, layer in module.named_modules()
    )
