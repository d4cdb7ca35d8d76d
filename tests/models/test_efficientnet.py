"""EfficientNet against tables 1 and 2 of its paper, its scaling rule and torchvision's figures.

That the logits are torchvision's is tested for all networks at once in test_torchvision_parity.py.
"""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from coursekit.models import card, create_model
from coursekit.models.efficientnet import VARIANTS, MBConv
from coursekit.models.mobilenet_v2 import InvertedResidual
from coursekit.models.parts import SqueezeExcite
from tests.models.zoo import example, parameters

NAMES = sorted(VARIANTS)


def on_meta(name: str, **options: float) -> nn.Module:
    with torch.device("meta"):
        return create_model(name, **options).eval()


def blocks(model: nn.Module) -> list[MBConv]:
    return [m for m in model.modules() if isinstance(m, MBConv)]


# Parameters in millions and multiply-adds in billions, table 2 of the paper.
@pytest.mark.parametrize(
    ("name", "params", "mult_adds"), [("efficientnet_b0", 5.3, 0.39), ("efficientnet_b1", 7.8, 0.70)]
)
def test_it_has_the_published_parameters_and_operations(name, params, mult_adds):
    model = on_meta(name)
    published = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta
    assert parameters(model) == published["num_params"]
    assert round(parameters(model) / 1e6, 1) == params
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(1, *card(name).input_shape, device="meta"))
    assert counter.get_total_flops() / 2e9 == pytest.approx(published["_ops"], abs=6e-4)
    assert counter.get_total_flops() / 2e9 == pytest.approx(mult_adds, rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_the_lectures_figures_are_the_networks(name):
    given = card(name).lecture
    assert given.params is not None
    assert round(parameters(on_meta(name)) / 1e6, 1) == given.params / 1e6
    metrics = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta["_metrics"]
    assert given.top1 == metrics["ImageNet-1K"]["acc@1"]


def test_the_maps_have_the_sizes_of_table_1():
    x, shapes = torch.empty(1, 3, 224, 224, device="meta"), []
    model = on_meta("efficientnet_b0")
    for name, layer in model.named_children():
        x = layer(x)
        if name.startswith(("stem", "stage", "head")):
            shapes.append((x.shape[1], x.shape[2]))
    assert shapes == [
        *[(32, 112), (16, 112), (24, 56), (40, 28), (80, 14), (112, 14), (192, 7), (320, 7), (1280, 7)]
    ]
    kernels = [model.get_submodule(f"stage{i}.0").branch.depthwise.conv.kernel_size[0] for i in range(1, 8)]
    assert kernels == [3, 3, 5, 3, 5, 5, 3]


@pytest.mark.parametrize(
    ("name", "depths"),
    [("efficientnet_b0", [1, 2, 2, 3, 3, 4, 1]), ("efficientnet_b1", [2, 3, 3, 4, 4, 5, 2])],
)
def test_the_stages_have_the_published_depths(name, depths):
    model = on_meta(name)
    assert [len(model.get_submodule(f"stage{i}")) for i in range(1, 8)] == depths


def test_b1_follows_the_scaling_rule_by_half_a_step():
    depth, width, side = 1.2, 1.1, 1.15  # section 4 of the paper
    assert depth * width**2 * side**2 == pytest.approx(2, abs=0.1)
    b1 = VARIANTS["efficientnet_b1"]
    assert b1.depth == pytest.approx(depth**0.5, abs=0.01)
    assert b1.width == pytest.approx(width**0.5, abs=0.05)
    assert b1.side == pytest.approx(224 * side**0.5, abs=1) == card("efficientnet_b1").input_shape[1]


@pytest.mark.parametrize("name", NAMES)
def test_the_squeezed_layer_is_a_quarter_of_the_thin_input(name):
    for block in blocks(on_meta(name)):
        first = next(m for m in block.modules() if isinstance(m, nn.Conv2d))
        gate = block.branch.gate
        assert isinstance(gate, SqueezeExcite)
        assert gate.squeeze.out_channels == first.in_channels // 4
        assert gate.squeeze.in_channels == block.branch.depthwise.conv.out_channels


def test_a_block_is_mobilenet_v2s_with_other_parts():
    with torch.device("meta"):
        block = MBConv(16, 16, stride=1, expansion=6, kernel=5, stochastic_depth=0.1)
    assert isinstance(block, InvertedResidual)
    assert list(dict(block.branch.named_children())) == ["expand", "depthwise", "gate", "project"]
    assert {type(m) for m in block.modules() if "activation" in type(m).__module__} == {nn.SiLU, nn.Sigmoid}


def test_a_branch_that_is_left_out_leaves_the_input():
    block = MBConv(8, 8, stride=1, expansion=6, kernel=3, stochastic_depth=1.0)
    x = torch.randn(2, 8, 5, 5)
    torch.testing.assert_close(block(x), x, atol=0, rtol=0)
    block.eval()
    with torch.no_grad():
        torch.testing.assert_close(block(x), x + block.branch(x))


def test_stochastic_depth_falls_on_single_images_and_the_rest_makes_up_for_it():
    torch.manual_seed(0)
    block = MBConv(8, 8, stride=1, expansion=1, kernel=3, stochastic_depth=0.5)
    x = torch.randn(32, 8, 5, 5)
    with torch.no_grad():
        branch = block(x) - x
        whole = block.branch(x)
    left_out = branch.flatten(1).abs().amax(1) == 0
    assert 0 < left_out.sum() < 32
    torch.testing.assert_close(branch[~left_out], 2 * whole[~left_out], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_later_blocks_are_left_out_more_often(name):
    rates = [block.drop.p for block in blocks(on_meta(name))]
    assert rates == pytest.approx([0.2 * i / len(rates) for i in range(len(rates))])
    assert {block.drop.p for block in blocks(on_meta(name, stochastic_depth=0.0))} == {0.0}


def test_weights_are_drawn_as_published():
    torch.manual_seed(0)
    model = create_model("efficientnet_b0", num_classes=100)
    assert model.head.conv.weight.std().item() == pytest.approx((2 / 1280) ** 0.5, rel=0.02)
    assert model.classifier.weight.abs().max().item() == pytest.approx(0.1, rel=0.01)
    assert model.classifier.weight.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.02)
    assert model.classifier.bias.abs().max() == 0


def test_it_works_down_to_one_pixel():
    model = create_model("efficientnet_b0", num_classes=7, in_channels=1).eval()
    assert {card(name).smallest for name in NAMES} == {1}
    with torch.no_grad():
        assert model(torch.randn(1, 1, 1, 1)).shape == (1, 7)
        with pytest.raises(ValueError, match="efficientnet_b0 takes images from 1×1 pixels on, got 0×0"):
            model(torch.randn(1, 1, 0, 0))
        with pytest.raises(ValueError, match=r"\(N, 1, H, W\)"):
            model(example("efficientnet_b0", 1, side=32))


def test_dropout_is_on_only_in_training():
    torch.manual_seed(0)
    model = create_model("efficientnet_b0", num_classes=5, dropout=0.5, stochastic_depth=0.0)
    x = example("efficientnet_b0", 4, side=32)
    assert not torch.equal(model(x), model(x))
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(x), model(x))
