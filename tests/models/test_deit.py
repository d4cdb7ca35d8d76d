"""DeiT against timm's implementation, and the counts of the paper's tables."""

from __future__ import annotations

from typing import cast

import pytest
import timm
import torch
from torch import Tensor, nn

from coursekit.models import create_model
from coursekit.models.vit import resize_positions
from coursekit.models.weights import rename
from tests.models.zoo import parameters

FROM_TIMM = {
    r"cls_token": "class_token",
    r"dist_token": "distill_token",
    r"pos_embed": "positions",
    r"patch_embed\.proj\.(.+)": r"patches.\1",
    r"blocks\.(\d+)\.(norm\d)\.(.+)": r"blocks.\1.\2.\3",
    r"blocks\.(\d+)\.attn\.(qkv|proj)\.(.+)": r"blocks.\1.attention.\2.\3",
    r"blocks\.(\d+)\.mlp\.fc1\.(.+)": r"blocks.\1.mlp.0.\2",
    r"blocks\.(\d+)\.mlp\.fc2\.(.+)": r"blocks.\1.mlp.3.\2",
    r"norm\.(.+)": r"norm.\1",
    r"head\.(.+)": r"head.\1",
    r"head_dist\.(.+)": r"distill_head.\1",
}


def with_timms_weights(name: str, **options: object) -> tuple[nn.Module, nn.Module]:
    """Ours and timm's network, with the same random weights."""
    torch.manual_seed(0)
    suffix = "" if options.get("distilled") is False else "_distilled"
    theirs = timm.create_model(f"{name}{suffix}_patch16_224")
    for parameter in theirs.parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter, 0.5, 0.2)  # biases and norms are worth a comparison too
    ours = create_model(name, stochastic_depth=0.0, **options)
    ours.load_state_dict(rename(theirs.state_dict(), FROM_TIMM), strict=True)
    return ours, theirs


def images(batch: int = 1) -> Tensor:
    return torch.randn(batch, 3, 224, 224, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["deit_tiny", "deit_small"])
def test_evaluation_gives_timms_logits_the_mean_of_both_heads(name):
    ours, theirs = with_timms_weights(name)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images()), theirs.eval()(images()), atol=1e-5, rtol=1e-5)


def test_training_gives_both_heads_logits_and_timms_gradients():
    ours, theirs = with_timms_weights("deit_tiny")
    theirs.set_distilled_training(True)
    for ours_head, their_head in zip(ours.train()(images()), theirs.train()(images()), strict=True):
        assert ours_head.shape == (1, 1000)
        torch.testing.assert_close(ours_head, their_head, atol=1e-5, rtol=1e-5)
    for network in (ours, theirs):
        class_logits, distill_logits = network(images())
        (class_logits.square().mean() + 2 * distill_logits.logsumexp(1).mean()).backward()
    gradients = rename({n: cast(Tensor, p.grad) for n, p in theirs.named_parameters()}, FROM_TIMM)
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-5, rtol=1e-3)


def test_without_distillation_it_is_timms_plain_deit():
    ours, theirs = with_timms_weights("deit_tiny", distilled=False)
    with torch.no_grad():
        torch.testing.assert_close(ours.train()(images()), theirs.eval()(images()), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "distilled", "count", "paper"),
    [
        ("deit_tiny", False, 5_717_416, 5.7e6),
        ("deit_tiny", True, 5_910_800, 5.9e6),
        ("deit_small", False, 22_050_664, 22e6),
        ("deit_small", True, 22_436_432, 22.4e6),
        ("deit_base", False, 86_567_656, 86e6),
        ("deit_base", True, 87_338_192, 87.3e6),
    ],
)
def test_parameters_are_as_many_as_timm_and_the_paper_count(name, distilled, count, paper):
    with torch.device("meta"):
        ours = create_model(name, distilled=distilled)
        theirs = timm.create_model(f"{name}{'_distilled' * distilled}_patch16_224")
    assert parameters(ours) == parameters(theirs) == count
    assert count == pytest.approx(paper, rel=0.012)


def test_stochastic_depth_grows_from_the_first_block_to_the_last_and_acts_in_training_alone():
    network = create_model("deit_tiny", num_classes=3, stochastic_depth=0.9, depth=3, image_size=32)
    assert [block.drop_branch.p for block in network.blocks] == [0.0, 0.45, 0.9]
    x = torch.randn(8, 3, 32, 32)
    torch.manual_seed(0)
    assert not torch.equal(network(x)[0], network(x)[0])
    network.eval()
    torch.testing.assert_close(network(x), network(x))


def test_positions_of_both_special_tokens_stay_when_the_grid_grows():
    small = create_model("deit_tiny", num_classes=3, depth=1, image_size=32)
    large = create_model("deit_tiny", num_classes=3, depth=1, image_size=64)
    large.load_state_dict(resize_positions(large, small.state_dict()), strict=True)
    torch.testing.assert_close(large.positions[:, :2], small.positions[:, :2])
    assert large.positions.shape == (1, 2 + 16, 192)
    assert large.eval()(torch.randn(1, 3, 64, 64)).shape == (1, 3)


def test_images_of_another_size_or_channel_count_are_refused():
    network = create_model("deit_tiny", num_classes=3, in_channels=1, depth=1)
    assert network.eval()(torch.randn(1, 1, 224, 224)).shape == (1, 3)
    with pytest.raises(ValueError, match="224×224 pixels, got 223×223"):
        network(torch.randn(1, 1, 223, 223))
    with pytest.raises(ValueError, match="takes images"):
        network(torch.randn(1, 3, 224, 224))
