"""Algorithms that repeat to the bit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


@contextmanager
def deterministic(enabled: bool = True) -> Iterator[None]:
    """Run the block with deterministic algorithms only; afterwards every setting is what it was.

    An operation that has no such algorithm raises torch's RuntimeError, which names it. cuBLAS reads its
    variable when it is first used in a process: set CUBLAS_WORKSPACE_CONFIG=:4096:8 before Python starts if
    torch asks for it.

    Args:
        enabled: False changes nothing.
    """
    if not enabled:
        yield
        return
    cudnn = torch.backends.cudnn
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    before_cudnn = cudnn.deterministic, cudnn.benchmark
    workspace = os.environ.get(WORKSPACE)
    try:
        os.environ.setdefault(WORKSPACE, ":4096:8")
        torch.use_deterministic_algorithms(True)
        cudnn.deterministic, cudnn.benchmark = True, False
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.deterministic, cudnn.benchmark = before_cudnn
        if workspace is None:
            os.environ.pop(WORKSPACE, None)
