"""The table of a network's layers with their receptive fields, and the field of its output units.

The ends of a field are found by running the network on an image in which every pixel carries its coordinate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from coursekit.probe.coordinates import EVERYTHING, run_on_coordinates
from coursekit.probe.gradients import as_map, input_shape, support
from coursekit.probe.layer_calls import LayerCall, layer_calls

__all__ = ["Field", "LayerProbe", "measure", "output_shapes", "receptive_field"]

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
    events, _ = layer_calls(network, input_shape)
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
    before, _ = layer_calls(network, input_shape)
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
    shape = input_shape(network, input_size)
    before, _ = layer_calls(network, shape)
    field = _fields(network, before, shape, axis, only_output=True)[-1]
    if not isinstance(field, Field):
        raise ValueError(f"the output has no receptive field of a fixed size: {field}")
    if position is None:
        return field
    seen = support(network, input_size, position)
    sizes = [_extent(seen.any(1)), _extent(seen.any(0))]
    return Field(_along([end - start + 1 for start, end in sizes], axis), field.stride, field.padding)


def _fields(
    network: nn.Module,
    before: Sequence[LayerCall],
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
    network: nn.Module, before: Sequence[LayerCall], shape: Sequence[int], axis: int, only_output: bool
) -> list[Field | str]:
    """Along one axis. The image grows until no border cuts a field."""
    fields: list[Field | str | None] = [None] * (len(before) + 1)
    if only_output:
        fields[:-1] = [""] * len(before)
    side = max(shape[1 + axis], 8) * 2
    while None in fields:
        events, output, stop = run_on_coordinates(network, before, shape[0], side, axis)
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
    ends = as_map(layer).amax((1, 3 - axis))
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


def _extent(seen: Tensor) -> tuple[int, int]:
    """First and last true index; raises where there is none."""
    indices = seen.nonzero().flatten().tolist()
    if not indices:
        raise ValueError("the output does not depend on the input")
    return indices[0], indices[-1]
