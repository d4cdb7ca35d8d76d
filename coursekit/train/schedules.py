"""How the learning rate moves over the steps of a training."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from coursekit.train.config import TrainConfig

ONECYCLE_RISE = 0.3  # torch's share of the rising half


def learning_rates(config: TrainConfig, steps: int) -> list[float]:
    """The learning rate of every step of a training of `steps` steps, to look at before it starts."""
    optimizer = torch.optim.SGD([torch.zeros(())], lr=config.lr, momentum=config.momentum)
    scheduler = make_scheduler(optimizer, config, steps)
    rates = []
    for step in range(steps):
        if step:
            optimizer.step()
            scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def make_scheduler(optimizer: torch.optim.Optimizer, config: TrainConfig, steps: int) -> LRScheduler:
    """Sets the rate of step 0 at once, and that of the next at each `step()`, of `steps` in all.

    One-cycle moves the momentum the other way, between 0.85 and 0.95, as its author does.
    """
    if config.schedule == "onecycle" and steps:
        rise = ONECYCLE_RISE if config.warmup is None else config.warmup
        if rise * steps == 1:
            rise *= 1 - 1e-9  # torch divides by rise * steps - 1
        return OneCycleLR(optimizer, max_lr=config.lr, total_steps=steps, pct_start=rise)
    return LambdaLR(optimizer, factor(config.schedule, config.warmup or 0.0, steps))


def factor(schedule: str, warmup: float, steps: int) -> Callable[[int], float]:
    """Step, counted from 0, to the share of the full rate it is taken with.

    With w warm-up steps, step t < w has the share (t + 1) / (w + 1), and step w the full rate. Cosine: then
    (1 + cos(π u)) / 2, where u goes from 0 towards 1 over the steps that are left (Loshchilov, Hutter: SGDR:
    stochastic gradient descent with warm restarts, ICLR 2017, without restarts).
    """
    rise = round(warmup * steps)

    def share(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        if schedule == "cosine" and steps > rise:
            return 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))
        return 1.0

    return share
