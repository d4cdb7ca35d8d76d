"""What a test forbids: while it does, what runs in the answer's process is recorded, and then looked at.

The record is made below Python, in every thread, by the process that runs the student's code, and comes here
over a pipe while it is made; `docs/ban.md` says what that promises.
"""

import contextlib
import fcntl
import os
import secrets
import select
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from grading.judge.record import RecordStoppedError, parts
from grading.judge.words import Use, words_of

if TYPE_CHECKING:
    from grading.judge.link import Link

__all__ = ["ForbiddenCallError", "Guard", "Recorder"]

STOPPED = "The record of what ran was stopped ({why}), so that nobody can say whether {what} ran: no points."

PIPE = 1 << 20
"""Bytes that a pipe holds."""
PATIENCE_SECONDS = 0.005
LONG, SHORT = 4200, 16
"""Bytes of a marker. The first is longer than what is gathered before it is sent, so it is here at once."""


class ForbiddenCallError(Exception):
    """Something forbidden ran, or nobody can say whether it did; the message is a sentence for students."""

    said_by_course = True


@dataclass
class _Window:
    """What is recorded now.

    markers: secret names, in their order. words: what is forbidden behind each. links: to the processes in
    which it is. late: whether the first marker was not there at once. marks: whether these alone are
    recorded, since no operator is forbidden. texts: what was recorded in each.
    """

    markers: list[str] = field(default_factory=list)
    words: list[tuple[str, ...]] = field(default_factory=list)
    links: list["Link"] = field(default_factory=list)
    late: bool = False
    marks: bool = False
    texts: list[bytes] = field(default_factory=list)


class Recorder:
    """The end of a pipe through which an answer's process sends what runs in it."""

    def __init__(self) -> None:
        self.pipe: int | None = None
        self.text: list[bytes] = []

    def connect(self, link: "Link") -> None:
        """Give the other process its end, the first time."""
        if self.pipe is None:
            self.pipe, theirs = os.pipe()
            os.set_blocking(self.pipe, False)
            with contextlib.suppress(OSError):
                fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, PIPE)
            link.plain("recorder", attached=theirs)

    def wait_for(self, connection: socket.socket) -> None:
        """Take what is recorded until there is a reply; a full pipe would stop the other process.

        Not each time that something comes: to wake up for it takes longer than to read it.
        """
        limit = connection.gettimeout()
        until = None if limit is None else time.monotonic() + limit
        while self.pipe is not None and not select.select([connection], [], [], PATIENCE_SECONDS)[0]:
            if not self.take() or (until is not None and time.monotonic() > until):
                return

    def take(self) -> bool:
        """Take what there is; false when nobody is left to send anything."""
        assert self.pipe is not None
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.pipe, 1 << 20):
                self.text.append(data)
            self.end()
            return False
        return True

    def has(self, text: str) -> bool:
        """Whether this has come already."""
        if self.pipe is not None:
            self.take()
        return text.encode() in b"".join(self.text)

    def end(self) -> None:
        """Nobody is there any more who sends anything."""
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None

    def taken(self) -> bytes:
        """All that has come since the last time."""
        if self.pipe is not None:
            self.take()
        text, self.text = b"".join(self.text), []
        return text


class Guard:
    """What is forbidden in one judge's tests.

    tables: of the course. links: to the answer's process, and to its copies. last: the process is under test
    itself, and no copy of it will be. said: what this cell's points are lost for. flagged: sentences on uses
    that cost nothing. alone: the links that may run, where all others stand still and have no thread.
    """

    def __init__(self, tables: Sequence[Mapping[str, Any]], links: Sequence["Link"]) -> None:
        self.table = words_of(tables)
        self.links = links
        self.active: list[tuple[str, ...]] = []
        self.window = _Window()
        self.ended: list[_Window] = []
        self.last = False
        self.said: str | None = None
        self.flagged: list[str] = []
        self.alone: list[Link] = []
        self.asleep = False

    def begin(self) -> None:
        """A cell begins: nothing is forbidden, and nothing was found."""
        self.said, self.flagged, self.ended = None, [], []

    def finish(self) -> None:
        """A cell is over; what it has left forbidden ends here."""
        if self.active:
            self.active = []
            with contextlib.suppress(ForbiddenCallError):
                self._close()

    def turn_to(self) -> None:
        """Another process is asked from now on."""
        if self.asleep:
            self.links[0].plain("wake")
        self.asleep, self.alone = False, []

    @property
    def words(self) -> tuple[str, ...]:
        """All words that are forbidden now."""
        return tuple(dict.fromkeys(word for words in self.active for word in words))

    @contextlib.contextmanager
    def forbidding(self, link: "Link", words: Sequence[str]) -> Iterator[None]:
        """Inside, these words are forbidden to the answer.

        Raises:
            LookupError: the course has no such word. ForbiddenCallError: when it ends, something ran that is
            forbidden, or the record was stopped.
        """
        if unknown := [word for word in words if word not in self.table]:
            known = ", ".join(self.table) or "none"
            raise LookupError(
                f"there is no [forbidden.{unknown[0]}] in the course's tables; there are: {known}"
            )
        outermost = not self.active
        self.active.append(tuple(words))
        if outermost:
            self._open(link)
        elif self.window.marks and self._operators(words):
            self._end()
            self._open(link)
        else:
            self._mark("mark")
        try:
            yield
        finally:
            if self.active:
                self.active.pop()
                self._mark("mark") if self.active else self._close()

    def _operators(self, words: Sequence[str]) -> bool:
        """Whether one of these words forbids operators."""
        return any(self.table[word].operators for word in words)

    def _open(self, link: "Link") -> None:
        """Begin to record in the process that is asked, and in those that gave objects to earlier tests.

        In the one of which they are copies threads may go on: where there are some, or processes that had to
        be stopped, it is recorded as well, and it is asked again each time.
        """
        original = self.links[0]
        asked = list(dict.fromkeys([*(one for one in self.links if one.proxies and not one.ended), link]))
        self.window = _Window(links=asked, marks=not self._operators(self.words))
        if asked != self.alone:
            numbers = [one.number for one in asked if one.number is not None]
            told = original.plain("still", numbers=numbers)
            self.asleep = True
            self.alone = asked if (told.get("threads"), told.get("others")) == (1, 0) else []
            self.window.links = list(dict.fromkeys([original, *asked]))  # the first time in any case
        for one in self.window.links:
            one.recorder.connect(one)
            one.recorder.taken()
        self._mark("open")

    def _close(self) -> None:
        """End the record and look at it."""
        self._end()
        if self.asleep and not self.alone:
            self.turn_to()
        self._look()

    def _end(self) -> None:
        """End the record that is made now."""
        self._mark("close")
        self.window.texts = [one.recorder.taken() for one in self.window.links]
        self.ended.append(self.window)

    def _mark(self, step: str) -> None:
        marker = secrets.token_hex(LONG if step == "open" else SHORT)
        self.window.markers.append(marker)
        self.window.words.append(self.words)
        for one in self.window.links:
            tested = self.last or one is not self.links[0]
            one.plain("window", step=step, marker=marker, tested=tested, marks=self.window.marks)
            if step == "open" and not one.recorder.has(marker[:SHORT]):
                self.window.late = True

    def _look(self) -> None:
        """Say what ran that is forbidden; of the calls in a record, the one that began first."""
        windows, self.ended = self.ended, []
        uses = [use for window in windows for use in self._uses_in(window)]
        self.flagged += [use.says for use in uses if use.use == "flag"][:1]
        if zero := [use for use in uses if use.use != "flag"]:
            self.said = zero[0].says
            raise ForbiddenCallError(self.said)

    def _uses_in(self, window: _Window) -> list[Use]:
        active = list(dict.fromkeys(word for words in window.words for word in words))

        def looked_for(name: str) -> bool:
            return any(self.table[word].names(name) for word in active)

        found = []
        try:
            if window.late:
                raise RecordStoppedError("it began too late")
            for text in window.texts:
                uses = []
                for passed, node in parts(text, window.markers, looked_for, marks=window.marks):
                    for word in window.words[passed - 1]:
                        if self.table[word].forbids(node.name, node.arguments):
                            uses.append((node.number, self.table[word].use_of(node.name)))
                found += [use for _, use in sorted(uses, key=lambda one: one[0])]
        except RecordStoppedError as stopped:
            what = " or ".join(self.table[word].what for word in active)
            return [Use(STOPPED.format(why=stopped, what=what), "zero")]
        return found
