"""The other end of the warm process: start it, ask it for forks, learn how they ended."""

import atexit
import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from grading.errors import InfrastructureError
from grading.fork.sandbox import room_contents
from grading.records import Limits, Warmth

__all__ = ["Ending", "Fork", "Warm", "start_again", "stop_all", "warm_process"]

STARTUP_SECONDS = 300

_KEPT = re.compile(r"(PATH|LANG|LANGUAGE|LC_\w+|TZ|LD_LIBRARY_PATH|PYTHON(HOME|PATH|WARNINGS)|VIRTUAL_ENV)$")
"""What hand-ins may see of our environment: other variables hold passwords and tokens."""


_MALLOC = "glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=1073741824"
"""Memory that a tensor gives back is kept for the next one: half of the page faults of a hand-in go."""


@dataclass(frozen=True)
class Ending:
    """How a process ended: exit code, or minus the number of a signal; what it used; why it never began."""

    code: int
    cpu: float = 0.0
    memory_mb: float = 0.0
    failed: str = ""


@dataclass
class Fork:
    """One fork of the warm process."""

    number: int
    owner: "Warm"
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


class Warm:
    """A warm process of its own. Thread-safe; forks by any thread run side by side.

    threads: libraries that left threads behind when they were imported, which no fork has. missing: of a
    warm process for kernels, those that could not be imported, and why. environment: what it starts with, by
    default this process's.

    Raises:
        InfrastructureError: it does not start on this machine; the message says why.
    """

    def __init__(
        self,
        preload: Sequence[str],
        readable: Sequence[Path],
        *,
        sandbox: str = "full",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.forks: dict[int, Fork] = {}
        self.numbers = itertools.count(1)
        self.lock = threading.Lock()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "grading.warm.zygote", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment or {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                process_group=0,
            )
        settings = {
            "preload": list(preload),
            "readable": [str(path) for path in readable],
            "sandbox": sandbox,
        }
        self.control.send(json.dumps(settings).encode())
        ready = self._ready()
        self.threads: dict[str, list[str]] = ready["threads"]
        self.missing: dict[str, str] = ready.get("missing", {})
        self.reader = threading.Thread(target=self._read, daemon=True, name="warm process")
        self.reader.start()

    def fork(self, role: str, sockets: Sequence[socket.socket], limits: Limits, folder: str = "/tmp") -> Fork:
        """A new process in this role with these sockets, which are closed here.

        Raises:
            InfrastructureError: the warm process is gone.
        """
        fork = Fork(next(self.numbers), self)
        self.forks[fork.number] = fork
        message = {"fork": fork.number, "role": role, "limits": asdict(limits), "folder": folder}
        try:
            with self.lock:
                socket.send_fds(self.control, [json.dumps(message).encode()], [s.fileno() for s in sockets])
        except OSError as error:
            raise InfrastructureError("the warm process is gone", "", "run the assignment again") from error
        finally:
            for end in sockets:
                end.close()
        return fork

    def kernel(self, request: Mapping[str, object], streams: Sequence[int]) -> Fork:
        """A new Jupyter kernel with these standard streams; returns when it has a process, or has failed.

        request: arguments, environment, folder.

        Raises:
            InfrastructureError: the warm process is gone.
        """
        fork = Fork(next(self.numbers), self)
        self.forks[fork.number] = fork
        described = os.memfd_create("kernel")  # an environment can be larger than a message
        try:
            with open(described, "w", encoding="utf-8", closefd=False) as file:
                json.dump(request, file)
            os.lseek(described, 0, os.SEEK_SET)
            message = json.dumps({"fork": fork.number, "role": "kernel"}).encode()
            with self.lock:
                socket.send_fds(self.control, [message], [described, *streams])
        except OSError as error:
            self.forks.pop(fork.number, None)
            raise InfrastructureError("the warm process is gone", "", "start the kernel again") from error
        finally:
            os.close(described)
        fork.started.wait()
        return fork

    def send(self, message: dict[str, object]) -> None:
        """Send a request that has no answer."""
        try:
            with self.lock:
                self.control.send(json.dumps(message).encode())
        except OSError:
            pass  # it is gone, and its forks with it

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None and self.reader.is_alive()

    def close(self) -> None:
        """End it and all its forks."""
        with contextlib.suppress(OSError):
            self.control.shutdown(socket.SHUT_RDWR)  # closing alone does not reach past the reader
        self.control.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _ready(self) -> dict[str, Any]:
        self.control.settimeout(STARTUP_SECONDS)
        try:
            data = self.control.recv(1 << 16)
        except OSError:
            data = b""
        self.control.settimeout(None)
        if not data:
            self.process.kill()
            raise InfrastructureError(
                "the warm process did not start",
                "",
                "its message stands above; `grading doctor` says what is missing",
            )
        ready: dict[str, Any] = json.loads(data)
        return ready

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
        for fork in list(self.forks.values()):
            fork.ending = Ending(70, failed="the warm process ended")
            fork.over.set()
            fork.started.set()


_processes: dict[Warmth, Warm] = {}
_lock = threading.Lock()
_stopping = threading.Event()


def warm_process(warmth: Warmth) -> Warm:
    """This process's warm process for such hand-ins: the one there is, or a new one.

    Raises:
        InfrastructureError: it does not start, or the run was interrupted.
    """
    with _lock:
        if _stopping.is_set():
            raise InfrastructureError("the run was interrupted", "", "start it again; what is done is kept")
        process = _processes.get(warmth)
        if process is not None and not process.alive:
            process.close()
            process = None
        if process is None:
            readable = [*room_contents([*warmth.preload, "grading"]), *map(Path, warmth.readable)]
            environment = {name: value for name, value in os.environ.items() if _KEPT.match(name)}
            environment |= {"PYTHONHASHSEED": "0"}  # a set is in the same order in every run
            environment |= {"GLIBC_TUNABLES": _MALLOC}
            process = _processes[warmth] = Warm(
                warmth.preload, readable, sandbox=warmth.sandbox, environment=environment
            )
        return process


def stop_all() -> None:
    """End every warm process and its forks; runs that are under way end as failures of the machine."""
    _stopping.set()
    close_all()


def start_again() -> None:
    """After `stop_all`, when nobody who was stopped is left: new warm processes may start."""
    _stopping.clear()


@atexit.register
def close_all() -> None:
    """End every warm process that has nothing to do."""
    for process in list(_processes.values()):
        process.close()
    _processes.clear()
