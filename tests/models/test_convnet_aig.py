"""ConvNet-AIG: its gates against ResNet-50, the softmax they draw from, and what skipping saves."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from coursekit.models import create_model
from coursekit.models.convnet_aig import ConvNetAIG, Gate, target_rate_loss
from tests.models.zoo import example, parameters

# Channels that come into the 16 blocks, from table 1 of the ResNet paper.
INPUTS = (64, *[256] * 3, *[512] * 4, *[1024] * 6, *[2048] * 2)


@pytest.fixture
def network() -> ConvNetAIG:
    torch.manual_seed(0)
    model = create_model("convnet_aig50", num_classes=10).eval()
    assert isinstance(model, ConvNetAIG)
    return model


def small_images(batch: int = 2) -> Tensor:
    return example("convnet_aig50", batch, side=40)


def set_gates(network: ConvNetAIG, opened: list[bool]) -> None:
    with torch.no_grad():
        for gate, is_open in zip(network.gates, opened, strict=True):
            gate.fc2.weight.zero_()
            gate.fc2.bias.copy_(torch.tensor([0.0, 1.0 if is_open else -1.0]))


def test_gates_add_two_tenths_of_a_million_parameters_to_resnet50():
    with torch.device("meta"):
        gated, plain = create_model("convnet_aig50"), create_model("resnet50")
    of_the_gates = sum(16 * (channels + 1) + 2 * 16 + 2 * (16 + 1) for channels in INPUTS)
    assert parameters(gated) - parameters(plain) == of_the_gates == 211_232
    assert [gate.fc1.in_features for gate in gated.gates] == list(INPUTS)


def test_gates_cost_less_than_a_hundredth_of_a_percent_of_resnet50():
    costs = []
    for name in ("convnet_aig50", "resnet50"):
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            create_model(name).eval()(torch.empty(1, 3, 224, 224))
        costs.append(counter.get_total_flops())
    assert 0 < costs[0] / costs[1] - 1 < 1e-4


def test_with_all_gates_open_it_is_resnet50(network):
    set_gates(network, [True] * 16)
    resnet50 = create_model("resnet50", num_classes=10).eval()
    resnet50.load_state_dict(network.backbone.state_dict(), strict=True)
    with torch.no_grad():
        torch.testing.assert_close(network(small_images()), resnet50(small_images()))


def test_with_all_gates_closed_only_the_shortcuts_are_left(network):
    set_gates(network, [False] * 16)
    with torch.no_grad():
        before = network(small_images())
        for block in network.blocks():
            for parameter in block.residual.parameters():
                parameter.mul_(3)
        torch.testing.assert_close(network(small_images()), before)
        logits, decisions = network.with_gates(small_images())
    torch.testing.assert_close(decisions, torch.zeros(2, 16))
    torch.testing.assert_close(logits, before)


def test_one_image_skips_for_real_what_its_gates_close(network):
    opened = [i % 3 != 1 for i in range(16)]
    set_gates(network, opened)
    image, calls = small_images(1), []
    for i, block in enumerate(network.blocks()):
        block.residual.register_forward_hook(lambda *_, i=i: calls.append(i))
    with torch.no_grad():
        logits, ran = network.infer_one(image)
        assert calls == [i for i, is_open in enumerate(opened) if is_open]
        assert ran == opened
        torch.testing.assert_close(logits, network(image))


def test_each_image_of_a_batch_takes_its_own_way(network):
    images = small_images(4)
    with torch.no_grad():
        # A threshold between the images' scores, so that the first block's gate divides them.
        first = network.gates[0]
        first.fc2.weight.normal_()
        scores = first.scores(network.stem(images))
        first.fc2.bias[1] -= (scores[:, 1] - scores[:, 0]).median()
        logits, decisions = network.with_gates(images)
        assert 0 < decisions[:, 0].sum() < 4
        for image, row, expected in zip(images, decisions, logits, strict=True):
            alone, ran = network.infer_one(image[None])
            assert ran == row.bool().tolist()
            torch.testing.assert_close(alone[0], expected, atol=1e-5, rtol=1e-5)


def test_only_one_image_at_a_time_can_skip(network):
    with pytest.raises(ValueError, match="one image"):
        network.infer_one(small_images(2))
    with pytest.raises(ValueError, match="training=True"):
        network.train().infer_one(small_images(1))


def test_a_gate_draws_with_the_probabilities_of_its_softmax():
    torch.manual_seed(1)
    gate = Gate(4)
    with torch.no_grad():
        gate.fc2.weight.zero_()
        gate.fc2.bias.copy_(torch.tensor([0.0, math.log(3)]))
    draws = gate(torch.randn(8000, 4, 1, 1))
    assert draws.round().unique().tolist() == [0.0, 1.0]
    torch.testing.assert_close(draws, draws.round())
    assert draws.mean().item() == pytest.approx(3 / 4, abs=0.02)
    assert gate.eval()(torch.randn(8, 4, 1, 1)).tolist() == [1.0] * 8


def test_gates_open_for_about_85_percent_at_the_start():
    torch.manual_seed(2)
    assert Gate(32)(torch.randn(4000, 32, 1, 1)).mean().item() == pytest.approx(0.87, abs=0.02)


def test_both_losses_reach_the_gates():
    torch.manual_seed(3)
    network = create_model("convnet_aig50", num_classes=10)
    logits, decisions = network.with_gates(small_images(4))
    for loss in (nn.functional.cross_entropy(logits, torch.arange(4)), target_rate_loss(decisions, 0.5)):
        network.zero_grad()
        loss.backward(retain_graph=True)
        assert all(gate.fc2.weight.grad.abs().sum() > 0 for gate in network.gates)


def test_target_rate_loss_compares_the_rate_of_each_block_with_its_target():
    decisions = torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]])  # rates 1, 0, 0.5
    assert target_rate_loss(decisions, 0.5).item() == pytest.approx(0.25 + 0.25)
    assert target_rate_loss(decisions, torch.tensor([1.0, 0.0, 0.5])).item() == 0


def test_images_from_one_pixel_on_and_of_any_channel_count():
    network = create_model("convnet_aig50", num_classes=3, in_channels=1).eval()
    assert network(torch.randn(2, 1, 1, 1)).shape == (2, 3)
    with pytest.raises(ValueError, match="takes images"):
        network(torch.randn(2, 1, 0, 0))
    with pytest.raises(ValueError, match=r"\(N, 1, H, W\)"):
        network(torch.randn(2, 3, 32, 32))
