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
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from nbformat.notebooknode import NotebookNode

from grading.engine import handin
from grading.engine.progress import LOOK_SECONDS, Progress
from grading.errors import GradingError, InfrastructureError, SubmissionError
from grading.records import ENGINE_VERSION, Job, Result, Status
from grading.warm.client import start_again, stop_all

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Outcome", "Runner", "run_jobs"]

Outcome = tuple[Result, NotebookNode | None]
Runner = Callable[[Job], Outcome]

AHEAD = 4
"""Jobs for each worker that are submitted and not yet given: it goes on while one of its own is recorded."""

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
