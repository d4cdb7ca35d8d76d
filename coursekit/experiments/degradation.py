"""Plain and residual networks of any depth, trained alike: does a deeper one train worse?

He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016, section 4.2 and figures 1 and 6.

    setting = Setting(depths=(8, 32), seeds=3, epochs=4)
    runs = train_all(setting, data.load("fashion_mini"), data.load("fashion_mini", split="test"))
    {(run.kind, run.depth): run.train_error[-1] for run in runs}
    measured()                            # the same at a larger setting, with where it comes from

With `widths=(16, 32, 64), patch=1` the network is the paper's for CIFAR-10, `create_model("resnet20")` say,
in any depth and width. Plain and residual have exactly the same weights, shortcuts are of option A.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from torch import nn
from torch.nn import init

import coursekit
from coursekit.experiments import results
from coursekit.models.parts import ConvNormAct, ImageCheck, he_init
from coursekit.models.resnet import BasicBlock, ResidualBlock, make_stage
from coursekit.train import TrainConfig, evaluate, fit

__all__ = [
    "KINDS",
    "Measured",
    "Run",
    "Setting",
    "blocks",
    "by_network",
    "measured",
    "network",
    "train_all",
    "train_one",
]

T = TypeVar("T")

KINDS = ("plain", "residual")


def network(
    kind: str,
    depth: int,
    *,
    widths: tuple[int, ...] = (12,),
    patch: int = 4,
    in_channels: int = 1,
    num_classes: int = 10,
    zero_init: bool = False,
) -> nn.Sequential:
    """A first convolution, stages of basic blocks, global average pooling and one linear layer.

    Images `(N, in_channels, H, W)` to logits `(N, num_classes)`.

    Args:
        kind: `"plain"` or `"residual"`; the weights are the same, option A's shortcuts have none.
        depth: layers with weights: 2 + 2 · blocks, the blocks shared evenly among the stages.
        widths: channels of each stage; every stage but the first halves the map.
        patch: stride of the first convolution: 4 turns 28×28 pixels into a 7×7 map.
        in_channels: 3 for colour images, 1 for grey ones.
        num_classes: number of logits.
        zero_init: start with the last γ of every block at 0: a residual block is then its shortcut.

    Raises:
        ValueError: for another kind, or a depth that does not come out even.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(KINDS)}")
    each, rest = divmod(depth - 2, 2 * len(widths))
    if each < 1 or rest:
        steps = [2 + 2 * len(widths) * n for n in (1, 2, 3)]
        raise ValueError(
            f"depth is {depth}; with {len(widths)} stages it can be {steps[0]}, {steps[1]}, {steps[2]}, …"
        )
    shortcut = "none" if kind == "plain" else "A"
    net = nn.Sequential()
    net.add_module("check", ImageCheck(f"{kind}{depth}", in_channels, smallest=patch))
    net.add_module("conv1", ConvNormAct(in_channels, widths[0], max(3, patch + 1 - patch % 2), patch))
    c_in = widths[0]
    for i, width in enumerate(widths):
        stage = make_stage(BasicBlock, c_in, width, each, 1 if i == 0 else 2, shortcut=shortcut)
        net.add_module(f"conv{i + 2}_x", stage)
        c_in = width
    net.add_module("avgpool", nn.AdaptiveAvgPool2d(1))
    net.add_module("flatten", nn.Flatten())
    net.add_module("fc", nn.Linear(c_in, num_classes))
    he_init(net)
    if zero_init:
        for block in blocks(net):
            init.zeros_(block.residual[-1].norm.weight)
    return net


def blocks(net: nn.Module) -> list[Any]:
    """The network's blocks, first to last; each has `residual`, F, and `shortcut`, None in a plain one."""
    return [module for module in net.modules() if isinstance(module, ResidualBlock)]


@dataclass(frozen=True)
class Setting:
    """How large the experiment is.

    Attributes:
        depths: layers with weights of the networks.
        seeds: runs of each network, with seeds 0, 1, …
        epochs: passes over the training images.
        images: training images; None for all.
        widths: channels of each stage.
        patch: stride of the first convolution.
        batch_size: images a step.
        lr: largest learning rate of the one-cycle schedule, for all networks.
        weight_decay: on weights, not on norms.
        data: name of the data set.
    """

    depths: tuple[int, ...]
    seeds: int
    epochs: int
    images: int | None = None
    widths: tuple[int, ...] = (12,)
    patch: int = 4
    batch_size: int = 64
    lr: float = 0.1
    weight_decay: float = 1e-4
    data: str = "fashion_mini"


@dataclass(frozen=True)
class Run:
    """One network's training.

    Attributes:
        kind: `"plain"` or `"residual"`.
        depth: layers with weights.
        seed: of weights and batches.
        train_loss: cross-entropy in nats, mean over each epoch's batches.
        train_error: share of wrong answers on those batches, an epoch each.
        test_error: share of wrong answers on the test images after the last epoch.
        seconds: of training.
    """

    kind: str
    depth: int
    seed: int
    train_loss: tuple[float, ...]
    train_error: tuple[float, ...]
    test_error: float
    seconds: float


def train_one(
    kind: str, depth: int, seed: int, setting: Setting, train: Any, test: Any
) -> tuple[nn.Sequential, Run]:
    """Train one network; returns it, in evaluation mode, and its run.

    Args:
        kind: `"plain"` or `"residual"`.
        depth: layers with weights.
        seed: of weights and batches.
        setting: all else; its `depths`, `seeds` and `images` are not looked at.
        train: an `ImageSet` or a pair (images, labels).
        test: likewise.
    """
    coursekit.seed_everything(seed)
    net = network(
        kind,
        depth,
        widths=setting.widths,
        patch=setting.patch,
        in_channels=train[0].shape[1],
        num_classes=int(train[1].max()) + 1,
    )
    config = TrainConfig(
        epochs=setting.epochs,
        batch_size=setting.batch_size,
        lr=setting.lr,
        weight_decay=setting.weight_decay,
        schedule="onecycle",
        seed=seed,
    )
    history = fit(net, train, config=config, progress=False)
    run = Run(
        kind,
        depth,
        seed,
        tuple(history.train_loss),
        tuple(1 - right for right in history.train_accuracy),
        1 - evaluate(net, test).accuracy,
        sum(history.seconds),
    )
    return net.eval(), run


def train_all(setting: Setting, train: Any, test: Any, *, kinds: Iterable[str] = KINDS) -> Iterator[Run]:
    """Every kind at every depth with every seed, one run after the other.

    Args:
        setting: how large.
        train: an `ImageSet` or a pair (images, labels); its first `setting.images` are trained on.
        test: likewise, all of it.
        kinds: which of `KINDS`.
    """
    train = (train[0][: setting.images], train[1][: setting.images])
    for kind in kinds:
        for depth in setting.depths:
            for seed in range(setting.seeds):
                yield train_one(kind, depth, seed, setting, train, test)[1]


def by_network(runs: Iterable[Run], value: Callable[[Run], T]) -> dict[tuple[str, int], list[T]]:
    """(kind, depth) -> a value of each of its runs, plain networks first, shallow ones first.

    Args:
        runs: of any order.
        value: of a run, such as `lambda run: run.test_error`.
    """
    table: dict[tuple[str, int], list[T]] = {}
    for run in runs:
        table.setdefault((run.kind, run.depth), []).append(value(run))
    return dict(sorted(table.items()))


@dataclass(frozen=True)
class Measured:
    """A result that took longer than a lecture has, and where it comes from.

    Attributes:
        setting: how large it was.
        runs: one for each network and seed.
        source: date, hardware, versions, threads, and the command that repeats it; `results.provenance` makes
            a line of it.
    """

    setting: Setting
    runs: tuple[Run, ...]
    source: dict[str, str]


def measured(name: str = "degradation") -> Measured:
    """A stored result of `train_all`, written by `scripts/measure_degradation.py`.

    Raises:
        ValueError: for a name that nothing is stored under.
    """
    result = results.read(name)
    runs = tuple(_restored(Run, row) for row in result["runs"])
    return Measured(_restored(Setting, result["setting"]), runs, result["source"])


def _restored(kind: type[Any], row: dict[str, Any]) -> Any:
    """A dataclass out of its dictionary, lists back to tuples."""
    values = {field.name: row[field.name] for field in fields(kind)}
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
