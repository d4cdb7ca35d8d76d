"""Values to trees: the half of `docs/wire.md` that sends."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from grading.wire.channel import WireError
from grading.wire.codec import Codec
from grading.wire.torch_state import HOOKS, MAX_DEPTH, MAX_NODES, SEEN_HOOKS, is_module, is_optimizer

__all__ = ["Encoder"]


class Encoder:
    """Several values into one frame: they share its buffers and marks."""

    def __init__(self, codec: Codec, known: Mapping[int, int] | None = None) -> None:
        self.codec = codec
        self.known = dict(known or {})
        self.buffers: list[Any] = []
        self.marks: list[Any] = []
        self.seen: dict[int, int] = {}
        self.nodes = 0
        self.inside = 0  # a module that crosses by value: nothing in it is kept or shared

    def encode(self, value: Any) -> Any:
        """The tree of a value.

        Raises:
            WireError: it cannot cross.
        """
        return self._encode(value, 0)

    def contents(self, value: Any) -> Any:
        """The tree of what a thing that the other side knows holds now; a module's is its attributes."""
        mark = self.known.pop(id(value))
        try:
            if is_module(value) or is_optimizer(value):
                hooks = {name: len(vars(value)[name]) for name in SEEN_HOOKS if vars(value).get(name)}
                return ["attributes", self._attributes(value, 1), hooks]
            return self._encode(value, 0)
        finally:
            self.known[id(value)] = mark

    def fresh(self, tensor: Any) -> Any:
        """The tree of a tensor as it is now, also where both sides hold it."""
        return self._tensor(tensor, 0)

    def _encode(self, value: Any, depth: int) -> Any:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise WireError("the value is nested too deeply or too large to cross; is it part of itself?")
        kind = type(value)
        if value is None or kind in (bool, float, str):
            return value
        if kind is int:
            return value if -(2**53) < value < 2**53 else ["int", format(value, "x")]
        if id(value) in self.known:
            return ["back", self.known[id(value)]]
        if id(value) in self.seen:
            return ["again", self.seen[id(value)]]
        if (number := self.codec.is_proxy(value)) is not None:
            return ["yours", number]
        if kind in (tuple, frozenset):
            return [kind.__name__, self._all(value, depth)]
        return self._changeable(value, kind, depth) or self._constant(value, kind, depth)

    def _all(self, items: Iterable[Any], depth: int) -> list[Any]:
        return [self._encode(item, depth + 1) for item in items]

    def _mark(self, value: Any) -> int:
        self.seen[id(value)] = len(self.marks)
        self.marks.append(value)
        return len(self.marks) - 1

    def _changeable(self, value: Any, kind: type, depth: int) -> Any:
        """The tree of something that the other side may change: it has a mark. None for other things."""
        import numpy as np
        import torch

        if isinstance(value, torch.Tensor):
            number = None if self.inside else self.codec.shares(value)
            tree = self._tensor(value, depth, unmarked=number is not None)
            return tree if number is None else ["shared", number, tree]
        if isinstance(value, np.ndarray) and value.dtype.kind in "biufcSU":
            self._mark(value)
            return ["array", *self._array(value)]
        if kind is bytearray:
            self._mark(value)
            return ["bytearray", self._buffer(bytes(value))]
        if isinstance(value, list | set):
            self._mark(value)
            return ["list" if isinstance(value, list) else "set", self._all(value, depth)]
        if isinstance(value, dict):
            self._mark(value)
            return ["dict", [self._all(pair, depth) for pair in value.items()]]
        if kind is torch.Generator:
            self._mark(value)
            return ["generator", self._buffer(bytes(value.get_state().numpy()))]
        tag = "module" if is_module(value) and self._crosses(value) else ""
        if not self.codec.trusted and is_optimizer(value):
            tag = "optimizer"
        if tag:
            self._mark(value)
            return [tag, self._class_name(kind), self._attributes(value, depth + 1)]
        return None

    def _constant(self, value: Any, kind: type, depth: int) -> Any:
        import numpy as np
        import torch

        if isinstance(value, np.generic) and value.dtype.kind in "biufcSU":
            return ["scalar", *self._array(np.asarray(value))]
        if kind is bytes:
            return ["bytes", self._buffer(value)]
        if kind is complex:
            return ["complex", value.real, value.imag]
        if kind in (slice, range):
            return [kind.__name__, self._all((value.start, value.stop, value.step), depth)]
        if value is Ellipsis:
            return ["ellipsis"]
        if kind is torch.Size:
            return ["size", list(value)]
        if kind is torch.dtype:
            return ["dtype", _name(value)]
        if kind is torch.device:
            return ["device", str(value)]
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return ["named", kind.__name__, list(kind._fields), self._all(value, depth)]
        bases: tuple[Any, ...] = (bool, int, float, str, tuple)
        for base in bases:
            if isinstance(value, base) and not isinstance(value, type):
                return self._encode(base(value), depth + 1)
        if isinstance(value, type):
            if name := self._class_name(value):
                return ["class", name]
        elif callable(value) and (name := self._function_name(value)):
            return ["function", name]
        if self.inside and self.codec.trusted:
            raise WireError(f"a module that holds a {kind.__name__} cannot cross by value")
        owned = self.codec.keep(value)
        return ["mine", owned.number, owned.kind, owned.name, owned.like]

    def _tensor(self, value: Any, depth: int, *, unmarked: bool = False) -> Any:
        import torch

        if value.layout is not torch.strided or value.is_quantized:
            raise WireError("sparse and quantized tensors cannot cross; pass the dense tensor")
        if not unmarked:
            self._mark(value)
        flags = {
            "grad": value.requires_grad,
            "leaf": value.is_leaf,
            "parameter": isinstance(value, torch.nn.Parameter),
        }
        if value.is_meta:
            return ["tensor", _name(value.dtype), list(value.shape), list(value.stride()), None, flags]
        plain = torch.Tensor.detach(value).cpu()
        # A conjugate or negative that torch has not worked out yet: done on the flat copy, so strides stay.
        conjugate, negative = plain.is_conj(), plain.is_neg()
        plain = plain.conj() if conjugate else plain
        plain = torch._neg_view(plain) if negative else plain
        strides = [step if size > 1 else 0 for size, step in zip(plain.shape, plain.stride(), strict=True)]
        flat = _flat(plain, strides)
        flat = flat.conj_physical() if conjugate else flat
        flat = flat.neg() if negative else flat
        data = flat.view(torch.uint8).numpy() if flat.numel() else b""
        number = self._buffer(data)
        if value.is_leaf and value.grad is not None:
            flags["gradient"] = self._encode(value.grad, depth + 1)
        return ["tensor", _name(plain.dtype), list(plain.shape), strides, number, flags]

    def _array(self, array: Any) -> list[Any]:
        return [array.dtype.str, list(array.shape), self._buffer(array.tobytes())]

    def _buffer(self, data: Any) -> int:
        self.buffers.append(data)
        return len(self.buffers) - 1

    def _attributes(self, value: Any, depth: int) -> list[Any]:
        self.inside += 1
        try:
            return [
                [key, self._encode(item, depth + 1)] for key, item in vars(value).items() if key not in HOOKS
            ]
        finally:
            self.inside -= 1

    def _class_name(self, kind: type) -> str:
        """The dotted name of a class that both processes have; empty for one that only this process has."""
        name = f"{kind.__module__}.{kind.__qualname__}"
        if self.codec.trusted:  # of what comes from there, only these are made here
            return name if kind.__module__ == "builtins" or name.startswith("torch.nn.modules.") else ""
        if "<" in name or (kind.__module__ == "__main__" and not self.codec.known(kind)):
            raise WireError(
                f"the class {kind.__qualname__} exists only where the test runs; define it in a locked cell "
                "without hidden tests, or pass plain values"
            )
        return name

    def _function_name(self, value: Any) -> str:
        """The dotted name of a function that both processes have; empty for all others."""
        name = getattr(value, "__name__", None)
        if not isinstance(name, str) or not name.isidentifier():
            return ""
        places = (
            ("torch.nn.functional",)
            if self.codec.trusted
            else (getattr(value, "__module__", None), "torch.nn.functional", "torch", "numpy")
        )
        for place in places:
            module = sys.modules.get(place) if isinstance(place, str) else None
            if getattr(module, name, None) is value and (place != "__main__" or self.codec.known(value)):
                return f"{place}.{name}"
        return ""

    def _crosses(self, module: Any) -> bool:
        """Whether a module can cross by value, with all of its parts."""
        if not self.codec.trusted:
            if any(vars(module).get(name) for name in SEEN_HOOKS):
                raise WireError("a module with hooks cannot be passed to an answer; remove them first")
            return True
        if self.inside:
            return True  # what it is part of was asked
        return self.codec.by_value(module) and all(self._is_plain(part) for part in module.modules())

    def _is_plain(self, part: Any) -> bool:
        hooked = any(vars(part).get(name) for name in HOOKS)
        own = any(hasattr(type(part), name) for name in vars(part))  # methods of its own
        return not hooked and not own and bool(self._class_name(type(part))) and self._is_data(vars(part))

    def _is_data(self, value: Any) -> bool:
        if isinstance(value, dict):
            return all(self._is_data(item) for key, item in value.items() if key not in HOOKS)
        if isinstance(value, list | tuple | set | frozenset):
            return all(map(self._is_data, value))
        if callable(value) and not is_module(value):
            return isinstance(value, type) or bool(self._function_name(value))
        return value is None or type(value).__module__.partition(".")[0] in ("builtins", "torch", "numpy")


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _flat(plain: Any, strides: list[int]) -> Any:
    """The elements of a tensor as they lie in memory, and zeros for what lies between them."""
    import torch

    if plain.is_contiguous():  # the stride of an axis of one element may be anything
        return plain.as_strided((plain.numel(),), (1,))
    if not plain.numel():
        return plain.new_empty(0)
    span = 1 + sum((size - 1) * step for size, step in zip(plain.shape, strides, strict=True))
    flat = torch.zeros(span, dtype=plain.dtype)
    once = tuple(slice(None) if step else slice(0, 1) for step in strides)
    try:
        flat.as_strided(plain.shape, strides)[once].copy_(plain[once])
    except RuntimeError:  # windows that overlap
        covered = _covered(plain.shape, strides, span)
        flat[covered] = plain.as_strided((span,), (1,))[covered]
    return flat


def _covered(shape: Iterable[int], strides: Iterable[int], span: int) -> Any:
    """Which places of its memory, counted from its first element, belong to a tensor."""
    import torch

    covered = torch.zeros(span, dtype=torch.bool)
    covered[0] = True
    for size, step in zip(shape, strides, strict=True):
        done = 1  # copies of what is covered so far, one step apart; their number doubles
        while done < size:
            more = min(done, size - done)
            shifted = covered[: span - more * step].clone()
            covered[more * step :] |= shifted
            done += more
    return covered
