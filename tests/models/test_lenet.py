"""LeNet-5, against its table and the lecture's sizes."""

import pytest
import torch
from torch import nn

from coursekit.models import card, create_model
from tests.models.zoo import parameters


def test_lenet5_has_the_parameters_and_the_shapes_of_its_table():
    model = create_model("lenet5", num_classes=10, in_channels=1)
    assert parameters(model) == 61_706
    shapes, x = [], torch.zeros(1, 1, 32, 32)
    for name, layer in model.named_children():
        x = layer(x)
        if name != "check" and not name.startswith("tanh"):
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (400,), (120,), (84,), (10,)]


def test_the_lecture_s_lenet5_averages_its_windows_and_bends_with_tanh():
    model = create_model("lenet5", num_classes=10, in_channels=1)
    assert isinstance(model, nn.Sequential)
    assert [type(layer) for layer in model][1:] == [
        *(nn.Conv2d, nn.Tanh, nn.AvgPool2d) * 2,
        nn.Flatten,
        *(nn.Linear, nn.Tanh) * 2,
        nn.Linear,
    ]


def test_lenet5_on_28_pixels_equals_the_same_weights_on_the_image_padded_to_32():
    small = create_model("lenet5", num_classes=10, in_channels=1, image_size=28)
    large = create_model("lenet5", num_classes=10, in_channels=1)
    large.load_state_dict(small.state_dict())
    x = torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(small(x), large(nn.functional.pad(x, (2, 2, 2, 2))))


def test_lenet5_takes_any_number_of_classes_and_channels():
    assert create_model("lenet5", num_classes=7, in_channels=2)(torch.zeros(2, 2, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(("image_size", "side"), [(32, 31), (32, 33), (32, 28), (28, 32), (28, 27)])
def test_lenet5_takes_images_of_one_size_only(image_size, side):
    model = create_model("lenet5", num_classes=10, in_channels=1, image_size=image_size)
    with pytest.raises(ValueError, match=f"takes {image_size}×{image_size} pixels, got {side}×{side}"):
        model(torch.zeros(1, 1, side, side))
    assert card("lenet5").smallest == 32


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"image_size": 30}, "image_size is 30"),
        ({"activation": "gelu"}, "activation is 'gelu'; choose one of tanh, sigmoid, relu"),
        ({"pooling": "mean"}, "pooling is 'mean'; choose one of avg, max"),
    ],
)
def test_lenet5_refuses_what_it_does_not_have(option, message):
    with pytest.raises(ValueError, match=message):
        create_model("lenet5", **option)


@pytest.mark.parametrize(
    ("option", "layer"),
    [
        ({"activation": "sigmoid"}, nn.Sigmoid),
        ({"activation": "relu"}, nn.ReLU),
        ({"pooling": "max"}, nn.MaxPool2d),
    ],
)
def test_options_put_other_layers_in_place_and_no_weights(option, layer):
    model = create_model("lenet5", num_classes=10, in_channels=1, **option)
    assert isinstance(model, nn.Sequential)
    assert any(isinstance(module, layer) for module in model)
    assert parameters(model) == 61_706
