"""From the first time on that a test forbids something, its process starts no other one and no program.

Threads are not refused: what runs in them is recorded as well, and libraries use them.
"""

import errno
import signal
import sys

if sys.platform == "linux":
    import seccompy

__all__ = ["prepare", "refuse_programs"]

CLONE_THREAD = 0x10000
SIGNALS = {"kill": 1, "tkill": 1, "tgkill": 2, "rt_sigqueueinfo": 1, "rt_tgsigqueueinfo": 2}
"""Calls that send signals, and which argument is the signal: nobody who was stopped goes on."""

_program: "seccompy.Filter | None" = None


def prepare() -> None:
    """Compile the filter, once, in the process that answers are forked from."""
    global _program
    program = seccompy.Filter()
    for name in ("execve", "execveat", "fork", "vfork"):
        if name in _known():
            program.errno(name, errno.EPERM)
    no_thread = seccompy.ArgCmp(0, seccompy.CmpOp.MASKED_EQ, 0, mask=CLONE_THREAD)
    program.errno("clone", errno.EPERM, args=[no_thread])
    for name, place in SIGNALS.items():
        program.errno(
            name, errno.EPERM, args=[seccompy.ArgCmp(place, seccompy.CmpOp.EQ, int(signal.SIGCONT))]
        )
    assert program.program  # compiled here
    _program = program


def refuse_programs() -> None:
    """No other process and no program is started from here on, and nobody wakes one that was stopped."""
    if _program is not None and not _program.loaded:
        _program.load()


def _known() -> set[str]:
    """Those of the calls that this architecture has."""
    found = set()
    for name in ("execve", "execveat", "fork", "vfork"):
        try:
            seccompy.syscall_nr(name)
        except (KeyError, ValueError):
            continue
        found.add(name)
    return found
