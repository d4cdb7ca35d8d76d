"""Loss surfaces: directions as long as the filters, exact losses, and nothing changed by looking."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from coursekit.experiments import degradation, loss_surface
from coursekit.train import evaluate

STEPS = torch.linspace(-1, 1, 5)


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    net = degradation.network("residual", 6, widths=(4,))
    net.train()(torch.rand(16, 1, 28, 28))  # the norms have seen something
    return net


@pytest.fixture
def examples() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(12, 1, 28, 28, generator=generator), torch.arange(12) % 10


def test_every_filter_of_a_direction_is_as_long_as_the_networks_own(net):
    moves = loss_surface.direction(net, 0)
    for name, weight in net.named_parameters():
        if weight.dim() >= 2:
            assert torch.allclose(moves[name].flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1))
            assert F.cosine_similarity(moves[name].flatten(), weight.flatten(), dim=0).abs() < 0.9


def test_biases_and_norms_do_not_move(net):
    moves = loss_surface.direction(net, 0)
    still = [name for name, weight in net.named_parameters() if weight.dim() < 2]
    assert len(still) == 11
    assert all((moves[name] == 0).all() for name in still)


def test_another_seed_is_another_direction(net):
    first, again, other = (loss_surface.direction(net, seed)["conv1.conv.weight"] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_in_the_middle_stands_the_loss_of_the_network_itself(net, examples):
    a, b = (loss_surface.direction(net, seed) for seed in (0, 1))
    grid = loss_surface.losses(net, a, b, STEPS, *examples)
    assert grid.shape == (5, 5)
    assert grid[2, 2].item() == pytest.approx(evaluate(net, examples).loss, rel=1e-5)


def test_columns_go_along_the_first_direction_and_rows_along_the_second(net, examples):
    a, b = (loss_surface.direction(net, seed) for seed in (0, 1))
    grid = loss_surface.losses(net, a, b, STEPS, *examples)
    moved = copy.deepcopy(net)
    with torch.no_grad():
        for name, weight in moved.named_parameters():
            weight += 0.5 * a[name] - 1.0 * b[name]
    assert grid[0, 3].item() == pytest.approx(evaluate(moved, examples).loss, rel=1e-4)


def test_a_filter_ten_times_as_long_before_a_norm_gives_the_same_surface(net, examples):
    def surface(network: nn.Module) -> torch.Tensor:
        a, b = (loss_surface.direction(network, seed) for seed in (0, 1))
        return loss_surface.losses(network, a, b, STEPS, *examples)

    larger = copy.deepcopy(net)
    with torch.no_grad():
        first = larger.conv1
        first.conv.weight *= 10
        first.norm.running_mean *= 10
        first.norm.running_var *= 100
    assert torch.allclose(surface(larger), surface(net), rtol=1e-3)


def test_weights_and_mode_are_as_before(net, examples):
    net.train()
    net.conv1.eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    a = loss_surface.direction(net, 0)
    loss_surface.losses(net, a, a, STEPS, *examples)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert net.training
    assert not net.conv1.training
    assert all(weight.grad is None for weight in net.parameters())


def test_a_bowl_has_one_dip_a_slope_none_and_an_egg_box_many():
    x = torch.linspace(-1, 1, 33)
    assert loss_surface.local_minima(x[None] ** 2 + x[:, None] ** 2) == 1
    assert loss_surface.local_minima(x[None] + x[:, None]) == 0
    assert loss_surface.local_minima(torch.full((5, 5), 2.0)) == 0
    box = torch.cos(2 * torch.pi * 2 * x)
    assert loss_surface.local_minima(box[None] + box[:, None]) == 16


def test_points_that_are_not_finite_are_no_minima():
    grid = torch.full((5, 5), torch.inf)
    grid[2, 2] = torch.nan
    assert loss_surface.local_minima(grid) == 0
