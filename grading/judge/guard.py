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
LONG, SHORT = 8192, 16
"""Bytes of a marker. The first is longer than what is gathered before it is sent, so it is here at once."""


class ForbiddenCallError(Exception):
    """Something forbidden ran, or nobody can say whether it did; the message is a sentence for students."""

    said_by_course = True


@dataclass
class _Window:
    """What is recorded now.

    markers: secret names, in their order. words: what is forbidden behind each. links: to the processes in
    which it is. late: whether the first marker was not there at once.
    """

    markers: list[str] = field(default_factory=list)
    words: list[tuple[str, ...]] = field(default_factory=list)
    links: list["Link"] = field(default_factory=list)
    late: bool = False


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
        """Take what is recorded until there is a reply; a full pipe would stop the other process."""
        while self.pipe is not None:
            both: list[Any] = [connection, self.pipe]
            ready, _, _ = select.select(both, [], [], connection.gettimeout())
            if self.pipe in ready and not self.take():
                return
            if connection in ready or not ready:
                return

    def take(self) -> bool:
        """Take what there is; false when nobody is left to send anything."""
        assert self.pipe is not None
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.pipe, 1 << 20):
                self.text.append(data)
            os.close(self.pipe)
            self.pipe = None
            return False
        return True

    def has(self, text: str) -> bool:
        """Whether this has come already."""
        if self.pipe is not None:
            self.take()
        return text.encode() in b"".join(self.text)

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
    that cost nothing.
    """

    def __init__(self, tables: Sequence[Mapping[str, Any]], links: Sequence["Link"]) -> None:
        self.table = words_of(tables)
        self.links = links
        self.active: list[tuple[str, ...]] = []
        self.window = _Window()
        self.last = False
        self.said: str | None = None
        self.flagged: list[str] = []

    def begin(self) -> None:
        """A cell begins: nothing is forbidden, and nothing was found."""
        self.active, self.said, self.flagged = [], None, []

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
            self.window = _Window()
            self.window.links = self._links_of(link)
            for one in self.window.links:
                one.recorder.connect(one)
                one.recorder.taken()
        self._mark("open" if outermost else "mark")
        try:
            yield
        finally:
            self.active.pop()
            self._mark("close" if outermost else "mark")
            if outermost:
                self._look()

    def _links_of(self, link: "Link") -> list["Link"]:
        """The process that is asked, those that gave objects to earlier tests, and the one of which all are
        copies, where threads may go on.
        """
        others = [one for one in self.links if one.proxies]
        return list(dict.fromkeys([self.links[0], *others, link]))

    def _mark(self, what: str) -> None:
        marker = secrets.token_hex(LONG if what == "open" else SHORT)
        self.window.markers.append(marker)
        self.window.words.append(self.words)
        asked = [one.number for one in self.window.links if one.number is not None]
        for one in self.window.links:
            one.plain("window", step=what, marker=marker, asked=asked, last=self.last)
            if what == "open" and not one.recorder.has(marker[:SHORT]):
                self.window.late = True

    def _look(self) -> None:
        """Say what ran that is forbidden; of the calls in it, the one that began first."""
        texts = [one.recorder.taken() for one in self.window.links]
        try:
            if self.window.late:
                raise RecordStoppedError("it began too late")
            uses = [use for text in texts for _, use in sorted(self._uses(text), key=lambda found: found[0])]
        except RecordStoppedError as stopped:
            words = dict.fromkeys(word for words in self.window.words for word in words)
            what = " or ".join(self.table[word].what for word in words)
            uses = [Use(STOPPED.format(why=stopped, what=what), "zero")]
        self.flagged += [use.says for use in uses if use.use == "flag"][:1]
        if zero := [use for use in uses if use.use != "flag"]:
            self.said = zero[0].says
            raise ForbiddenCallError(self.said)

    def _uses(self, text: bytes) -> Iterator[tuple[int, Use]]:
        active = {word for words in self.window.words for word in words}

        def looked_for(name: str) -> bool:
            return any(self.table[word].names(name) for word in active)

        for passed, node in parts(text, self.window.markers, looked_for):
            for word in self.window.words[passed - 1]:
                if self.table[word].forbids(node.name, node.arguments):
                    yield node.number, self.table[word].use_of(node.name)
