"""DeiT: a Vision Transformer that learns from ImageNet alone, with a convolutional network as its teacher.

Touvron, Cord, Douze, Massa, Sablayrolles, Jégou: Training data-efficient image transformers & distillation
through attention, ICML 2021.

    table 1         dim   heads   blocks   parameters   with distillation token
    deit_tiny       192     3       12        5.7 M         5.9 M
    deit_small      384     6       12       22   M        22.4 M
    deit_base       768    12       12       86   M        87.3 M

The blocks are ViT's, with 16×16 patches. What is new is a second token beside the class token, with a head
of its own: it learns the labels that the teacher gives, as the class token learns the true ones (section 4).
In training the network returns both heads' logits, since each has a loss of its own; else it returns their
mean. The paper adds the two softmaxes there; its published code takes the mean of the logits, and so do we.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import init

from coursekit.models.card import Card
from coursekit.models.vit import Block, Encoder, LayerNorm, Spec, VisionTransformer

__all__ = ["BUILDERS", "CARDS", "DistilledTransformer", "deit"]

SPECS = {
    "deit_tiny": Spec(16, depth=12, dim=192, mlp_dim=768, heads=3),
    "deit_small": Spec(16, depth=12, dim=384, mlp_dim=1536, heads=6),
    "deit_base": Spec(16, depth=12, dim=768, mlp_dim=3072, heads=12),
}


class DistilledTransformer(Encoder):
    """DeiT with its distillation token, for images `(N, in_channels, S, S)`; `options` as for `Encoder`.

    Returns `(class_logits, distill_logits)`, each `(N, num_classes)`, in training mode, and their mean
    `(N, num_classes)` in evaluation mode.
    """

    special_tokens = 2

    def __init__(self, spec: Spec, *, num_classes: int, **options: Any) -> None:
        super().__init__(spec, **options)
        self.distill_token = nn.Parameter(torch.zeros(1, 1, spec.dim))
        self.norm = LayerNorm(spec.dim)
        self.head = nn.Linear(spec.dim, num_classes)
        self.distill_head = nn.Linear(spec.dim, num_classes)

    def special(self) -> Tensor:
        """Class token and distillation token, `(1, 2, dim)`."""
        return torch.cat([self.class_token, self.distill_token], dim=1)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Both heads' logits, `(N, num_classes)` each, or in evaluation mode their mean."""
        class_token, distill_token = self.norm(self.encode(x)[:, :2]).unbind(1)
        class_logits, distill_logits = self.head(class_token), self.distill_head(distill_token)
        return (class_logits, distill_logits) if self.training else (class_logits + distill_logits) / 2


def initialize(network: nn.Module) -> None:
    """Truncated normal weights (section 6): 0.02 for dense layers, tokens and positions; biases zero."""
    for parameter in network.parameters(recurse=False):  # the tokens and the positions
        init.trunc_normal_(parameter, std=0.02)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            init.trunc_normal_(module.weight, std=0.02)
            init.zeros_(module.bias)


def deit(
    variant: str,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    distilled: bool = True,
    stochastic_depth: float = 0.1,
    dropout: float = 0.0,
    **changes: int,
) -> DistilledTransformer | VisionTransformer:
    """A network of `SPECS`, for images `(N, in_channels, S, S)`.

    Args:
        variant: a key of `SPECS`.
        num_classes: number of logits.
        in_channels: 3 for colour images.
        distilled: with distillation token and two heads; without, it is a plain ViT with one head.
        stochastic_depth: probability with which the last block's branches are left out for an image in
            training; it grows evenly from 0 at the first block (table 9).
        dropout: behind dense layers and positions; the paper has none.
        **changes: other values for columns of the variant's row, such as `image_size=384`.

    Raises:
        ValueError: when patches do not fill the image, or heads do not divide a token.
    """
    spec = replace(SPECS[variant], **changes)
    network = (DistilledTransformer if distilled else VisionTransformer)(
        spec, name=variant, num_classes=num_classes, in_channels=in_channels, dropout=dropout
    )
    for i, block in enumerate(network.blocks):
        assert isinstance(block, Block)
        block.drop_branch.p = stochastic_depth * i / max(spec.depth - 1, 1)
    initialize(network)
    return network


BUILDERS = {name: partial(deit, name) for name in SPECS}

PAPER = (
    "Touvron, Cord, Douze, Massa, Sablayrolles, Jégou: Training data-efficient image transformers & "
    "distillation through attention, ICML 2021"
)
NOTE = "in training mode it returns two heads' logits, those of the class and of the distillation token"
CARDS = {name: Card(PAPER, 2021, smallest=224, note=NOTE) for name in SPECS}
