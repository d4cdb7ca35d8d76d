"""Copies of the answer's process, one for each group of tests: it stands still where the group does.

A student's cells run to the last before any test does, so that nothing that they show can come from what a
test passes in; a copy is what the notebook had defined when the tests' place came. The copies are made by the
process that runs the student's code, which may do anything about it: what keeps hidden inputs out of what is
shown is the order, not the copies.
"""

import contextlib
import gc
import os
import socket
import sys
import time
from collections.abc import Sequence

import torch

from grading.fork.linux import die_with_parent

__all__ = ["Copies"]

PATIENCE_SECONDS = 1.0
"""How long a copy whose connection has ended may take to end."""


class Copies:
    """The copies of this process. connections: one for each that may be made."""

    def __init__(self, connections: Sequence[socket.socket]) -> None:
        self.connections = connections
        self.pids: dict[int, int] = {}

    def make(self, number: int) -> socket.socket | None:
        """Copy this process. In the copy, the connection that it is asked over; None in the original.

        Raises:
            OSError: there are too many processes, or too little memory.
        """
        pid = os.fork()
        if pid:
            self.pids[number] = pid
            self.connections[number].close()  # it ends when the copy does
            return None
        if sys.platform == "linux":
            die_with_parent()
        gc.freeze()  # looking through all that there is would copy its memory
        torch.set_num_threads(1)  # a copy has no other thread
        own = self.connections[number]
        for connection in self.connections:
            if connection is not own:
                connection.close()
        self.connections, self.pids = [], {}
        return own

    def ending(self, number: int) -> int | None:
        """How a copy has ended: its exit status, or minus the number of a signal; None where it has not."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with contextlib.suppress(ChildProcessError, KeyError):
            while time.monotonic() < deadline:
                pid, status = os.waitpid(self.pids[number], os.WNOHANG)
                if pid:
                    return os.waitstatus_to_exitcode(status)
                time.sleep(0.01)
        return None
