"""The ResNets against the paper's table 1 and the lecture's figures."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from coursekit.models import card, create_model
from coursekit.models.resnet import BasicBlock, Bottleneck, PadShortcut, ResidualBlock
from tests.models.zoo import example, parameters


def on_meta(name: str, **options: object) -> nn.Module:
    with torch.device("meta"):
        return create_model(name, **options).eval()


def macs(model: nn.Module, side: int = 224) -> int:
    """Multiply-adds of convolutions and fully connected layers, as torch counts them."""
    counter = FlopCounterMode(display=False)
    with counter:
        model(torch.empty(1, 3, side, side, device="meta"))
    return counter.get_total_flops() // 2


def weight_layers(model: nn.Module) -> int:
    """Convolutions and fully connected layers, those on shortcuts not counted."""
    return sum(
        isinstance(module, nn.Conv2d | nn.Linear) and "shortcut" not in name
        for name, module in model.named_modules()
    )


STAGES = ("conv2_x", "conv3_x", "conv4_x", "conv5_x")

# Published: table 1 of He et al. gives the FLOPs; 3.8 is 3.858 cut down.
FLOPS = {
    "resnet18": ({}, 1_814_073_344, 1.8),
    "resnet34": ({"shortcut": "A"}, 3_644_493_824, 3.6),
    "resnet50": ({"stride_in_1x1": True}, 3_857_973_248, 3.8),
    "resnet101": ({"stride_in_1x1": True}, 7_570_194_432, 7.6),
    "resnet152": ({"stride_in_1x1": True}, 11_282_415_616, 11.3),
}


@pytest.mark.parametrize(("name", "row"), FLOPS.items())
def test_multiply_adds_are_those_of_table_1(name: str, row: tuple[dict[str, object], int, float]) -> None:
    options, exact, published = row
    assert macs(on_meta(name, **options)) == exact
    assert abs(exact / 1e9 - published) < 0.06
    assert card(name).lecture.flops == published * 1e9


def test_the_stride_in_the_3x3_costs_more() -> None:
    assert macs(on_meta("resnet50")) == 4_089_184_256


@pytest.mark.parametrize(
    "name", ["plain18", "plain34", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
)
def test_a_network_is_called_by_its_number_of_weight_layers(name: str) -> None:
    assert weight_layers(on_meta(name)) == int("".join(filter(str.isdigit, name)))


@pytest.mark.parametrize(
    ("name", "blocks", "expansion"),
    [
        ("resnet18", (2, 2, 2, 2), 1),
        ("resnet34", (3, 4, 6, 3), 1),
        ("resnet50", (3, 4, 6, 3), 4),
        ("resnet101", (3, 4, 23, 3), 4),
        ("resnet152", (3, 8, 36, 3), 4),
    ],
)
def test_stages_have_the_blocks_and_outputs_of_table_1(
    name: str, blocks: tuple[int, ...], expansion: int
) -> None:
    model = on_meta(name)
    x = model.pool1(model.conv1(torch.empty(1, 3, 224, 224, device="meta")))
    assert x.shape == (1, 64, 56, 56)
    for stage, depth, channels, side in zip(
        STAGES, blocks, (64, 128, 256, 512), (56, 28, 14, 7), strict=True
    ):
        x = getattr(model, stage)(x)
        assert len(getattr(model, stage)) == depth
        assert x.shape == (1, expansion * channels, side, side)


@pytest.mark.parametrize(
    ("name", "published"),  # torchvision's table, as the lecture has it, and its documentation for ResNeXt
    [
        ("wide_resnet50_2", 68.9e6),
        ("wide_resnet101_2", 126.9e6),
        ("resnext50_32x4d", 25.0e6),
        ("resnext101_32x8d", 88.8e6),
    ],
)
def test_wide_and_grouped_networks_have_the_published_number_of_parameters(
    name: str, published: float
) -> None:
    assert parameters(on_meta(name)) == pytest.approx(published, abs=0.05e6)
    assert card(name).lecture.params in (None, published)


def test_a_plain_network_is_its_resnet_of_option_a_less_the_additions() -> None:
    plain, residual = on_meta("plain34"), on_meta("resnet34", shortcut="A")
    assert {k: v.shape for k, v in plain.state_dict().items()} == {
        k: v.shape for k, v in residual.state_dict().items()
    }
    assert macs(plain) == macs(residual)
    torch.manual_seed(0)
    block, x = BasicBlock(4, 4, shortcut="none").eval(), torch.randn(2, 4, 6, 6)
    assert torch.equal(block(x), block.residual(x).relu())


@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_adds_its_shortcut_before_the_relu(kind: type[BasicBlock | Bottleneck], stride: int) -> None:
    torch.manual_seed(0)
    block, x = kind(8, 4, stride).eval(), torch.randn(2, 8, 7, 7)
    out = block(x)
    assert block.shortcut is not None
    assert torch.equal(out, F.relu(block.residual(x) + block.shortcut(x)))
    assert block.residual(x).min() < 0
    assert out.shape == (2, 4 * kind.expansion, 7 // stride + stride - 1, 7 // stride + stride - 1)


def test_a_grouped_bottleneck_is_that_many_paths() -> None:
    torch.manual_seed(0)
    groups, c_in, inner = 4, 16, 8
    block = Bottleneck(c_in, 4, groups=groups, widen=2).eval()
    first, middle, last = (layer.conv.weight for layer in block.residual)
    x, width = torch.randn(2, c_in, 5, 5), inner // groups
    paths = torch.zeros(2, 16, 5, 5)
    for g in range(groups):
        own = slice(g * width, (g + 1) * width)
        h = F.relu(F.conv2d(x, first[own]))
        h = F.relu(F.conv2d(h, middle[own], padding=1))
        paths += F.conv2d(h, last[:, own])
    scale = (1 + 1e-5) ** -1.5  # three fresh batch norms in eval mode
    torch.testing.assert_close(block.residual(x), paths * scale, rtol=1e-4, atol=1e-5)


def test_option_a_keeps_every_second_pixel_and_adds_zeros() -> None:
    x = torch.arange(2 * 25.0).reshape(1, 2, 5, 5)
    out = PadShortcut(2, 3, stride=2)(x)
    assert torch.equal(out[:, :2], x[..., [0, 2, 4], :][..., [0, 2, 4]])
    assert torch.equal(out[:, 2], torch.zeros(1, 3, 3))


@pytest.mark.parametrize(("option", "projections"), [("A", 0), ("B", 3), ("C", 8)])
def test_options_a_b_c_put_more_and_more_projections(option: str, projections: int) -> None:
    model = on_meta("resnet18", shortcut=option)
    assert sum(isinstance(m, nn.Conv2d) for n, m in model.named_modules() if "shortcut" in n) == projections


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_zero_init_makes_every_block_its_shortcut(name: str) -> None:
    torch.manual_seed(0)
    model = create_model(name, num_classes=2, zero_init_residual=True).eval()
    blocks = [m for m in model.modules() if isinstance(m, ResidualBlock)]
    for block in (blocks[0], blocks[-1]):
        x = torch.rand(1, next(block.parameters()).shape[1], 3, 3)
        assert block.shortcut is not None
        assert torch.equal(block(x), F.relu(block.shortcut(x)))


def test_initialization_is_he_s() -> None:
    torch.manual_seed(0)
    model = create_model("resnet18", num_classes=2)
    weight = model.conv5_x[1].residual[0].conv.weight
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)


@pytest.mark.parametrize("name", ["plain18", "resnet18", "resnet50", "resnext50_32x4d"])
def test_images_of_any_size_and_number_of_channels(name: str) -> None:
    assert card(name).smallest == 1
    model = create_model(name, num_classes=7, in_channels=1).eval()
    assert model(torch.randn(2, 1, 1, 1)).shape == (2, 7)
    assert model(torch.randn(2, 1, 33, 47)).shape == (2, 7)
    with pytest.raises(ValueError, match=f"{name} takes images from 1×1 pixels on"):
        model(torch.randn(2, 1, 0, 0))
    with pytest.raises(ValueError, match=rf"{name} takes images \(N, 1, H, W\)"):
        model(example(name, side=32))


def test_options_that_a_network_lacks_are_refused() -> None:
    with pytest.raises(ValueError, match="resnet18 has basic blocks"):
        create_model("resnet18", stride_in_1x1=True)
    with pytest.raises(ValueError, match="choose one of A, B, C, none"):
        create_model("resnet18", shortcut="D")
