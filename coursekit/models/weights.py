"""State dicts under other names: an explicit table per family, and nothing guessed from keys."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

__all__ = ["Renames", "rename"]

# A pattern that a whole key matches, and the key to put in its place, `\1` for the first group.
Renames = Mapping[str, str]


def rename(state: Mapping[str, Tensor], table: Renames) -> dict[str, Tensor]:
    r"""Put the entries of a state dict under other names; values stay as they are.

        rename(state, {r"fc\.(weight|bias)": r"head.\1"})

    The first pattern that matches a key counts.

    Args:
        state: names to tensors.
        table: regular expressions for whole keys, and what replaces them.

    Raises:
        KeyError: for an entry that no pattern matches, or two entries that get one name.
    """
    rules = [(re.compile(pattern), replacement) for pattern, replacement in table.items()]
    renamed: dict[str, Tensor] = {}
    for key, value in state.items():
        match = next(((m, new) for rule, new in rules if (m := rule.fullmatch(key))), None)
        if match is None:
            raise KeyError(f"no rule renames the entry {key!r}: is this the state dict of another network?")
        name = match[0].expand(match[1])
        if name in renamed:
            raise KeyError(f"two entries would be called {name!r}; {key!r} is the second")
        renamed[name] = value
    return renamed
