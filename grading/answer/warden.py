"""The recorder in the answer's process: what runs in it while a test forbids something goes to the judge.

torch writes down every operator that its dispatcher calls, in every thread, below Python. What it writes goes into
a pipe at once, so that nothing can be taken back. The switches of it lie in torch as well: this takes them
before any code of a student runs, and leaves something else in their places.
"""

import contextlib
import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

from grading.fork.programs import refuse_programs

__all__ = ["MARK", "STOPPED", "Warden", "mark_of", "take_switches"]

MARK = "forbidden function "
"""How a mark begins that a forbidden function of Python leaves; the judge has the same word."""
STOPPED = "record stopped"
SWITCHES = ("add", "enable", "disable", "remove")

_switches: dict[str, Callable[..., Any]] = {}
_kill, _list, _getpid = os.kill, os.listdir, os.getpid  # as they are now


def mark_of(name: str) -> Callable[[], Any]:
    """Something that leaves this name in the record when it is called, whoever calls it."""
    import torch

    return functools.partial(torch.ops.profiler._record_function_enter_new.default, name)


def take_switches() -> None:
    """Take torch's switches of the record away from everybody else: who reaches for them is recorded."""
    import torch
    import torch.profiler.profiler as profiler

    reached, home = mark_of(STOPPED), torch._C._profiler
    for switch in SWITCHES:
        name = f"_{switch}_execution_trace_observer"
        _switches[switch] = getattr(home, name)
        for module in (home, profiler):
            setattr(module, name, _left_behind(reached))


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
        self.stopped: list[int] = []

    def attach(self, pipe: int) -> None:
        """Have this file for all that is recorded."""
        self.pipe = pipe

    def open(self, marker: str, asked: int | None, *, last: bool) -> None:
        """Begin to record.

        asked: the process number of the copy that is under test, where it is none of this process itself.
        last: this process is under test, and no copy of it will be.
        """
        if _getpid() == 1:  # elsewhere there may be processes of others
            self.stopped = list(_beside({1, asked}))
            for process in self.stopped:
                with contextlib.suppress(ProcessLookupError):
                    _kill(process, signal.SIGSTOP)
        if _getpid() != 1 or last:
            refuse_programs()
        _switches["add"](f"/proc/self/fd/{self.pipe}")
        _switches["enable"]()
        self.mark(marker)

    def mark(self, marker: str) -> None:
        """Something else is forbidden from here on."""
        mark_of(marker)()

    def close(self, marker: str) -> None:
        """End what was recorded."""
        self.mark(marker)
        _switches["disable"]()
        _switches["remove"]()
        for process in self.stopped:
            with contextlib.suppress(OSError):  # after the last test that forbids something, nobody goes on
                _kill(process, signal.SIGCONT)
        self.stopped = []


def _beside(known: set[int | None]) -> Iterator[int]:
    """All processes of this hand-in but these."""
    if sys.platform == "linux":
        for name in _list("/proc"):
            if name.isdigit() and int(name) not in known:
                yield int(name)
