"""One step of training: forward, loss, backward, clip, optimizer, schedule, average."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coursekit.train.averaging import Average
from coursekit.train.config import TrainConfig
from coursekit.train.evaluation import right
from coursekit.train.optimizers import make_optimizer
from coursekit.train.schedules import make_scheduler


class Step:
    """One optimizer step at a call: returns (sum of losses, right answers) on the device, unread.

    Attributes:
        done: steps so far, of `total`.
        average: of the weights, or None.
    """

    def __init__(self, model: nn.Module, config: TrainConfig, device: torch.device, total: int) -> None:
        self.model, self.config, self.total, self.done = model, config, total, 0
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(model, config)
        self.scheduler = make_scheduler(self.optimizer, config, total)
        self.average = None if config.ema is None else Average(model, config.ema)
        self.compiled = torch.compile(model) if config.compile else model
        half = half_type(device)
        self.autocast = torch.autocast(device.type, dtype=half) if config.amp else nullcontext()
        scaled = config.amp and half is torch.float16 and device.type == "cuda"
        self.scaler = torch.amp.GradScaler(device.type, enabled=scaled)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Learn from images `(N, C, H, W)` and labels `(N,)`."""
        # Another size of batch, an epoch's last, would have to be compiled anew.
        network = self.compiled if len(y) == self.config.batch_size else self.model
        with self.autocast:
            logits = network(x)
        logits = logits.float()
        loss = F.cross_entropy(logits, y, label_smoothing=self.config.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.config.clip_grad_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.parameters, self.config.clip_grad_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.done += 1
        if self.done < self.total:
            self.scheduler.step()
        if self.average is not None:
            self.average.update()
        with torch.no_grad():
            return torch.stack([loss * len(y), right(logits, y)])

    @property
    def lr(self) -> float:
        """The rate of the step to come, and after the last one of that one."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def evaluated(self) -> nn.Module:
        """The network that evaluation sees: the averaged one where there is an average."""
        return self.model if self.average is None else self.average.model

    def state_dict(self) -> dict[str, Any]:
        """Weights, and all that the next step depends on."""
        return {
            "done": self.done,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another left off, with the same configuration."""
        self.done = state["done"]
        self.model.load_state_dict(state["model"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.optimizer.load_state_dict(state["optimizer"])  # last: it holds the rate
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])


def half_type(device: torch.device) -> torch.dtype:
    """bfloat16 on the CPU and on a GPU that has it, else float16, whose gradients must be scaled."""
    if device.type == "cpu" or (device.type == "cuda" and torch.cuda.is_bf16_supported()):
        return torch.bfloat16
    return torch.float16
