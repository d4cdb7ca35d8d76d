"""Xception against timm's, whose weights it takes, and against its paper."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from coursekit.models import card, create_model
from coursekit.models.weights import rename
from tests.models.zoo import example, parameters, stirred

# timm's keys -> ours
TABLE = {
    r"conv([12])\.weight": r"conv\1.conv.weight",
    r"bn([12])\.(\w+)": r"conv\1.norm.\2",
    r"block(\d+)\.skip\.weight": r"block\1.shortcut.conv.weight",
    r"block(\d+)\.skipbn\.(\w+)": r"block\1.shortcut.norm.\2",
    r"conv([34])\.conv1\.weight": r"conv\1.depthwise.weight",
    r"conv([34])\.pointwise\.weight": r"conv\1.pointwise.weight",
    r"bn([34])\.(\w+)": r"conv\1.norm.\2",
    r"fc\.(\w+)": r"fc.\1",
}
# In a block of timm's the layers are numbered: ReLU, separable convolution, norm, and so on; block1 begins
# with the convolution.
for first, block in ((0, "block1"), (1, r"block(?!1\.)\d+")):
    for i in range(3):
        conv, norm = first + 3 * i, first + 3 * i + 1
        place = rf"\g<block>.layers.conv{i + 1}"
        TABLE |= {
            rf"(?P<block>{block})\.rep\.{conv}\.conv1\.weight": f"{place}.depthwise.weight",
            rf"(?P<block>{block})\.rep\.{conv}\.pointwise\.weight": f"{place}.pointwise.weight",
            rf"(?P<block>{block})\.rep\.{norm}\.(?P<entry>\w+)": rf"{place}.norm.\g<entry>",
        }


def on_meta() -> nn.Module:
    with torch.device("meta"):
        return create_model("xception")


def test_with_timms_weights_it_computes_timms_logits():
    torch.manual_seed(4)
    theirs = stirred(timm.create_model("legacy_xception"))
    ours = create_model("xception")
    ours.load_state_dict(rename(theirs.state_dict(), TABLE), strict=True)
    images = example("xception", 2, side=107)
    for training in (True, False):
        with torch.no_grad():
            expected = theirs.train(training)(images)
            assert expected.std() > 0.1
            torch.testing.assert_close(ours.train(training)(images), expected, atol=1e-4, rtol=1e-4)


def test_it_has_the_parameters_of_the_papers_table_3():
    assert parameters(on_meta()) == 22_855_952  # "22,855,952" there


def test_it_has_36_convolutions_in_14_modules():
    # Section 3: "36 convolutional layers ... structured into 14 modules", a separable one counted once and
    # shortcuts not: the stem, twelve blocks, and the last two.
    model = on_meta()
    separable = sum(m.groups > 1 for m in model.modules() if isinstance(m, nn.Conv2d))
    assert separable + 2 == 36
    assert sum(name.startswith("block") for name, _ in model.named_children()) + 2 == 14


def test_the_flows_have_the_sizes_of_figure_5():
    shapes = {}
    x = torch.empty(1, 3, 299, 299, device="meta")
    for name, layer in on_meta().named_children():
        x = layer(x)
        shapes[name] = tuple(x.shape[1:])
    assert shapes["conv2"] == (64, 147, 147)
    assert shapes["block3"] == shapes["block11"] == (728, 19, 19)
    assert shapes["block12"] == (1024, 10, 10)
    assert shapes["conv4"] == (2048, 10, 10)


def test_a_block_leaves_its_input_as_it_was():
    block = create_model("xception", num_classes=2).block2.eval()
    x = torch.randn(1, 128, 6, 6)
    before = x.clone()
    with torch.no_grad():
        block(x)
    assert torch.equal(x, before)


def test_it_works_down_to_7_pixels():
    model = create_model("xception", num_classes=4, in_channels=1).eval()
    smallest = card("xception").smallest
    with torch.no_grad():
        assert model(torch.randn(1, 1, smallest, smallest)).shape == (1, 4)
        with pytest.raises(ValueError, match="from 7×7 pixels on, got 6×6"):
            model(torch.randn(1, 1, smallest - 1, smallest - 1))
        model.check = nn.Identity()
        with pytest.raises(RuntimeError, match=r"[Kk]ernel size can't be greater"):
            model(torch.randn(1, 1, smallest - 1, smallest - 1))
