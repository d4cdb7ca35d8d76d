"""`profile`: parameters, operations and memory of a network, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from coursekit.flops import tables
from coursekit.flops.rows import Field, Row, Uncounted, operations, rows_of, uncounted_in
from coursekit.flops.trace import run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CONVENTIONS", "Profile", "profile"]

CONVENTIONS = ("mac", "2mac", "lecture")


@dataclass(frozen=True)
class Profile:
    """What a network costs for one input; `profile` makes it.

    Attributes:
        network: name in the zoo, or of the class.
        input_shape: without the batch.
        rows: in the order in which they ran.
        uncounted: ATen operation -> how often and where, for those that no formula is known for; their cost
            is in none of the sums.
        peak_bytes: most bytes alive at once in tensors that the run made, with nothing kept for backward:
            what inference needs beside parameters and input.
    """

    network: str
    input_shape: tuple[int, ...]
    rows: tuple[Row, ...]
    uncounted: Mapping[str, Uncounted]
    peak_bytes: int
    measure: Callable[[], tuple[Field, ...]] = field(repr=False, compare=False)

    @property
    def params(self) -> int:
        """Parameters with biases, shared ones once, those of modules that did not run included."""
        return sum(row.params for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-adds of convolutions, linear layers and matrix products."""
        return sum(row.macs for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """Bytes of the outputs of all layers, as the lecture's table adds them up.

        Layers are the rows for which `Row.is_layer` holds, flattening included although it only is a view;
        norms, activations and sums are not, whose outputs mostly share memory or can. What really lies in
        memory say `peak_bytes` and `saved_bytes`.
        """
        return sum(row.activation_bytes for row in self.rows if row.is_layer)

    @property
    def saved_bytes(self) -> int:
        """Bytes that autograd keeps for backward, parameters and buffers left out, the input counted in."""
        return sum(row.saved_bytes for row in self.rows)

    def flops(self, convention: str = "mac") -> int:
        """Operations of the forward pass. A figure without its convention means nothing.

        - `"mac"`: one multiply-add is one operation, and only convolutions, linear layers and matrix products
          count. So count most papers, torchvision, and the lectures' tables of AlexNet, VGG and ResNet.
        - `"2mac"`: the same, with multiplication and addition counted apart: twice as many. This is torch's
          own counter, and the lectures' 2 D₁F² D₂H₂W₂: the sums of n products take n - 1 additions, the bias
          one more. (Without a bias that last addition is counted all the same.)
        - `"lecture"`: one multiply-add is one operation, and everything else counts as well: one operation
          for each number that a pooling window looks at, one for each number that an activation, a sum or a
          product of maps or a folded batch norm gives, five for each number of a layer norm or a softmax. So
          the lectures count squeeze-and-excitation: 8CHW + 2C² + 17C/4.

        Raises:
            ValueError: for another convention.
        """
        if convention not in CONVENTIONS:
            raise ValueError(f"convention is {convention!r}; choose one of {', '.join(CONVENTIONS)}")
        return sum(operations(row, convention) for row in self.rows)

    def receptive_fields(self) -> tuple[Field, ...]:
        """One for each row, measured with `coursekit.probe` when they are first asked for.

        Rows that are no layers (norms, activations) have none. Behind what looks at the whole map, such as
        global pooling, squeeze-and-excitation or attention, none is defined and the note says why.
        """
        return self._fields

    @cached_property
    def _fields(self) -> tuple[Field, ...]:
        return self.measure()

    def to_dataframe(self, *, fields: bool = False) -> Any:
        """A pandas data frame, one line a row, bytes as bytes.

        Args:
            fields: with receptive field, stride and padding.

        Raises:
            ImportError: without pandas, with the command that installs it.
        """
        return tables.dataframe(self, fields=fields)

    def to_markdown(self, *, layers_only: bool = False, fields: bool = False) -> str:
        """The table in Markdown, with a line of totals; KB are 1024 bytes.

        Args:
            layers_only: the lecture's rows only; costs of the rows between them are in the totals.
            fields: with receptive field, stride and padding.
        """
        return tables.markdown(self, layers_only=layers_only, fields=fields)

    def plot(self, *, convention: str = "mac") -> Figure:
        """The lecture's three charts: memory, parameters and operations of each layer.

        Networks of many layers are drawn by block. Show it with `viz.show(p.plot(), alt=p.alt)`.
        """
        from coursekit.flops import pictures

        return pictures.three_bars(self, convention)

    @property
    def alt(self) -> str:
        """What `plot` shows, in words."""
        from coursekit.flops import pictures

        return pictures.describe(self)

    def __str__(self) -> str:
        return tables.text(self)

    def _repr_markdown_(self) -> str:
        return self.to_markdown(layers_only=True)


def profile(
    model: nn.Module | str,
    input_size: Sequence[int] | None = None,
    *,
    device: str | torch.device = "meta",
    inputs: Any = None,
    training: bool = False,
) -> Profile:
    """Run a network once and count what runs: layers, functional calls, attention, whatever calls it.

    On the meta device nothing is computed and no memory is taken, whatever the network's size and wherever
    its weights are. The network is neither copied nor changed nor left with hooks.

    Args:
        model: any module, or a name of `coursekit.models.list_models()`, which is built without its weights.
        input_size: `(C, H, W)` of one image, `(features,)`, ...; `(T,)` are tokens where the network has an
            embedding. By default that of the name's card.
        device: where to run. Another one than `"meta"` computes: for networks that look at numbers, such as
            early exits.
        inputs: an input, or a tuple of them, instead of `input_size`; counts are then those of the whole
            batch.
        training: count in training mode: dropout, batch statistics, heads that only train. By default in
            evaluation mode, with the same memory for backward but for these.

    Raises:
        ValueError: for an unknown name, a missing or unfitting input, or a network that looks at numbers,
            which the meta device does not have.
    """
    device = torch.device(device)
    network, model, input_size = _network(model, input_size, device)
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError("a scripted module cannot be profiled: profile the module it was made of")
    if any(isinstance(p, nn.parameter.UninitializedParameter) for p in model.parameters()):
        raise ValueError("the network has lazy parameters: run it once, then profile it")
    if device.type != "meta" and any(p.device.type == "meta" for p in model.parameters()):
        raise ValueError(f"the network's weights are on the meta device, so it cannot run on {device}")
    if inputs is None:
        inputs = _example(model, input_size, device)
    inputs = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    try:
        ran = run(model, inputs, device=device, training=training)
    except (NotImplementedError, RuntimeError) as error:
        if device.type != "meta" or "meta" not in str(error):
            raise
        raise ValueError(
            f"{network} looks at numbers, and the meta device has none: pass device='cpu' ({error})"
        ) from error
    rows = tuple(rows_of(ran))
    shape = next((tuple(x.shape[1:]) for x in inputs if isinstance(x, Tensor)), ())

    def measure() -> tuple[Field, ...]:
        from coursekit.flops.fields import measured

        return measured(model, shape, rows)

    return Profile(network, shape, rows, uncounted_in(ran.calls), ran.peak_bytes, measure)


def _network(
    model: nn.Module | str, input_size: Sequence[int] | None, device: torch.device
) -> tuple[str, nn.Module, Sequence[int] | None]:
    """Name, module and input size; a name is built on the device, on the meta device without weights."""
    if not isinstance(model, str):
        return type(model).__name__, getattr(model, "_orig_mod", model), input_size
    from coursekit.models import card, create_model

    known = card(model)
    wanted = known.input_shape if input_size is None else tuple(input_size)
    options = {"num_classes": known.num_classes} | ({"in_channels": wanted[0]} if len(wanted) > 1 else {})
    with device, _NoInitialization() if device.type == "meta" else nullcontext():
        return model, create_model(model, **options), wanted


class _NoInitialization(TorchFunctionMode):
    """Leaves out what fills tensors: there are no numbers, and torch would import its compiler for it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        filled = args[0] if args else kwargs.get("tensor")  # nn.init passes it by name
        if func.__name__ in _FILLING and isinstance(filled, Tensor) and filled.device.type == "meta":
            return filled
        return func(*args, **kwargs)


_FILLING = frozenset({
    "normal_", "uniform_", "trunc_normal_", "constant_", "fill_", "zero_", "ones_", "zeros_", "orthogonal_",
    "kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_", "copy_", "clamp_", "erfinv_",
    "mul_", "add_", "dirac_", "eye_", "random_", "exponential_",
})  # fmt: skip


def _example(model: nn.Module, input_size: Sequence[int] | None, device: torch.device) -> Tensor:
    """A batch of one."""
    if input_size is None:
        raise ValueError("input_size is missing: give (C, H, W) of one image, or inputs=")
    sizes = tuple(input_size)
    if not sizes or any(not isinstance(size, int) or size < 1 for size in sizes):
        raise ValueError(f"input_size is {input_size}; give whole numbers from 1 on, such as (3, 224, 224)")
    if len(sizes) == 1 and any(isinstance(m, nn.Embedding | nn.EmbeddingBag) for m in model.modules()):
        return torch.zeros(1, *sizes, dtype=torch.int64, device=device)
    weights = (p.dtype for p in model.parameters() if p.is_floating_point())
    return torch.zeros(1, *sizes, dtype=next(weights, torch.float32), device=device)
