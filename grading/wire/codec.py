"""How values cross between a student's process and the one that judges it: what both halves have to agree on.

Numbers, strings, containers, arrays and tensors cross by value. Whatever else a process owns (functions,
classes, modules, generators, objects) stays where it is: only a number crosses, and the other side makes a
proxy of it. `docs/wire.md` has the format.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Codec", "Owned", "Remote"]


@dataclass(frozen=True)
class Owned:
    """A value of this process that the other side knows by number; `kind` says what can be done with it."""

    number: int
    kind: str
    name: str
    like: str = ""


@dataclass(frozen=True)
class Remote:
    """A value of the other process, as it arrived: its number there, its kind and what it calls itself.

    like: the dotted name of the class of torch that it extends, if any.
    """

    number: int
    kind: str
    name: str
    like: str = ""


@dataclass
class Codec:
    """Values to trees and back, for one side of a channel.

    keep: called with a value that cannot cross by value; gives the number under which it is kept.
    proxy: called with a `Remote`; gives what stands for it here.
    own: gives back the value that this side keeps under a number.
    trusted: whether the other side is; only then classes and functions may be named and modules made here.
    is_proxy: the number of a value that stands for one over there, None for all others.
    shares: the number of a tensor that both sides hold, and keep alike; None for all others.
    shared: called with a number and a tensor; gives the tensor that both sides hold.
    known: whether a class or function of the notebook is the same on both sides.
    by_value: whether this module, with all of its parts, may cross by value.
    meta: whether tensors without numbers, of the meta device, are taken from there.
    """

    keep: Callable[[Any], Owned]
    proxy: Callable[[Remote], Any]
    own: Callable[[int], Any]
    trusted: bool
    is_proxy: Callable[[Any], int | None] = field(default=lambda value: None)
    shares: Callable[[Any], int | None] = field(default=lambda tensor: None)
    shared: Callable[[int, Any], Any] | None = None
    known: Callable[[Any], bool] = field(default=lambda value: False)
    by_value: Callable[[Any], bool] = field(default=lambda module: True)
    meta: bool = False
