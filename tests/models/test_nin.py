"""Network in network: the published network's sizes, and 1×1 layers as a perceptron at each position."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from coursekit.models import card, create_model
from tests.models.zoo import example, parameters


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return create_model("nin").eval()


def test_parameters_fill_the_29_mb_of_the_published_file(model):
    assert parameters(model) == 7_595_176
    assert round(4 * parameters(model) / 2**20) == 29
    alexnet = 60_965_224
    assert round(alexnet / parameters(model)) == 8  # as its description says


def test_maps_at_224_pixels_have_the_sizes_of_the_table(model):
    found, x = [], example("nin", 1)
    for name, layer in model.named_children():
        x = layer(x)
        if name.startswith(("mlpconv", "pool", "mean", "flatten")):
            found.append(tuple(x.shape[1:]))
    assert found == [
        *((96, 54, 54), (96, 27, 27)),
        *((256, 27, 27), (256, 13, 13)),
        *((384, 13, 13), (384, 6, 6)),
        *((1000, 6, 6), (1000, 1, 1), (1000,)),
    ]


def test_a_block_is_a_convolution_with_a_perceptron_behind_it_at_each_position(model):
    block, x = model.mlpconv2, 10 * torch.rand(2, 96, 6, 7, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        y = F.conv2d(x, block.conv.weight, block.conv.bias, padding=2).relu()
        for position in ((0, 0), (3, 5), (5, 6)):
            units = y[:, :, *position]
            for layer in (block.mlp1, block.mlp2):
                units = F.linear(units, layer.weight[:, :, 0, 0], layer.bias).relu()
            torch.testing.assert_close(block(x)[:, :, *position], units)


def test_logits_are_the_means_of_the_class_maps(model):
    x = example("nin", 2, side=100)
    with torch.no_grad():
        maps = model[:-2](x)
        torch.testing.assert_close(model(x), maps.mean((2, 3)))


def test_the_last_relu_of_the_paper_is_an_option():
    torch.manual_seed(0)
    ours, papers = create_model("nin", num_classes=9), create_model("nin", num_classes=9, last_relu=True)
    papers.load_state_dict(ours.state_dict())
    x = example("nin", 2, side=39)
    with torch.no_grad():
        expected = ours.eval()[:-2](x).relu().mean((2, 3))
        torch.testing.assert_close(papers.eval()(x), expected)
        assert expected.min() == 0 > ours(x).min()


def test_fresh_weights_are_those_of_the_published_network(model):
    pixel = 255 * 0.225
    stds = {"conv": (0.01 * pixel, 0.05, 0.01, 0.05), "mlp1": (0.05,) * 4, "mlp2": (0.05, 0.05, 0.05, 0.01)}
    for name, expected in stds.items():
        for i, std in enumerate(expected, 1):
            layer = model.get_submodule(f"mlpconv{i}.{name}")
            assert layer.weight.std().item() == pytest.approx(std, rel=0.05), (i, name)
            assert not layer.bias.any()


def test_the_smallest_image_works_and_one_pixel_less_is_refused():
    model, side = create_model("nin", num_classes=7, in_channels=2).eval(), card("nin").smallest
    assert model(torch.zeros(2, 2, side, side)).shape == (2, 7)
    with pytest.raises(ValueError, match=f"nin takes images from {side}×{side} pixels on"):
        model(torch.zeros(2, 2, side - 1, side))
