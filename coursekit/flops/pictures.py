"""The lecture's charts of a profile: memory, parameters and operations of each layer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from coursekit.flops.rows import operations
from coursekit.viz.style import COLOURS, styled

if TYPE_CHECKING:
    from coursekit.flops.profile import Profile
    from coursekit.flops.rows import Row

__all__ = ["describe", "three_bars"]

MOST_BARS = 20
UNITS = {"mac": "MACs", "2mac": "operations, 2 a MAC", "lecture": "operations"}

Group = tuple[str, "list[Row]"]
Bar = tuple[str, float, float, float]  # label, memory in KB, parameters, operations


@styled
def three_bars(profile: Profile, convention: str) -> Figure:
    """See `Profile.plot`."""
    bars = _bars(profile, convention)
    figure, panels = plt.subplots(1, 3, sharey=True, figsize=(15, 1.9 + 0.36 * len(bars)))
    titles = (
        f"output memory: {profile.activation_bytes / 1024:,.0f} KB",
        f"parameters: {_short(profile.params)}",
        f"{UNITS[convention]}: {_short(profile.flops(convention))}",
    )
    labels = [bar[0] for bar in bars]
    for i, (axes, title) in enumerate(zip(panels, titles, strict=True), 1):
        values = [float(bar[i]) for bar in bars]
        largest = max(values, default=0) or 1
        axes.barh(range(len(bars)), values, color=COLOURS[i - 1], height=0.72)
        for place, value in enumerate(values):
            axes.annotate(
                "0" if not value else f"{value:,.0f}" if i == 1 else _short(value),
                (value, place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=13,
                color="black" if value else "#707070",
            )
        axes.set_xlim(0, largest * 1.25)
        axes.set_xticks([])
        axes.margins(y=0.02)
        axes.spines["bottom"].set_visible(False)
        axes.set_title(title, loc="left")
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(bars)), labels)
    panels[0].invert_yaxis()
    shape = "×".join(map(str, profile.input_shape))
    figure.suptitle(f"{profile.network}, input {shape}", x=0.01, ha="left")
    return figure


def describe(profile: Profile) -> str:
    """What `Profile.plot` shows, in words."""
    bars = _bars(profile, "mac")
    sentences = [f"Three bar charts over {len(bars)} layers or blocks of {profile.network}."]
    for i, name in enumerate(("Memory of outputs", "Parameters", "Multiply-adds"), 1):
        total = sum(float(bar[i]) for bar in bars)
        if not total:
            continue
        top = sorted(bars, key=lambda bar: -float(bar[i]))[:3]
        shares = ", ".join(f"{bar[0]} {float(bar[i]) / total:.0%}" for bar in top)
        sentences.append(f"{name}: most in {shares}.")
    return " ".join(sentences)


def _bars(profile: Profile, convention: str) -> list[Bar]:
    """A bar a layer; of many layers a bar a block, as deep into the names as there is room for."""
    rows = [row for row in profile.rows if row.is_layer or row.params or operations(row, convention)]
    layers = [row for row in rows if row.is_layer or row.params]
    if len(layers) <= MOST_BARS:
        return [_bar(row.name, [row], convention) for row in layers]
    depth, groups = 1, _grouped(rows, 1)
    while len(deeper := _grouped(rows, depth + 1)) <= MOST_BARS and len(deeper) > len(groups):
        depth, groups = depth + 1, deeper
    if max(len(members) for _, members in groups) > len(rows) / 2:  # one block is nearly everything
        groups = _merged(deeper)
    return [_bar(name, members, convention) for name, members in groups]


def _merged(groups: list[Group]) -> list[Group]:
    """Neighbours of one parent share a bar, as many as it takes."""
    for size in range(2, len(groups)):
        merged = []
        for _, run in groupby(groups, lambda group: group[0].rpartition(".")[0] or group[0]):
            members = list(run)
            merged += [_joined(members[i : i + size]) for i in range(0, len(members), size)]
        if len(merged) <= MOST_BARS:
            return merged
    return groups[:MOST_BARS]


def _joined(groups: Sequence[Group]) -> Group:
    """`"blocks.0 … blocks.3"` for neighbours."""
    first, last = groups[0][0], groups[-1][0]
    return first if first == last else f"{first} … {last}", [row for _, rows in groups for row in rows]


def _grouped(rows: Sequence[Row], depth: int) -> list[Group]:
    """Runs of rows whose names begin alike, to this depth."""
    runs = groupby(rows, lambda row: ".".join(row.name.split(".")[:depth]))
    return [(name, list(members)) for name, members in runs]


def _bar(name: str, rows: Sequence[Row], convention: str) -> Bar:
    memory = sum(row.activation_bytes for row in rows if row.is_layer) / 1024
    return name, memory, sum(row.params for row in rows), sum(operations(row, convention) for row in rows)


def _short(value: float) -> str:
    """Three figures and a unit: 61.1 M."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"
