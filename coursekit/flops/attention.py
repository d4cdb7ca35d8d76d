"""Attention on the meta device by the kernel that the CPU would take.

torch's attention is one function over several kernels. On the meta device it knows only the one that makes
the whole matrix of scores; on a processor it mostly takes a fused one, which computes the same and keeps no
such matrix for backward.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

__all__ = ["attention", "torch_attention"]

torch_attention = F.scaled_dot_product_attention
_FLASH = 1  # torch._C._SDPBackend.FLASH_ATTENTION


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """`F.scaled_dot_product_attention`; elsewhere than on the meta device it is torch's."""
    if query.device.type == "meta" and not enable_gqa:
        tensors = [query, key, value, *([] if attn_mask is None else [attn_mask])]
        with _disable_current_modes():
            # One row of numbers seen as all rows: torch is asked, and nothing large is made for it.
            q, k, v, *mask = (
                torch.empty(t.shape[-1], dtype=t.dtype).expand(t.shape).requires_grad_(t.requires_grad)
                for t in tensors
            )
            masked = mask[0] if mask else None
            choice = torch._fused_sdp_choice(q, k, v, masked, dropout_p, is_causal, scale=scale)
        if choice == _FLASH:
            out: Tensor = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale
            )[0]
            return out
    return torch_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
    )
