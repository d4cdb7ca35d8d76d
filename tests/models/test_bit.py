"""BiT against timm, and what group norm and weight standardization promise."""

from __future__ import annotations

import pytest
import timm
import torch
from timm.layers.std_conv import StdConv2d as TimmStdConv2d
from torch import nn
from torch.nn import functional as F

from coursekit.models import card, create_model
from coursekit.models.bit import EPS, StdConv2d
from tests.models.test_preact_resnet import from_timm
from tests.models.zoo import example, parameters


def test_logits_are_those_of_timm_with_its_weights() -> None:
    torch.manual_seed(0)
    theirs = timm.create_model("resnetv2_50x1_bit", num_classes=5).eval()
    for module in theirs.modules():
        if isinstance(module, TimmStdConv2d):
            module.eps = EPS
        if isinstance(module, nn.GroupNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    ours = create_model("bit_resnet50", num_classes=5).eval()
    ours.load_state_dict(from_timm(theirs.state_dict()), strict=True)
    x = example("bit_resnet50", side=64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "width", "in_timm"),
    [
        ("bit_resnet50", 1, "resnetv2_50x1_bit"),
        ("bit_resnet50", 3, "resnetv2_50x3_bit"),
        ("bit_resnet101", 1, "resnetv2_101x1_bit"),
        ("bit_resnet152", 4, "resnetv2_152x4_bit"),
    ],
)
def test_shapes_of_all_weights_are_those_of_timm(name: str, width: int, in_timm: str) -> None:
    with torch.device("meta"):
        ours, theirs = create_model(name, width=width), timm.create_model(in_timm, num_classes=1000)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in from_timm(theirs.state_dict()).items()
    }


def test_the_widest_has_the_published_size() -> None:
    """R152x4 without its head has the 928 million parameters that Kolesnikov et al. give."""
    with torch.device("meta"):
        model = create_model("bit_resnet152", width=4)
    assert round((parameters(model) - parameters(model.fc)) / 1e6) == 928


def test_a_filter_is_used_with_mean_zero_and_variance_one() -> None:
    torch.manual_seed(0)
    conv, x = StdConv2d(3, 4, 3, padding=1, stride=2, bias=False), torch.randn(2, 3, 9, 9)
    filters = conv.weight.detach().flatten(1)
    standard = (filters - filters.mean(1, keepdim=True)) / filters.std(1, correction=0, keepdim=True)
    torch.testing.assert_close(conv(x), F.conv2d(x, standard.view(4, 3, 3, 3), stride=2, padding=1))
    before = conv(x)
    with torch.no_grad():
        conv.weight.mul_(3).add_(1)
    torch.testing.assert_close(conv(x), before, rtol=1e-4, atol=1e-4)


def test_an_image_s_logits_do_not_depend_on_the_batch_even_in_training() -> None:
    torch.manual_seed(0)
    model = create_model("bit_resnet50", num_classes=5)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    x = example("bit_resnet50", batch=3, side=32)
    with torch.no_grad():
        torch.testing.assert_close(model(x)[:1], model(x[:1]), rtol=1e-4, atol=1e-4)


def test_images_of_any_size_and_number_of_channels() -> None:
    assert card("bit_resnet50").smallest == 1
    model = create_model("bit_resnet50", num_classes=7, in_channels=1).eval()
    assert model(torch.randn(2, 1, 1, 1)).shape == (2, 7)
    with pytest.raises(ValueError, match="bit_resnet50 takes images from 1×1 pixels on"):
        model(torch.randn(2, 1, 0, 0))
