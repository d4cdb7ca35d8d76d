"""Throughput of our networks beside torchvision's and timm's, on the same input, dtype and memory format.

    python benchmarks/models.py [--models resnet50 vit_b_16] [--settings float32 bf16+channels_last]
        [--calls inference training] [--batch 2] [--image 224] [--device cpu]
        [--json benchmarks/results/models-cpu.json]

Two calls are timed: inference (eval mode, no gradients) and a training step (forward, cross-entropy,
backward, SGD with momentum). A setting is `float32`, or any of `bf16` (autocast), `channels_last` and
`compile` (torch.compile) joined by `+`.

Other work disturbs a machine, and more so a small one. The contenders take turns in short rounds, and each
round gives one ratio of each two times; reported are the median of the ratios and their quartiles: at 1.10,
ours does 110 images while the other does 100. Over the rounds each contender follows each other equally
often, since a call leaves clocks and caches as its work wants them, and each turn begins with a call that is
not timed. The garbage collector is off meanwhile. torchvision's default call (float32, contiguous,
eager) runs in every round of every setting, so that what a setting gains is measured the same way.

Ours has torchvision's weights, and its logits are compared before the clock starts; timm's network has its
own weights, and as many of them. Dropout and stochastic depth are 0 everywhere.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import gc
import itertools
import json
import math
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from coursekit.models import create_model, from_torchvision

WARMUP = 2  # calls of each contender before the first round
SHORTEST = 0.05  # seconds that the clock runs at least: short calls are timed several at once
LEAST_ROUNDS = 8  # the orders of four contenders twice
CALLS = ("inference", "training")


@dataclass(frozen=True)
class Network:
    """timm's name of a network, its options there, and whether the network is built for one image size."""

    timm: str
    options: Mapping[str, object] = field(default_factory=dict)
    sized: bool = False


NETWORKS = {
    # timm's last scales of the blocks begin at 0, and a GPU is faster where it multiplies zeros.
    "resnet50": Network("resnet50", {"zero_init_last": False}),
    "mobilenet_v2": Network("mobilenetv2_100"),
    "densenet121": Network("densenet121"),
    "convnext_tiny": Network("convnext_tiny"),
    "vit_b_16": Network("vit_base_patch16_224", sized=True),
}


@dataclass(frozen=True)
class Setting:
    """How a network is run; the default is float32, contiguous and eager."""

    bf16: bool = False
    channels_last: bool = False
    compile: bool = False

    @classmethod
    def parse(cls, text: str) -> Setting:
        """From `float32`, or names joined by `+`."""
        flags = set(text.split("+")) - {"float32"}
        if unknown := flags - set(cls.__dataclass_fields__):
            raise argparse.ArgumentTypeError(
                f"{text!r} has {', '.join(sorted(unknown))}; "
                f"write float32, or {', '.join(cls.__dataclass_fields__)} joined by +"
            )
        return cls(**dict.fromkeys(flags, True))

    def __str__(self) -> str:
        return "+".join(name for name in self.__dataclass_fields__ if getattr(self, name)) or "float32"

    @property
    def memory_format(self) -> torch.memory_format:
        """Of the model's weights and the images."""
        return torch.channels_last if self.channels_last else torch.contiguous_format


DEFAULTS = {"cpu": ["float32"], "cuda": ["float32", "bf16+channels_last", "bf16+channels_last+compile"]}


def build(name: str, image: int) -> dict[str, nn.Module]:
    """Ours, torchvision's and timm's network; the first two are one function.

    Raises:
        AssertionError: when they are not, or timm's has another number of weights.
    """
    network = NETWORKS[name]
    options = {"image_size": image} if network.sized else {}
    theirs = torchvision.models.get_model(name, weights=None, **options)
    ours = create_model(name, **options)
    ours.load_state_dict(from_torchvision(name, theirs.state_dict()), strict=True)
    timms = timm.create_model(
        network.timm, **network.options, **({"img_size": image} if network.sized else {})
    )
    models = {"ours": ours, "torchvision": theirs, "timm": timms}

    sizes = {who: sum(p.numel() for p in model.parameters()) for who, model in models.items()}
    assert len(set(sizes.values())) == 1, f"the networks called {name} have unequal sizes: {sizes}"
    with torch.no_grad():
        x = torch.randn(2, 3, image, image)
        torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), atol=1e-4, rtol=1e-3)
    for model in models.values():
        for module in model.modules():
            if type(module).__name__ in ("Dropout", "StochasticDepth", "DropPath"):
                assert hasattr(module, "p"), f"{type(module)} has another name for its probability"
                module.p = 0.0
    return models


def contender(
    model: nn.Module, setting: Setting, call: str, images: Tensor, labels: Tensor
) -> Callable[[], object]:
    """The call that is timed, on a copy of the model."""
    device = images.device
    model = copy.deepcopy(model).to(device, memory_format=setting.memory_format)
    images = images.to(memory_format=setting.memory_format)
    model.train(call == "training")
    run = torch.compile(model) if setting.compile else model
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=setting.bf16)
    # At a learning rate of 0 each step does the same work on the same weights.
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)

    def inference() -> object:
        with torch.no_grad(), autocast:
            return run(images)

    def training() -> object:
        optimizer.zero_grad()
        with autocast:
            loss = F.cross_entropy(run(images), labels)
        loss.backward()
        return optimizer.step()

    return training if call == "training" else inference


def wall(call: Callable[[], object]) -> float:
    """Seconds that pass: for the CPU of a quiet machine."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def processor(call: Callable[[], object]) -> float:
    """Seconds that the CPU works for us, all threads together: for a machine that others use too."""
    started = time.process_time()
    call()
    return time.process_time() - started


def events(call: Callable[[], object]) -> float:
    """Seconds between two events on the GPU, around all that the call gives it to do."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3


CLOCKS = {"wall": wall, "processor": processor, "events": events}


def take_turns(
    contenders: dict[str, Callable[[], object]], clock: str, rounds: int | None, budget: float
) -> dict[str, list[float]]:
    """Seconds of a call of each contender, by round: `rounds` of them, or as many as fit `budget` seconds."""
    seconds = CLOCKS[clock]
    for call in contenders.values():
        warm = [seconds(call) for _ in range(WARMUP)]
    repeats = 1 if rounds else max(1, math.ceil(SHORTEST / warm[-1]))
    times: dict[str, list[float]] = {who: [] for who in contenders}
    turns = itertools.cycle(orders(list(contenders)))
    gc.collect()
    gc.disable()
    deadline = time.perf_counter() + budget
    try:
        for done, order in enumerate(turns):
            if done >= rounds if rounds else done >= LEAST_ROUNDS and time.perf_counter() > deadline:
                break
            for who in order:
                contenders[who]()
                times[who].append(seconds(partial(repeat, contenders[who], repeats)) / repeats)
    finally:
        gc.enable()
    return times


def per_second(images: int, seconds: float) -> float:
    """Five digits of it: two places behind the point are too few for a call of some seconds."""
    return float(f"{images / seconds:.5g}")


def orders(contenders: Sequence[str]) -> list[list[str]]:
    """Orders in which each contender has each place, and follows each other one, equally often.

    E. J. Williams: Experimental designs balanced for the estimation of residual effects of treatments,
    Australian Journal of Scientific Research A 2, 1949.
    """
    n = len(contenders)
    first = [(i + 1) // 2 if i % 2 else -(i // 2) for i in range(n)]  # 0, 1, -1, 2, -2, …
    rows = [[contenders[(place + shift) % n] for place in first] for shift in range(n)]
    return rows if n % 2 == 0 else rows + [row[::-1] for row in rows]


def repeat(call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        call()


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    """How many times as fast as theirs ours is, round by round: median and quartiles."""
    ratios = [t / o for t, o in zip(theirs, ours, strict=True)]
    quarters = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return dict(zip(("q1", "median", "q3"), (round(q, 4) for q in quarters), strict=True))


def rows_of(name: str, args: argparse.Namespace) -> list[dict]:
    """One row for each setting and call."""
    device = torch.device(args.device)
    models = build(name, args.image)
    torch.manual_seed(0)
    images = torch.randn(args.batch, 3, args.image, args.image, device=device)
    labels = torch.randint(0, 1000, (args.batch,), device=device)
    rows = []
    for setting, call in itertools.product(args.settings, args.calls):
        torch.compiler.reset()  # it keeps a few graphs of a function and runs further ones eagerly
        contenders = {who: contender(model, setting, call, images, labels) for who, model in models.items()}
        if setting != Setting():
            contenders["default"] = contender(models["torchvision"], Setting(), call, images, labels)
        times = take_turns(contenders, args.clock, args.rounds, args.seconds)
        times.setdefault("default", times["torchvision"])
        medians = {who: statistics.median(t) for who, t in times.items()}
        rows.append(
            {
                "network": name,
                "call": call,
                "setting": str(setting),
                "rounds": len(times["ours"]),
                "seconds": {who: round(t, 6) for who, t in medians.items()},
                "images_per_second": {who: per_second(args.batch, t) for who, t in medians.items()},
                "times_as_fast_as": {
                    who: ratio(t, times["ours"]) for who, t in times.items() if who != "ours"
                },
            }
        )
        print(markdown(rows[-1]), flush=True)
    return rows


HEADER = """\
| network | call | setting | ours, images/s | torchvision | timm | torchvision's default | rounds |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"""


def markdown(row: dict) -> str:
    """A row of the table; where others stand, how many times as fast as theirs ours is."""
    ratios = (row["times_as_fast_as"][who] for who in ("torchvision", "timm", "default"))
    cells = (f"{r['median']:.2f} ({r['q1']:.2f} to {r['q3']:.2f})" for r in ratios)
    speed = f"{row['images_per_second']['ours']:.1f}"
    return (
        f"| {' | '.join([row['network'], row['call'], row['setting'], speed, *cells, str(row['rounds'])])} |"
    )


def fastest(rows: list[dict]) -> list[dict]:
    """Of each network and call, the setting that gains most on torchvision's default call, and how much."""
    best: dict[tuple[str, str], dict] = {}
    for row in rows:
        key = row["network"], row["call"]
        gain = row["times_as_fast_as"]["default"]
        if key not in best or gain["median"] > best[key]["median"]:
            best[key] = {"network": key[0], "call": key[1], "setting": row["setting"], **gain}
    return list(best.values())


def machine(device: str) -> dict[str, object]:
    """What the numbers hold for."""
    cpu = platform.processor()
    if (info := Path("/proc/cpuinfo")).exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        cpu = names[0] if names else cpu
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": device,
        "hardware": torch.cuda.get_device_name() if device == "cuda" else cpu or platform.machine(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "timm": timm.__version__,
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--calls", nargs="+", choices=CALLS, default=list(CALLS))
    parser.add_argument("--settings", nargs="+", type=Setting.parse, metavar="SETTING")
    parser.add_argument("--device", choices=DEFAULTS, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, help="images of a call; 2 on a CPU and 256 on a GPU unless told")
    parser.add_argument("--image", type=int, default=224, help="height and width")
    parser.add_argument("--threads", type=int, help="of the CPU; as many as torch takes unless told")
    parser.add_argument("--clock", choices=CLOCKS, help="wall on a CPU and events on a GPU unless told")
    parser.add_argument("--rounds", type=int, help="instead of as many as --seconds allow")
    parser.add_argument(
        "--seconds", type=float, default=22.0, help="of rounds for a network, a setting and a call"
    )
    parser.add_argument("--json", type=Path, help="also write machine and rows here")
    args = parser.parse_args(argv)
    args.settings = args.settings or [Setting.parse(text) for text in DEFAULTS[args.device]]
    args.batch = args.batch or (256 if args.device == "cuda" else 2)
    args.clock = args.clock or ("events" if args.device == "cuda" else "wall")
    if args.threads:
        torch.set_num_threads(args.threads)

    about = {**machine(args.device), "batch": args.batch, "image": args.image, "clock": args.clock}
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print("Under the others' names: how many times as fast ours is, the median of the rounds (quartiles).\n")
    print(HEADER)
    rows = [row for name in args.models for row in rows_of(name, args)]
    print("\nOur fastest setting against torchvision's default call (float32, contiguous, eager):\n")
    best = fastest(rows)
    for row in best:
        print(f"- {row['network']}, {row['call']}: {row['median']:.2f} times as fast, with {row['setting']}")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({**about, "rows": rows, "fastest": best}, indent=1) + "\n")


if __name__ == "__main__":
    main()
