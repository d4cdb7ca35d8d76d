"""Modules of which only the weights are known: filling them, and finding out what they are made of.

A student may call the parts of a block as they like. What a block consists of shows in its state dict: the
shapes of its convolutions, and which tensors belong to one batch normalization.
"""

import contextlib
import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

NORM = ("running_mean", "running_var", "weight", "bias")
"""The tensors of a batch normalization, as `F.batch_norm` takes them."""

Shape = tuple[int, ...]
State = Mapping[str, Tensor]


# ---- numbers for weights ----------------------------------------------------------------------------------


def randomize(module: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """Give every weight and buffer random numbers of its own; returns the state dict.

    Variances are between 1 and 2, everything else is normal; counters stay.

    Raises:
        AssertionError: two names stand for one tensor.
    """
    state = module.state_dict()
    for name, old in state.items():
        if old.is_floating_point():
            variance = name.endswith("running_var")
            random = (torch.rand if variance else torch.randn)(old.shape, generator=generator)
            state[name] = random.to(old.dtype) + variance
    module.load_state_dict(state)
    for name, tensor in module.state_dict().items():
        assert torch.equal(state[name], tensor), (
            f"{name} and another name stand for one tensor: every layer has weights of its own"
        )
    return state


def settle(module: nn.Module) -> None:
    """Give weights and buffers small whole numbers that depend on their kind and shape alone.

    So the same comes out whatever the parts are called and in which order they were made. In evaluation mode
    batch norms divide by exactly 2 and multiply by 2 or 4: whole numbers stay whole.
    """
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(_whole_numbers(name.rpartition(".")[2], tensor.shape))


def _whole_numbers(kind: str, shape: Shape) -> Tensor:
    count = torch.arange(torch.Size(shape).numel()).view(shape)
    if kind == "running_mean":
        return (count + 1) % 3 - 1.0
    if kind == "running_var":
        return torch.full(shape, 4.0 - 1e-5)  # torch adds 1e-5 before it takes the root
    if kind == "weight" and len(shape) == 1:
        return 2.0 + 2.0 * (count % 2)
    if kind == "bias":
        return (2 * count + 1) % 5 - 2.0
    cycle = torch.tensor([1.0, 0.0, -1.0, 1.0, 2.0, 0.0, -1.0, 0.0, 1.0, -2.0, 1.0])
    return cycle[count % len(cycle)]


@contextlib.contextmanager
def on_meta() -> Iterator[None]:
    """Inside, modules are made without memory for their weights, and no time is spent on first numbers."""
    with torch.device("meta"), _NoNumbers():
        yield


class _NoNumbers(TorchFunctionMode):
    """A meta tensor has no numbers; that it is filled with some takes half the time of building a network."""

    FILL = frozenset({Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_, Tensor.copy_})

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in self.FILL and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))


def thin_state(module: nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """Random numbers for all of a module's weights and buffers, as after some training, in little memory.

    The module may be on the meta device. A weight of two or more dimensions is a window, or many that
    overlap, onto a short sequence: ``weight[o, i]`` begins at place 13 o + 7 i. So a network of 25 million
    weights is described, and sent, in two megabytes. Counters are zero.
    """
    return {name: _thin(name, tensor, generator) for name, tensor in module.state_dict().items()}


def _thin(name: str, tensor: Tensor, generator: torch.Generator) -> Tensor:
    kind, shape = name.rpartition(".")[2], tensor.shape
    if not tensor.is_floating_point():
        return torch.zeros(shape, dtype=tensor.dtype)
    if tensor.dim() < 2:
        middle = {"weight": 0.7, "running_var": 1.0}.get(kind, 0.0)
        return middle + 0.4 * (torch.rand(shape, generator=generator) - 0.5)
    kernel = shape[2:].numel()
    sequence = torch.randn(13 * shape[0] + 7 * shape[1] + kernel, generator=generator)
    sequence *= (2 / (shape[1] * kernel)) ** 0.5  # variance 2 / fan-in, as in a new network
    inner = [shape[n + 1 :].numel() for n in range(2, len(shape))]
    return sequence.as_strided(shape, (13, 7, *inner))


def spread(module: nn.Module) -> None:
    """Give weights and buffers numbers as in a network after some training, by kind and shape alone."""
    for name, tensor in module.state_dict().items():
        kind = name.rpartition(".")[2]
        if not tensor.is_floating_point():
            tensor.zero_()
        elif tensor.dim() > 1:  # variance 2 / fan-in, as in a new network
            scattered = _scattered(tensor.numel()).view(tensor.shape)
            torch.mul(scattered.to(tensor.dtype), (24 / tensor[0].numel()) ** 0.5, out=tensor.detach())
        else:
            wave = 0.3 * torch.sin(torch.arange(1.0, len(tensor) + 1))
            tensor.copy_(1 + wave if kind in ("weight", "running_var") else wave)


def _scattered(count: int) -> Tensor:
    """So many numbers from -1/2 to 1/2, scattered evenly by multiples of the golden section."""
    return _long_sequence(max(count, 512 * 512 * 9))[:count]  # made once, enough for common networks


@functools.lru_cache(maxsize=1)
def _long_sequence(count: int) -> Tensor:
    return (torch.arange(count, dtype=torch.float64).mul_(0.6180339887498949).frac_().sub_(0.5)).float()


# ---- what a module is made of -----------------------------------------------------------------------------


def layers(state: State) -> tuple[list[str], list[str]]:
    """The names of all convolutions' weights and of the batch normalizations that a state dict speaks of."""
    weights = [name for name, tensor in state.items() if tensor.dim() == 4]
    norms = [name.removesuffix(".running_mean") for name in state if name.endswith(".running_mean")]
    return weights, norms


def assignments(state: State, shapes: Sequence[Shape], *, norms: bool) -> Iterator[list[tuple[str, ...]]]:
    """Every way to take a module's layers for convolutions of these weights' shapes.

    Each way lists, in the order of `shapes`, the names of (weight, running_mean, running_var, weight, bias)
    of a convolution and the batch normalization behind it, or with `norms=False` of (weight, bias) of a
    convolution. Layers of the same shape can be taken for each other, so there may be several ways.

    Raises:
        AssertionError: the module has not just these layers; the message says which.
    """
    weights, found = layers(state)
    there = sorted(tuple(state[name].shape) for name in weights)
    assert there == sorted(shapes), f"convolutions of shapes {there}, where {sorted(shapes)} belong"
    biases = [name for name in map(_bias, weights) if name in state]
    if norms:
        assert not biases, f"a convolution in front of a batch norm needs no bias; there is {biases[0]}"
        assert len(found) == len(shapes), f"{len(found)} batch norms, where {len(shapes)} belong"
    else:
        assert len(biases) == len(shapes), f"{len(biases)} of {len(shapes)} convolutions have a bias"
        assert not found, "there is no batch norm in this module"
    others = len(state) - len(weights) - len(biases) - 5 * len(found)
    assert others == 0, f"{others} tensors that belong to no convolution and no batch norm"
    for order in permutations(weights):
        if [tuple(state[name].shape) for name in order] != list(shapes):
            continue
        if not norms:
            yield [(name, _bias(name)) for name in order]
            continue
        for behind in permutations(found):
            if [len(state[f"{name}.running_mean"]) for name in behind] == [shape[0] for shape in shapes]:
                pairs = zip(order, behind, strict=True)
                yield [(name, *(f"{norm}.{part}" for part in NORM)) for name, norm in pairs]


def _bias(weight: str) -> str:
    """The name of the bias that goes with a convolution's weight."""
    return f"{weight.removesuffix('weight')}bias"


def consists_of(module: nn.Module) -> dict[str, int]:
    """How many layers of each kind a module has, in words: ``{"3 x 3 convolution, 2 to 4 channels": 1}``.

    What is reached by two names is one layer.
    """
    state: dict[str, Tensor] = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    weights, norms = layers(state)
    found: Counter[str] = Counter()
    for name in weights:
        c_out, c_in, height, width = state.pop(name).shape
        found[f"{height} x {width} convolution, {c_in} to {c_out} channels"] += 1
        if state.pop(_bias(name), None) is not None:
            found["convolution's bias"] += 1
    for name in norms:
        found[f"batch norm of {len(state[f'{name}.running_mean'])} channels"] += 1
        for part in (*NORM, "num_batches_tracked"):
            state.pop(f"{name}.{part}", None)
    for tensor in state.values():
        found[f"other tensor of shape {tuple(tensor.shape)}"] += 1
    return dict(sorted(found.items()))


def difference(expected: Mapping[str, int], got: Mapping[str, int], what: str) -> str:
    """What is too many or too few, as a sentence that begins with `what`; empty if nothing is."""
    wrong = [name for name in {**expected, **got} if expected.get(name, 0) != got.get(name, 0)]
    parts = [f"{_count(got.get(name, 0), name)} where {_belong(expected.get(name, 0))}" for name in wrong]
    return f"{what} has {'; '.join(parts)}." if parts else ""


def _count(n: int, name: str) -> str:
    """``"no batch norm of 4 channels"``, ``"2 batch norms of 4 channels"``."""
    if n == 1:
        return f"1 {name}"
    for one, many in (
        ("convolution,", "convolutions,"),
        ("norm ", "norms "),
        ("bias", "biases"),
        ("tensor", "tensors"),
    ):
        if n > 1 and one in name:
            return f"{n} {name.replace(one, many, 1)}"
    return f"no {name}" if n == 0 else f"{n} {name}"


def _belong(n: int) -> str:
    return {0: "none belongs", 1: "1 belongs"}.get(n, f"{n} belong")
