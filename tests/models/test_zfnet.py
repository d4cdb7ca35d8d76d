"""ZFNet: the sizes of the paper's figure 3, and what the lecture says differs from AlexNet."""

import pytest
import torch
from torch import nn

from coursekit.models import card, create_model
from tests.models.zoo import parameters


def on_meta(name="zfnet", **options):
    with torch.device("meta"):
        return create_model(name, **options).eval()


@pytest.mark.parametrize(("wide", "middle"), [(True, (512, 1024, 512)), (False, (384, 384, 256))])
def test_maps_at_224_pixels_have_the_sizes_of_figure_3(wide, middle):
    found, x = {}, torch.zeros(1, 3, 224, 224, device="meta")
    for name, layer in on_meta(wide=wide).named_children():
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.LocalResponseNorm | nn.Linear):
            found[name] = tuple(x.shape[1:])
    conv3, conv4, conv5 = middle
    assert found == {
        "conv1": (96, 110, 110),
        "pool1": (96, 55, 55),
        "norm1": (96, 55, 55),
        "conv2": (256, 26, 26),
        "pool2": (256, 13, 13),
        "norm2": (256, 13, 13),
        "conv3": (conv3, 13, 13),
        "conv4": (conv4, 13, 13),
        "conv5": (conv5, 13, 13),
        "pool5": (conv5, 6, 6),
        "fc6": (4096,),
        "fc7": (4096,),
        "fc8": (1000,),
    }


@pytest.mark.parametrize(
    ("wide", "count"),
    [
        (False, 62_357_608),
        (
            True,
            96 * (7 * 7 * 3 + 1)
            + 256 * (5 * 5 * 96 + 1)
            + 512 * (9 * 256 + 1)
            + 1024 * (9 * 512 + 1)
            + 512 * (9 * 1024 + 1)
            + 4096 * (36 * 512 + 1)
            + 4096 * (4096 + 1)
            + 1000 * (4096 + 1),
        ),
    ],
)
def test_parameters_are_those_of_its_layers(wide, count):
    assert parameters(on_meta(wide=wide)) == count
    assert not wide or count == 107_627_624  # as its docstring says


def test_it_differs_from_alexnet_as_the_lecture_says():
    ours, alexnet = on_meta(), on_meta("alexnet_ungrouped")
    assert (ours.conv1.kernel_size, ours.conv1.stride) == ((7, 7), (2, 2))
    assert (alexnet.conv1.kernel_size, alexnet.conv1.stride) == ((11, 11), (4, 4))
    assert [ours.get_submodule(f"conv{i}").out_channels for i in (3, 4, 5)] == [512, 1024, 512]
    same = [name for name, p in alexnet.named_parameters() if p.shape == ours.get_parameter(name).shape]
    assert {name.split(".")[0] for name in same if "weight" in name} == {"conv2", "fc7", "fc8"}
    assert card("zfnet").lecture.top5_error < card("alexnet_2012").lecture.top5_error


def test_the_smallest_image_works_and_one_pixel_less_is_refused():
    model, side = on_meta(num_classes=7, in_channels=2), card("zfnet").smallest
    assert model(torch.zeros(2, 2, side, side, device="meta")).shape == (2, 7)
    with pytest.raises(ValueError, match=f"zfnet takes images from {side}×{side} pixels on"):
        model(torch.zeros(2, 2, side - 1, side, device="meta"))


def test_fresh_weights_have_a_standard_deviation_of_a_hundredth_and_biases_of_zero():
    model = create_model("zfnet", num_classes=3, wide=False)
    for name, layer in model.named_children():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            pixel = 255 * 0.225 if name == "conv1" else 1.0
            assert layer.weight.std().item() == pytest.approx(0.01 * pixel, rel=0.05), name
            assert not layer.bias.any()
