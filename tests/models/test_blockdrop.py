"""BlockDrop: masks against the plain backbone, costs against the paper's, and the policy gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli
from torch.utils.flop_counter import FlopCounterMode

from coursekit.models import create_model
from coursekit.models.blockdrop import BlockDrop, policy_loss, reward
from tests.models.zoo import example, parameters


@pytest.fixture
def network() -> BlockDrop:
    torch.manual_seed(0)
    model = create_model("blockdrop", num_classes=10, depth=32).eval()
    assert isinstance(model, BlockDrop)
    return model


def macs(network: nn.Module) -> int:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network.to("meta").eval()(torch.empty(1, 3, 32, 32))
    return counter.get_total_flops() // 2


def test_policy_is_a_resnet8_with_a_logit_for_each_block_of_the_backbone():
    network = create_model("blockdrop", num_classes=10)
    convolutions = [m for m in network.policy.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) + 1 == 8
    assert [c.out_channels for c in convolutions] == [16, 16, 16, 32, 32, 64, 64]
    assert network.policy.fc.out_features == len(network.blocks()) == 54
    assert parameters(network.backbone) == parameters(create_model("resnet110", num_classes=10))
    assert parameters(network.backbone) == pytest.approx(1.7e6, rel=0.02)  # He et al., table 6


def test_cost_at_the_papers_16_9_blocks_is_the_papers_181_million_operations():
    # The authors' model R110_C10 keeps 16.933 blocks an image and then counts 1.81e8, a multiply-add as two.
    network = create_model("blockdrop", num_classes=10)
    policy, backbone = macs(network.policy), macs(network.backbone)
    stem_and_head = 3 * 16 * 9 * 32 * 32 + 64 * 10
    average_block = (backbone - stem_and_head) / 54
    assert 2 * (policy + stem_and_head + 16.933 * average_block) == pytest.approx(1.81e8, rel=0.03)
    assert policy / backbone == pytest.approx(0.048, abs=0.001)


def test_with_nothing_dropped_it_is_the_backbone(network):
    images = example("blockdrop")
    with torch.no_grad():
        torch.testing.assert_close(network.run(images, torch.ones(2, 15)), network.backbone(images))


def test_each_image_drops_its_own_blocks_and_one_image_skips_them_for_real(network):
    images = example("blockdrop", 4)
    with torch.no_grad():
        network.policy.fc.weight.normal_()
        network.policy.fc.bias.zero_()
        logits, actions = network(images), network.actions(images)
        assert actions.unique(dim=0).shape[0] > 1
        calls: list[int] = []
        for i, block in enumerate(network.blocks()):
            block.residual.register_forward_hook(lambda *_, i=i: calls.append(i))
        for image, row, expected in zip(images, actions, logits, strict=True):
            calls.clear()
            alone, kept = network.infer_one(image[None])
            assert kept == row.bool().tolist()
            assert calls == [i for i, keep in enumerate(kept) if keep]
            torch.testing.assert_close(alone[0], expected, atol=1e-5, rtol=1e-5)


def test_only_one_image_at_a_time_can_skip(network):
    with pytest.raises(ValueError, match="one image"):
        network.infer_one(example("blockdrop"))
    with pytest.raises(ValueError, match="training=True"):
        network.train().infer_one(example("blockdrop", 1))


def test_actions_are_drawn_in_training_and_likeliest_in_evaluation(network):
    images = example("blockdrop", 200)
    with torch.no_grad():
        network.policy.fc.weight.zero_()
        network.policy.fc.bias[0], network.policy.fc.bias[1] = 100.0, -100.0
        assert network.actions(images)[:, :2].mean(0).tolist() == [1.0, 0.0]
        network.train()
        torch.testing.assert_close(network.probabilities(images)[0, :2], torch.tensor([0.8, 0.2]))
        drawn = network.actions(images)
    assert drawn.unique().tolist() == [0.0, 1.0]
    assert drawn[:, 0].mean().item() == pytest.approx(0.8, abs=0.1)
    assert drawn[:, 1].mean().item() == pytest.approx(0.2, abs=0.1)


def test_most_blocks_are_kept_at_the_start(network):
    assert network.probabilities(example("blockdrop", 8)).mean() > 0.7


def test_reward_is_high_for_few_blocks_if_the_answer_is_right():
    actions = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    right_right_wrong = torch.tensor([True, True, False])
    assert reward(right_right_wrong, actions, gamma=3).tolist() == [1 - 1 / 16, 0.0, -3.0]


def test_policy_loss_is_that_of_torchs_bernoulli_distribution():
    torch.manual_seed(1)
    probabilities = torch.rand(6, 5).clamp(0.2, 0.8).requires_grad_()
    actions, advantage = torch.bernoulli(probabilities.detach()), torch.randn(6)
    expected = -(Bernoulli(probabilities).log_prob(actions).sum(1) * advantage).mean()
    loss = policy_loss(probabilities, actions, advantage)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(*(torch.autograd.grad(v, probabilities)[0] for v in (loss, expected)))


def test_policy_learns_to_drop_blocks_when_answers_stay_right():
    torch.manual_seed(2)
    network = create_model("blockdrop", num_classes=10, depth=20)
    optimizer = torch.optim.Adam(network.policy.parameters(), lr=0.02)
    images, right = example("blockdrop", 8), torch.ones(8, dtype=torch.bool)
    before = network.probabilities(images).mean().item()
    for _ in range(15):
        s = network.probabilities(images)
        drawn, likeliest = torch.bernoulli(s), (s > 0.5).to(s)
        loss = policy_loss(s, drawn, reward(right, drawn) - reward(right, likeliest))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert network.probabilities(images).mean().item() < before - 0.1


def test_images_from_one_pixel_on_and_of_any_channel_count():
    network = create_model("blockdrop", num_classes=3, in_channels=1, depth=20).eval()
    assert network(torch.randn(2, 1, 1, 1)).shape == (2, 3)
    with pytest.raises(ValueError, match="takes images"):
        network(torch.randn(2, 1, 0, 0))
    with pytest.raises(ValueError, match=r"\(N, 1, H, W\)"):
        network(torch.randn(2, 3, 32, 32))


def test_there_is_no_backbone_of_another_depth():
    with pytest.raises(ValueError, match="depth is 34; there are backbones resnet20"):
        create_model("blockdrop", depth=34)
