"""Small arrays as grids of text, for the card in HTML and in plain text alike."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LARGEST_SIDE = 8
"""A 2-D slice with more rows or columns than this is described, not drawn."""

MOST_SLICES = 4


@dataclass(frozen=True)
class Cell:
    """One number, and whether it differs from the expected one."""

    text: str
    differs: bool = False


@dataclass(frozen=True)
class Grid:
    """A 2-D slice of an array; ``prefix`` holds its leading indices."""

    prefix: tuple[int, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def caption(self) -> str:
        """``"[0, 1]"``, or nothing for an array of at most two dimensions."""
        return f"[{', '.join(map(str, self.prefix))}]" if self.prefix else ""


def drawable(tensor: Tensor) -> bool:
    """Whether the 2-D slices of an array are small enough to draw, and there is anything in them."""
    sides = tensor.shape[-2:]
    return not tensor.is_meta and tensor.numel() > 0 and all(side <= LARGEST_SIDE for side in sides)


def draw(
    tensor: Tensor,
    mask: Tensor | None = None,
    *,
    prefixes: Sequence[tuple[int, ...]] | None = None,
    digits: int = 4,
) -> tuple[Grid, ...]:
    """The 2-D slices of ``tensor``, at most ``MOST_SLICES``, with the cells of ``mask`` marked.

    None for an array whose slices are too large to read.
    """
    if not drawable(tensor):
        return ()
    if prefixes is None:
        prefixes = all_prefixes(tensor)[:MOST_SLICES]
    flat, marks = _matrix_slices(tensor), _matrix_slices(mask) if mask is not None else None
    grids = []
    for prefix in prefixes:
        numbers = flat[prefix].tolist()
        flags = marks[prefix].tolist() if marks is not None else [[False] * len(row) for row in numbers]
        rows = (
            tuple(Cell(number(value, digits), flag) for value, flag in zip(row, row_flags, strict=True))
            for row, row_flags in zip(numbers, flags, strict=True)
        )
        grids.append(Grid(prefix, tuple(rows)))
    return tuple(grids)


def draw_pair(expected: Tensor, got: Tensor, mask: Tensor) -> tuple[tuple[Grid, Grid], ...]:
    """Expected and got, slice by slice, with differing cells marked in both.

    All slices where there are one or two; otherwise the first that differs. More digits where four would
    show two different numbers alike.
    """
    if not drawable(expected) or not drawable(got):
        return ()
    prefixes = all_prefixes(expected)
    if len(prefixes) > 2:
        marks = _matrix_slices(mask)
        prefixes = [next((prefix for prefix in prefixes if bool(marks[prefix].any())), prefixes[0])]
    for digits in (4, 7, 12):
        pairs = tuple(
            zip(
                draw(expected, mask, prefixes=prefixes, digits=digits),
                draw(got, mask, prefixes=prefixes, digits=digits),
                strict=True,
            )
        )
        if not any(_alike(*pair) for pair in pairs):
            break
    return pairs


def all_prefixes(tensor: Tensor) -> list[tuple[int, ...]]:
    """The leading indices of all 2-D slices of a tensor; of at most 4096 of them."""
    return list(itertools.islice(itertools.product(*(range(n) for n in tensor.shape[:-2])), 4096))


def number(value: object, digits: int = 4) -> str:
    """A number as short as it can be: whole numbers without a point, others with so many digits."""
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, complex):
        return f"{value:.{digits}g}"
    if not isinstance(value, float):
        return "?"
    if math.isfinite(value) and value == int(value) and abs(value) < 10**6:
        return str(int(value))
    return f"{value:.{digits}g}"


def _matrix_slices(tensor: Tensor) -> Tensor:
    """A CPU tensor of at least two dimensions: a vector becomes a row."""
    tensor = tensor.detach().cpu()
    return tensor if tensor.dim() >= 2 else torch.atleast_2d(tensor)


def _alike(expected: Grid, got: Grid) -> bool:
    cells = zip(itertools.chain(*expected.rows), itertools.chain(*got.rows), strict=True)
    return any(a.differs and a.text == b.text for a, b in cells)
