"""SE-ResNet against timm, the paper's counts and the lecture's overhead of one block."""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from coursekit.models import card, create_model
from coursekit.models.senet import SEBottleneck
from coursekit.models.weights import rename
from tests.models.zoo import example, parameters

TOP1 = {"se_resnet50": 76.71, "se_resnet101": 77.62, "se_resnet152": 78.43}  # the lecture's chart

# timm's seresnet50 to ours
FROM_TIMM = {r"conv1\.weight": "conv1.conv.weight", r"bn1\.(.+)": r"conv1.norm.\1", r"fc\.(.+)": r"fc.\1"}
for s in (1, 2, 3, 4):
    THEIRS, OURS = rf"layer{s}\.(\d+)", rf"conv{s + 1}_x.\1"
    for i in (1, 2, 3):
        FROM_TIMM[rf"{THEIRS}\.conv{i}\.weight"] = f"{OURS}.residual.{i - 1}.conv.weight"
        FROM_TIMM[rf"{THEIRS}\.bn{i}\.(.+)"] = rf"{OURS}.residual.{i - 1}.norm.\2"
    FROM_TIMM[rf"{THEIRS}\.se\.fc1\.(.+)"] = rf"{OURS}.residual.3.squeeze.\2"
    FROM_TIMM[rf"{THEIRS}\.se\.fc2\.(.+)"] = rf"{OURS}.residual.3.excite.\2"
    FROM_TIMM[rf"{THEIRS}\.downsample\.0\.weight"] = f"{OURS}.shortcut.conv.weight"
    FROM_TIMM[rf"{THEIRS}\.downsample\.1\.(.+)"] = rf"{OURS}.shortcut.norm.\2"


def on_meta(name: str, **options: object) -> nn.Module:
    with torch.device("meta"):
        return create_model(name, **options).eval()


def macs(model: nn.Module) -> int:
    counter = FlopCounterMode(display=False)
    with counter:
        model(torch.empty(1, 3, 224, 224, device="meta"))
    return counter.get_total_flops() // 2


def test_logits_are_those_of_timm_with_its_weights() -> None:
    torch.manual_seed(0)
    theirs = timm.create_model("seresnet50", num_classes=5, zero_init_last=False).eval()
    ours = create_model("se_resnet50", num_classes=5).eval()
    ours.load_state_dict(rename(theirs.state_dict(), FROM_TIMM), strict=True)
    x = example("se_resnet50", side=64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_the_stride_of_the_authors_is_in_the_first_1x1() -> None:
    torch.manual_seed(0)
    theirs = timm.create_model("legacy_seresnet50", num_classes=5).eval()
    theirs.pool0 = nn.MaxPool2d(3, stride=2, padding=1)  # Caffe's has no padding, and rounds up
    ours = create_model("se_resnet50", num_classes=5, stride_in_1x1=True).eval()
    table = {key.replace(r"\.se\.", r"\.se_module\."): new for key, new in FROM_TIMM.items()}
    table |= {
        r"layer0\.conv1\.weight": "conv1.conv.weight",
        r"layer0\.bn1\.(.+)": r"conv1.norm.\1",
        r"last_linear\.(.+)": r"fc.\1",
    }
    ours.load_state_dict(rename(theirs.state_dict(), table), strict=True)
    x = example("se_resnet50", side=64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "published"),  # in millions; timm's counts; Hu et al. give 28.1 for the first, with reduction 16
    [("se_resnet50", 28.088024), ("se_resnet101", 49.326872), ("se_resnet152", 66.821848)],
)
def test_parameters(name: str, published: float) -> None:
    assert parameters(on_meta(name)) == published * 1e6


def test_multiply_adds_of_table_2() -> None:
    """ResNet-50 3.86 G, SE-ResNet-50 3.87 G (Hu et al., table 2, with the stride where they have it)."""
    with_se = macs(on_meta("se_resnet50", stride_in_1x1=True))
    without = macs(on_meta("resnet50", stride_in_1x1=True))
    assert round(without / 1e9, 2) == 3.86
    assert 0 < with_se - without < 0.01e9


def test_squeeze_and_excitation_costs_what_the_lecture_says() -> None:
    """8CHW + 2C² + 17C/4 for a bottleneck with C = 64, so 4C channels go out, at 56×56: 1.6 M of 218 M."""
    c, side = 64, 56
    with torch.device("meta"):
        # The lecture's squeeze to C/4 is a reduction by 16 of the 4C channels.
        se = SEBottleneck(4 * c, c, reduction=16).residual[3]
    assert (se.squeeze.in_channels, se.squeeze.out_channels) == (4 * c, c // 4)
    counter = FlopCounterMode(display=False)
    with counter:
        se(torch.empty(1, 4 * c, side, side, device="meta"))
    fully_connected = counter.get_total_flops() // 2
    assert fully_connected == 2 * c * c
    pool_and_scale = 2 * 4 * c * side**2
    relu_and_sigmoid = c / 4 + 4 * c
    total = pool_and_scale + fully_connected + relu_and_sigmoid
    assert round(total / 1e6, 1) == 1.6
    assert total < 0.01 * 17 * side**2 * c**2


def test_channels_of_the_branch_are_weighed_before_the_addition() -> None:
    torch.manual_seed(0)
    block, x = SEBottleneck(16, 4, reduction=4).eval(), torch.randn(2, 16, 5, 5)
    branch = block.residual[:3](x)
    se = block.residual[3]
    pooled = branch.mean((2, 3))
    hidden = F.relu(pooled @ se.squeeze.weight[:, :, 0, 0].T + se.squeeze.bias)
    gate = torch.sigmoid(hidden @ se.excite.weight[:, :, 0, 0].T + se.excite.bias)
    torch.testing.assert_close(block(x), F.relu(x + branch * gate[:, :, None, None]))


@pytest.mark.parametrize(("name", "top1"), TOP1.items())
def test_the_card_has_the_lecture_s_accuracy(name: str, top1: float) -> None:
    assert card(name).lecture.top1 == top1


def test_images_of_any_size_and_number_of_channels() -> None:
    model = create_model("se_resnet50", num_classes=7, in_channels=1, reduction=8).eval()
    assert model.conv2_x[0].residual[3].squeeze.out_channels == 32
    assert card("se_resnet50").smallest == 1
    assert model(torch.randn(2, 1, 1, 1)).shape == (2, 7)
    with pytest.raises(ValueError, match="se_resnet50 takes images from 1×1 pixels on"):
        model(torch.randn(2, 1, 0, 0))
