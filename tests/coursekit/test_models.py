"""The model zoo, against published counts and torchvision."""

import pytest
import torch
import torchvision

from coursekit import models
from coursekit.models.alexnet import from_torchvision


def parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", models.list_models())
def test_every_model_takes_any_number_of_classes_and_channels(name):
    size = {"lenet5": 32, "alexnet": 64}[name]
    model = models.create_model(name, num_classes=7, in_channels=2).eval()
    assert model(torch.zeros(2, 2, size, size)).shape == (2, 7)


def test_lenet5_has_the_parameters_and_the_shapes_of_its_table():
    model = models.create_model("lenet5", num_classes=10, in_channels=1)
    assert parameters(model) == 61_706
    shapes, x = [], torch.zeros(1, 1, 32, 32)
    for name, layer in model.named_children():
        x = layer(x)
        if not name.startswith("tanh"):
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (400,), (120,), (84,), (10,)]


def test_lenet5_on_28_pixels_equals_the_same_weights_on_the_image_padded_to_32():
    small = models.create_model("lenet5", num_classes=10, in_channels=1, image_size=28)
    large = models.create_model("lenet5", num_classes=10, in_channels=1)
    large.load_state_dict(small.state_dict())
    x = torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(small(x), large(torch.nn.functional.pad(x, (2, 2, 2, 2))))


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
        models.create_model("lenet5", **option)


@pytest.fixture(scope="module")
def alexnets() -> tuple[torch.nn.Module, torch.nn.Module]:
    theirs = torchvision.models.alexnet(weights=None).eval()
    ours = models.create_model("alexnet").eval()
    ours.load_state_dict(from_torchvision(theirs.state_dict()), strict=True)
    return ours, theirs


def test_alexnet_has_61_100_840_parameters(alexnets):
    assert parameters(alexnets[0]) == 61_100_840


@pytest.mark.parametrize("size", [224, 227, 256])
def test_alexnet_agrees_with_torchvision_after_loading_its_weights(alexnets, size):
    ours, theirs = alexnets
    x = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(size))
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=0)


def test_an_entry_that_is_not_torchvisions_is_refused_by_name():
    with pytest.raises(KeyError, match=r"layer1\.0\.conv1\.weight"):
        from_torchvision({"layer1.0.conv1.weight": torch.zeros(1)})


def test_a_misspelt_model_is_answered_with_the_nearest_names():
    with pytest.raises(ValueError, match="no model is called 'lenet': did you mean lenet5"):
        models.create_model("lenet")


def test_a_model_that_resembles_none_is_answered_with_all_of_them():
    with pytest.raises(ValueError, match="there are alexnet, lenet5"):
        models.create_model("zzz")


def test_two_models_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two models are called 'lenet5'"):
        models.registry([{"lenet5": torch.nn.Identity}, {"lenet5": torch.nn.Identity}])


@pytest.mark.parametrize(
    ("filter", "expected"),
    [("", ["alexnet", "lenet5"]), ("alex", ["alexnet"]), ("lenet*", ["lenet5"]), ("q", [])],
)
def test_models_are_listed_by_a_part_of_the_name_or_a_pattern(filter, expected):
    assert models.list_models(filter) == expected
