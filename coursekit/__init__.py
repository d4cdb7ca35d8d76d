"""Everything the notebooks of the course call.

`import coursekit` costs almost nothing: a name is imported when it is first used, so matplotlib, torchvision
and IPython wait until a plot, a model or a result card is asked for. Nothing is downloaded.

    import coursekit
    from coursekit import check, data, models, probe, train, viz

    coursekit.seed_everything(0)
    model = models.create_model("lenet5", num_classes=10, in_channels=1)
    history = train.fit(model, data.load("fashion_mini"))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from coursekit import data, experiments, flops, lecture, models, probe, train, viz
    from coursekit.check import check as check
    from coursekit.check import forbid, hint, progress

__version__ = "0.1.0"

# `check` is a package that is called as its function, so that importing a module below it changes nothing.
_MODULES = ("check", "data", "experiments", "flops", "lecture", "models", "probe", "train", "viz")
_FUNCTIONS = {"forbid": "coursekit.check", "hint": "coursekit.check", "progress": "coursekit.check"}

__all__ = [  # noqa: RUF022  # the order a reader meets them in
    "check",
    "hint",
    "progress",
    "forbid",
    "device",
    "seed_everything",
    "data",
    "experiments",
    "flops",
    "lecture",
    "models",
    "probe",
    "train",
    "viz",
]


def __getattr__(name: str) -> object:
    """Import a public name at its first use (PEP 562)."""
    if name in _FUNCTIONS:
        value: object = getattr(importlib.import_module(_FUNCTIONS[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"coursekit.{name}")
    else:
        raise AttributeError(f"coursekit has no {name!r}; it has {', '.join(__all__)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def device() -> torch.device:
    """The device to compute on: CUDA where it is available, else Apple's MPS, else the CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python's, NumPy's and torch's random numbers, on every device.

    Args:
        seed: from 0 to 2**32 - 1, the range that all three take.

    Returns:
        A generator of its own on the CPU with the same seed, for code that takes one.

    Raises:
        ValueError: for a seed outside that range.
    """
    import random

    import numpy as np
    import torch

    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed}; give a whole number from 0 to 2**32 - 1")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)
