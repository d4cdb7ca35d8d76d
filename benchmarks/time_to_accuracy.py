"""Seconds of training to 93 % on Fashion-MNIST and to 94 % on CIFAR-10, and what each ingredient buys.

    python benchmarks/time_to_accuracy.py [--tasks fashion_mnist cifar10] [--seeds 5] [--no-ablation]
        [--json benchmarks/results/time-to-accuracy-cuda.json]

For a GPU; `--subset 1000 --epochs 1 --seeds 2` tries it out anywhere. A training has a fixed length, and its
rates fall to zero at the end, so the question is not when a curve first touches the target but whether a
training of that length gets there: reported are the seconds of the whole training, and the accuracy of every
seed on all 10,000 test images, each seen once as it is. The target is reached if the mean of the seeds is at
least that. Loading, the first compilation (a training of a few steps that is not counted) and the evaluation
at the end are outside the clock, as in public records; data and network are on the device when it starts.

The ablation trains again with one ingredient taken out at a time. What an ingredient buys is then its
difference in accuracy or in seconds, beside the spread of the seeds.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from training import keep, machine  # type: ignore[import-not-found]

import coursekit
from coursekit import data
from coursekit.models import create_model
from coursekit.train import Compose, Cutout, RandomCrop, RandomFlip, TrainConfig, evaluate, fit

Set = tuple[Tensor, Tensor]
WARMUP = 8  # steps of the training that is not counted


def small_resnet20() -> nn.Module:
    """He et al.'s network of 20 layers for small images: 0.27 million parameters."""
    return create_model("resnet20", num_classes=10, in_channels=1)


def small_resnet18() -> nn.Module:
    """ResNet-18 whose beginning suits 32×32 images: a 3×3 convolution of stride 1, and no pooling."""
    model = create_model("resnet18", num_classes=10)
    model.conv1.conv = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(model.conv1.conv.weight, mode="fan_out", nonlinearity="relu")
    model.pool1 = nn.Identity()
    return model


@dataclass(frozen=True)
class Task:
    """A data set, the accuracy wanted on it, and the whole recipe."""

    target: float
    network: Callable[[], nn.Module]
    config: TrainConfig


FULL = TrainConfig(
    batch_size=512,
    momentum=0.9,
    nesterov=True,
    weight_decay=5e-4,
    schedule="onecycle",
    warmup=0.2,
    label_smoothing=0.1,
    ema=0.99,
    amp=True,
    channels_last=True,
    compile=True,
)
TASKS = {
    "fashion_mnist": Task(
        0.93,
        small_resnet20,
        replace(FULL, epochs=12, lr=0.8, augment=Compose(RandomCrop(2, mode="reflect"), RandomFlip())),
    ),
    "cifar10": Task(
        0.94,
        small_resnet18,
        replace(
            FULL,
            epochs=16,
            lr=0.4,
            augment=Compose(RandomCrop(4, mode="reflect"), RandomFlip(), Cutout(8)),
        ),
    ),
}


def ablations(config: TrainConfig) -> dict[str, TrainConfig]:
    """The recipe, and the recipe without one ingredient each."""
    return {
        "everything": config,
        "without augmentation": replace(config, augment=None),
        "without one-cycle (constant rate, half of its peak)": replace(
            config, schedule="constant", warmup=0.0, lr=config.lr / 2
        ),
        "without label smoothing": replace(config, label_smoothing=0.0),
        "without the average of the weights": replace(config, ema=None),
        "without weight decay": replace(config, weight_decay=0.0),
        "without Nesterov": replace(config, nesterov=False),
        "without 16 bits": replace(config, amp=False),
        "without channels last": replace(config, channels_last=False),
        "without compilation": replace(config, compile=False),
    }


def loaded(task: str, split: str, subset: int | None, device: torch.device) -> Set:
    """Images with mean 0 and variance 1 in each channel of the training set, on the device."""
    train = data.load(task, subset=subset).images
    spread, mean = torch.std_mean(train, dim=(0, 2, 3), keepdim=True)
    images, labels, _ = data.load(task, split=split, subset=subset)
    return ((images - mean) / spread).to(device), labels.to(device)


def trained(task: Task, config: TrainConfig, train: Set, test: Set) -> tuple[float, float]:
    """Seconds of training and the accuracy after it."""
    torch.manual_seed(config.seed)
    model = task.network()
    seconds = sum(fit(model, train, config=config, progress=False).seconds)
    return seconds, evaluate(model, test).accuracy


def rows_of(name: str, args: argparse.Namespace) -> Iterator[dict]:
    """A row for the recipe and one for each ablation, each as soon as it is measured."""
    task, device = TASKS[name], coursekit.device()
    if args.epochs:
        task = replace(task, config=replace(task.config, epochs=args.epochs))
    train, test = (loaded(name, split, args.subset, device) for split in ("train", "test"))
    recipes = list(ablations(task.config).items())
    for label, config in recipes[:1] if args.no_ablation else recipes:
        torch.compiler.reset()
        trained(task, replace(config, max_steps=WARMUP), train, test)
        runs = [trained(task, replace(config, seed=seed), train, test) for seed in range(args.seeds)]
        seconds, accuracy = zip(*runs, strict=True)
        yield {
            "task": name,
            "recipe": label,
            "epochs": config.epochs,
            "seconds": [round(s, 3) for s in seconds],
            "mean_seconds": round(statistics.mean(seconds), 3),
            "accuracy": [round(a, 4) for a in accuracy],
            "mean_accuracy": round(statistics.mean(accuracy), 5),
            "spread": round(statistics.stdev(accuracy), 5) if len(accuracy) > 1 else 0.0,
            "target": task.target,
            "reached": statistics.mean(accuracy) >= task.target,
        }


HEADER = (
    "| task | recipe | s | accuracy, % | spread | target reached |\n| --- | --- | ---: | ---: | ---: | --- |"
)


def markdown(row: dict) -> str:
    return (
        f"| {row['task']} | {row['recipe']} | {row['mean_seconds']:.1f} | {100 * row['mean_accuracy']:.2f} "
        f"| {100 * row['spread']:.2f} | {'yes' if row['reached'] else 'no'} |"
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--no-ablation", action="store_true", help="only the whole recipe")
    parser.add_argument("--subset", type=int, help="so many images of either split, to try it out")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    parser.add_argument("--json", type=Path, help="write the result here")
    args = parser.parse_args(argv)

    result = machine(coursekit.device().type) | {"seeds": args.seeds, "subset": args.subset}
    print(", ".join(f"{key} {value}" for key, value in result.items()))
    print(HEADER)
    rows: list[dict] = []
    for row in itertools.chain.from_iterable(rows_of(name, args) for name in args.tasks):
        rows.append(row)
        print(markdown(row), flush=True)
        keep(args.json, result | {"rows": rows})


if __name__ == "__main__":
    main()
