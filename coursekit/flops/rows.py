"""From the calls of a run to the rows of a table: what belongs to one layer becomes one row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from coursekit.flops.kinds import LAYERS
from coursekit.flops.trace import Call, Run

__all__ = ["Field", "Row", "Uncounted", "operations", "rows_of", "uncounted_in"]


@dataclass(frozen=True)
class Row:
    """One layer at work.

    Attributes:
        name: path of the module; for a plain function call the path of the module around it and the
            function's name, for a parameter that is used as it is (a class token) its own path.
        kind: `"conv"`, `"pool"`, `"linear"`, `"matmul"`, `"attention"`, `"recurrent"`, `"embedding"`,
            `"flatten"`: the layers; `"norm"`, `"activation"`, `"concat"`, `"resize"`, `"dropout"`,
            `"parameter"`, `"other"`; `"same"` for a pooling whose input has the wanted size already;
            `"not run"` for a module with parameters that this run did not use.
        output_shape: without the batch: `(C, H, W)`, `(tokens, features)`, `(features,)`.
        params: parameters used here, biases included, and not in a row before.
        macs: multiply-adds of convolutions and matrix products.
        other: other operations: pooling, normalization, activation, sums, one for each as in `Profile.flops`.
        activation_bytes: bytes of the output; for in-place operations and views those of what they return.
        saved_bytes: bytes that autograd keeps for backward from here on, none of them twice; parameters and
            buffers, which exist anyway, are left out.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    params: int = 0
    macs: int = 0
    other: int = 0
    activation_bytes: int = 0
    saved_bytes: int = 0

    @property
    def is_layer(self) -> bool:
        """Whether the lecture's tables have such a row."""
        return self.kind in LAYERS


def operations(row: Row, convention: str) -> int:
    """Of one row; see `Profile.flops`."""
    return {"mac": row.macs, "2mac": 2 * row.macs, "lecture": row.macs + row.other}[convention]


@dataclass(frozen=True)
class Uncounted:
    """An operation for which no formula is known.

    Attributes:
        times: it ran.
        where: names of the modules that called it, each once.
    """

    times: int
    where: tuple[str, ...]


@dataclass(frozen=True)
class Field:
    """Receptive field of a row's units, in input pixels; a pair where height and width differ.

    Attributes:
        size: from the first to the last pixel that a unit depends on; None where it is not defined.
        stride: how far the fields of neighbouring units lie apart.
        padding: how far the field of unit 0 begins before the image.
        note: why there is no field; empty where there is one.
    """

    size: int | tuple[int, int] | None = None
    stride: int | tuple[int, int] | None = None
    padding: int | tuple[int, int] | None = None
    note: str = ""


def rows_of(run: Run) -> list[Row]:
    """The rows of a run, in order; the last ones are the modules that did not run."""
    used: set[int] = set()
    rows = []
    for name, kind, calls in _layers(run):
        new = {key for call in calls for key in call.parameters} - used
        used |= new
        last = next((call for call in reversed(calls) if call.shape), calls[-1])
        row = Row(
            name,
            kind,
            last.shape[1:],
            sum(run.parameters[key][1] for key in new),
            sum(call.macs for call in calls),
            sum(call.other for call in calls),
            last.bytes,
            sum(call.saved for call in calls),
        )
        counted = row.params or row.macs or row.other or row.saved_bytes or any(c.uncounted for c in calls)
        if counted or row.is_layer or kind == "concat":
            rows.append(row)
    left = Counter[str]()
    for key, (path, numbers) in run.parameters.items():
        if key not in used:
            left[path.rpartition(".")[0] or path] += numbers
    return [*rows, *(Row(name, "not run", (), numbers) for name, numbers in left.items())]


def _layers(run: Run) -> Iterator[tuple[str, str, list[Call]]]:
    """Name, kind and calls of each row.

    A module that calls no other is one row, as long as it holds one layer; otherwise each call is a row.
    """
    for visit, group in groupby(run.calls, lambda call: call.visit):
        calls = list(group)
        layers = [call for call in calls if call.kind in LAYERS]
        if visit.leaf and visit.path and len(layers) <= 1:
            dearest = max(calls, key=lambda call: (call.other, call.saved))
            yield visit.path, (layers or [dearest])[0].kind, calls
            continue
        for call in calls:
            if call.parameters and not call.macs and call.kind == "other":
                yield run.parameters[call.parameters[0]][0], "parameter", [call]
            else:
                yield _name(call), call.kind, [call]


def _name(call: Call) -> str:
    function = call.function.strip("_")
    return f"{call.visit.path}.{function}" if call.visit.path else function


def uncounted_in(calls: Iterable[Call]) -> dict[str, Uncounted]:
    """Name of the operation -> how often and where it ran."""
    times: Counter[str] = Counter()
    where: dict[str, dict[str, None]] = {}
    for call in calls:
        times.update(call.uncounted)
        for name in call.uncounted:
            where.setdefault(name, {})[call.visit.path or "the network itself"] = None
    return {name: Uncounted(n, tuple(where[name])) for name, n in times.most_common()}
