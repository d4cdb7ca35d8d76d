"""GoogLeNet against its paper's table 1, and against torchvision's code with its modules mended.

That `googlenet_bn(as_in_torchvision=True)` is torchvision's network is tested in test_torchvision_parity.py.
"""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.googlenet import Inception, InceptionAux

from coursekit.models import card, create_model
from coursekit.models.googlenet import RENAMES, AuxiliaryHead, conv_relu
from coursekit.models.weights import rename
from tests.models.zoo import example, parameters


def on_meta(name: str, **options: object) -> nn.Module:
    with torch.device("meta"):
        return create_model(name, **options)


def shapes_in_the_body(model: nn.Module, side: int = 224) -> dict[str, tuple[int, ...]]:
    shapes = {}
    x = model.stem(torch.empty(1, 3, side, side, device="meta"))
    for name, layer in model.body.items():
        x = layer(x)
        shapes[name] = tuple(x.shape[1:])
    return shapes


def test_it_has_the_parameters_that_table_1_gives_with_biases():
    assert parameters(on_meta("googlenet", aux=False)) == 6_998_552


def test_it_takes_the_operations_of_table_1():
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        on_meta("googlenet").eval()(torch.empty(1, 3, 224, 224, device="meta"))
    assert counter.get_total_flops() / 2 == 1_582_671_872
    assert counter.get_total_flops() / 2e9 == pytest.approx(1.583, abs=5e-4)


def test_the_maps_have_the_sizes_of_table_1():
    shapes = shapes_in_the_body(on_meta("googlenet"))
    assert shapes == {
        "pool2": (192, 28, 28),
        "inception3a": (256, 28, 28),
        "inception3b": (480, 28, 28),
        "pool3": (480, 14, 14),
        "inception4a": (512, 14, 14),
        "inception4b": (512, 14, 14),
        "inception4c": (512, 14, 14),
        "inception4d": (528, 14, 14),
        "inception4e": (832, 14, 14),
        "pool4": (832, 7, 7),
        "inception5a": (832, 7, 7),
        "inception5b": (1024, 7, 7),
    }


def test_the_longest_path_has_22_layers_with_weights_and_nine_modules():
    model = on_meta("googlenet")
    modules = [name for name in model.body if name.startswith("inception")]
    stem = sum(isinstance(m, nn.Conv2d) for m in model.stem.modules())
    deepest = [
        max(sum(isinstance(m, nn.Conv2d) for m in b.modules()) for b in model.body[name].values())
        for name in modules
    ]
    assert len(modules) == 9
    assert stem + sum(deepest) + 1 == 22


def test_the_paper_has_biases_and_response_normalization_where_the_other_has_batch_normalization():
    paper, normed = on_meta("googlenet"), on_meta("googlenet_bn")
    assert not any(isinstance(m, nn.BatchNorm2d) for m in paper.modules())
    assert sum(isinstance(m, nn.LocalResponseNorm) for m in paper.modules()) == 2
    assert all(m.bias is not None for m in paper.modules() if isinstance(m, nn.Conv2d))
    assert not any(isinstance(m, nn.LocalResponseNorm) for m in normed.modules())
    assert all(m.bias is None for m in normed.modules() if isinstance(m, nn.Conv2d))
    convolutions = sum(isinstance(m, nn.Conv2d) for m in normed.modules())
    assert sum(isinstance(m, nn.BatchNorm2d) for m in normed.modules()) == convolutions == 57 + 2


class PlainConv(nn.Module):
    """torchvision's BasicConv2d, without normalization and with a bias."""

    def __init__(self, c_in: int, c_out: int, **kwargs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, **kwargs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x))


def torchvisions_with_the_papers_layers(num_classes: int) -> nn.Module:
    """Their forward pass around plain convolutions, true 5×5 branches, LRN and a 3×3 pool4."""
    torch.manual_seed(3)
    network = torchvision.models.GoogLeNet(
        num_classes,
        init_weights=False,
        dropout=0.0,
        dropout_aux=0.0,
        blocks=[
            PlainConv,
            partial(Inception, conv_block=PlainConv),
            partial(InceptionAux, conv_block=PlainConv),
        ],
    )
    for module in network.modules():
        if isinstance(module, Inception):
            narrow = module.branch3[1].conv
            module.branch3[1] = PlainConv(narrow.in_channels, narrow.out_channels, kernel_size=5, padding=2)
    network.maxpool4 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    norm = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1)
    network.maxpool1 = nn.Sequential(network.maxpool1, norm)
    network.maxpool2 = nn.Sequential(norm, network.maxpool2)
    for parameter in network.parameters():
        if parameter.dim() == 4:
            nn.init.kaiming_normal_(parameter)
    return network


def test_torchvisions_code_with_the_papers_layers_computes_the_same():
    theirs = torchvisions_with_the_papers_layers(10)
    ours = create_model("googlenet", num_classes=10, dropout=0.0)
    for head in ours.aux.values():
        head.dropout.p = 0.0
    ours.load_state_dict(rename(theirs.state_dict(), RENAMES), strict=True)
    with torch.no_grad():
        # At 64 pixels the auxiliary heads' map has 4×4 already, so their windows play no part.
        images = example("googlenet", 1, side=64)
        expected = theirs(images)
        for mine, yours in zip(
            ours(images), (expected.logits, expected.aux_logits1, expected.aux_logits2), strict=True
        ):
            assert yours.std() > 0.01
            torch.testing.assert_close(mine, yours, atol=1e-5, rtol=1e-5)
        images = example("googlenet", 1, side=130)
        torch.testing.assert_close(ours.eval()(images), theirs.eval()(images), atol=1e-5, rtol=1e-5)


def test_auxiliary_heads_average_over_windows_of_5_and_stride_3():
    head = AuxiliaryHead(2, 3, conv_relu, windows=True)
    seen = []
    head.conv.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(1, 2, 14, 14)
    head(x)
    assert seen[0].shape[2:] == (4, 4)
    torch.testing.assert_close(seen[0][0, :, 1, 2], x[0, :, 3:8, 6:11].mean((1, 2)))


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
def test_training_has_three_heads_unless_they_are_left_away_and_evaluation_has_one(name):
    images = example(name, 2, side=64)
    model = create_model(name, num_classes=6)
    outputs = model(images)
    assert [tuple(o.shape) for o in outputs] == [(2, 6)] * 3
    sum(o.sum() for o in outputs).backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model.eval()(images).shape == (2, 6)
    without = create_model(name, num_classes=6, aux=False)
    assert without(images).shape == without.eval()(images).shape == (2, 6)
    assert not any(key.startswith("aux") for key in without.state_dict())


def test_torchvisions_details_are_a_3_by_3_branch_and_fewer_parameters():
    model = on_meta("googlenet_bn", as_in_torchvision=True, aux=False)
    assert parameters(model) == 6_624_904
    assert model.body["inception3a"]["five"][1].conv.kernel_size == (3, 3)
    assert on_meta("googlenet_bn").body["inception3a"]["five"][1].conv.kernel_size == (5, 5)


@pytest.mark.parametrize(
    ("name", "options", "smallest"),
    [
        ("googlenet", {}, card("googlenet").smallest),
        ("googlenet_bn", {}, card("googlenet_bn").smallest),
        ("googlenet_bn", {"as_in_torchvision": True}, 15),
    ],
)
def test_it_works_down_to_the_smallest_size_and_says_so_below(name, options, smallest):
    model = create_model(name, num_classes=4, in_channels=1, **options).eval()
    with torch.no_grad():
        assert model(torch.randn(1, 1, smallest, smallest)).shape == (1, 4)
        with pytest.raises(ValueError, match=f"from {smallest}×{smallest} pixels on"):
            model(torch.randn(1, 1, smallest - 1, smallest - 1))


def test_the_paper_ones_pools_would_leave_nothing_of_a_smaller_image():
    model = create_model("googlenet", num_classes=4).eval()
    model.stem.check = nn.Identity()
    with pytest.raises(RuntimeError, match="too small"):
        model(example("googlenet", 1, side=card("googlenet").smallest - 1))
