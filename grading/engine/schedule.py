"""Jobs to results as they come: a pool of this machine, or Dask's workers, call the same function.

An outcome is given when it is there, whatever its place among the jobs: one that takes long holds up nobody,
and nothing is held back, so that memory does not grow with the class. A job on which the machine failed is
run once more at the end, alone; what fails then is reported as such.
"""

import asyncio
import concurrent.futures
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from nbformat.notebooknode import NotebookNode
from tqdm import tqdm

from grading.engine import handin
from grading.errors import GradingError, InfrastructureError, SubmissionError
from grading.records import ENGINE_VERSION, Job, Result, Status
from grading.text import shown
from grading.warm.client import start_again, stop_all

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Outcome", "Progress", "Runner", "run_jobs", "time_left"]

Outcome = tuple[Result, NotebookNode | None]
Runner = Callable[[Job], Outcome]

AHEAD = 4
"""Jobs for each worker that are submitted and not yet given: it goes on while one of its own is recorded."""

LONG_SECONDS = 10
"""From then on the bar names the hand-in that runs longest."""

LOOK_SECONDS = 1.0
"""How often the bar is brought up to date while nothing ends."""

CONNECT_SECONDS = 10
WORKER_SECONDS = 60
"""How long a scheduler may be without any worker."""
POLL_SECONDS = 5


def run_jobs(
    jobs: Sequence[Job],
    runner: Runner,
    *,
    workers: int,
    scheduler: str | None = None,
    quiet: bool = False,
    keep: Callable[[Outcome], Outcome] = lambda outcome: outcome,
) -> Generator[Outcome, None, None]:
    """The outcome of each job, in the order in which they end; they are begun in the order given.

    workers: hand-ins at a time. scheduler: address of a Dask scheduler whose workers do it instead; they must
    see the same files. keep: called with each outcome by the thread that waited for it; what it returns is
    what is given. Interrupting ends what runs.

    Raises:
        SubmissionError: there is no scheduler at this address, or it has no workers.
        InfrastructureError: the scheduler is gone.
    """
    failed: list[Job] = []
    with (
        _place(runner, workers, scheduler) as place,
        contextlib.closing(Progress(len(jobs), place.at_once, quiet=quiet)) as progress,
    ):

        def run(job: Job) -> Outcome:
            with progress.running(job):
                return keep(place.run(job))

        for again, (todo, at_once) in enumerate(((jobs, place.at_once), (failed, 1))):
            with contextlib.closing(_outcomes(todo, run, at_once, place.stop, progress.show)) as outcomes:
                for job, outcome in outcomes:
                    if outcome[0].status is Status.INFRASTRUCTURE_ERROR and not again and len(jobs) > 1:
                        failed.append(job)
                        continue
                    yield outcome
                    progress.count()


def _outcomes(
    jobs: Sequence[Job],
    run: Runner,
    at_once: int,
    stop: Callable[[], object],
    look: Callable[[], object],
) -> Generator[tuple[Job, Outcome], None, None]:
    """Each job with its outcome as they end, so many at once; look is called when for a while none does.

    The hand-ins run in processes; a thread each waits for them and prepares the next.
    """
    todo = iter(jobs)
    submitted: dict[concurrent.futures.Future[Outcome], Job] = {}
    ended: queue.SimpleQueue[concurrent.futures.Future[Outcome]] = queue.SimpleQueue()
    with ThreadPoolExecutor(max_workers=at_once) as pool:

        def submit(most: int) -> None:
            for job in islice(todo, most):
                future = pool.submit(run, job)
                submitted[future] = job
                future.add_done_callback(ended.put)

        try:
            submit(at_once * AHEAD)
            while submitted:
                try:
                    future = ended.get(timeout=LOOK_SECONDS)
                except queue.Empty:
                    look()
                    continue
                submit(1)
                yield submitted.pop(future), future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop()
            raise


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


@dataclass(frozen=True)
class _Place:
    """What runs a job, here or elsewhere; how many jobs it is given at a time; how to break them off."""

    run: Runner
    at_once: int
    stop: Callable[[], object]


@contextlib.contextmanager
def _place(runner: Runner, workers: int, scheduler: str | None) -> Iterator[_Place]:
    if scheduler is None:
        try:
            yield _Place(runner, workers, stop_all)
        finally:
            start_again()
        return
    with _client(scheduler) as client:
        threads = sum(client.nthreads().values())  # twice as many: the next one waits where it will be run
        yield _Place(_Dask(client, scheduler, runner), 2 * threads, client.close)


@contextlib.contextmanager
def _client(address: str) -> Iterator["Client"]:
    from distributed import Client

    fix = "start one with `dask scheduler` and `dask worker`, or leave it out"
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise SubmissionError(f"there is no Dask scheduler ({error})", address, fix) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError:
            raise SubmissionError("this Dask scheduler has no workers", address, fix) from None
        yield client


class _Dask:
    """Runs a job on some worker of a Dask scheduler and waits for it.

    A worker that dies is replaced by others, as Dask does it; a job that ended several is a failure of the
    machine.
    """

    def __init__(self, client: "Client", address: str, runner: Runner) -> None:
        self.client, self.address, self.runner = client, address, runner

    def __call__(self, job: Job) -> Outcome:
        from distributed import KilledWorker

        future = self._done(job)
        try:
            outcome: Outcome = future.result()
        except KilledWorker as error:
            says = f"it ended {error.allowed_failures + 1} workers, the last one {error.last_worker.address}"
            return handin.machine_failed(job, says), None
        except Exception as error:
            says = str(error) if isinstance(error, GradingError) else f"{type(error).__name__}: {error}"
            return handin.machine_failed(job, says), None
        return outcome

    def _done(self, job: Job) -> "Future":
        """The job's future when the job is over, however it ended.

        Raises:
            InfrastructureError: the scheduler is gone, or had no worker for too long.
        """
        there, without = os.path.lexists(job.notebook), 0
        try:
            future = self.client.submit(_on_worker, self.runner, job, there, ENGINE_VERSION, pure=False)
            while without < WORKER_SECONDS:
                try:
                    future.exception(timeout=POLL_SECONDS)  # does not fetch what was computed
                except TimeoutError:
                    without = 0 if self.client.nthreads() else without + POLL_SECONDS
                else:
                    if not future.cancelled():
                        return future
                    break
        except (concurrent.futures.CancelledError, asyncio.CancelledError, OSError, RuntimeError):
            pass  # the connection was closed, from one end or the other
        what = "the Dask scheduler has no workers left" if without else "the Dask scheduler is gone"
        raise InfrastructureError(what, self.address, "run the assignment again; what is done is kept")


def _on_worker(runner: Runner, job: Job, there: bool, engine_version: str) -> Outcome:
    """Run a job on a Dask worker, provided that it would come out as here.

    Raises:
        InfrastructureError: the worker has other files or another grading than the one who asks.
    """
    if engine_version != ENGINE_VERSION:
        raise InfrastructureError(
            f"a worker has another version of grading ({ENGINE_VERSION})", "", "install this one"
        )
    if not job.source.is_file() or os.path.lexists(job.notebook) != there:
        fix = "give the workers the same file system"
        raise InfrastructureError("a worker does not see the files", job.notebook.parent, fix)
    return runner(job)
