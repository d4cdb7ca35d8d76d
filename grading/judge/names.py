"""Which names in the instructor's cells are the course's, and which are the student's answers.

A name that a cell uses and that neither a cell here has defined nor the course has imported is an answer's.
"""

import ast
import builtins
import contextlib
import dis
import re
import symtable
import types
from collections.abc import Iterable, Iterator
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from grading.judge.course_names import Given, definitions

__all__ = ["Names", "free_names"]

_WORD = re.compile(r"\b[^\W\d]\w*\b")


class Names:
    """The names of one notebook, as its cells are run. own: those that the course's cells have defined."""

    def __init__(self, shell: InteractiveShell, given: Given) -> None:
        self.shell, self.given = shell, given
        self.own: set[str] = set(shell.user_ns) | set(vars(builtins))
        self._stars: dict[str, Any] | None = None

    def asked(self, source: str) -> set[str]:
        """Names that a cell, or a function that it uses, takes from outside and no cell here has defined."""
        code = self.shell.transform_cell(source)
        names = free_names(code)
        if names is None or code.strip() != source.strip():  # magics hold code as text
            names = (names or set()) | set(_WORD.findall(source))
        names |= _reached(set(_WORD.findall(source)) & self.own, self.shell.user_ns)
        return self._not_given(names - self.own)

    def asked_at_once(self, source: str) -> set[str]:
        """Those of them that it uses at its top level, not only in functions that it defines."""
        self.define(source, stars=True)  # such names are not the answer's
        names = free_names(self.shell.transform_cell(source), nested=False) or set()
        return self._not_given(names - self.own)

    def define(self, source: str, *, stars: bool = False) -> None:
        """What a cell imports and defines is the course's, also where the rest of it runs over there."""
        for statement in definitions(self.shell.transform_cell(source)):
            if stars and not (isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*"):
                continue
            before = dict(self.shell.user_ns)
            with contextlib.suppress(Exception):  # as over there, a cell may fail halfway
                exec(compile(ast.Module([statement], []), "<cell>", "exec"), self.shell.user_ns)
            now = self.shell.user_ns
            self.own |= {name for name in now if name not in before or now[name] is not before[name]}

    def _not_given(self, names: set[str]) -> set[str]:
        """Those of some names that are not the course's; what it imports anywhere is imported here."""
        for name in sorted(names):
            with contextlib.suppress(Exception):  # what cannot be imported is not there
                if name in self.given.imports:
                    exec(self.given.imports[name], self.shell.user_ns)
                    self.own.add(name)
                elif name not in self.given.answers and name in self._starred():
                    self.shell.user_ns[name] = self._starred()[name]
                    self.own.add(name)
        return names - self.own - self.given.imports.keys() - set(self.given.locked)

    def _starred(self) -> dict[str, Any]:
        if self._stars is None:
            self._stars = {}
            for statement in self.given.stars:
                with contextlib.suppress(Exception):
                    exec(statement, self._stars)
        return self._stars


def _reached(names: Iterable[str], defined: dict[str, Any]) -> set[str]:
    """Names that the functions and classes of these names take from outside, directly or by each other."""
    found = set[str]()
    todo = [defined.get(name) for name in names]
    while todo:
        value = todo.pop()
        if isinstance(value, type) and value.__module__ == defined.get("__name__"):
            todo += [item for item in vars(value).values() if isinstance(item, types.FunctionType)]
        if not isinstance(value, types.FunctionType) or value.__globals__ is not defined:
            continue
        codes = [value.__code__]
        while codes:
            code = codes.pop()
            codes += [one for one in code.co_consts if isinstance(one, types.CodeType)]
            new = {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"} - found
            found |= new
            todo += [defined.get(name) for name in new]
    return found


def free_names(source: str, *, nested: bool = True) -> set[str] | None:
    """Names that a cell uses and does not define, as its text tells; None where that is no Python."""
    try:
        table = symtable.symtable(source, "<cell>", "exec")
    except (SyntaxError, ValueError):
        return None
    assigned = {
        symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()
    }
    found = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    if nested:
        for child in _inner(table):
            found |= {s.get_name() for s in child.get_symbols() if s.is_global() and s.is_referenced()}
    else:
        for child in table.get_children():
            if child.get_type() != "function" or child.get_name() in (
                "listcomp",
                "genexpr",
                "lambda",
                "setcomp",
                "dictcomp",
            ):
                found |= {s.get_name() for s in child.get_symbols() if s.is_global() and s.is_referenced()}
    return found - assigned


def _inner(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _inner(child)
