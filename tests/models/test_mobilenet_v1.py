"""MobileNet against the tables of its paper, the lecture's formulas and timm's implementation."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from coursekit.models import card, create_model
from coursekit.models.mobilenet_v1 import DepthwiseSeparable
from coursekit.models.parts import ConvNormAct
from coursekit.models.weights import rename
from tests.models.zoo import example, parameters

TIMM_STAGES = (1, 2, 2, 6, 2)  # blocks in each of timm's stages; ours are numbered through


def from_timm() -> dict[str, str]:
    table = {
        r"conv_stem\.(.+)": r"stem.conv.\1",
        r"bn1\.(.+)": r"stem.norm.\1",
        r"classifier\.(.+)": r"classifier.\1",
    }
    number = 0
    for stage, blocks in enumerate(TIMM_STAGES):
        for i in range(blocks):
            number += 1
            theirs, ours = rf"blocks\.{stage}\.{i}\.", f"block{number}."
            table[theirs + r"conv_dw\.(.+)"] = ours + r"depthwise.conv.\1"
            table[theirs + r"bn1\.(.+)"] = ours + r"depthwise.norm.\1"
            table[theirs + r"conv_pw\.(.+)"] = ours + r"pointwise.conv.\1"
            table[theirs + r"bn2\.(.+)"] = ours + r"pointwise.norm.\1"
    return table


def on_meta(**options: float) -> nn.Module:
    with torch.device("meta"):
        return create_model("mobilenet_v1", **options).eval()


def macs(model: nn.Module, *shape: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(shape, device="meta"))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(("name", "width"), [("mobilenetv1_100", 1.0), ("mobilenetv1_125", 1.25)])
def test_timms_weights_give_timms_logits(name, width):
    torch.manual_seed(0)
    # timm's has ReLU6, as the code that came after the paper; the paper's figure 3 has ReLU.
    theirs = timm.create_model(name, num_classes=10, act_layer=nn.ReLU).eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    ours = create_model("mobilenet_v1", num_classes=10, width=width).eval()
    ours.load_state_dict(rename(theirs.state_dict(), from_timm()), strict=True)
    x = example("mobilenet_v1", side=64)
    with torch.no_grad():
        expected = theirs(x)
        torch.testing.assert_close(ours(x), expected, atol=1e-5, rtol=1e-5)
    assert expected.std() > 1e-3


# The paper's table 6: width multiplier, million multiply-adds, million parameters.
@pytest.mark.parametrize(
    ("width", "mult_adds", "params"), [(1.0, 569, 4.2), (0.75, 325, 2.6), (0.5, 149, 1.3), (0.25, 41, 0.5)]
)
def test_a_width_has_the_papers_operations_and_parameters(width, mult_adds, params):
    model = on_meta(width=width)
    assert macs(model, 1, 3, 224, 224) / 1e6 == pytest.approx(mult_adds, abs=0.5)
    assert round(parameters(model) / 1e6, 1) == params


# The paper's table 7: side of the image, million multiply-adds.
@pytest.mark.parametrize(("side", "mult_adds"), [(192, 418), (160, 290), (128, 186)])
def test_a_smaller_image_takes_the_papers_operations(side, mult_adds):
    assert macs(on_meta(), 1, 3, side, side) / 1e6 == pytest.approx(mult_adds, abs=0.7)


def test_the_maps_have_the_sizes_of_table_1():
    x, shapes = torch.empty(1, 3, 224, 224, device="meta"), []
    for name, layer in on_meta().named_children():
        x = layer(x)
        if name.startswith(("stem", "block")):
            shapes.append((x.shape[1], x.shape[2]))
    assert shapes == [
        *[(32, 112), (64, 112), (128, 56), (128, 56), (256, 28), (256, 28)],
        *[(512, 14)] * 6,
        *[(1024, 7)] * 2,
    ]


def test_depthwise_and_pointwise_counted_apart_it_has_28_layers():
    # section 3.2 of the paper
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in on_meta().modules()) == 28


@pytest.mark.parametrize("c", [16, 64])
def test_a_block_is_faster_than_a_convolution_by_the_lectures_factor(c):
    with torch.device("meta"):
        separable, standard = DepthwiseSeparable(c, c, stride=1), ConvNormAct(c, c, 3)
    few, many = macs(separable.eval(), 1, c, 7, 5), macs(standard.eval(), 1, c, 7, 5)
    assert few == (9 * c + c**2) * 7 * 5
    assert many / few == pytest.approx(9 * c / (9 + c))


def test_a_block_has_the_lectures_layers_in_their_order():
    with torch.device("meta"):
        block = DepthwiseSeparable(8, 16, stride=2)
    layers = [m for m in block.modules() if not list(m.children())]
    assert [type(m) for m in layers] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2
    assert (layers[0].kernel_size, layers[0].groups, layers[0].stride) == ((3, 3), 8, (2, 2))  # type: ignore[comparison-overlap]
    assert (layers[3].kernel_size, layers[3].groups, layers[3].stride) == ((1, 1), 1, (1, 1))  # type: ignore[comparison-overlap]


def test_it_works_down_to_one_pixel():
    model = create_model("mobilenet_v1", num_classes=7, in_channels=1, width=0.25).eval()
    smallest = card("mobilenet_v1").smallest
    with torch.no_grad():
        assert model(torch.randn(1, 1, smallest, smallest)).shape == (1, 7)
        with pytest.raises(ValueError, match="from 1×1 pixels on, got 0×0"):
            model(torch.randn(1, 1, smallest - 1, smallest - 1))
        with pytest.raises(ValueError, match=r"\(N, 1, H, W\)"):
            model(example("mobilenet_v1", 1, side=32))
