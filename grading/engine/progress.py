"""What a class under way looks like: how many are finished, how long it still takes, what runs longest."""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

from tqdm import tqdm

from grading.records import Job
from grading.text import shown

__all__ = ["LOOK_SECONDS", "Progress", "time_left"]

LONG_SECONDS = 10
"""From then on the bar names the hand-in that runs longest."""

LOOK_SECONDS = 1.0
"""How often the bar is brought up to date while nothing ends."""


class Progress:
    """A bar that counts what is finished, and says how long it still takes and what runs longest.

    total: hand-ins. at_once: how many of them run at a time. The threads that run them say what begins and
    ends; the one that collects them counts and shows.
    """

    def __init__(self, total: int, at_once: int, *, quiet: bool = False) -> None:
        self.total, self.at_once = total, at_once
        self.begun: dict[str, tuple[float, Job]] = {}
        self.ended, self.seconds = 0, 0.0
        self.lock = threading.Lock()
        self.bar = tqdm(
            total=total,
            unit="hand-in",
            disable=quiet,
            delay=LOOK_SECONDS,
            smoothing=0,
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}, {rate_fmt}{postfix}]",
        )

    @contextlib.contextmanager
    def running(self, job: Job) -> Iterator[None]:
        """While inside, this hand-in runs."""
        began = time.monotonic()
        with self.lock:
            self.begun[job.student] = (began, job)
        try:
            yield
        finally:
            with self.lock:
                del self.begun[job.student]
                self.ended += 1
                self.seconds += time.monotonic() - began

    def count(self) -> None:
        """One more is finished."""
        if not self.bar.disable:
            self.bar.set_postfix_str(self.says(self.bar.n + 1), refresh=False)
        self.bar.update()

    def show(self) -> None:
        """Bring the bar up to date, though nothing new is finished."""
        if not self.bar.disable:
            self.bar.set_postfix_str(self.says(self.bar.n))

    def says(self, finished: int) -> str:
        """How long it still takes, as far as can be said, and what runs longest, if it runs long."""
        with self.lock:
            now, running = time.monotonic(), list(self.begun.values())
            mean = self.seconds / self.ended if self.ended else None
        parts = []
        if mean is not None and finished < self.total:
            rests = [_rest(now - began, mean, job) for began, job in running]
            waiting = max(0, self.total - finished - len(running))
            left = time_left(rests, waiting, mean, self.at_once)
            parts.append(f"about {tqdm.format_interval(left)} left")
        began, job = min(running, key=lambda entry: entry[0], default=(now, None))
        if job is not None and now - began >= LONG_SECONDS:
            parts.append(f"longest: {shown(job.student, 30)}, {now - began:.0f} s")
        return "; ".join(parts)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self.bar.close()


def time_left(rests: Sequence[float], waiting: int, mean: float, at_once: int) -> float:
    """Seconds until all are finished: the load shared evenly, but at least what the slowest still needs.

    rests: what each of the running ones still needs. waiting: how many have not begun. mean: what one takes.
    """
    return max([(sum(rests) + waiting * mean) / at_once, *rests])


def _rest(ran: float, mean: float, job: Job) -> float:
    """What a hand-in that has run for so many seconds still needs, at a guess.

    It is taken to be an ordinary one until it has lasted half as long as they do on average, and then to be
    halfway; it cannot outlast its limit.
    """
    return min(max(mean - ran, ran), max(job.limits.job_seconds - ran, 0.0))
