"""EfficientNet: MobileNetV2's blocks with squeeze-and-excitation, made larger in all directions at once.

Tan, Le: EfficientNet: Rethinking model scaling for convolutional neural networks, ICML 2019.

An architecture search found B0. The others scale it by one coefficient φ: depth by 1.2^φ, width by 1.1^φ,
side of the image by 1.15^φ, where 1.2 · 1.1² · 1.15² ≈ 2, so that φ doubles the operations (equation 3). B1
is the first of them; the numbers that were published with it are rounded: depth 1.1, width 1, side 240.

B0, for 224×224 pixels (table 1, whose resolutions are those of the inputs; here they are the outputs'):

    layer       operator        output          blocks   B1
    stem        3×3, stride 2     32 @ 112×112    1       1
    stage1      MBConv1, 3×3      16 @ 112×112    1       2
    stage2      MBConv6, 3×3      24 @ 56×56      2       3
    stage3      MBConv6, 5×5      40 @ 28×28      2       3
    stage4      MBConv6, 3×3      80 @ 14×14      3       4
    stage5      MBConv6, 5×5     112 @ 14×14      3       4
    stage6      MBConv6, 5×5     192 @ 7×7        4       5
    stage7      MBConv6, 3×3     320 @ 7×7        1       2
    head        1×1             1280 @ 7×7        1       1
    pool, classifier

    variant           parameters   multiply-adds
    efficientnet_b0   5,288,548    0.39 G
    efficientnet_b1   7,794,184    0.69 G, at 240×240 pixels

Batch normalization has torch's eps and momentum, as in torchvision; the paper's own code has 1e-3 and 0.01.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil, sqrt

from torch import Tensor, nn
from torch.nn import init

from coursekit.models.card import Card, Figures
from coursekit.models.mobilenet_v2 import InvertedResidual
from coursekit.models.parts import (
    ConvNormAct,
    ImageCheck,
    SqueezeExcite,
    StochasticDepth,
    he_init,
    make_divisible,
)
from coursekit.models.weights import Renames

__all__ = ["BUILDERS", "CARDS", "FROM_TORCHVISION", "MBConv"]


@dataclass(frozen=True)
class Stage:
    """A row of Table 1: blocks that expand `expansion` times; the first has the stride."""

    expansion: int
    kernel: int
    stride: int
    channels: int
    blocks: int


STAGES = (
    Stage(expansion=1, kernel=3, stride=1, channels=16, blocks=1),
    Stage(expansion=6, kernel=3, stride=2, channels=24, blocks=2),
    Stage(expansion=6, kernel=5, stride=2, channels=40, blocks=2),
    Stage(expansion=6, kernel=3, stride=2, channels=80, blocks=3),
    Stage(expansion=6, kernel=5, stride=1, channels=112, blocks=3),
    Stage(expansion=6, kernel=5, stride=2, channels=192, blocks=4),
    Stage(expansion=6, kernel=3, stride=1, channels=320, blocks=1),
)
STEM = 32


@dataclass(frozen=True)
class Variant:
    """Factors for channels and blocks, and the side of the images it is made for."""

    width: float
    depth: float
    side: int


VARIANTS = {
    "efficientnet_b0": Variant(width=1.0, depth=1.0, side=224),
    "efficientnet_b1": Variant(width=1.0, depth=1.1, side=240),
}


class MBConv(InvertedResidual):
    """An inverted residual with SiLU, squeeze-and-excitation and stochastic depth; shapes as there.

    The squeezed layer is a quarter as wide as the block's thin input, not as the wide map that it weighs.

    Args:
        c_in: channels of the input.
        c_out: channels of the output.
        stride: of the depthwise convolution.
        expansion: how many times wider the map within is.
        kernel: of the depthwise convolution.
        stochastic_depth: probability with which the branch is left out for an image in training, where there
            is a shortcut.
    """

    def __init__(
        self, c_in: int, c_out: int, *, stride: int, expansion: int, kernel: int, stochastic_depth: float
    ) -> None:
        gate = SqueezeExcite(expansion * c_in, max(1, c_in // 4), nn.SiLU)
        super().__init__(
            c_in, c_out, stride=stride, expansion=expansion, kernel=kernel, act=nn.SiLU, gate=gate
        )
        self.drop = StochasticDepth(stochastic_depth)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, c_in, H, W)` to `(N, c_out, H', W')`."""
        return x + self.drop(self.branch(x)) if self.shortcut else self.branch(x)


def _efficientnet(
    name: str,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    dropout: float = 0.2,
    stochastic_depth: float = 0.2,
) -> nn.Sequential:
    """EfficientNet for images `(N, in_channels, H, W)` of any size; returns logits `(N, num_classes)`.

    Args:
        name: of the variant.
        num_classes: number of logits.
        in_channels: 3 for colour images.
        dropout: probability with which a feature before the classifier is dropped in training.
        stochastic_depth: what the probability of leaving a block out for an image grows towards, from 0 at
            the first block.
    """
    variant = VARIANTS[name]
    depths = [ceil(variant.depth * stage.blocks) for stage in STAGES]
    c = make_divisible(variant.width * STEM)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["check"] = ImageCheck(name, in_channels)
    layers["stem"] = ConvNormAct(in_channels, c, 3, stride=2, act=nn.SiLU)
    before = 0  # blocks before the one that is built
    for i, (stage, depth) in enumerate(zip(STAGES, depths, strict=True), 1):
        c_out = make_divisible(variant.width * stage.channels)
        blocks = []
        for j in range(depth):
            blocks.append(
                MBConv(
                    c if j == 0 else c_out,
                    c_out,
                    stride=stage.stride if j == 0 else 1,
                    expansion=stage.expansion,
                    kernel=stage.kernel,
                    stochastic_depth=stochastic_depth * before / sum(depths),
                )
            )
            before += 1
        layers[f"stage{i}"] = nn.Sequential(*blocks)
        c = c_out
    layers["head"] = ConvNormAct(c, 4 * c, 1, act=nn.SiLU)
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["dropout"] = nn.Dropout(dropout)
    layers["classifier"] = classifier = nn.Linear(4 * c, num_classes)
    network = nn.Sequential(layers)
    he_init(network)
    bound = 1 / sqrt(num_classes)
    init.uniform_(classifier.weight, -bound, bound)
    return network


_RENAMES: Renames = {
    r"features\.0\.0\.(.+)": r"stem.conv.\1",
    r"features\.0\.1\.(.+)": r"stem.norm.\1",
    # The blocks of stage 1 do not expand: their layers count from the depthwise convolution on.
    r"features\.1\.(\d+)\.block\.0\.0\.(.+)": r"stage1.\1.branch.depthwise.conv.\2",
    r"features\.1\.(\d+)\.block\.0\.1\.(.+)": r"stage1.\1.branch.depthwise.norm.\2",
    r"features\.1\.(\d+)\.block\.1\.fc1\.(.+)": r"stage1.\1.branch.gate.squeeze.\2",
    r"features\.1\.(\d+)\.block\.1\.fc2\.(.+)": r"stage1.\1.branch.gate.excite.\2",
    r"features\.1\.(\d+)\.block\.2\.0\.(.+)": r"stage1.\1.branch.project.conv.\2",
    r"features\.1\.(\d+)\.block\.2\.1\.(.+)": r"stage1.\1.branch.project.norm.\2",
    r"features\.(\d+)\.(\d+)\.block\.0\.0\.(.+)": r"stage\1.\2.branch.expand.conv.\3",
    r"features\.(\d+)\.(\d+)\.block\.0\.1\.(.+)": r"stage\1.\2.branch.expand.norm.\3",
    r"features\.(\d+)\.(\d+)\.block\.1\.0\.(.+)": r"stage\1.\2.branch.depthwise.conv.\3",
    r"features\.(\d+)\.(\d+)\.block\.1\.1\.(.+)": r"stage\1.\2.branch.depthwise.norm.\3",
    r"features\.(\d+)\.(\d+)\.block\.2\.fc1\.(.+)": r"stage\1.\2.branch.gate.squeeze.\3",
    r"features\.(\d+)\.(\d+)\.block\.2\.fc2\.(.+)": r"stage\1.\2.branch.gate.excite.\3",
    r"features\.(\d+)\.(\d+)\.block\.3\.0\.(.+)": r"stage\1.\2.branch.project.conv.\3",
    r"features\.(\d+)\.(\d+)\.block\.3\.1\.(.+)": r"stage\1.\2.branch.project.norm.\3",
    r"features\.8\.0\.(.+)": r"head.conv.\1",
    r"features\.8\.1\.(.+)": r"head.norm.\1",
    r"classifier\.1\.(.+)": r"classifier.\1",
}
FROM_TORCHVISION: dict[str, Renames] = dict.fromkeys(VARIANTS, _RENAMES)

_LECTURE = {
    "efficientnet_b0": Figures(top1=77.692, params=5.3e6),
    "efficientnet_b1": Figures(top1=78.642, params=7.8e6),
}
_NOTES = {
    "efficientnet_b0": "",
    "efficientnet_b1": "The lecture's table has a second set of weights too: top-1 79.838%.",
}
CARDS = {
    name: Card(
        paper="Tan, Le: EfficientNet: Rethinking model scaling for convolutional neural networks, ICML 2019",
        year=2019,
        input_shape=(3, variant.side, variant.side),
        lecture=_LECTURE[name],
        note=_NOTES[name],
    )
    for name, variant in VARIANTS.items()
}

BUILDERS: dict[str, Callable[..., nn.Module]] = {name: partial(_efficientnet, name) for name in VARIANTS}
