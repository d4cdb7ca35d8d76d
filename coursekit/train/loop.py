"""The loop: epochs of steps, with evaluations and checkpoints between them."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import torch
from torch import nn

import coursekit
from coursekit.train.batches import Data, on_device
from coursekit.train.checkpoint import identify, read, write
from coursekit.train.config import TrainConfig
from coursekit.train.determinism import deterministic
from coursekit.train.evaluation import mode_kept
from coursekit.train.history import History
from coursekit.train.interrupts import Interrupts
from coursekit.train.progress import progress_bar
from coursekit.train.run import Run


def fit(
    model: nn.Module,
    train: Data,
    test: Data | None = None,
    config: TrainConfig | None = None,
    *,
    progress: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: str | os.PathLike[str] | None = None,
) -> History:
    """Train `model` in place by cross-entropy and return its history.

    The model is moved to `coursekit.device()` and stays there; its training mode is what it was before.
    Ctrl-C (or the kernel's interrupt button) ends the training after the step under way, keeps the weights
    learnt so far and returns the history of the epochs that were finished; a second one ends it at once. A
    loss that is no longer finite is recorded as it is.

    Args:
        model: maps images `(N, C, H, W)` to logits `(N, classes)`.
        train: an `ImageSet` or a pair of images, float `(N, C, H, W)`, and labels, int64 `(N,)`. Images may
            be uint8, a quarter of the memory; each batch is then divided by 255.
        test: the same, evaluated after every epoch.
        config: how to train; `TrainConfig()` if left out.
        progress: show a progress bar where someone watches and it takes more than two seconds.
        checkpoint: a file to write after every epoch and at Ctrl-C, with all that it takes to go on.
        checkpoint_every: write it after every so many steps, too.
        resume: a file that `checkpoint` wrote: go on from there, with the same configuration, network and
            training set. On the CPU the weights become those of a training that was never interrupted, to
            the bit. May be the same file as `checkpoint`.

    Raises:
        ValueError: for data that are no images with labels.
        CheckpointError: for a file that is no checkpoint, or one of another training.
        FileNotFoundError: when there is no file to resume.
    """
    config = TrainConfig() if config is None else config
    if checkpoint_every is not None and (checkpoint is None or checkpoint_every < 1):
        raise ValueError("checkpoint_every counts steps from 1, and needs checkpoint=, the file to write")
    device = coursekit.device()
    data = on_device(train, device)
    held_out = None if test is None else on_device(test, device)
    layout = torch.channels_last if config.channels_last else torch.preserve_format
    model.to(device, memory_format=layout)  # type: ignore[call-overload]

    torch.manual_seed(config.seed)  # dropout draws from the default generator
    run = Run(model, data, config, device)
    file = None if checkpoint is None else Path(checkpoint)
    identity = {} if file is None and resume is None else identify(model, config, data, device)
    if resume is not None:
        run.load_state_dict(read(Path(resume), identity))

    torn = False
    bar = progress_bar(run.total, done=run.step.done, shown=progress)
    with deterministic(config.deterministic), mode_kept(model), bar, Interrupts() as interrupts:
        try:
            while not (run.finished or interrupts.requested):
                for _ in run.steps():
                    bar.update()
                    if interrupts.requested or run.epoch_over:
                        break
                    if file and checkpoint_every and run.step.done % checkpoint_every == 0:
                        run.stop_clock()
                        write(file, identity, run.state_dict())
                        run.start_clock()
                if run.epoch_over:
                    run.end_epoch(held_out)
                    bar.set_postfix_str(_figures(run.history))
                else:
                    run.stop_clock()
                if file:
                    write(file, identity, run.state_dict())
        except KeyboardInterrupt:
            torn = True
    if run.step.average is not None and run.step.done:
        model.load_state_dict(run.step.average.model.state_dict())
    interrupted = torn or not run.finished
    if interrupted:
        print(_farewell(run, file, torn))
    return dataclasses.replace(run.history, interrupted=interrupted)


def _figures(history: History) -> str:
    """Loss and accuracy of the epoch that has just ended, beside the bar."""
    accuracy = (history.test_accuracy or history.train_accuracy)[-1]
    return f"epoch {len(history)}, loss={history.train_loss[-1]:.3f}, accuracy={accuracy:.3f}"


def _farewell(run: Run, file: Path | None, torn: bool) -> str:
    said = f"stopped after {run.step.done} of {run.total} steps; the weights learnt so far are kept"
    if file is None or not file.exists():
        return said
    return f"{said}; {'an earlier step is' if torn else 'they are'} in {file}: resume goes on from there"
