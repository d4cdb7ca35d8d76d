"""What is known of a network: its paper, the figures that the lecture gives, and ours beside them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Card", "Figures", "ModelCard"]


@dataclass(frozen=True)
class Figures:
    """Figures as the lecture states them; None where it states none.

    Attributes:
        top1: ImageNet top-1 accuracy in percent, one crop.
        top5_error: ImageNet top-5 error in percent (the yearly results of ILSVRC; often of an ensemble).
        params: number of parameters.
        flops: operations of one forward pass, one multiply-add counted as one.
    """

    top1: float | None = None
    top5_error: float | None = None
    params: float | None = None
    flops: float | None = None


@dataclass(frozen=True)
class Card:
    """One network.

    Attributes:
        paper: authors, title, where and when.
        year: of the paper.
        input_shape: `(C, H, W)` of the images it was made for; `(C, T)` for sequences of vectors, `(T,)` for
            sequences of tokens.
        num_classes: it was made for.
        smallest: the smallest height and width (or length) that it takes.
        lecture: the lecture's figures.
        note: what a reader should know, such as where this network differs from the paper's.
    """

    paper: str
    year: int
    input_shape: tuple[int, ...] = (3, 224, 224)
    num_classes: int = 1000
    smallest: int = 1
    lecture: Figures = Figures()
    note: str = ""


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
