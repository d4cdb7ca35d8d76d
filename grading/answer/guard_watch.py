"""Do contexts that forbid calls still hold in a process that a student's code can change?

The process looks at itself, so that is no proof: a patched guard, a thread of one's own, a mode lifted off
its stack are found; what patches this as well has to name it, and `grading.engine.evasion` reads the
hand-in for names.
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
        self.holders = list(self._holders())  # alive, so that nothing else can take their places in memory
        self.before = [_held(thing, whole) for _, thing, whole in self.holders]
        self.glances = [_glance(thing) for _, thing, _ in self.holders]
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
        for index, (name, thing, whole) in enumerate(self.holders):
            if (glance := _glance(thing)) == self.glances[index]:
                continue  # nothing at all has changed, as mostly, and looking closer takes ten times as long
            before = self.before[index]
            if (now := _held(thing, whole)) != before:
                parts = before if isinstance(before, dict) else ()
                part = next((f".{part}" for part in parts if now.get(part) != before[part]), "")
                raise TamperedError(f"{name}{part} was changed")
            self.glances[index] = glance  # only now: what was changed is found at every look

    def _holders(self) -> Iterator[tuple[str, Any, bool]]:
        """Each thing that the contexts are made of and that holds others, by name; whether all count."""
        for module, ours in self.modules:
            yield module.__name__, module, ours
            for name, value in vars(module).items():
                if (ours or callable(value)) and not name.startswith("__"):
                    dotted = f"{module.__name__}.{name}"
                    yield from ((dotted, thing, ours) for thing in _inside(value, DEPTH if ours else 1))


def _inside(value: Any, depth: int) -> Iterator[Any]:
    """This thing and those in it that can be changed."""
    kind = type(value)
    if kind is types.FunctionType:
        yield value
    elif depth > 0 and (kind in (dict, list, tuple) or _can_be_set(value)):
        yield value
        parts = (
            value if kind in (list, tuple) else vars(value).values() if kind is not dict else value.values()
        )
        for part in list(parts):
            if not isinstance(value, type) or callable(part):
                yield from _inside(part, depth - 1)


def _can_be_set(value: Any) -> bool:
    """Whether it is a class whose attributes somebody can set: not one that is written in C."""
    return isinstance(value, type) and bool(value.__flags__ & _HEAP_TYPE)


def _glance(thing: Any) -> Any:
    """Everything that it holds now, by identity, whether it counts or not."""
    kind = type(thing)
    if kind in (types.FunctionType, list, tuple):
        return _held(thing, True)
    parts = thing if kind is dict else vars(thing)
    return [*parts], [*map(id, parts.values())]


def _held(thing: Any, whole: bool) -> Any:
    """What it holds now, by identity: a thing that says it is equal may not be the same."""
    kind = type(thing)
    if kind is types.FunctionType:
        cells = [cell.cell_contents for cell in thing.__closure__ or () if _is_filled(cell)]
        return [*map(id, (thing.__code__, thing.__defaults__, thing.__kwdefaults__)), *map(id, cells)]
    if kind is list or kind is tuple:
        return list(map(id, thing))
    if kind is dict:
        return [*map(id, thing), *map(id, thing.values())]
    whole = whole and kind is types.ModuleType
    return {
        name: id(part)
        for name, part in vars(thing).items()
        if (whole or callable(part)) and (kind is not types.ModuleType or not name.startswith("__"))
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


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _stack_depth() -> Callable[[], int]:
    torch = sys.modules.get("torch")
    found = getattr(getattr(torch, "_C", None), "_len_torch_dispatch_stack", None)
    return found if callable(found) else lambda: 0
