"""MobileNetV2 against table 2 of its paper, torchvision at other widths, and the weights that ship.

That the logits are torchvision's at width 1 is tested for all networks at once in test_torchvision_parity.py.
"""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from coursekit.data import load_weights
from coursekit.models import card, create_model, from_torchvision
from coursekit.models.mobilenet_v2 import InvertedResidual
from tests.models.zoo import example, parameters


@pytest.fixture(scope="module")
def on_meta() -> nn.Module:
    with torch.device("meta"):
        return create_model("mobilenet_v2").eval()


def macs(model: nn.Module, *shape: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(shape, device="meta"))
    return counter.get_total_flops() // 2


def block_on_meta(c_in: int, c_out: int, stride: int, expansion: int) -> InvertedResidual:
    with torch.device("meta"):
        return InvertedResidual(c_in, c_out, stride=stride, expansion=expansion).eval()


def test_the_shipped_imagenet_weights_give_torchvisions_logits():
    state = load_weights("mobilenet_v2")
    theirs = torchvision.models.mobilenet_v2().eval()
    theirs.load_state_dict(state, strict=True)
    ours = create_model("mobilenet_v2").eval()
    ours.load_state_dict(from_torchvision("mobilenet_v2", state), strict=True)
    x = example("mobilenet_v2", side=128)
    with torch.no_grad():
        expected = theirs(x)
        torch.testing.assert_close(ours(x), expected, atol=1e-5, rtol=1e-5)
    assert expected.abs().max() > 1  # trained, so the comparison says something


@pytest.mark.parametrize("width", [0.35, 0.5, 1.4])
def test_other_widths_are_torchvisions_too(width):
    torch.manual_seed(0)
    theirs = torchvision.models.mobilenet_v2(num_classes=10, width_mult=width).eval()
    ours = create_model("mobilenet_v2", num_classes=10, width=width).eval()
    ours.load_state_dict(from_torchvision("mobilenet_v2", theirs.state_dict()), strict=True)
    x = example("mobilenet_v2", side=48)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)


def test_it_has_the_published_parameters_and_operations(on_meta):
    published = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1.meta
    assert parameters(on_meta) == published["num_params"] == 3_504_872
    count = macs(on_meta, 1, 3, 224, 224)
    assert count / 1e9 == pytest.approx(published["_ops"], abs=6e-4)
    assert count / 1e6 == pytest.approx(300, rel=0.005)  # the paper, table 4


def test_the_maps_have_the_sizes_of_table_2(on_meta):
    x, shapes = torch.empty(1, 3, 224, 224, device="meta"), []
    for name, layer in on_meta.named_children():
        x = layer(x)
        if name.startswith(("stem", "block", "head")):
            shapes.append((x.shape[1], x.shape[2]))
    # (channels, side, how often): the columns c and n, and the inputs of the rows below
    table = [
        *[(32, 112, 1), (16, 112, 1), (24, 56, 2), (32, 28, 3), (64, 14, 4), (96, 14, 3)],
        *[(160, 7, 3), (320, 7, 1), (1280, 7, 1)],
    ]
    assert shapes == [(c, side) for c, side, n in table for _ in range(n)]


def test_a_block_costs_what_the_lecture_says():
    c, t, h, w = 16, 6, 7, 5
    assert macs(block_on_meta(c, c, 1, t), 1, c, h, w) == 2 * t * h * w * c**2 + 9 * t * h * w * c


def test_a_block_expands_filters_depthwise_and_projects_without_a_non_linearity():
    layers = [m for m in block_on_meta(16, 24, 2, 6).modules() if not list(m.children())]
    conv, norm, relu6 = nn.Conv2d, nn.BatchNorm2d, nn.ReLU6
    assert [type(m) for m in layers] == [conv, norm, relu6, conv, norm, relu6, conv, norm]
    convolutions = [m for m in layers if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels, m.groups) for m in convolutions] == [
        (16, 96, 1),
        (96, 96, 96),
        (96, 24, 1),
    ]
    assert [(m.kernel_size, m.stride) for m in convolutions] == [
        ((1, 1), (1, 1)),
        ((3, 3), (2, 2)),
        ((1, 1), (1, 1)),
    ]


def test_only_the_block_that_expands_once_has_no_convolution_for_it(on_meta):
    lengths = [len(m.branch) for m in on_meta.children() if isinstance(m, InvertedResidual)]
    assert lengths == [2] + [3] * 16


def test_the_input_is_added_where_shapes_agree_and_nothing_follows():
    torch.manual_seed(0)
    block = InvertedResidual(16, 16, stride=1, expansion=6).eval()
    x = torch.randn(2, 16, 6, 6)
    before = x.clone()
    y = block(x)
    torch.testing.assert_close(y, x + block.branch(x))
    assert y.min() < 0, "a non-linearity behind the addition"
    torch.testing.assert_close(x, before, atol=0, rtol=0)


def test_ten_blocks_have_a_shortcut(on_meta):
    # all but the first of each row; no row begins with as many channels as the one above ends with
    blocks = [m for m in on_meta.children() if isinstance(m, InvertedResidual)]
    assert len(blocks) == 17
    assert sum(m.shortcut for m in blocks) == 17 - 7


def test_maps_between_blocks_are_thin_and_those_within_are_wide(on_meta):
    for block in (m for m in on_meta.children() if isinstance(m, InvertedResidual)):
        first, *_, last = (m for m in block.modules() if isinstance(m, nn.Conv2d))
        assert last.in_channels in (first.in_channels, 6 * first.in_channels)
    assert max(m.branch.project.conv.out_channels for m in on_meta if hasattr(m, "branch")) == 320


def test_weights_are_drawn_with_the_variance_of_he():
    model = create_model("mobilenet_v2", num_classes=10)
    assert model.head.conv.weight.std().item() == pytest.approx((2 / 1280) ** 0.5, rel=0.02)
    assert model.classifier.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert model.classifier.bias.abs().max() == 0


def test_it_works_down_to_one_pixel():
    model = create_model("mobilenet_v2", num_classes=7, in_channels=1).eval()
    smallest = card("mobilenet_v2").smallest
    with torch.no_grad():
        assert model(torch.randn(1, 1, smallest, smallest)).shape == (1, 7)
        with pytest.raises(ValueError, match="from 1×1 pixels on, got 0×0"):
            model(torch.randn(1, 1, smallest - 1, smallest - 1))
        with pytest.raises(ValueError, match=r"\(N, 1, H, W\)"):
            model(example("mobilenet_v2", 1, side=32))


def test_dropout_is_on_only_in_training():
    torch.manual_seed(0)
    model = create_model("mobilenet_v2", num_classes=5, dropout=0.5)
    x = example("mobilenet_v2", 4, side=32)
    assert not torch.equal(model(x), model(x))
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(x), model(x))
