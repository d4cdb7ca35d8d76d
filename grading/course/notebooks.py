"""Masters to notebooks: every cell with the metadata that nbgrader, papermill, nbval and slides read.

The notebooks are pure functions of their masters. Cell ids are the grade_id where a cell has one
and a hash of the text elsewhere, so that editing one cell changes no other.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import nbformat
from nbformat import NotebookNode

from grading.course.masters import HIDDEN_TESTS, Cell, Master

KEEP_TAG = "nbval-check-output"
HELPER = "# Nothing to do here: the hidden tests below share it."
SCHEMA_VERSION = 3  # of nbgrader's cell metadata

_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {  # without a version: the notebook is the same wherever it is built
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}
_ROLES = {  # grade, solution, locked
    "setup": (False, False, True),
    "answer": (False, True, False),
    "check": (False, False, True),
    "helper": (True, False, True),  # nbgrader lets only a graded cell hide something
    "test": (True, False, True),
    "manual": (True, True, False),
}


def assignment_notebook(master: Master) -> NotebookNode:
    """The instructor's notebook of an assignment, solutions and hidden tests included."""
    setups = 0
    cells = []
    for cell in master.cells:
        grade_id = cell.grade_id
        if cell.role == "setup":
            setups += 1
            grade_id = "setup" if setups == 1 else f"setup-{setups}"
        metadata = _metadata(cell)
        if grade_id is not None and cell.role is not None:
            metadata["nbgrader"] = _nbgrader(cell, grade_id)
        cells.append(_notebook_cell(cell, metadata, grade_id))
    return _notebook(cells)


def lecture_notebook(master: Master) -> NotebookNode:
    """The lecture as students get it, without outputs."""
    return _notebook(_notebook_cell(cell, _metadata(cell), None) for cell in master.cells)


def dumps(notebook: NotebookNode) -> str:
    """The notebook as text, byte for byte what nbgrader's own exporter writes."""
    text: str = nbformat.writes(notebook, version=4)
    return text if text.endswith("\n") else text + "\n"


def _metadata(cell: Cell) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    tags = [tag for key, tag in (("parameters", "parameters"), ("keep", KEEP_TAG)) if cell.keys.get(key)]
    if tags:
        metadata["tags"] = tags
    if "slide" in cell.keys:
        metadata["slideshow"] = {"slide_type": cell.keys["slide"]}
    if cell.keys.get("in_place"):
        metadata["grading"] = {"in_place": True}
    if cell.role == "helper":
        metadata["grading"] = {"helper": True}
    if "facts" in cell.keys:
        metadata["course"] = {"facts": str(cell.keys["facts"]).split()}
    return metadata


def _nbgrader(cell: Cell, grade_id: str) -> dict[str, Any]:
    grade, solution, locked = _ROLES[str(cell.role)]
    fields = {
        "grade": grade,
        "grade_id": grade_id,
        "locked": locked,
        "schema_version": SCHEMA_VERSION,
        "solution": solution,
        "task": False,
    }
    return {**fields, "points": cell.keys.get("points", 0)} if grade else fields


def _notebook_cell(cell: Cell, metadata: dict[str, Any], grade_id: str | None) -> NotebookNode:
    make = nbformat.v4.new_code_cell if cell.kind == "code" else nbformat.v4.new_markdown_cell
    digest = hashlib.sha256(cell.source.encode()).hexdigest()[:12]
    source = cell.source
    if cell.role == "helper":
        source = "\n".join([HELPER, HIDDEN_TESTS[0], source, HIDDEN_TESTS[1]])
    cell_id = re.sub(r"[^\w-]", "-", grade_id, flags=re.ASCII)[:64] if grade_id else f"{cell.kind}-{digest}"
    return make(source=source, metadata=metadata, id=cell_id)


def _notebook(cells: Iterable[NotebookNode]) -> NotebookNode:
    cells = list(cells)
    seen: Counter[str] = Counter()
    for cell in cells:
        seen[cell.id] += 1
        if seen[cell.id] > 1:  # the same text twice; two of one grade_id are refused later
            cell.id = f"{cell.id}-{seen[cell.id]}"
    notebook: NotebookNode = nbformat.v4.new_notebook(cells=cells, metadata=_METADATA)
    notebook.nbformat_minor = 5
    return notebook
