"""Attention and the Vision Transformer."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from .group import recomputes
from .measure import network


@recomputes("08", how="torch's scaled_dot_product_attention on random queries, keys and values")
def attention() -> dict[str, Any]:
    """The output is an average of values, by matches of queries and keys."""
    torch.manual_seed(0)
    q, k = torch.randn(1, 5, 6), torch.randn(1, 4, 6)
    # With the values a unit matrix, the output shows the weights themselves.
    seen = F.scaled_dot_product_attention(q, k, torch.eye(4)[None])
    matches = torch.exp(torch.einsum("nqd,nkd->nqk", q, k) / 6**0.5)
    average = matches / matches.sum(2, keepdim=True)
    v = torch.randn(1, 4, 3)
    return {
        "08-attention-qkv": torch.allclose(seen, average, atol=1e-5)
        and torch.allclose(F.scaled_dot_product_attention(q, k, v), average @ v, atol=1e-5)
    }


@recomputes("08", how="patches and positions of vit_b_16; products of sine and cosine codes")
def tokens() -> dict[str, Any]:
    """Patches, class token, positions."""
    net = network("vit_b_16")
    patches, positions = net.get_submodule("patches"), net.get_parameter("positions")
    assert isinstance(patches, nn.Conv2d)
    side = patches.kernel_size[0]
    count = (224 // side) ** 2
    place, channel = torch.arange(20.0)[:, None], torch.arange(0, 16, 2)
    angle = place / 10000 ** (channel / 16)
    codes = torch.stack([angle.sin(), angle.cos()], 2).flatten(1)
    products = codes @ codes.T
    by_distance = all(products.diagonal(d).std(unbiased=False) < 1e-4 for d in range(20))
    return {
        "08-vit-16x16": side,
        "08-vit-class-token": [count, positions.shape[1]],
        "08-positional-embeddings": by_distance and positions.requires_grad,
    }
