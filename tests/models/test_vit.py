"""The Vision Transformer against torchvision's parameter counts, torch's own attention, and table 1."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models.vision_transformer import interpolate_embeddings

from coursekit.models import card, create_model
from coursekit.models.vit import SPECS, Attention, Block, resize_positions
from tests.models.zoo import example, parameters


def on_meta(name: str, **options: object) -> nn.Module:
    with torch.device("meta"):
        return create_model(name, **options)


@pytest.mark.parametrize(
    ("name", "image_size", "count"),
    [
        ("vit_b_16", 224, 86_567_656),
        ("vit_b_32", 224, 88_224_232),
        ("vit_l_16", 224, 304_326_632),
        ("vit_l_32", 224, 306_535_400),
        ("vit_h_14", 224, 632_045_800),
        # torchvision's weights fine-tuned on larger images
        ("vit_b_16", 384, 86_859_496),
        ("vit_l_16", 512, 305_174_504),
        ("vit_h_14", 518, 633_470_440),
    ],
)
def test_parameters_are_as_many_as_torchvision_counts(name, image_size, count):
    assert parameters(on_meta(name, image_size=image_size)) == count


@pytest.mark.parametrize("name", [name for name in SPECS if card(name).lecture.params])
def test_parameters_are_those_of_the_lectures_table(name):
    assert parameters(on_meta(name)) == pytest.approx(card(name).lecture.params, abs=0.05e6)


def test_patches_and_class_token_make_197_tokens_which_no_block_changes():
    network = on_meta("vit_b_16")
    tokens = network.embed(torch.empty(2, 3, 224, 224, device="meta"))
    assert tokens.shape == (2, 1 + 14 * 14, 768)
    assert network.encode(torch.empty(2, 3, 224, 224, device="meta")).shape == tokens.shape


def test_attention_equals_torchs_multi_head_attention():
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(24, 3, batch_first=True)
    ours = Attention(24, 3)
    ours.qkv.load_state_dict({"weight": theirs.in_proj_weight, "bias": theirs.in_proj_bias})
    ours.proj.load_state_dict(theirs.out_proj.state_dict())
    x = torch.randn(2, 7, 24)
    expected, weights = theirs(x, x, x, average_attn_weights=False)
    torch.testing.assert_close(ours(x), expected)
    torch.testing.assert_close(ours.weights(x), weights)


def test_block_equals_torchs_encoder_layer():
    torch.manual_seed(1)
    theirs = nn.TransformerEncoderLayer(
        24, 3, 40, dropout=0.0, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    )
    for norm in (theirs.norm1, theirs.norm2):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    ours = Block(24, 3, 40)
    their_names = {
        "norm1.": "norm1.",
        "attention.qkv.": "self_attn.in_proj_",
        "attention.proj.": "self_attn.out_proj.",
        "norm2.": "norm2.",
        "mlp.0.": "linear1.",
        "mlp.3.": "linear2.",
    }
    state = theirs.state_dict()
    ours.load_state_dict({a + p: state[b + p] for a, b in their_names.items() for p in ("weight", "bias")})
    x = torch.randn(2, 7, 24)
    torch.testing.assert_close(ours(x), theirs(x))


def test_attention_weights_are_those_that_the_network_uses():
    torch.manual_seed(2)
    network = create_model("vit_tiny", num_classes=10, in_channels=1).eval()
    images = example("vit_tiny")
    weights = network.attention_weights(images)
    assert [w.shape for w in weights] == [(2, 4, 50, 50)] * 6
    for w in weights:
        torch.testing.assert_close(w.sum(-1), torch.ones(2, 4, 50))

    tokens = network.embed(images)
    for block, w in zip(network.blocks, weights, strict=True):
        values = block.attention.split(block.norm1(tokens))[2]
        tokens = tokens + block.attention.proj((w @ values).transpose(1, 2).flatten(2))
        tokens = tokens + block.mlp(block.norm2(tokens))
    torch.testing.assert_close(network.head(network.norm(tokens))[:, 0], network(images))


def test_without_positions_the_order_of_the_patches_does_not_matter_and_with_them_it_does():
    torch.manual_seed(3)
    network = create_model("vit_tiny", num_classes=10, in_channels=1).eval()
    images = example("vit_tiny")
    halves_swapped = torch.cat([images[:, :, 16:], images[:, :, :16]], dim=2)  # whole rows of 4×4 patches
    with torch.no_grad():
        assert not torch.allclose(network(images), network(halves_swapped), atol=1e-4)
        network.positions.zero_()
        torch.testing.assert_close(network(images), network(halves_swapped), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("image_size", [28, 36, 16])
def test_positions_are_drawn_to_another_grid_as_torchvision_draws_them(image_size):
    torch.manual_seed(4)
    small = create_model("vit_tiny", num_classes=10, in_channels=1)
    large = create_model("vit_tiny", num_classes=10, in_channels=1, image_size=image_size)
    state = small.state_dict()
    expected = interpolate_embeddings(image_size, 4, {"encoder.pos_embedding": state["positions"]})
    large.load_state_dict(resize_positions(large, state), strict=True)
    torch.testing.assert_close(large.positions.detach(), expected["encoder.pos_embedding"])
    torch.testing.assert_close(large.class_token, small.class_token)


def test_dropout_drops_in_training_alone():
    network = create_model("vit_tiny", num_classes=10, in_channels=1, dropout=0.5)
    images = example("vit_tiny")
    assert not torch.equal(network(images), network(images))
    network.eval()
    torch.testing.assert_close(network(images), network(images))


def test_columns_of_the_row_can_be_changed():
    network = create_model("vit_tiny", in_channels=1, num_classes=5, patch_size=7, depth=2, dim=32, heads=2)
    assert network.positions.shape == (1, 17, 32)
    assert len(network.blocks) == 2
    assert network(example("vit_tiny")).shape == (2, 5)
    with pytest.raises(TypeError, match="colour"):
        create_model("vit_tiny", colour=1)


def test_only_the_size_that_it_was_built_for_is_taken():
    assert on_meta("vit_b_32")(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 1000)
    with pytest.raises(ValueError, match=r"224×224 pixels, got 223×223.*image_size"):
        on_meta("vit_b_32")(torch.empty(1, 3, 223, 223, device="meta"))
    with pytest.raises(ValueError, match="takes images"):
        on_meta("vit_b_32")(torch.empty(1, 1, 224, 224, device="meta"))
    with pytest.raises(ValueError, match="no multiple of 16"):
        on_meta("vit_b_16", image_size=225)
    with pytest.raises(ValueError, match="multiple of heads"):
        on_meta("vit_b_16", heads=5)
