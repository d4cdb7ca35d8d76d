"""The record of what ran in an answer's process, as torch's execution trace writes it.

The text arrives over a pipe while it is written; nothing that is in the pipe can be taken back. Markers with
secret names stand at the ends of each part of it. A text without them, or that is no whole record, was
tampered with.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["STOPPED", "Node", "RecordStoppedError", "parts"]

STOPPED = "record stopped"
"""The name of the mark that is left when somebody reaches for the recorder."""

_NODE = re.compile(rb'\n      \{\n        "id": (\d+), "name": "')
_NAME = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*')
_HEAD = re.compile(rb'\s*\{\s*"schema": "')
_SCHEMA = re.compile(r"\(.*\) ->")


class RecordStoppedError(Exception):
    """The record does not show all that ran; the message says what is missing."""


@dataclass(frozen=True)
class Node:
    """Something that ran: its number, given when it began, its name, and the text that says more."""

    number: int
    name: str
    text: bytes

    def arguments(self) -> Mapping[str, Any]:
        """Names and values of the arguments, as far as the record has them."""
        try:
            node = _whole(self.text)
        except ValueError:
            raise RecordStoppedError("a part of it cannot be read") from None
        attributes = {one["name"]: one["value"] for one in node["attrs"]}
        names = _argument_names(str(attributes.get("op_schema", "")))
        return dict(zip(names, node["inputs"]["values"], strict=False))


def parts(text: bytes, markers: Sequence[str]) -> Iterator[tuple[int, Node]]:
    """What ran between these markers: with each node, how many markers came before it.

    Raises:
        RecordStoppedError: the text is no whole record, or markers are missing.
    """
    if not _HEAD.match(text) or len(re.findall(rb'\n?\s*"schema": "', text)) != 1:
        raise RecordStoppedError("it is not one record")
    if not text.rstrip().endswith(b"}"):
        raise RecordStoppedError("its end is missing")
    passed = 0
    for node in _nodes(text):
        if passed < len(markers) and node.name == markers[passed]:
            passed += 1
        elif node.name == STOPPED and passed < len(markers):
            raise RecordStoppedError("somebody reached for it")
        elif 0 < passed < len(markers):
            yield passed, node
    if passed != len(markers):
        raise RecordStoppedError("one of its marks is missing")


def _nodes(text: bytes) -> Iterator[Node]:
    found = [(match.end(), int(match[1])) for match in _NODE.finditer(text)]
    ends = [begin for begin, _ in found[1:]] + [len(text)]
    for (begin, number), end in zip(found, ends, strict=True):
        name = _NAME.match(text, begin, end)
        assert name is not None  # it matches nothing as well
        yield Node(number, name[0].decode("utf-8", "replace"), text[begin:end])


def _whole(text: bytes) -> Any:
    """The node of this text, which begins within its name and may end behind it."""
    start = b'{"name": "' + text
    value, _ = json.JSONDecoder().raw_decode(start.decode("utf-8", "replace"))
    return value


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
