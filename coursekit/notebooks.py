"""Finding and running the course's notebooks: what the command line does with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from coursekit.errors import NotebookError, UsageError

__all__ = [
    "CellTime",
    "ExerciseResult",
    "cell_times",
    "course_folder",
    "exercise_results",
    "lecture_notebook",
    "run",
    "slides",
]

INJECTED = "injected-parameters"  # papermill's name for the cell that it adds
CHECK_MIME = "application/vnd.coursekit.check+json"


@dataclass(frozen=True)
class ExerciseResult:
    """What the check of one exercise said when the notebook was run.

    Attributes:
        exercise: its id.
        passed: cases passed; 0 where the check did not come to its card.
        total: cases tried; 0 likewise.
        says: the diagnosis, or the error that came before the card.
    """

    exercise: str
    passed: int
    total: int
    says: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether every case passed."""
        return 0 < self.total == self.passed


@dataclass(frozen=True)
class CellTime:
    """Seconds that a code cell took; `index` counts all cells from 0, `source` is its first line."""

    index: int
    seconds: float
    source: str


def course_folder(start: Path | None = None) -> Path:
    """The folder that holds `notebooks/`: here or above, else beside the installed package.

    Raises:
        NotebookError: when there is none.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, Path(__file__).resolve().parent.parent):
        if (folder / "notebooks").is_dir():
            return folder
    raise NotebookError(
        f"there is no folder notebooks/ in {here} or above it: change to the course's folder, "
        "or run `make build` there if it has none yet"
    )


def lecture_notebook(number: str, folder: Path) -> Path:
    """The lecture notebook of a topic given by number (`1`, `01`) or name (`01_convolution`).

    Raises:
        UsageError: when there is none, with those that there are.
    """
    topic = number.zfill(2)
    found = sorted((folder / "notebooks").glob("*/*_lecture.ipynb"))
    for path in found:
        if topic in (path.parent.name, path.parent.name.split("_")[0]):
            return path
    there = ", ".join(path.parent.name for path in found) or "none"
    raise UsageError(f"no lecture {number} in {folder / 'notebooks'}: there is {there}")


def read(path: Path) -> Any:
    """A notebook, version 4.

    Raises:
        UsageError: when the file is not there.
        NotebookError: when it cannot be read or is none.
    """
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {path}: give the path of a notebook") from error
    except OSError as error:
        raise NotebookError(f"cannot read {path} ({error.strerror}): give the path of a notebook") from error
    except Exception as error:  # nbformat trips over what is no notebook in a dozen ways
        raise NotebookError(f"{path} is no notebook: save it again from JupyterLab") from error


def run(notebook: Any, folder: Path, *, parameters: dict[str, Any] | None = None, timeout: int = 600) -> Any:
    """A copy of the notebook, executed in a kernel of its own; a cell's error does not stop it.

    Args:
        notebook: as `read` returns it; stays as it is.
        folder: the kernel's working folder.
        parameters: assigned behind the cell tagged `parameters`, as papermill does.
        timeout: seconds for a cell.

    Raises:
        NotebookError: when a cell takes longer or the kernel dies.
    """
    import copy

    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from nbformat.v4 import new_code_cell

    executed = copy.deepcopy(notebook)
    if parameters:
        source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
        tagged = [i for i, c in enumerate(executed.cells) if "parameters" in c.metadata.get("tags", ())]
        injected = new_code_cell(source, metadata={"tags": [INJECTED]})
        executed.cells.insert(tagged[0] + 1 if tagged else 0, injected)
    client = NotebookClient(
        executed,
        timeout=timeout,
        startup_timeout=300,  # a busy machine may take more than the usual minute
        allow_errors=True,
        kernel_name="python3",
        extra_arguments=[
            "--log-level=ERROR"
        ],  # what a kernel warns of at its start is not the student's matter
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute(env={**os.environ, "MPLBACKEND": "agg"})
    except CellTimeoutError as error:
        raise NotebookError(f"a cell took longer than {timeout} s: look for an endless loop") from error
    except DeadKernelError as error:
        raise NotebookError("the kernel died while running the notebook: memory may have run out") from error
    return executed


def exercise_results(executed: Any) -> list[ExerciseResult]:
    """The result of each exercise that an executed notebook checks, in order; a later card replaces an
    earlier.

    A locked check cell that ended in an error counts as an exercise without a single case passed.
    """
    results: dict[str, ExerciseResult] = {}
    for cell in executed.cells:
        if cell.cell_type != "code":
            continue
        cards = [output.data[CHECK_MIME] for output in cell.outputs if CHECK_MIME in output.get("data", {})]
        for card in cards:
            results[card["exercise"]] = ExerciseResult(
                card["exercise"], card["passed"], card["total"], tuple(card.get("says", ()))
            )
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if not cards and grade_id.startswith("check-"):
            exercise = grade_id.removeprefix("check-")
            says = next(_errors(cell), "the check was not run to its end")
            results.setdefault(exercise, ExerciseResult(exercise, 0, 0, (says,)))
    return list(results.values())


def cell_times(executed: Any) -> list[CellTime]:
    """How long each code cell took, as the kernel client recorded it."""
    times = []
    for index, cell in _numbered(executed):
        stamps = cell.metadata.get("execution", {})
        begun, ended = stamps.get("iopub.execute_input"), stamps.get("shell.execute_reply")
        if cell.cell_type == "code" and begun and ended:
            seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()
            times.append(CellTime(index, seconds, next(iter(cell.source.splitlines()), "")))
    return times


def first_error(executed: Any) -> str | None:
    """The first cell that ended in an error, as one line; None when all went well."""
    for index, cell in _numbered(executed):
        for error in _errors(cell):
            return f"cell {index} ended in {error}"
    return None


def slides(executed: Any, destination: Path, *, reveal: str | None = None) -> None:
    """Write an executed notebook as a reveal.js slide show.

    Args:
        executed: with its outputs.
        destination: the HTML file; its folder is made.
        reveal: where a browser finds reveal.js: an address, or a folder of a local copy; None for nbconvert's
            own choice, which is on the internet.

    Raises:
        NotebookError: when the file cannot be written.
    """
    from nbconvert import SlidesExporter

    exporter = SlidesExporter(**({"reveal_url_prefix": reveal} if reveal else {}))
    body, _ = exporter.from_notebook_node(executed)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.write_text(body, encoding="utf-8")
    except OSError as error:
        raise NotebookError(
            f"cannot write {destination} ({error.strerror}): make room there, or allow writing"
        ) from error


def _numbered(executed: Any) -> Iterator[tuple[int, Any]]:
    """The cells with their number in the notebook as it was before parameters were added."""
    return enumerate(c for c in executed.cells if INJECTED not in c.metadata.get("tags", ()))


def _errors(cell: Any) -> Iterator[str]:
    for output in cell.get("outputs", ()):
        if output.output_type == "error":
            yield f"{output.ename}: {output.evalue}"
