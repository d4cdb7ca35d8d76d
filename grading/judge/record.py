"""The record of what ran in an answer's process, as torch's execution trace writes it.

The text arrives over a pipe while it is written; nothing that is in the pipe can be taken back. Markers with
secret names stand at the ends of each part of it. A text without them, or that is no whole record, was
tampered with.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["STOPPED", "Node", "RecordStoppedError", "parts"]

PAUSED = "record paused"
"""What stands behind each mark where these alone are recorded; elsewhere, somebody has paused the record."""
STOPPED = "record stopped"
"""The name of the mark that is left when somebody reaches for the recorder."""

_NODE = re.compile(rb'\n        "id": (\d+), "name": "([^"]*)')
_NAMES = re.compile(rb'\n        "id": \d+, "name": "([^"]*)')
_HEAD = re.compile(rb'\s*\{\s*"schema": "')
_WHOLE = b"[pytorch|profiler|execution_trace|process]"
"""The name of the node that each record ends in."""
_SCHEMA = re.compile(r"\(.*\) ->")


class RecordStoppedError(Exception):
    """The record does not show all that ran; the message says what is missing."""


@dataclass(frozen=True)
class Node:
    """Something that ran: its number, given when it began, its name, and where the text says more."""

    number: int
    name: str
    record: bytes
    place: int

    def arguments(self) -> Mapping[str, Any]:
        """Names and values of the arguments, as far as the record has them."""
        start = self.record.rfind(b"{", 0, self.place + 1)
        try:
            text = self.record[start : self.record.find(b"\n      },", self.place) + 9]
            node, _ = json.JSONDecoder().raw_decode(text.decode("utf-8", "replace"))
            attributes = {one["name"]: one["value"] for one in node["attrs"]}
            names = _argument_names(str(attributes.get("op_schema", "")))
            return dict(zip(names, node["inputs"]["values"], strict=False))
        except (ValueError, KeyError, TypeError):
            raise RecordStoppedError("a part of it cannot be read") from None


def parts(
    text: bytes, markers: Sequence[str], looked_for: Callable[[str], bool], *, marks: bool = False
) -> Iterator[tuple[int, Node]]:
    """What ran between these markers, of the names looked for: with each, how many markers came before it.

    Raises:
        RecordStoppedError: the text is no whole record, or markers are missing.
    """
    names = _NAMES.findall(text)
    if not _HEAD.match(text) or names.count(_WHOLE) > 1:
        raise RecordStoppedError("it is not one record")
    if names[-1:] != [_WHOLE] or not text.rstrip().endswith(b"}"):
        raise RecordStoppedError("its end is missing")
    refused = {STOPPED.encode()} if marks else {STOPPED.encode(), PAUSED.encode()}
    ours = refused | {*(marker.encode() for marker in markers)}
    wanted = {name for name in set(names) - ours if looked_for(name.decode("utf-8", "replace"))}
    order = [(place, name) for place, name in enumerate(names) if name in ours or name in wanted]
    passed, found = 0, []
    for place, name in order:
        if passed < len(markers) and name == markers[passed].encode():
            passed += 1
        elif name in refused and passed < len(markers):
            raise RecordStoppedError("somebody reached for it")
        elif name in wanted and 0 < passed < len(markers):
            found.append((place, passed))
    if passed != len(markers):
        raise RecordStoppedError("one of its marks is missing")
    nodes = list(_NODE.finditer(text)) if found else []
    for place, passed in found:
        number, name = nodes[place].groups()
        yield passed, Node(int(number), name.decode("utf-8", "replace"), text, nodes[place].start())


def _argument_names(schema: str) -> list[str]:
    """Names of an operator's arguments, from its schema as the record has it."""
    found = _SCHEMA.search(schema)
    if found is None:
        return []
    names = []
    for part in _split(found[0][1:-4]):
        if part != "*":
            names.append(part.partition("=")[0].split()[-1])
    return names


def _split(arguments: str) -> list[str]:
    """Parts between commas that stand in no bracket."""
    found, depth, begin = [], 0, 0
    for place, letter in enumerate(arguments):
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            found.append(arguments[begin:place].strip())
            begin = place + 1
    return [part for part in [*found, arguments[begin:].strip()] if part]
