"""The other end of the warm process: start it, ask it for forks, learn how they ended."""

import atexit
import contextlib
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from grading.errors import InfrastructureError
from grading.fork.packages import hidden_places
from grading.fork.sandbox import room_contents
from grading.records import Forbidden, Warmth
from grading.warm.forks import Fork, Forks

__all__ = ["Warm", "start_again", "stop_all", "warm_process"]

STARTUP_SECONDS = 300

NOTEBOOKS = 4
"""For how many notebooks judges are kept prepared."""

log = logging.getLogger(__name__)

_KEPT = re.compile(r"(PATH|LANG|LANGUAGE|LC_\w+|TZ|LD_LIBRARY_PATH|PYTHON(HOME|PATH|WARNINGS)|VIRTUAL_ENV)$")
"""What hand-ins may see of our environment: other variables hold passwords and tokens."""


_MALLOC = "glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=1073741824"
"""Memory that a tensor gives back is kept for the next one: half of the page faults of a hand-in go."""


class Warm(Forks):
    """A warm process of its own.

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
        forbidden: Sequence[Forbidden] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        super().__init__(ours)
        self.prepared: dict[str, Forks] = {}
        self.preparing = threading.Lock()
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
            "forbidden": [name for word in forbidden for name in word.functions],
            "hidden": [
                str(path) for path in hidden_places(name for word in forbidden for name in word.hidden)
            ],
        }
        self.control.send(json.dumps(settings).encode())
        ready = self.ready(STARTUP_SECONDS)
        if not ready:
            self.process.kill()
            raise InfrastructureError(
                "the warm process did not start",
                "",
                "its message stands above; `grading doctor` says what is missing",
            )
        self.threads: dict[str, list[str]] = ready["threads"]
        self.missing: dict[str, str] = ready.get("missing", {})
        self.reader.start()

    def kernel(self, request: Mapping[str, object], streams: Sequence[int]) -> Fork:
        """A new Jupyter kernel with these standard streams; returns when it has a process, or has failed.

        request: arguments, environment, folder.

        Raises:
            InfrastructureError: the warm process is gone.
        """
        with _memory_file(json.dumps(request)) as described:
            fork = self._ask({"role": "kernel"}, [described, *streams], "start the kernel again")
        fork.started.wait()
        return fork

    def judges(self, notebook: Mapping[str, object], seconds: float) -> Forks:
        """Where judges of hand-ins of one notebook are forked: what they have in common is there already.

        notebook: its locked `sources`, the `contexts` that tests use, the names `given`. seconds: after which
        judges are forked from this process instead, as they are where a cell ends the other one.

        Raises:
            InfrastructureError: the warm process is gone.
        """
        key = json.dumps(notebook, sort_keys=True)
        with self.preparing:
            known = self.prepared.get(key)
            if known is None or not known.alive:
                self.prepared.pop(key, None)
                while len(self.prepared) >= NOTEBOOKS:
                    oldest = self.prepared.pop(next(iter(self.prepared)))
                    if oldest is not self:
                        oldest.retire()
                known = self.prepared[key] = self._prepare(key, seconds) or self
            return known

    def _prepare(self, notebook: str, seconds: float) -> "Forks | None":
        if sys.platform != "linux":
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        judges = Forks(ours)
        try:
            with theirs, _memory_file(notebook) as described:
                fork = self._ask({"role": "judges"}, [described, theirs.fileno()])
        except InfrastructureError:
            ours.close()
            raise
        if not judges.ready(seconds):
            log.warning("no judge could be prepared; each runs all of the course's cells itself")
            fork.kill()
            ours.close()
            return None
        judges.reader.start()
        return judges

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None and super().alive

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


@contextlib.contextmanager
def _memory_file(text: str) -> Iterator[int]:
    """A file that holds what is too long for a message."""
    described = os.memfd_create("request")
    try:
        with open(described, "w", encoding="utf-8", closefd=False) as file:
            file.write(text)
        os.lseek(described, 0, os.SEEK_SET)
        yield described
    finally:
        os.close(described)


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
                warmth.preload,
                readable,
                sandbox=warmth.sandbox,
                forbidden=warmth.forbidden,
                environment=environment,
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
