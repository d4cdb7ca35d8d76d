"""`load`: every data set of the course, by name."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coursekit.errors import UnknownNameError

from . import full, shipped
from .drawing import default_shapes
from .imageset import ImageSet, as_float, choose


@dataclass(frozen=True)
class Entry:
    """A data set: its splits, the default one first, and what reads one of them from a root folder."""

    splits: tuple[str, ...]
    read: Callable[[str, Path | None], ImageSet]


_SETS = {
    "fashion_mini": Entry(("train", "test"), lambda split, _: shipped.fashion_mini(split)),
    "grocery14": Entry(("train", "val", "test"), lambda split, _: shipped.grocery14(split)),
    "photographs": Entry((), lambda _split, _root: shipped.photographs()),
    "digits": Entry(("train", "test"), lambda split, _: shipped.digits(split)),
    "shapes": Entry(("train", "test"), lambda split, _: default_shapes(split)),
    "fashion_mnist": Entry(("train", "test"), full.fashion_mnist),
    "mnist": Entry(("train", "test"), full.mnist),
    "cifar10": Entry(("train", "test"), full.cifar10),
}


def names() -> tuple[str, ...]:
    """Return the names that `load` knows; the last three are full sets, fetched on demand."""
    return tuple(_SETS)


def load(
    name: str,
    *,
    split: str | None = None,
    subset: int | None = None,
    root: str | os.PathLike[str] | None = None,
) -> ImageSet:
    """Load a data set: images float32 (N, C, H, W) in [0, 1], labels int64 (N,), classes.

    | name | images | splits | what |
    | --- | --- | --- | --- |
    | `fashion_mini` | 1x28x28 | train 6,000, test 1,000 | clothes: a stratified part of Fashion-MNIST |
    | `grocery14` | 3x80x80 | train 675, val 57, test 661 | fruit in shops, 14 varieties |
    | `photographs` | 3x300x400 | none, 2 images | a cat, a cup of coffee |
    | `digits` | 1x8x8 | train 1,437, test 360 | handwritten digits |
    | `shapes` | 1x28x28 | train 2,000, test 500 | drawn discs, squares, triangles, bars, crosses |
    | `fashion_mnist` | 1x28x28 | train 60,000, test 10,000 | on demand |
    | `mnist` | 1x28x28 | train 60,000, test 10,000 | on demand |
    | `cifar10` | 3x32x32 | train 50,000, test 10,000 | on demand |

    split: None means "train" where there are splits.
    subset: the first so many of a fixed shuffle in which every prefix is stratified; a smaller subset is the
        beginning of a larger one. None means all, in file order.
    root: where an on-demand set is looked for and kept, in torchvision's layout; None means
        `$COURSEKIT_HOME/data`, by default `~/.cache/coursekit/data`. The other sets have no use for it.

    Raises UnknownNameError for a name or split that does not exist, ValueError for a subset out of range,
    DamagedFileError for a file that was altered, UnavailableError where a download is needed and fails.
    """
    entry = _SETS.get(name)
    if entry is None:
        raise UnknownNameError(f"There is no data set named {name!r}; there are: {', '.join(_SETS)}.")
    if split is not None and split not in entry.splits:
        known = f"has the splits {', '.join(entry.splits)}" if entry.splits else "has no splits"
        raise UnknownNameError(f"There is no split {split!r}: {name} {known}.")
    chosen = split or (entry.splits[0] if entry.splits else "")
    data = entry.read(chosen, None if root is None else Path(root).expanduser())
    return as_float(choose(data, subset, name))
