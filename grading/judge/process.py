"""The process that runs the instructor's cells and says how each came out; no line of a student's code runs
in it.

Cells run in the notebook's order: the student's over there, the instructor's here. A name that a cell here
uses and no cell here has defined is the student's answer, and comes from over there. A cell of the
instructor that asks an answer while it is read (a public check, a plot) and gives no points runs over there
as well, in the text that students got.
"""

import json
import socket
import types
from collections.abc import Iterable, Sequence
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from grading.fork.randomness import random_state, seed_all, set_random_state
from grading.fork.shell import ALL_KEPT, ERROR_LENGTH, Cell, Outputs, attach, run_cell
from grading.judge.beside import put_beside
from grading.judge.course_names import Given
from grading.judge.link import AnswerLost, Link
from grading.judge.names import Names
from grading.judge.prepare import Done, Prepared
from grading.judge.proxies import Proxy
from grading.judge.results import points_of, result_of
from grading.judge.task import Task
from grading.wire.channel import Channel, WireError

__all__ = ["serve"]

OUTPUTS_KEPT = 1000
"""Outputs of a cell that go on to the notebook."""

DEPENDS = "it passes only because the answer changed the values that it is compared with"


def serve(
    supervisor: socket.socket,
    answer: socket.socket,
    shell: InteractiveShell,
    prepared: Prepared | None = None,
) -> None:
    """Take one hand-in's cells from the supervisor, run them, report each."""
    channel = Channel(supervisor)
    message, _ = channel.receive()
    tasks = [Task(**task) for task in message["tasks"]]
    prepared = prepared or Prepared(shell, message["contexts"])
    outputs = attach(shell)
    seed_all()
    link = prepared.stand_ins.link = Link(Channel(answer))
    judge = _Judge(channel, link, outputs, Names(shell, Given(**message["given"])), prepared)
    with prepared.stand_ins.standing():
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
        self, channel: Channel, link: Link, outputs: Outputs, names: Names, prepared: Prepared
    ) -> None:
        self.channel, self.link, self.outputs, self.names = channel, link, outputs, names
        self.shell, self.prepared = names.shell, prepared
        self.refused: dict[str, Exception] = {}

    def run(self, task: Task) -> None:
        """Run one cell where it belongs and report it."""
        if task.where == "defined":
            if self._prepared(task.here) is None:
                self.names.define(task.here)
            return
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
        prepared = self.prepared.done.get(task.here)
        asks = prepared is None and bool(self._there(self.names.asked_at_once(task.here)))
        shown = self._over_there(task) if task.where == "both" else {}
        if asks:
            self.names.define(task.here)
            return shown, None
        before = dict(self.shell.user_ns)
        result = self._here(task)
        now = self.shell.user_ns.items()
        self.link.known.update({name: value for name, value in now if before.get(name) is not value})
        return result, shown

    def _over_there(self, task: Task) -> dict[str, Any]:
        return self.link.plain("run", source=task.there)

    def _here(self, task: Task) -> dict[str, Any]:
        if (prepared := self._prepared(task.here)) is not None:
            return prepared.result
        answers = self._answers(self.names.asked(task.here))
        before, random = dict(self.shell.user_ns), random_state()
        self.link.changed.clear()
        self.link.undo.clear()
        self.link.codec.meta = False
        self.link.contexts.clear()
        self.link.guarded = False
        cell = self._run_with(answers, task.here)
        if self.link.changed and not task.in_place:
            self.link.restore()
            if cell.error is None:
                set_random_state(random)
                cell = self._once_more(task, before, cell)
        self.names.own |= {name for name in self.shell.user_ns if name not in answers}
        return result_of(cell) | {"guarded": self.link.guarded}

    def _prepared(self, source: str) -> Done | None:
        """A cell that was run before there was an answer: what it left is there from now on."""
        done = self.prepared.done.get(source)
        if done is not None:
            self.shell.user_ns.update(done.names)
            self.names.own |= done.names.keys()
            self.link.seeds += done.seeds
            if done.random is not None:
                set_random_state(done.random)
        return done

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
            again = self._run_with(self._answers(self.names.asked(task.here)), task.here)
        finally:
            self.link.copy_back = True
        self.shell.user_ns.update(after)
        if again.error is None and repr(points_of(again.value)) == repr(points_of(cell.value)):
            return cell
        return Cell(cell.outputs, ("AssertionError", DEPENDS), None, None, cell.seconds)

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
        statement = self.names.given.solutions.get(name)
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
