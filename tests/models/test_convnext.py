"""ConvNeXt against table 9 of its paper, its block written with convolutions, and torchvision's figures.

That the logits are torchvision's is tested for all networks at once in test_torchvision_parity.py.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from coursekit.models import card, create_model
from coursekit.models.convnext import VARIANTS, ConvNeXtBlock, LayerNorm2d
from tests.models.zoo import example, parameters

NAMES = sorted(VARIANTS)


def on_meta(name: str, **options: float) -> nn.Module:
    with torch.device("meta"):
        return create_model(name, **options).eval()


def rates(model: nn.Module) -> list[float]:
    return [m.drop.p for m in model.modules() if isinstance(m, ConvNeXtBlock)]


# Parameters; billions of multiply-adds, table 1 of the paper.
@pytest.mark.parametrize(
    ("name", "params", "mult_adds"),
    [
        ("convnext_tiny", 28_589_128, 4.5),
        ("convnext_small", 50_223_688, 8.7),
        ("convnext_base", 88_591_464, 15.4),
        ("convnext_large", 197_767_336, 34.4),
    ],
)
def test_it_has_the_published_parameters_and_operations(name, params, mult_adds):
    model = on_meta(name)
    published = torchvision.models.get_model_weights(name).DEFAULT.meta
    assert parameters(model) == params == published["num_params"]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(1, 3, 224, 224, device="meta"))
    assert counter.get_total_flops() / 2e9 == pytest.approx(published["_ops"], abs=6e-4)
    assert round(counter.get_total_flops() / 2e9, 1) == mult_adds


@pytest.mark.parametrize("name", NAMES)
def test_the_lectures_figures_are_the_networks(name):
    given = card(name).lecture
    assert given.params is not None
    assert round(parameters(on_meta(name)) / 1e6, 1) == given.params / 1e6
    metrics = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta["_metrics"]
    assert given.top1 == metrics["ImageNet-1K"]["acc@1"]


@pytest.mark.parametrize("name", NAMES)
def test_the_maps_have_the_sizes_of_table_9(name):
    widths = {"tiny": 96, "small": 96, "base": 128, "large": 192}
    depths = [3, 3, 9 if name == "convnext_tiny" else 27, 3]
    c = widths[name.removeprefix("convnext_")]
    model = on_meta(name)
    x, shapes = torch.empty(1, 3, 224, 224, device="meta"), []
    for child, layer in model.named_children():
        x = layer(x)
        if child.startswith("stage"):
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(c, 56, 56), (2 * c, 28, 28), (4 * c, 14, 14), (8 * c, 7, 7)]
    assert [len(model.get_submodule(f"stage{i}")) for i in (1, 2, 3, 4)] == depths


def test_a_block_is_what_figure_4_draws_with_1x1_convolutions():
    torch.manual_seed(0)
    c = 12
    block = ConvNeXtBlock(c, stochastic_depth=0.0)
    for parameter in block.parameters():
        nn.init.uniform_(parameter, -0.5, 0.5)
    x = torch.randn(2, c, 9, 8)

    y = F.conv2d(x, block.depthwise.weight, block.depthwise.bias, padding=3, groups=c)
    mean, var = y.mean(1, keepdim=True), y.var(1, keepdim=True, correction=0)
    y = (y - mean) / (var + 1e-6).sqrt()
    y = y * block.norm.weight[:, None, None] + block.norm.bias[:, None, None]
    y = F.conv2d(y, block.expand.weight[:, :, None, None], block.expand.bias)
    y = y * (1 + torch.erf(y / 2**0.5)) / 2
    y = F.conv2d(y, block.project.weight[:, :, None, None], block.project.bias)
    expected = x + block.scale * y

    with torch.no_grad():
        torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)


def test_a_fresh_block_is_nearly_the_identity():
    block = ConvNeXtBlock(16, stochastic_depth=0.0)
    assert (block.scale == 1e-6).all()
    x = torch.randn(2, 16, 8, 8)
    torch.testing.assert_close(block(x), x, atol=1e-4, rtol=0)


def test_a_branch_that_is_left_out_leaves_the_input():
    block = ConvNeXtBlock(8, stochastic_depth=1.0)
    nn.init.ones_(block.scale)
    x = torch.randn(2, 8, 9, 9)
    torch.testing.assert_close(block(x), x, atol=0, rtol=0)
    assert not torch.allclose(block.eval()(x), x)


# The paper's table 5: 0.1, 0.4, 0.5, 0.5 for T, S, B, L, growing linearly.
@pytest.mark.parametrize("name", NAMES)
def test_later_blocks_are_left_out_more_often(name):
    last = {"tiny": 0.1, "small": 0.4, "base": 0.5, "large": 0.5}[name.removeprefix("convnext_")]
    found = rates(on_meta(name))
    assert found == pytest.approx([last * i / (len(found) - 1) for i in range(len(found))])
    assert set(rates(on_meta(name, stochastic_depth=0.0))) == {0.0}


def test_layer_normalization_works_on_the_channels_of_each_position():
    x = torch.randn(2, 6, 3, 4)
    y = LayerNorm2d(6, eps=1e-6)(x)
    assert y.shape == x.shape
    torch.testing.assert_close(y.mean(1), torch.zeros(2, 3, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(1, correction=0), torch.ones(2, 3, 4), atol=1e-4, rtol=0)


def test_there_is_no_batch_normalization_and_one_activation_a_block():
    layers = list(on_meta("convnext_tiny").modules())
    assert not any(isinstance(m, nn.BatchNorm2d | nn.ReLU) for m in layers)
    assert sum(isinstance(m, nn.GELU) for m in layers) == 18


def test_weights_are_drawn_as_published():
    torch.manual_seed(0)
    model = create_model("convnext_tiny", num_classes=10)
    for layer in (model.stem.conv, model.stage4[0].expand, model.downsample4.conv):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert layer.bias.abs().max() == 0


def test_it_works_down_to_32_pixels():
    model = create_model("convnext_tiny", num_classes=7, in_channels=1).eval()
    assert {card(name).smallest for name in NAMES} == {32}
    with torch.no_grad():
        assert model(torch.randn(1, 1, 32, 32)).shape == (1, 7)
        with pytest.raises(ValueError, match="convnext_tiny takes images from 32×32 pixels on, got 31×31"):
            model(torch.randn(1, 1, 31, 31))
        with pytest.raises(ValueError, match=r"\(N, 1, H, W\)"):
            model(example("convnext_tiny", 1, side=32))
