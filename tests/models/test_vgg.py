"""VGG: table 1 and 2 of the paper, and the lecture's figures."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from coursekit.models import card, create_model, list_models
from tests.models.zoo import parameters

# Name: weight layers, parameters, millions of parameters in the paper's table 2, giga multiply-adds.
TABLE = {
    "vgg11": (11, 132_863_336, 133, 7.609),
    "vgg11_lrn": (11, 132_863_336, 133, 7.609),
    "vgg13": (13, 133_047_848, 133, 11.308),
    "vgg16_1x1": (16, 133_638_952, 134, 11.771),
    "vgg16": (16, 138_357_544, 138, 15.470),
    "vgg19": (19, 143_667_240, 144, 19.632),
}


def on_meta(name, **options):
    with torch.device("meta"):
        return create_model(name, **options).eval()


def convolutions(model):
    return [(name, layer) for name, layer in model.named_children() if isinstance(layer, nn.Conv2d)]


def macs(model):
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, 224, 224, device="meta"))
    return counter.get_total_flops() / 2


def test_all_columns_of_the_table_are_there_and_four_with_batch_normalization():
    batch_norm = {"vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"}
    assert set(list_models("vgg*")) == set(TABLE) | batch_norm


@pytest.mark.parametrize("name", TABLE)
def test_layers_parameters_and_multiply_adds_are_the_published_ones(name):
    model = on_meta(name)
    layers, count, millions, giga = TABLE[name]
    assert sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in model) == layers
    assert parameters(model) == count
    assert round(count / 1e6) == millions
    assert round(macs(model) / 1e9, 3) == giga
    assert card(name).lecture.params == millions * 1e6


@pytest.mark.parametrize("name", ["vgg11", "vgg13", "vgg16", "vgg19"])
def test_batch_normalization_adds_two_parameters_a_map_and_stands_between_convolution_and_relu(name):
    plain, normed = on_meta(name), on_meta(f"{name}_bn")
    maps = sum(layer.out_channels for _, layer in convolutions(plain))
    assert parameters(normed) == parameters(plain) + 2 * maps
    assert {"".join(kinds) for kinds in zip(*[iter(order(normed))] * 3, strict=False)} == {"CBR"}


def order(model):
    """The convolutional part as letters, pooling left out."""
    letters = {nn.Conv2d: "C", nn.BatchNorm2d: "B", nn.ReLU: "R", nn.LocalResponseNorm: "N"}
    features = list(model)[: list(model).index(model.resize)]
    return "".join(letters.get(type(layer), "") for layer in features)


def test_kernels_see_three_pixels_but_for_the_last_of_three_stages_of_column_c():
    for name in TABLE:
        odd = {
            layer: conv.kernel_size for layer, conv in convolutions(on_meta(name)) if conv.padding != (1, 1)
        }
        expected = dict.fromkeys(["conv3_3", "conv4_3", "conv5_3"], (1, 1)) if name == "vgg16_1x1" else {}
        assert odd == expected, name


def test_local_response_normalization_follows_the_first_relu_of_a_lrn_alone():
    assert order(on_meta("vgg11_lrn")) == "CRN" + "CR" * 7
    assert order(on_meta("vgg11")) == "CR" * 8


@pytest.mark.parametrize("name", ["vgg11_lrn", "vgg16_1x1", "vgg19_bn"])
def test_stages_halve_the_map_and_double_the_channels_up_to_512(name):
    found, x = [], torch.zeros(1, 3, 224, 224, device="meta")
    for layer_name, layer in on_meta(name).named_children():
        x = layer(x)
        if layer_name.startswith(("pool", "resize", "fc")):
            found.append(tuple(x.shape[1:]))
    maps = [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7), (512, 7, 7)]
    assert found == [*maps, (4096,), (4096,), (1000,)]


def test_the_first_two_stages_of_vgg19_hold_two_thirds_of_its_activations():
    sizes, x = dict.fromkeys("12345", 0), torch.zeros(1, 3, 224, 224, device="meta")
    for name, layer in on_meta("vgg19").named_children():
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            sizes[name[4]] += x.numel()
    shares = [round(size / sum(sizes.values()), 3) for size in sizes.values()]
    assert shares == [0.432, 0.216, 0.216, 0.108, 0.027]


def test_the_lecture_s_operations_of_vgg16_are_those_without_conv3_3():
    model = on_meta("vgg16")
    without = macs(model) - 56 * 56 * 256 * 256 * 9
    assert card("vgg16").lecture.flops == pytest.approx(without, rel=0.002)
    assert card("vgg16").lecture.flops != pytest.approx(macs(model), rel=0.1)


@pytest.mark.parametrize("name", list_models("vgg*"))
def test_the_smallest_image_works_and_one_pixel_less_is_refused(name):
    model, side = on_meta(name, num_classes=7, in_channels=2), card(name).smallest
    assert model(torch.zeros(2, 2, side, side, device="meta")).shape == (2, 7)
    with pytest.raises(ValueError, match=rf"takes images from {side}×{side} pixels on"):
        model(torch.zeros(2, 2, side, side - 1, device="meta"))
