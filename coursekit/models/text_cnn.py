"""TextCNN: convolutions over the words of a sentence, and the strongest answer of each filter.

Kim: Convolutional neural networks for sentence classification, EMNLP 2014.

    layer    output                   for sentences of L words
    tokens   L                        numbers of words, 0 for padding
    embed    in_channels · 300 @ L    a word vector from each table
    conv_h   100 @ L − h + 1          windows of h = 3, 4, 5 words, ReLU (equation 2)
    max      100 each                 over time (the sentence): any length gives 300 features
    dropout  300                      0.5
    head     classes                  its weight vectors kept at ‖w‖ ≤ 3: call `max_norm_` after each step

A channel is a table of word vectors, as red, green and blue are channels of a picture, and as there a filter
has weights of its own for each; their results add. `static` tables stay as they are in training, so that the
paper's four variants are

    CNN-rand, CNN-non-static    in_channels=1, static=0   (fresh vectors; vectors loaded into `embed.0`)
    CNN-static                  in_channels=1, static=1   (vectors loaded into `embed.0`)
    CNN-multichannel            in_channels=2, static=1   (the same vectors loaded into both)

The paper gives no initialization of the filters: they have torch's, as the head has.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import init

from coursekit.models.card import Card

__all__ = ["BUILDERS", "CARDS", "TextCNN", "max_norm_", "text_cnn"]

WIDTHS = (3, 4, 5)  # words that a filter sees
MAPS = 100  # filters of each width
PADDING = 0  # the token that fills short sentences up
EMBEDDING_RANGE = 0.25  # fresh vectors are uniform in ±0.25: about the variance of word2vec's
MAX_NORM = 3.0  # s of section 2.1


class TextCNN(nn.Module):
    """Tokens to logits; see `text_cnn`."""

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        vocabulary: int,
        dimension: int,
        widths: tuple[int, ...],
        maps: int,
        static: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.widths = widths
        tables = [nn.Embedding(vocabulary, dimension, padding_idx=PADDING) for _ in range(in_channels)]
        self.embed = nn.ModuleList(tables)
        self.convs = nn.ModuleList(nn.Conv1d(in_channels * dimension, maps, width) for width in widths)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(maps * len(widths), num_classes)
        for i, table in enumerate(tables):
            init.uniform_(table.weight, -EMBEDDING_RANGE, EMBEDDING_RANGE)
            with torch.no_grad():
                table.weight[PADDING] = 0
            table.requires_grad_(i >= static)

    def forward(self, tokens: Tensor) -> Tensor:
        """`(N, L)` of an integer type to `(N, num_classes)`."""
        self._check(tokens)
        words = torch.cat([table(tokens) for table in self.embed], dim=2)  # N, L, channels · dimension
        words = words.transpose(1, 2)  # time last, as Conv1d has it
        maps = [self.relu(conv(words)) for conv in self.convs]  # N, maps, L − h + 1 each
        features = torch.cat([c.amax(2) for c in maps], dim=1)  # N, maps · widths
        return self.head(self.dropout(features))

    def _check(self, tokens: Tensor) -> None:
        if tokens.dim() != 2 or tokens.is_floating_point():
            raise ValueError(
                f"text_cnn takes tokens (N, L) of integers; got {tuple(tokens.shape)} of {tokens.dtype}"
                + (": add the batch axis with tokens[None]" if tokens.dim() == 1 else "")
            )
        if tokens.shape[1] < max(self.widths):
            raise ValueError(
                f"text_cnn's widest filter sees {max(self.widths)} words and a sentence here has only "
                f"{tokens.shape[1]}: fill it up with the padding token {PADDING}"
            )


def text_cnn(
    *,
    num_classes: int = 2,
    in_channels: int = 1,
    vocabulary: int = 18765,
    dimension: int = 300,
    widths: tuple[int, ...] = WIDTHS,
    maps: int = MAPS,
    static: int | None = None,
    dropout: float = 0.5,
) -> TextCNN:
    """TextCNN for tokens `(N, L)` of an integer type; returns logits `(N, num_classes)`.

    Args:
        num_classes: number of logits.
        in_channels: tables of word vectors; 2 for the paper's multichannel network.
        vocabulary: number of words, the padding token 0 among them; 18,765 are those of the movie reviews
            MR (the paper's table 1).
        dimension: of a word vector.
        widths: words that the filters see; a sentence must have at least as many as the widest.
        maps: filters of each width.
        static: how many tables, from the first on, training leaves alone; None for all but the last.
        dropout: probability with which a feature before the head is dropped in training.

    Raises:
        ValueError: for no table, or more static tables than there are.
    """
    if in_channels < 1:
        raise ValueError(f"text_cnn needs at least one table of word vectors; in_channels is {in_channels}")
    if static is None:
        static = in_channels - 1
    if not 0 <= static <= in_channels:
        raise ValueError(f"static is {static}, but text_cnn has {in_channels} tables of word vectors here")
    return TextCNN(num_classes, in_channels, vocabulary, dimension, widths, maps, static, dropout)


@torch.no_grad()
def max_norm_(model: TextCNN, limit: float = MAX_NORM) -> None:
    """Rescale each weight vector of the head whose l2 norm exceeds `limit` to that norm, in place.

    To be called after each step of the optimizer (section 2.1). Biases are free.
    """
    weight = model.head.weight
    weight.copy_(weight.renorm(p=2, dim=0, maxnorm=limit))


BUILDERS = {"text_cnn": text_cnn}
CARDS = {
    "text_cnn": Card(
        paper="Kim: Convolutional neural networks for sentence classification, EMNLP 2014",
        year=2014,
        input_shape=(56,),
        num_classes=2,
        smallest=max(WIDTHS),
        note="Takes tokens (N, L). in_channels counts tables of word vectors: 1 in three of the paper's four "
        "variants, 2 in CNN-multichannel; all tables but the last are static unless told otherwise. The "
        "longest movie review of the paper's data set MR has 56 words.",
    )
}
