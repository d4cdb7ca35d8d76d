"""One epoch of resnet20 on Fashion-MNIST: our training loop beside the one that people usually write.

    python benchmarks/training.py [--steps 40] [--rounds 9] [--seeds 3] [--accuracy-epochs 1]
        [--threads 2] [--json benchmarks/results/training-cpu.json]

The usual loop is the one of PyTorch's tutorials: torchvision's FashionMNIST with its transforms (random crop,
flip, ToTensor, Normalize), a DataLoader that shuffles, float32, `loss.item()` at every step. It runs with no
worker and with two; ratios are to the faster of the two. Ours is `coursekit.train.fit`. Network, optimizer,
learning rates, batch size and the kind of augmentation are the same.

Other work disturbs a machine. So all contenders take turns in rounds of some steps, in another order each
round, and each round gives one ratio of each two times; reported are the median of the ratios and their
quartiles. An epoch's seconds are the median round's, scaled from `--steps` to the 469 steps of 60,000 images.
Worker processes are alive before a round begins, which favours the usual loop a little.

The processor's clock, beside it, counts only the work of this process: what others do on the machine leaves
it alone, but it does not see what worker processes do, so there the usual loop is the one without workers.

Ingredients: our loop again, with one ingredient taken out or put in. The accuracy of both loops comes from
whole trainings on `--accuracy-images` images, tested on 10,000 others. The usual loop's weight decay is on
all parameters, as usual. Everything runs where `fit` would: on a GPU, if there is one that
CUDA_VISIBLE_DEVICES does not hide. time_to_accuracy.py holds the trainings for a GPU.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, RandomSampler, Subset
from torchvision import datasets, transforms

import coursekit
from coursekit import data
from coursekit.data.full import DEBIAN_FASHION
from coursekit.data.imageset import stratified_order
from coursekit.models import create_model
from coursekit.train import Compose, RandomCrop, RandomFlip, TrainConfig, evaluate, fit
from coursekit.train.run import Run

MEAN, SPREAD = 0.2860, 0.3530  # of Fashion-MNIST's training pixels
BATCH, IMAGES = 128, 60_000
STEPS_OF_AN_EPOCH = -(-IMAGES // BATCH)
LR, MOMENTUM, DECAY = 0.2, 0.9, 5e-4
WARMUP = 3  # steps of each contender before the first round

CONFIG = TrainConfig(
    epochs=1,
    batch_size=BATCH,
    lr=LR,
    momentum=MOMENTUM,
    weight_decay=DECAY,
    schedule="onecycle",
    augment=Compose(RandomCrop(2, fill=-MEAN / SPREAD), RandomFlip()),
    amp=True,
    channels_last=True,
)

Set = tuple[Tensor, Tensor]
Steps = Callable[[int], object]  # takes so many steps of training
Times = dict[str, list[float]]  # seconds of each contender, by round


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return create_model("resnet20", num_classes=10, in_channels=1)


def normalized(split: str, device: torch.device) -> Set:
    images, labels, _ = data.load("fashion_mnist", split=split)
    return images.to(device).sub_(MEAN).div_(SPREAD), labels.to(device)


# The usual loop


def usual_set(folder: Path) -> datasets.FashionMNIST:
    """Torchvision's training set; from Debian's package where that is installed, else downloaded."""
    if DEBIAN_FASHION.is_dir():
        raw = folder / "FashionMNIST" / "raw"
        raw.mkdir(parents=True, exist_ok=True)
        for file in DEBIAN_FASHION.glob("*-ubyte.gz"):
            shutil.copy(file, raw)
            torchvision.datasets.utils.extract_archive(str(raw / file.name))
    transform = transforms.Compose(
        [
            transforms.RandomCrop(28, padding=2),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((MEAN,), (SPREAD,)),
        ]
    )
    return datasets.FashionMNIST(
        folder, train=True, transform=transform, download=not DEBIAN_FASHION.is_dir()
    )


def usual_epoch(
    model: nn.Module,
    loader: Iterable[Sequence[Tensor]],
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None,
    device: torch.device,
) -> tuple[float, float]:
    """The loop of the tutorials: mean loss and accuracy of an epoch."""
    model.train()
    running_loss, correct, total = 0.0, 0, 0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        outputs = model(images)
        loss = F.cross_entropy(outputs, labels)
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        running_loss += loss.item() * len(labels)
        correct += (outputs.argmax(1) == labels).sum().item()
        total += len(labels)
    return running_loss / total, correct / total


def usual(images: datasets.FashionMNIST, workers: int, steps: int, device: torch.device) -> Steps:
    """Rounds of the usual loop: each as an epoch of `steps` batches."""
    model = network().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=MOMENTUM, weight_decay=DECAY)
    loaders = {n: loader_of(images, workers, n, device) for n in (WARMUP, steps)}
    return lambda n: usual_epoch(model, loaders[n], optimizer, None, device)


def loader_of(
    images: datasets.FashionMNIST, workers: int, steps: int, device: torch.device
) -> DataLoader[Sequence[Tensor]]:
    return DataLoader(
        images,
        batch_size=BATCH,
        sampler=RandomSampler(images, num_samples=steps * BATCH),  # without replacement, as shuffle=True
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
    )


# Our loop, whole and with an ingredient more or less


def ours(train: Set, config: TrainConfig = CONFIG) -> Steps:
    """Rounds of `fit`."""
    model = network()
    return lambda n: fit(model, train, config=replace(config, lr=0.01, max_steps=n), progress=False)


def ours_changed(train: Set, device: torch.device, *, read: bool = False, fused: bool = False) -> Steps:
    """Our step and batches, but the loss is read at every step, or torch's fused SGD moves the weights."""
    model = network().to(device, memory_format=torch.channels_last)

    def run(n: int) -> list[float]:
        running = Run(model.train(), train, replace(CONFIG, lr=0.01, max_steps=n), device)
        if fused:
            for group in running.step.optimizer.param_groups:
                group["fused"], group["foreach"] = True, False
        for _ in running.steps():
            if read:
                running.sums.tolist()
        return running.sums.tolist()

    return run


def ours_loading(train: Set, images: datasets.FashionMNIST, steps: int, device: torch.device) -> Steps:
    """Our step, but a DataLoader prepares the batches, one image after the other."""
    model = network().to(device, memory_format=torch.channels_last)
    loaders = {n: loader_of(images, 0, n, device) for n in (WARMUP, steps)}

    def run(n: int) -> list[float]:
        step = Run(model.train(), train, replace(CONFIG, lr=0.01, max_steps=n), device).step
        sums = torch.zeros(2, device=device)
        for x, y in loaders[n]:
            sums += step(x.to(device, memory_format=torch.channels_last), y.to(device))
        return sums.tolist()

    return run


def contenders(
    train: Set, images: datasets.FashionMNIST, args: argparse.Namespace, device: torch.device
) -> dict[str, Steps]:
    without = partial(replace, CONFIG)
    both = {f"usual, {w} workers": usual(images, w, args.steps, device) for w in (0, 2)}
    mine = {
        "ours": ours(train),
        "without 16 bits": ours(train, without(amp=False)),
        "without channels last": ours(train, without(channels_last=False)),
        "without 16 bits and channels last": ours(train, without(amp=False, channels_last=False)),
        "without batches on the device": ours_loading(train, images, args.steps, device),
        "without augmentation": ours(train, without(augment=None)),
        "reading the loss at every step": ours_changed(train, device, read=True),
        "with bytes on the device": ours(((train[0] * SPREAD + MEAN).mul(255).round().byte(), train[1])),
        "with a fused optimizer": ours_changed(train, device, fused=True),
        "with an average of the weights": ours(train, without(ema=0.999)),
    }
    if args.compile:
        mine["with torch.compile"] = ours(train, without(compile=True))
    return {**both, **{who: run for who, run in mine.items() if who == "ours" or args.only in (None, who)}}


# Rounds


def take_turns(runs: dict[str, Steps], steps: int, rounds: int) -> Iterator[tuple[Times, Times]]:
    """Seconds of `steps` steps of each so far, after every round: on the wall, and of this process's work."""
    for run in runs.values():
        run(WARMUP)
    wall: Times = {who: [] for who in runs}
    processor: Times = {who: [] for who in runs}
    names = list(runs)
    for done in range(rounds):
        turned = names[done % len(names) :] + names[: done % len(names)]
        gc.collect()
        gc.disable()
        for who in turned if done % 2 else turned[::-1]:
            started, worked = time.perf_counter(), time.process_time()
            runs[who](steps)
            wall[who].append(time.perf_counter() - started)
            processor[who].append(time.process_time() - worked)
        gc.enable()
        yield wall, processor


def ratio(slower: Sequence[float], faster: Sequence[float]) -> dict[str, float]:
    """How many times as fast the second is, round by round: median and quartiles."""
    ratios = [s / f for s, f in zip(slower, faster, strict=True)]
    quarters = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return dict(zip(("q1", "median", "q3"), (round(q, 3) for q in quarters), strict=True))


def rows_of(wall: Times, processor: Times, steps: int) -> list[dict]:
    """A line for each loop: seconds an epoch, and how many times as fast as others it is."""
    usual = [who for who in wall if who.startswith("usual")]
    fastest = min(usual, key=lambda who: statistics.median(wall[who]))
    rows = []
    for who in wall:
        a_step, worked = (statistics.median(times[who]) / steps for times in (wall, processor))
        rows.append(
            {
                "loop": who,
                "seconds_an_epoch": round(a_step * STEPS_OF_AN_EPOCH, 2),
                "milliseconds_a_step": round(1e3 * a_step, 2),
                "times_as_fast_as_usual": ratio(wall[fastest], wall[who]),
                "times_as_fast_as_ours": ratio(wall["ours"], wall[who]),
                # What other programs leave alone; that of worker processes is not in it.
                "processor_milliseconds_a_step": round(1e3 * worked, 2),
                "processor_times_as_fast_as_usual": ratio(processor[usual[0]], processor[who]),
                "processor_times_as_fast_as_ours": ratio(processor["ours"], processor[who]),
            }
        )
    return rows


def markdown(rows: Sequence[dict]) -> str:
    """The table; in brackets quartiles, in the last two columns by the processor's clock."""
    lines = [
        "| loop | s an epoch | times the usual's speed | of ours | processor: usual's | ours |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    keys = [f"{clock}times_as_fast_as_{who}" for clock in ("", "processor_") for who in ("usual", "ours")]
    for r in rows:
        cells = (f"{r[k]['median']:.2f} ({r[k]['q1']:.2f} to {r[k]['q3']:.2f})" for k in keys)
        lines.append(f"| {r['loop']} | {r['seconds_an_epoch']:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


# Accuracy of whole trainings


def accuracies(
    train: Set, images: datasets.FashionMNIST, args: argparse.Namespace, device: torch.device
) -> dict[str, object]:
    """Test accuracy of both loops after the same number of epochs, by seed, and seconds of training."""
    test = normalized("test", device)
    chosen = torch.from_numpy(stratified_order(train[1].cpu().numpy())[: args.accuracy_images])
    train, part = (train[0][chosen], train[1][chosen]), Subset(images, chosen.tolist())
    steps = args.accuracy_epochs * -(-len(chosen) // BATCH)
    found: dict[str, list[float]] = {"usual": [], "ours": []}
    seconds: dict[str, list[float]] = {"usual": [], "ours": []}
    for seed in range(args.seeds):
        model = network(seed)
        config = replace(CONFIG, seed=seed, epochs=args.accuracy_epochs)
        history = fit(model, train, config=config, progress=False)
        seconds["ours"].append(sum(history.seconds))
        found["ours"].append(evaluate(model, test).accuracy)

        model = network(seed).to(device)
        optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=DECAY)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps)
        loader = DataLoader(part, BATCH, shuffle=True, generator=torch.Generator().manual_seed(seed))
        started = time.perf_counter()
        for _ in range(args.accuracy_epochs):
            usual_epoch(model, loader, optimizer, scheduler, device)
        seconds["usual"].append(time.perf_counter() - started)
        found["usual"].append(evaluate(model, test).accuracy)
        print(f"seed {seed}: ours {found['ours'][-1]:.4f}, usual {found['usual'][-1]:.4f}", flush=True)
    return {
        "date": now(),
        "training_images": len(chosen),
        "epochs": args.accuracy_epochs,
        "steps": steps,
        "test_accuracy": {who: [round(a, 4) for a in values] for who, values in found.items()},
        "mean": {who: round(statistics.mean(values), 4) for who, values in found.items()},
        "seconds": {who: [round(s, 1) for s in values] for who, values in seconds.items()},
    }


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def machine(device: str) -> dict[str, object]:
    """What the numbers hold for."""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        names = [line.partition(":")[2].strip() for line in info.open() if line.startswith("model name")]
        cpu = names[0] if names else cpu
    return {
        "date": now(),
        "device": device,
        "hardware": torch.cuda.get_device_name() if device == "cuda" else cpu,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bfloat16_in_hardware": torch.ops.mkldnn._is_mkldnn_bf16_supported(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40, help="of a round")
    parser.add_argument("--rounds", type=int, default=9, help="0 leaves the clock out")
    parser.add_argument("--compile", action="store_true", help="torch.compile as one more ingredient")
    parser.add_argument("--only", metavar="INGREDIENT", help="of the ingredients, by its name in the table")
    parser.add_argument("--seeds", type=int, default=3, help="of the trainings whose accuracy is compared")
    parser.add_argument("--accuracy-epochs", type=int, default=1, help="of these")
    parser.add_argument("--accuracy-images", type=int, default=IMAGES, help="training images of these")
    parser.add_argument("--threads", type=int, help="of the CPU; as many as torch takes unless told")
    parser.add_argument("--json", type=Path, help="write the result here; what is left out stays")
    args = parser.parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)

    device = coursekit.device()
    result = machine(device.type) | {"network": "resnet20", "batch": BATCH, "images": IMAGES}
    print(", ".join(f"{key} {value}" for key, value in result.items()))
    train = normalized("train", device)
    with tempfile.TemporaryDirectory() as folder:
        images = usual_set(Path(folder))
        if args.rounds:
            runs = contenders(train, images, args, device)
            for wall, processor in take_turns(runs, args.steps, args.rounds):
                rows = rows_of(wall, processor, args.steps)
                done = {"steps_of_a_round": args.steps, "rounds": len(wall["ours"]), "rows": rows}
                keep(args.json, result | done | {"load_average": os.getloadavg()[0]})
                print(f"round {done['rounds']} of {args.rounds}", flush=True)
            print(markdown(rows))
        if args.seeds:
            accuracy = accuracies(train, images, args, device)
            keep(args.json, {"accuracy": accuracy})
            print(json.dumps(accuracy, indent=1))


def keep(path: Path | None, result: dict[str, object]) -> None:
    """Write the result so far; what it leaves out stays in the file."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(before | result, indent=1) + "\n")


if __name__ == "__main__":
    main()
