"""What a training is told: one frozen dataclass."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coursekit.train.describing import described

if TYPE_CHECKING:
    from coursekit.train.augment import Augment

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("constant", "cosine", "onecycle")


@dataclass(frozen=True)
class TrainConfig:
    """How to train.

    Attributes:
        epochs: passes over the training set.
        batch_size: images a step.
        lr: learning rate; with a schedule, its largest value.
        optimizer: `"sgd"` with momentum, or `"adamw"`.
        momentum: for `"sgd"`.
        weight_decay: on weights of two or more dimensions only, never on biases and normalization.
        schedule: `"constant"`, `"cosine"` down to zero, or `"onecycle"` (Smith, 2018), set at every step.
        label_smoothing: share of the target spread over all classes, from 0 to 1.
        augment: called as `augment(images, generator)` on each batch, on the device.
        amp: 16-bit matrix products where that is safe (bfloat16, or float16 with loss scaling).
        channels_last: keep images and weights in NHWC order in memory, faster on recent GPUs and CPUs.
        seed: of the order of the batches, of augmentation and of dropout.
        max_steps: stop after this many steps, whatever `epochs` says.
        warmup: share of the steps, from 0 to 1, over which the rate rises linearly at first; for
            `"onecycle"` the share of its rising half. By default 0, and 0.3 for `"onecycle"`.
        nesterov: look ahead with the momentum; for `"sgd"`.
        clip_grad_norm: shorten the gradient of all parameters together to this length where it is longer.
        ema: decay, below 1, of an exponential moving average of the weights (0.999 say). Evaluation uses
            the average, and the model holds it in the end. Batch normalization's running statistics are
            averaged likewise.
        compile: run full batches through `torch.compile`; needs a C++ compiler, and a minute or so first.
        deterministic: only algorithms that repeat to the bit, on CUDA too; some are slower, some networks
            have none.
    """

    epochs: int = 5
    batch_size: int = 64
    lr: float = 0.1
    optimizer: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "constant"
    label_smoothing: float = 0.0
    augment: Augment | None = None
    amp: bool = False
    channels_last: bool = False
    seed: int = 0
    max_steps: int | None = None
    warmup: float | None = None
    nesterov: bool = False
    clip_grad_norm: float | None = None
    ema: float | None = None
    compile: bool = False
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer is {self.optimizer!r}; choose one of {', '.join(OPTIMIZERS)}")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule is {self.schedule!r}; choose one of {', '.join(SCHEDULES)}")
        if self.epochs < 0 or self.batch_size < 1 or (self.max_steps is not None and self.max_steps < 0):
            raise ValueError(
                f"epochs={self.epochs}, batch_size={self.batch_size}, max_steps={self.max_steps}: "
                "epochs and max_steps count from 0, a batch has at least one image"
            )
        if not 0 <= self.label_smoothing <= 1:
            raise ValueError(f"label_smoothing is {self.label_smoothing}; it is a share from 0 to 1")
        if self.warmup is not None and not 0 <= self.warmup <= 1:
            raise ValueError(f"warmup is {self.warmup}; it is a share of the steps, from 0 to 1")
        if self.nesterov and (self.optimizer != "sgd" or self.momentum <= 0):
            raise ValueError("nesterov needs optimizer='sgd' and a momentum above 0")
        if self.clip_grad_norm is not None and not self.clip_grad_norm > 0:
            raise ValueError(f"clip_grad_norm is {self.clip_grad_norm}; give a length above 0, or None")
        if self.ema is not None and not 0 <= self.ema < 1:
            raise ValueError(f"ema is {self.ema}; give a decay from 0 to below 1 (0.999 say), or None")


def describe(config: TrainConfig) -> dict[str, bool | int | float | str | None]:
    """The configuration in plain values, equal for equal trainings, also in another process."""
    plain = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    return plain | {"augment": None if config.augment is None else described(config.augment)}
