"""Public checks of topic 04, three functions that take a network apart.

The networks that they get are built here, of the given blocks, with weights known by kind and shape. What
comes out is known too: it stands in `expected.json`, since code that works it out would be the answer.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coursekit.blocks import ResidualBlock, SmallResNet, branch, nested
from coursekit.check.cases import Case, Exercise
from coursekit.check.modules import on_meta, settle, spread
from coursekit.check.values import type_name

from .networks import ramp

Answer = Callable[..., Any]
Make = Callable[[], nn.Module]

EXPECTED = Path(__file__).with_name("expected.json")


@functools.cache
def _known() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return found


# ---- networks to take apart -------------------------------------------------------------------------------


def _one_block() -> nn.Sequential:
    return nn.Sequential(ResidualBlock(branch(1, 1, 1)))


def _widening() -> nn.Sequential:
    way = nn.Sequential(nn.Conv2d(1, 2, 1, 2, bias=False), nn.BatchNorm2d(2))
    return nn.Sequential(ResidualBlock(branch(1, 3, 2, stride=2), way))


def _small() -> nn.Module:
    return SmallResNet((2, 3), num_classes=3)


def _filled(make: Make, fill: Callable[[nn.Module], None]) -> nn.Module:
    """The same network at every call, in evaluation mode."""
    with on_meta():
        network = make()
    network = network.to_empty(device="cpu").eval()
    fill(network)
    return network


def _blocks_of(network: nn.Module) -> dict[str, ResidualBlock]:
    return {name: part for name, part in network.named_modules() if isinstance(part, ResidualBlock)}


# ---- plain_twin -------------------------------------------------------------------------------------------


def _twin_case(
    title: str, make: Make, x: Tensor, fill: Callable[[nn.Module], None], training: bool = False
) -> Case:
    def use(plain_twin: Answer, x: Tensor) -> Tensor:
        network = _filled(make, fill).train(training)
        twin = plain_twin(network)
        if not isinstance(twin, nn.Module):
            raise TypeError(f"an nn.Module was asked for, not an object of type {type_name(twin)}")
        with torch.no_grad():
            out: Tensor = twin(x)
        return out

    return Case(
        title,
        args=lambda: (x.clone(),),
        names=("x",),
        use=use,
        expected=lambda x: torch.tensor(_known()["plain_twin"][title]),
        call=f"plain_twin(model{'.train()' if training else '.eval()'})(x)",
    )


def _after_twin(plain_twin: Answer) -> dict[str, object]:
    """What became of the model, and what its twin has of it."""
    network = _filled(_small, spread)
    network.get_submodule("layer1").train()
    network.get_submodule("layer1.0.branch.1").eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    twin = plain_twin(network)
    now, twins = network.state_dict(), twin.state_dict()
    ours = {tensor.data_ptr() for tensor in now.values() if tensor.numel()}
    kept = _numbers(tensor for name, tensor in before.items() if "downsample" not in name)
    return {
        "residual blocks that the model still has": len(_blocks_of(network)),
        "the twin is another module": twin is not network,
        "tensors shared by both": sum(tensor.data_ptr() in ours for tensor in twins.values()),
        "tensors of the model that changed": sum(
            not torch.equal(now[name], before[name]) for name in before if name in now
        ),
        "the twin has all other weights": _numbers(twins.values()) == kept,
        "norms of the twin in training mode": sum(
            part.training for part in twin.modules() if isinstance(part, nn.BatchNorm2d)
        ),
    }


def _numbers(tensors: Any) -> list[list[float]]:
    return sorted(tensor.flatten().tolist() for tensor in tensors)


PLAIN_TWIN = Exercise(
    id="plain_twin",
    functions=("plain_twin",),
    cases=(
        _twin_case("one block", _one_block, ramp(1, 1, 3, 3), settle),
        _twin_case("a block with a shortcut of its own", _widening, ramp(1, 1, 3, 5), settle),
        _twin_case("blocks in the stages of a network", _small, ramp(2, 1, 6, 5), spread),
        _twin_case("blocks at several depths", nested, ramp(2, 1, 6, 7), spread),
        _twin_case("training mode", _small, ramp(3, 1, 6, 5, cycle=13), spread, training=True),
        Case(
            "the model afterwards, and its twin",
            args=tuple,
            use=_after_twin,
            expected=lambda: {
                "residual blocks that the model still has": 4,
                "the twin is another module": True,
                "tensors shared by both": 0,
                "tensors of the model that changed": 0,
                "the twin has all other weights": True,
                "norms of the twin in training mode": 3,
            },
            call="twin = plain_twin(model)",
        ),
    ),
    hints=(
        "What is to be exchanged in the network, and for what? And what is to be done before anything is "
        "exchanged, if the model is to stay as it is?",
        "`copy.deepcopy` copies a module with all its weights. `named_modules()` gives every module with its "
        "name at any depth, and `set_submodule(name, new)` puts another one in the place of that name.",
        "In words: copy the model. Make a list of the names and modules of the copy; where one is a "
        "`ResidualBlock`, put a `PlainBlock` with the same branch in its place. A new module is in training "
        "mode: give it, and nothing below it, the mode of the one that it replaces.",
    ),
)


# ---- zero_init_residual -----------------------------------------------------------------------------------


def _zeroed(zero_init_residual: Answer, make: Make) -> dict[str, object]:
    """Which tensors became zero, which changed in another way, and what came back."""
    network = _filled(make, spread)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    weights = dict(network.named_parameters())
    returned = zero_init_residual(network)
    now = network.state_dict()
    changed = [name for name in before if name not in now or not torch.equal(before[name], now[name])]
    return {
        "returned": returned if returned is None else type_name(returned),
        "became zero": [name for name in changed if name in now and not now[name].any()],
        "changed otherwise": [name for name in changed if name not in now or now[name].any()],
        "exchanged for a new tensor": [
            name for name, weight in network.named_parameters() if weights.get(name) is not weight
        ],
        "cannot be trained any more": [
            name for name, weight in network.named_parameters() if not weight.requires_grad
        ],
        "norms in evaluation mode": sum(
            not part.training for part in network.modules() if isinstance(part, nn.BatchNorm2d)
        ),
    }


def _to_zero(make: Make) -> dict[str, object]:
    network = _filled(make, spread)
    return {
        "returned": None,
        "became zero": [
            f"{name}.branch.{len(block.branch) - 1}.weight" for name, block in _blocks_of(network).items()
        ],
        "changed otherwise": [],
        "exchanged for a new tensor": [],
        "cannot be trained any more": [],
        "norms in evaluation mode": sum(isinstance(part, nn.BatchNorm2d) for part in network.modules()),
    }


def _zero_case(title: str, make: Make) -> Case:
    return Case(
        title,
        args=tuple,
        use=lambda zero_init_residual: _zeroed(zero_init_residual, make),
        expected=lambda: _to_zero(make),
        call="zero_init_residual(model)",
    )


def _after_zero_init(zero_init_residual: Answer, x: Tensor) -> Tensor:
    """What a new block makes of an image in training mode."""
    network = _one_block()
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            settle(part)
    zero_init_residual(network)
    with torch.no_grad():
        out: Tensor = network(x)
    return out


ZERO_INIT_RESIDUAL = Exercise(
    id="zero_init_residual",
    functions=("zero_init_residual",),
    cases=(
        _zero_case("one block", _one_block),
        _zero_case("a block with a shortcut of its own", _widening),
        _zero_case("blocks in the stages of a network", _small),
        _zero_case("blocks at several depths, and a plain one", nested),
        Case(
            "what a new block computes",
            args=lambda: (ramp(2, 1, 3, 3, start=-2),),
            names=("x",),
            use=_after_zero_init,
            expected=F.relu,
            call="zero_init_residual(model); model(x)",
        ),
    ),
    hints=(
        "F(x) comes out of a batch normalization. With which of its tensors can you make everything that "
        "leaves it zero, without touching a convolution?",
        "A norm ends with scale * x + shift, and in a new network the shift is zero. `model.modules()` "
        "gives every module at every depth; the branch of a block is a Sequential, and its last part is "
        "`branch[-1]`.",
        "In words: for every module of the model that is a `ResidualBlock`, fill the weight of the last "
        "part of its branch with zeros. `nn.init` has functions that change a parameter in place, without "
        "autograd watching.",
    ),
)


# ---- gradient_norms ---------------------------------------------------------------------------------------


def _batch(images: int) -> tuple[Tensor, Tensor]:
    return ramp(images, 1, 6, 5, cycle=13), torch.arange(images) % 3


def _known_norms(title: str) -> list[tuple[object, object]]:
    return list(_known()["gradient_norms"][title].items())


def _in_order(norms: object) -> list[tuple[object, object]]:
    """Names and norms as a list, since two dicts are equal in any order."""
    if not isinstance(norms, dict):
        raise TypeError(f"a dict was asked for, not an object of type {type_name(norms)}")
    return list(norms.items())


def _norms_case(title: str, make: Make, images: int, training: bool = False) -> Case:
    return Case(
        title,
        args=lambda: _batch(images),
        names=("x", "y"),
        use=lambda gradient_norms, x, y: _in_order(
            gradient_norms(_filled(make, spread).train(training), x, y)
        ),
        expected=lambda x, y: _known_norms(title),
        call=f"gradient_norms(model{'.train()' if training else '.eval()'}, x, y)",
    )


def _after_norms(gradient_norms: Answer, x: Tensor, y: Tensor) -> dict[str, object]:
    """The model after a call, when it had gradients before, and one norm in evaluation mode."""
    network = _filled(_small, spread).train()
    network.get_submodule("bn1").eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for weight in network.parameters():
        weight.grad = torch.ones_like(weight)
    norms = gradient_norms(network, x, y)
    now, gradients = network.state_dict(), [weight.grad for weight in network.parameters()]
    return {
        "norms": _in_order(norms),
        "tensors that changed": [name for name in before if not torch.equal(before[name], now[name])],
        "gradients that are gone": gradients.count(None),
        "gradients that changed": sum(old is not None and bool((old != 1).any()) for old in gradients),
        "modules in training mode": sum(part.training for part in network.modules()),
    }


def _before_norms(x: Tensor, y: Tensor) -> dict[str, object]:
    network = _filled(_small, spread).train()
    network.get_submodule("bn1").eval()
    training = sum(part.training for part in network.modules())
    return {
        "norms": _known_norms("the model afterwards"),
        "tensors that changed": [],
        "gradients that are gone": 0,
        "gradients that changed": 0,
        "modules in training mode": training,
    }


GRADIENT_NORMS = Exercise(
    id="gradient_norms",
    functions=("gradient_norms",),
    cases=(
        _norms_case("one image, evaluation mode", _small, 1),
        _norms_case("four images, evaluation mode", _small, 4),
        _norms_case("four images, training mode", _small, 4, training=True),
        _norms_case("blocks at several depths, and a plain one", nested, 3),
        Case(
            "the model afterwards",
            args=lambda: _batch(4),
            names=("x", "y"),
            use=_after_norms,
            expected=_before_norms,
            call="gradient_norms(model.train(), x, y), with gradients left from before",
        ),
    ),
    hints=(
        "One backward pass is enough: afterwards every parameter knows its own gradient. What belongs to "
        "one block is what `block.parameters()` gives.",
        "The norm of several tensors together is the root of the sum of all their squares, not the sum of "
        "their norms. A forward pass in training mode moves the running statistics, and a backward pass "
        "adds to what is in `.grad`: how do you do both without leaving a trace?",
        "In words: work on a deep copy of the model. Clear its gradients, compute the cross-entropy, go "
        "backward. Then walk through `named_modules()`, and for every block add up the squares of all its "
        "parameters' gradients; the root of it is a Python float.",
    ),
)
