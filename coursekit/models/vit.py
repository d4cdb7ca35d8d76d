"""Vision Transformer: an image as a sequence of patches, and attention in place of convolution.

Dosovitskiy, Beyer, Kolesnikov, Weissenborn, Zhai, Unterthiner, Dehghani, Minderer, Heigold, Gelly, Uszkoreit,
Houlsby: An image is worth 16×16 words: Transformers for image recognition at scale, ICLR 2021.

    step           ViT-B/16, 224×224 image      equation
    patches        196 tokens of 768 numbers    (1): a convolution whose stride is its kernel
    class token    197 tokens                   (1): learned, in front
    positions      197 tokens                   (1): learned, added
    12 blocks      197 tokens                   (2) x = x + attention(norm(x)), (3) x = x + mlp(norm(x))
    norm, head     1000 logits                  (4): of the class token alone

    table 1        blocks   dim   mlp dim   heads   parameters
    ViT-Base         12     768    3072      12        86 M
    ViT-Large        24    1024    4096      16       307 M
    ViT-Huge         32    1280    5120      16       632 M

The number behind a name is the side of a patch: vit_l_32 has 32×32 patches. `vit_tiny` is ours, for 28×28
images on a laptop. The paper trains with one more hidden layer in the head and leaves it away for
fine-tuning; here the head is the linear layer of fine-tuning. The paper zeroes it then; here it starts small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import init

from coursekit.models.card import Card, Figures
from coursekit.models.parts import ImageCheck, StochasticDepth
from coursekit.models.weights import Renames

__all__ = ["BUILDERS", "Attention", "Block", "Encoder", "VisionTransformer", "resize_positions", "vit"]

LayerNorm = partial(nn.LayerNorm, eps=1e-6)


@dataclass(frozen=True)
class Spec:
    """A row of table 1, and the sides of patch and image in pixels."""

    patch_size: int
    depth: int
    dim: int
    mlp_dim: int
    heads: int
    image_size: int = 224


SPECS = {
    "vit_b_16": Spec(16, depth=12, dim=768, mlp_dim=3072, heads=12),
    "vit_b_32": Spec(32, depth=12, dim=768, mlp_dim=3072, heads=12),
    "vit_l_16": Spec(16, depth=24, dim=1024, mlp_dim=4096, heads=16),
    "vit_l_32": Spec(32, depth=24, dim=1024, mlp_dim=4096, heads=16),
    "vit_h_14": Spec(14, depth=32, dim=1280, mlp_dim=5120, heads=16),
    "vit_tiny": Spec(4, depth=6, dim=64, mlp_dim=256, heads=4, image_size=28),
}


class Attention(nn.Module):
    """Multi-head self-attention: tokens `(N, T, dim)` to tokens `(N, T, dim)`; appendix A of the paper.

    Each head asks with its queries which tokens' keys match, and averages their values by the match.

    Args:
        dim: length of a token; `heads` divides it.
        heads: how many attend side by side, each with dim / heads numbers.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{heads} heads cannot share {dim} numbers: dim must be a multiple of heads")
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values of every head, `(N, heads, T, dim / heads)` each."""
        n, t, dim = x.shape
        qkv = self.qkv(x).view(n, t, 3, self.heads, dim // self.heads)
        return qkv.permute(2, 0, 3, 1, 4).unbind()

    def forward(self, x: Tensor) -> Tensor:
        """Tokens `(N, T, dim)` to tokens of the same shape."""
        q, k, v = self.split(x)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).flatten(2))

    def weights(self, x: Tensor) -> Tensor:
        """How much each token (row) takes of each token (column), `(N, heads, T, T)`; a row sums to one.

        `forward` never forms this matrix: its kernel goes through the keys in pieces.
        """
        q, k, _ = self.split(x)
        return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)


class Block(nn.Module):
    """Tokens exchange with attention, then each is worked on by itself; `(N, T, dim)` stays.

    Dropout stands behind every dense layer but the one of queries, keys and values (appendix B.1).
    `drop_branch` does nothing here; DeiT sets it to leave a branch out for some images in training.
    """

    def __init__(self, dim: int, heads: int, mlp_dim: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.dropout = nn.Dropout(dropout)
        self.norm2 = LayerNorm(dim)
        self.mlp = nn.Sequential(
            nn.Linear(dim, mlp_dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(mlp_dim, dim),
            nn.Dropout(dropout),
        )
        self.drop_branch = StochasticDepth(0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Equations (2) and (3); tokens `(N, T, dim)` to tokens of the same shape."""
        x = x + self.drop_branch(self.dropout(self.attention(self.norm1(x))))
        return x + self.drop_branch(self.mlp(self.norm2(x)))


class Encoder(nn.Module):
    """All of a ViT but its head: images `(N, C, S, S)` to tokens `(N, special + patches, dim)`.

    Args:
        spec: the row of table 1; its patch size divides its image size S.
        name: for messages.
        in_channels: of the images.
        dropout: behind dense layers, and where positions are added.
    """

    special_tokens = 1  # tokens in front of those of the patches

    def __init__(self, spec: Spec, *, name: str, in_channels: int, dropout: float) -> None:
        super().__init__()
        self.grid, rest = divmod(spec.image_size, spec.patch_size)
        if not self.grid or rest:
            raise ValueError(
                f"{name} cuts images into patches of {spec.patch_size}×{spec.patch_size} pixels; "
                f"image_size {spec.image_size} is no multiple of {spec.patch_size}"
            )
        self.check = ImageCheck(name, in_channels, exact=spec.image_size)
        self.patches = nn.Conv2d(in_channels, spec.dim, spec.patch_size, stride=spec.patch_size)
        self.class_token = nn.Parameter(torch.zeros(1, 1, spec.dim))
        self.positions = nn.Parameter(torch.zeros(1, self.special_tokens + self.grid**2, spec.dim))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(
            *(Block(spec.dim, spec.heads, spec.mlp_dim, dropout=dropout) for _ in range(spec.depth))
        )

    def special(self) -> Tensor:
        """The tokens in front, `(1, special_tokens, dim)`."""
        return self.class_token

    def embed(self, x: Tensor) -> Tensor:
        """Patches as tokens, the special ones in front, positions added: `(N, special + patches, dim)`."""
        patches = self.patches(self.check(x)).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.special().expand(patches.shape[0], -1, -1), patches], dim=1)
        return self.dropout(tokens + self.positions)

    def encode(self, x: Tensor) -> Tensor:
        """Tokens behind the last block, `(N, special + patches, dim)`."""
        return self.blocks(self.embed(x))

    def attention_weights(self, x: Tensor) -> list[Tensor]:
        """The attention matrices of all blocks for images `(N, C, S, S)`, first block first.

        Each is `(N, heads, T, T)` with T = special tokens + patches, special ones first; see
        `Attention.weights`. The patches come row by row, `grid` in a row: the map of what the class token
        looks at is `weights[:, :, 0, special_tokens:].unflatten(-1, (grid, grid))`.
        """
        tokens = self.embed(x)
        weights = []
        for block in self.blocks:
            assert isinstance(block, Block)
            weights.append(block.attention.weights(block.norm1(tokens)))
            tokens = block(tokens)
        return weights


class VisionTransformer(Encoder):
    """ViT: images `(N, in_channels, S, S)` to logits `(N, num_classes)`; `options` as for `Encoder`."""

    def __init__(self, spec: Spec, *, num_classes: int, **options: Any) -> None:
        super().__init__(spec, **options)
        self.norm = LayerNorm(spec.dim)
        self.head = nn.Linear(spec.dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Equation (4). The norm takes each token by itself, so only the class token needs it."""
        return self.head(self.norm(self.encode(x)[:, 0]))


def initialize(network: VisionTransformer) -> None:
    """Xavier's uniform weights in the blocks, LeCun's normal ones for the patches, as the authors do."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear):
            three_in_one = name.endswith("qkv")  # each of the three matrices is dim×dim
            init.xavier_uniform_(module.weight, gain=math.sqrt(2) if three_in_one else 1.0)
            init.zeros_(module.bias)
    init.trunc_normal_(network.patches.weight, std=math.sqrt(1 / network.patches.weight[0].numel()))
    init.normal_(network.positions, std=0.02)
    init.trunc_normal_(network.head.weight, std=0.02)


def resize_positions(network: Encoder, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Make a state dict of other image size loadable: its position table, drawn to the network's grid.

    The table is taken as the small image that it is and interpolated bicubically (section 3.2 of the paper);
    the special tokens' positions stay. All else stays too.

        large = create_model("vit_b_16", image_size=384)
        large.load_state_dict(resize_positions(large, small.state_dict()), strict=True)

    Args:
        network: the one that the result is for.
        state: of a network with the same patch size and special tokens, under our names.
    """
    table = state["positions"]
    special, patches = table.tensor_split([network.special_tokens], dim=1)
    side = math.isqrt(patches.shape[1])
    if side != network.grid:
        image = patches.unflatten(1, (side, side)).permute(0, 3, 1, 2)
        size = (network.grid, network.grid)
        image = F.interpolate(image, size=size, mode="bicubic", align_corners=True)
        table = torch.cat([special, image.flatten(2).transpose(1, 2)], dim=1)
    return {**state, "positions": table}


def vit(
    variant: str,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    dropout: float = 0.0,
    **changes: int,
) -> VisionTransformer:
    """A network of `SPECS`, for images `(N, in_channels, S, S)`; returns logits `(N, num_classes)`.

    Args:
        variant: a key of `SPECS`.
        num_classes: number of logits.
        in_channels: 3 for colour images.
        dropout: behind dense layers and positions; the paper has 0.1 for ImageNet alone, 0 elsewhere.
        **changes: other values for columns of the variant's row: `image_size=384` for larger images (see
            `resize_positions`), `patch_size=7, depth=4` for a smaller network.

    Raises:
        ValueError: when patches do not fill the image, or heads do not divide a token.
    """
    spec = replace(SPECS[variant], **changes)
    network = VisionTransformer(
        spec, name=variant, num_classes=num_classes, in_channels=in_channels, dropout=dropout
    )
    initialize(network)
    return network


BUILDERS = {name: partial(vit, name) for name in SPECS}

THEIRS, OURS = r"encoder\.layers\.encoder_layer_(\d+)", r"blocks.\1"
RENAMES: Renames = {
    r"conv_proj\.(.+)": r"patches.\1",
    r"class_token": "class_token",
    r"encoder\.pos_embedding": "positions",
    THEIRS + r"\.ln_(\d)\.(.+)": OURS + r".norm\2.\3",
    THEIRS + r"\.self_attention\.in_proj_(.+)": OURS + r".attention.qkv.\2",
    THEIRS + r"\.self_attention\.out_proj\.(.+)": OURS + r".attention.proj.\2",
    # The files that torchvision offers say linear_1 and linear_2 where its modules say 0 and 3.
    THEIRS + r"\.mlp\.(?:0|linear_1)\.(.+)": OURS + r".mlp.0.\2",
    THEIRS + r"\.mlp\.(?:3|linear_2)\.(.+)": OURS + r".mlp.3.\2",
    r"encoder\.ln\.(.+)": r"norm.\1",
    r"heads\.head\.(.+)": r"head.\1",
}
FROM_TORCHVISION = {name: RENAMES for name in SPECS if name != "vit_tiny"}

PAPER = "Dosovitskiy et al.: An image is worth 16×16 words, ICLR 2021"
CARDS = {
    "vit_b_16": Card(PAPER, 2021, smallest=224),
    "vit_b_32": Card(PAPER, 2021, smallest=224),
    "vit_l_16": Card(PAPER, 2021, smallest=224, lecture=Figures(top1=79.662, params=304.3e6)),
    "vit_l_32": Card(PAPER, 2021, smallest=224, lecture=Figures(top1=76.972, params=306.5e6)),
    "vit_h_14": Card(PAPER, 2021, smallest=224, lecture=Figures(top1=85.708, params=632.0e6)),
    "vit_tiny": Card(PAPER, 2021, (1, 28, 28), 10, smallest=28, note="ours, not in the paper"),
}
