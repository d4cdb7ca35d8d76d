"""What stands in the judging process for things of a student's process: functions, classes, modules, objects.

A proxy can be called and asked for attributes; numbers, containers and tensors that come back are values. Two
proxies are never equal and none is true: a test that compares objects instead of values is an error, never a
pass.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _IncompatibleKeys

from grading.judge.asking import Asking
from grading.wire.channel import WireError
from grading.wire.codec import Remote
from grading.wire.decode import class_of
from grading.wire.torch_state import HOOKS

__all__ = ["SAME", "ModuleProxy", "Proxy"]


COMPARISONS = frozenset({
    "allclose", "array_equal", "endswith", "eq", "equal", "ge", "gt", "is_same_size", "isclose", "isdisjoint",
    "issubset", "issuperset", "le", "lt", "ne", "startswith",
})  # fmt: skip
"""Methods by which values are compared: of a thing over there, they would let the answer judge itself."""

SAME = "grading: proxies stay what they are"
"""In the memo of `copy.deepcopy`: a proxy copied with it is the proxy itself."""


class Proxy:
    """A function, class or object of the student's process."""

    _link: Asking
    _remote: Remote

    def __init__(self, link: Asking, remote: Remote) -> None:
        object.__setattr__(self, "_link", link)
        object.__setattr__(self, "_remote", remote)
        object.__setattr__(self, "__name__", remote.name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        return self._link.call(self._remote.number, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "__bases__" and self._remote.kind == "class":  # `issubclass` asks for them
            return (_like(self._remote, object),)
        if name.startswith("__") and name.endswith("__") and name not in ("__doc__", "__wrapped__"):
            raise AttributeError(f"{self!r} stands for something in the answer; {name} is not asked of it")
        if name in COMPARISONS:
            raise TypeError(f"{self!r} is no value, and has no {name} that could be trusted")
        return self._link.value("attribute", of=self._remote.number, name=name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._link.value("set", value, of=self._remote.number, name=name)

    def __len__(self) -> int:
        return int(self._link.special(self._remote.number, "len"))

    def __iter__(self) -> Iterator[Any]:
        return _iterate(self._link.special(self._remote.number, "iter"))

    def __next__(self) -> Any:
        return self._link.special(self._remote.number, "next")

    def __getitem__(self, item: Any) -> Any:
        return self._link.special(self._remote.number, "item", item)

    def __contains__(self, item: Any) -> bool:
        return self._link.special(self._remote.number, "contains", item) is True

    def __instancecheck__(self, value: Any) -> bool:
        known = self._link.codec.is_proxy(value) is not None
        return known and self._link.special(self._remote.number, "isinstance", value) is True

    def __deepcopy__(self, memo: dict[Any, Any]) -> Any:
        return self if SAME in memo else self._link.special(self._remote.number, "copy")

    def __eq__(self, other: object) -> bool:
        raise TypeError(f"{self!r} is no value and equals nothing; compare what it returns or holds")

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} is no value, neither true nor false")

    def __repr__(self) -> str:
        return f"<{self._remote.kind} {self._remote.name!r} of the answer>"


class ModuleProxy(nn.Module):
    """A module of the student's process, to be used like any other.

    Its parts are proxies, its weights and buffers twins of those over there: what is written into either is
    seen on both sides.
    """

    def __init__(self, link: Asking, remote: Remote) -> None:
        held = {name: copy.copy(value) for name, value in vars(nn.Module()).items() if name in HOOKS}
        vars(self).update(held, _link=link, _remote=remote, _fetched=None)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # `isinstance` asks for it
        return _like(vars(self)["_remote"], nn.Module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        if torch.is_grad_enabled() and vars(self)["_fetched"] is None:
            vars(self)["_fetched"] = self._special("weights")  # twins that the graph of this call refers to
        return self._link.call(self._remote.number, args, kwargs)

    forward = __call__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in COMPARISONS:
            raise TypeError(f"{self!r} is no value, and has no {name} that could be trusted")
        return self._link.value("attribute", of=self._remote.number, name=name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._link.value("set", value, of=self._remote.number, name=name)

    def _special(self, action: str, argument: Any = None) -> Any:
        return self._link.special(self._remote.number, action, argument)

    # What torch keeps in a module, so that torch's own methods work on this one and on what holds it.

    @property
    def training(self) -> Any:
        """Whether it is in the mode for training."""
        return self._link.value("attribute", of=self._remote.number, name="training")

    @training.setter
    def training(self, mode: bool) -> None:
        self._link.value("set", mode, of=self._remote.number, name="training")

    @property
    def _parameters(self) -> Any:  # type: ignore[override]
        return self._special("own", "_parameters")

    @property
    def _buffers(self) -> Any:  # type: ignore[override]
        return self._special("own", "_buffers")

    @property
    def _modules(self) -> Any:  # type: ignore[override]
        return self._special("own", "_modules")

    @property
    def _non_persistent_buffers_set(self) -> Any:  # type: ignore[override]
        return self._special("unsaved")

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The weights and buffers, by value."""
        if not args and not kwargs:
            return self._special("state")
        return nn.Module.state_dict(self, *args, **kwargs)

    def load_state_dict(self, state: Any, strict: bool = True, assign: bool = False) -> Any:
        """Put weights and buffers into the module over there."""
        missing, unexpected = self._special("load", [dict(state), strict])
        return _IncompatibleKeys(missing, unexpected)

    def to_empty(self, *, device: Any, recurse: bool = True) -> "ModuleProxy":
        """Exchange weights and buffers for others, with memory and any numbers."""
        vars(self)["_fetched"] = None
        options = {"device": device, "recurse": recurse}
        made: ModuleProxy = vars(self)["_link"].call(vars(self)["_remote"].number, (), options, "to_empty")
        return made

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and twins of the weights."""
        yield from self._special("parameters", [prefix, recurse, remove_duplicate])

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Names and twins of the buffers."""
        yield from self._special("buffers", [prefix, recurse, remove_duplicate])

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ModuleProxy":
        for tensor in [*self.parameters(recurse), *self.buffers(recurse)]:
            tensor.data = fn(tensor.data)
            if tensor.grad is not None:
                tensor.grad = fn(tensor.grad)
        return self

    def __len__(self) -> int:
        return int(self._special("len"))

    def __iter__(self) -> Iterator[Any]:
        yield from self._special("list")

    def __getitem__(self, item: Any) -> Any:
        return self._special("item", item)

    def __contains__(self, item: Any) -> bool:
        return self._special("contains", item) is True

    def __bool__(self) -> bool:
        return True

    def __deepcopy__(self, memo: dict[Any, Any]) -> Any:
        return self if SAME in memo else self._special("copy")

    def __repr__(self) -> str:
        return str(self._special("repr"))


def _remote_method(name: str) -> Any:
    def method(self: ModuleProxy, *args: Any, **kwargs: Any) -> Any:
        return vars(self)["_link"].call(vars(self)["_remote"].number, args, kwargs, name)

    method.__name__, method.__doc__ = name, f"`{name}` of the module over there."
    return method


for _name in (
    "train", "eval", "requires_grad_", "zero_grad", "register_buffer", "register_parameter", "add_module",
    "register_module", "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
    "extra_repr", "get_extra_state", "set_extra_state", "set_submodule"
):  # fmt: skip
    setattr(ModuleProxy, _name, _remote_method(_name))


def _like(remote: Remote, otherwise: type) -> Any:
    try:
        return class_of(remote.like, trusted=False) if remote.like else otherwise
    except WireError:
        return otherwise


def _iterate(iterator: Any) -> Iterator[Any]:
    if not isinstance(iterator, Proxy):
        yield from iterator
        return
    while True:
        try:
            yield next(iterator)
        except StopIteration:
            return
