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
_HEAP_TYPE = 1 << 9


class TamperedError(Exception):
    """A context does not hold any more; the message says why."""


class Watch:
    """These contexts as they are before any code of a student ran."""

    def __init__(self, contexts: Sequence[str]) -> None:
        self.functions = {dotted: _found(dotted) for dotted in contexts}
        self.modules = _modules(self.functions.values())
        self.stack = _stack_depth()
        self.kept = self._parts()  # alive, so that nothing else can take their places in memory
        self.before = _places(self.kept)
        self.intact = False
        """Whether nothing has run since the last look; whoever runs something unwatched clears it."""

    @contextlib.contextmanager
    def entered(self, contexts: Sequence[Any]) -> Iterator[None]:
        """Inside, these contexts hold.

        Raises:
            TamperedError: before or behind it, they do not.
        """
        if not self.intact:
            self._check()
        self.intact = False
        with contextlib.ExitStack() as stack:
            for dotted, arguments in contexts:
                stack.enter_context(self.functions[dotted](*arguments))
            depth = self.stack()
            yield
            if self.stack() != depth:
                raise TamperedError("a mode was taken off torch's stack")
        self._check()
        self.intact = True

    def _check(self) -> None:
        if len(_frames()) > 1:
            raise TamperedError("a thread runs beside it, in which nothing is forbidden")
        now = _places(self._parts())
        if now != self.before:
            changed = next((name for name in self.before if now.get(name) != self.before[name]), "something")
            raise TamperedError(f"{changed} was changed")

    def _parts(self) -> dict[str, list[Any]]:
        """Each thing that the contexts are made of, and what it is made of in turn."""
        found: dict[str, list[Any]] = {}
        for module, ours in self.modules:
            for name, value in list(vars(module).items()):
                if (ours or callable(value)) and not name.startswith("__"):
                    parts = found[f"{module.__name__}.{name}"] = []
                    _add_parts(value, DEPTH if ours else 1, parts)
        return found


def _places(parts: dict[str, list[Any]]) -> dict[str, list[int]]:
    """To compare by identity: a thing that says it is equal may not be the same."""
    return {name: list(map(id, found)) for name, found in parts.items()}


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


def _add_parts(value: Any, depth: int, parts: list[Any]) -> None:
    """What tells whether a thing has become another or was changed: it, and what it is made of."""
    parts.append(value)
    kind = type(value)
    if kind is types.FunctionType:
        cells = [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
        parts += [value.__code__, value.__defaults__, value.__kwdefaults__, *cells]
    elif depth > 0:
        if isinstance(value, type):
            if not value.__flags__ & _HEAP_TYPE:
                return  # written in C: nobody can set its attributes
            for name, part in vars(value).items():
                if callable(part):
                    parts.append(name)
                    _add_parts(part, depth - 1, parts)
        elif kind is dict:
            for key, part in value.items():
                parts.append(key)
                _add_parts(part, depth - 1, parts)
        elif kind is list or kind is tuple:
            for part in value:
                _add_parts(part, depth - 1, parts)


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _stack_depth() -> Callable[[], int]:
    torch = sys.modules.get("torch")
    found = getattr(getattr(torch, "_C", None), "_len_torch_dispatch_stack", None)
    return found if callable(found) else lambda: 0
