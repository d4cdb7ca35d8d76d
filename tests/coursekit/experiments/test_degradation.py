"""Plain and residual networks of any depth: the same weights, the depth asked for, and what a run records."""

import pytest
import torch
from torch import nn

from coursekit import models
from coursekit.experiments import degradation
from coursekit.experiments.degradation import Run, Setting
from coursekit.flops import profile

TINY = Setting(depths=(4, 8), seeds=2, epochs=2, images=48, widths=(4,), batch_size=16)


def images(n: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Squares at the left or at the right: two classes that a network learns in a few steps."""
    labels = torch.arange(n) % 2
    x = 0.1 * torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    for i, label in enumerate(labels.tolist()):
        x[i, 0, 8:20, 14 * label : 14 * label + 10] += 1
    return x, labels


def weight_layers(net: nn.Module) -> int:
    return sum(isinstance(module, nn.Conv2d | nn.Linear) for module in net.modules())


@pytest.mark.parametrize("kind", degradation.KINDS)
@pytest.mark.parametrize(("layers", "widths"), [(4, (8,)), (38, (12,)), (20, (4, 8, 16)), (14, (8, 8))])
def test_a_network_has_as_many_layers_with_weights_as_its_depth_says(kind, layers, widths):
    assert weight_layers(degradation.network(kind, layers, widths=widths)) == layers


def test_plain_and_residual_have_the_same_weights_and_cost():
    plain, residual = (degradation.network(kind, 20, widths=(4, 8, 16)) for kind in degradation.KINDS)
    assert {n: p.shape for n, p in plain.named_parameters()} == {
        n: p.shape for n, p in residual.named_parameters()
    }
    assert profile(plain, (1, 28, 28)).macs == profile(residual, (1, 28, 28)).macs


@pytest.mark.parametrize(("name", "kind"), [("resnet20", "residual"), ("plain20", "plain")])
def test_with_the_papers_widths_it_is_the_papers_network(name, kind):
    ours = degradation.network(kind, 20, widths=(16, 32, 64), patch=1, in_channels=3).eval()
    theirs = models.create_model(name, num_classes=10).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(ours(x), theirs(x))


def test_patches_of_four_turn_28_pixels_into_a_map_of_seven():
    net = degradation.network("residual", 4)
    (block,) = degradation.blocks(net)
    seen = []
    block.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].shape[2:]))
    net(torch.rand(2, 1, 28, 28))
    assert seen == [(7, 7)]


def test_with_zero_scales_every_residual_block_starts_as_the_identity_in_training_too():
    for block in degradation.blocks(degradation.network("residual", 14, zero_init=True)):
        x = torch.rand(3, 12, 7, 7)
        assert torch.equal(block.train()(x), x)


@pytest.mark.parametrize(
    ("kind", "layers", "widths", "message"),
    [
        ("dense", 8, (12,), "kind is 'dense'; choose one of plain, residual"),
        ("plain", 9, (12,), "depth is 9; with 1 stages it can be 4, 6, 8"),
        ("plain", 10, (4, 8, 16), "depth is 10; with 3 stages it can be 8, 14, 20"),
        ("plain", 2, (12,), "depth is 2"),
    ],
)
def test_what_cannot_be_built_is_refused_with_what_can(kind, layers, widths, message):
    with pytest.raises(ValueError, match=message):
        degradation.network(kind, layers, widths=widths)


def test_a_run_records_every_epoch_and_the_errors_of_the_network_it_returns():
    data = images()
    net, run = degradation.train_one("residual", 4, 0, TINY, data, data)
    assert (run.kind, run.depth, run.seed) == ("residual", 4, 0)
    assert len(run.train_loss) == len(run.train_error) == TINY.epochs
    assert run.train_loss[-1] < run.train_loss[0]
    assert not net.training
    right = (net.cpu()(data[0]).argmax(1) == data[1]).float().mean().item()
    assert run.test_error == pytest.approx(1 - right)


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    data = images()
    first, again, other = (degradation.train_one("plain", 4, seed, TINY, data, data)[1] for seed in (0, 0, 1))
    assert first.train_loss == again.train_loss != other.train_loss


def test_all_kinds_depths_and_seeds_are_run_on_the_first_images_only(monkeypatch):
    seen = []

    def noted(kind, layers, seed, setting, train, test):
        seen.append((kind, layers, seed, len(train[0]), len(train[1]), len(test[1])))
        return nn.Sequential(), Run(kind, layers, seed, (), (), 0.0, 0.0)

    monkeypatch.setattr(degradation, "train_one", noted)
    runs = list(degradation.train_all(TINY, images(), images(10)))
    assert len(runs) == 8
    assert seen == [(k, d, s, 48, 48, 10) for k in degradation.KINDS for d in TINY.depths for s in range(2)]


def test_runs_are_gathered_by_kind_and_depth_shallow_ones_first():
    runs = [
        Run(kind, layers, seed, (), (), seed / 10, 0.0)
        for kind, layers, seed in (
            ("residual", 8, 0),
            ("plain", 20, 0),
            ("plain", 8, 1),
            ("plain", 8, 2),
            ("residual", 8, 3),
        )
    ]
    table = degradation.by_network(runs, lambda run: run.test_error)
    assert list(table.items()) == [
        (("plain", 8), [0.1, 0.2]),
        (("plain", 20), [0.0]),
        (("residual", 8), [0.0, 0.3]),
    ]


def test_the_stored_result_is_complete_and_shows_what_the_lecture_says_of_it():
    result = degradation.measured()
    ran = {(run.kind, run.depth, run.seed) for run in result.runs}
    s = result.setting
    assert ran == {(k, d, n) for k in degradation.KINDS for d in s.depths for n in range(s.seeds)}
    assert s.seeds >= 3
    assert {len(run.train_error) for run in result.runs} == {s.epochs}
    assert {"command", "date", "hardware", "torch", "python", "threads"} <= set(result.source)

    def last(kind: str, layers: int) -> list[float]:
        return [run.train_error[-1] for run in result.runs if (run.kind, run.depth) == (kind, layers)]

    deepest, shallowest = s.depths[-1], s.depths[0]
    assert min(last("plain", deepest)) > max(last("plain", shallowest))
    assert max(last("residual", deepest)) < min(last("plain", deepest))
