"""How large a lecture's experiments are, by the budget that it is run with.

setting = by_budget(
budget,
ci=Setting(seeds=3),
laptop=Setting(seeds=5, longer=3),
gpu=Setting(seeds=5, longer=10),
)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

__all__ = ["BUDGETS", "Setting", "by_budget"]

BUDGETS = ("ci", "laptop", "gpu")

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """What nearly every lecture needs; one that needs more has a dataclass of its own beside it.

    Attributes:
        seeds: runs of everything that depends on chance.
        longer: training steps, as a multiple of those written in the cells.
        pairs: runs of two things with the same seed, where differences are small.
        images: training images of the full experiments.
    """

    seeds: int
    longer: int = 1
    pairs: int = 5
    images: int = 6000


def by_budget(budget: str, *, ci: T, laptop: T, gpu: T) -> T:
    """The setting of a budget.

    Args:
        budget: `"ci"`, 90 seconds on two cores; `"laptop"`, some minutes; `"gpu"`, the larger versions.
        ci: its setting.
        laptop: likewise.
        gpu: likewise.

    Raises:
        ValueError: for another budget.
    """
    settings = dict(zip(BUDGETS, (ci, laptop, gpu), strict=True))
    if budget not in settings:
        raise ValueError(f"budget is {budget!r}; choose one of {', '.join(BUDGETS)}")
    return settings[budget]
