"""The three AlexNets: published counts, the lecture's tables, torchvision, and two towers built by hand."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from coursekit.models import card, create_model, from_torchvision
from tests.models.zoo import example, parameters

NAMES = ["alexnet", "alexnet_2012", "alexnet_ungrouped"]

# Of the layers in section 3.5 of the paper, with and without groups; of torchvision for the one tower.
COUNTS = {"alexnet": 61_100_840, "alexnet_2012": 60_965_224, "alexnet_ungrouped": 62_378_344}
MACS = {"alexnet": 716.8, "alexnet_2012": 724.4, "alexnet_ungrouped": 1135.3}  # millions, 227×227 pixels


def on_meta(name, **options):
    with torch.device("meta"):
        return create_model(name, **options).eval()


def shapes(model, side):
    """Output shape of every layer, by name."""
    found, x = {}, torch.zeros(1, 3, side, side, device="meta")
    for name, layer in model.named_children():
        x = layer(x)
        found[name] = tuple(x.shape[1:])
    return found


@pytest.fixture(scope="module")
def one_tower() -> tuple[nn.Module, nn.Module]:
    theirs = torchvision.models.alexnet(weights=None).eval()
    with torch.device("meta"):
        ours = create_model("alexnet").eval()
    ours.load_state_dict(from_torchvision("alexnet", theirs.state_dict()), strict=True, assign=True)
    return ours, theirs


@pytest.fixture(scope="module")
def paper() -> nn.Module:
    torch.manual_seed(0)
    return create_model("alexnet_2012", num_classes=5).eval()


@pytest.mark.parametrize("name", NAMES)
def test_parameters_and_multiply_adds_are_the_published_ones(name):
    model = on_meta(name)
    assert parameters(model) == COUNTS[name]
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, 227, 227, device="meta"))
    assert round(counter.get_total_flops() / 2e6, 1) == MACS[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_lecture_s_figures_are_the_network_s_rounded(name):
    lecture = card(name).lecture
    assert lecture.params == pytest.approx(COUNTS[name], rel=0.02)
    if lecture.flops:
        assert round(MACS[name] / 1000, 1) == lecture.flops / 1e9


def test_the_ungrouped_network_has_the_lecture_s_parameters_layer_by_layer():
    model = on_meta("alexnet_ungrouped")
    counts = {name: parameters(layer) for name, layer in model.named_children() if parameters(layer)}
    assert counts == {
        "conv1": 34_944,
        "conv2": 614_656,
        "conv3": 885_120,
        "conv4": 1_327_488,
        "conv5": 884_992,
        "fc6": 37_752_832,
        "fc7": 16_781_312,
        "fc8": 4_097_000,
    }


def test_two_groups_halve_the_weights_of_conv2_conv4_and_conv5_alone():
    grouped, whole = on_meta("alexnet_2012").state_dict(), on_meta("alexnet_ungrouped").state_dict()
    halved = {key for key in grouped if grouped[key].numel() * 2 == whole[key].numel()}
    assert halved == {"conv2.weight", "conv4.weight", "conv5.weight"}
    assert all(grouped[key].shape == whole[key].shape for key in grouped.keys() - halved)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("alexnet", {"conv1": (64, 56), "conv2": (192, 27), "conv4": (256, 13)}),
        ("alexnet_2012", {"conv1": (96, 55), "norm1": (96, 55), "norm2": (256, 27), "conv4": (384, 13)}),
        ("alexnet_ungrouped", {"conv1": (96, 55), "norm1": (96, 27), "norm2": (256, 13), "conv4": (384, 13)}),
    ],
)
def test_maps_at_227_pixels_have_the_sizes_of_the_table(name, sizes):
    found = shapes(on_meta(name), 227)
    channels = sizes["conv1"][0]
    assert found["pool1"] == (channels, 27, 27)
    assert found["pool2"] == (found["conv2"][0], 13, 13)
    assert found["conv3"] == (384, 13, 13)
    assert found["conv5"] == (256, 13, 13)
    assert found["pool5"] == found["resize"] == (256, 6, 6)
    assert found["flatten"] == (9216,)
    assert (found["fc6"], found["fc7"], found["fc8"]) == ((4096,), (4096,), (1000,))
    assert {layer: found[layer] for layer in sizes} == {
        layer: (maps, side, side) for layer, (maps, side) in sizes.items()
    }


def test_the_paper_s_network_has_about_650_000_units():
    found = shapes(on_meta("alexnet_2012"), 227)
    units = sum(torch.Size(found[layer]).numel() for layer in found if layer.startswith(("conv", "fc")))
    assert units == 659_272


@pytest.mark.parametrize("side", [224, 227, 256])
def test_one_tower_agrees_with_torchvision_after_loading_its_weights(one_tower, side):
    ours, theirs = one_tower
    x = example("alexnet", 1, side=side)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=0)


def normalized(a, k=2, n=5, alpha=1e-4, beta=0.75):
    """Section 3.3, map by map."""
    maps = a.shape[1]
    rows = []
    for i in range(maps):
        near = a[:, max(0, i - n // 2) : min(maps - 1, i + n // 2) + 1]
        rows.append(a[:, i] / (k + alpha * near.square().sum(1)) ** beta)
    return torch.stack(rows, 1)


def test_normalization_is_the_paper_s_formula(paper):
    a = 100 * torch.randn(2, 9, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(paper.norm1(a), normalized(a))


def test_the_grouped_network_is_two_towers_that_meet_in_conv3(paper):
    x = 3 * example("alexnet_2012", 2, side=99)

    def half(x, layer, tower):
        weight, bias = (p.chunk(2)[tower] for p in (layer.weight, layer.bias))
        return F.conv2d(x, weight, bias, layer.stride, layer.padding).relu()

    with torch.no_grad():
        towers = [half(x, paper.conv1, 0), half(x, paper.conv1, 1)]
        towers = list(F.max_pool2d(normalized(torch.cat(towers, 1)), 3, 2).chunk(2, 1))
        towers = [half(maps, paper.conv2, tower) for tower, maps in enumerate(towers)]
        both = F.max_pool2d(normalized(torch.cat(towers, 1)), 3, 2)
        towers = [half(both, paper.conv3, tower) for tower in (0, 1)]
        towers = [half(maps, paper.conv4, tower) for tower, maps in enumerate(towers)]
        towers = [half(maps, paper.conv5, tower) for tower, maps in enumerate(towers)]
        maps = F.adaptive_avg_pool2d(F.max_pool2d(torch.cat(towers, 1), 3, 2), 6)
        hidden = F.linear(maps.flatten(1), paper.fc6.weight, paper.fc6.bias).relu()
        hidden = F.linear(hidden, paper.fc7.weight, paper.fc7.bias).relu()
        expected = F.linear(hidden, paper.fc8.weight, paper.fc8.bias)
        torch.testing.assert_close(paper(x), expected, atol=1e-5, rtol=1e-5)


def test_fresh_weights_are_the_paper_s(paper):
    for name in ("conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"):
        layer = paper.get_submodule(name)
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05), name
        assert layer.bias.unique().tolist() == [0.0 if name in ("conv3", "fc8") else 1.0], name
    # Pixels of 0 to 255 vary by 58; the first layer answers to ours as the paper's to those.
    assert paper.conv1.weight.std().item() == pytest.approx(255 * 0.225 * 0.01, rel=0.05)
    assert paper.conv1.bias.unique().tolist() == [0.0]


def test_dropout_stands_before_the_hidden_layers_in_torchvision_s_and_behind_them_in_the_paper_s():
    torchvisions, papers = ([n for n, _ in on_meta(name).named_children()][-7:] for name in NAMES[:2])
    assert torchvisions == ["dropout6", "fc6", "relu6", "dropout7", "fc7", "relu7", "fc8"]
    assert papers == ["fc6", "relu6", "dropout6", "fc7", "relu7", "dropout7", "fc8"]


@pytest.mark.parametrize("name", NAMES)
def test_the_smallest_image_works_and_one_pixel_less_is_refused(name):
    model, side = on_meta(name, num_classes=7, in_channels=2), card(name).smallest
    assert model(torch.zeros(2, 2, side, side, device="meta")).shape == (2, 7)
    with pytest.raises(ValueError, match=f"{name} takes images from {side}×{side} pixels on"):
        model(torch.zeros(2, 2, side, side - 1, device="meta"))
