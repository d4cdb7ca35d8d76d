"""GoogLeNet: parameters, operations, depth, modules, heads."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from coursekit.models.googlenet import AuxiliaryHead, Branches

from .group import recomputes
from .measure import count_layers, kinds, macs, network, output_shape, parameters, walk

IMAGE = (3, 224, 224)


@recomputes("02", "03", "04", how="googlenet without auxiliary heads, counted and profiled on 224×224")
def costs() -> dict[str, Any]:
    """Parameters and operations, against AlexNet's of 2012."""
    net = network("googlenet", aux=False)
    alexnet = network("alexnet_2012")
    millions = parameters(net) / 1e6
    ratio = parameters(alexnet) / parameters(net)
    ours = macs(net, *IMAGE)
    theirs = sum(
        macs(s.layer, *s.input)
        for s in walk(alexnet, 3, 227, 227)
        if isinstance(s.layer, nn.Conv2d | nn.Linear)
    )
    return {
        "02-googlenet-4m": millions,
        "02-googlenet-4m-repeat": millions,
        "02-googlenet-5m": millions,
        "02-googlenet-5m-only": millions,
        "02-googlenet-12x": ratio,
        "04-googlenet-ratio": ratio,
        "02-googlenet-2x-compute": ours / theirs,
        "03-googlenet-bn": any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules()),
    }


@recomputes("04", how="layers and branches of googlenet, run on meta tensors of 224×224")
def architecture() -> dict[str, Any]:
    """Depth, modules, outputs, sizes."""
    net = network("googlenet")
    steps = walk(network("googlenet", aux=False), *IMAGE)
    modules = [module for module in net.modules() if isinstance(module, Branches)]
    heads = [module for module in net.modules() if isinstance(module, AuxiliaryHead)]
    # A module is as deep as its deepest branch; what is outside of modules and heads stands on every path.
    depth = sum(max(count_layers(branch) for branch in module.values()) for module in modules)
    inside = sum(count_layers(part) for part in (*modules, *heads))
    depth += count_layers(net) - inside
    branches = [kinds(walk(branch, 192, 28, 28)) for branch in modules[0].values()]
    stem = [
        s.output[1]
        for s in steps
        if isinstance(s.layer, nn.Conv2d | nn.MaxPool2d) and s.output[1] < s.input[1]
    ]
    last = next(step for step in steps if isinstance(step.layer, nn.AdaptiveAvgPool2d))
    with torch.device("meta"):
        outputs = [*net.train()(torch.empty(2, *IMAGE))]
    net.eval()
    return {
        "04-googlenet-22": depth,
        "04-ilsvrc-googlenet-19-layers": depth,
        "04-googlenet-nine-modules": [len(modules), len(outputs)],
        "04-inception-module": [
            [word.replace("max pooling", "3×3 pooling") for word in branch if word != "ReLU"]
            for branch in branches
        ],
        "04-auxiliary-classifiers": [tuple(out.shape) for out in outputs] == [(2, 1000)] * 3
        and len(heads) == 2,
        "04-googlenet-stem-sizes": stem[:3],
        "04-googlenet-aux-pool": output_shape(nn.AvgPool2d(5, stride=3), 512, 14, 14)[1],
        "04-googlenet-final-pool": last.input[1],
    }
