"""What is known of a network before it is counted: its paper, and the figures that the lecture gives."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Card", "Figures"]


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
