"""The short trainings of a lecture: steps and seeds are those asked for."""

import pytest
import torch
from torch import nn

from coursekit.lecture import accuracy, trained, trained_with_history


def two_classes(n: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Images that are bright at the left or at the right."""
    labels = torch.arange(n) % 2
    x = 0.1 * torch.rand(n, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    for i, label in enumerate(labels.tolist()):
        x[i, 0, :, 3 * label : 3 * label + 3] += 1
    return x, labels


def build() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 2))


class Counting(nn.Module):
    """Counts the batches that it is trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.steps = build(), 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        return self.layers(x)


@pytest.mark.parametrize("longer", [1, 3])
def test_it_takes_so_many_steps_times_the_budgets_multiple(longer):
    network = trained(Counting, two_classes(), steps=7, seed=0, longer=longer, batch_size=16)
    assert network.steps == 7 * longer


def test_the_same_seed_gives_the_same_network_and_another_seed_another():
    first, again, other = (
        trained(build, two_classes(), steps=5, seed=seed).state_dict()["1.weight"] for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_it_learns_and_is_ready_to_be_evaluated():
    network, history = trained_with_history(build, two_classes(), steps=40, seed=0, lr=0.1)
    assert not network.training
    assert history.train_loss[-1] < history.train_loss[0]
    assert accuracy(network, two_classes()) == 1.0


def test_the_accuracy_is_the_share_of_right_answers():
    class AlwaysFirst(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([1.0, 0.0]).expand(len(x), 2)

    x, _ = two_classes(8)
    assert accuracy(AlwaysFirst(), (x, torch.tensor([0, 0, 0, 1, 1, 0, 0, 1]))) == pytest.approx(5 / 8)
