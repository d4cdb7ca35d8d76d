"""DenseNet against the numbers of its paper's table 1 and against torchvision's figures.

That the logits are torchvision's is tested for all networks at once in test_torchvision_parity.py.
"""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from coursekit.models import card, create_model
from coursekit.models.densenet import BUILDERS, DenseLayer
from tests.models.zoo import example, parameters

NAMES = sorted(BUILDERS)


def on_meta(name: str, **options: int) -> nn.Module:
    with torch.device("meta"):
        return create_model(name, **options)


def weighted_layers(model: nn.Module) -> int:
    return sum(isinstance(m, nn.Conv2d | nn.Linear) for m in model.modules())


@pytest.mark.parametrize("name", NAMES)
def test_the_name_counts_the_layers_with_weights(name):
    assert weighted_layers(on_meta(name)) == int(name.removeprefix("densenet"))


@pytest.mark.parametrize("name", NAMES)
def test_the_lectures_number_of_parameters_is_the_networks(name):
    given = card(name).lecture.params
    assert given is not None
    assert round(parameters(on_meta(name)) / 1e6, 1) == given / 1e6


@pytest.mark.parametrize("name", NAMES)
def test_it_takes_the_operations_that_torchvision_publishes(name):
    published = torchvision.models.get_model_weights(name).DEFAULT.meta["_ops"]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        on_meta(name).eval()(torch.empty(1, 3, 224, 224, device="meta"))
    assert counter.get_total_flops() / 2e9 == pytest.approx(published, abs=6e-4)


def test_every_layer_of_a_block_sees_all_before_it():
    block = on_meta("densenet121").block1
    assert [layer.layers.conv1.in_channels for layer in block] == [64 + 32 * i for i in range(6)]


def test_a_layer_keeps_what_it_is_given_and_adds_the_growth_rate():
    layer = DenseLayer(8, growth=4, dropout=0.0)
    x = torch.randn(2, 8, 5, 5)
    before = x.clone()
    y = layer(x)
    assert y.shape == (2, 12, 5, 5)
    torch.testing.assert_close(y[:, :8], before, atol=0, rtol=0)
    torch.testing.assert_close(x, before, atol=0, rtol=0)


def test_the_stages_have_the_sizes_of_table_1():
    model = on_meta("densenet121")
    x = torch.empty(1, 3, 224, 224, device="meta")
    shapes = {}
    for name, layer in model.named_children():
        x = layer(x)
        shapes[name] = tuple(x.shape[1:])
    assert shapes["conv0"] == (64, 112, 112)
    assert [shapes[f"block{i}"] for i in (1, 2, 3, 4)] == [
        (256, 56, 56),
        (512, 28, 28),
        (1024, 14, 14),
        (1024, 7, 7),
    ]
    assert [shapes[f"transition{i}"] for i in (1, 2, 3)] == [(128, 28, 28), (256, 14, 14), (512, 7, 7)]


def test_concatenation_makes_do_with_fewer_parameters_than_addition():
    assert parameters(on_meta("densenet121")) < 25_557_032  # ResNet-50
    assert parameters(on_meta("densenet201")) < 44_549_160  # ResNet-101


def test_weights_are_drawn_with_the_variance_of_he():
    model = create_model("densenet121", num_classes=10)
    conv = model.block4.layer1.layers.conv2
    assert conv.weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    assert model.fc.bias.abs().max() == 0


def test_it_works_down_to_29_pixels():
    model = create_model("densenet121", num_classes=7, in_channels=1).eval()
    smallest = card("densenet121").smallest
    with torch.no_grad():
        assert model(torch.randn(1, 1, smallest, smallest)).shape == (1, 7)
        with pytest.raises(ValueError, match="from 29×29 pixels on, got 28×28"):
            model(torch.randn(1, 1, smallest - 1, smallest - 1))
        with pytest.raises(ValueError, match=r"\(N, 1, H, W\)"):
            model(example("densenet121", 1, side=32))


def test_dropout_is_on_only_in_training():
    model = create_model("densenet121", num_classes=5, dropout=0.5)
    x = example("densenet121", 2, side=64)
    assert not torch.equal(model(x), model(x))
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(x), model(x))
