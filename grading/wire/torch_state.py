"""What both halves of the codec have to know of torch's own objects, and how much may cross."""

from typing import Any

__all__ = ["HOOKS", "MAX_DEPTH", "MAX_ELEMENTS", "MAX_NODES", "SEEN_HOOKS", "is_module", "is_optimizer"]

MAX_DEPTH = 60
MAX_NODES = 2_000_000
MAX_ELEMENTS = 2**31

# fmt: off
SEEN_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
HOOKS = frozenset({
    *SEEN_HOOKS, "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs",
    "_forward_hooks_always_called", "_is_full_backward_hook", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks", "_compiled_call_impl", "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks", "_optimizer_state_dict_pre_hooks", "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks", "_optimizer_load_state_dict_post_hooks",
})
"""Attributes of modules and optimizers that never cross: what they would call is a process's own."""
# fmt: on


def is_module(value: Any) -> bool:
    """Whether a value is a module of torch."""
    import torch

    return isinstance(value, torch.nn.Module)


def is_optimizer(value: Any) -> bool:
    """Whether a value is an optimizer of torch."""
    import torch

    return isinstance(value, torch.optim.Optimizer)
