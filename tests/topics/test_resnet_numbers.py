"""Topic 04: its numbers counted once more, by closed forms that know nothing of the course's code.

The numbers stand in `coursekit/facts/data/04.toml`; `tests/lecture/test_facts.py` holds notebooks to them.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
import torchvision
from torch import nn

from coursekit.facts.fact import fact
from tests.lecture.telling import disagreements, numbers, out, results, to_tell

# --- closed forms: parameters ----------------------------------------------------------------------------


def conv(kernel: int, c_in: int, c_out: int, groups: int = 1, bias: bool = True) -> int:
    return kernel**2 * (c_in // groups) * c_out + bias * c_out


def dense(*widths: int) -> int:
    return sum(a * b + b for a, b in itertools.pairwise(widths))


ALEXNETS = {  # kernel, input channels, output channels, groups
    "2012": [(11, 3, 96, 1), (5, 96, 256, 2), (3, 256, 384, 1), (3, 384, 384, 2), (3, 384, 256, 2)],
    "one GPU": [(11, 3, 96, 1), (5, 96, 256, 1), (3, 256, 384, 1), (3, 384, 384, 1), (3, 384, 256, 1)],
    "one tower": [(11, 3, 64, 1), (5, 64, 192, 1), (3, 192, 384, 1), (3, 384, 256, 1), (3, 256, 256, 1)],
}


def alexnet(form: str) -> int:
    return sum(conv(*row) for row in ALEXNETS[form]) + dense(256 * 6 * 6, 4096, 4096, 1000)


def alexnet_units() -> dict[str, int]:
    first = out(227, 11, 4)
    second = out(first, 3, 2)
    third = out(second, 3, 2)
    units = {"conv1": 96 * first**2, "conv2": 256 * second**2}
    units |= {"conv3": 384 * third**2, "conv4": 384 * third**2, "conv5": 256 * third**2}
    return units | {"fc6": 4096, "fc7": 4096, "fc8": 1000}


VGG_STAGES = {  # convolutions of each stage; the 1×1 ones of C count as well
    "a": (1, 1, 2, 2, 2),
    "a-lrn": (1, 1, 2, 2, 2),
    "b": (2, 2, 2, 2, 2),
    "c": (2, 2, 3, 3, 3),
    "d": (2, 2, 3, 3, 3),
    "e": (2, 2, 4, 4, 4),
}
VGG_WIDTHS = (64, 128, 256, 512, 512)


def vgg_rows(column: str) -> list[tuple[int, int, int]]:
    """Input channels, output channels and map size of each convolution, all of them 3×3."""
    rows, c_in = [], 3
    for stage, (width, depth) in enumerate(zip(VGG_WIDTHS, VGG_STAGES[column], strict=True)):
        for _ in range(depth):
            rows.append((c_in, width, 224 >> stage))
            c_in = width
    return rows


def vgg_parameters(column: str) -> int:
    return sum(conv(3, a, b) for a, b, _ in vgg_rows(column)) + dense(7 * 7 * 512, 4096, 4096, 1000)


def vgg_macs(column: str) -> int:
    inside = sum(9 * a * b * side**2 for a, b, side in vgg_rows(column))
    return inside + 7 * 7 * 512 * 4096 + 4096 * 4096 + 4096 * 1000


GOOGLENET = [  # 1×1; 1×1 before 3×3, 3×3; 1×1 before 5×5, 5×5; 1×1 behind the pooling
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
]


def googlenet() -> int:
    total, c_in = conv(7, 3, 64) + conv(1, 64, 64) + conv(3, 64, 192), 192
    for one, r3, three, r5, five, pool in GOOGLENET:
        total += conv(1, c_in, one) + conv(1, c_in, r3) + conv(3, r3, three)
        total += conv(1, c_in, r5) + conv(5, r5, five) + conv(1, c_in, pool)
        c_in = one + three + five + pool
    return total + dense(c_in, 1000)


RESNETS = {  # blocks of each stage, layers of a block
    18: ((2, 2, 2, 2), 2),
    34: ((3, 4, 6, 3), 2),
    50: ((3, 4, 6, 3), 3),
    101: ((3, 4, 23, 3), 3),
    152: ((3, 8, 36, 3), 3),
}


def resnet_rows(depth: int, widening: int = 1, stride_in_3x3: bool = True) -> list[tuple[int, int, int, int]]:
    """Kernel, input and output channels and output size of every convolution, shortcuts included."""
    blocks, layers = RESNETS[depth]
    rows, c_in, side = [(7, 3, 64, 112)], 64, 56
    for stage, count in enumerate(blocks):
        base = 64 << stage
        inner, c_out = base * widening, base * (4 if layers == 3 else 1)
        for block in range(count):
            strided = stage > 0 and block == 0
            before, side = side, side // 2 if strided else side
            if layers == 2:
                rows += [(3, c_in, base, side), (3, base, base, side)]
            else:
                rows += [(1, c_in, inner, before if stride_in_3x3 else side)]
                rows += [(3, inner, inner, side), (1, inner, c_out, side)]
            if c_in != c_out:
                rows += [(1, c_in, c_out, side)]
            c_in = c_out
    return rows


def resnet_parameters(depth: int, widening: int = 1) -> int:
    """Convolutions without biases, two numbers a map in the norm behind each, one dense layer."""
    rows = resnet_rows(depth, widening)
    return sum(k * k * a * b + 2 * b for k, a, b, _ in rows) + dense(rows[-1][2], 1000)


def resnet_macs(depth: int, stride_in_3x3: bool = True) -> int:
    rows = resnet_rows(depth, stride_in_3x3=stride_in_3x3)
    return sum(k * k * a * b * side**2 for k, a, b, side in rows) + rows[-1][2] * 1000


def densenet(growth: int, blocks: tuple[int, ...], stem: int) -> int:
    """Each layer: norm, 1×1 to 4 times the growth, norm, 3×3 to the growth; halved between blocks."""
    total, channels = 49 * 3 * stem + 2 * stem, stem
    for i, layers in enumerate(blocks):
        for _ in range(layers):
            total += 2 * channels + channels * 4 * growth + 8 * growth + 9 * 4 * growth * growth
            channels += growth
        if i < len(blocks) - 1:
            total += 2 * channels + channels * (channels // 2)
            channels //= 2
    return total + 2 * channels + dense(channels, 1000)


DENSENETS = {
    121: (32, (6, 12, 24, 16), 64),
    161: (48, (6, 12, 36, 24), 96),
    169: (32, (6, 12, 32, 32), 64),
    201: (32, (6, 12, 48, 32), 64),
}


# --- closed forms: everything else -----------------------------------------------------------------------


def given(name: str) -> Any:
    """What the slides state, as numbers of floating point."""
    value = fact(f"04-{name}").given
    return numbers(value) if isinstance(value, list) else float(value)


def published(name: str) -> list[float]:
    """Top-1 and top-5 accuracy, in percent, as torchvision publishes them with its weights."""
    metrics = torchvision.models.get_weight(name).meta["_metrics"]["ImageNet-1K"]
    return [metrics["acc@1"], metrics["acc@5"]]


def theirs(name: str) -> nn.Module:
    """torchvision's network, shapes only."""
    with torch.device("meta"):
        return torchvision.models.get_model(name, weights=None)


def lenet() -> dict[str, Any]:
    c1 = out(32, 5)
    c3 = out(c1 // 2, 5)
    return {
        "04-lenet5-c1": [6, c1, c1],
        "04-lenet5-s2": [6, c1 // 2, c1 // 2],
        "04-lenet5-c3": [16, c3, c3],
        "04-lenet5-s4": [16, c3 // 2, c3 // 2],
        "04-lenet5-c5": 120,
        "04-lenet5-f6": 84,
        "04-lenet5-output": 10,
        "04-lenet5-params": conv(5, 1, 6) + conv(5, 6, 16) + dense(16 * (c3 // 2) ** 2, 120, 84, 10),
        "04-lenet5-depth": 2 + 3,
    }


def alexnets() -> dict[str, Any]:
    units = alexnet_units()
    conv3, conv4 = (conv(*row) for row in ALEXNETS["2012"][2:4])
    fc6, fc7 = dense(256 * 6 * 6, 4096), dense(4096, 4096)
    removed = {"7": fc7, "67": fc6 + fc7, "34": conv3 + conv4, "3467": conv3 + conv4 + fc6 + fc7}
    fits = [side for side in (224, 227) if (side - 11) % 4 == 0]
    return {
        **{f"04-alexnet-neurons-{name}": n for name, n in units.items()},
        **{f"04-remove-layers-{which}": round(n / 1e6, 2) for which, n in removed.items()},
        "04-alexnet-neurons-conv1-why": 55 * 48 * 96,
        "04-alexnet-units": sum(units.values()),
        **{f"04-alexnet-{name}": alexnet("2012") for name in ("60m", "60m-003")},
        "04-alexnet-60m-two-versions": [alexnet(form) for form in ("2012", "one GPU", "one tower")],
        **{f"04-alexnet-{name}": len(units) for name in ("eight-layers", "8-layers", "layer-list")},
        "04-alexnet-hidden-layers": len(units) - 1,
        "04-alexnet-input-dim": 224 * 224 * 3,
        "04-alexnet-input-227": [fits[0], fits[0], 3],
        "04-alexnet-inputs-cross": [out(227, 11, 4, 2), out(227, 11, 4), out(224, 11, 4)],
        "04-alexnet-48-per-gpu": [96, 96 // 2],
        "04-multigpu-half": [row[3] for row in ALEXNETS["2012"]] == [1, 2, 1, 2, 2],
        "04-tv-alexnet-v1-params-m": alexnet("one tower") / 1e6,
        "04-zfnet": [7, 2, 512, 1024, 512],
    }


def vggs() -> dict[str, Any]:
    layers = [m for m in theirs("vgg16").features if isinstance(m, nn.Conv2d | nn.MaxPool2d)]
    convs = [m for m in layers if isinstance(m, nn.Conv2d)]
    return {
        **{f"04-vgg-{column}-depth": sum(stages) + 3 for column, stages in VGG_STAGES.items()},
        **{f"04-vgg-stage{i}-width": width for i, width in enumerate(VGG_WIDTHS, 1)},
        "04-vgg-input": [224, 224, 3],
        "04-vgg-fc": [4096, 4096, 1000],
        "04-vgg-1x1": 3,
        "04-vgg-140m": vgg_parameters("d"),
        "04-vgg19-layer-list": sum(VGG_STAGES["e"]) + 3,
        "04-vgg-stage3": VGG_STAGES["d"][2],
        "04-vgg-stage4-5": [VGG_STAGES["d"][3], VGG_STAGES["e"][3]],
        "04-conv-layers-vgg16": len(convs),
        "04-vgg-rules": [
            all((m.kernel_size, m.stride, m.padding) == ((3, 3), (1, 1), (1, 1)) for m in convs),
            all((m.kernel_size, m.stride) == (2, 2) for m in layers if isinstance(m, nn.MaxPool2d)),
            all(b == 2 * a for a, b in itertools.pairwise(VGG_WIDTHS)),
        ],
    }


def googlenets() -> dict[str, Any]:
    depth = 3 + 2 * len(GOOGLENET) + 1
    return {
        "04-googlenet-22": depth,
        "04-ilsvrc-googlenet-19-layers": depth,
        "04-googlenet-nine-modules": [len(GOOGLENET), 1 + 2],
        "04-googlenet-ratio": round(alexnet("2012") / googlenet(), 2),
        "04-googlenet-stem-sizes": [math.ceil(224 / 2**i) for i in (1, 2, 3)],
        "04-googlenet-aux-pool": out(14, 5, 3),
        "04-googlenet-final-pool": math.ceil(224 / 2**5),
        "04-googlenet-stem": sum(9 * a * b * s**2 for a, b, s in vgg_rows("d")[:7]) / vgg_macs("d") > 0.5,
    }


def resnets() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for depth, (blocks, layers) in RESNETS.items():
        network = theirs(f"resnet{depth}")
        values[f"04-resnet{depth}-depth"] = 2 + layers * sum(blocks)
        values[f"04-resnet{depth}-blocks"] = [len(getattr(network, f"layer{i}")) for i in range(1, 5)]
        values[f"04-resnet{depth}-top1"] = published(f"ResNet{depth}_Weights.IMAGENET1K_V1")[0]
    head = theirs("resnet18")
    words = {nn.AdaptiveAvgPool2d: "average pooling", nn.Linear: "fully connected"}
    ends = [words[type(layer)] for layer in list(head.children())[-2:]]
    return values | {
        "04-resnet-bottleneck-widths": [4 * (64 << stage) for stage in range(4)],
        "04-resnet-head": [ends[0], f"{ends[1]}, {head.fc.out_features}"],
        "04-resnet-two-3x3": [[1, 64, 64], *([2, 64 << stage, 128 << stage] for stage in range(3))],
        "04-basic-block-flops": 2 * 3 * 3,
        "04-bottleneck-block-flops": 4 * 1 + 3 * 3 + 1 * 4,
        "04-more-layers-less-cost": 4 + 9 + 4 < 2 * 9,
        "04-conv-layers-resnet50": 1 + 3 * sum(RESNETS[50][0]),
        "04-conv-layers-resnet152": 1 + 3 * sum(RESNETS[152][0]),
        "04-residual-formula": added_to_the_input(),
        "04-resnet101-vs-vgg16": [
            round(vgg_parameters("d") / resnet_parameters(101), 2),
            round(vgg_macs("d") / resnet_macs(101, stride_in_3x3=False), 2),
        ],
    }


def added_to_the_input() -> bool:
    """torchvision's block with its last scale at zero passes on what goes in, where that is not negative."""
    block = torchvision.models.resnet.BasicBlock(4, 4)
    nn.init.zeros_(block.bn2.weight)
    x = torch.rand(2, 4, 5, 5)
    return bool(torch.equal(block(x), x))


def history() -> dict[str, Any]:
    rows = ("supervision2012", "clarifai2013", "vgg2014", "googlenet2014", "resnet2015")
    errors = [given(f"ilsvrc-{row}") for row in rows]
    bars = [given(f"bars-{year}") for year in ("2012", "2013", "2014a", "2014b", "2015")]
    human = given("ilsvrc-human")
    lead = (26.2 - given("ilsvrc-supervision2012"), 26.2 - given("ilsvrc-supervision2012-ext"))
    single, seven = given("alexnet-ensemble")
    falling = all(a > b for a, b in itertools.pairwise(errors))
    depths = [len(alexnet_units()), sum(VGG_STAGES["e"]) + 3, 2 + 3 * sum(RESNETS[152][0])]
    millions = [alexnet("one tower"), vgg_parameters("d"), resnet_parameters(50), resnet_parameters(152)]
    top5 = [100 - published(f"{n}_Weights.IMAGENET1K_V1")[1] for n in ("AlexNet", "ResNet152")]
    return {
        "04-ilsvrc-decreasing": falling and [error < human for error in errors] == [False] * 4 + [True],
        "04-bars-consistent": all(abs(a - b) <= 0.05 for a, b in zip(errors, bars, strict=True)),
        "04-vgg-second-2014": 1 + sorted(errors[2:4]).index(errors[2]),
        "04-alexnet-by-10": [round(points, 1) for points in lead],
        "04-alexnet-ensemble": round(single - seven, 1),
        "04-depth-names": depths,
        "04-depth-history": [depths[0] - 1, *depths[1:]],
        "04-params-about-same": [round(n / 1e6, 1) for n in millions],
        "04-since-alexnet-params": [
            round(n / 1e6, 1)
            for n in (alexnet("one tower"), vgg_parameters("d"), resnet_parameters(18), resnet_parameters(50))
        ],
        "04-3x-more-accurate": [round(top5[0] / top5[1], 2), round(16.4 / 3.57, 2)],
        "04-saturating-slow": [
            round(1 - math.tanh(5) ** 2, 5),
            round(math.exp(-5) / (1 + math.exp(-5)) ** 2, 5),
            1.0,
        ],
    }


def torchvision_table() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for depth, form in DENSENETS.items():
        values[f"04-tv-densenet{depth}-v1-params-m"] = densenet(*form) / 1e6
        values[f"04-tv-densenet{depth}-v1-acc"] = published(f"DenseNet{depth}_Weights.IMAGENET1K_V1")
    for depth in (50, 101):
        for version in (1, 2):
            row = f"04-tv-wide-resnet{depth}-2-v{version}"
            values[f"{row}-params-m"] = resnet_parameters(depth, widening=2) / 1e6
            values[f"{row}-acc"] = published(f"Wide_ResNet{depth}_2_Weights.IMAGENET1K_V{version}")
    return values | {"04-tv-alexnet-v1-acc": published("AlexNet_Weights.IMAGENET1K_V1")}


RECOUNTED: dict[str, Any] = {
    **lenet(),
    **alexnets(),
    **vggs(),
    **googlenets(),
    **resnets(),
    **history(),
    **torchvision_table(),
}


def test_counting_again_gives_what_the_lecture_tells() -> None:
    assert disagreements("04", RECOUNTED) == {}


def test_every_number_that_is_recomputed_is_counted_again() -> None:
    recomputed = {i: to_tell("04")[i] for i, result in results("04").items() if result.value is not None}
    assert {i for i, value in recomputed.items() if numbers(value)} - set(RECOUNTED) == set()
