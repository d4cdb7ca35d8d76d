"""Squeeze and excitation: what it consists of and what it adds."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from coursekit.flops import profile
from coursekit.models.parts import SqueezeExcite

from ..fact import stated_value
from ..formula import Samples
from .group import recomputes
from .measure import Step, walk

CHART = ("vgg16", "resnet50", "resnet101", "resnet152", "resnext50", "resnext101")


def _unit(C: int) -> SqueezeExcite:
    """Behind a bottleneck whose output has 4C channels, with the paper's reduction by 16."""
    with torch.device("meta"):
        return SqueezeExcite(4 * C, C // 4)


def _word(step: Step) -> str:
    words = {nn.AdaptiveAvgPool2d: "global average pooling", nn.ReLU: "ReLU", nn.Sigmoid: "sigmoid"}
    if isinstance(step.layer, nn.Conv2d):  # 1×1 on a pooled map
        return "fully connected"
    return words.get(type(step.layer), type(step.layer).__name__)


def _operations(C: int, H: int, W: int) -> int:
    """As the slides count here: a multiply-add is one operation, and all other arithmetic counts as well."""
    return profile(_unit(C), (4 * C, H, W)).flops("lecture")


@recomputes(
    "05",
    how="SqueezeExcite of the course, profiled with all its arithmetic; gains from the slides' own chart",
)
def squeeze_and_excitation() -> dict[str, Any]:
    """Layers, operations, gains."""
    settings = [{"C": c, "H": h, "W": w} for c, h, w in ((64, 56, 56), (128, 28, 28), (16, 5, 7))]
    words = [_word(step) for step in walk(_unit(64), 256, 7, 7)]
    pairs = [stated_value(f"05-se-chart-{name}") for name in CHART]
    x = torch.rand(1, 256, 3, 3)
    torch.manual_seed(0)
    unit = SqueezeExcite(256, 16)
    scaled = unit(x) / x
    constant = torch.allclose(scaled, scaled.mean((2, 3), keepdim=True).expand_as(scaled), atol=1e-5)
    return {
        "05-se-structure": words + (["scale"] if constant else []),
        "05-se-flops-formula": Samples.of(settings, _operations),
        "05-se-16": _operations(64, 56, 56) / 1e6,
        "05-se-1-2-pct": sum(after - before >= 1 for before, after in pairs),
    }
