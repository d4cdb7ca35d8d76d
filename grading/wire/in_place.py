"""What has changed in place: found by comparing with how a thing was, done again on the other side's.

Nothing here asks a thing whether it was changed: writing through NumPy or `.data` is seen as well.
"""

import collections
import copy
import ctypes
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from grading.wire.channel import WireError
from grading.wire.decode import Attributes, check_module
from grading.wire.torch_state import HOOKS, SEEN_HOOKS, is_module, is_optimizer

__all__ = ["Twins", "apply", "differs", "picture", "restorer"]

_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]

_PLAIN = (bool, int, float, str, bytes, torch.dtype)

_TABLE = {0: object()}
_ALONE = sys.getrefcount(_TABLE[0])
"""How many references a value has that one table holds and nobody else."""


class Twins:
    """Tensors that live over there and have a twin here: weights and buffers of a student's modules.

    Each side sends what it has changed since the two were last alike.
    """

    def __init__(self) -> None:
        self.tensors: dict[int, Tensor] = {}
        self.numbers: dict[int, int] = {}
        self.pictures: dict[int, Any] = {}

    def unused(self) -> list[int]:
        """The twins that nothing here refers to but this table: no variable, no view, no graph."""
        return [number for number in list(self.tensors) if self._is_unused(number)]

    def _is_unused(self, number: int) -> bool:
        uses: Any = self.tensors[number]  # torch counts those in its graphs, and does not document it
        if sys.getrefcount(uses) > _ALONE + 1 or uses._use_count() > 1:
            return False
        storage = uses.untyped_storage()  # it counts as a user itself
        return bool(torch._C._storage_Use_Count(storage._cdata) <= 2)

    def drop(self, number: int) -> None:
        """This tensor has no twin any more."""
        if (tensor := self.tensors.pop(number, None)) is not None:
            self.numbers.pop(id(tensor), None)
            self.pictures.pop(number, None)

    def number(self, tensor: Any) -> int | None:
        """The number of a twin, None for any other value."""
        number = self.numbers.get(id(tensor))
        return number if number is not None and self.tensors.get(number) is tensor else None

    def add(self, number: int, tensor: Tensor) -> None:
        """Both sides now have this tensor, and alike."""
        self.tensors[number], self.numbers[id(tensor)] = tensor, number
        self.settle(number)

    def exchange(self, number: int, tensor: Tensor) -> None:
        """Another tensor is this twin from now on, if there still is one."""
        if number in self.tensors:
            self.add(number, tensor)

    def settle(self, number: int) -> None:
        """Both sides are alike again."""
        self.pictures[number] = picture(self.tensors[number])

    def changed(self) -> Iterator[tuple[int, Tensor]]:
        """What has changed here since; it counts as told."""
        for number, tensor in self.tensors.items():
            if differs(self.pictures[number], tensor):
                self.settle(number)
                yield number, tensor

    def take(self, number: Any, new: Tensor) -> Tensor:
        """The twin of this number, made like the new one; the new one itself where there was none."""
        if type(number) is not int or not isinstance(new, Tensor):
            raise WireError("a twin without a number")
        if number not in self.tensors:
            self.add(number, new)
        else:
            _make_alike(self.tensors[number], new)
            self.settle(number)
        return self.tensors[number]


def picture(value: Any) -> Any:
    """How something is now, to be compared with how it is later."""
    if isinstance(value, Tensor):
        gradient = value.grad if value.is_leaf else None
        return [_outside(value), _content(value), gradient, None if gradient is None else _content(gradient)]
    if isinstance(value, np.ndarray):
        return [value.shape, value.tobytes()]
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, torch.Generator):
        return bytes(value.get_state().numpy())
    if isinstance(value, dict):
        return [(*pair,) for pair in value.items()]
    if is_module(value) or is_optimizer(value):
        hooks = [len(vars(value).get(name) or ()) for name in SEEN_HOOKS]
        return [type(value), hooks, [pair for pair in vars(value).items() if pair[0] not in HOOKS]]
    return list(value)


def differs(before: Any, value: Any) -> bool:
    """Whether something is not any more as in its picture, or holds other things than it did."""
    if not isinstance(value, Tensor):
        return not _same(before, picture(value))
    outside, inside, gradient, seen = before
    if _outside(value) != outside or not _holds(value, inside):
        return True
    now = value.grad if value.is_leaf else None
    return now is not gradient or (now is not None and not _holds(now, seen))


def apply(old: Any, new: Any) -> None:
    """Change a value of this side as its copy was changed over there.

    Raises:
        WireError: it cannot become that.
    """
    if isinstance(new, Attributes):
        if not is_module(old) and not is_optimizer(old):
            raise WireError("attributes of something that has none")
        _become(old, new)
    elif isinstance(old, Tensor) and isinstance(new, Tensor):
        _make_alike(old, new)
    elif isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        if old.shape != new.shape:  # others may look at the same memory
            raise WireError("an array was given another shape")
        np.copyto(old, new, casting="no")
    elif isinstance(old, torch.Generator) and isinstance(new, torch.Generator):
        old.set_state(new.get_state())
    elif isinstance(old, dict) and isinstance(new, dict):
        dict.clear(old)
        dict.update(old, new)
    elif isinstance(old, list) and isinstance(new, list):
        list.__setitem__(old, slice(None), new)
    elif isinstance(old, set) and isinstance(new, set):
        set.clear(old)
        set.update(old, new)
    elif isinstance(old, bytearray) and isinstance(new, bytearray):
        old[:] = new
    else:
        raise WireError(f"a {type(old).__name__} was changed into a {type(new).__name__}")


def restorer(value: Any) -> Callable[[], object]:
    """A function that makes a value again what it is now; what it holds has restorers of its own."""
    if isinstance(value, Tensor):
        memory, content = value.data, value.detach().clone()
        needs, gradient = value.requires_grad, value.grad if value.is_leaf else None

        def restore() -> None:
            value.data = memory
            value.data.copy_(content)
            if value.is_leaf:
                value.requires_grad_(needs)
                value.grad = gradient

        return restore
    if is_module(value) or is_optimizer(value):
        its_class, held = type(value), dict(vars(value))

        def rebuild() -> None:
            object.__dict__["__class__"].__set__(value, its_class)  # a proxy says that it is of another
            vars(value).clear()
            vars(value).update(held)

        return rebuild
    if isinstance(value, torch.Generator):
        state = value.get_state()
        return lambda: value.set_state(state)
    if isinstance(value, dict | list | set | bytearray | np.ndarray):
        old = copy.copy(value)
        return lambda: apply(value, old)
    return lambda: None


def _become(old: Any, new: Attributes) -> None:
    held = vars(old)
    if is_module(old):
        check_module(new.values, type(old))
    for name in set(held) - set(new.values) - HOOKS:
        del held[name]
    held.update(new.values)
    for name in SEEN_HOOKS if is_module(old) else ():
        if name in new.hooks or held.get(name):
            left = {number: _left_behind for number in range(new.hooks.get(name, 0))}
            held[name] = collections.OrderedDict(left)


def _left_behind(*_: Any) -> None:
    """Stands for a hook that an answer left on a module: to be found, not to be run."""


def _make_alike(old: Tensor, new: Tensor) -> None:
    with torch.no_grad():
        if _form(old) != _form(new):
            old.data = new.detach()
        elif not _holds(old, new):
            old.copy_(new.detach())
    if old.is_leaf:
        if old.requires_grad != new.requires_grad:
            old.requires_grad_(new.requires_grad)
        gradient = new.grad if new.is_leaf else None
        if gradient is None or old.grad is None or not _holds(old.grad, gradient):
            old.grad = gradient


def _form(tensor: Tensor) -> tuple[Any, ...]:
    return tuple(tensor.shape), tensor.dtype, tensor.device.type


def _outside(tensor: Tensor) -> Any:
    return tensor.data_ptr(), *_form(tensor), tensor.stride(), tensor.requires_grad


def _content(tensor: Tensor) -> bytes:
    """What a tensor holds, element by element; nothing on the meta device."""
    plain = _plain(tensor)
    return b"" if plain.is_meta else ctypes.string_at(plain.data_ptr(), plain.nbytes)


def _holds(tensor: Tensor, content: bytes | Tensor) -> bool:
    """Whether these bytes stand in a tensor; ten times as fast as torch, and a NaN equals itself."""
    plain = _plain(tensor)
    size = 0 if plain.is_meta else plain.nbytes
    if isinstance(content, bytes):
        return size == len(content) and not (size and _memcmp(plain.data_ptr(), content, size))
    other = _plain(content)
    same = other.is_meta == plain.is_meta and (plain.is_meta or size == other.nbytes)
    return same and not (size and _memcmp(plain.data_ptr(), other.data_ptr(), size))


def _plain(tensor: Tensor) -> Tensor:
    """Its elements as they are, one behind the other: itself where they already lie so."""
    if tensor.is_contiguous() and not tensor.is_conj() and not tensor.is_neg():
        return tensor
    return tensor.detach().resolve_conj().resolve_neg().contiguous()


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if type(one) in (list, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) in _PLAIN and bool(one == other)
