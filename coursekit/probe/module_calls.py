"""Being told which module of a network runs, by its path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

__all__ = ["following_modules"]


@contextmanager
def following_modules(
    network: nn.Module, enter: Callable[[str], None], leave: Callable[[], None]
) -> Iterator[None]:
    """Tell the path of each module of the network that begins to run, and when it is done.

    The hooks are torch's global ones: none hangs on a module. Modules that the network makes while it runs
    have no path and are not told.
    """
    paths = {id(module): path for path, module in network.named_modules()}

    def before(module: nn.Module, args: object) -> None:
        if id(module) in paths:
            enter(paths[id(module)])

    def after(module: nn.Module, args: object, output: object) -> None:
        if id(module) in paths:
            leave()

    handles = [register_module_forward_pre_hook(before), register_module_forward_hook(after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
