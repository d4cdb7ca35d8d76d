"""A small made-up topic: a sum over a sliding window, two functions at once, one in place."""

import torch

from coursekit.check import Case, Exercise

TOPIC = "00_made_up"


def line(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float32)


def windows(x: torch.Tensor, width: int = 2) -> torch.Tensor:
    return x.unfold(0, width, 1).sum(1)


MOVING_SUM = Exercise(
    id="moving_sum",
    functions=("moving_sum",),
    cases=(
        Case("two by default", lambda: (line(1, 2, 4, 8),), expected=windows),
        Case("three at once", lambda: (line(1, 2, 4, 8, 16), 3), expected=windows),
        Case("width by name", lambda: (line(3, 1, 2),), {"width": 1}, expected=windows),
        Case("window too wide", lambda: (line(1, 2), 3), raises=ValueError),
    ),
    hints=("Slide a window.", "Use `unfold`.", "Sum over the last axis."),
    forbidden=("conv", "pooling", "autograd"),
)


def count_equal(matrix: torch.Tensor, value: float) -> int:
    return int((matrix == value).sum())


SCALE = Exercise(
    id="scale",
    functions=("scale", "count"),
    cases=(
        Case("scaled by 2", lambda: (torch.arange(6.0).view(2, 3), 2), expected=lambda m, c: m * c),
        Case("scaled by -1", lambda: (torch.arange(4.0).view(2, 2), -1), expected=lambda m, c: m * c),
        Case("two ones", lambda: (torch.eye(2), 1.0), expected=count_equal, function=1),
    ),
    hints=(),
)


def add_into(total: torch.Tensor, x: torch.Tensor) -> None:
    total += x


ADD_INTO = Exercise(
    id="add_into",
    functions=("add_into",),
    cases=(Case("adds in place", lambda: (line(1, 2), line(3, 4)), expected=add_into, mutates=True),),
    hints=("`+=`",),
)

EXERCISES = (MOVING_SUM, SCALE, ADD_INTO)


def moving_sum(x, width=2):
    """A right answer, in another way than the oracle's."""
    if width > len(x):
        raise ValueError(f"no window of {width} in {len(x)} numbers")
    total = torch.cat([x.new_zeros(1), x.cumsum(0)])
    return total[width:] - total[:-width]


def scale(m, c):
    return c * m


def count(m, value):
    return m.flatten().tolist().count(value)
