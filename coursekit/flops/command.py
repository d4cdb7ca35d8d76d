"""What `coursekit profile` prints."""

from __future__ import annotations

import json
import re

from coursekit.flops import tables
from coursekit.flops.profile import Profile, profile

__all__ = ["report"]


def report(name: str, size: str | None, *, convention: str, fields: bool, as_json: bool) -> str:
    """The profile of a network of the zoo as text or JSON.

    Args:
        name: one of `coursekit.models.list_models()`.
        size: `"3x224x224"`; None takes that of the network's card.
        convention: of the operations, as in `Profile.flops`.
        fields: with receptive fields.
        as_json: for a program.

    Raises:
        ValueError: for a size that is none, and as `profile`.
    """
    p = profile(name, None if size is None else _shape(size))
    if as_json:
        return json.dumps(tables.as_json(p, convention=convention, fields=fields), indent=2)
    return f"{tables.text(p, fields=fields)}\n\n{_summary(p, convention)}"


def _shape(size: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[1-9]\d*([x×,][1-9]\d*)*", size):
        raise ValueError(f"--input is {size!r}: give channels, height and width as 3x224x224")
    return tuple(int(side) for side in re.split("[x×,]", size))


def _summary(p: Profile, convention: str) -> str:
    shape = "×".join(map(str, p.input_shape))
    return (
        f"{p.network} on {shape}: {p.params:,} parameters, {p.flops(convention):,} operations "
        f'(convention "{convention}")\n'
        f"outputs of layers {p.activation_bytes / 1024:,.0f} KB, most alive at once "
        f"{p.peak_bytes / 1024:,.0f} KB, kept for backward {p.saved_bytes / 1024:,.0f} KB"
    )
