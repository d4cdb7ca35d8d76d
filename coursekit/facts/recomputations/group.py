"""What a recomputation is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Group", "recomputes"]

Function = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True)
class Group:
    """A function that recomputes several facts at once.

    Attributes:
        function: returns values by fact id.
        topics: to which its facts belong, two digits each.
        how: how it comes by them, for the table.
    """

    function: Function
    topics: tuple[str, ...]
    how: str


def recomputes(*topics: str, how: str) -> Callable[[Function], Group]:
    """Make a function a group, under the function's name."""
    return lambda function: Group(function, topics, how)
