"""Every network that torchvision has too: same weights, same logits, same step of training.

The weights are torchvision's own random ones. They are loaded through our rename table with `strict=True`, so
a layer that is missing, superfluous or of another shape is an error before any number is compared.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from coursekit.models import card, create_model, from_torchvision, list_models
from tests.models.zoo import logits, parameters

# Ours by default is the paper's; torchvision's weights were trained with other details.
OUR_OPTIONS = {"googlenet_bn": {"as_in_torchvision": True}}
THEIR_NAMES = {"googlenet_bn": "googlenet"}
THEIR_OPTIONS = {"googlenet_bn": {"aux_logits": True, "init_weights": False}}


def in_torchvision(name: str) -> bool:
    try:
        from_torchvision(name, {})
    except ValueError:
        return False
    return True


SHARED = [name for name in list_models() if in_torchvision(name)]
MISSING = set(torchvision.models.list_models(module=torchvision.models)) & set(list_models()) - set(SHARED)
SEED = 20


@pytest.fixture(autouse=True)
def _give_memory_back() -> Iterator[None]:
    yield
    gc.collect()


def test_no_network_that_torchvision_has_is_left_out():
    assert {"googlenet"} >= MISSING, "add their rename tables"  # ours under this name is the paper's
    assert len(SHARED) >= 35


def theirs(name: str) -> nn.Module:
    torch.manual_seed(SEED)
    builder = torchvision.models.get_model_builder(THEIR_NAMES.get(name, name))
    network = builder(weights=None, **THEIR_OPTIONS.get(name, {}))
    for key, parameter in network.named_parameters():
        if key.endswith("layer_scale"):  # 1e-6 when fresh, which would hide whatever a block does
            nn.init.uniform_(parameter, 0.1, 0.5)
        elif key.startswith("heads."):  # zero when fresh, and so would be every logit
            nn.init.normal_(parameter, std=0.02)
    return network


def ours_with_weights_of(name: str, network: nn.Module) -> nn.Module:
    """Built without memory, then given a copy of torchvision's weights."""
    with torch.device("meta"):
        ours = create_model(name, **OUR_OPTIONS.get(name, {}))
    state = {key: value.clone() for key, value in network.state_dict().items()}
    ours.load_state_dict(from_torchvision(name, state), strict=True, assign=True)
    return ours


def without_chance(network: nn.Module) -> nn.Module:
    """In training mode with nothing dropped."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
        if type(module).__name__ == "StochasticDepth":
            module.p = 0.0  # type: ignore[assignment]
    return network.train()


def losses_around_one_step(network: nn.Module, images: Tensor, labels: Tensor) -> list[float]:
    """Loss on one batch before and after a step of gradient descent on it."""
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(2):
        loss = sum((F.cross_entropy(head, labels) for head in logits(network(images))), torch.zeros(()))
        losses.append(loss.item())
        if len(losses) == 1:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return losses


@pytest.mark.networks(SHARED)
def test_torchvisions_weights_give_the_same_logits_and_the_same_step_of_training(name, record_property):
    record_property("tally", "networks equal to torchvision's, in evaluation and after a step of training")
    reference = theirs(name).eval()
    ours = ours_with_weights_of(name, reference).eval()
    assert parameters(ours) == parameters(reference)

    generator = torch.Generator().manual_seed(SEED)
    batch = 2 if parameters(ours) < 60e6 else 1
    images = torch.randn(batch, *card(name).input_shape, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), reference(images), atol=1e-5, rtol=1e-5)

    small = images if "vit" in name else torch.randn(2, 3, 64, 64, generator=generator)
    labels = torch.randint(0, 1000, (len(small),), generator=generator)
    step = losses_around_one_step(without_chance(ours), small, labels)
    for parameter in ours.parameters():
        parameter.grad = None
    expected = losses_around_one_step(without_chance(reference), small, labels)
    assert step == pytest.approx(expected, abs=1e-4)
    assert abs(step[1] - step[0]) > 1e-6, "the step changed nothing, so it shows nothing"
