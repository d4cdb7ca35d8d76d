"""The receptive fields of a profile's rows, as `coursekit.probe` measures them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from coursekit import probe
from coursekit.flops.rows import Field, Row

__all__ = ["measured"]


def measured(model: nn.Module, input_shape: Sequence[int], rows: Sequence[Row]) -> tuple[Field, ...]:
    """One field a row, along both axes.

    Rows are found by their names in the probe's list of layers, which runs in the same order.
    """
    if len(input_shape) != 3:
        return tuple(Field(note="the input is no image") for _ in rows)
    try:
        height, width = (probe.measure(model, input_shape, axis=axis) for axis in (0, 1))
    except (ValueError, RuntimeError, NotImplementedError) as error:
        return tuple(Field(note=f"not measured: {error}") for _ in rows)
    layers = list(zip(height, width, strict=True))
    fields, last = [], 0
    for row in rows:
        found = next((i for i in range(last, len(layers)) if _is(row, layers[i][0])), None)
        if found is None:
            fields.append(Field(note=f"none for {row.kind}"))
        else:
            fields.append(_both(*layers[found]))
            last = found + 1
    return tuple(fields)


def _is(row: Row, layer: probe.LayerProbe) -> bool:
    named = row.name == layer.name or row.name.startswith(f"{layer.name}.")
    return row.is_layer and named and row.output_shape == layer.output_shape


def _both(height: probe.LayerProbe, width: probe.LayerProbe) -> Field:
    """A pair where height and width differ."""
    if height.size is None or width.size is None:
        return Field(note=height.note or width.note)
    values: list[Any] = []
    for name in ("size", "stride", "padding"):
        pair = (getattr(height, name), getattr(width, name))
        values.append(pair[0] if pair[0] == pair[1] else pair)
    return Field(*values)
