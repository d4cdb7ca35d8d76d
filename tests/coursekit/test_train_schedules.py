"""Learning rates, step by step, against values worked out by hand and torch's own schedules."""

import math

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR

from coursekit.train import TrainConfig, learning_rates


def by_torch(make, steps: int, lr: float = 1.0) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr, momentum=0.9)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(rates) < steps:
            scheduler.step()
    return rates


def test_a_constant_rate_stays():
    assert learning_rates(TrainConfig(lr=0.3), 4) == [0.3] * 4


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_warming_up_climbs_evenly_to_the_full_rate(schedule):
    rates = learning_rates(TrainConfig(lr=1.0, schedule=schedule, warmup=0.3), 10)
    assert rates[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    linear = by_torch(lambda o: LinearLR(o, start_factor=0.25, total_iters=3), 4)
    assert rates[:4] == pytest.approx(linear)
    assert all(rate <= 1 for rate in rates)


def test_cosine_is_torchs_cosine_annealing():
    rates = learning_rates(TrainConfig(lr=0.4, schedule="cosine"), 20)
    assert rates == pytest.approx(by_torch(lambda o: CosineAnnealingLR(o, T_max=20), 20, lr=0.4))


def test_cosine_after_a_warm_up_falls_over_the_steps_that_are_left():
    rates = learning_rates(TrainConfig(lr=0.4, schedule="cosine", warmup=0.2), 25)
    assert rates[5:] == pytest.approx([0.2 * (1 + math.cos(math.pi * t / 20)) for t in range(20)])


@pytest.mark.parametrize(("warmup", "rise"), [(None, 0.3), (0.1, 0.1), (0.5, 0.5)])
def test_onecycle_is_torchs_with_the_warm_up_as_its_rising_half(warmup, rise):
    rates = learning_rates(TrainConfig(lr=0.8, schedule="onecycle", warmup=warmup), 30)
    assert rates == pytest.approx(by_torch(lambda o: OneCycleLR(o, 0.8, total_steps=30, pct_start=rise), 30))


@pytest.mark.parametrize("schedule", ["constant", "cosine", "onecycle"])
@pytest.mark.parametrize("warmup", [None, 0.0, 0.1, 1.0])
@pytest.mark.parametrize("steps", [0, 1, 2, 10])
def test_the_shortest_trainings_have_a_rate_for_every_step(schedule, warmup, steps):
    rates = learning_rates(TrainConfig(schedule=schedule, warmup=warmup), steps)
    assert len(rates) == steps
    assert all(math.isfinite(rate) and rate >= 0 for rate in rates)
