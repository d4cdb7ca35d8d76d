"""VGG A to E: depth, widths, parameters; VGG-16 against AlexNet."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

from torch import nn

from ..fact import stated_value
from .group import recomputes
from .measure import Step, count_layers, macs, network, parameters, walk

COLUMNS = {
    "a": "vgg11",
    "a-lrn": "vgg11_lrn",
    "b": "vgg13",
    "c": "vgg16_1x1",
    "d": "vgg16",
    "e": "vgg19",
}
LEFT_OUT = "conv3_3"


@cache
def _steps(name: str, side: int) -> tuple[Step, ...]:
    return tuple(walk(network(name), 3, side, side))


def _stages(name: str) -> list[list[nn.Conv2d]]:
    """The convolutions in front of each pooling."""
    stages: list[list[nn.Conv2d]] = [[]]
    for step in _steps(name, 224):
        if isinstance(step.layer, nn.Conv2d):
            stages[-1].append(step.layer)
        elif isinstance(step.layer, nn.MaxPool2d):
            stages.append([])
    return stages[:-1]


@recomputes("02", "04", how="layers and parameters of vgg11, vgg11_lrn, vgg13, vgg16_1x1, vgg16, vgg19")
def columns() -> dict[str, Any]:
    """The columns of the table of configurations."""
    values: dict[str, Any] = {}
    for column, name in COLUMNS.items():
        values[f"02-vgg-{column}-params-m"] = parameters(network(name)) / 1e6
        values[f"04-vgg-{column}-depth"] = count_layers(network(name))
    for i in range(5):
        widths = {conv.out_channels for name in COLUMNS.values() for conv in _stages(name)[i]}
        values[f"04-vgg-stage{i + 1}-width"] = widths.pop() if len(widths) == 1 else sorted(widths)
    first, *_ = _steps("vgg16", 224)
    dense = [step.output[0] for step in _steps("vgg16", 224) if isinstance(step.layer, nn.Linear)]
    ones = [conv for stage in _stages("vgg16_1x1") for conv in stage if conv.kernel_size == (1, 1)]
    stages = {name: [len(stage) for stage in _stages(name)] for name in ("vgg16", "vgg19")}
    return values | {
        "04-vgg-140m": parameters(network("vgg16")) / 1e6,
        "04-vgg-fc": dense,
        "04-vgg-input": [*first.input[1:], first.input[0]],
        "04-vgg-1x1": len(ones),
        "04-vgg19-layer-list": count_layers(network("vgg19")),
        "04-vgg-stage3": stages["vgg16"][2],
        "04-vgg-stage4-5": [counts.pop() for counts in (set(stages[n][3:]) for n in ("vgg16", "vgg19"))],
        "04-conv-layers-vgg16": sum(stages["vgg16"]),
        "04-vgg-rules": _rules(),
    }


def _rules() -> list[bool]:
    convolutions = [conv for stage in _stages("vgg16") for conv in stage]
    pools = [step.layer for step in _steps("vgg16", 224) if isinstance(step.layer, nn.MaxPool2d)]
    widths = [stage[-1].out_channels for stage in _stages("vgg16")]
    return [
        all((c.kernel_size, c.stride, c.padding) == ((3, 3), (1, 1), (1, 1)) for c in convolutions),
        all((pool.kernel_size, pool.stride) == (2, 2) for pool in pools),
        all(b == 2 * a for a, b in pairwise(widths)),
    ]


@recomputes(
    "02",
    "04",
    how="vgg16 on 224×224 and alexnet on 227×227 profiled layer by layer, with and without conv3_3",
)
def against_alexnet() -> dict[str, Any]:
    """Memory of activations, parameters and operations."""
    small, large = _totals("alexnet", 227), _totals("vgg16", 224)
    slides = _totals("vgg16", 224, without=LEFT_OUT)
    key = "02-vgg-alexnet"
    count = {name: parameters(network(name)) for name in ("alexnet", "vgg16", "resnet50", "resnet152")}
    resnet101 = network("resnet101", stride_in_1x1=True)
    return {
        f"{key}-memory-alexnet": small["MiB"],
        f"{key}-memory-vgg16": large["MiB"],
        f"{key}-memory-vgg16-why": slides["MiB"],
        f"{key}-memory-ratio": slides["MiB"] / small["MiB"],
        f"{key}-params-alexnet": count["alexnet"] / 1e6,
        f"{key}-params-vgg16": count["vgg16"] / 1e6,
        f"{key}-params-ratio": count["vgg16"] / count["alexnet"],
        f"{key}-flops-alexnet": small["MACs"] / 1e9,
        f"{key}-flops-vgg16": large["MACs"] / 1e9,
        f"{key}-flops-vgg16-why": slides["MACs"] / 1e9,
        f"{key}-flops-ratio": float(
            stated_value(f"{key}-flops-vgg16") / stated_value(f"{key}-flops-alexnet")
        ),
        "04-resnet101-vs-vgg16": [
            round(count["vgg16"] / parameters(resnet101), 2),
            round(large["MACs"] / macs(resnet101, 3, 224, 224), 2),
        ],
        "04-params-about-same": max(count.values()) / min(count.values()),
    }


def _totals(name: str, side: int, *, without: str = "") -> dict[str, float]:
    """Over convolutions and fully connected layers: float32 outputs in MiB, and multiply-adds."""
    numbers = operations = 0
    for step in _steps(name, side):
        if isinstance(step.layer, nn.Conv2d | nn.Linear) and step.name != without:
            channels, *sides = step.output
            numbers += channels * (sides[0] * sides[1] if sides else 1)
            operations += macs(step.layer, *step.input)
    return {"MiB": numbers * 4 / 2**20, "MACs": operations}


@recomputes("05", "09", how="maps of vgg16 on 224×224 pixels; its parameters without fully connected layers")
def features() -> dict[str, Any]:
    """How fast maps shrink, and what is left in the end."""
    poolings = [step for step in _steps("vgg16", 224) if isinstance(step.layer, nn.MaxPool2d)]
    volumes = [step.input[0] * step.input[1] * step.input[2] for step in poolings]
    channels, height, width = poolings[-1].output
    return {
        "05-guideline-1": [a / b for a, b in pairwise(volumes)],
        "09-features-7x7x512": [height, width, channels],
        "09-fcn-1-32": 224 / height,
        "09-features-few-million": parameters(network("vgg16"), but="fc") / 1e6,
    }
