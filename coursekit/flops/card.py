"""A network's card: paper, year and the lecture's figures, and our own counts beside them."""

from __future__ import annotations

from dataclasses import dataclass

from coursekit.flops.profile import profile
from coursekit.models import card
from coursekit.models.card import Card

__all__ = ["ModelCard", "model_card"]


@dataclass(frozen=True)
class ModelCard:
    """A network's card with our own counts beside the lecture's figures; printing it gives a table.

    Attributes:
        name: in the zoo.
        card: paper, year, input, the lecture's figures.
        params: number of parameters, as built here for the card's classes and channels.
        macs: multiply-adds of one forward pass on one input of the card's shape.
    """

    name: str
    card: Card
    params: int
    macs: int

    def __str__(self) -> str:
        shape = "×".join(map(str, self.card.input_shape))
        head = f"{self.name}: {self.card.paper}\ninput {shape}, {self.card.num_classes} classes"
        lines = [f"{what:22}{given:>10}{ours:>10}" for what, given, ours in self.rows()]
        note = [self.card.note] if self.card.note else []
        return "\n".join([head, f"{'':22}{'lecture':>10}{'here':>10}", *lines, *note])

    def _repr_markdown_(self) -> str:
        rows = [f"| {what} | {given} | {ours} |" for what, given, ours in self.rows()]
        head = f"**{self.name}** · {self.card.paper}"
        note = [f"\n{self.card.note}"] if self.card.note else []
        return "\n".join([head, "", "| | lecture | here |", "| --- | ---: | ---: |", *rows, *note])

    def rows(self) -> list[tuple[str, str, str]]:
        """What is compared, the lecture's figure and ours, as text; `–` where there is none."""
        given = self.card.lecture
        return [
            ("top-1 accuracy, %", _text(given.top1), "–"),
            ("top-5 error, %", _text(given.top5_error), "–"),
            ("parameters", _short(given.params), _short(self.params)),
            ("multiply-adds", _short(given.flops), _short(self.macs)),
        ]


def model_card(name: str) -> ModelCard:
    """Paper, year and the lecture's figures of a network, and our own counts beside them.

    Raises:
        ValueError: for a name that is not in the zoo, with the nearest names.
    """
    counted = profile(name)
    return ModelCard(name, card(name), counted.params, counted.macs)


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _short(value: float | None) -> str:
    """A count to three digits: 25.6 M, 4.09 G."""
    if value is None:
        return "–"
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:g}"
