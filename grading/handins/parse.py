"""The notebook in the bytes of a hand-in: whatever comes in, a notebook of today's format or a sentence."""

import json
from typing import Any

import nbformat
from nbformat.notebooknode import NotebookNode

from grading.errors import SubmissionError
from grading.text import short

__all__ = ["parse", "short"]

MAX_CELLS = 5_000
MAX_TEXT = 10_000_000
ATTACHMENTS = ("image/png", "image/jpeg", "image/gif", "image/webp")
MAX_ATTACHMENTS = 20_000_000


def parse(data: bytes) -> NotebookNode:
    """The notebook in these bytes, in today's format, without outputs and without unknown metadata.

    Raises:
        SubmissionError: The bytes are not a notebook; `what` is a sentence for staff and student.
    """
    if not data.strip():
        raise SubmissionError("The file is empty.")
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        raw = json.loads(text, parse_int=_parse_int)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise SubmissionError("The file is not a notebook: it does not hold JSON.") from None
    if not isinstance(raw, dict) or type(raw.get("nbformat")) is not int:
        raise SubmissionError("The file is not a notebook: it is JSON of another kind.")
    if raw["nbformat"] > 4:
        raise SubmissionError(f"The notebook has format {raw['nbformat']:.3g}; save it as format 4.")
    try:
        cells = [_clean(cell) for cell in _cells(raw)]
    except Exception as error:  # a damaged notebook may fail anywhere inside the upgrade
        says = short(f"{type(error).__name__}: {error}", 200)
        raise SubmissionError(f"The notebook is damaged ({says}).") from None
    if len(cells) > MAX_CELLS:
        raise SubmissionError(f"The notebook has {len(cells)} cells; at most {MAX_CELLS} are run.")
    if (size := sum(len(cell.source) for cell in cells)) > MAX_TEXT:
        raise SubmissionError(f"The cells hold {size / 1e6:.0f} MB of text; at most {MAX_TEXT / 1e6:.0f}.")
    notebook = nbformat.v4.new_notebook(metadata={"language": _language(raw)})
    notebook.cells = cells
    return notebook


def _cells(raw: dict[str, Any]) -> list[Any]:
    """The cells of a notebook of any format; of the present one, also where its schema is broken."""
    if raw["nbformat"] < 4:
        _drop_outputs(raw)
        raw = nbformat.convert(nbformat.versions[raw["nbformat"]].to_notebook_json(raw), 4)
    cells = raw["cells"]
    if not isinstance(cells, list):
        raise TypeError("its cells are no list")
    return cells


def _drop_outputs(raw: dict[str, Any]) -> None:
    """Outputs of old formats are not worth upgrading."""
    sheets = raw.get("worksheets", [raw])
    for sheet in sheets if isinstance(sheets, list) else []:
        for cell in sheet.get("cells", []):
            if "outputs" in cell:
                cell["outputs"] = []


def _clean(cell: dict[str, Any]) -> NotebookNode:
    make = {"markdown": nbformat.v4.new_markdown_cell, "raw": nbformat.v4.new_raw_cell}
    if not isinstance(cell, dict):
        raise TypeError("a cell is no object")
    new = make.get(str(cell.get("cell_type")), nbformat.v4.new_code_cell)(_text(cell.get("source")))
    metadata = cell.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    marks, tags = metadata.get("nbgrader"), metadata.get("tags")
    if isinstance(marks, dict) and isinstance(marks.get("grade_id"), str):
        new.metadata.nbgrader = NotebookNode(
            {name: value for name, value in marks.items() if isinstance(value, str | int | float | None)}
        )
    if isinstance(tags, list) and "parameters" in tags:
        new.metadata.tags = ["parameters"]
    if new.cell_type == "markdown" and (attachments := _attachments(cell.get("attachments"))):
        new.attachments = nbformat.from_dict(attachments)
    return new


def _text(source: Any) -> str:
    """A cell's source, lines joined; half characters, which no file can hold, are replaced."""
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    text = source if isinstance(source, str) else ""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _attachments(found: Any) -> dict[str, dict[str, str]]:
    """Pictures that were pasted into a text cell: what the person who grades it has to see."""
    kept: dict[str, dict[str, str]] = {}
    left = MAX_ATTACHMENTS
    for name, bundle in found.items() if isinstance(found, dict) else ():
        for mime, data in bundle.items() if isinstance(bundle, dict) else ():
            if mime in ATTACHMENTS and isinstance(data, str) and len(data) <= left and _text(name) == name:
                left -= len(data)
                kept.setdefault(name, {})[mime] = data
    return kept


def _language(raw: dict[str, Any]) -> str:
    """The language that the notebook names, empty where it names none."""
    metadata = raw.get("metadata")
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        part = metadata.get(key) if isinstance(metadata, dict) else None
        language = part.get(name) if isinstance(part, dict) else None
        if isinstance(language, str):
            return short(language)
    return ""


def _parse_int(digits: str) -> int:
    """As Python has it, but for numbers with more digits than it agrees to read."""
    return int(digits[:300])
