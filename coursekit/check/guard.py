"""``forbid``: while it is active, calls that an exercise rules out raise ``ForbiddenCallError``.

Tensor operations are seen where torch dispatches them, below autograd, so it does not matter how they were
spelled. Python functions (``numpy.convolve``, ``torch.autograd.grad``) are replaced while some thread
forbids them and act as usual in every other thread.
"""

import functools
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import TracebackType
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from coursekit.check.groups import GROUPS, Group
from coursekit.errors import CheckError, ForbiddenCallError


class Watch:
    """What was forbidden and ran all the same, even where the caller swallowed the exception."""

    def __init__(self, groups: tuple[str, ...]) -> None:
        self.groups = groups
        self.violations: list[ForbiddenCallError] = []

    def refuse(self, call: str, group: str) -> ForbiddenCallError:
        """Note the call and return the exception to raise."""
        rule = GROUPS[group]
        error = ForbiddenCallError(
            call, group, f"{call} ran, but this exercise forbids {rule.what}. {rule.instead}"
        )
        self.violations.append(error)
        return error


def forbid(*groups: str, namespaces: Sequence[dict[str, Any]] = ()) -> AbstractContextManager[Watch]:
    """A context in which calls of the named groups raise ``ForbiddenCallError``.

    Parameters: ``groups`` are names in ``coursekit.check.groups.GROUPS``; none forbids nothing.
    ``namespaces`` are dictionaries, such as a function's ``__globals__``, in which names bound by
    ``from numpy import convolve`` are replaced too; the notebook's own namespace always is.

    The context's value has ``violations``, a list of the exceptions that were raised. Contexts nest, and each
    restores what it changed. Raises ``CheckError`` for an unknown group.

    Example: ``with forbid("conv", "autograd"): conv2d(x, weight)``.
    """
    unknown = [group for group in groups if group not in GROUPS]
    if unknown:
        raise CheckError(f"There is no group {unknown[0]!r} to forbid; there are: {', '.join(GROUPS)}.")
    return _forbidding(groups, namespaces)


@contextmanager
def _forbidding(groups: tuple[str, ...], namespaces: Sequence[dict[str, Any]]) -> Iterator[Watch]:
    watch = Watch(groups)
    rules = {name: GROUPS[name] for name in groups}
    with ExitStack() as stack:
        if any(rule.functions for rule in rules.values()):
            names = [name for rule in rules.values() for name in rule.functions]
            stack.enter_context(_replaced(names, namespaces))
        modules = {module: name for name, rule in rules.items() for module in rule.modules}
        if modules:
            stack.enter_context(_ImportRefusal(watch, modules))
        stack.enter_context(_watching(watch))
        if any(rule.operators for rule in rules.values()):
            stack.enter_context(_OperatorMode(watch, rules))
        yield watch


class _OperatorMode(TorchDispatchMode):
    """Refuses the operators of some groups and passes every other one on."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing here is compiled, and torch would import its compiler, seconds long, to say so."""
        return False

    def __init__(self, watch: Watch, rules: Mapping[str, Group]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.watch = watch
        self.rows = [(name, row) for name, rule in rules.items() for row in rule.operators]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.name().partition(".")[0]
        for group, row in self.rows:
            if row.name.fullmatch(name) and (not row.where or _has(func, args, kwargs or {}, row.where)):
                raise self.watch.refuse(name.replace("::", "."), group)
        return func(*args, **(kwargs or {}))


def _has(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether these arguments of a call of an operator have these values."""
    declared = func._schema.arguments
    given = {one.name: one.default_value for one in declared}
    given |= {one.name: value for one, value in zip(declared, args, strict=False)} | dict(kwargs)
    return all(name in given and given[name] == value for name, value in where.items())


# ---- Python functions -------------------------------------------------------------------------------------

_threads = threading.local()
_lock = threading.RLock()
_places: dict[tuple[int, str], "_Place"] = {}


def _watches() -> list[Watch]:
    """The contexts active in this thread, outermost first."""
    if not hasattr(_threads, "watches"):
        _threads.watches = []
    watches: list[Watch] = _threads.watches
    return watches


@contextmanager
def _watching(watch: Watch) -> Iterator[None]:
    _watches().append(watch)
    try:
        yield
    finally:
        _watches().remove(watch)


class _Place:
    """One name bound to a forbidden function, somewhere; shared by all contexts that need it replaced."""

    def __init__(self, owner: Any, name: str, original: Any, substitute: Any) -> None:
        self.owner, self.name, self.original, self.substitute = owner, name, original, substitute
        self.users = 0

    def put(self, value: Any, where: Any) -> None:
        """Bind the name to ``value`` if it is still bound to ``where``."""
        if isinstance(self.owner, dict):
            if self.owner.get(self.name) is where:
                self.owner[self.name] = value
        elif vars(self.owner).get(self.name) is where:
            setattr(self.owner, self.name, value)


@contextmanager
def _replaced(names: Sequence[str], namespaces: Sequence[dict[str, Any]]) -> Iterator[None]:
    """Replace the functions of these dotted names while the context is active."""
    taken: list[tuple[tuple[int, str], _Place]] = []
    try:
        with _lock:
            for key, place in _find_places(names, namespaces):
                place = _places.setdefault(key, place)
                if place.users == 0:
                    place.put(place.substitute, where=place.original)
                place.users += 1
                taken.append((key, place))
        yield
    finally:
        with _lock:
            for key, place in reversed(taken):
                place.users -= 1
                if place.users == 0:
                    place.put(place.original, where=place.substitute)
                    del _places[key]


def _find_places(
    names: Sequence[str], namespaces: Sequence[dict[str, Any]]
) -> Iterator[tuple[tuple[int, str], _Place]]:
    """Every place where one of the functions is bound, with the function that takes its place there."""
    substitutes: dict[int, tuple[Any, Any]] = {}
    for dotted in dict.fromkeys(names):
        owner_name, _, name = dotted.rpartition(".")
        owner = _imported(owner_name)
        if owner is None or name not in vars(owner):
            continue
        key = (id(owner), name)
        if key in _places:
            yield key, _places[key]
            substitutes[id(_places[key].original)] = (_places[key].original, _places[key].substitute)
            continue
        original = vars(owner)[name]
        _, substitute = substitutes.setdefault(id(original), (original, _substitute(original, dotted)))
        yield key, _Place(owner, name, original, substitute)
    main = vars(sys.modules["__main__"]) if "__main__" in sys.modules else {}
    for namespace in {id(n): n for n in (main, *namespaces)}.values():
        for name, value in list(namespace.items()):
            key = (id(namespace), name)
            if key in _places:
                yield key, _places[key]
            elif id(value) in substitutes:
                original, substitute = substitutes[id(value)]
                yield key, _Place(namespace, name, original, substitute)


def _imported(dotted: str) -> Any:
    """The module or class of this name if its module has been imported, else ``None``."""
    if dotted in sys.modules:
        return sys.modules[dotted]
    module, _, attribute = dotted.rpartition(".")
    if module not in sys.modules:
        return None
    return vars(sys.modules[module]).get(attribute)  # getattr would import what a package imports when asked


def _substitute(original: Callable[..., Any], dotted: str) -> Callable[..., Any]:
    groups = [name for name, rule in GROUPS.items() if dotted in rule.functions]
    call = _entry_of_engine if dotted.endswith("_engine_run_backward") else lambda: dotted

    @functools.wraps(original)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        for watch in reversed(_watches()):
            for group in groups:
                if group in watch.groups:
                    raise watch.refuse(call(), group)
        return original(*args, **kwargs)

    return guarded


def _entry_of_engine() -> str:
    """The outermost function of torch on the way to the autograd engine."""
    entry = "torch.autograd"
    frame = sys._getframe(2)
    while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] in (
        "torch",
        __name__,
    ):
        entry = f"{frame.f_globals['__name__']}.{frame.f_code.co_qualname}"
        frame = frame.f_back  # type: ignore[assignment]
    return entry


class _ImportRefusal:
    """Refuses a first import of some modules by this thread: too late to replace their functions."""

    def __init__(self, watch: Watch, modules: Mapping[str, str]) -> None:
        self.watch, self.modules, self.thread = watch, modules, threading.get_ident()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Called by the import system; ``None`` leaves the import to the next finder."""
        if name in self.modules and threading.get_ident() == self.thread:
            raise self.watch.refuse(f"import {name}", self.modules[name])

    def __enter__(self) -> None:
        sys.meta_path.insert(0, self)

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        sys.meta_path.remove(self)
