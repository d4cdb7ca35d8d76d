"""MSDNet: several scales side by side and several exits, so that easy images can leave early.

Huang, Chen, Li, Wu, van der Maaten, Weinberger: Multi-scale dense networks for resource efficient image
classification, ICLR 2018.

An exit in the middle of an ordinary network fails twice: the maps there are still too fine to classify from,
and training for it spoils the features of later layers. MSDNet keeps maps of several scales from the first
layer on, so there is a coarse one for every exit, and concatenates as DenseNet does, so nothing is lost.

    scale          1 (32×32)               2 (16×16)                  3 (8×8)
    first layer    3×3, 16                 3×3, stride 2, 32          3×3, stride 2, 64
    each layer     adds  6 =  6            adds 12 = 6 + 6            adds 24 = 12 + 12
                   from scale 1            from scales 1 and 2        from scales 2 and 3
    layer          1 to 8                  1 to 16                    1 to 24
    exits                                                             behind layers 4, 6, 8, ..., 24

Half of what a layer adds to a scale comes from the next finer one, with stride 2; each half is a 1×1 and a
3×3 convolution. The 24 layers are cut into as many parts as there are scales (appendix A): each part but the
first gives up the finest scale left, and behind its first layer 1×1 convolutions halve all channels. An exit
is two 3×3 convolutions of stride 2 with 128 channels, pooling, and a linear layer.

The first layer is not counted among the 24 here. The width of the 1×1 convolutions and where the halving
stands follow the authors' published code. The pooling is global, so images need not be 32×32. The network
returns all exits' logits, in evaluation too. `up_to(k)` is the network that stops at exit k: profile it to
know what leaving there costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from coursekit.models.card import Card
from coursekit.models.parts import ConvNormAct, ImageCheck, he_init

__all__ = ["BUILDERS", "CARDS", "MSDNet", "Spec", "msdnet"]


@dataclass(frozen=True)
class Spec:
    """A network.

    Attributes:
        base: layers before the first exit.
        step: layers from one exit to the next.
        exits: number of exits.
        channels: of scale 1 behind the first layer.
        growth: channels that a layer adds to scale 1.
        factors: what multiplies channels and growth at each scale; as many as there are scales.
        exit_channels: of the convolutions in an exit; None for as many as come in.
        large: for large images, which a 7×7 convolution and a pooling first make four times smaller.
    """

    base: int
    step: int
    exits: int
    channels: int
    growth: int
    factors: tuple[int, ...]
    exit_channels: int | None = 128
    large: bool = False


SPECS = {
    "cifar": Spec(base=4, step=2, exits=11, channels=16, growth=6, factors=(1, 2, 4)),
    "imagenet": Spec(
        base=4, step=4, exits=5, channels=32, growth=16, factors=(1, 2, 4, 4), exit_channels=None, large=True
    ),
}


class FirstLayer(nn.Module):
    """Image `(N, C, H, W)` to one map a scale, each made from the next finer one, finest first."""

    def __init__(self, in_channels: int, channels: Sequence[int], *, large: bool) -> None:
        super().__init__()
        finest: nn.Module = ConvNormAct(in_channels, channels[0], 3)
        if large:
            finest = nn.Sequential(
                ConvNormAct(in_channels, channels[0], 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1)
            )
        coarser = (ConvNormAct(a, b, 3, stride=2) for a, b in pairwise(channels))
        self.scales = nn.ModuleList([finest, *coarser])

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of `(N, channels[s], H / 2^s, W / 2^s)`."""
        maps = []
        for scale in self.scales:
            x = scale(x)
            maps.append(x)
        return maps


def bottleneck(c_in: int, c_out: int, factor: int, stride: int = 1) -> nn.Sequential:
    """1×1 to at most `factor` times as many channels as go out, then 3×3."""
    inner = min(c_in, factor * c_out)
    return nn.Sequential(ConvNormAct(c_in, inner, 1), ConvNormAct(inner, c_out, 3, stride))


class Grow(nn.Module):
    """One scale of one layer: a map `(N, c_in, H, W)` gets `growth` channels more.

    Args:
        c_finer: channels of the next finer map; None where there is none.
        c_in: channels of the map.
        growth: new channels.
        factors: of the finer scale and of this one.
    """

    def __init__(self, c_finer: int | None, c_in: int, growth: int, factors: tuple[int, int]) -> None:
        super().__init__()
        share = growth if c_finer is None else growth // 2
        self.down = None if c_finer is None else bottleneck(c_finer, share, factors[0], stride=2)
        self.same = bottleneck(c_in, share, factors[1])

    def forward(self, finer: Tensor | None, x: Tensor) -> Tensor:
        """All that there was, and the new channels behind it."""
        if self.down is None:
            return torch.cat([x, self.same(x)], dim=1)
        return torch.cat([x, self.down(finer), self.same(x)], dim=1)


class Layer(nn.Module):
    """Every scale grows; the finest is given up where `kept` says so.

    Args:
        spec: of the network.
        width: channels of scale 1, in whose `factors` the others are measured.
        incoming: how many scales come in, the coarsest of all.
        kept: how many of them go out.
    """

    def __init__(self, spec: Spec, width: int, incoming: int, kept: int) -> None:
        super().__init__()
        count = len(spec.factors)
        self.scales = nn.ModuleList()
        for s in range(count - kept, count):
            finer, here = spec.factors[s - 1], spec.factors[s]
            alone = s == count - incoming  # no finer map comes in
            self.scales.append(
                Grow(None if alone else width * finer, width * here, spec.growth * here, (finer, here))
            )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps, finest first; the same, as many as are kept."""
        finer = [None, *maps[:-1]]
        kept = len(self.scales)
        return [grow(f, x) for grow, f, x in zip(self.scales, finer[-kept:], maps[-kept:], strict=True)]


class Halve(nn.Module):
    """A 1×1 convolution at every scale, to half the channels."""

    def __init__(self, spec: Spec, width: int, kept: int) -> None:
        super().__init__()
        factors = spec.factors[-kept:]
        self.scales = nn.ModuleList(ConvNormAct(width * f, width // 2 * f, 1) for f in factors)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Maps, finest first; as many, with half the channels."""
        return [scale(x) for scale, x in zip(self.scales, maps, strict=True)]


def classifier(c_in: int, channels: int, num_classes: int) -> nn.Sequential:
    """An exit: the coarsest map `(N, c_in, H, W)` to logits `(N, num_classes)`."""
    return nn.Sequential(
        ConvNormAct(c_in, channels, 3, stride=2),
        ConvNormAct(channels, channels, 3, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, num_classes),
    )


class MSDNet(nn.Module):
    """Images `(N, in_channels, H, W)` of any size to a tuple of logits `(N, num_classes)`, one for each exit.

    Args:
        check: looks at the images.
        first: the first layer.
        blocks: the layers up to each exit, from the exit before.
        exits: as many.
    """

    def __init__(
        self, check: nn.Module, first: nn.Module, blocks: Iterable[nn.Module], exits: Iterable[nn.Module]
    ) -> None:
        super().__init__()
        self.check = check
        self.first = first
        self.blocks = nn.ModuleList(blocks)
        self.exits = nn.ModuleList(exits)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits of all exits, the earliest first."""
        maps = self.first(self.check(x))
        logits = []
        for block, leave in zip(self.blocks, self.exits, strict=True):
            maps = block(maps)
            logits.append(leave(maps[-1]))
        return tuple(logits)

    def up_to(self, exits: int) -> MSDNet:
        """The network up to an exit, that one and those before it included; its weights are shared.

        Args:
            exits: 1 for the first exit alone, to `len(self.exits)` for the whole network.

        Raises:
            ValueError: when there are not as many exits.
        """
        if not 1 <= exits <= len(self.exits):
            raise ValueError(f"this msdnet has exits 1 to {len(self.exits)}; there is no exit {exits}")
        prefix = MSDNet(self.check, self.first, self.blocks[:exits], self.exits[:exits])
        return prefix.train(self.training)


def msdnet(*, num_classes: int = 10, in_channels: int = 3, form: str = "cifar", **changes: Any) -> MSDNet:
    """MSDNet for images `(N, in_channels, H, W)`; returns a tuple of logits `(N, num_classes)`, one an exit.

    Args:
        num_classes: number of logits of each exit.
        in_channels: 3 for colour images, 1 for grey ones.
        form: `"cifar"`, for 32×32 images with three scales and eleven exits, or `"imagenet"`, for 224×224
            images with four scales and five exits.
        **changes: other values for attributes of `Spec`, such as `exits=5, base=2, step=1`.

    Raises:
        ValueError: for another form, or when there is not at least one layer before each exit.
    """
    if form not in SPECS:
        raise ValueError(f"form is {form!r}; choose one of {', '.join(SPECS)}")
    spec = replace(SPECS[form], **changes)
    if min(spec.exits, spec.base, spec.step) < 1 or spec.growth % 2:
        raise ValueError(f"exits, base and step must be at least 1 and growth even; this is {spec}")

    scales = len(spec.factors)
    depth = spec.base + spec.step * (spec.exits - 1)
    part = -(-depth // scales)  # layers until a scale is given up, rounded up
    width, kept, layer = spec.channels, scales, 0
    blocks, exits = [], []
    for exit_ in range(spec.exits):
        modules: list[nn.Module] = []
        for _ in range(spec.step if exit_ else spec.base):
            incoming, kept = kept, scales - layer // part
            modules.append(Layer(spec, width, incoming, kept))
            width += spec.growth
            if kept < incoming:
                modules.append(Halve(spec, width, kept))
                width //= 2
            layer += 1
        blocks.append(nn.Sequential(*modules))
        coarsest = width * spec.factors[-1]
        exits.append(classifier(coarsest, spec.exit_channels or coarsest, num_classes))

    first = FirstLayer(in_channels, [spec.channels * f for f in spec.factors], large=spec.large)
    network = MSDNet(ImageCheck("msdnet", in_channels), first, blocks, exits)
    he_init(network)
    return network


BUILDERS = {"msdnet": msdnet}
CARDS = {
    "msdnet": Card(
        "Huang, Chen, Li, Wu, van der Maaten, Weinberger: Multi-scale dense networks for resource efficient "
        "image classification, ICLR 2018",
        2018,
        input_shape=(3, 32, 32),
        num_classes=10,
        note="returns a tuple of logits, one for each exit",
    )
}
