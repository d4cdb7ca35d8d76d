"""Checkpoints: one file, replaced as a whole, refused where it does not belong."""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import torch
from torch import Tensor, nn

from coursekit.errors import CheckpointError
from coursekit.train.config import TrainConfig, describe

FORMAT = 1


def write(path: Path, identity: dict[str, Any], state: dict[str, Any]) -> None:
    """Write a checkpoint; whoever reads finds the old one or the new one, never a part of it.

    It is written beside its place, forced to the disk, and only then put there, so a process that dies on the
    way, or a power cut, leaves the old one.

    Raises:
        OSError: when it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("wb") as file:
        torch.save({"format": FORMAT, "identity": identity, "state": state}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def read(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """The state that `write` wrote for the same identity, on the CPU; nothing in the file is executed.

    Raises:
        FileNotFoundError: when there is no such file.
        CheckpointError: when it is no checkpoint, or one of another configuration, network or training set.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"there is no checkpoint {path} to resume; leave resume out to start from the beginning"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, BadZipFile, OSError) as error:
        raise CheckpointError(f"{path} is damaged, or no checkpoint of coursekit.train") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of this version of coursekit.train")
    if difference := _difference(content["identity"], identity):
        raise CheckpointError(f"{path} cannot be resumed: {difference}")
    state: dict[str, Any] = content["state"]
    return state


def identify(
    model: nn.Module, config: TrainConfig, data: tuple[Tensor, Tensor], device: torch.device
) -> dict[str, Any]:
    """What must be the same for a training to go on: configuration, network, training set, kind of device."""
    return {
        "config": describe(config),
        "shapes": {name: list(value.shape) for name, value in model.state_dict().items()},
        # What a network prints tells apart what has the same weights: plain and residual, two dropouts.
        "network": re.sub(r" at 0x[0-9a-fA-F]+", "", repr(model)),
        "data": [f"{t.dtype} {tuple(t.shape)}, checksum {_checksum(t):08x}" for t in data],
        "device": device.type,
    }


def _checksum(tensor: Tensor) -> int:
    content: Any = tensor.cpu().contiguous().view(torch.uint8).numpy()
    return zlib.crc32(content)


def _difference(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """A sentence about the first kind of difference, empty if there is none."""
    before, now = theirs["config"], ours["config"]
    if changed := [name for name in {**before, **now} if before.get(name) != now.get(name)]:
        values = ", ".join(f"{name} was {before.get(name)!r} and is {now.get(name)!r}" for name in changed)
        return f"it is of another configuration ({values}); give the one it was begun with"
    before, now = theirs["shapes"], ours["shapes"]
    if changed := [name for name in {**before, **now} if before.get(name) != now.get(name)]:
        was, is_now = (_shape(shapes.get(changed[0])) for shapes in (before, now))
        return (
            f"it is of another network ({changed[0]} was {was} and is {is_now}); "
            "build the one it was begun with"
        )
    if theirs["network"] != ours["network"]:
        lines = theirs["network"].splitlines(), ours["network"].splitlines()
        was, now = next(
            ((a, b) for a, b in zip(*lines, strict=False) if a != b), (lines[0][-1], lines[1][-1])
        )
        return (
            f"it is of another network ({was.strip()} is now {now.strip()}); build the one it was begun with"
        )
    if theirs["data"] != ours["data"]:
        return f"its training set was {'; '.join(theirs['data'])}, this one is {'; '.join(ours['data'])}"
    if theirs["device"] != ours["device"]:
        return f"it was begun on {theirs['device']}, and random numbers on {ours['device']} are others"
    return ""


def _shape(shape: list[int] | None) -> str:
    return "absent" if shape is None else "×".join(map(str, shape)) or "a single number"
