"""The small ResNets against section 4.2 of the paper."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from coursekit.models import card, create_model
from coursekit.models.resnet import BasicBlock, PadShortcut
from tests.models.zoo import example, parameters

# Table 6 of He et al., CVPR 2016, in millions.
PUBLISHED = {"resnet20": 0.27, "resnet32": 0.46, "resnet44": 0.66, "resnet56": 0.85, "resnet110": 1.7}
PLAIN = ("plain20", "plain32", "plain44", "plain56")


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return create_model(name, num_classes=10).eval()


def expected_parameters(layers: int) -> int:
    """Weights of the convolutions, two numbers a channel of every batch norm, and fc."""
    n = (layers - 2) // 6
    count = 3 * 16 * 9 + 2 * 16 + 64 * 10 + 10
    for c_in, c in ((16, 16), (16, 32), (32, 64)):
        count += c_in * c * 9 + (2 * n - 1) * c * c * 9 + 2 * n * 2 * c
    return count


@pytest.mark.parametrize(("name", "millions"), PUBLISHED.items())
def test_parameters_are_those_of_table_6(name: str, millions: float) -> None:
    count = parameters(on_meta(name))
    assert count == expected_parameters(int(name[6:]))
    assert round(count / 1e6, 1 if millions == 1.7 else 2) == millions


@pytest.mark.parametrize("name", PLAIN)
def test_plain_networks_have_as_many_parameters_and_no_shortcut(name: str) -> None:
    model = on_meta(name)
    assert parameters(model) == expected_parameters(int(name[5:]))
    assert all(block.shortcut is None for block in model.modules() if isinstance(block, BasicBlock))


@pytest.mark.parametrize("name", [*PUBLISHED, *PLAIN])
def test_a_network_is_called_by_its_number_of_weight_layers(name: str) -> None:
    layers = sum(isinstance(module, nn.Conv2d | nn.Linear) for module in on_meta(name).modules())
    assert name.endswith(str(layers))
    assert (layers - 2) % 6 == 0


def test_maps_shrink_from_32_to_8_as_channels_grow_from_16_to_64() -> None:
    model = on_meta("resnet56")
    x = model.conv1(torch.empty(1, 3, 32, 32, device="meta"))
    for stage, channels, side in zip(
        (model.conv2_x, model.conv3_x, model.conv4_x), (16, 32, 64), (32, 16, 8), strict=True
    ):
        assert len(stage) == 9
        x = stage(x)
        assert x.shape == (1, channels, side, side)


def test_all_shortcuts_are_identities_of_option_a() -> None:
    kinds = [type(block.shortcut) for block in on_meta("resnet20").modules() if isinstance(block, BasicBlock)]
    assert kinds == [nn.Identity] * 3 + [PadShortcut, nn.Identity, nn.Identity] * 2


@pytest.mark.parametrize("name", ["resnet20", "plain20"])
def test_colour_images_of_32_and_grey_ones_of_28_and_of_1(name: str) -> None:
    assert create_model(name, num_classes=10)(example(name)).shape == (2, 10)
    grey = create_model(name, num_classes=7, in_channels=1).eval()
    assert grey(torch.randn(2, 1, 28, 28)).shape == (2, 7)
    assert card(name).smallest == 1
    assert grey(torch.randn(2, 1, 1, 1)).shape == (2, 7)
    with pytest.raises(ValueError, match=f"{name} takes images from 1×1 pixels on"):
        grey(torch.randn(2, 1, 0, 0))


def test_shortcuts_keep_the_gradient_of_early_and_late_layers_alike() -> None:
    ratios = {}
    for name in ("plain56", "resnet56"):
        torch.manual_seed(0)
        model = create_model(name, num_classes=10)
        model(example(name, batch=8)).square().mean().backward()
        first, last = model.conv1.conv.weight.grad, model.conv4_x[-1].residual[0].conv.weight.grad
        ratios[name] = (first.norm() / last.norm()).item()
    assert ratios["resnet56"] < 50
    assert ratios["plain56"] > 1000  # fresh batch norms blow the gradient up, layer by layer
