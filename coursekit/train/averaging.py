"""An exponential moving average of a network's weights while it trains."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """average ← d average + (1 - d) weights after every step; it begins as the weights of the first.

    The decay d is min(decay, (1 + t) / (10 + t)) after t steps, so that a short training is not held back by
    where it began (as in TensorFlow's ExponentialMovingAverage). Running mean and variance of batch
    normalization are averaged likewise: they belong to the averaged weights nearly enough that no pass over
    the training set is needed (`torch.optim.swa_utils.update_bn` would make one). Whole-numbered buffers
    are copied.

    torch's AveragedModel reads its counter at every update, and a GPU would be waited for each time.

    Attributes:
        model: the network with the averaged weights.
        steps: in the average.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.model = copy.deepcopy(model).requires_grad_(False)
        averaged, current = ([*m.parameters(), *m.buffers()] for m in (self.model, model))
        pairs = [(mine, theirs.detach()) for mine, theirs in zip(averaged, current, strict=True)]
        self._blended = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights of one more step in."""
        self.steps += 1
        decay = 0.0 if self.steps == 1 else min(self.decay, (1 + self.steps) / (10 + self.steps))
        averaged, current = map(list, zip(*self._blended, strict=True))
        get_ema_multi_avg_fn(decay)(averaged, current, 0)
        for mine, theirs in self._copied:
            mine.copy_(theirs)

    def state_dict(self) -> dict[str, Any]:
        """The averaged network and the number of steps in it."""
        return {"averaged": self.model.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from another's average."""
        self.model.load_state_dict(state["averaged"])
        self.steps = state["steps"]
