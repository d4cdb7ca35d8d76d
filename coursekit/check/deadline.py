"""A time limit for code that may loop for ever; for processes whose main thread runs it, on Unix."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class TimeIsUpError(BaseException):
    """Not an ``Exception``: no ``except Exception`` of an answer keeps it running."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise ``TimeIsUpError`` in the block when it takes longer."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TimeIsUpError(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
