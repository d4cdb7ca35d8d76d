"""The registry: names, misspelt names, double names, and names that torchvision has too."""

import pytest
import torch

from coursekit import models


def test_a_misspelt_model_is_answered_with_the_nearest_names():
    with pytest.raises(ValueError, match="no model is called 'lenet': did you mean lenet5"):
        models.create_model("lenet")


def test_a_model_that_resembles_none_is_answered_with_all_of_them():
    with pytest.raises(ValueError, match="no model is called '###': there are ") as caught:
        models.create_model("###")
    assert str(caught.value).endswith(", ".join(models.list_models()))


@pytest.mark.parametrize(
    "ask",
    [models.create_model, models.card, lambda name: models.from_torchvision(name, {})],
    ids=["create_model", "card", "from_torchvision"],
)
def test_every_question_about_a_misspelt_model_gets_the_same_answer(ask):
    with pytest.raises(ValueError, match="no model is called 'alexnett': did you mean alexnet"):
        ask("alexnett")


def test_two_models_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two models are called 'lenet5'"):
        models.registry([{"lenet5": torch.nn.Identity}, {"lenet5": torch.nn.Identity}])


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("alex", ["alexnet", "alexnet_2012", "alexnet_ungrouped"]),
        ("lenet*", ["lenet5"]),
        ("vgg1?", ["vgg11", "vgg13", "vgg16", "vgg19"]),
        ("no such model", []),
    ],
)
def test_models_are_listed_by_a_part_of_the_name_or_a_pattern(filter, expected):
    assert models.list_models(filter) == expected


def test_without_a_filter_all_are_listed_in_order_and_each_has_a_card():
    names = models.list_models()
    assert {"alexnet", "lenet5"} <= set(names)
    assert names == sorted(set(names))
    assert all(models.card(name).paper for name in names)


def test_an_option_that_a_family_does_not_have_is_refused():
    with pytest.raises(TypeError, match="depth"):
        models.create_model("lenet5", depth=3)


def test_an_entry_that_is_not_torchvisions_is_refused_by_name():
    with pytest.raises(KeyError, match=r"layer1\.0\.conv1\.weight"):
        models.from_torchvision("alexnet", {"layer1.0.conv1.weight": torch.zeros(1)})


def test_a_model_that_torchvision_does_not_have_is_answered_with_those_it_has():
    with pytest.raises(ValueError, match="torchvision has no lenet5; it has alexnet, "):
        models.from_torchvision("lenet5", {})
