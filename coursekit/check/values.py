"""Student values as plain data: what is compared, fingerprinted and shown, never the objects themselves.

``plain`` trusts exact types only. An object whose class overrides ``__eq__``, ``__repr__`` or
``__torch_function__`` becomes an ``Opaque`` that holds nothing but the name of its type.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

MOST_ITEMS = 4096
"""Longer containers are not taken apart, larger tensors not copied, fingerprinted or shown."""

DEEPEST = 8
"""Containers nested deeper than this (or in themselves) are not taken apart."""

_DTYPES = frozenset(
    {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bfloat16}
    | {torch.float16, torch.float32, torch.float64, torch.complex64, torch.complex128}
)
"""Torch has others, quantized ones and ones of few bits, with hardly an operation that works on them."""

_NUMBERS_AND_TEXT = (bool, int, float, complex, str, type(None), torch.dtype, torch.Size)


@dataclass(frozen=True)
class Opaque:
    """A value of a type that the checks do not look into."""

    type: str


def type_name(value: object) -> str:
    """The real name of a value's type, whatever its class or metaclass says."""
    name: str = type.__dict__["__name__"].__get__(type(value))
    return name[:60]


def safe_text(value: object, limit: int = 400) -> str:
    """``str(value)``, cut to ``limit`` characters; a value that cannot be printed gives its type's name."""
    return _print(str, value, limit)


def safe_repr(value: object, limit: int = 400) -> str:
    """``repr(value)``, in the same way."""
    return _print(repr, value, limit)


def _print(function: Callable[[object], str], value: object, limit: int) -> str:
    try:
        text = function(value)
        text = text if type(text) is str else str.__str__(text)
    except Exception:  # Whatever a student's class does, and integers of more digits than Python prints.
        return f"<{type_name(value)} that cannot be printed>"
    return text if len(text) <= limit else text[:limit] + " ..."


def plain(value: object, depth: int = 0) -> object:
    """A value as plain data that the caller of the check can no longer change.

    Numbers, strings and ``None`` of exactly these types stay; tensors become detached copies on their device;
    lists, tuples and dictionaries (named tuples included) become plain ones; everything else an ``Opaque``.
    """
    kind = type(value)
    if kind in _NUMBERS_AND_TEXT:
        return tuple(value) if isinstance(value, torch.Size) else value
    if kind is Tensor or kind is torch.nn.Parameter:
        return _plain_tensor(value)  # type: ignore[arg-type]
    if depth >= DEEPEST or not isinstance(value, tuple | list | dict):
        return Opaque(type_name(value))
    # The unbound methods read the real contents: a subclass cannot answer in their place.
    if isinstance(value, dict):
        items = list(dict.items(value))
        if len(items) > MOST_ITEMS or not all(
            type(key) in (str, int, float, bool, tuple) for key, _ in items
        ):
            return Opaque(type_name(value))
        return {key: plain(item, depth + 1) for key, item in items}
    contents: list[object] = list(list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value))
    if len(contents) > MOST_ITEMS:
        return Opaque(f"{type_name(value)} of {len(contents)} items")
    converted = [plain(item, depth + 1) for item in contents]
    return converted if isinstance(value, list) else tuple(converted)


def _plain_tensor(value: Tensor) -> object:
    tensor = Tensor.detach(value)
    if tensor.layout is not torch.strided:
        return Opaque(f"{tensor.layout} tensor".replace("torch.", ""))
    if tensor.dtype not in _DTYPES:
        return Opaque(f"{tensor.dtype} tensor".replace("torch.", ""))
    if tensor.is_meta or tensor.numel() > MOST_ITEMS:
        return tensor
    return tensor.resolve_conj().resolve_neg().clone()


def snapshot(value: object) -> object:
    """A deep copy of an argument: tensors cloned, containers rebuilt, anything else as it is."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if type(value) is list:
        return [snapshot(item) for item in value]
    if type(value) is tuple:
        return tuple(snapshot(item) for item in value)
    if isinstance(value, Mapping):
        return {key: snapshot(item) for key, item in value.items()}
    return value


def identical(a: object, b: object) -> bool:
    """Whether two plain values are the same: in type, shape, dtype, device and numbers; NaN is NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if (a.shape, a.dtype, a.device) != (b.shape, b.dtype, b.device):
            return False
        return a.is_meta or bool(((a == b) | ((a != a) & (b != b))).all())
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(identical(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(identical(a[key], b[key]) for key in a)
    return bool(a == b or (a != a and b != b))
