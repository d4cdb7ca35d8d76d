"""A hand-in becomes the notebook that is run: small steps, each from a notebook to a new notebook.

What the course wrote (tests, checks, set-up, points, order) is put back as the course has it; what the
student wrote is kept. Every step says in sentences what it changed. `RECONCILE` is the list of steps.
"""

import json
from collections.abc import Callable, Iterable

import nbformat
from nbformat.notebooknode import NotebookNode
from nbgrader import utils

from grading.handins.original import Note, Original
from grading.text import short

Step = Callable[[NotebookNode, Original], tuple[NotebookNode, list[Note]]]


def reconcile(notebook: NotebookNode, course: Original) -> tuple[NotebookNode, list[Note]]:
    """The notebook to run, and what had to be put right for it."""
    notes: list[Note] = []
    for step in RECONCILE:
        notebook, found = step(notebook, course)
        notes += found
    return notebook, notes


def unknown_ids(notebook: NotebookNode, course: Original) -> tuple[NotebookNode, list[Note]]:
    """A cell whose id the course does not know becomes an ordinary cell."""
    known = _by_id(course.source)
    cells, unknown = [], []
    for cell in notebook.cells:
        name = _id(cell)
        if name is not None and name not in known:
            unknown.append(repr(short(name)))
            cell = _ordinary(cell)
        cells.append(cell)
    many = len(unknown) > 1
    says = f"The course has no cell{'s' if many else ''} {_listed(unknown)}"
    note = Note(f"{says}; {'they were run as ordinary cells' if many else 'it was run as an ordinary cell'}.")
    return _rebuilt(notebook, cells), [note] if unknown else []


def duplicates(notebook: NotebookNode, course: Original) -> tuple[NotebookNode, list[Note]]:
    """Of several cells with one id the first keeps it; the others stay as ordinary cells."""
    seen: set[str] = set()
    cells: list[NotebookNode] = []
    notes: dict[str, Note] = {}
    for cell in notebook.cells:
        name = _id(cell)
        if name is not None and name in seen:
            notes[name] = Note(f"The cell {name!r} was there more than once; the first one counts.", name)
            cell = _ordinary(cell)
        elif name is not None:
            seen.add(name)
        cells.append(cell)
    return _rebuilt(notebook, cells), list(notes.values())


def edits(notebook: NotebookNode, course: Original) -> tuple[NotebookNode, list[Note]]:
    """Notes what was changed in cells that students may not change; `original_cells` puts it back."""
    released = _by_id(course.released)
    text, points, marks, types = [], [], [], []
    for name, cell in _by_id(notebook).items():
        original = released.get(name)
        if original is None:
            continue
        has, had = cell.metadata.nbgrader, original.metadata.nbgrader
        if utils.is_locked(original) and not _same_text(cell.source, original.source):
            text.append(name)
        if has.get("points", had.get("points")) != had.get("points"):
            points.append(f"{name} from {had.get('points')} to {short(str(has.get('points')))}")
        if any(has.get(flag) != had.get(flag) for flag in ("grade", "solution", "locked")):
            marks.append(name)
        if cell.cell_type != original.cell_type:
            types.append(f"{name} from {original.cell_type} to {cell.cell_type}")
    found = [
        (f"Locked cells were edited ({_listed(text)}); the originals were put back.", text, True),
        (f"Points were changed ({_listed(points)}); the original ones count.", points, True),
        (f"Cells were marked differently ({_listed(marks)}); the original marks count.", marks, True),
        (f"The type of cells was changed ({_listed(types)}); it was put back.", types, False),
    ]
    return notebook, [Note(says, tampered=tampered) for says, cells, tampered in found if cells]


def original_order(notebook: NotebookNode, course: Original) -> tuple[NotebookNode, list[Note]]:
    """The course's cells stand in the course's order; a student's cells stay behind the one they followed."""
    order = list(_by_id(course.source))
    before, behind = _segments(notebook)
    if [name for name in order if name in behind] == list(behind):
        return notebook, []
    cells = before + [cell for name in order for cell in behind.get(name, [])]
    note = Note("The course's cells were in another order; they were put back into the original one.")
    return _rebuilt(notebook, cells), [note]


def missing_cells(notebook: NotebookNode, course: Original) -> tuple[NotebookNode, list[Note]]:
    """A deleted cell comes back at its place; an answer as a comment only, for it may stand elsewhere."""
    before, behind = _segments(notebook)
    released = _by_id(course.released)
    first: list[NotebookNode] = []
    after: list[NotebookNode] = []
    notes = []
    for name, original in _by_id(course.source).items():
        if name in behind:
            after += behind[name]
            continue
        notes.append(Note(f"The cell {name!r} was missing; it was put back.", name, missing=True))
        cell = _copy(released.get(name, original))
        if utils.is_solution(original) and not utils.is_grade(original):
            cell.source = "# This cell was missing from the hand-in."
        (after if after else first).append(cell)
    if not behind:  # nothing of the course is there: its tests run last
        return _rebuilt(notebook, before + first), notes
    return _rebuilt(notebook, first + before + after), notes


def original_cells(notebook: NotebookNode, course: Original) -> tuple[NotebookNode, list[Note]]:
    """Locked cells get the course's text, hidden tests included; all known cells its type and metadata."""
    originals, released = _by_id(course.source), _by_id(course.released)
    cells = []
    for cell in notebook.cells:
        name = _id(cell)
        if name is not None:
            original = _copy(originals[name])
            checked = original
            if not utils.is_locked(original):
                original.source = cell.source
                if original.cell_type == "markdown" and "attachments" in cell:
                    original.attachments = cell.attachments
                # The checksum of the released text: by it nbgrader knows that nothing was answered.
                checked = released.get(name, original)
            original.metadata.nbgrader.checksum = utils.compute_checksum(checked)
            cell = original
        cells.append(cell)
    return _rebuilt(notebook, cells), []


def original_parameters(notebook: NotebookNode, course: Original) -> tuple[NotebookNode, list[Note]]:
    """The cell of run parameters says what the course says, so that everybody gets the same budget.

    One that was deleted comes back behind the course's cell that it followed: tests read it, too.
    """
    missing = [number for number, cell in enumerate(course.source.cells) if _is_parameters(cell)]
    cells = []
    for cell in notebook.cells:
        if _is_parameters(cell) and _id(cell) is None:
            cell = course.source.cells[missing.pop(0)] if missing else _ordinary(cell)
        cells.append(cell)
    for number in reversed(missing):
        names = [name for cell in course.source.cells[:number] if (name := _id(cell)) is not None]
        places = [place for place, cell in enumerate(cells, 1) if names and _id(cell) == names[-1]]
        cells.insert(places[0] if places else 0, course.source.cells[number])
    notes = [Note("The cell of run parameters was missing; it was put back.")] if missing else []
    return _rebuilt(notebook, cells), notes


def original_kernel(notebook: NotebookNode, course: Original) -> tuple[NotebookNode, list[Note]]:
    """The notebook runs in the course's kernel, whatever the student's was called."""
    new = _rebuilt(notebook, notebook.cells)
    new.metadata = nbformat.from_dict({"kernelspec": course.source.metadata.get("kernelspec", {})})
    said, ours = notebook.metadata.get("language"), course.source.metadata.get("kernelspec", {})
    language = ours.get("language", "python")
    if not said or said.lower().startswith(language.lower()):
        return new, []
    return new, [Note(f"The notebook says that its language is {said!r}; it was run as {language}.")]


RECONCILE: tuple[Step, ...] = (
    unknown_ids,
    duplicates,
    edits,
    original_order,
    missing_cells,
    original_cells,
    original_parameters,
    original_kernel,
)
"""From the hand-in as parsed to the notebook as run; the order matters and is this one."""


def merged_streams(notebook: NotebookNode) -> NotebookNode:
    """Printed text that arrived in pieces as one output, for those who read it."""
    new = nbformat.from_dict(json.loads(json.dumps(notebook)))
    for cell in new.cells:
        merged: list[NotebookNode] = []
        for output in cell.get("outputs", []):
            last = merged[-1] if merged else None
            if last and output.output_type == last.output_type == "stream" and output.name == last.name:
                last.text += output.text
            else:
                merged.append(output)
        if cell.cell_type == "code":
            cell.outputs = merged
    return new


def unanswered(cell: NotebookNode, course: Original) -> bool:
    """Whether an answer cell still holds what students got."""
    original = _by_id(course.released).get(_id(cell) or "")
    return original is not None and _same_text(cell.source, original.source)


def _id(cell: NotebookNode) -> str | None:
    marks = cell.metadata.get("nbgrader", {})
    name = marks.get("grade_id") if isinstance(marks, dict) else None
    return name if isinstance(name, str) else None


def _by_id(notebook: NotebookNode) -> dict[str, NotebookNode]:
    return {name: cell for cell in notebook.cells if (name := _id(cell)) is not None}


def _is_parameters(cell: NotebookNode) -> bool:
    return "parameters" in cell.metadata.get("tags", ())


def _segments(notebook: NotebookNode) -> tuple[list[NotebookNode], dict[str, list[NotebookNode]]]:
    """The cells before the first known one, and each known cell with the ordinary ones behind it."""
    before: list[NotebookNode] = []
    behind: dict[str, list[NotebookNode]] = {}
    current = before
    for cell in notebook.cells:
        name = _id(cell)
        if name is not None:
            current = behind.setdefault(name, [])
        current.append(cell)
    return before, behind


def _ordinary(cell: NotebookNode) -> NotebookNode:
    new = NotebookNode(cell)
    new.metadata = NotebookNode()
    return new


def _copy(cell: NotebookNode) -> NotebookNode:
    return nbformat.from_dict(json.loads(json.dumps(cell)))


def _rebuilt(notebook: NotebookNode, cells: Iterable[NotebookNode]) -> NotebookNode:
    """A new notebook of these cells, code cells without outputs, with ids counted through.

    The cells are new, what stands in them is shared with the old ones: no step writes into it.
    """
    new = nbformat.v4.new_notebook(metadata=_copy(notebook.metadata))
    for number, cell in enumerate(cells):
        cell = NotebookNode(cell)
        cell.id = f"cell-{number}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        new.cells.append(cell)
    return new


def _listed(words: list[str], most: int = 4) -> str:
    """The first few of many, and how many more there are."""
    more = [f"{len(words) - most} more"] if len(words) > most else []
    return ", ".join([*words[:most], *more])


def _same_text(one: str, other: str) -> bool:
    """Equal but for white space at line ends and around, which editors change unasked."""
    return [line.rstrip() for line in one.strip().splitlines()] == [
        line.rstrip() for line in other.strip().splitlines()
    ]
