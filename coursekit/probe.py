"""Properties of networks and functions, measured instead of derived.

A receptive field is the set of input pixels that one output unit depends on. `measure` and `receptive_field`
find its ends by running the network on an image in which every pixel carries its coordinate, and with layers
that pass on the smallest and the largest coordinate of its window instead of computing with weights.
`support` finds every pixel of it by the gradient of that unit with respect to the input, with weights that
are all the same positive constant, so that no gradient vanishes by accident. Non-linearities, normalization
and dropout let everything through in both.

    for row in measure(create_model("alexnet"), (3, 227, 227)):
        print(row)

    receptive_field(network, 64)            # Field(size=19, stride=8, padding=2)
    equivariance_gap(network, x, shift=(4, 4))
    latency(network, x)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coursekit.coordinates import EVERYTHING, coordinates_run
from coursekit.cost import Timing, latency, memory, synchronize
from coursekit.positive import positive_run
from coursekit.tracing import Event, shapes_run

__all__ = [
    "Field",
    "LayerProbe",
    "Timing",
    "equivariance_gap",
    "influence",
    "latency",
    "measure",
    "memory",
    "output_shapes",
    "receptive_field",
    "support",
    "synchronize",
]

LARGEST_SIDE = 8000  # pixels of the largest input that is tried
LISTED = ("conv", "pool", "linear", "flatten")


@dataclass(frozen=True)
class Field:
    """The receptive field of the units of one layer, in input pixels.

    Attributes:
        size: from the first to the last pixel that a unit far from the border depends on, along one axis.
        stride: how far the fields of two neighbouring units lie apart (the effective stride).
        padding: how far the field of unit 0 begins before the image (the effective padding).
    """

    size: int
    stride: int
    padding: int


@dataclass(frozen=True)
class LayerProbe:
    """One row of a network's table.

    Attributes:
        name: the module's path in the network.
        output_shape: `(C, H, W)`, or `(features,)` behind a flattening.
        size: receptive field in input pixels; None where it is not defined.
        stride: effective stride in input pixels; None likewise.
        padding: effective padding in input pixels; None likewise.
        note: why there is no field; empty where there is one.
    """

    name: str
    output_shape: tuple[int, ...]
    size: int | None
    stride: int | None
    padding: int | None
    note: str = ""


def output_shapes(network: nn.Module, input_shape: Sequence[int]) -> list[tuple[str, tuple[int, ...]]]:
    """Name and output shape of every convolution, pooling, flattening and fully connected layer, in order.

    The network is run on meta tensors: nothing is computed, whatever its size.

    Args:
        network: any module.
        input_shape: `(C, H, W)`.
    """
    events, _ = shapes_run(network, input_shape)
    return [(event.name, tuple(event.output.shape[1:])) for event in events if event.kind in LISTED]


def measure(network: nn.Module, input_shape: Sequence[int], *, axis: int | None = None) -> list[LayerProbe]:
    """The network's table, row by row: output shape, receptive field, effective stride and padding.

    A row is a convolution, a pooling, a flattening or a fully connected layer, in the order in which they
    run. A fully connected layer behind a map is measured as the convolution that it is, with the whole
    incoming map as its kernel, on an input large enough that no border cuts the field. Activations,
    normalization, dropout, and an adaptive pooling whose input has the wanted size already, change neither
    shape nor field and have no row.

    Args:
        network: any module that takes `(N, C, H, W)`; it is left as it was.
        input_shape: `(C, H, W)`.
        axis: 0 measures along the height, 1 along the width; None needs both to be the same.

    Raises:
        ValueError: when height and width differ and no axis is given, or the network cannot run on this
            input.
    """
    before, _ = shapes_run(network, input_shape)
    fields = _fields(network, before, input_shape, axis)
    rows = []
    for event, field in zip(before, fields, strict=False):
        if event.kind not in LISTED:
            continue
        shape = tuple(event.output.shape[1:])
        if isinstance(field, Field):
            rows.append(LayerProbe(event.name, shape, field.size, field.stride, field.padding))
        else:
            rows.append(LayerProbe(event.name, shape, None, None, None, field))
    return rows


def receptive_field(
    network: nn.Module,
    input_size: int | Sequence[int],
    *,
    position: tuple[int, int] | None = None,
    axis: int | None = None,
) -> Field:
    """Receptive field, effective stride and effective padding of the network's output units.

    Args:
        network: any module that takes `(N, C, H, W)`; it is left as it was.
        input_size: side of a square image, `(H, W)`, or `(C, H, W)`.
        position: row and column of an output unit on an input of exactly this size: `size` then counts the
            pixels that it really sees, fewer at the border than inside. None measures a unit that no border
            cuts.
        axis: 0 measures along the height, 1 along the width; None needs both to be the same.

    Raises:
        ValueError: where no field is defined (global pooling sees the whole input), or when height and width
            differ and no axis is given.
        IndexError: for a position outside the output.
    """
    shape = _input_shape(network, input_size)
    before, _ = shapes_run(network, shape)
    field = _fields(network, before, shape, axis, only_output=True)[-1]
    if not isinstance(field, Field):
        raise ValueError(f"the output has no receptive field of a fixed size: {field}")
    if position is None:
        return field
    seen = support(network, input_size, position)
    sizes = [_extent(seen.any(1)), _extent(seen.any(0))]
    return Field(_along([end - start + 1 for start, end in sizes], axis), field.stride, field.padding)


def support(network: nn.Module, input_size: int | Sequence[int], position: tuple[int, int]) -> Tensor:
    """The input pixels that one output unit depends on, as a boolean map `(H, W)`.

    Args:
        network: any module that takes `(N, C, H, W)`; it is left as it was.
        input_size: side of a square image, `(H, W)`, or `(C, H, W)`.
        position: row and column of the output unit.

    Raises:
        IndexError: for a position outside the output.
    """
    shape = _input_shape(network, input_size)
    x, output = positive_run(network, shape)
    return _gradient(_map(output), x, position) != 0


def influence(
    network: nn.Module, x: Tensor, position: tuple[int, int] | None = None, *, channel: int | None = None
) -> Tensor:
    """How strongly each pixel moves one output unit: the gradient's size, `(H, W)`, for the real weights.

    Not every pixel of the receptive field counts the same (Luo et al.: Understanding the effective receptive
    field in deep convolutional neural networks, NIPS 2016).

    Args:
        network: any module; its output is `(1, C, H, W)` or `(1, features)`.
        x: one image `(1, C, H, W)` or `(C, H, W)`.
        position: row and column of the output unit; by default the middle.
        channel: of the output; by default the sum over all.

    Raises:
        IndexError: for a position outside the output.
    """
    x = (x if x.dim() == 4 else x[None]).detach().clone().requires_grad_()
    output = _map(network(x))
    if channel is not None:
        output = output[:, channel : channel + 1]
    height, width = output.shape[2:]
    return _gradient(output, x, position or (height // 2, width // 2))


def equivariance_gap(function: Callable[[Tensor], Tensor], x: Tensor, shift: tuple[int, int]) -> float:
    """How far the function is from moving its output along with its input.

    The largest difference between f(shifted x) and shifted f(x), as a share of the largest |f(x)|: 0 for
    equivariance. Shifts are circular, so that nothing is lost at the border; zero padding shows up as a gap.
    An output without height and width (class scores) is not shifted: then 0 means invariance.

    Args:
        function: maps `(N, C, H, W)` to `(N, C', H', W')` or `(N, features)`.
        x: images `(N, C, H, W)`.
        shift: rows down and columns to the right, in input pixels.

    Raises:
        ValueError: when a smaller output would have to move by a part of a pixel.
    """
    with torch.no_grad():
        before, after = function(x), function(x.roll(shift, (-2, -1)))
        if before.dim() == 4:
            moves = []
            for axis, step in zip((-2, -1), shift, strict=True):
                move, rest = divmod(step * before.shape[axis], x.shape[axis])
                if rest:
                    raise ValueError(
                        f"a shift of {step} pixels is no whole number of pixels in an output of "
                        f"{before.shape[axis]} for an input of {x.shape[axis]}"
                    )
                moves.append(move)
            before = before.roll(moves, (-2, -1))
        difference, scale = (after - before).abs().max().item(), before.abs().max().item()
    return difference / scale if scale else float("inf" if difference else 0)


def _fields(
    network: nn.Module,
    before: Sequence[Event],
    shape: Sequence[int],
    axis: int | None,
    *,
    only_output: bool = False,
) -> list[Field | str]:
    """Field, or the reason why there is none, of every layer and, last, of the output."""
    wanted = (0, 1) if axis is None else (axis,)
    measured = [_fields_along(network, before, shape, i, only_output) for i in wanted]
    return [_along(fields * (2 // len(wanted)), axis) for fields in map(list, zip(*measured, strict=True))]


def _fields_along(
    network: nn.Module, before: Sequence[Event], shape: Sequence[int], axis: int, only_output: bool
) -> list[Field | str]:
    """Along one axis. The image grows until no border cuts a field."""
    fields: list[Field | str | None] = [None] * (len(before) + 1)
    if only_output:
        fields[:-1] = [""] * len(before)
    side = max(shape[1 + axis], 8) * 2
    while None in fields:
        events, output, stop = coordinates_run(network, before, shape[0], side, axis)
        layers = [(event.output, event.reason) for event in events]
        if output is not None:
            layers.append((output, events[-1].reason if events else ""))
        for i, (layer, reason) in enumerate(layers):
            if fields[i] is None:
                fields[i] = _field(layer, side, axis, reason)
        if stop:
            fields[len(events) :] = [field or stop for field in fields[len(events) :]]
        side *= 2
        if side > LARGEST_SIDE:
            return [f"not inside {side // 2} pixels" if field is None else field for field in fields]
    return [field for field in fields if field is not None]


def _field(layer: Tensor, side: int, axis: int, reason: str) -> Field | str | None:
    """Measured at two neighbours in the middle of a layer; None when the border cuts one of them.

    Args:
        layer: `(2, C, H, W)`: the largest coordinate that each unit sees, and the smallest one negated.
        side: of the image.
        axis: that is measured.
        reason: why units see everything, where they do.
    """
    if layer.dim() not in (2, 4):
        return f"not a map: its shape is {tuple(layer.shape)}"
    ends = _map(layer).amax((1, 3 - axis))
    unit = max(ends.shape[1] // 2 - 1, 0)
    (last, *last_of_next), (start, *start_of_next) = ends[:, unit : unit + 2].tolist()
    if last == EVERYTHING:
        return reason or "the whole input"
    if last == -EVERYTHING:
        return "not defined: it does not depend on the input"
    if not last_of_next or start == 0 or last_of_next[0] >= side - 1:
        return None
    if last_of_next[0] + start_of_next[0] != last + start:
        return "not defined: neighbouring units see windows of different size"
    stride = int(last_of_next[0] - last)
    return Field(int(last + start) + 1, stride, unit * stride + int(start))


def _along(values: Sequence[Any], axis: int | None) -> Any:
    """The value for height or width; either, where they are the same."""
    if axis is None and values[0] != values[1]:
        raise ValueError(
            f"height and width differ, {values[0]} and {values[1]}: pass axis=0 for the height or "
            "axis=1 for the width"
        )
    return values[axis or 0]


def _gradient(layer: Tensor, x: Tensor, position: tuple[int, int]) -> Tensor:
    """Size of the gradient of the unit at this position, over channels summed: `(H, W)`."""
    height, width = layer.shape[2:]
    row, column = position
    if not (0 <= row < height and 0 <= column < width):
        raise IndexError(f"unit {position} lies outside the {height}×{width} output; count from (0, 0)")
    unit = layer[:, :, row, column].sum()
    if not unit.requires_grad:
        return torch.zeros(x.shape[2:])
    (gradient,) = torch.autograd.grad(unit, x, retain_graph=True)
    return gradient.abs().sum((0, 1))


def _map(output: Tensor) -> Tensor:
    """`(N, features)` as a map of one unit."""
    return output if output.dim() == 4 else output.flatten(1)[:, :, None, None]


def _extent(seen: Tensor) -> tuple[int, int]:
    """First and last true index; raises where there is none."""
    indices = seen.nonzero().flatten().tolist()
    if not indices:
        raise ValueError("the output does not depend on the input")
    return indices[0], indices[-1]


def _input_shape(network: nn.Module, input_size: int | Sequence[int]) -> tuple[int, int, int]:
    """`(C, H, W)`; the channels, where they are not given, are those of the first convolution."""
    sizes = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
    if len(sizes) == 2:
        first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
        sizes = (first.in_channels if first is not None else 1, *sizes)
    if len(sizes) != 3:
        raise ValueError(f"input_size is {input_size}; give a side, (H, W) or (C, H, W)")
    return (sizes[0], sizes[1], sizes[2])
