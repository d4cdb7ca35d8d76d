"""The outputs that a lecture keeps: plain text, recorded once and compared by nbval ever after.

Only cells marked keep=true have outputs in the committed lecture. They are carried over while the
lecture's code is unchanged, and recorded by running the lecture when it is not.
"""

import copy
import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat import NotebookNode
from traitlets.config import Config

from grading.course.notebooks import KEEP_TAG
from grading.errors import BuildError


def carry_outputs(lecture: NotebookNode, committed: NotebookNode | None) -> NotebookNode | None:
    """The lecture with the committed outputs of its kept cells.

    None when it has to be run: its code is not the committed one, or a kept cell has no output.
    """
    if not any(map(is_kept, lecture.cells)):
        return lecture
    if committed is None or _code(committed) != _code(lecture):
        return None
    carried = copy.deepcopy(lecture)
    for number, (cell, old) in enumerate(_pairs(carried, committed), start=1):
        if is_kept(cell):
            _keep(cell, old.outputs, number)
            if not cell.outputs:
                return None
    return carried


def run_lecture(lecture: NotebookNode, folder: Path, root: Path, timeout: float) -> NotebookNode:
    """The lecture with the outputs its kept cells have when it is run from top to bottom.

    folder: where the kernel starts, the notebook's own. root: added to the kernel's import path.
    timeout: seconds a cell may take.

    Raises:
        BuildError: A cell fails or takes too long, or a kept cell's output is not plain text.
    """
    where = f"{folder.name}, lecture"
    executed = copy.deepcopy(lecture)
    folder.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    try:
        with tempfile.TemporaryDirectory() as sockets:
            traits = Config()  # no ports that other users could reach
            traits.KernelManager.transport = "ipc"
            traits.KernelManager.connection_file = str(Path(sockets) / "kernel.json")
            NotebookClient(
                executed,
                config=traits,
                timeout=int(timeout),
                kernel_name="python3",
                resources={"metadata": {"path": str(folder)}},
            ).execute(
                env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.DEVNULL
            )  # its log, not the cells'
    except CellExecutionError as error:
        what = f"a cell raises {error.ename}: {error.evalue}"
        raise BuildError(what, where, f"correct {_failing(executed)}") from None
    except (CellTimeoutError, RuntimeError) as error:  # a kernel that dies raises a RuntimeError
        what = f"{_last_begun(executed)} does not end ({type(error).__name__})"
        fix = "make it shorter, or raise limits.job_seconds in course.toml"
        raise BuildError(what, where, fix) from None
    result = copy.deepcopy(lecture)
    for number, (cell, ran) in enumerate(_pairs(result, executed), start=1):
        if is_kept(cell):
            _refuse_other_than_text(ran, where)
            _keep(cell, ran.outputs, number)
    return result


def without_outputs(notebook: NotebookNode) -> NotebookNode:
    """The notebook with every output cleared."""
    cleared = copy.deepcopy(notebook)
    for cell in _code_cells(cleared):
        cell.outputs, cell.execution_count = [], None
    return cleared


def is_kept(cell: NotebookNode) -> bool:
    """Whether the cell's output belongs to the committed notebook."""
    return cell.cell_type == "code" and KEEP_TAG in cell.metadata.get("tags", [])


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _pairs(one: NotebookNode, other: NotebookNode) -> Iterable[tuple[NotebookNode, NotebookNode]]:
    return zip(_code_cells(one), _code_cells(other), strict=True)


def _code(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in _code_cells(notebook)]


def _keep(cell: NotebookNode, outputs: Iterable[Any], number: int) -> None:
    """Give the cell its outputs: what it printed, as one stream, then the plain text of what it displayed.

    number: the cell's among the code cells, its execution count in a fresh kernel; nbval takes outputs
    of a cell without one for a mistake.
    """
    cell.execution_count, cell.outputs = number, []
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    if printed:
        cell.outputs.append(nbformat.v4.new_output("stream", name="stdout", text=printed))
    for output in outputs:
        text = output.get("data", {}).get("text/plain")
        if text is not None:
            count = {"execution_count": number} if output.output_type == "execute_result" else {}
            cell.outputs.append(
                nbformat.v4.new_output(output.output_type, data={"text/plain": text}, **count)
            )


def _refuse_other_than_text(cell: NotebookNode, where: str) -> None:
    begin = _begin(cell)
    types = {mime for output in cell.outputs for mime in output.get("data", {})} - {"text/plain"}
    if types:
        fix = "print the text instead, or remove keep=true"
        raise BuildError(f"the kept cell {begin} displays {', '.join(sorted(types))}", where, fix)
    if any(output.get("name") == "stderr" for output in cell.outputs):
        fix = "silence it, or remove keep=true"
        raise BuildError(
            f"the kept cell {begin} writes to stderr, which differs between machines", where, fix
        )
    if not cell.outputs:
        raise BuildError(
            f"the kept cell {begin} has no output", where, "print its result, or remove keep=true"
        )


def _failing(notebook: NotebookNode) -> str:
    for cell in _code_cells(notebook):
        if any(output.output_type == "error" for output in cell.outputs):
            return _name(notebook, cell)
    return "the lecture"


def _last_begun(notebook: NotebookNode) -> str:
    begun = [cell for cell in _code_cells(notebook) if "execution" in cell.metadata]
    return _name(notebook, begun[-1]) if begun else "the lecture"


def _name(notebook: NotebookNode, cell: NotebookNode) -> str:
    number = next(number for number, other in enumerate(notebook.cells, start=1) if other is cell)
    return f"cell {number}, {_begin(cell)}"


def _begin(cell: NotebookNode) -> str:
    return repr(next(iter(cell.source.splitlines()), ""))
