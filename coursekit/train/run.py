"""A training under way: all that must be kept for it to go on elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from coursekit.train.batches import Batches
from coursekit.train.config import TrainConfig
from coursekit.train.evaluation import Evaluation, evaluate
from coursekit.train.history import History
from coursekit.train.step import Step


class Run:
    """Takes steps, sums up epochs, and can be saved between any two steps.

    Attributes:
        total: steps of the whole training.
        step: takes one; holds network, optimizer, schedule and average.
        batches: what the steps learn from.
        history: of the epochs that were finished.
    """

    def __init__(
        self, model: nn.Module, data: tuple[Tensor, Tensor], config: TrainConfig, device: torch.device
    ) -> None:
        self.model, self.device = model, device
        self.batches = Batches(data, config)
        self.total = config.epochs * len(self.batches.sizes)
        if config.max_steps is not None:
            self.total = min(self.total, config.max_steps)
        self.step = Step(model, config, device, self.total)
        self.history = History()
        self._start_epoch()

    @property
    def finished(self) -> bool:
        """Whether no step is left."""
        return self.step.done >= self.total

    @property
    def epoch_over(self) -> bool:
        """Whether no step is left in the epoch under way."""
        return self.finished or self.batches.position == len(self.batches.sizes)

    def steps(self) -> Iterator[None]:
        """Take the steps left in the epoch under way, or those of a new one, one at each turn."""
        self.model.train()
        self.start_clock()
        for x, y in self.batches.epoch():
            self.lr = self.step.lr
            self.sums += self.step(x, y)
            self.seen += len(y)
            yield
            if self.finished:
                break

    def end_epoch(self, test: tuple[Tensor, Tensor] | None) -> None:
        """Put the epoch into the history; here the GPU is waited for, for the first time in it."""
        train = Evaluation(*(self.sums / self.seen).tolist())
        self.stop_clock()
        tested = None if test is None else evaluate(self.step.evaluated, test)
        self.history = self.history.after(
            seconds=self.seconds, train=train, test=tested, lr=self.lr, steps=self.step.done
        )
        self.batches.finish()
        self._start_epoch()

    def _start_epoch(self) -> None:
        self.sums, self.seen = torch.zeros(2, device=self.device), 0  # of losses and right answers; images
        self.seconds, self.lr = 0.0, self.step.lr

    def start_clock(self) -> None:
        """Count the time from here as training."""
        self._since = time.perf_counter()

    def stop_clock(self) -> None:
        """Until here."""
        self.seconds += time.perf_counter() - self._since

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors only, so that a file of it can be read without executing any of it."""
        return {
            "step": self.step.state_dict(),
            "batches": self.batches.state_dict(),
            "history": self.history.to_dict(),
            "epoch": {"sums": self.sums, "seen": self.seen, "seconds": self.seconds, "lr": self.lr},
            "random": {
                "cpu": torch.get_rng_state(),
                "device": None if self.device.type == "cpu" else _generators(self.device).get_rng_state(),
            },
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where another run of the same configuration stood."""
        self.step.load_state_dict(state["step"])
        self.batches.load_state_dict(state["batches"])
        self.history = History.from_dict(state["history"])
        epoch = state["epoch"]
        self.sums, self.seen = epoch["sums"].to(self.device), epoch["seen"]
        self.seconds, self.lr = epoch["seconds"], epoch["lr"]
        torch.set_rng_state(state["random"]["cpu"])
        if state["random"]["device"] is not None:
            _generators(self.device).set_rng_state(state["random"]["device"])


def _generators(device: torch.device) -> Any:
    return torch.get_device_module(device)
