"""The shipped MobileNetV2: loads strictly, sees what is there, and lost nothing that matters to float16."""

import pytest
import torch

from coursekit import data

torchvision = pytest.importorskip("torchvision")


@pytest.fixture(scope="module")
def network():
    model = torchvision.models.mobilenet_v2()
    model.load_state_dict(data.load_weights("mobilenet_v2"), strict=True)
    return model.eval()


@pytest.fixture(scope="module")
def probabilities(network):
    """(2, 1000), for the centre 224x224 of the cat and of the coffee."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    images = data.load("photographs").images[:, :, 38:262, 88:312]
    with torch.no_grad():
        return network((images - mean) / std).softmax(dim=1)


def test_the_names_are_torchvision_s_and_the_values_float32():
    weights = data.load_weights("mobilenet_v2")
    assert weights.keys() == torchvision.models.mobilenet_v2().state_dict().keys()
    counters = {key for key, value in weights.items() if value.dtype == torch.int64}
    assert all(key.endswith("num_batches_tracked") for key in counters)
    assert {value.dtype for key, value in weights.items() if key not in counters} == {torch.float32}


def test_there_are_as_many_parameters_as_published(network):
    assert sum(p.numel() for p in network.parameters()) == 3_504_872


def test_the_cat_is_a_cat_and_the_coffee_an_espresso(probabilities):
    # ImageNet: 281 tabby, 282 tiger cat, 285 Egyptian cat; 967 espresso.
    assert set(probabilities[0].topk(3).indices.tolist()) == {281, 282, 285}
    assert probabilities[1].argmax() == 967


def test_rounding_to_float16_moves_no_probability_by_more_than_two_thousandths(probabilities):
    # Computed once with the published float32 weights.
    published = {(0, 285): 0.6359, (0, 282): 0.2443, (0, 281): 0.1126, (1, 967): 0.9827, (1, 968): 0.0097}
    for (image, label), expected in published.items():
        assert abs(probabilities[image, label] - expected) < 2e-3


def test_no_running_variance_was_rounded_to_zero():
    weights = data.load_weights("mobilenet_v2")
    variances = torch.cat([value for key, value in weights.items() if key.endswith("running_var")])
    assert variances.min() > 0
    assert 0 < (variances < 6e-8).sum() < 100  # below float16's smallest number, as published


def test_unknown_weights_list_the_known_ones():
    with pytest.raises(data.UnknownNameError, match=r"'resnet50'; there are: mobilenet_v2"):
        data.load_weights("resnet50")
