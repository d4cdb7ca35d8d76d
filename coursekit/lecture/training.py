"""The short trainings of a lecture: so many steps from a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

import coursekit
from coursekit.train import History, TrainConfig, evaluate, fit

__all__ = ["accuracy", "trained", "trained_with_history"]


def trained(
    build: Callable[[], nn.Module],
    examples: Any,
    *,
    steps: int,
    seed: int,
    longer: int = 1,
    lr: float = 0.05,
    schedule: str = "onecycle",
    **options: Any,
) -> nn.Module:
    """A new network, trained for so many steps, on the CPU in evaluation mode.

    The same seed gives the same weights and the same batches.

    Args:
        build: makes the network.
        examples: an `ImageSet` or a pair (images, labels).
        steps: batches to train on, at the smallest budget.
        seed: of weights and batches.
        longer: the budget's multiple of the steps, as in `Setting.longer`.
        lr: the largest learning rate of the schedule.
        schedule: as in `TrainConfig`.
        **options: what else `TrainConfig` takes.
    """
    return trained_with_history(
        build, examples, steps=steps, seed=seed, longer=longer, lr=lr, schedule=schedule, **options
    )[0]


def trained_with_history(
    build: Callable[[], nn.Module],
    examples: Any,
    *,
    steps: int,
    seed: int,
    longer: int = 1,
    lr: float = 0.05,
    schedule: str = "onecycle",
    **options: Any,
) -> tuple[nn.Module, History]:
    """What `trained` returns, and how the training went, epoch by epoch."""
    coursekit.seed_everything(seed)
    network = build()
    count = steps * longer
    config = TrainConfig(epochs=count, max_steps=count, lr=lr, schedule=schedule, seed=seed, **options)
    history = fit(network, examples, config=config, progress=False)
    return network.cpu().eval(), history


def accuracy(network: nn.Module, examples: Any) -> float:
    """Share of right answers, from 0 to 1.

    Args:
        network: maps `(N, C, H, W)` to logits `(N, classes)`.
        examples: an `ImageSet` or a pair (images, labels).
    """
    return evaluate(network, examples).accuracy
