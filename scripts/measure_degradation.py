"""Train plain and residual networks of several depths, and look at the loss around two of them; store both.

OMP_NUM_THREADS=1 python scripts/measure_degradation.py [--epochs 8] [--budget laptop|gpu]

Writes coursekit/experiments/measured/degradation.json and loss_surface.json, which lecture 4 shows beside its
own, smaller runs. The code is the lecture's: coursekit.experiments.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from dataclasses import asdict, replace

import torch
from torch import nn

from coursekit import data
from coursekit.experiments import degradation, loss_surface, results

SETTINGS = {
    "laptop": degradation.Setting(depths=(8, 20, 56), seeds=3, epochs=8, images=2560),
    "gpu": degradation.Setting(
        depths=(20, 56, 110), seeds=5, epochs=60, widths=(16, 32, 64), patch=1, batch_size=128, data="cifar10"
    ),
}
SURFACE_DEPTH, SURFACE_STEPS, SURFACE_IMAGES = 56, 15, 256


def main() -> int:
    """Measure, print a line a run, write the two files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", choices=sorted(SETTINGS), default="laptop")
    parser.add_argument("--epochs", type=int, help="instead of the setting's")
    arguments = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    setting = SETTINGS[arguments.budget]
    if arguments.epochs is not None:
        setting = replace(setting, epochs=arguments.epochs)
    source = results.source("python " + shlex.join(sys.argv))

    train, test = data.load(setting.data, subset=setting.images), data.load(setting.data, split="test")
    runs, around = [], {}
    for seed in range(setting.seeds):
        for size in setting.depths:
            for kind in degradation.KINDS:
                net, run = degradation.train_one(kind, size, seed, setting, train, test)
                runs.append(run)
                print(
                    f"{kind} {size}, seed {seed}: {run.seconds:.0f} s, loss {run.train_loss[-1]:.3f}, "
                    f"error {run.train_error[-1]:.1%}, test error {run.test_error:.1%}",
                    flush=True,
                )
                if seed == 0 and size == SURFACE_DEPTH:
                    around[kind] = surface(net, train)
        results.write(
            "degradation",
            {"setting": asdict(setting), "source": source, "runs": [asdict(run) for run in runs]},
        )
        results.write(
            "loss_surface",
            {
                "setting": asdict(setting) | {"depth": SURFACE_DEPTH, "seed": 0, "images": SURFACE_IMAGES},
                "source": source,
                "steps": steps().tolist(),
                "plain": around["plain"],
                "residual": around["residual"],
            },
        )
    return 0


def steps() -> torch.Tensor:
    """Places along both directions."""
    return torch.linspace(-1, 1, SURFACE_STEPS)


def surface(net: nn.Module, train: data.ImageSet) -> list[list[float]]:
    """The loss around a trained network, on its first training images."""
    started = time.perf_counter()
    device = next(net.parameters()).device
    images, labels = (part[:SURFACE_IMAGES].to(device) for part in (train.images, train.labels))
    across, up = (loss_surface.direction(net, seed) for seed in (0, 1))
    grid = loss_surface.losses(net, across, up, steps(), images, labels)
    print(f"surface: {time.perf_counter() - started:.0f} s", flush=True)
    return grid.tolist()


if __name__ == "__main__":
    raise SystemExit(main())
