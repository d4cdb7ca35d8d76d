"""Networks to count: their depth as the papers give it, no memory, first weights of He's size."""

import pytest
import torch
from torch import nn

from coursekit.lecture import count_parameters, depth, he_normal, on_meta


@pytest.mark.parametrize(
    ("name", "layers"),
    [("lenet5", 5), ("alexnet_2012", 8), ("vgg19", 19), ("googlenet", 22), ("resnet50", 50)],
)
def test_the_depth_is_that_of_the_papers(name, layers):
    options = {"in_channels": 1, "num_classes": 10} if name == "lenet5" else {}
    assert depth(on_meta(name, **options)) == layers


def test_a_network_on_the_meta_device_has_shapes_and_no_numbers():
    network = on_meta("vgg16")
    assert {p.device.type for p in network.parameters()} == {"meta"}
    assert count_parameters(network) == 138_357_544


def test_a_name_that_is_not_in_the_zoo_is_refused():
    with pytest.raises(ValueError, match="no model is called 'vgg17'"):
        on_meta("vgg17")


def test_parameters_are_counted_with_biases_and_norms():
    assert count_parameters(nn.Sequential(nn.Conv2d(3, 4, 5), nn.BatchNorm2d(4))) == 4 * 75 + 4 + 8


def test_first_weights_have_a_variance_of_two_over_fan_in_and_no_bias():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(32, 64, 3), nn.Flatten(), nn.Linear(500, 400))
    assert he_normal(network) is network
    for layer, fan_in in ((network[0], 288), (network[2], 500)):
        assert layer.weight.var().item() == pytest.approx(2 / fan_in, rel=0.05)
        assert layer.bias.count_nonzero() == 0
