"""ResNet-18 to -152: sizes, blocks, depth, operations; residual blocks at work."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .group import recomputes
from .measure import count_layers, kinds, macs, network, output_shape, walk

DEPTHS = (18, 34, 50, 101, 152)
STAGES = ("conv1", "conv2_x", "conv3_x", "conv4_x", "conv5_x")
IMAGE = (3, 224, 224)
# As in the paper: no projections in ResNet-34's shortcuts, and a bottleneck's stride in its first 1×1.
IN_THE_PAPER: dict[int, dict[str, object]] = {
    34: {"shortcut": "A"},
    50: {"stride_in_1x1": True},
    101: {"stride_in_1x1": True},
    152: {"stride_in_1x1": True},
}


@recomputes("01", "04", "05", how="stages of resnet18 to resnet152 run on meta tensors of 224×224")
def stages() -> dict[str, Any]:
    """Sizes, blocks, depth, widths, the head."""
    values: dict[str, Any] = {}
    for depth in DEPTHS:
        net = network(f"resnet{depth}")
        values[f"04-resnet{depth}-depth"] = count_layers(net, without="shortcut")
        values[f"04-resnet{depth}-blocks"] = [len(list(net.get_submodule(s).children())) for s in STAGES[1:]]
    shapes = _shapes("resnet18")
    for name, shape in zip(STAGES, shapes, strict=True):
        values[f"01-resnet-{name.replace('_', '')}-outsize"] = shape[1]
    *_, pooling, _, last = walk(network("resnet50"), *IMAGE)
    words = {"global average pooling": "average pooling", "fully connected": "fully connected, 1000"}
    halves = [shapes[i + 1][1] / shapes[i][1] for i in range(1, 4)]
    doubles = [shapes[i + 1][0] / shapes[i][0] for i in range(1, 4)]
    return values | {
        "04-resnet-bottleneck-widths": [shape[0] for shape in _shapes("resnet50")[1:]],
        "04-resnet-head": [words[word] for word in kinds([pooling, last]) if last.output == (1000,)],
        "04-resnet-two-3x3": [halves, doubles],
        "04-conv-layers-resnet50": values["04-resnet50-depth"] - 1,
        "04-conv-layers-resnet152": values["04-resnet152-depth"] - 1,
        "04-depth-names": [
            count_layers(network(name), without="shortcut") for name in ("alexnet", "vgg19", "resnet152")
        ],
        "04-depth-history": [
            count_layers(network("alexnet")) - 1,
            count_layers(network("vgg19")),
            values["04-resnet152-depth"],
        ],
        "05-resnet-stem-quarter": IMAGE[1] / shapes[1][1],
    }


def _shapes(name: str) -> list[tuple[int, ...]]:
    x: tuple[int, ...] = IMAGE
    shapes = []
    for layer, module in network(name).named_children():
        x = output_shape(module, *x)
        if layer in STAGES:
            shapes.append(x)
    return shapes


@recomputes("02", how="resnet18 to resnet152 profiled on 224×224, shortcuts and strides as in the paper")
def operations() -> dict[str, Any]:
    """The row of FLOPs, in billions."""
    return {
        f"02-resnet{depth}-flops": macs(network(f"resnet{depth}", **IN_THE_PAPER.get(depth, {})), *IMAGE)
        / 1e9
        for depth in DEPTHS
    }


@recomputes("04", "05", how="blocks of resnet18, resnet50 and mobilenet_v2 run on random input")
def blocks() -> dict[str, Any]:
    """What a block adds to its input, and what stands behind the sum."""
    torch.manual_seed(0)
    from coursekit.models.mobilenet_v2 import InvertedResidual
    from coursekit.models.resnet import BasicBlock, Bottleneck

    x = torch.randn(2, 16, 6, 6)
    basic, bottleneck = BasicBlock(16, 16).eval(), Bottleneck(16, 4).eval()
    inverted = InvertedResidual(16, 16, stride=1, expansion=6).eval()
    seen: list[torch.Tensor] = []
    basic.residual.register_forward_hook(lambda layer, inputs, output: seen.append(output.clone()))
    with torch.no_grad():
        y = basic(x.clone())
        lowest = [block(x.clone()).min().item() for block in (basic, bottleneck, inverted)]
    return {
        "04-residual-formula": bool(torch.allclose(y, nn.functional.relu(seen[0] + x), atol=1e-6)),
        "05-resnet-nonlinearity-outside": lowest[0] >= 0 and lowest[1] >= 0 and lowest[2] < 0,
    }


@recomputes("09", how="state dicts of resnet18 with 1000 and with 10 classes")
def heads() -> dict[str, Any]:
    """What another task changes."""
    one, other = (network("resnet18", num_classes=n).state_dict() for n in (1000, 10))
    changed = {key.split(".")[0] for key in one if one[key].shape != other[key].shape}
    return {
        "09-task-head": one.keys() == other.keys() and changed == {"fc"},
        "09-classification-1000": output_shape(network("resnet18"), *IMAGE)[0],
    }
