"""Forbidden functions of Python leave a mark in the record when they run.

The mark is put into the code of the function itself, so that it does not matter by which name, or when, a
hand-in took hold of it. A function that is not written in Python is wrapped where modules hold it.
"""

import ast
import functools
import inspect
import sys
import textwrap
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from grading.answer.warden import MARK, mark_of

__all__ = ["expect", "mark_all"]

_PLACE = "<the mark>"

_names: list[str] = []
_done: set[str] = set()
_seen: set[str] = set()  # modules that were there the last time


def expect(names: Iterable[str]) -> None:
    """These functions are forbidden somewhere in the course."""
    _names[:] = names
    mark_all()


def mark_all() -> None:
    """Put marks into those of the functions that have been imported and have none."""
    if _seen == sys.modules.keys():
        return
    _seen.clear()
    _seen.update(sys.modules)
    for name in _names:
        if name not in _done and (function := _found(name)) is not None:
            _done.add(name)
            _mark(function, name)


def _mark(function: Any, name: str) -> None:
    mark = mark_of(MARK + name)
    inner = getattr(function, "_implementation", function)  # numpy's functions choose one by their arguments
    if isinstance(inner, types.FunctionType) and (code := _with_mark(inner, mark)) is not None:
        inner.__code__ = code
        return
    wrapper = _wrapped(function, mark)
    for owner, key in list(_places(function)):
        setattr(owner, key, wrapper)


def _with_mark(function: types.FunctionType, mark: Callable[[], Any]) -> types.CodeType | None:
    """The function's code, which first of all leaves the mark; None where there is no source."""
    old = function.__code__
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        return None
    definition.decorator_list, definition.returns = [], None
    call = ast.Expr(ast.Call(ast.Constant(_PLACE), [], []))
    definition.body.insert(0, ast.copy_location(call, definition))
    ast.increment_lineno(tree, old.co_firstlineno - 1)
    if "__class__" in old.co_freevars:  # `super()` finds the class by that name
        tree.body = [
            ast.copy_location(ast.ClassDef(_class_of(function), [], [], [definition], []), definition)
        ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # a text is no function; a mark stands there soon
        found = compile(ast.fix_missing_locations(tree), old.co_filename, "exec", dont_inherit=True)
    code = next(
        (one for one in _codes(found) if one.co_name == old.co_name and _PLACE in one.co_consts), None
    )
    if code is None or code.co_freevars != old.co_freevars:
        return None
    constants: Any = tuple(mark if one == _PLACE else one for one in code.co_consts)
    return code.replace(co_consts=constants, co_qualname=old.co_qualname)


def _class_of(function: types.FunctionType) -> str:
    return function.__qualname__.rpartition(".")[0].rpartition(".")[2] or "_"


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _codes(one)


def _wrapped(function: Callable[..., Any], mark: Callable[[], Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def marked(*args: Any, **kwargs: Any) -> Any:
        mark()
        return function(*args, **kwargs)

    del marked.__wrapped__
    return marked


def _places(function: Any) -> Iterator[tuple[Any, str]]:
    """Modules and classes of modules that hold it, and under which name."""
    for module in list(sys.modules.values()):
        for key, value in list(vars(module).items()) if isinstance(module, types.ModuleType) else ():
            if value is function:
                yield module, key


def _found(dotted: str) -> Any:
    """What has this name, where its module has been imported; asking for it imports nothing."""
    parts = dotted.split(".")
    for length in range(len(parts) - 1, 0, -1):
        found = sys.modules.get(".".join(parts[:length]))
        if found is None:
            continue
        for part in parts[length:]:
            found = vars(found).get(part) if hasattr(found, "__dict__") else None
            if found is None:
                return None
        return found
    return None
