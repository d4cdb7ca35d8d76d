"""Pre-activation ResNets against timm, published counts and the paper's equation 4."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coursekit.models import card, create_model
from coursekit.models.preact_resnet import PreActBasicBlock, PreActBlock, PreActBottleneck
from coursekit.models.resnet import PadShortcut
from coursekit.models.weights import rename
from tests.models.zoo import example, parameters

NAMES = ("preact_resnet18", "preact_resnet50", "preact_resnet110", "preact_resnet164")

# timm's resnetv2 to ours
FROM_TIMM = {
    r"stem\.conv\.weight": "conv1.weight",
    r"norm\.(.+)": r"norm.\1",
    r"head\.fc\.(.+)": r"fc.\1",
}
for s in (0, 1, 2, 3):
    THEIRS, OURS = rf"stages\.{s}\.blocks\.(\d+)", rf"conv{s + 2}_x.\1"
    FROM_TIMM[rf"{THEIRS}\.norm1\.(.+)"] = rf"{OURS}.preact.0.\2"
    FROM_TIMM[rf"{THEIRS}\.conv1\.weight"] = f"{OURS}.residual.0.weight"
    FROM_TIMM[rf"{THEIRS}\.downsample\.conv\.weight"] = f"{OURS}.shortcut.weight"
    for i in (2, 3):
        FROM_TIMM[rf"{THEIRS}\.norm{i}\.(.+)"] = rf"{OURS}.residual.{i - 1}.norm.\2"
        FROM_TIMM[rf"{THEIRS}\.conv{i}\.weight"] = f"{OURS}.residual.{i - 1}.conv.weight"


def from_timm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Under our names; timm's head is a 1×1 convolution."""
    return {k: v.flatten(1) if k == "fc.weight" else v for k, v in rename(state, FROM_TIMM).items()}


def on_meta(name: str, **options: object) -> nn.Module:
    with torch.device("meta"):
        return create_model(name, **options).eval()


@pytest.mark.parametrize(
    ("name", "in_timm"), [("preact_resnet18", "resnetv2_18"), ("preact_resnet50", "resnetv2_50")]
)
def test_logits_are_those_of_timm_with_its_weights(name: str, in_timm: str) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model(in_timm, num_classes=5).eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):  # fresh statistics let activations grow a thousandfold
            nn.init.uniform_(module.running_var, 2, 4)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.normal_(module.bias, std=0.1)
    ours = create_model(name, num_classes=5).eval()
    ours.load_state_dict(from_timm(theirs.state_dict()), strict=True)
    x = example(name, side=64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "millions"),  # as compared in Zagoruyko, Komodakis: Wide residual networks, BMVC 2016
    [("preact_resnet110", 1.7), ("preact_resnet164", 1.7)],
)
def test_networks_for_cifar_have_the_published_number_of_parameters(name: str, millions: float) -> None:
    assert round(parameters(on_meta(name, num_classes=10)) / 1e6, 1) == millions


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_called_by_its_number_of_weight_layers(name: str) -> None:
    layers = sum(
        isinstance(module, nn.Conv2d | nn.Linear) and "shortcut" not in key
        for key, module in on_meta(name).named_modules()
    )
    assert name == f"preact_resnet{layers}"


@pytest.mark.parametrize("kind", [PreActBasicBlock, PreActBottleneck])
def test_norm_and_relu_come_first_and_nothing_after_the_addition(kind: type[PreActBlock]) -> None:
    torch.manual_seed(0)
    layers = {"shortcut": "B", "conv": nn.Conv2d, "norm": nn.BatchNorm2d}
    x = torch.randn(2, 4 * kind.expansion, 6, 6)
    same = kind(x.shape[1], 4, **layers).eval()
    active = F.relu(x / (1 + 1e-5) ** 0.5)  # a fresh batch norm in eval mode
    torch.testing.assert_close(same(x), x + same.residual(active))
    half = kind(x.shape[1], 8, 2, **layers).eval()
    assert half.shortcut is not None
    torch.testing.assert_close(half(x), half.shortcut(active) + half.residual(active))


def test_a_stage_adds_all_its_branches_to_its_input() -> None:
    """Equation 4: x_L = x_l plus the sum of F over the blocks between."""
    torch.manual_seed(0)
    stage = create_model("preact_resnet110", num_classes=2).eval().conv2_x
    x = start = torch.randn(1, 16, 8, 8)
    total = torch.zeros_like(x)
    for block in stage:
        total += block.residual(block.preact(x))
        x = block(x)
    torch.testing.assert_close(stage(start), start + total, rtol=1e-4, atol=1e-4)


def test_shortcuts_change_shape_by_zeros_or_by_a_1x1_convolution() -> None:
    for name, kind in (("preact_resnet110", PadShortcut), ("preact_resnet50", nn.Conv2d)):
        kinds = {type(m.shortcut) for m in on_meta(name).modules() if isinstance(m, PreActBlock)}
        assert kinds == {kind, type(None)}
    with pytest.raises(ValueError, match="choose one of A, B"):
        PreActBasicBlock(4, 8, shortcut="C", conv=nn.Conv2d, norm=nn.BatchNorm2d)


@pytest.mark.parametrize("name", ["preact_resnet18", "preact_resnet110"])
def test_images_of_any_size_and_number_of_channels(name: str) -> None:
    assert card(name).smallest == 1
    model = create_model(name, num_classes=7, in_channels=1).eval()
    assert model(torch.randn(2, 1, 28, 28)).shape == (2, 7)
    assert model(torch.randn(2, 1, 1, 1)).shape == (2, 7)
    with pytest.raises(ValueError, match=f"{name} takes images from 1×1 pixels on"):
        model(torch.randn(2, 1, 0, 0))
