"""What a call costs on this machine: seconds and bytes."""

from __future__ import annotations

import statistics
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["Timing", "latency", "memory", "synchronize"]


@dataclass(frozen=True)
class Timing:
    """Seconds a call takes: the median over the repeats, and the width of the middle half of them."""

    median: float
    spread: float

    def __str__(self) -> str:
        return f"{self.median * 1e3:.3g} ms ± {self.spread / 2 * 1e3:.2g} ms"


def latency(function: Callable[..., object], *args: object, repeats: int = 20, warmup: int = 3) -> Timing:
    """Seconds that `function(*args)` takes on this machine.

    A module is called without gradients. On a GPU the clock waits for the work to be done.

    Args:
        function: a module or any function.
        *args: what it is called with.
        repeats: timed calls.
        warmup: calls before them: caches, allocators and kernels choose their pace there.

    Raises:
        ValueError: for no repeats.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}; time at least one call")
    gradients = torch.is_grad_enabled() and not isinstance(function, nn.Module)
    seconds = []
    with torch.set_grad_enabled(gradients):
        for i in range(warmup + repeats):
            synchronize()
            started = time.perf_counter()
            function(*args)
            synchronize()
            if i >= warmup:
                seconds.append(time.perf_counter() - started)
    quarters = statistics.quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else seconds * 3
    return Timing(statistics.median(seconds), quarters[2] - quarters[0])


def memory(function: Callable[..., object], *args: object) -> int:
    """Bytes that `function(*args)` holds at its peak in tensors that it made, its result included.

    A module is called without gradients; give `lambda: loss(model(x)).backward()` for a training step.
    Tensors are counted when an operation returns them and given back when the last reference goes; what an
    operation uses within itself (a convolution's workspace) is not seen.

    Args:
        function: a module or any function.
        *args: what it is called with; their own memory is not counted.
    """
    gradients = torch.is_grad_enabled() and not isinstance(function, nn.Module)
    with torch.set_grad_enabled(gradients), _Allocations() as allocations:
        function(*args)
    return allocations.peak


class _Allocations(TorchDispatchMode):
    """Follows the memory behind tensors from the operation that made it to its release."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing here is compiled, and torch would import its compiler, seconds long, to say so."""
        return False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.known: weakref.WeakSet[Any] = weakref.WeakSet()
        self.live = self.peak = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.known.update(t.untyped_storage() for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor))
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if not isinstance(tensor, Tensor) or tensor.untyped_storage() in self.known:
                continue
            storage = tensor.untyped_storage()
            self.known.add(storage)
            self.live += storage.nbytes()
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self.release, storage.nbytes())
        return result

    def release(self, size: int) -> None:
        self.live -= size


def synchronize() -> None:
    """Wait until the GPU has done what it was given; on the CPU there is nothing to wait for."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    elif torch.backends.mps.is_available():
        torch.mps.synchronize()
