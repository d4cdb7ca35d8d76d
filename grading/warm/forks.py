"""Forks of a process that was asked for them over a socket, and how they ended."""

import contextlib
import itertools
import json
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from grading.errors import InfrastructureError
from grading.records import Limits

__all__ = ["Ending", "Fork", "Forks"]


@dataclass(frozen=True)
class Ending:
    """How a process ended: exit code, or minus the number of a signal; what it used; why it never began."""

    code: int
    cpu: float = 0.0
    memory_mb: float = 0.0
    failed: str = ""


@dataclass
class Fork:
    """One fork of a warm process."""

    number: int
    owner: "Forks"
    over: threading.Event = field(default_factory=threading.Event)
    ending: Ending | None = None
    pid: int = 0  # of a kernel
    started: threading.Event = field(default_factory=threading.Event)

    def kill(self) -> None:
        """End it and everything it started, now."""
        if not self.over.is_set():
            self.owner.send({"kill": self.number})

    def signal(self, number: int) -> None:
        """Send a kernel, and what it started, this signal."""
        if not self.over.is_set():
            self.owner.send({"signal": number, "to": self.number})

    def wait(self, seconds: float) -> Ending | None:
        """How it ended; None when it has not."""
        self.over.wait(seconds)
        return self.ending


class Forks:
    """The forks of a process, asked for over a socket. Thread-safe; forks by any thread run side by side."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.forks: dict[int, Fork] = {}
        self.numbers = itertools.count(1)
        self.lock = threading.Lock()
        self.retired = False
        self.reader = threading.Thread(target=self._read, daemon=True, name="warm process")

    def fork(self, role: str, sockets: Sequence[socket.socket], limits: Limits, folder: str = "/tmp") -> Fork:
        """A new process in this role with these sockets, which are closed here.

        Raises:
            InfrastructureError: the warm process is gone.
        """
        try:
            message = {"role": role, "limits": asdict(limits), "folder": folder}
            return self._ask(message, [end.fileno() for end in sockets])
        finally:
            for end in sockets:
                end.close()

    def _ask(
        self, message: Mapping[str, object], files: Sequence[int], fix: str = "run the assignment again"
    ) -> Fork:
        """Ask for a fork that gets these files."""
        fork = Fork(next(self.numbers), self)
        self.forks[fork.number] = fork
        try:
            with self.lock:
                socket.send_fds(
                    self.control, [json.dumps({"fork": fork.number, **message}).encode()], [*files]
                )
        except OSError as error:
            self.forks.pop(fork.number, None)
            raise InfrastructureError("the warm process is gone", "", fix) from error
        return fork

    def send(self, message: dict[str, object]) -> None:
        """Send a request that has no answer."""
        try:
            with self.lock:
                self.control.send(json.dumps(message).encode())
        except OSError:
            pass  # it is gone, and its forks with it

    def ready(self, seconds: float) -> dict[str, Any]:
        """What the process says when it is ready, nothing when it has ended or takes longer."""
        self.control.settimeout(seconds)
        try:
            data = self.control.recv(1 << 16)
        except OSError:
            data = b""
        self.control.settimeout(None)
        ready: dict[str, Any] = json.loads(data or b"{}")
        return ready

    def retire(self) -> None:
        """End the process as soon as its last fork has ended."""
        self.retired = True
        if not self.forks:
            with contextlib.suppress(OSError):
                self.control.shutdown(socket.SHUT_RDWR)

    @property
    def alive(self) -> bool:
        """Whether there still is a process to ask."""
        return self.reader.is_alive()

    def _read(self) -> None:
        while True:
            try:
                data = self.control.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                break
            report = json.loads(data)
            if "started" in report:
                begun = self.forks[report["started"]]
                begun.pid = report["pid"]
                begun.started.set()
            elif (fork := self.forks.pop(report["exited"], None)) is not None:
                fork.ending = Ending(
                    report.get("code", 70),
                    report.get("cpu", 0.0),
                    report.get("memory_mb", 0.0),
                    report.get("failed", ""),
                )
                fork.over.set()
                fork.started.set()
                if self.retired:
                    self.retire()
        for fork in list(self.forks.values()):
            fork.ending = Ending(70, failed="the warm process ended")
            fork.over.set()
            fork.started.set()
        self.control.close()
