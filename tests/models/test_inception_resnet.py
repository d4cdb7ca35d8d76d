"""Inception-v4 and Inception-ResNet-v2 against timm's, whose weights they take."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from coursekit.models import card, create_model
from coursekit.models.inception_resnet import BUILDERS, ResidualBlock
from coursekit.models.weights import Renames, rename
from tests.models.zoo import example, parameters, stirred

NAMES = sorted(BUILDERS)


def places(theirs: str, ours: str) -> Renames:
    """Rules for a convolution with its norm; groups in `theirs` may be called a, b, c."""
    return {
        rf"{theirs}\.conv\.weight": f"{ours}.conv.weight",
        rf"{theirs}\.bn\.(?P<entry>\w+)": rf"{ours}.norm.\g<entry>",
    }


def branches(theirs: str, ours: str) -> Renames:
    """Rules for parallel branches: a single convolution is numbered only by us."""
    return {
        **places(rf"{theirs}\.branch(?P<b>\d)", rf"{ours}.branch\g<b>.0"),
        **places(rf"{theirs}\.branch(?P<b>\d)\.(?P<c>\d)", rf"{ours}.branch\g<b>.\g<c>"),
    }


RESNET: Renames = {
    **places("conv2d_1a", "stem.0"),
    **places("conv2d_2a", "stem.1"),
    **places("conv2d_2b", "stem.2"),
    **places("conv2d_3b", "stem.4"),
    **places("conv2d_4a", "stem.5"),
    **branches("mixed_5b", "stem.7"),
    **branches(r"repeat\.(?P<a>\d+)", r"inception_a.\g<a>.branches"),
    **branches("mixed_6a", "reduction_a.0"),
    **branches(r"repeat_1\.(?P<a>\d+)", r"inception_b.\g<a>.branches"),
    **branches("mixed_7a", "reduction_b.0"),
    **branches(r"repeat_2\.(?P<a>\d+)", r"inception_c.\g<a>.branches"),
    **branches("block8", "inception_c.9.branches"),
    **places("conv2d_7b", "last.0"),
    r"repeat\.(\d+)\.conv2d\.(\w+)": r"inception_a.\1.linear.\2",
    r"repeat_1\.(\d+)\.conv2d\.(\w+)": r"inception_b.\1.linear.\2",
    r"repeat_2\.(\d+)\.conv2d\.(\w+)": r"inception_c.\1.linear.\2",
    r"block8\.conv2d\.(\w+)": r"inception_c.9.linear.\1",
    r"classif\.(\w+)": r"fc.\1",
}

V4: dict[str, str] = {
    **places(r"features\.(?P<a>[012])", r"stem.\g<a>"),
    **places(r"features\.3\.conv", "stem.3.branch1.0"),
    **branches(r"features\.4", "stem.4"),
    **places(r"features\.5\.conv", "stem.5.branch0.0"),
    r"last_linear\.(\w+)": r"fc.\1",
}
STARTS = {"inception_a": (6, 4), "reduction_a": (10, 1), "inception_b": (11, 7), "reduction_b": (18, 1)}
for stage, (start, repeats) in (STARTS | {"inception_c": (19, 3)}).items():
    for i in range(repeats):
        theirs, ours = rf"features\.{start + i}", f"{stage}.{i}"
        V4 |= branches(theirs, ours)
        V4 |= places(rf"{theirs}\.branch(?P<b>\d)_(?P<c>\d)", rf"{ours}.branch\g<b>.\g<c>")
        for branch, at in ((1, 1), (2, 3)):
            for side, letter in enumerate("ab"):
                V4 |= places(
                    rf"{theirs}\.branch{branch}_{at}{letter}", f"{ours}.branch{branch}.{at}.branch{side}.0"
                )
TABLES = {"inception_resnet_v2": RESNET, "inception_v4": V4}


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return create_model(name)


@pytest.mark.parametrize("name", NAMES)
def test_with_timms_weights_it_computes_timms_logits(name):
    torch.manual_seed(5)
    theirs = stirred(timm.create_model(name))
    ours = create_model(name, dropout=0.0)
    ours.load_state_dict(rename(theirs.state_dict(), TABLES[name]), strict=True)
    images = example(name, 2, side=107)
    for training in (True, False):
        with torch.no_grad():
            expected = theirs.train(training)(images)
            assert expected.std() > 0.1
            torch.testing.assert_close(ours.train(training)(images), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "count"), [("inception_v4", 42_679_816), ("inception_resnet_v2", 55_843_464)]
)
def test_it_has_the_parameters_of_the_released_weights(name, count):
    assert parameters(on_meta(name)) == count


@pytest.mark.parametrize(
    ("name", "channels"),
    [("inception_v4", (384, 1024, 1536)), ("inception_resnet_v2", (320, 1088, 2080))],
)
def test_the_stages_have_the_sizes_of_the_papers_figures(name, channels):
    shapes = {}
    x = torch.empty(1, 3, 299, 299, device="meta")
    for stage, layer in on_meta(name).named_children():
        x = layer(x)
        shapes[stage] = tuple(x.shape[1:])
    sizes = [shapes[f"inception_{letter}"] for letter in "abc"]
    assert sizes == [(c, side, side) for c, side in zip(channels, (35, 17, 8), strict=True)]


def test_only_the_residual_network_has_shortcuts():
    kinds = {name: sum(isinstance(m, ResidualBlock) for m in on_meta(name).modules()) for name in NAMES}
    assert kinds == {"inception_v4": 0, "inception_resnet_v2": 40}


def test_a_residual_module_with_a_scale_of_nothing_is_a_relu():
    block = create_model("inception_resnet_v2", num_classes=2).inception_b[0].eval()
    block.scale = 0.0
    x = torch.randn(1, 1088, 3, 3)
    with torch.no_grad():
        torch.testing.assert_close(block(x.clone()), x.relu())


@pytest.mark.parametrize("name", NAMES)
def test_it_works_down_to_75_pixels(name):
    with torch.device("meta"):
        model = create_model(name, num_classes=4, in_channels=1)
    smallest = card(name).smallest
    image = torch.empty(2, 1, smallest, smallest, device="meta")
    assert model(image).shape == (2, 4)
    with pytest.raises(ValueError, match="from 75×75 pixels on, got 74×74"):
        model(image[..., 1:, 1:])
    model.check = nn.Identity()
    with pytest.raises(RuntimeError, match=r"[Kk]ernel size can't be greater|too small"):
        model(image[..., 1:, 1:])
