"""ShuffleNet against table 1 of its paper, the authors' later counts, and a unit written with plain loops."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from coursekit.models import card, create_model
from coursekit.models.shufflenet import BUILDERS, ShuffleUnit
from tests.models.zoo import example, parameters

GROUPS = [1, 2, 3, 4, 8]


def on_meta(name: str = "shufflenet_v1", **options: float) -> nn.Module:
    with torch.device("meta"):
        return create_model(name, **options).eval()


def macs(model: nn.Module, *shape: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(shape, device="meta"))
    return counter.get_total_flops() // 2


# Table 1 of the paper; its counts leave the classifier out.
@pytest.mark.parametrize(("groups", "complexity"), [(1, 143), (2, 140), (3, 137), (4, 133), (8, 137)])
def test_the_convolutions_take_the_papers_operations(groups, complexity):
    model = on_meta(f"shufflenet_v1_g{groups}")
    convolutions = macs(model, 1, 3, 224, 224) - model.classifier.weight.numel()
    assert round(convolutions / 1e6) == complexity


# The authors' own table for their PyTorch code (ShuffleNet-Series, ShuffleNetV1), classifier included.
@pytest.mark.parametrize(
    ("groups", "width", "flops", "params"),
    [
        (3, 2.0, 524, 5.4),
        (8, 2.0, 522, 6.5),
        (3, 1.0, None, 1.9),  # they count 138 million operations; the paper's table and ours 137
        (8, 1.0, 138, 2.4),
        (3, 0.5, 38, 0.7),
        (8, 0.5, 40, 1.0),
    ],
)
def test_wider_and_narrower_networks_have_the_authors_counts(groups, width, flops, params):
    model = on_meta(groups=groups, width=width)
    without_bias = parameters(model) - model.classifier.bias.numel()  # theirs has none
    assert round(without_bias / 1e6, 1) == params
    if flops is not None:
        assert round(macs(model, 1, 3, 224, 224) / 1e6) == flops


@pytest.mark.parametrize(
    ("groups", "widths"),
    [
        (1, (144, 288, 576)),
        (2, (200, 400, 800)),
        (3, (240, 480, 960)),
        (4, (272, 544, 1088)),
        (8, (384, 768, 1536)),
    ],
)
def test_the_maps_have_the_sizes_of_table_1(groups, widths):
    model = on_meta(f"shufflenet_v1_g{groups}")
    x, shapes = torch.empty(1, 3, 224, 224, device="meta"), []
    for name, layer in model.named_children():
        x = layer(x)
        if name.startswith(("stem", "maxpool", "stage")):
            shapes.append(tuple(x.shape[1:]))
    stages = [(c, side, side) for c, side in zip(widths, (28, 14, 7), strict=True)]
    assert shapes == [(24, 112, 112), (24, 56, 56), *stages]
    assert [len(model.get_submodule(f"stage{i}")) for i in (2, 3, 4)] == [4, 8, 4]


def test_shufflenet_v1_has_three_groups_unless_told_otherwise():
    shapes = {name: p.shape for name, p in on_meta().named_parameters()}
    assert shapes == {name: p.shape for name, p in on_meta("shufflenet_v1_g3").named_parameters()}
    assert shapes == {name: p.shape for name, p in on_meta(groups=3).named_parameters()}
    with pytest.raises(ValueError, match="groups is 5; table 1 has 1, 2, 3, 4, 8"):
        create_model("shufflenet_v1", groups=5)
    with pytest.raises(TypeError):
        create_model("shufflenet_v1_g3", groups=8)


def normalized(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return (x - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]


def by_groups(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    """A 1×1 convolution in groups: one matrix product for each."""
    parts = zip(x.chunk(groups, 1), weight[:, :, 0, 0].chunk(groups, 0), strict=True)
    return torch.cat([torch.einsum("oc,nchw->nohw", w, part) for part, w in parts], dim=1)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_unit_is_what_figure_2_draws(stride):
    torch.manual_seed(stride)
    groups, c_in, c_out = 3, 24, 24 if stride == 1 else 48
    unit = ShuffleUnit(c_in, c_out, stride=stride, groups=groups).eval()
    for module in unit.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(values, 0.1, 1.0)
    x = torch.randn(2, c_in, 6, 7)

    y = F.relu(normalized(by_groups(x, unit.compress.conv.weight, groups), unit.compress.norm))
    thin = y.shape[1]
    # Channel j of group i goes to place j · g + i: a matrix of groups by channels, transposed.
    shuffled = torch.empty_like(y)
    for i in range(groups):
        for j in range(thin // groups):
            shuffled[:, j * groups + i] = y[:, i * (thin // groups) + j]
    y = F.conv2d(shuffled, unit.depthwise.conv.weight, None, stride, 1, groups=thin)
    y = normalized(y, unit.depthwise.norm)
    y = normalized(by_groups(y, unit.expand.conv.weight, groups), unit.expand.norm)
    if stride == 1:
        expected = F.relu(x + y)
    else:
        expected = F.relu(torch.cat([F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 2), y], dim=1))

    with torch.no_grad():
        torch.testing.assert_close(unit(x), expected, atol=1e-5, rtol=1e-5)


def test_a_bottleneck_has_a_quarter_of_the_channels():
    for groups in GROUPS:
        for name, module in on_meta(groups=groups).named_modules():
            if isinstance(module, ShuffleUnit):
                made = module.expand.conv.out_channels
                c_out = made if module.pool is None else made + module.compress.conv.in_channels
                assert 4 * module.compress.conv.out_channels == c_out, name


@pytest.mark.parametrize("groups", GROUPS)
def test_all_1x1_convolutions_are_grouped_but_the_first(groups):
    convolutions = [
        m
        for unit in on_meta(groups=groups).modules()
        if isinstance(unit, ShuffleUnit)
        for m in (unit.compress.conv, unit.expand.conv)
    ]
    assert [m.groups for m in convolutions] == [1] + [groups] * 31


def test_a_grouped_1x1_convolution_costs_a_part_in_g():
    with torch.device("meta"):
        conv = ShuffleUnit(12, 12, stride=1, groups=3).expand.conv
    assert macs(conv, 1, 3, 7, 5) == 3 * 12 * 7 * 5 // 3


def reach(unit: ShuffleUnit, c: int) -> Tensor:
    """Which input channels each output channel of the branch depends on: `(c, c)`, true or false."""

    def branch(x: Tensor) -> Tensor:
        return unit.expand(unit.depthwise(unit.shuffle(unit.compress(x)))).sum((0, 2, 3))

    x = torch.rand(1, c, 3, 3)
    return torch.autograd.functional.jacobian(branch, x).abs().sum((1, 3, 4)) > 0


def test_the_shuffle_lets_every_group_see_all_groups():
    torch.manual_seed(0)
    c, groups = 64, 4  # four channels in each group of the thin map: one for every group behind the shuffle
    unit = ShuffleUnit(c, c, stride=1, groups=groups).eval()
    nn.init.uniform_(unit.compress.conv.weight, 0.1, 1.0)  # so that ReLU cuts nothing off
    assert reach(unit, c).all()
    unit.shuffle = nn.Identity()  # type: ignore[assignment]
    blocks = torch.block_diag(*[torch.ones(c // groups, c // groups)] * groups).bool()
    assert torch.equal(reach(unit, c), blocks)


@pytest.mark.parametrize("groups", GROUPS)
def test_any_width_gives_channels_that_the_groups_divide(groups):
    for width in (0.25, 0.4, 1.7):
        macs(on_meta(groups=groups, width=width), 1, 3, 32, 32)  # a convolution raises otherwise


def test_every_name_has_a_card_and_works_down_to_one_pixel():
    for name in BUILDERS:
        model = create_model(name, num_classes=7, in_channels=1).eval()
        smallest = card(name).smallest
        with torch.no_grad():
            assert model(torch.randn(1, 1, smallest, smallest)).shape == (1, 7)
            with pytest.raises(ValueError, match="from 1×1 pixels on, got 0×0"):
                model(torch.randn(1, 1, smallest - 1, smallest - 1))
            with pytest.raises(ValueError, match=r"\(N, 1, H, W\)"):
                model(example(name, 1, side=32))
