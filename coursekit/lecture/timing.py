"""How long a block of a lecture takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from coursekit.probe import synchronize

__all__ = ["stopwatch"]


@contextmanager
def stopwatch(label: str) -> Iterator[None]:
    """Print how long a block takes under this label, the GPU's work included."""
    synchronize()
    started = time.perf_counter()
    yield
    synchronize()
    print(f"{label}: {time.perf_counter() - started:.3g} s")
