"""Trees to values: the half of `docs/wire.md` that receives, and believes nothing."""

import builtins
import collections
import importlib
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grading.wire.channel import WireError
from grading.wire.codec import Codec, Remote
from grading.wire.torch_state import HOOKS, MAX_DEPTH, MAX_ELEMENTS, MAX_NODES, SEEN_HOOKS

__all__ = ["Attributes", "Decoder", "class_of"]

PLAIN = (bool, int, float, str)
WHOLE = ("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")

# fmt: off
_TAGS = frozenset({
    "int", "list", "tuple", "set", "frozenset", "dict", "named", "bytes", "bytearray", "complex", "slice",
    "range", "ellipsis", "size", "dtype", "device", "generator", "array", "scalar", "tensor", "shared",
    "again", "back", "yours", "mine", "class", "function", "module", "attributes", "optimizer",
})
# fmt: on


@dataclass(frozen=True)
class Attributes:
    """What a module or an optimizer holds now; hooks: how many of each kind were left on it."""

    values: dict[str, Any]
    hooks: dict[str, int]


class Decoder:
    """The values in a frame, in the order in which they were put in.

    marks: what can be changed, in order. leaves: by mark, tensors that are results of a computation over
    there, as the leaves that they are here.
    """

    def __init__(
        self, codec: Codec, buffers: list[bytearray], marked: Mapping[int, Any] | None = None
    ) -> None:
        self.codec = codec
        self.buffers = buffers
        self.marked = marked or {}
        self.marks: list[Any] = []
        self.leaves: dict[int, Any] = {}
        self.nodes = 0
        self.inside = 0
        self.tuples: dict[Any, Any] = {}

    def decode(self, tree: Any) -> Any:
        """The value of a tree.

        Raises:
            WireError: it is none of ours.
        """
        try:
            return self._decode(tree, 0)
        except WireError:
            raise
        except Exception as error:  # whatever else a tree of nonsense leads to
            says = f"{type(error).__name__}: {error}"[:300]
            raise WireError(f"a value that is not understood ({says})") from None

    def _decode(self, tree: Any, depth: int) -> Any:
        self.nodes += 1
        if depth > MAX_DEPTH * 2 or self.nodes > MAX_NODES:
            raise WireError("a value that is too deep or too large")
        if tree is None or type(tree) in PLAIN:
            return tree
        if type(tree) is not list or not tree or type(tree[0]) is not str or tree[0] not in _TAGS:
            raise WireError("a value of no known kind")
        return getattr(self, f"_{tree[0]}")(depth + 1, *tree[1:])

    def _items(self, depth: int, items: list[Any]) -> list[Any]:
        return [self._decode(item, depth) for item in items]

    def _mark(self, value: Any) -> Any:
        self.marks.append(value)
        return value

    def _int(self, depth: int, text: str) -> int:
        if len(text) > 100_000:
            raise WireError("an integer of that length")
        return int(text, 16)

    def _list(self, depth: int, items: list[Any]) -> list[Any]:
        new: list[Any] = self._mark([])
        new.extend(self._items(depth, items))
        return new

    def _tuple(self, depth: int, items: list[Any]) -> tuple[Any, ...]:
        return tuple(self._items(depth, items))

    def _set(self, depth: int, items: list[Any]) -> set[Any]:
        new: set[Any] = self._mark(set())
        new.update(self._items(depth, items))
        return new

    def _frozenset(self, depth: int, items: list[Any]) -> frozenset[Any]:
        return frozenset(self._items(depth, items))

    def _dict(self, depth: int, pairs: list[Any]) -> dict[Any, Any]:
        new: dict[Any, Any] = self._mark({})
        for key, value in pairs:
            name = self._decode(key, depth)
            new[name] = self._decode(value, depth)
        return new

    def _attributes(self, depth: int, pairs: list[Any], hooks: dict[str, int]) -> "Attributes":
        self.inside += 1
        try:
            values = {str(key): self._decode(value, depth) for key, value in pairs}
        finally:
            self.inside -= 1
        if HOOKS & values.keys():
            raise WireError("an attribute of that name")
        left = {
            name: int(count) for name, count in hooks.items() if name in SEEN_HOOKS and count in range(1000)
        }
        return Attributes(values, left)

    def _named(self, depth: int, name: str, fields: list[str], items: list[Any]) -> Any:
        kind = self.tuples.get((name, *fields))
        if kind is None:
            if len(fields) > 100 or not all(isinstance(field, str) for field in (name, *fields)):
                raise WireError("a named tuple of that kind")
            kind = self.tuples[(name, *fields)] = collections.namedtuple(name, fields)
        return kind(*self._items(depth, items))

    def _bytes(self, depth: int, number: int) -> bytes:
        return bytes(self._data(number))

    def _bytearray(self, depth: int, number: int) -> Any:
        return self._mark(bytearray(self._data(number)))

    def _complex(self, depth: int, real: float, imaginary: float) -> complex:
        return complex(real, imaginary)

    def _slice(self, depth: int, parts: list[Any]) -> slice:
        return slice(*self._items(depth, parts))

    def _range(self, depth: int, parts: list[Any]) -> range:
        return range(*self._items(depth, parts))

    def _ellipsis(self, depth: int) -> Any:
        return Ellipsis

    def _size(self, depth: int, sizes: list[int]) -> Any:
        import torch

        return torch.Size(sizes)

    def _dtype(self, depth: int, name: str) -> Any:
        import torch

        value = getattr(torch, name) if name.isidentifier() else None
        if not isinstance(value, torch.dtype):
            raise WireError(f"no dtype: {name[:40]}")
        return value

    def _device(self, depth: int, name: str) -> Any:
        import torch

        return torch.device(name)

    def _generator(self, depth: int, number: int) -> Any:
        import torch

        generator = self._mark(torch.Generator())
        generator.set_state(torch.frombuffer(bytearray(self._data(number)), dtype=torch.uint8).clone())
        return generator

    def _array(self, depth: int, dtype: str, shape: list[int], number: int) -> Any:
        return self._mark(self._plain_array(dtype, shape, number))

    def _scalar(self, depth: int, dtype: str, shape: list[int], number: int) -> Any:
        return self._plain_array(dtype, [], number)[()]

    def _plain_array(self, dtype: str, shape: list[int], number: int) -> Any:
        import numpy as np

        kind = np.dtype(str(dtype))
        if kind.kind not in "biufcSU" or kind.hasobject:
            raise WireError("an array of that kind")
        if any(type(n) is not int or n < 0 for n in shape) or math.prod(shape) > MAX_ELEMENTS:
            raise WireError("an array of that shape")
        if 0 in shape:
            return np.empty(shape, kind)
        data = bytearray(self._data(number))
        if kind.kind == "b":  # other bytes than 0 and 1 would be true and equal to nothing
            return (np.frombuffer(data, np.uint8) != 0).reshape(shape)
        return np.frombuffer(data, kind).reshape(shape)

    def _tensor(
        self,
        depth: int,
        dtype: str,
        shape: list[int],
        strides: list[int],
        number: int | None,
        flags: dict[str, Any],
        *,
        unmarked: bool = False,
    ) -> Any:
        import torch

        kind = self._dtype(depth, dtype)
        if not (kind.is_floating_point or kind.is_complex or dtype in WHOLE):
            raise WireError(f"a tensor of dtype {dtype[:40]}")
        if len(shape) != len(strides) or len(shape) > 64:
            raise WireError("a tensor of that shape")
        if any(type(n) is not int or n < 0 for n in (*shape, *strides)):
            raise WireError("a tensor of that shape")
        if number is None:
            tensor = self._without_memory(kind, shape, strides)
        elif 0 in shape:
            tensor = torch.empty(shape, dtype=kind)
        else:
            data = self._data(number)
            size = len(data) // kind.itemsize
            span = 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
            if size * kind.itemsize != len(data) or span > size or math.prod(shape) > MAX_ELEMENTS:
                raise WireError("a tensor whose data do not fit its shape")
            flat = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            flat = flat != 0 if kind is torch.bool else flat.view(kind)
            tensor = flat.as_strided(shape, _with_real_strides(shape, strides)).data  # nobody's view
        grad = flags.get("grad") is True and (kind.is_floating_point or kind.is_complex)
        if flags.get("parameter") is True:
            tensor = torch.nn.Parameter(tensor, requires_grad=grad)
        elif grad:
            tensor.requires_grad_()
        if grad and flags.get("leaf") is not True and not unmarked:
            leaf = self.leaves[len(self.marks)] = tensor
            if self.codec.trusted:  # a result of a computation may be changed in place, a leaf may not
                with torch.enable_grad():
                    tensor = leaf.clone()
        if not unmarked:
            self._mark(tensor)
        if flags.get("gradient") is not None:
            tensor.grad = self._decode(flags["gradient"], depth)
        return tensor

    def _without_memory(self, kind: Any, shape: list[int], strides: list[int]) -> Any:
        """A tensor of the meta device; of a student's only where the test has asked for such, since numbers
        that are not there differ from nothing.
        """
        import torch

        if not self.codec.trusted and not self.codec.meta:
            raise WireError("a tensor of the meta device, which has no numbers")
        if math.prod(shape) > MAX_ELEMENTS:
            raise WireError("a tensor of that shape")
        return torch.empty_strided(shape, strides, dtype=kind, device="meta")

    def _shared(self, depth: int, number: int, tree: list[Any]) -> Any:
        if self.codec.shared is None or type(number) is not int or tree[0] != "tensor":
            raise WireError("a shared value of no known kind")
        return self.codec.shared(number, self._tensor(depth, *tree[1:], unmarked=True))

    def _again(self, depth: int, mark: int) -> Any:
        return self.marks[mark]

    def _back(self, depth: int, mark: int) -> Any:
        return self.marked[mark]

    def _yours(self, depth: int, number: int) -> Any:
        return self.codec.own(number)

    def _mine(self, depth: int, number: int, kind: str, name: str, like: str = "") -> Any:
        if type(number) is not int or not all(isinstance(text, str) for text in (kind, name, like)):
            raise WireError("a proxy without a number")
        if self.inside and not self.codec.trusted:
            raise WireError("a module that is not wholly by value")
        return self.codec.proxy(Remote(number, kind, name[:200], like[:200]))

    def _class(self, depth: int, name: str) -> Any:
        return class_of(name, self.codec.trusted)

    def _function(self, depth: int, name: str) -> Any:
        """A function by name: from a student's process only those of `torch.nn.functional`."""
        import torch

        module, _, attribute = name.rpartition(".")
        if module == "torch.nn.functional" and not attribute.startswith("_"):
            value = getattr(torch.nn.functional, attribute, None)
        elif self.codec.trusted:
            value = getattr(importlib.import_module(module), attribute, None)
        else:
            value = None
        if not callable(value) or isinstance(value, type):
            raise WireError(f"no function that may cross: {name[:80]}")
        return value

    def _module(self, depth: int, name: str, state: Any) -> Any:
        import torch

        kind = class_of(name, self.codec.trusted)
        if not issubclass(kind, torch.nn.Module):
            raise WireError(f"{name[:80]} is no module")
        module = self._mark(kind.__new__(kind))
        torch.nn.Module.__init__(module)
        vars(module).update(self._attributes(depth, state, {}).values)
        if not self.codec.trusted:
            check_module(vars(module), kind)
        return module

    def _optimizer(self, depth: int, name: str, state: Any) -> Any:
        if not self.codec.trusted:
            raise WireError("an optimizer from that side")
        kind = class_of(name, trusted=True)
        optimizer = self._mark(kind.__new__(kind))
        for key, value in state:
            if key == "state":  # as torch has it, whose optimizers make entries by asking for them
                found: dict[Any, Any] = self._mark(collections.defaultdict(dict))
                found.update((self._decode(k, depth), self._decode(v, depth)) for k, v in value[1])
                vars(optimizer)[key] = found
            else:
                vars(optimizer)[key] = self._decode(value, depth + 1)
        optimizer.__setstate__({})
        return optimizer

    def _data(self, number: int) -> bytearray:
        if type(number) is not int or not 0 <= number < len(self.buffers):
            raise WireError("a buffer that is not there")
        return self.buffers[number]


def check_module(attributes: Mapping[str, Any], of: type) -> None:
    """Raises `WireError` unless the attributes that came for a module are what torch puts there."""
    import torch

    if any(hasattr(of, name) for name in attributes):
        raise WireError("a module with a method of its own")

    kinds = {"_parameters": torch.Tensor, "_buffers": torch.Tensor, "_modules": torch.nn.Module}
    for name, kind in kinds.items():
        found = attributes.get(name)
        if type(found) is not dict or not all(
            type(key) is str and (item is None or isinstance(item, kind)) for key, item in found.items()
        ):
            raise WireError("a module that is put together in a strange way")


def class_of(name: str, trusted: bool) -> Any:
    """The class of a dotted name; from a student's process only built-in types and layers of torch."""
    import torch

    if not isinstance(name, str) or len(name) > 200:
        raise WireError("a class without a name")
    module, _, attribute = name.rpartition(".")
    value: Any = None
    if module == "builtins":
        value = getattr(builtins, attribute, None)
    elif module.startswith("torch.nn.modules."):
        value = getattr(sys.modules.get(module), attribute, None)
        value = value if isinstance(value, type) and value.__module__ == module else None
    elif name == "torch.autograd.function.Function":
        value = torch.autograd.Function
    if value is None and trusted:
        value = getattr(importlib.import_module(module), attribute, None)
    if not isinstance(value, type):
        raise WireError(f"no class that may cross: {name[:80]}")
    return value


def _with_real_strides(shape: list[int], strides: list[int]) -> list[int]:
    """Strides of axes of one element are sent as 0; give them what a dense tensor has."""
    real, step = list(strides), 1
    for axis in reversed(range(len(shape))):
        if shape[axis] == 1:
            real[axis] = step
        step = max(step, real[axis] * shape[axis])
    return real
