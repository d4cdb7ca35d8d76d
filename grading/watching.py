"""Do contexts that forbid calls still hold in a process that a student's code can change?

The process looks at itself, so that is no proof: a patched guard, a thread of one's own, a mode lifted off
its stack are found; what patches this as well has to name it, and `grading.evasion` reads the hand-in for
names.
"""

import contextlib
import importlib
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

__all__ = ["TamperedError", "Watch"]

_frames = sys._current_frames
DEPTH = 3


class TamperedError(Exception):
    """A context does not hold any more; the message says why."""


class Watch:
    """These contexts as they are before any code of a student ran."""

    def __init__(self, contexts: Sequence[str]) -> None:
        self.functions = {dotted: _found(dotted) for dotted in contexts}
        self.modules = _modules(self.functions.values())
        self.stack = _stack_depth()
        self.before = self._marks()

    @contextlib.contextmanager
    def entered(self, contexts: Sequence[Any]) -> Iterator[None]:
        """Inside, these contexts hold.

        Raises:
            TamperedError: before or behind it, they do not.
        """
        self._check()
        with contextlib.ExitStack() as stack:
            for dotted, arguments in contexts:
                stack.enter_context(self.functions[dotted](*arguments))
            depth = self.stack()
            yield
            if self.stack() != depth:
                raise TamperedError("a mode was taken off torch's stack")
        self._check()

    def _check(self) -> None:
        if len(_frames()) > 1:
            raise TamperedError("a thread runs beside it, in which nothing is forbidden")
        now = self._marks()
        if now != self.before:
            changed = next((name for name in self.before if now.get(name) != self.before[name]), "something")
            raise TamperedError(f"{changed} was changed")

    def _marks(self) -> dict[str, Any]:
        return {
            f"{module.__name__}.{name}": _mark(value, DEPTH if ours else 1)
            for module, ours in self.modules
            for name, value in list(vars(module).items())
            if (callable(value) or ours) and not name.startswith("__")
        }


def _found(dotted: str) -> Callable[..., Any]:
    module, _, name = dotted.rpartition(".")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def _modules(functions: Any) -> list[tuple[types.ModuleType, bool]]:
    """The modules that contexts are made of, and whether they belong to the course."""
    found: dict[str, bool] = {"builtins": False, "contextlib": False, "torch.utils._python_dispatch": False}
    for function in functions:
        home = function.__module__
        root = home.partition(".")[0]
        near = {getattr(value, "__module__", None) for value in vars(sys.modules[home]).values()}
        found |= {name: True for name in {home, *near} if str(name).partition(".")[0] == root}
    return [(sys.modules[name], ours) for name, ours in found.items() if name in sys.modules]


def _mark(value: Any, depth: int) -> Any:
    """What tells whether a thing has become another or was changed; the thing itself is kept alive by it."""
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        parts = [value.__code__, value.__defaults__, value.__kwdefaults__, *cells]
        return [_Same(value), *map(_Same, parts)]
    if depth > 0 and isinstance(value, type):
        held = [(name, _mark(part, depth - 1)) for name, part in vars(value).items() if callable(part)]
        return [_Same(value), held]
    if depth > 0 and type(value) is dict:
        return [_Same(value), [(_Same(key), _mark(part, depth - 1)) for key, part in value.items()]]
    if depth > 0 and type(value) in (list, tuple):
        return [_Same(value), [_mark(part, depth - 1) for part in value]]
    return _Same(value)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


class _Same:
    """Equal to what holds the very same thing."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value

    __hash__ = object.__hash__


def _stack_depth() -> Callable[[], int]:
    torch = sys.modules.get("torch")
    found = getattr(getattr(torch, "_C", None), "_len_torch_dispatch_stack", None)
    return found if callable(found) else lambda: 0
