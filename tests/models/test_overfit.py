"""Every network that no library checks for us learns sixteen examples by heart, with a gradient everywhere.

A branch that is cut off has no gradient, and a network that is wired wrongly rarely fits noise.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coursekit.models import blockdrop, card, create_model, list_models
from tests.models.test_torchvision_parity import SHARED
from tests.models.zoo import classes_and_channels, example, logits

CLASSES, EXAMPLES = 4, 16
OTHERS = [name for name in list_models() if name not in SHARED]


@dataclass(frozen=True)
class Recipe:
    """How to train: rate of Adam, largest number of steps, side of the images, options of the builder."""

    rate: float = 1e-3
    steps: int = 60
    side: int | None = None
    options: Mapping[str, object] = field(default_factory=dict)


# Layers of 4,096 channels each: minutes of Adam on a hundred million weights.
SLOW = ("alexnet_2012", "alexnet_ungrouped", "fcn32s", "fcn16s", "fcn8s")

# Networks without normalization want small steps, those with large strides larger images; small images, short
# sequences and few filters keep the rest quick.
RECIPES: Mapping[str, Recipe] = {
    "alexnet_2012": Recipe(3e-5, 150, side=99),
    "alexnet_ungrouped": Recipe(3e-5, 150, side=67),
    "zfnet": Recipe(3e-5, 150, side=47),
    "nin": Recipe(3e-4, 150, side=47),
    "googlenet": Recipe(5e-4, 100, side=64),
    "vgg11_lrn": Recipe(1e-4, side=32),
    "vgg16_1x1": Recipe(1e-4, side=32),
    "inception_v4": Recipe(side=107),
    "inception_resnet_v2": Recipe(side=107),
    "fcn32s": Recipe(1e-4, side=32),
    "fcn16s": Recipe(1e-4, side=32),
    "fcn8s": Recipe(1e-4, side=32),
    "unet": Recipe(3e-3, 200, side=16, options={"channels": (8, 16, 32, 64, 128)}),
    "blockdrop": Recipe(3e-3, 200, options={"depth": 20}),
    "deit_tiny": Recipe(side=32, options={"image_size": 32}),
    "deit_small": Recipe(3e-4, side=32, options={"image_size": 32}),
    "deit_base": Recipe(1e-4, side=32, options={"image_size": 32}),
    "plain44": Recipe(3e-3, 200, side=16),
    "plain56": Recipe(3e-3, 300, side=16),
    "text_cnn": Recipe(1e-2, options={"vocabulary": 50, "static": 0}),
    "tdnn": Recipe(3e-2, 400),
    "x_vector": Recipe(side=40),
}


def recipe_of(name: str) -> Recipe:
    recipe = RECIPES.get(name, Recipe())
    shape = card(name).input_shape
    if recipe.side is None and len(shape) == 3:
        own, smallest = shape[-1], card(name).smallest
        return replace(recipe, side=own if smallest == own or own <= 32 else max(32, smallest + 16))
    return recipe


def examples(name: str, side: int | None) -> Tensor:
    """Noise: images, or sequences that are as long as `side` says."""
    shape = card(name).input_shape
    if len(shape) == 2 and side is not None:
        return torch.randn(EXAMPLES, shape[0], side, generator=torch.Generator().manual_seed(0))
    return example(name, EXAMPLES, side=side)


@pytest.fixture(autouse=True)
def _give_memory_back() -> Iterator[None]:
    yield
    gc.collect()


def without_dropout(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.Dropout) or type(module).__name__ == "StochasticDepth":
            module.p = 0.0  # type: ignore[assignment]
    return network.train()


def error(network: nn.Module, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Loss of all heads, and whether the last one is right on each example; of a map, on most of it."""
    if isinstance(network, blockdrop.BlockDrop):
        return rewarded_error(network, x, labels)
    heads = logits(network(x))
    targets = labels if heads[0].dim() == 2 else labels[:, None, None].expand(-1, *heads[0].shape[2:])
    loss = torch.stack([F.cross_entropy(head, targets) for head in heads]).mean()
    right = (heads[-1].argmax(1) == targets).reshape(EXAMPLES, -1).float().mean(1) > 0.5
    return loss, right


def rewarded_error(network: blockdrop.BlockDrop, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """A policy has no gradient of its own: it learns from the reward of the actions that it drew."""
    probabilities = network.probabilities(x)
    actions = torch.bernoulli(probabilities.detach())
    output = network.run(x, actions)
    right = output.argmax(1) == labels
    gained = blockdrop.reward(right, actions)
    policy = blockdrop.policy_loss(probabilities, actions, gained - gained.mean())
    return F.cross_entropy(output, labels) + 0.01 * policy, right


@pytest.mark.networks(OTHERS, slow=SLOW)
def test_it_learns_sixteen_examples_by_heart_with_a_gradient_for_every_parameter(name):
    torch.manual_seed(0)
    recipe = recipe_of(name)
    options = {**classes_and_channels(name), **recipe.options, "num_classes": CLASSES}
    network = without_dropout(create_model(name, **options))
    x, labels = examples(name, recipe.side), torch.arange(EXAMPLES) % CLASSES
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    learnt = []
    for step in range(recipe.steps):
        loss, right = error(network, x, labels)
        learnt.append(int(right.sum()))
        if learnt[-1] == EXAMPLES:
            break
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            check_gradients(network)
        optimizer.step()
    assert learnt[0] < EXAMPLES, "it was right before it had learnt"
    assert learnt[-1] == EXAMPLES, f"{learnt[-1]} of {EXAMPLES} after {recipe.steps} steps, loss {loss:.3f}"


def check_gradients(network: nn.Module) -> None:
    wanted = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert [name for name, p in wanted.items() if p.grad is None] == []
    assert [name for name, p in wanted.items() if not torch.isfinite(p.grad).all()] == []
