"""Ctrl-C between two steps."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Self


class Interrupts:
    """While it is entered, a first Ctrl-C is only noted; a second one raises KeyboardInterrupt at once.

    A step that is torn apart leaves weights of which some have moved and some have not, and no checkpoint of
    them could go on exactly. Where Python's own handler is not in charge, or in another thread than the main
    one, nothing changes.

    Attributes:
        requested: whether somebody pressed Ctrl-C.
    """

    def __init__(self) -> None:
        self.requested = False
        self._installed = False

    def __enter__(self) -> Self:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._note)
            self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
