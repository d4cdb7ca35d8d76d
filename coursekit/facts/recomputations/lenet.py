"""LeNet-5, and what AlexNet has besides."""

from __future__ import annotations

from typing import Any

from torch import nn

from .group import recomputes
from .measure import count_layers, kinds, network, parameters, side, walk

INPUT = (1, 32, 32)


def _lenet() -> nn.Module:
    return network("lenet5", num_classes=10, in_channels=1)


@recomputes("00", "04", how="lenet5 run on meta tensors of 32×32")
def lenet5() -> dict[str, Any]:
    """Sizes, depth, kinds of layer."""
    steps = {step.name: step for step in walk(_lenet(), *INPUT)}
    words = kinds(list(steps.values()))
    ours = {
        "c1": "conv1",
        "s2": "pool1",
        "c3": "conv2",
        "s4": "pool2",
        "c5": "fc3",
        "f6": "fc4",
        "output": "fc5",
    }
    values: dict[str, Any] = {}
    for theirs, name in ours.items():
        shape = list(steps[name].output)
        values[f"04-lenet5-{theirs}"] = shape if len(shape) == 3 else shape[0]
    style = [word for word in ("average pooling", "tanh") if word in words]
    return values | {
        "00-lenet5-style": style + words[-1:],
        "04-lenet5-depth": count_layers(_lenet()),
        "04-lenet5-params": parameters(_lenet()),
    }


@recomputes(
    "01", "04", how="layers of alexnet_2012 beside those of lenet5, vgg16, googlenet, resnet50, densenet121"
)
def layers_of_networks() -> dict[str, Any]:
    """Which layers there are, and how pooling is set."""
    alexnet = kinds(walk(network("alexnet_2012"), 3, 227, 227))
    lenet = kinds(walk(_lenet(), *INPUT))
    groups = {
        "convolution": any("×" in word for word in alexnet),
        "fully connected": "fully connected" in alexnet,
        "non-linearity": "ReLU" in alexnet,
        "normalization": "local response normalization" in alexnet,
        "pooling": "max pooling" in alexnet,
    }
    steps = walk(_lenet(), *INPUT)
    for name in ("alexnet", "vgg16", "googlenet", "resnet50", "densenet121"):
        steps += walk(network(name), 3, 224, 224)
    pools = [step for step in steps if kinds([step]) in (["max pooling"], ["average pooling"])]
    shrinking: list[Any] = [step.layer for step in pools if step.output[1] < step.input[1]]
    return {
        "01-components": [word for word, there in groups.items() if there],
        "01-pool-kinds": sorted({word.removesuffix(" pooling") for word in kinds(pools)}),
        "01-pool-usual": [
            sorted({side(pool.kernel_size) for pool in shrinking}),
            sorted({side(pool.stride) for pool in shrinking}),
        ],
        "04-alexnet-relu-maxpool-dropout": [
            word for word in ("max pooling", "ReLU", "dropout") if word in alexnet and word not in lenet
        ],
    }
