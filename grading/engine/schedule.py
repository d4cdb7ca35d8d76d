"""Jobs to results, three ways that call the same function: one after another, a local pool, Dask.

Results come in the order of the jobs, and only so many are held at a time: memory does not grow with the
class. A job on which the machine failed is run once more at the end, alone; what fails then is reported as
such.
"""

import asyncio
import concurrent.futures
import contextlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbformat.notebooknode import NotebookNode
from tqdm import tqdm

from grading.engine import handin
from grading.errors import GradingError, InfrastructureError, SubmissionError
from grading.records import ENGINE_VERSION, Job, Result, Status
from grading.warm.client import start_again, stop_all

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Outcome", "Runner", "run_jobs"]

Outcome = tuple[Result, NotebookNode | None]
Runner = Callable[[Job], Outcome]

AHEAD = 32
"""Jobs begun or done for each worker while one is waited for: a slow hand-in holds nobody up."""

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
) -> Iterator[Outcome]:
    """The outcome of each job, in the order of the jobs.

    workers: hand-ins at a time. scheduler: address of a Dask scheduler whose workers do it instead; they must
    see the same files. keep: called with each outcome as soon as it is there, in any order and by any thread;
    what it returns is what is given. Interrupting ends what runs.

    Raises:
        SubmissionError: there is no scheduler at this address, or it has no workers.
        InfrastructureError: the scheduler is gone.
    """
    bar = tqdm(total=len(jobs), unit="hand-in", disable=quiet, delay=1, smoothing=0.1)
    failed: list[Job] = []
    with contextlib.closing(bar), _place(runner, workers, scheduler) as place:

        def kept(job: Job) -> Outcome:
            return keep(place.run(job))

        with contextlib.closing(_outcomes(jobs, kept, place)) as outcomes:
            for job, outcome in zip(jobs, outcomes, strict=True):
                if outcome[0].status is Status.INFRASTRUCTURE_ERROR and len(jobs) > 1:
                    failed.append(job)
                    continue
                yield outcome
                bar.update()
        for job in failed:
            yield kept(job)
            bar.update()


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


def _outcomes(jobs: Sequence[Job], run: Runner, place: _Place) -> Generator[Outcome, None, None]:
    """The hand-ins run in processes; a thread each waits for them and prepares the next."""
    if place.at_once == 1:
        yield from map(run, jobs)
        return
    with ThreadPoolExecutor(max_workers=place.at_once) as pool:
        waiting: deque[concurrent.futures.Future[Outcome]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(run, job))
                if len(waiting) > place.at_once * AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            place.stop()
            raise


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
