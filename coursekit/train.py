"""The course's one training loop.

The same code on the CPU, CUDA and MPS. The whole data set lies on the device, batches are cut out of a seeded
permutation there, and the losses stay there until an epoch ends, so that a small network is not kept waiting.

    config = TrainConfig(epochs=3, lr=0.05, schedule="cosine")
    history = fit(model, train_set, test_set, config)
    history.plot()
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import coursekit
from coursekit.lecture import is_live

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Evaluation", "History", "TrainConfig", "evaluate", "fit"]

Data = Any  # an ImageSet, a pair (images, labels), or anything that begins with these two

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
    """

    epochs: int = 5
    batch_size: int = 64
    lr: float = 0.1
    optimizer: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "constant"
    label_smoothing: float = 0.0
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None
    amp: bool = False
    channels_last: bool = False
    seed: int = 0
    max_steps: int | None = None

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


class Evaluation(NamedTuple):
    """Mean cross-entropy in nats and share of right answers from 0 to 1."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class History:
    """What `fit` measured, one value an epoch.

    Attributes:
        seconds: training time of the epoch, evaluation left out.
        train_loss: mean loss over the epoch's batches while the weights were changing, label smoothing
            included.
        train_accuracy: share of right answers on those batches, from 0 to 1.
        test_loss: cross-entropy on the test set after the epoch; empty without a test set.
        test_accuracy: likewise.
        interrupted: whether Ctrl-C ended the training early.
    """

    seconds: tuple[float, ...] = ()
    train_loss: tuple[float, ...] = ()
    train_accuracy: tuple[float, ...] = ()
    test_loss: tuple[float, ...] = ()
    test_accuracy: tuple[float, ...] = ()
    interrupted: bool = False

    def plot(self) -> Figure:
        """Loss and accuracy against epochs, side by side."""
        from coursekit import viz

        return viz.training(self)


def fit(
    model: nn.Module,
    train: Data,
    test: Data | None = None,
    config: TrainConfig | None = None,
    *,
    progress: bool = True,
) -> History:
    """Train `model` in place by cross-entropy and return its history.

    The model is moved to `coursekit.device()` and stays there; its training mode is what it was before.
    Ctrl-C (or the kernel's interrupt button) ends the training, keeps the weights learnt so far and returns
    the history of the epochs that were finished. A loss that is no longer finite is recorded as it is.

    Args:
        model: maps images `(N, C, H, W)` to logits `(N, classes)`.
        train: an `ImageSet` or a pair of images, float `(N, C, H, W)`, and labels, int64 `(N,)`.
        test: the same, evaluated after every epoch.
        config: how to train; `TrainConfig()` if left out.
        progress: show a progress bar where someone watches and it takes more than two seconds.

    Raises:
        ValueError: for data that are no images with labels.
    """
    config = TrainConfig() if config is None else config
    device = coursekit.device()
    images, labels = _on_device(train, device)
    held_out = None if test is None else _on_device(test, device)
    layout = torch.channels_last if config.channels_last else torch.preserve_format
    model.to(device, memory_format=layout)  # type: ignore[call-overload]

    torch.manual_seed(config.seed)  # dropout draws from the default generator
    generator = torch.Generator(device).manual_seed(config.seed)
    batches = _batch_sizes(len(labels), config.batch_size)
    total = config.epochs * len(batches)
    total = total if config.max_steps is None else min(total, config.max_steps)
    step = _Step(model, config, device, total)

    rows: list[tuple[float, ...]] = []
    interrupted = False
    with _mode(model), _bar(total, shown=progress) as bar:
        try:
            while step.done < total:
                model.train()
                started = time.perf_counter()
                sums, seen = torch.zeros(2, device=device), 0
                order = torch.randperm(len(labels), generator=generator, device=device)
                for index in order.split(batches):
                    if step.done == total:
                        break
                    x, y = images[index], labels[index]
                    if config.augment is not None:
                        x = config.augment(x, generator)
                    sums += step(x.contiguous(memory_format=layout) if config.channels_last else x, y)
                    seen += len(y)
                    bar.update()
                loss, right = (sums / seen).tolist()
                seconds = time.perf_counter() - started
                after = () if held_out is None else tuple(evaluate(model, held_out))
                rows.append((seconds, loss, right, *after))
                bar.set_postfix(loss=f"{loss:.3f}", accuracy=f"{after[1] if after else right:.3f}")
        except KeyboardInterrupt:
            interrupted = True
            print(f"stopped after {step.done} of {total} steps; the weights learnt so far are kept")
    columns: list[tuple[float, ...]] = list(zip(*rows, strict=True))
    columns += [()] * (5 - len(columns))
    seconds_of, train_loss, train_accuracy, test_loss, test_accuracy = columns
    return History(seconds_of, train_loss, train_accuracy, test_loss, test_accuracy, interrupted)


@torch.no_grad()
def evaluate(model: nn.Module, data: Data, *, batch_size: int = 512) -> Evaluation:
    """Cross-entropy and accuracy of `model` on `data`, in evaluation mode, on the model's own device.

    The mode of every module is what it was before.

    Raises:
        ValueError: for data that are no images with labels.
    """
    device = next((p.device for p in model.parameters()), coursekit.device())
    images, labels = _on_device(data, device)
    sums = torch.zeros(2, device=device)
    with _mode(model):
        model.eval()
        for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            logits = model(x).float()
            sums += torch.stack([F.cross_entropy(logits, y, reduction="sum"), _right(logits, y)])
    return Evaluation(*(sums / len(labels)).tolist())


class _Step:
    """One optimizer step at a call: returns (sum of losses, right answers) on the device."""

    def __init__(self, model: nn.Module, config: TrainConfig, device: torch.device, total: int) -> None:
        self.model, self.config, self.total, self.done = model, config, total, 0
        self.optimizer = _optimizer(model, config)
        self.scheduler = _scheduler(self.optimizer, config, total)
        half = torch.bfloat16 if device.type == "cpu" else torch.float16
        if device.type == "cuda" and torch.cuda.is_bf16_supported():
            half = torch.bfloat16
        self.autocast = torch.autocast(device.type, dtype=half) if config.amp else nullcontext()
        scaled = config.amp and half is torch.float16 and device.type == "cuda"
        self.scaler = torch.amp.GradScaler(device.type, enabled=scaled)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        with self.autocast:
            logits = self.model(x)
        logits = logits.float()
        loss = F.cross_entropy(logits, y, label_smoothing=self.config.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.done += 1
        if self.scheduler is not None and self.done < self.total:
            self.scheduler.step()
        return torch.stack([loss.detach() * len(y), _right(logits, y)])


def _optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trainable if p.dim() < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr)
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)


def _scheduler(
    optimizer: torch.optim.Optimizer, config: TrainConfig, total: int
) -> torch.optim.lr_scheduler.LRScheduler | None:
    if config.schedule == "cosine" and total:
        return torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda t: 0.5 * (1 + math.cos(math.pi * t / total))
        )
    if config.schedule == "onecycle" and total:
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=config.lr, total_steps=total)
    return None


def _on_device(data: Data, device: torch.device) -> tuple[Tensor, Tensor]:
    images, labels = data[0], data[1]
    if images.dim() < 2 or labels.dim() != 1 or len(images) != len(labels) or not len(labels):
        raise ValueError(
            f"images {tuple(images.shape)} and labels {tuple(labels.shape)} do not belong together: "
            "give images (N, C, H, W) and labels (N,), N at least 1"
        )
    return images.to(device), labels.to(device)


def _batch_sizes(n: int, batch_size: int) -> list[int]:
    """Sizes of an epoch's batches; a last image alone joins the batch before it.

    One image has no batch statistics, and batch normalization refuses it in training.
    """
    sizes = [min(batch_size, n - start) for start in range(0, n, batch_size)]
    if len(sizes) > 1 and sizes[-1] == 1 < batch_size:
        sizes[-2:] = [batch_size + 1]
    return sizes


def _right(logits: Tensor, y: Tensor) -> Tensor:
    return (logits.argmax(1) == y).sum().float()


@contextmanager
def _mode(model: nn.Module) -> Iterator[None]:
    """Give every module back its training mode at the end, frozen parts their evaluation mode too."""
    before = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def _bar(total: int, *, shown: bool) -> Any:
    import sys

    from tqdm.auto import tqdm

    watched = is_live() or sys.stderr.isatty()
    return tqdm(total=total, delay=2, disable=not (shown and watched), unit="step", leave=False)
