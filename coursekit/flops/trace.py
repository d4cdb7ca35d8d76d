"""One run of a network, seen twice: as the functions that it calls and as the ATen operations below them.

The functions give names and kinds, the operations are what is counted. Parameters and buffers are replaced by
others of the same shape for the length of the run, on the meta device unless told otherwise, so that
nothing is allocated or computed; the network itself is neither copied nor left changed.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from coursekit.flops.attention import attention, torch_attention
from coursekit.flops.kinds import kind_of
from coursekit.flops.operations import cost, knows
from coursekit.flops.shapes import meta_like, quick_result
from coursekit.probe.module_calls import following_modules
from coursekit.probe.replaced_parameters import replaced_parameters

__all__ = ["Call", "Run", "Visit", "run"]


@dataclass(eq=False)
class Visit:
    """One call of a module: its path, and whether it called no other module."""

    path: str
    leaf: bool = True


@dataclass(eq=False)
class Call:
    """One call of a torch function, with what was counted below it."""

    visit: Visit
    function: str
    kind: str
    shape: tuple[int, ...] = ()
    bytes: int = 0
    macs: int = 0
    other: int = 0
    saved: int = 0
    parameters: list[int] = field(default_factory=list)
    uncounted: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Run:
    """What a run left behind.

    Attributes:
        calls: in order.
        parameters: id of a replacement -> path of the parameter and its numbers; one entry for shared ones.
        peak_bytes: most bytes alive at once in tensors that the run made, nothing kept for backward.
    """

    calls: list[Call]
    parameters: dict[int, tuple[str, int]]
    peak_bytes: int


def run(model: nn.Module, inputs: tuple[Any, ...], *, device: torch.device, training: bool) -> Run:
    """Run the network once on replaced parameters.

    Args:
        model: any module; afterwards it is as it was.
        inputs: positional arguments; tensors among them are moved to the device.
        device: the meta device, or one that computes.
        training: the mode that every module is in while it runs.
    """

    def make(x: Tensor) -> Tensor:
        return _on(x, device) if device.type == "meta" else _on(x, device).clone()

    with replaced_parameters(model, make, training=training) as parameters:
        inputs = tree_map(lambda x: _on(x, device) if isinstance(x, Tensor) else x, inputs)
        own = [*model.parameters(), *model.buffers()]
        memory = _Memory(own, [x for x in tree_leaves(inputs) if isinstance(x, Tensor)])
        functions = _Functions(set(parameters))
        saving = torch.autograd.graph.saved_tensors_hooks(functions.saver(memory), _unpack)
        operations = _Operations(functions, memory, device)
        named = following_modules(model, functions.enter, functions.leave)
        with named, torch.enable_grad(), functions.attention(), saving, functions, operations:
            model(*inputs)
    return Run(functions.calls, parameters, memory.peak)


def _unpack(kept: object) -> Tensor:
    raise RuntimeError(
        "profile runs forward only: a network that calls backward in its forward cannot be profiled"
    )


def _on(x: Tensor, device: torch.device) -> Tensor:
    return meta_like(x) if device.type == "meta" else x.to(device)


class _Memory:
    """Storages that the run made, how long they live, and which of them backward needs."""

    def __init__(self, own: list[Tensor], inputs: list[Tensor]) -> None:
        self.known: weakref.WeakSet[Any] = weakref.WeakSet(t.untyped_storage() for t in (*own, *inputs))
        self.saved: weakref.WeakSet[Any] = weakref.WeakSet(t.untyped_storage() for t in own)
        self.live = self.peak = 0

    def made(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self.known:
            return
        self.known.add(storage)
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self.release, storage.nbytes()).atexit = False

    def release(self, size: int) -> None:
        self.live -= size

    def keep(self, tensor: Tensor) -> int:
        """Bytes that are newly kept."""
        storage = tensor.untyped_storage()
        if storage in self.saved:
            return 0
        self.saved.add(storage)
        return int(storage.nbytes())


class _Functions(TorchFunctionMode):
    """Gives each call of a torch function its name, kind and module."""

    def __init__(self, parameters: set[int]) -> None:
        super().__init__()
        self.parameters = parameters
        self.calls: list[Call] = []
        self.stack = [Visit("")]
        self.current: Call | None = None

    def enter(self, path: str) -> None:
        if path:
            self.stack[-1].leaf = False
        self.stack.append(Visit(path) if path else self.stack[-1])

    def leave(self) -> None:
        self.stack.pop()

    @contextmanager
    def attention(self) -> Iterator[None]:
        """Attention by functions that can be counted: torch's closed fast path of evaluation mode is off.

        The calls inside torch's own multi-head attention are met by taking the function's place.
        """

        def inner(*args: Any, **kwargs: Any) -> Tensor:
            return (torch_attention if self.current is None else attention)(*args, **kwargs)

        fast = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        F.scaled_dot_product_attention = inner
        try:
            yield
        finally:
            F.scaled_dot_product_attention = torch_attention
            torch.backends.mha.set_fastpath_enabled(fast)

    def begin(self, function: str, kind: str) -> Call:
        call = Call(self.stack[-1], function, kind)
        self.calls.append(call)
        return call

    def saver(self, memory: _Memory) -> Callable[[Tensor], None]:
        def save(tensor: Tensor) -> None:
            kept = memory.keep(tensor)
            if kept:
                call = self.current or (self.calls[-1] if self.calls else self.begin("autograd", "other"))
                call.saved += kept

        return save

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _QUESTIONS or self.current is not None:
            return func(*args, **kwargs)
        if func is torch_attention:
            func = attention
        self.current = call = self.begin(name, "other")
        try:
            result = func(*args, **kwargs)
        finally:
            self.current = None
        leaves = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        call.parameters = [id(x) for x in leaves if id(x) in self.parameters]
        output = next((x for x in tree_leaves(result) if isinstance(x, Tensor)), None)
        if output is not None:
            call.shape, call.bytes = tuple(output.shape), output.numel() * output.element_size()
            call.kind = kind_of(name, args, kwargs, output)
        return result


# What asks a tensor about itself: nothing runs below.
_QUESTIONS = frozenset(
    {"__get__", "dim", "size", "numel", "stride", "is_contiguous", "is_floating_point", "__len__"}
)


class _Operations(TorchDispatchMode):
    """Counts each ATen operation into the call that it belongs to."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # or the first operation imports torch's compiler, which takes two seconds

    def __init__(self, functions: _Functions, memory: _Memory, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.functions = functions
        self.memory = memory
        self.meta = device.type == "meta"
        self.fields: dict[Any, list[str]] = {}

    def __torch_dispatch__(
        self, func: Any, types: object, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func._overloadpacket.__name__ if func.namespace == "aten" else str(func._overloadpacket)
        if not knows(name):
            with self:
                result = func.decompose(*args, **(kwargs or {}))
            if result is not NotImplemented:
                return result
        arguments = self.bind(func, args, kwargs or {})
        result = NotImplemented
        if self.meta and name != "index" and _meta_only(arguments):
            result = quick_result(name, arguments)
        if result is NotImplemented:
            positional = [arguments.pop(a.name) for a in func._schema.arguments[: len(args)]]
            result = func(*positional, **arguments)
            arguments = self.bind(func, tuple(positional), arguments)
        self.count(name, arguments, result)
        return result

    def bind(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by the names of the operation's schema."""
        if func not in self.fields:
            self.fields[func] = [argument.name for argument in func._schema.arguments]
        return {**dict(zip(self.fields[func], args, strict=False)), **kwargs}

    def count(self, name: str, arguments: Mapping[str, Any], result: Any) -> None:
        call = self.functions.current or self.functions.begin(name, "other")
        counted = cost(name, arguments, result)
        if counted is None:
            call.uncounted[name] += 1
        else:
            call.macs += counted[0]
            call.other += counted[1]
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor):
                self.memory.made(tensor)


def _meta_only(arguments: dict[str, Any]) -> bool:
    """Whether the tensors are on the meta device; real ones beside them (constants) are replaced in place."""
    meta, real = False, []
    for name, value in arguments.items():
        for x in value if isinstance(value, list | tuple) else (value,):
            if isinstance(x, Tensor):
                if x.device.type == "meta":
                    meta = True
                elif x.dim():
                    real.append(name)
    if meta:
        for name in real:
            arguments[name] = tree_map(
                lambda x: meta_like(x) if isinstance(x, Tensor) else x, arguments[name]
            )
    return meta
