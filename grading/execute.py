"""Runs a notebook in a fresh kernel and reports how each cell ended.

nbgrader's own executor does the running. What decides a verdict (the kernel's reply, error messages,
the value of the last expression) is taken from the kernel's messages and kept apart from the outputs,
which code in the notebook can clear.
"""

import asyncio
import contextlib
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import Execute

from grading.errors import InfrastructureError
from grading.records import Limits, Status

TEXT_KEPT, DATA_KEPT, ALL_KEPT = 100_000, 3_000_000, 30_000_000
"""Characters of output kept: printed in a cell, pictures and results of a cell, all of a notebook."""

ERROR_LINES, ERROR_LENGTH = 50, 5_000
"""Errors are always kept: so many lines from either end, each cut to this length."""

STARTUP_SECONDS = 90
IOPUB_SECONDS = 30

# One thread a kernel: kernels that run side by side do not fight for the cores, and a result does not
# depend on how many run.
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


@dataclass
class CellRun:
    """How one code cell ended.

    ended: the kernel replied that the cell ran, without or with an exception. error: name and message of
    the exception. value: text of the last expression's value; values: how many such values were shown.
    """

    ended: bool = False
    error: tuple[str, str] | None = None
    value: str | None = None
    values: int = 0
    seconds: float = 0.0


@dataclass
class Run:
    """What happened in a whole notebook.

    cells: by index, only those that were started. stopped: why the run ended before its last cell, or
    None; says: the same as a sentence. stopped_at: index of the cell that was running then.
    """

    cells: dict[int, CellRun] = field(default_factory=dict)
    stopped: Status | None = None
    stopped_at: int | None = None
    says: str = ""


def execute(notebook: NotebookNode, limits: Limits, handin: Path | None = None) -> Run:
    """Run the code cells in place, in order, in a kernel of their own.

    The kernel works in a scratch folder that holds a copy of `handin` and nothing else, and it is dead
    when this returns. An exception in a cell does not keep the next ones from running; a cell that
    outlives `limits.cell_seconds` ends the run.

    Raises:
        InfrastructureError: The kernel could not be started, or died between two cells.
    """
    with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as scratch:
        work = Path(scratch) / "work"
        work.mkdir()
        if handin is not None:
            (work / handin.name).write_bytes(handin.read_bytes())
        runner = _Runner(notebook, limits, Path(scratch))
        with _kernels_stoppable(runner):
            return runner.run(work)


def stop_all() -> None:
    """Kill every kernel of this process; their runs end as infrastructure errors."""
    _stopping.set()
    for runner in list(_running):
        runner.kill_kernel()


_running: "set[_Runner]" = set()
_stopping = threading.Event()


@contextlib.contextmanager
def _kernels_stoppable(runner: "_Runner") -> Iterator[None]:
    if _stopping.is_set():
        raise InfrastructureError("the run was interrupted", "", "start it again; what is done is kept")
    _running.add(runner)
    try:
        yield
    finally:
        _running.discard(runner)


class _Runner(Execute):
    """nbgrader's executor, keeping what the kernel says about each cell out of the notebook's reach."""

    def __init__(self, notebook: NotebookNode, limits: Limits, scratch: Path) -> None:
        kernel = notebook.metadata.get("kernelspec", {}).get("name", "python3")
        super().__init__(
            kernel_name=kernel,
            startup_timeout=STARTUP_SECONDS,
            iopub_timeout=IOPUB_SECONDS,
            interrupt_on_timeout=False,
            shutdown_kernel="immediate",
            coalesce_streams=False,  # its regular expressions take hours for a long line
            store_widget_state=False,
            record_timing=False,
            skip_cells_with_tag="",
        )
        self.nb = notebook
        self.timeout_func = self._seconds_left
        # Sockets instead of ports: two kernels that start together never pick the same one.
        self.km = AsyncKernelManager(
            kernel_name=kernel, transport="ipc", connection_file=str(scratch / "kernel.json")
        )
        self.owns_km = True
        self.limits = limits
        self.deadline = time.monotonic() + limits.job_seconds
        self.started: dict[int, CellRun] = {}
        self.kept = Counter[str]()
        self.group: int | None = None
        self.scratch = scratch

    def run(self, work: Path) -> Run:
        environment = {**os.environ, **THREADS, "NBGRADER_EXECUTION": "autograde"}
        environment["IPYTHONDIR"] = str(self.scratch / "ipython")  # nobody's startup files
        try:
            asyncio.run(self.async_execute(cwd=str(work), env=environment))
        except (CellTimeoutError, DeadKernelError) as error:
            return self._stopped(error)
        except Exception as error:
            says = f"the kernel could not run the notebook ({type(error).__name__}: {error})"
            raise InfrastructureError(says, "", "run the assignment again") from error
        finally:
            self.kill_kernel()
        return Run(self.started)

    def kill_kernel(self) -> None:
        """End the kernel and the processes it started."""
        if self.group is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.group, signal.SIGKILL)

    # Called by nbclient, in this order.

    def on_notebook_start(self, **kwargs: Any) -> None:
        process = self.km.provisioner.process
        self.group = process.pid  # the kernel is started as the leader of a group of its own
        if _stopping.is_set():
            raise InfrastructureError("the run was interrupted", "", "start it again; what is done is kept")
        if sys.platform == "linux":
            # Memory written to, not address space: a GPU driver reserves far more than it uses.
            size = self.limits.memory_mb * 2**20
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_DATA, (size, size))

    def on_cell_execute(self, cell: NotebookNode, cell_index: int, **kwargs: Any) -> None:
        if time.monotonic() >= self.deadline:
            raise CellTimeoutError("no time left")
        del self.kept["text"], self.kept["data"]
        self.started[cell_index] = CellRun(seconds=-time.monotonic())

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> Any:
        run, content = self.started[cell_index], msg["content"]
        match msg["msg_type"]:
            case "error":
                content["evalue"] = str(content.get("evalue", ""))[:ERROR_LENGTH]
                content["traceback"] = _cut(content.get("traceback", []))
                run.error = (str(content.get("ename", ""))[:200], content["evalue"])
            case "execute_result":
                run.value = str(content.get("data", {}).get("text/plain", ""))[:1000]
                run.values += 1
                if not self._fits(content):
                    return None
            case "stream":
                content["text"] = str(content.get("text", ""))[:TEXT_KEPT]
                if not self._fits(content):
                    return None
            case "display_data" | "update_display_data":
                if not self._fits(content):
                    return None
        return super().process_message(msg, cell, cell_index)

    def _fits(self, content: dict[str, Any]) -> bool:
        kind = "text" if "text" in content else "data"
        self.kept.update({kind: (size := len(str(content.get(kind)))), "all": size})
        allowed = {"text": TEXT_KEPT, "data": DATA_KEPT, "all": ALL_KEPT}
        return all(self.kept[name] <= allowed[name] for name in (kind, "all"))

    def on_cell_executed(self, cell: NotebookNode, cell_index: int, **kwargs: Any) -> None:
        super().on_cell_executed(cell=cell, cell_index=cell_index, **kwargs)
        run, content = self.started[cell_index], kwargs["execute_reply"]["content"]
        run.seconds += time.monotonic()
        run.ended = True
        if content["status"] != "ok" and run.error is None:
            run.error = (str(content.get("ename", "Aborted")), str(content.get("evalue", "")))

    def _seconds_left(self, cell: NotebookNode) -> float:
        return max(0.1, min(self.limits.cell_seconds, self.deadline - time.monotonic()))

    def _stopped(self, error: Exception) -> Run:
        unfinished = [index for index, run in self.started.items() if not run.ended]
        at = unfinished[-1] if unfinished else None
        if at is not None:
            self.started[at].seconds += time.monotonic()
        if isinstance(error, CellTimeoutError):
            return Run(self.started, Status.TIMEOUT, at, self._timeout_says(at))
        if at is None or _stopping.is_set():
            raise InfrastructureError("the kernel died between two cells", "", "run the assignment again")
        code = self._exit_code()
        if code == -signal.SIGKILL:
            says = f"The kernel was killed in {self._name(at)}, most likely because memory ran out."
            return Run(self.started, Status.OUT_OF_MEMORY, at, says)
        how = "ended itself" if code is None or code >= 0 else f"died of {signal.Signals(-code).name}"
        return Run(self.started, Status.KILLED, at, f"The kernel {how} in {self._name(at)}.")

    def _timeout_says(self, at: int | None) -> str:
        if at is None or time.monotonic() >= self.deadline:
            return f"The run ended when the hand-in had used up its {self.limits.job_seconds:g} seconds."
        cell = self._name(at)
        return f"The run ended in {cell}, which took longer than {self.limits.cell_seconds:g} seconds."

    def _name(self, at: int) -> str:
        name = self.nb.cells[at].metadata.get("nbgrader", {}).get("grade_id")
        return f"the cell {name!r}" if name else f"cell {at + 1} of the notebook"

    def _exit_code(self) -> int | None:
        process = getattr(getattr(self.km, "provisioner", None), "process", None)
        return self.exit_code if process is None else process.poll()

    exit_code: int | None = None

    async def _async_check_alive(self) -> None:
        """As nbclient's, keeping the exit code before the clean-up forgets it."""
        process = getattr(getattr(self.km, "provisioner", None), "process", None)
        if process is not None and process.poll() is not None:
            self.exit_code = process.poll()
        await super()._async_check_alive()


def _cut(lines: list[Any]) -> list[str]:
    """A traceback without its middle where it is too long to keep."""
    if len(lines) > 2 * ERROR_LINES:
        lines = [*lines[:ERROR_LINES], "...", *lines[-ERROR_LINES:]]
    return [str(line)[:ERROR_LENGTH] for line in lines]
