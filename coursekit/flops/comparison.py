"""`compare`: networks by cost and accuracy, in one table and one chart.

Canziani, Paszke, Culurciello: An analysis of deep neural network models for practical applications, 2016.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from coursekit.flops import tables
from coursekit.flops.profile import Profile, profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Comparison", "Entry", "compare"]


@dataclass(frozen=True)
class Entry:
    """One network.

    Attributes:
        name: as given.
        input_shape: `(C, H, W)` that it was counted for.
        params: with biases.
        flops: in the comparison's convention.
        activation_bytes: as `Profile.activation_bytes`.
        top1: accuracy in percent; None where none is known.
    """

    name: str
    input_shape: tuple[int, ...]
    params: int
    flops: int
    activation_bytes: int
    top1: float | None


@dataclass(frozen=True)
class Comparison:
    """Networks in the order in which they were given; `compare` makes it."""

    rows: tuple[Entry, ...]
    convention: str

    def to_dataframe(self) -> Any:
        """A pandas data frame, one line a network.

        Raises:
            ImportError: without pandas, with the command that installs it.
        """
        return tables.frame([dict(vars(row)) for row in self.rows])

    def to_markdown(self) -> str:
        """The table in Markdown."""
        unit = {"mac": "GMACs", "2mac": "GFLOPs (2 a MAC)", "lecture": "Gops (lecture)"}[self.convention]
        lines = [
            f"| network | input | parameters (M) | {unit} | output memory (MB) | top-1 (%) |",
            "| :-- | :-- | --: | --: | --: | --: |",
        ]
        for row in self.rows:
            shape = "×".join(map(str, row.input_shape))
            top1 = "–" if row.top1 is None else f"{row.top1:.1f}"
            memory = row.activation_bytes / 2**20
            cells = f"{row.params / 1e6:,.2f} | {row.flops / 1e9:,.2f} | {memory:,.1f} | {top1}"
            lines.append(f"| {row.name} | {shape} | {cells} |")
        return "\n".join(lines) + "\n"

    def plot(self) -> Figure:
        """Top-1 accuracy over operations, a bubble a network whose area is its number of parameters.

        Show it with `viz.show(c.plot(), alt=c.alt)`. Networks of unknown accuracy are left out.

        Raises:
            ValueError: when no accuracy is known.
        """
        from coursekit.flops import bubbles

        return bubbles.chart(self)

    @property
    def alt(self) -> str:
        """What `plot` shows, in words."""
        known = sorted((row for row in self.rows if row.top1 is not None), key=lambda row: row.flops)
        points = ", ".join(
            f"{row.name} {row.flops / 1e9:.2g} billion, {row.top1:.1f} %, {row.params / 1e6:.3g} million"
            for row in known
        )
        return (
            "Bubble chart of networks: operations of one image along x, top-1 accuracy along y, "
            f"parameters as area. From the cheapest: {points}."
        )

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


def compare(
    models: Iterable[str] | Mapping[str, nn.Module | str],
    *,
    accuracy: Mapping[str, float] | None = None,
    input_size: Sequence[int] | None = None,
    convention: str = "mac",
) -> Comparison:
    """Profile several networks and set them side by side.

    Args:
        models: names of the zoo, or name -> module (or name of the zoo).
        accuracy: name -> top-1 accuracy in percent; for names that are not in it, the lecture's figure on the
            network's card, if there is one.
        input_size: `(C, H, W)` for all; by default that of each name's card.
        convention: of the operations, as in `Profile.flops`.

    Raises:
        ValueError: for no models, an accuracy of a network that is not compared, or one outside 0 to 100.
    """
    named: dict[str, nn.Module | str] = (
        dict(models) if isinstance(models, Mapping) else {name: name for name in models}
    )
    given = dict(accuracy or {})
    if not named:
        raise ValueError("there is nothing to compare: give at least one network")
    if unknown := set(given) - set(named):
        raise ValueError(f"accuracy is given for {', '.join(sorted(unknown))}, which is not compared")
    for name, value in given.items():
        if not 0 <= value <= 100:
            raise ValueError(f"accuracy of {name} is {value}; give percent")
    entries = []
    for name, model in named.items():
        p = profile(model, input_size)
        entries.append(_entry(name, p, given.get(name, _lecture_top1(model)), convention))
    return Comparison(tuple(entries), convention)


def _entry(name: str, p: Profile, top1: float | None, convention: str) -> Entry:
    return Entry(name, p.input_shape, p.params, p.flops(convention), p.activation_bytes, top1)


def _lecture_top1(model: Any) -> float | None:
    if not isinstance(model, str):
        return None
    from coursekit.models import card

    return card(model).lecture.top1
