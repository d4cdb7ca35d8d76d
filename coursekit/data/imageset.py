"""What every loader returns, and the one way a part of it is chosen."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Of numpy's generators this is the one whose stream is promised never to change.
_SHUFFLE_SEED = 20190101


class ImageSet(NamedTuple):
    """Labelled images, all of one size, in memory.

    images: float32 (N, C, H, W) in [0, 1]; C is 1 (grey) or 3 (RGB)
    labels: int64 (N,), indices into `classes`
    classes: the names, in the order of the labels
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]


def stratified_order(labels: Sequence[int] | np.ndarray) -> np.ndarray:
    """Order samples so that every prefix holds the classes in the proportions of the whole.

    labels: (N,) integers. Returns int64 (N,), a permutation that depends on `labels` alone. In its first n
    entries a class of N_c samples occurs about n N_c / N times, off by less than one in the course's sets.

    Each class is shuffled, and its samples are spread evenly over [0, 1); sorting all of them by that
    position interleaves the classes.
    """
    values = np.asarray(labels)
    random = np.random.RandomState(_SHUFFLE_SEED)
    shuffled = random.permutation(len(values))
    position = np.empty(len(values))
    for value in np.unique(values):
        members = shuffled[values[shuffled] == value]
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    # A stable sort of the shuffled samples: classes of the same size don't take turns in label order.
    return shuffled[np.argsort(position[shuffled], kind="stable")]


def choose(data: ImageSet, subset: int | None, name: str) -> ImageSet:
    """Take the first `subset` samples of the fixed stratified shuffle; all, in file order, for None.

    A smaller subset is the beginning of a larger one. Raises ValueError unless 1 <= subset <= N.
    """
    if subset is None:
        return data
    total = len(data.labels)
    if not 1 <= subset <= total:
        raise ValueError(
            f"subset={subset} of {name!r}: it has {total} images, so give a number from 1 to {total}."
        )
    index = torch.from_numpy(stratified_order(data.labels.numpy())[:subset])
    return ImageSet(data.images[index], data.labels[index], data.classes)


def as_float(data: ImageSet) -> ImageSet:
    """Turn bytes (0 to 255) into float32 in [0, 1]; images that are float already stay as they are."""
    if data.images.dtype != torch.uint8:
        return data
    return data._replace(images=data.images.to(torch.float32).div_(255))
