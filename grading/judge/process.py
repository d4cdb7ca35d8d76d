"""The process that runs the instructor's cells and says how each came out; no line of a student's code runs
in it.

Cells run in the notebook's order: the student's over there, the instructor's here. A name that a cell here
uses and no cell here has defined is the student's answer, and comes from over there. A cell of the
instructor that asks an answer while it is read (a public check, a plot) and gives no points runs over there
as well, in the text that students got.
"""

import ast
import builtins
import contextlib
import dis
import functools
import importlib
import json
import re
import socket
import symtable
import types
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from grading.fork.shell import ALL_KEPT, ERROR_LENGTH, Cell, Outputs, attach, run_cell, seed_all
from grading.judge.beside import put_beside
from grading.judge.course_names import Given, definitions
from grading.judge.link import AnswerLost, Link
from grading.judge.proxies import Proxy
from grading.judge.task import Task
from grading.wire.channel import Channel, WireError

__all__ = ["serve"]

SEEDS = (("random", "seed"), ("numpy.random", "seed"), ("torch", "manual_seed"))
"""Functions that seed random numbers: called in a test, they seed those of the answer as well."""

_NAME = re.compile(r"\b[^\W\d]\w*\b")

OUTPUTS_KEPT = 1000
"""Outputs of a cell that go on to the notebook."""

DEPENDS = "it passes only because the answer changed the values that it is compared with"


def serve(supervisor: socket.socket, answer: socket.socket, shell: InteractiveShell) -> None:
    """Take one hand-in's cells from the supervisor, run them, report each."""
    channel = Channel(supervisor)
    message, _ = channel.receive()
    tasks = [Task(**task) for task in message["tasks"]]
    outputs = attach(shell)
    # A cell is transformed to see what it asks for, and again to run; a hidden test can be long.
    shell.transform_cell = functools.lru_cache(shell.transform_cell)
    seed_all()
    judge = _Judge(channel, Link(Channel(answer)), shell, outputs, Given(**message["given"]))
    with _stand_ins(judge.link, message["contexts"]):
        try:
            if message["files"]:
                put_beside(message["files"], judge.link)
            if message["contexts"]:
                judge.link.plain("watch", names=message["contexts"])
            for task in tasks:
                judge.run(task)
        except (AnswerLost, WireError) as lost:
            channel.send({"lost": str(lost) or type(lost).__name__})
            return
    channel.send({"done": True})


class _Judge:
    def __init__(
        self, channel: Channel, link: Link, shell: InteractiveShell, outputs: Outputs, given: Given
    ) -> None:
        self.channel, self.link, self.shell, self.outputs = channel, link, shell, outputs
        self.given = given
        self.stars: dict[str, Any] | None = None
        self.refused: dict[str, Exception] = {}
        self.own: set[str] = set(shell.user_ns) | set(vars(builtins))

    def run(self, task: Task) -> None:
        """Run one cell where it belongs and report it."""
        if task.where == "defined":
            return self._define(task.here)
        self.channel.send({"begin": task.index})
        shown = None
        try:
            if task.where == "answer":
                result = self._over_there(task)
            elif task.where == "judge":
                result = self._here(task)
            else:
                result, shown = self._on_both_sides(task)
        except Exception as error:  # what the student's process said led to it, so it costs this cell
            result = {"error": [type(error).__name__, str(error)]}
        self._report(task, result, shown)

    def _on_both_sides(self, task: Task) -> tuple[dict[str, Any], dict[str, Any] | None]:
        asks = self._asks_now(task.here)
        shown = self._over_there(task) if task.where == "both" else {}
        if asks:
            self._define(task.here)
            return shown, None
        before = dict(self.shell.user_ns)
        result = self._here(task)
        now = self.shell.user_ns.items()
        self.link.known.update({name: value for name, value in now if before.get(name) is not value})
        return result, shown

    def _over_there(self, task: Task) -> dict[str, Any]:
        return self.link.plain("run", source=task.there)

    def _here(self, task: Task) -> dict[str, Any]:
        answers = self._answers(self._names(task.here))
        before, random = dict(self.shell.user_ns), _random_state()
        self.link.changed.clear()
        self.link.undo.clear()
        self.link.codec.meta = False
        self.link.contexts.clear()
        self.link.guarded = False
        cell = self._run_with(answers, task.here)
        if self.link.changed and not task.in_place:
            self.link.restore()
            if cell.error is None:
                _set_random_state(random)
                cell = self._once_more(task, before, cell)
        self.own |= {name for name in self.shell.user_ns if name not in answers}
        return {
            "outputs": [item for item in cell.outputs if item["output_type"] != "error"],
            "error": cell.error,
            "value": points_of(cell.value),
            "guarded": self.link.guarded,
        }

    def _run_with(self, answers: dict[str, Any], source: str) -> Cell:
        self.shell.user_ns.update(answers)
        try:
            cell = run_cell(self.shell, self.outputs, source)
        finally:
            for name in answers:
                self.shell.user_ns.pop(name, None)
        if isinstance(cell.exception, AnswerLost):
            raise cell.exception
        if isinstance(cell.exception, NameError) and (why := self.refused.get(cell.exception.name or "")):
            return Cell(cell.outputs, (type(why).__name__, str(why)), why, None, cell.seconds)
        return cell

    def _once_more(self, task: Task, before: dict[str, Any], cell: Cell) -> Cell:
        """Does the test pass as well where the answer's changes to its arguments are not seen?"""
        after = dict(self.shell.user_ns)
        self.shell.user_ns.clear()
        self.shell.user_ns.update(before)
        self.link.copy_back = False
        try:
            again = self._run_with(self._answers(self._names(task.here)), task.here)
        finally:
            self.link.copy_back = True
        self.shell.user_ns.update(after)
        if again.error is None and repr(points_of(again.value)) == repr(points_of(cell.value)):
            return cell
        return Cell(cell.outputs, ("AssertionError", DEPENDS), None, None, cell.seconds)

    def _names(self, source: str) -> set[str]:
        """Names in a cell that no cell here has defined."""
        code = self.shell.transform_cell(source)
        names = _free_names(code)
        if names is None or code.strip() != source.strip():  # magics hold code as text
            names = (names or set()) | set(_NAME.findall(source))
        names |= _reached(set(_NAME.findall(source)) & self.own, self.shell.user_ns)
        return self._not_given(names - self.own)

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
        if self.stars is None:
            self.stars = {}
            for statement in self.given.stars:
                with contextlib.suppress(Exception):
                    exec(statement, self.stars)
        return self.stars

    def _define(self, source: str, *, stars: bool = False) -> None:
        """What a cell imports and defines is the course's, also where the rest of it runs over there."""
        for statement in definitions(self.shell.transform_cell(source)):
            if stars and not (isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*"):
                continue
            before = dict(self.shell.user_ns)
            with contextlib.suppress(Exception):  # as over there, a cell may fail halfway
                exec(compile(ast.Module([statement], []), "<cell>", "exec"), self.shell.user_ns)
            now = self.shell.user_ns
            self.own |= {name for name in now if name not in before or now[name] is not before[name]}

    def _answers(self, names: Sequence[str] | set[str]) -> dict[str, Any]:
        found = {}
        for name in self._there(names):
            try:
                found[name] = self._own_module(name, self.link.value("get", name=name))
            except Exception as error:  # said where the name is used
                self.refused[name] = error
        return found

    def _own_module(self, name: str, value: Any) -> Any:
        """The library itself where only the course's solution imports it, and the answer has done so, too."""
        statement = self.given.solutions.get(name)
        if statement is None or not isinstance(value, Proxy):
            return value
        there: dict[str, Any] = {}
        exec(statement, there)
        ours = there.get(name)
        is_same = isinstance(ours, types.ModuleType) and self.link.claims_module(value, ours.__name__)
        return ours if is_same else value

    def _there(self, names: Iterable[str]) -> list[str]:
        """Which of these names the student's cells have defined, as the student's process says."""
        asked = sorted(names)
        there = self.link.plain("names", names=asked).get("there") if asked else []
        return [name for name in asked if isinstance(there, list) and name in there]

    def _asks_now(self, source: str) -> bool:
        """Whether a cell uses an answer at its top level, not only in functions that it defines."""
        self._define(source, stars=True)  # such names are not the answer's
        names = (_free_names(self.shell.transform_cell(source), nested=False) or set()) - self.own
        return bool(self._there(self._not_given(names)))

    def _report(self, task: Task, result: dict[str, Any], shown: dict[str, Any] | None = None) -> None:
        outputs = _kept(result.get("outputs")) or _kept((shown or {}).get("outputs"))
        error, value = result.get("error"), result.get("value")
        if error is not None:  # from over there it can be anything
            name, message, *_ = [*map(_text, error if isinstance(error, list | tuple) else [error]), "", ""]
            error = [name[:200], message[:ERROR_LENGTH]]
        if type(value) not in (int, float, bool):
            value = None
        guarded, tampered = result.get("guarded") is True, self.link.tampered[:3]
        more = {"guarded": guarded, "tampered": tampered if guarded else []}
        self.channel.send({"end": task.index, "outputs": outputs, "error": error, "value": value, **more})


def points_of(value: Any) -> Any:
    """The value of a test's last expression where it can be a number of points, None where it is none.

    Where it is something that only arithmetic gives, the answer has led to it, and it is not a number: never
    the same as a test that shows nothing.
    """
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor | np.generic | np.ndarray) and tuple(value.shape) == ():
        value = value.item()
    vast = type(value) is int and abs(value) > 2**53
    if vast or isinstance(value, torch.Tensor | np.ndarray | complex):
        return float("nan")
    return value if type(value) in (int, float, bool) else None


def _kept(outputs: Any) -> list[Any]:
    """The outputs of a cell that go on to the notebook; the student's process can send anything."""
    kept, size = [], 0
    for item in outputs[:OUTPUTS_KEPT] if isinstance(outputs, list) else ():
        try:
            size += len(json.dumps(item))
        except (RecursionError, ValueError):
            continue
        if size > ALL_KEPT:
            break
        kept.append(item)
    return kept


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


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


def _random_state() -> dict[str, Any]:
    import random

    import numpy as np
    import torch

    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}


def _set_random_state(state: dict[str, Any]) -> None:
    import random

    import numpy as np
    import torch

    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])


def _free_names(source: str, *, nested: bool = True) -> set[str] | None:
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


@contextlib.contextmanager
def _stand_ins(link: Link, contexts: Sequence[str]) -> Iterator[None]:
    """Contexts that mean something only where the student's code runs: entered here, they hold over there."""
    with contextlib.ExitStack() as stack:
        for dotted in contexts:
            module, _, name = dotted.rpartition(".")
            owner = importlib.import_module(module)
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, _stand_in(link, dotted))
        for module, name in SEEDS:
            owner = importlib.import_module(module)
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, _seeding(link, f"{module}.{name}", getattr(owner, name)))
        yield


def _seeding(link: Link, dotted: str, seed: Any) -> Any:
    """Seeds here, and over there before the next call."""

    @functools.wraps(seed)
    def seeded(number: Any = None, *more: Any, **options: Any) -> Any:
        result = seed(number, *more, **options)
        if type(number) is int:
            link.seeds.append((dotted, number))
        return result

    return seeded


def _stand_in(link: Link, dotted: str) -> Any:
    @contextlib.contextmanager
    def entered(*arguments: Any) -> Iterator[None]:
        link.guarded = True
        link.contexts.append([dotted, list(arguments)])
        try:
            yield
        finally:
            link.contexts.remove([dotted, list(arguments)])

    return entered
