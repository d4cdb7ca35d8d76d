"""The warm process: it imports what a course needs, knows no secret, and forks on request.

    python -m grading.warm.zygote DESCRIPTOR

Requests and answers are one JSON message each on a socket that keeps them apart. A request to fork brings the
sockets of the new process along. Whatever ends the process that asks, ends this one and all its forks.
"""

import contextlib
import functools
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grading.warm.memory import memory_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["main"]

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TORCH_NUM_THREADS",
)
ROLES = ("answer", "judge")
FILES = 250
"""The most files that a fork can be given; the system passes 253 at a time."""
WATCH_SECONDS = 0.25
"""How often the memory of a fork and all that it started is added up; the system limits each process only."""


def main(descriptor: int) -> None:
    """Serve the socket with this descriptor until it is closed."""
    control = socket.socket(fileno=descriptor)
    settings = json.loads(control.recv(1 << 20))
    if settings["sandbox"] == "none":
        return _serve_kernels(control, settings["preload"])
    os.environ.update({name: "1" for name in THREADS})
    from grading.fork import sandbox

    home = str(sandbox.SCRATCH) if settings["sandbox"] == "full" else tempfile.gettempdir()
    os.environ.update({"HOME": home, "IPYTHONDIR": f"{home}/ipython", "MPLCONFIGDIR": f"{home}/matplotlib"})
    os.environ.update({"TMPDIR": home, "PYTHONDONTWRITEBYTECODE": "1", "NBGRADER_EXECUTION": "autograde"})
    confinement = None
    if settings["sandbox"] == "full":
        readable, hidden = ([Path(path) for path in settings[what]] for what in ("readable", "hidden"))
        confinement = sandbox.enter_room(readable, hidden)
    threads = _import(settings["preload"])
    from grading.answer import process as answer
    from grading.fork import huge_pages, shell
    from grading.judge import process as judge

    made = shell.make_shell()
    _warm_up(made)
    if settings["forbidden"]:
        from grading.answer import marked, warden
        from grading.fork import programs

        warden.take_switches()
        marked.expect(settings["forbidden"])
        if confinement:
            programs.prepare()
    gc.collect()
    gc.freeze()
    huge_pages.collapse()
    control.send(json.dumps({"ready": os.getpid(), "threads": threads}).encode())
    _Server(control, confinement, {"answer": answer.serve, "judge": judge.serve}, made).serve()
    os._exit(0)  # nothing here is worth tidying up, and all forks end with it


def _serve_kernels(control: socket.socket, preload: list[str]) -> None:
    """As `main`, for Jupyter kernels: they run their user's own code, as it would run without us."""
    from grading.warm import jupyter_kernel as jupyter

    jupyter.prepare()
    missing: dict[str, str] = {}
    threads = _import([*jupyter.FIRST, *preload], missing)
    jupyter.changed()
    gc.collect()
    gc.freeze()
    control.send(json.dumps({"ready": os.getpid(), "threads": threads, "missing": missing}).encode())
    server = _KernelServer(control, jupyter)
    server.serve()
    server.close()
    if server.kernel:  # this is a fork, and nothing of the server is left on its stack
        jupyter.become(server.kernel)


def _import(names: list[str], missing: dict[str, str] | None = None) -> dict[str, list[str]]:
    """Import these modules; which of them left threads behind, that no fork will have.

    missing: gets the modules that cannot be imported and why; without it, that is an error.
    """
    started: dict[str, list[str]] = {}
    known = _threads()
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:
            if missing is None:
                raise
            missing[name] = f"{type(error).__name__}: {error}"
        if _threads() - known:
            _fork_once()
        if more := _threads() - known:
            started[name] = sorted(
                Path(f"/proc/self/task/{number}/comm").read_text().strip() for number in more
            )
            known |= more
    return started


def _fork_once() -> None:
    """Libraries that know of forks, OpenBLAS for one, now stop their threads and start them when used."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # from Python 3.12: there are threads; that is why
        pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)


def _threads() -> set[str]:
    return set(os.listdir("/proc/self/task")) if Path("/proc/self/task").is_dir() else set()


def _warm_up(made: "InteractiveShell") -> None:
    """Run once what is slow the first time, without starting a thread."""
    import torch
    from tqdm import tqdm

    from grading.fork.shell import told

    torch.set_num_threads(1)
    x = torch.ones(2, 2, requires_grad=True)
    torch.testing.assert_close(x @ x, 2 * x)
    torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2))
    try:
        raise ValueError("the first traceback imports what reads sources and colours them")
    except ValueError as error:
        told(made, error)
    tqdm.monitor_interval = 0  # bars need no thread that looks after them


class _Server:
    def __init__(self, control: socket.socket, confinement: Any, roles: Any, shell: Any) -> None:
        self.control, self.confinement, self.roles, self.shell = control, confinement, roles, shell
        self.children: dict[int, int] = {}  # process number to the number of the request
        self.limits: dict[int, int] = {}  # process number to mebibytes
        self.watched = 0.0
        self.wake, waker = socket.socketpair()
        for end in (self.wake, waker):
            end.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self.waker = waker
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.control, selectors.EVENT_READ)
            selector.register(self.wake, selectors.EVENT_READ)
            self.selector = selector
            while True:
                for key, _ in selector.select(WATCH_SECONDS if self.limits else None):
                    if key.fileobj is self.wake:
                        with contextlib.suppress(BlockingIOError):
                            self.wake.recv(4096)
                    elif not self._request():
                        return
                self._reap()
                self._watch()

    def _request(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self.control, 1 << 16, FILES)
        if not data:
            return False
        message = json.loads(data)
        if "kill" in message:
            for pid, number in self.children.items():
                if number == message["kill"]:
                    os.kill(pid, signal.SIGKILL)
        else:
            self._fork(message, descriptors)
        return True

    def _fork(self, message: dict[str, Any], descriptors: list[int]) -> None:
        from grading.fork.sandbox import fork_beside, fork_isolated

        try:
            fork = fork_beside if message["role"] == "judges" else fork_isolated
            pid = fork(self.confinement) if self.confinement else os.fork()
        except OSError as error:
            self.control.send(json.dumps({"exited": message["fork"], "failed": str(error)}).encode())
            pid = -1
        if pid == 0:
            self._child(message, descriptors)  # does not return
        for descriptor in descriptors:
            os.close(descriptor)
        if pid > 0:
            self.children[pid] = message["fork"]
            if "limits" in message:
                self.limits[pid] = message["limits"]["memory_mb"]

    def _watch(self) -> None:
        """End a fork that takes more memory with all its processes than one of them may."""
        if not self.limits or time.monotonic() < self.watched + WATCH_SECONDS:
            return
        for pid, size in memory_of(self.limits).items():
            if size > self.limits[pid]:
                os.kill(pid, signal.SIGKILL)
        self.watched = time.monotonic()

    def _child(self, message: dict[str, Any], descriptors: list[int]) -> None:
        """A fork begins: leave everything behind that is the zygote's, then do what was asked."""
        status = 70
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            _only(descriptors, keep=[self.confinement.pid_namespace] if self.confinement else [])
            if message["role"] == "judges":
                self._judges(*descriptors)
                return
            self._confine(message)
            sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
            if message["role"] == "answer":
                os.dup2(0, 2)  # what a student's code prints past the shell is seen by nobody
            self.roles[message["role"]](sockets, self.shell)
            status = 0
        except BaseException as error:
            with contextlib.suppress(BaseException):
                os.write(2, f"{message['role']}: {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(status)

    def _judges(self, described: int, control: int) -> None:
        """Be the process that the judges of one notebook are forked from; it runs the course's own cells."""
        from grading.fork import huge_pages
        from grading.fork.linux import die_with_parent
        from grading.judge.course_names import Given
        from grading.judge.prepare import prepare
        from grading.judge.process import serve

        die_with_parent()
        with open(described, encoding="utf-8") as file:
            notebook = json.load(file)
        given = Given(**notebook["given"])
        prepared = prepare(notebook["sources"], notebook["contexts"], given, self.shell)
        if len(_threads()) > 1:
            raise RuntimeError("a cell of the course has left a thread behind, which no judge would have")
        gc.collect()
        gc.freeze()
        huge_pages.collapse()
        ours = socket.socket(fileno=control)
        ours.send(json.dumps({"ready": os.getpid()}).encode())
        judge = functools.partial(serve, prepared=prepared)
        _Server(ours, self.confinement, {"judge": judge}, self.shell).serve()

    def _confine(self, message: dict[str, Any]) -> None:
        from grading.fork.linux import die_with_parent
        from grading.fork.sandbox import confine, limit
        from grading.records import Limits

        limits = Limits(**message["limits"])
        if self.confinement:
            confine(self.confinement, limits)
            os.close(self.confinement.pid_namespace)
        else:
            if sys.platform == "linux":
                die_with_parent()
            os.setsid()
            limit(limits)
            os.chdir(message["folder"])

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.limits.pop(pid, None)
            number = self.children.pop(pid, None)
            if number is None:
                continue
            code = os.waitstatus_to_exitcode(status)
            report = {
                "exited": number,
                "code": code,
                "cpu": usage.ru_utime + usage.ru_stime,
                "memory_mb": usage.ru_maxrss / 1024,
            }
            with contextlib.suppress(OSError):
                self.control.send(json.dumps(report).encode())


class _KernelServer(_Server):
    """Forks kernels. In a fork, `serve` returns at once and `kernel` holds its files."""

    def __init__(self, control: socket.socket, jupyter: Any) -> None:
        super().__init__(control, None, {}, None)
        self.jupyter, self.kernel = jupyter, list[int]()

    def _request(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self.control, 1 << 16, 4)
        message = json.loads(data) if data else {}
        if "signal" in message:
            for pid, number in self.children.items():
                if number == message["to"]:
                    _signal_group(pid, message["signal"])
        elif "fork" in message:
            self._fork(message, descriptors)
        return bool(data) and not self.kernel

    def _fork(self, message: dict[str, Any], descriptors: list[int]) -> None:
        report: dict[str, Any] = {"exited": message["fork"], "failed": self.jupyter.OUTDATED}
        if not self.jupyter.changed():
            try:
                pid = os.fork()
            except OSError as error:
                report["failed"] = str(error)
            else:
                if pid == 0:
                    self.kernel = descriptors
                    return
                self.children[pid] = message["fork"]
                report = {"started": message["fork"], "pid": pid}
        for descriptor in descriptors:
            os.close(descriptor)
        self.control.send(json.dumps(report).encode())

    def close(self) -> None:
        """End all kernels; in a fork, leave them be."""
        if not self.kernel:
            for pid in self.children:
                _signal_group(pid, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (self.control, self.wake, self.waker):
            end.close()


def _signal_group(pid: int, number: int) -> None:
    """To a process and all it started; to itself where it has only just begun."""
    for send in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError):
            return send(pid, number)


def _only(descriptors: list[int], keep: list[int]) -> None:
    """Close every file but these; nothing goes to the terminal."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(null, standard)
    kept = sorted({0, 1, 2, *descriptors, *keep})
    for lower, upper in zip(kept, [*kept[1:], 1 << 16], strict=True):
        os.closerange(lower + 1, upper)


if __name__ == "__main__":
    main(int(sys.argv[1]))
