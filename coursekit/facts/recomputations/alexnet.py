"""AlexNet in its three forms: sizes, fields, memory, parameters, operations, units."""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import nn

from coursekit.probe import measure

from ..fact import fact
from .group import recomputes
from .measure import Step, count_layers, macs, network, parameters, side, walk, weights

INPUT = (3, 227, 227)
WEIGHTED = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
ROWS = (
    "conv1",
    "pool1",
    "conv2",
    "pool2",
    "conv3",
    "conv4",
    "conv5",
    "pool5",
    "flatten",
    "fc6",
    "fc7",
    "fc8",
)


@cache
def _steps(name: str, side: int = 227) -> dict[str, Step]:
    return {step.name: step for step in walk(network(name), 3, side, side)}


def _macs(name: str) -> dict[str, int]:
    """Multiply-adds of the layers with weights, each profiled by itself on its own input."""
    steps = _steps(name)
    return {layer: macs(steps[layer].layer, *steps[layer].input) for layer in WEIGHTED}


@recomputes("01", how="alexnet run on meta tensors of 227×227; receptive fields measured by gradient")
def one_tower() -> dict[str, Any]:
    """The table of sizes and fields."""
    values: dict[str, Any] = {}
    for row in measure(network("alexnet"), INPUT):
        key = f"01-alexnet-{row.name}"
        channels, *sides = row.output_shape
        if sides:
            values |= {f"{key}-outsize": sides[0], f"{key}-channels": channels}
        else:
            values[f"{key}-size"] = channels
        values |= {f"{key}-rf": row.size, f"{key}-eff-stride": row.stride, f"{key}-eff-padding": row.padding}
    return values


@recomputes("02", how="layers of alexnet profiled on the inputs they get from 227×227 pixels")
def one_tower_costs() -> dict[str, Any]:
    """The table of memory, weights and operations."""
    steps = _steps("alexnet")
    values: dict[str, Any] = {}
    exact = 0
    for name in ROWS:
        step, key = steps[name], f"02-alexnet-{name}"
        operations = macs(step.layer, *step.input)
        exact += operations
        values[f"{key}-memory-kb"] = _numel(step.output) * 4 / 1024
        values[f"{key}-params-k"] = weights(step.layer) / 1000
        values[f"{key}-macs-m"] = operations / 1e6
    printed = sum(fact(f"02-alexnet-{name}-macs-m").given for name in ROWS)
    return values | {"02-alexnet-flops-total": [printed, exact / 1e6]}


@recomputes("01", how="alexnet_ungrouped run on meta tensors of 227×227")
def sizes_of_the_ungrouped() -> dict[str, Any]:
    """Shapes of the network with all filters on one GPU."""
    steps = _steps("alexnet_ungrouped")
    values: dict[str, Any] = {}
    for name in ROWS[:8]:
        called = "pool3" if name == "pool5" else name  # the third pooling, in these slides
        values[f"01-alexnet227-{called}"] = _height_width_channels(steps[name])
    conv1 = steps["conv1"].layer
    assert isinstance(conv1, nn.Conv2d)
    norms = [s for s in steps.values() if isinstance(s.layer, nn.LocalResponseNorm)]
    pools = [s.layer for s in steps.values() if isinstance(s.layer, nn.MaxPool2d)]
    return values | {
        "01-alexnet227-norms": [_height_width_channels(step) for step in norms],
        "01-alexnet227-fc": [steps[name].output[0] for name in ("fc6", "fc7", "fc8")],
        "01-96-filters-shared": [
            conv1.out_channels,
            *conv1.kernel_size,
            conv1.in_channels,
            steps["conv1"].output[1],
        ],
        "01-overlap-pool-definition": [side(pools[0].kernel_size), side(pools[0].stride)],
    }


@recomputes("02", how="parameters and multiply-adds of alexnet_ungrouped and alexnet_2012")
def parameters_of_the_ungrouped() -> dict[str, Any]:
    """The table of parameters, biases counted, and the paper's own network beside it."""
    one, two = network("alexnet_ungrouped"), network("alexnet_2012")
    count = {name: parameters(one.get_submodule(name)) for name in WEIGHTED}
    grouped = {name: parameters(two.get_submodule(name)) for name in WEIGHTED}
    convolutions = [grouped[name] for name in WEIGHTED[:5]]
    values: dict[str, Any] = {f"02-alexnet-ungrouped-{name}-weights": n for name, n in count.items()}
    values |= {f"02-alexnet-{name}-formula": count[name] for name in ("conv1", "conv2", "fc6", "fc8")}
    return values | {
        "02-alexnet-ungrouped-conv-subtotal": sum(count[name] for name in WEIGHTED[:5]),
        "02-alexnet-ungrouped-fc-subtotal": sum(count[name] for name in WEIGHTED[5:]),
        "02-alexnet-ungrouped-total": parameters(one),
        "02-alexnet-grouped-total": [convolutions, sum(convolutions), parameters(two)],
        "02-alexnet227-macs": [
            sum(_macs(name).values()) / 1e6 for name in ("alexnet_ungrouped", "alexnet_2012")
        ],
    }


@recomputes("04", how="layers, units and parameters of alexnet, alexnet_2012 and alexnet_ungrouped")
def architecture() -> dict[str, Any]:
    """Depth, units, parameters, the two GPUs."""
    paper, steps = network("alexnet_2012"), _steps("alexnet_2012")
    units = {name: _numel(steps[name].output) for name in WEIGHTED}
    millions = parameters(paper) / 1e6
    layers = count_layers(paper)
    conv1, conv2 = steps["conv1"].layer, steps["conv2"].layer
    pools = [s.layer for s in steps.values() if isinstance(s.layer, nn.MaxPool2d)]
    assert isinstance(conv1, nn.Conv2d)
    assert isinstance(conv2, nn.Conv2d)
    per_gpu = conv2.weight.shape[1]  # maps that one of conv2's filters sees
    grouped = [n for n in WEIGHTED[:5] if paper.get_submodule(n).groups == 2]
    shows = {
        "ReLU": any(isinstance(s.layer, nn.ReLU) for s in steps.values()),
        "two GPUs": bool(grouped),
        "local response normalization": any(
            isinstance(s.layer, nn.LocalResponseNorm) for s in steps.values()
        ),
        "overlapping pooling": all(side(pool.stride) < side(pool.kernel_size) for pool in pools),
    }
    across = steps["conv1"].output[1]
    values: dict[str, Any] = {f"04-alexnet-neurons-{name}": n for name, n in units.items()}
    return values | {
        "04-alexnet-neurons-conv1-why": across * per_gpu * conv1.out_channels,
        "04-alexnet-units": sum(units.values()) / 1000,
        "04-alexnet-hidden-layers": layers - 1,
        "04-alexnet-eight-layers": layers,
        "04-alexnet-8-layers": layers,
        "04-alexnet-layer-list": count_layers(network("alexnet_ungrouped")),
        "04-alexnet-60m": millions,
        "04-alexnet-60m-003": millions,
        "04-alexnet-60m-two-versions": [
            parameters(network(name)) / 1e6 for name in ("alexnet_2012", "alexnet_ungrouped", "alexnet")
        ],
        "04-alexnet-input-dim": 3 * 224**2,
        "04-alexnet-input-227": _input_that_fits(conv1),
        "04-alexnet-48-per-gpu": [conv1.out_channels, per_gpu],
        "04-alexnet-novelties": [word for word, shown in shows.items() if shown],
        "04-multigpu-half": per_gpu * 2 == conv1.out_channels and grouped == ["conv2", "conv4", "conv5"],
    }


@recomputes("04", how="convolutions of zfnet")
def zfnet() -> dict[str, Any]:
    """AlexNet's successor of 2013."""
    layers = [step.layer for step in walk(network("zfnet"), 3, 224, 224)]
    first, _, *wide = (layer for layer in layers if isinstance(layer, nn.Conv2d))
    return {"04-zfnet": [first.kernel_size[0], first.stride[0], *(conv.out_channels for conv in wide)]}


def _input_that_fits(conv: nn.Conv2d) -> list[int]:
    """Of the two sides that the slides name, the one that windows cover without a rest."""
    sides = [side for side in (224, 227) if (side - conv.kernel_size[0]) % conv.stride[0] == 0]
    return [sides[0], sides[0], conv.in_channels] if len(sides) == 1 else []


def _numel(shape: tuple[int, ...]) -> int:
    return shape[0] * (shape[1] * shape[2] if len(shape) == 3 else 1)


def _height_width_channels(step: Step) -> list[int]:
    channels, height, width = step.output
    return [height, width, channels]
