"""The process that runs the instructor's cells and says how each came out; no line of a student's code runs
in it.

The student's cells run first, over there, and what they show is settled; then the instructor's run here, in
their order, and ask a copy of the student's process that was made where they stand. A name that a cell here
uses and no cell here has defined is the student's answer, and comes from over there. A cell of the instructor
that asks an answer while it is read (a public check, a plot) and gives no points runs over there only, in the
text that students got.
"""

import contextlib
import json
import os
import socket
import types
from collections.abc import Iterable, Sequence
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from grading.fork.randomness import random_state, seed_all, set_random_state
from grading.fork.shell import ALL_KEPT, ERROR_LENGTH, Cell, Outputs, attach, run_cell
from grading.judge.beside import put_beside
from grading.judge.course_names import Given
from grading.judge.guard import ForbiddenCallError, Guard
from grading.judge.link import AnswerLost, Link
from grading.judge.names import Names, free_names
from grading.judge.prepare import SEED, Done, Prepared
from grading.judge.proxies import Proxy
from grading.judge.results import points_of, result_of
from grading.judge.task import OVER_THERE, Task, copies_of
from grading.judge.told import Phrases
from grading.wire.channel import Channel, WireError

__all__ = ["serve"]

TESTS = ("judge", "defined")
OUTPUTS_KEPT = 1000
"""Outputs of a cell that go on to the notebook."""

DEPENDS = "it passes only because the answer changed the values that it is compared with"


def serve(
    sockets: Sequence[socket.socket], shell: InteractiveShell, prepared: Prepared | None = None
) -> None:
    """Take one hand-in's cells from the supervisor, run them, report each.

    sockets: to the supervisor, to the answer's process, and to each of its copies.
    """
    supervisor, answer, *copies = sockets
    channel = Channel(supervisor)
    message, _ = channel.receive()
    os.environ[SEED] = str(message["seed"])
    tasks = [Task(**task) for task in message["tasks"]]
    prepared = prepared or Prepared(shell, message["contexts"])
    outputs = attach(shell)
    seed_all()
    names = Names(shell, Given(**message["given"]))
    original = Link(Channel(answer))
    beside = (Link(Channel(copy), original, number) for number, copy in enumerate(copies))
    links = [original, *beside]
    guard = Guard(message["forbidden"], links)
    for link in links:
        link.guard = guard
    judge = _Judge(
        channel,
        links,
        outputs,
        names,
        prepared,
        Phrases([task.here for task in tasks if task.where in TESTS]),
    )
    with prepared.stand_ins.standing():
        try:
            if message["files"]:
                put_beside(message["files"], judge.link)
            judge.show(tasks)
            judge.judge(tasks)
        except (AnswerLost, WireError) as lost:
            channel.send({"lost": str(lost) or type(lost).__name__, "code": judge.ending()})
            return
    channel.send({"done": True})


class _Judge:
    """links: to the answer's process, and to its copies. link: to the one that is asked now."""

    def __init__(
        self,
        channel: Channel,
        links: Sequence[Link],
        outputs: Outputs,
        names: Names,
        prepared: Prepared,
        phrases: Phrases,
    ) -> None:
        self.channel, self.outputs, self.names, self.phrases = channel, outputs, names, phrases
        self.links, self.guard = links, links[0].guard or Guard((), links)
        self.original, *self.copies = links
        self.shell, self.prepared = names.shell, prepared
        self.refused: dict[str, Exception] = {}
        self.shown: dict[int, dict[str, Any]] = {}
        self.made: set[int] = set()
        self.asked: int | None = None
        self._ask(None)

    def show(self, tasks: Sequence[Task]) -> None:
        """Run the student's cells to the last, and what they show is settled: no test has run yet.

        Where tests stand, the student's process is copied, for them to find what was defined by then.
        """
        for task, number in zip(tasks, copies_of(tasks), strict=True):
            if task.where == "judge" and number is not None and number not in self.made:
                if self.link.plain("copy", number=number).get("made"):
                    self.made.add(number)
            elif task.where in OVER_THERE:
                self.channel.send({"begin": task.index})
                self.shown[task.index] = self._over_there(task)
                self._report(task, self.shown[task.index], ended=task.where == "answer")

    def judge(self, tasks: Sequence[Task]) -> None:
        """Run the instructor's cells, in their order, each on the copy that was made for it."""
        for place, (task, number) in enumerate(zip(tasks, copies_of(tasks), strict=True)):
            if self.asked not in (None, number):
                self._leave(tasks[place:])
            self._ask(number if number in self.made else None)
            self.guard.last = number is None
            if task.where == "defined":
                if self._prepared(task.here) is None:
                    self.names.define(task.here)
            elif task.where != "answer":
                self.channel.send({"begin": task.index})
                self._report(task, self._judged(task))

    def ending(self) -> int | None:
        """How the copy that was asked last has ended, as the process says that it is a copy of."""
        if (number := self.asked) is None:
            return None
        self._ask(None)
        with contextlib.suppress(AnswerLost, WireError):
            code = self.link.plain("ending", number=number).get("code")
            return code if type(code) is int else None
        return None

    def _ask(self, number: int | None) -> None:
        """From now on ask this copy, or the process itself."""
        if self.asked != number:
            self.guard.turn_to()
        self.asked = number
        self.link = self.original if number is None else self.copies[number]
        self.prepared.stand_ins.link = self.link

    def _leave(self, later: Sequence[Task]) -> None:
        """End the copy that was asked until now, which takes memory, if no later test wants some of it."""
        left = {name for name, value in self.shell.user_ns.items() if self.link.holds(value)}
        for task in later if left else ():
            if task.where == "judge" and ((names := free_names(task.here)) is None or names & left):
                return
        self.link.end()

    def _judged(self, task: Task) -> dict[str, Any]:
        try:
            return self._here(task) if task.where == "judge" else self._on_both_sides(task)
        except Exception as error:  # what the student's process said led to it, so it costs this cell
            return {"error": [type(error).__name__, str(error)], "told": self.phrases.told(error)}

    def _on_both_sides(self, task: Task) -> dict[str, Any]:
        """A cell that ran over there already: run it here as well, unless it asks an answer."""
        prepared = self.prepared.done.get(task.here)
        if prepared is None and self._there(self.names.asked_at_once(task.here)):
            self.names.define(task.here)
            return self.shown.get(task.index, {})
        before = dict(self.shell.user_ns)
        result = self._here(task)
        self.link.seeds.clear()  # over there the cell has seeded for itself
        now = self.shell.user_ns.items()
        self.link.known.update({name: value for name, value in now if before.get(name) is not value})
        return result

    def _over_there(self, task: Task) -> dict[str, Any]:
        try:
            return self.link.plain("run", source=task.there)
        except Exception as error:  # what the student's process said led to it, so it costs this cell
            return {"error": [type(error).__name__, str(error)]}

    def _here(self, task: Task) -> dict[str, Any]:
        if (prepared := self._prepared(task.here)) is not None:
            return prepared.result
        answers = self._answers(self.names.asked(task.here))
        before, random = dict(self.shell.user_ns), random_state()
        self.link.changed.clear()
        self.link.undo.clear()
        self.link.codec.meta = False
        self.guard.begin()
        cell = self._run_with(answers, task.here)
        self.guard.finish()
        if self.link.changed and not task.in_place:
            self.link.restore()
            if cell.error is None:
                set_random_state(random)
                cell = self._once_more(task, before, cell)
                self.guard.finish()
        self.names.own |= {name for name in self.shell.user_ns if name not in answers}
        told = cell.error if cell.exception is None else self.phrases.told(cell.exception)
        result = result_of(cell) | {"flagged": self.guard.flagged, "told": told}
        if (said := self.guard.said) is not None:  # whatever the test has made of it
            name = ForbiddenCallError.__name__
            result |= {"error": (name, said), "told": (name, said), "value": None}
        return result | {"outputs": self.phrases.shown(result["outputs"])}

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
        self._copy_back(False)
        try:
            again = self._run_with(self._answers(self.names.asked(task.here)), task.here)
        finally:
            self._copy_back(True)
        self.shell.user_ns.update(after)
        if again.error is None and repr(points_of(again.value)) == repr(points_of(cell.value)):
            return cell
        return Cell(cell.outputs, ("AssertionError", DEPENDS), None, None, cell.seconds)

    def _copy_back(self, wanted: bool) -> None:
        for link in self.links:
            link.copy_back = wanted

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

    def _report(self, task: Task, result: dict[str, Any], *, ended: bool = True) -> None:
        error, value = result.get("error"), result.get("value")
        if error is not None:  # from over there it can be anything
            name, message, *_ = [*map(_text, error if isinstance(error, list | tuple) else [error]), "", ""]
            error = [name[:200], message[:ERROR_LENGTH]]
        if type(value) not in (int, float, bool):
            value = None
        more = {"flagged": result.get("flagged", []) if task.where == "judge" else []}
        more |= {"end" if ended else "shown": task.index, "error": error, "value": value}
        if task.where != "both" or not ended:
            more["outputs"] = _kept(result.get("outputs"))
        self.channel.send(more | {"told": result.get("told") or error if ended else None})


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
