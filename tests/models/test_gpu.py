"""Every network of the zoo on a GPU: logits, autocast with channels last, one compiled graph, gradients."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from coursekit.models import create_model, list_models
from tests.models.zoo import classes_and_channels, example, logits, small_example

NAMES = list_models()

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


# Every block with standardized weights enlarges the rounding of bfloat16's eight bits: to 0.6 and 0.8 of the
# logits in the end. float16 has eleven.
ELEVEN_BITS = {"bit_resnet101", "bit_resnet152"}
# What PyTorch 2.11 makes of Inception-v4's last stage is wrong on maps of one pixel (2.13 on a CPU is right):
# on larger images they have three.
COMPILED_SIDE = {"inception_v4": 160}


@pytest.fixture(autouse=True)
def _float32_is_float32_and_nothing_is_left() -> Iterator[None]:
    """Without the tensor cores' shorter float32, which would hide a wrong layer behind its rounding."""
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield
    torch._dynamo.reset()
    gc.collect()
    torch.cuda.empty_cache()


def network_and_example(name: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    network = create_model(name, **{**classes_and_channels(name), "num_classes": 5}).eval()
    return network, small_example(name)


def channels_last(network: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor]:
    """Both in the memory order that half precision is fast in; sequences have no such order."""
    network = network.to(memory_format=torch.channels_last)
    return network, x.to(memory_format=torch.channels_last) if x.dim() == 4 else x


def distance(one: Tensor, other: Tensor) -> float:
    """Relative to the first in the Euclidean norm; where that is all zeros, 0 if the other is too."""
    return float((one - other.to(one)).norm() / one.norm().clamp(min=1e-12))


@pytest.mark.parametrize("name", NAMES)
def test_it_gives_the_logits_of_the_cpu(name):
    network, x = network_and_example(name)
    with torch.no_grad():
        expected = [part.clone() for part in logits(network(x))]
        found = logits(network.to("cuda")(x.to("cuda")))
    for one, other in zip(expected, found, strict=True):
        assert other.device.type == "cuda"
        assert distance(one, other) <= 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_under_autocast_and_channels_last_it_stays_near_its_float32_logits(name):
    network, x = network_and_example(name)
    network, x = network.to("cuda"), x.to("cuda")
    with torch.no_grad():
        exact = [part.clone() for part in logits(network(x))]
        network, x = channels_last(network, x)
        with torch.autocast("cuda", dtype=torch.float16 if name in ELEVEN_BITS else torch.bfloat16):
            half = logits(network(x))
    for one, other in zip(exact, half, strict=True):
        assert torch.isfinite(other).all()
        assert distance(one, other) <= 0.3  # eight bits, through a hundred layers


@pytest.mark.parametrize("name", NAMES)
def test_it_compiles_into_one_graph_that_gives_its_own_logits(name):
    network, x = network_and_example(name)
    if name in COMPILED_SIDE:
        x = example(name, 2, side=COMPILED_SIDE[name])
    network, x = network.to("cuda"), x.to("cuda")
    with torch.no_grad():
        expected = [part.clone() for part in logits(network(x))]
        found = logits(torch.compile(network, fullgraph=True)(x))
    for one, other in zip(expected, found, strict=True):
        assert distance(one, other) <= 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_training_in_half_precision_leaves_finite_gradients(name):
    network, x = channels_last(*network_and_example(name))
    network, x = network.to("cuda").train(), x.to("cuda")
    with torch.autocast("cuda", dtype=torch.bfloat16):
        heads = logits(network(x))
    torch.stack([head.float().square().mean() for head in heads]).sum().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
