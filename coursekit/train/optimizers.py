"""The optimizer, and which parameters decay."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from coursekit.train.config import TrainConfig

NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """SGD or AdamW over the parameters that are not frozen."""
    groups = parameter_groups(model, config.weight_decay)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr)
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The trainable parameters in two groups: those that decay, and those that do not.

    No bias decays, no scale or shift of a normalization, and nothing else of fewer than two dimensions: to
    pull these to zero does not make a network simpler (He et al.: Bag of tricks for image classification
    with convolutional neural networks, CVPR 2019, section 3.1).
    """
    still = {
        id(parameter)
        for module in model.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if isinstance(module, NORMS) or name == "bias" or parameter.dim() < 2
    }
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trainable if id(p) not in still], "weight_decay": weight_decay},
        {"params": [p for p in trainable if id(p) in still], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
