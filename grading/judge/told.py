"""What students are told of a test that failed: words that stand in the course's own cells, and no value.

What an answer raises, and what a message prints of what an answer returned, can hold what the test passed in.
"""

import ast
import builtins
import contextlib
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["Phrases"]

HIDDEN = "what it says may hold what the test passed in, and is not shown"
GAP = "…"
LENGTH = 2000
NESTED = 3
"""How deep a text may stand in the gaps of others."""
COMPARISONS = (
    "Tensor-likes are not close!",
    "Tensor-likes are not equal!",
    "Scalars are not close!",
    "Scalars are not equal!",
    "The values for attribute 'shape' do not match: ",
    "The values for attribute 'dtype' do not match: ",
)
"""How messages of torch.testing.assert_close begin; what comes then are values."""
WORDS = re.compile(r"[^\W\d_]{2}")
"""What a piece of text has to have for it to tell which message it belongs to."""


LETTER = re.compile(r"[^\W\d_]")
"""What a text has to have to be one: a number that stands in the course's cells is a value all the same."""


class Phrases:
    """The texts of the course's cells, by which a message is recognized. sources: the cells."""

    def __init__(self, sources: Sequence[str]) -> None:
        self.sources = sources

    def told(self, error: BaseException) -> tuple[str, str]:
        """Name and message of this exception for students.

        A message is told where the course's cells hold it, as it stands or with places for values: these are
        left out, unless the course's cells hold them as well. The name is that of the nearest of the
        exception's classes that is Python's own.
        """
        name = next(
            kind.__name__ for kind in type(error).__mro__ if vars(builtins).get(kind.__name__) is kind
        )
        with contextlib.suppress(Exception):  # whatever a class of exceptions makes of str()
            says = str(error)[:LENGTH]
            theirs = getattr(error, "said_by_answer", False)
            return name, says and (HIDDEN if theirs else self._recognized(says))
        return name, HIDDEN

    def shown(self, outputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Of what a test has printed, the lines that the course's cells hold."""
        found = []
        for item in outputs:
            if item["output_type"] == "stream":
                lines = [self._recognized(line) for line in item["text"].splitlines()]
                if text := "".join(f"{line}\n" for line in lines if line != HIDDEN):
                    found.append({**item, "text": text})
        return found

    def _recognized(self, message: str) -> str:
        return self._in_words(message, NESTED) or HIDDEN

    def _in_words(self, message: str, depth: int) -> str | None:
        """The message without its values, where it is one of the course's; others may stand in its gaps."""
        fixed, patterns = self._known
        if message in fixed and LETTER.search(message):
            return message
        for pieces in patterns if depth else ():
            if (values := _values(message, pieces)) is not None:
                told = [self._in_words(value, depth - 1) for value in values]
                if any(WORDS.search(text) for text in (*pieces, *filter(None, told))):
                    filled = [GAP if text is None else text for text in told]
                    return "".join(piece + text for piece, text in zip(pieces, [*filled, ""], strict=True))
        return None

    @functools.cached_property
    def _known(self) -> tuple[set[str], list[list[str]]]:
        """Texts, and what stands around the gaps of those that have some; those that say most come first."""
        fixed, patterns = set[str](), [[begin, ""] for begin in COMPARISONS]
        for node in self._nodes():
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                fixed.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                patterns.append(_pieces(node))
        patterns.sort(key=lambda pieces: -len("".join(pieces)))
        return fixed, [pieces for pieces in patterns if "".join(pieces)]

    def _nodes(self) -> Iterator[ast.AST]:
        for source in self.sources:
            with contextlib.suppress(SyntaxError, ValueError):  # magics: no texts are known there
                yield from ast.walk(ast.parse(source))


def _values(message: str, pieces: Sequence[str]) -> list[str] | None:
    """What stands in the gaps between these pieces of the message; None where it is another message."""
    first, *others = pieces
    if not message.startswith(first):
        return None
    values, rest = [], message[len(first) :]
    for place, piece in enumerate(others, start=1):
        last = place == len(others)
        if last and not rest.endswith(piece):
            return None
        at = len(rest) - len(piece) if last else rest.find(piece)
        if at < 0:
            return None
        values.append(rest[:at])
        rest = rest[at + len(piece) :]
    return values


def _pieces(text: ast.JoinedStr) -> list[str]:
    """What stands before, between and after the values of an f-string."""
    pieces = [""]
    for part in text.values:
        if isinstance(part, ast.Constant):
            pieces[-1] += str(part.value)
        else:
            pieces.append("")
    return pieces
