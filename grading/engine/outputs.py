"""What a student's cell has shown, made fit to be stored and seen; nothing in it is believed."""

import re
from collections.abc import Sequence
from typing import Any

import nbformat
from nbformat.notebooknode import NotebookNode

from grading.fork.shell import DATA_KEPT, ERROR_LENGTH, TEXT_KEPT

__all__ = ["clean_output", "told"]

_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")

NESTED = 40
"""Levels of data in an output; no notebook needs as many, and programs that read notebooks fail at more."""


def clean_output(item: Any) -> NotebookNode | None:
    """An output of a student's cell as nbformat has it; None for anything else. Nothing in it is believed."""
    if not isinstance(item, dict):
        return None
    try:
        item = _storable(item, 0)
    except ValueError:
        return None
    kind = item.get("output_type")
    if kind == "stream":
        name = "stderr" if item.get("name") == "stderr" else "stdout"
        return nbformat.v4.new_output("stream", name=name, text=str(item.get("text", ""))[:TEXT_KEPT])
    if kind == "error":
        traceback = item.get("traceback")
        lines = [str(line)[:ERROR_LENGTH] for line in traceback[:200]] if isinstance(traceback, list) else []
        return nbformat.v4.new_output(
            "error",
            ename=str(item.get("ename", ""))[:200],
            evalue=str(item.get("evalue", ""))[:ERROR_LENGTH],
            traceback=lines,
        )
    if kind in ("display_data", "execute_result"):
        data = item.get("data")
        if not isinstance(data, dict) or len(str(data)) > 2 * DATA_KEPT:
            return None
        kept = {str(key)[:200]: value for key, value in data.items() if _is_harmless(str(key), value)}
        more = {"execution_count": None} if kind == "execute_result" else {}
        try:
            output = nbformat.v4.new_output(kind, data=kept, metadata={}, **more)
            nbformat.validate(output, ref="output", version=4)
        except Exception:  # whatever the validator finds wrong with it
            return None
        return output
    return None


def _is_harmless(kind: str, value: Any) -> bool:
    """Whether a page that shows a picture gets nothing but a picture."""
    drawn = kind.startswith("image/") and kind != "image/svg+xml"
    return not drawn or (isinstance(value, str) and _BASE64.fullmatch(value) is not None)


def _storable(value: Any, depth: int) -> Any:
    """The same data as any file or database can hold it: no half characters, no zero bytes.

    Raises:
        ValueError: it is nested too deeply.
    """
    if depth > NESTED:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_storable(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {str(_storable(key, depth + 1)): _storable(item, depth + 1) for key, item in value.items()}
    return value


def told(error: Sequence[str]) -> NotebookNode:
    """A test's failure for the feedback: what it says, and nothing of the test."""
    text = f"{error[0]}: {error[1]}" if error[1] else str(error[0])
    return nbformat.v4.new_output("error", ename=error[0], evalue=error[1], traceback=[text])
