"""MSDNet: widths and counts by the paper's rules, exits that are prefixes of one network."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from coursekit.models import create_model
from coursekit.models.msdnet import Halve, Layer
from tests.models.zoo import example, parameters

# Channels behind layers 4, 6, ..., 24, in units of a scale's factor: from 16 on 6 more a layer, halved behind
# layers 9 and 17 (64 + 6 = 70 to 35, 77 + 6 = 83 to 41). Scale 3 has four times as many.
AT_THE_EXITS = [40, 52, 64, 41, 53, 65, 77, 47, 59, 71, 83]


def small(**options: object) -> nn.Module:
    torch.manual_seed(0)
    return create_model("msdnet", num_classes=10, **({"exits": 3, "base": 2, "step": 1} | options))


def macs(network: nn.Module) -> int:
    with FlopCounterMode(display=False) as counter:
        network.to("meta").eval()(torch.empty(1, 3, 32, 32, device="meta"))
    return counter.get_total_flops() // 2


def test_24_layers_give_up_a_scale_after_every_eight():
    network = create_model("msdnet", num_classes=10)
    layers = [m for block in network.blocks for m in block if isinstance(m, Layer)]
    assert [len(layer.scales) for layer in layers] == [3] * 8 + [2] * 8 + [1] * 8
    assert [sum(isinstance(m, Layer) for m in block) for block in network.blocks] == [4] + [2] * 10
    assert sum(isinstance(m, Halve) for m in network.modules()) == 2


def test_exits_see_the_coarsest_map_with_the_papers_widths():
    network = create_model("msdnet", num_classes=10).eval()
    seen = []
    for leave in network.exits:
        leave.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape))
    with torch.no_grad():
        outputs = network(example("msdnet"))
    assert seen == [(2, 4 * width, 8, 8) for width in AT_THE_EXITS]
    assert [logits.shape for logits in outputs] == [(2, 10)] * 11


def conv(c_in: int, c_out: int, kernel: int) -> int:
    """Parameters of convolution and batch normalization."""
    return c_in * c_out * kernel**2 + 2 * c_out


def test_parameters_are_as_many_as_the_papers_rules_and_the_authors_code_give():
    count = conv(3, 16, 3) + conv(16, 32, 3) + conv(32, 64, 3)
    width = 16
    for layer in range(1, 25):
        for scale in range((layer - 1) // 8, 3):
            here = 2**scale
            # A scale without a finer one beside it adds all of 6 · here from what it has; others half of it.
            fed = scale > (max(layer - 2, 0)) // 8
            share = 6 * here // 2 if fed else 6 * here
            for factor in (here, here // 2) if fed else (here,):
                inner = min(width * factor, share * factor)
                count += conv(width * factor, inner, 1) + conv(inner, share, 3)
        width += 6
        if layer in (9, 17):
            count += sum(
                conv(width * 2**scale, width // 2 * 2**scale, 1) for scale in range((layer - 1) // 8, 3)
            )
            width //= 2
    for width in AT_THE_EXITS:
        count += conv(4 * width, 128, 3) + conv(128, 128, 3) + 128 * 10 + 10
    # The same number is what the authors' published code counts, with 11 blocks, base 4, step 2.
    assert parameters(create_model("msdnet", num_classes=10)) == count == 5_470_050


def test_a_layer_keeps_all_that_was_there_and_adds_to_every_scale():
    network = small(exits=2, base=1, step=4)
    layer = network.blocks[0][0].eval()
    maps = network.first(example("msdnet"))
    assert [m.shape for m in maps] == [(2, 16, 32, 32), (2, 32, 16, 16), (2, 64, 8, 8)]
    grown = layer(maps)
    assert [m.shape for m in grown] == [(2, 22, 32, 32), (2, 44, 16, 16), (2, 88, 8, 8)]
    for before, after in zip(maps, grown, strict=True):
        torch.testing.assert_close(after[:, : before.shape[1]], before)


def test_half_of_a_coarse_scales_growth_comes_from_the_finer_scale():
    network = small(exits=2, base=1, step=4)
    layer = network.blocks[0][0].eval()
    maps = network.first(example("msdnet"))
    with torch.no_grad():
        plain = layer(maps)[1][:, 32:]
        changed = layer([torch.randn_like(maps[0]), *maps[1:]])[1][:, 32:]
    assert [bool((plain[:, i] != changed[:, i]).any()) for i in range(12)] == [True] * 6 + [False] * 6


def test_no_1x1_convolution_widens_even_where_a_layer_adds_much():
    network = small(channels=4, growth=24)
    ones = [m for m in network.blocks.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    assert all(m.out_channels <= m.in_channels for m in ones)


def test_up_to_an_exit_it_gives_the_same_logits_with_the_same_weights():
    network = small().eval()
    images = example("msdnet")
    with torch.no_grad():
        for exits in (1, 2, 3):
            prefix = network.up_to(exits)
            assert not prefix.training
            for part, whole in zip(prefix(images), network(images)[:exits], strict=True):
                torch.testing.assert_close(part, whole)
        prefix.exits[0][-1].bias.add_(1)
        torch.testing.assert_close(prefix(images)[0], network(images)[0])
    assert set(network.up_to(2).parameters()) < set(network.parameters())


def test_every_exit_further_costs_more_and_the_last_one_all():
    network = small(exits=4, base=2, step=1)
    costs = [macs(network.up_to(exits)) for exits in (1, 2, 3, 4)]
    assert costs == sorted(set(costs))
    assert costs[-1] == macs(network)


def test_what_stands_behind_an_exit_has_no_part_in_it():
    network = small()
    network(example("msdnet"))[0].sum().backward()
    used = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert any(name.startswith("blocks.0") for name in used)
    assert not any(name.startswith(("blocks.1", "blocks.2", "exits.1", "exits.2")) for name in used)


@pytest.mark.parametrize("options", [{"exits": 1, "base": 1}, {"exits": 3, "base": 1}, {"exits": 7}])
def test_there_are_as_many_exits_as_asked_for(options):
    outputs = small(**options).eval()(example("msdnet"))
    assert [logits.shape for logits in outputs] == [(2, 10)] * options["exits"]


def test_for_imagenet_there_are_four_scales_down_to_seven_pixels():
    with torch.device("meta"):
        network = create_model("msdnet", form="imagenet")
        maps = network.first(torch.empty(1, 3, 224, 224))
        outputs = network.eval()(torch.empty(1, 3, 224, 224))
    assert [m.shape[1:] for m in maps] == [(32, 56, 56), (64, 28, 28), (128, 14, 14), (128, 7, 7)]
    assert [logits.shape for logits in outputs] == [(1, 1000)] * 5


def test_images_from_one_pixel_on_and_of_any_channel_count():
    network = small(in_channels=1).eval()
    for side in (1, 28, 33):
        assert network(torch.randn(2, 1, side, side))[-1].shape == (2, 10)
    with pytest.raises(ValueError, match="takes images"):
        network(torch.randn(2, 1, 0, 0))
    with pytest.raises(ValueError, match=r"\(N, 1, H, W\)"):
        network(torch.randn(2, 3, 32, 32))


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ValueError, match="form is 'mnist'; choose one of cifar, imagenet"):
        create_model("msdnet", form="mnist")
    with pytest.raises(ValueError, match="at least 1"):
        create_model("msdnet", step=0)
    with pytest.raises(ValueError, match="exits 1 to 3; there is no exit 4"):
        small().up_to(4)
