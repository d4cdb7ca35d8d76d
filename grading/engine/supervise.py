"""One hand-in run in two processes: who runs which cell, for how long, and what a process's end means.

A cell that ends the student's process, or outlives its time, costs that cell: a new pair of processes runs
the student's cells again without it, and the tests that are still to come.
"""

import contextlib
import functools
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import nbformat
from nbformat.notebooknode import NotebookNode
from nbgrader import utils

from grading.engine.outputs import clean_output, told
from grading.errors import InfrastructureError
from grading.handins.tree import release_path
from grading.judge.course_names import given_by
from grading.judge.task import Task, copies_of
from grading.records import Job, Limits, Status
from grading.text import printable
from grading.warm.client import Warm, warm_process
from grading.warm.forks import Ending
from grading.wire.channel import Channel, WireError

__all__ = ["CellRun", "Run", "execute", "tasks_of"]

RESTARTS = 5
"""How many cells of a hand-in may end its process before the rest is not run."""

GRACE_SECONDS = 2.0
JUDGE_MEMORY_MB = 8192


@dataclass
class CellRun:
    """How one code cell ended.

    ended: it ran to its end, without or with an exception. error: name and message of the exception. value:
    the last expression's value where it is a number. status: why it did not end. says: the same as a
    sentence. flagged: what it used that the course forbids and takes no points for, in sentences.
    """

    ended: bool = False
    error: tuple[str, str] | None = None
    value: float | None = None
    seconds: float = 0.0
    status: Status | None = None
    says: str = ""
    flagged: tuple[str, ...] = ()


@dataclass
class Run:
    """What happened in a notebook: by index the cells that were started; why the rest was not.

    shown: the cells whose outputs are in the notebook.
    """

    cells: dict[int, CellRun] = field(default_factory=dict)
    shown: set[int] = field(default_factory=set)
    stopped: Status | None = None
    says: str = ""

    @property
    def broken(self) -> list[CellRun]:
        """The cells that ended their process."""
        return [cell for cell in self.cells.values() if cell.status is not None]


@dataclass(frozen=True)
class _Broken:
    """A pair of processes is gone: the cell that was running, and why."""

    index: int
    status: Status
    says: str
    perhaps_ours: bool = False


def tasks_of(notebook: NotebookNode, released: Mapping[str, str]) -> list[Task]:
    """Where each code cell of a reconciled notebook runs.

    released: the text that students got, by grade id.
    """
    tasks = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        parameters = "parameters" in cell.metadata.get("tags", ())
        in_place = bool(cell.metadata.get("grading", {}).get("in_place", False))
        if utils.is_grade(cell) and not utils.is_solution(cell):
            tasks.append(Task(index, "judge", cell.source, "", in_place))
        elif utils.is_locked(cell) or parameters:
            tasks.append(Task(index, "both", cell.source, released.get(name or "", cell.source)))
        else:
            tasks.append(Task(index, "answer", "", cell.source))
    return tasks


def _in_common(job: Job) -> dict[str, object]:
    """What all judges of a notebook have in common."""
    given = asdict(given_by(job.source, release_path(job.source)))
    sources = [] if job.files else _locked(job.source)  # cells may read what lies beside a hand-in
    return {"sources": sources, "contexts": list(job.warm.contexts), "given": given}


def _locked(source: Path) -> list[str]:
    return _locked_in(source, source.stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _locked_in(source: Path, _: int) -> list[str]:
    tasks = tasks_of(nbformat.read(source, as_version=4), {})
    return [task.here for task in tasks if task.where != "answer"]


def execute(notebook: NotebookNode, tasks: Sequence[Task], job: Job) -> Run:
    """Run the tasks and put what the cells showed into the notebook.

    Raises:
        InfrastructureError: the machine failed and not the hand-in.
    """
    with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as folder:
        return _execute(notebook, tasks, job, warm_process(job.warm), folder)


def _execute(notebook: NotebookNode, tasks: Sequence[Task], job: Job, warm: Warm, folder: str) -> Run:
    run, left_out, suspicious, ours = Run(), set[int](), set[int](), set[int]()
    deadline = time.monotonic() + job.limits.job_seconds
    for _ in range(RESTARTS + 1):
        todo = [
            _for_now(task, run, notebook, again=task.index in ours)
            for task in tasks
            if task.index not in left_out
        ]
        broken = _Pair(notebook, todo, job, warm, run, deadline, folder).run()
        if broken is None:
            return run
        if broken.perhaps_ours and broken.index not in suspicious:
            suspicious.add(broken.index)  # the machine's memory may have run out for another: once more
            run.cells.pop(broken.index, None)
            continue
        shared = any(task.index == broken.index and task.where == "both" for task in todo)
        (ours if shared else left_out).add(broken.index)  # what the course defines, it defines all the same
        cell = run.cells.setdefault(broken.index, CellRun())
        cell.ended, cell.status, cell.says = False, broken.status, broken.says
        if time.monotonic() >= deadline:
            run.stopped = Status.TIMEOUT
            run.says = f"The run ended when the hand-in had used up its {job.limits.job_seconds:g} seconds."
            return run
    run.stopped = run.broken[-1].status
    run.says = f"The run ended when {len(run.broken)} cells had ended their process."
    return run


def _for_now(task: Task, run: Run, notebook: NotebookNode, *, again: bool) -> Task:
    """Of a test that is over, the tests behind it may still want the functions that it defines."""
    if again:
        return replace(task, where="again")
    return (
        replace(task, where="defined")
        if task.where == "judge" and _is_over(run, notebook, task.index)
        else task
    )


def _is_over(run: Run, notebook: NotebookNode, index: int) -> bool:
    """Whether a test has come out; a cell without points is what others share, and every judge needs it."""
    cell = run.cells.get(index)
    if not notebook.cells[index].metadata.nbgrader.points:
        return False
    return cell is not None and (cell.ended or cell.status is not None)


class _Pair:
    """A student's process and its judge, at work on one hand-in."""

    def __init__(
        self,
        notebook: NotebookNode,
        tasks: Sequence[Task],
        job: Job,
        warm: Warm,
        run: Run,
        deadline: float,
        folder: str,
    ) -> None:
        self.notebook, self.tasks, self.job, self.run_, self.deadline = notebook, tasks, job, run, deadline
        judge_limits = Limits(**{**asdict(job.limits), "memory_mb": JUDGE_MEMORY_MB})
        judges = warm.judges(_in_common(job), job.limits.job_seconds)
        with contextlib.ExitStack() as undo:
            copies = len({number for number in copies_of(tasks) if number is not None})
            pairs = [socket.socketpair() for _ in range(2 + copies)]
            for end in (end for pair in pairs for end in pair):
                undo.enter_context(end)
            (ours, theirs), *between = pairs
            self.channel = Channel(ours)
            self.answer = warm.fork("answer", [answers for answers, _ in between], job.limits, folder)
            undo.callback(self.answer.kill)
            sockets = [theirs, *(asks for _, asks in between)]
            self.judge = judges.fork("judge", sockets, judge_limits, folder)
            undo.pop_all()

    def run(self) -> _Broken | None:
        """Run the tasks; None when all of them were."""
        index, begun = -1, time.monotonic()
        try:
            tasks = [asdict(task) for task in self.tasks]
            given = asdict(given_by(self.job.source, release_path(self.job.source)))
            contexts = list(self.job.warm.contexts)
            files = str(self.job.files or "")
            more = {"given": given, "files": files, "seed": self.job.seed or 0}
            more |= {"forbidden": [asdict(word) for word in self.job.warm.forbidden]}
            self.channel.send({"tasks": tasks, "contexts": contexts, **more})
            while True:
                self.channel.socket.settimeout(self._time_left(begun))
                message, _ = self.channel.receive()
                if "begin" in message:
                    index, begun = message["begin"], time.monotonic()
                    self.run_.cells.setdefault(index, CellRun())
                elif "shown" in message:
                    self._shown(message["shown"], message)
                elif "end" in message:
                    self._end(message, time.monotonic() - begun)
                elif "lost" in message:
                    return self._lost(index, message["lost"], message["code"])
                elif "done" in message:
                    return None
        except TimeoutError:
            return self._timeout(index)
        except (EOFError, OSError, WireError) as error:
            raise InfrastructureError(
                f"the judging process ended ({self._judge_ending()})", "", "run the assignment again"
            ) from error
        finally:
            self.channel.close()
            self.judge.kill()
            self.answer.kill()

    def _time_left(self, begun: float) -> float:
        now = time.monotonic()
        return max(0.05, min(begun + self.job.limits.cell_seconds, self.deadline) - now)

    def _end(self, message: dict[str, Any], seconds: float) -> None:
        index = message["end"]
        cell = self.run_.cells[index]
        if cell.ended or cell.status is not None:
            return  # it ran before, and that counts
        error = [printable(part) for part in message["error"] or ()]
        cell.ended, cell.seconds, cell.value = True, seconds, message["value"]
        cell.error = (error[0], error[1]) if error else None
        cell.flagged = tuple(printable(says) for says in message["flagged"])
        self._shown(index, message)
        outputs = self.notebook.cells[index].outputs
        if error and all(output.output_type != "error" for output in outputs):
            outputs.append(told([printable(part) for part in message["told"]]))

    def _shown(self, index: int, message: dict[str, Any]) -> None:
        """What a cell has shown; of a cell that runs again, in another process, the first time counts."""
        if "outputs" in message and index not in self.run_.shown:
            self.run_.shown.add(index)
            shown = [clean for item in message["outputs"] if (clean := clean_output(item)) is not None]
            self.notebook.cells[index].outputs = shown

    def _timeout(self, index: int) -> _Broken:
        if index < 0:
            raise InfrastructureError("the two processes did not begin", "", "run the assignment again")
        if time.monotonic() >= self.deadline:
            return _Broken(
                index,
                Status.TIMEOUT,
                f"The run ended when the hand-in had used up its {self.job.limits.job_seconds:g} seconds.",
            )
        says = f"{self._name(index)} took longer than {self.job.limits.cell_seconds:g} seconds."
        return _Broken(index, Status.TIMEOUT, says)

    def _lost(self, index: int, why: str, code: int | None) -> _Broken:
        """code: how a copy of the student's process has ended, as that process has it."""
        ending = self.answer.wait(GRACE_SECONDS) if code is None else Ending(code)
        if ending is None:
            self.answer.kill()
            return _Broken(index, Status.KILLED, printable(f"{self._name(index)} broke off: {why}.")[:300])
        if ending.failed:
            raise InfrastructureError(
                f"no process could be made ({ending.failed})", "", "run `grading doctor`"
            )
        return _ending(self._name(index), index, ending)

    def _judge_ending(self) -> str:
        ending = self.judge.wait(GRACE_SECONDS)
        return "it is still there" if ending is None else ending.failed or f"exit status {ending.code}"

    def _name(self, index: int) -> str:
        name = self.notebook.cells[index].metadata.get("nbgrader", {}).get("grade_id") if index >= 0 else None
        return f"The cell {name!r}" if name else f"Cell {index + 1} of the notebook"


def _ending(name: str, index: int, ending: Ending) -> _Broken:
    """What the end of a student's process says."""
    if ending.code == -9:
        says = f"{name} was killed, most likely because the machine's memory ran out."
        return _Broken(index, Status.OUT_OF_MEMORY, says, perhaps_ours=True)
    if ending.code == -24:
        return _Broken(index, Status.TIMEOUT, f"{name} used more processor time than a hand-in has.")
    how = (
        f"ended the process, exit status {ending.code}"
        if ending.code >= 0
        else f"died of signal {-ending.code}"
    )
    return _Broken(index, Status.KILLED, f"{name} {how}.")
