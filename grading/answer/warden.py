"""The recorder in the answer's process: what runs in it while a test forbids something goes to the judge.

torch writes down every operator that its dispatcher calls, in every thread, below Python. What it writes goes
into a pipe at once, so that nothing can be taken back. Its switches lie in torch as well: this takes them
before any code of a student runs, and leaves something else in their places.
"""

import contextlib
import ctypes
import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from grading.fork.programs import refuse_programs

__all__ = ["MARK", "PAUSED", "STOPPED", "Warden", "mark_of", "take_switches"]

MARK = "forbidden function "
"""How a mark begins that a forbidden function of Python leaves; the judge has the same word."""
STOPPED = "record stopped"
PAUSED = "record paused"
"""What is left where only marks are recorded, each time that nothing is again."""

_SWITCHES = {
    "add": "_ZN5torch8profiler4impl25addExecutionTraceObserver"
    "ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
    "enable": "_ZN5torch8profiler4impl28enableExecutionTraceObserverEv",
    "disable": "_ZN5torch8profiler4impl29disableExecutionTraceObserverEv",
    "remove": "_ZN5torch8profiler4impl28removeExecutionTraceObserverEv",
}
"""The switches as torch's library has them. Nothing of Python's is left that leads there."""

_KERNELS = {"_DispatchOperatorHandle": "redispatch_boxed", "_SafeKernelFunction": "call_boxed"}
"""Methods that run an operator's kernel past the dispatcher, which then writes nothing down."""

_only_marks: list[bool] = []
"""Not empty while no operator is asked for: to write them down takes as long as to compute them."""

_kill, _list, _getpid = os.kill, os.listdir, os.getpid  # as they are now


def mark_of(name: str) -> Callable[[], Any]:
    """Something that leaves this name in the record when it is called, whoever calls it."""
    return functools.partial(_leave, _mark(), name)


def _leave(mark: Callable[[str], Any], name: str) -> None:
    if not _only_marks:
        mark(name)
        return
    getattr(_library(), _SWITCHES["enable"])()
    mark(name)
    mark(PAUSED)
    getattr(_library(), _SWITCHES["disable"])()


@functools.cache
def _mark() -> Callable[[str], Any]:
    import torch

    found: Callable[[str], Any] = torch.ops.profiler._record_function_enter_new.default._op
    return found


def take_switches() -> None:
    """Take torch's switches of the record away from everybody: who reaches for them is recorded.

    Kernels that are run past the dispatcher are recorded as well.
    """
    import torch
    import torch.profiler.profiler as profiler

    reached, home = mark_of(STOPPED), torch._C._profiler
    for switch in _SWITCHES:
        name = f"_{switch}_execution_trace_observer"
        for module in (home, profiler):
            setattr(module, name, _left_behind(reached))
    for owner, method in _KERNELS.items():
        if (kind := getattr(torch._C, owner, None)) is not None and hasattr(kind, method):
            setattr(kind, method, _written_down(getattr(kind, method)))


def _switch(step: str, *arguments: Any) -> None:
    """Turn a switch. Whoever does that before the record's last marker leaves a mark in it."""
    if step in ("disable", "remove"):
        mark_of(STOPPED)()
    getattr(_library(), _SWITCHES[step])(*arguments)


@functools.cache
def _library() -> ctypes.CDLL:
    import torch

    return ctypes.CDLL(os.path.join(os.path.dirname(torch.__file__), "lib", "libtorch_cpu.so"))


class _Text(ctypes.Structure):
    """A string as C++ has it, of the library that comes with GCC: where it begins, how long it is, room."""

    _fields_: ClassVar = [("begin", ctypes.c_char_p), ("size", ctypes.c_size_t), ("room", ctypes.c_char * 16)]


def _written_down(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, which leaves the name of the operator in the record."""

    def written_down(kernel: Any, *args: Any, **kwargs: Any) -> Any:
        operator = getattr(kernel, "op_handle", kernel)
        mark_of(str(operator.schema().name))()
        return method(kernel, *args, **kwargs)

    return written_down


def _left_behind(reached: Callable[[], Any]) -> Callable[..., bool]:
    """What stands where a switch was."""

    def switch(*_: Any) -> bool:
        reached()
        return False

    return switch


class Warden:
    """Records what runs in this process, and sees to it that nothing else helps it meanwhile."""

    def __init__(self) -> None:
        self.pipe: int | None = None
        self.stopped: set[int] = set()
        self.recording = False

    def attach(self, pipe: int) -> None:
        """Have this file for all that is recorded."""
        self.pipe = pipe

    def still(self, asked: set[int], copies: set[int]) -> dict[str, int]:
        """Let every process of the hand-in stand still but this one and the ones asked.

        copies: of this process. Returns how many threads there are in this one, and how many processes were
        stopped that are none.
        """
        if _getpid() != 1:  # elsewhere there may be processes of others
            return {"threads": 1, "others": 0}
        for process in set(_beside({1, *asked})) - self.stopped:
            with contextlib.suppress(ProcessLookupError):
                _kill(process, signal.SIGSTOP)
                self.stopped.add(process)
        return {"threads": len(_list("/proc/self/task")), "others": len(self.stopped - copies)}

    def wake(self) -> None:
        """Let them go on."""
        for process in self.stopped:
            with contextlib.suppress(OSError):  # after the last test that forbids something, nobody goes on
                _kill(process, signal.SIGCONT)
        self.stopped = set()

    def open(self, marker: str, *, tested: bool, marks: bool) -> None:
        """Begin to record.

        tested: a test may ask this process, and no copy of it after that. marks: they alone are asked for.
        """
        if tested:
            refuse_programs()
        if self.recording:
            raise RuntimeError("there is a record already")
        self.recording = True
        path = f"/proc/self/fd/{self.pipe}".encode()
        _switch("add", ctypes.byref(_Text(path, len(path))))
        _only_marks[:] = [True] * marks
        if not marks:
            _switch("enable")
        self.mark(marker)

    def mark(self, marker: str) -> None:
        """Something else is forbidden from here on."""
        mark_of(marker)()

    def close(self, marker: str) -> None:
        """End what was recorded."""
        if not self.recording:
            return
        self.recording = False
        self.mark(marker)
        _only_marks.clear()
        _switch("disable")
        _switch("remove")


def _beside(known: set[int]) -> Iterator[int]:
    """All processes of this hand-in but these."""
    if sys.platform == "linux":
        for name in _list("/proc"):
            if name.isdigit() and int(name) not in known:
                yield int(name)
