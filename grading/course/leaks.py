"""What students get must not hold what they are asked to find out.

Hidden are the solutions and hidden tests of every assignment, and the code of every misconception and
alternative. They are compared with everything students get as sequences of tokens (words, numbers, single
signs), so that white space, line breaks and comments hide nothing, and code quoted in prose is found too.

One statement is rarely telling: `return x` or `n, c, h, w = x.shape` stand everywhere. So statements weigh
what they say: one for every word or number in them, one for every arithmetic sign. A leak is

* in a notebook (its cells, outputs and metadata) or a fingerprint file: one statement of an answer of weight
  `STATEMENT` or more; one of a hidden test or an open question of weight `TEST_STATEMENT` or more, as those
  mostly draw inputs and call libraries; or a run of consecutive ones of weight `RUN` or more together;
* in any other file students get, a library that computes similar things: a run, or a single statement, of
  weight `LIBRARY` or more.

Not hidden is what the assignment shows in the answer cell itself: signature, docstring, given lines; a
variant repeats them. Docstrings and comments of hidden code are not code.
"""

import html
import io
import json
import re
import textwrap
import tokenize
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grading.course.masters import SOLUTION, Cell, Master, hidden_regions
from grading.course.variants import Variant

STATEMENT = 8
TEST_STATEMENT = 12
RUN = 16
LIBRARY = 20

_TOKEN = re.compile(r"\w+|[^\w\s]")
_HEAD = 4  # tokens a secret is looked up by

Tokens = tuple[str, ...]


@dataclass(frozen=True)
class Hidden:
    """A piece of hidden text: where it comes from, in words; its statements in order; what one must weigh."""

    origin: str
    statements: tuple[Tokens, ...]
    telling: int = STATEMENT


@dataclass(frozen=True)
class Text:
    """A text students get: the file, the place in it in words, and whether one statement is telling."""

    path: Path
    place: str
    text: str
    strict: bool


@dataclass(frozen=True)
class Leak:
    """Hidden code found: the file, the place, the line in it, the code, and its origin."""

    path: Path
    place: str
    line: int
    code: str
    origin: str

    def __str__(self) -> str:
        place = f"{self.place}, " if self.place else ""
        return f"{self.path}, {place}line {self.line}: {self.code!r} is from {self.origin}"


def hidden_of(master: Master, variants: Iterable[Variant]) -> list[Hidden]:
    """Everything of one topic that students must not see."""
    shown = {str(cell.exercise): set(_statements(_shown_source(cell))) for cell in master.with_role("answer")}
    hidden = []
    for cell in master.cells:
        what = "solution" if cell.role in ("answer", "manual") else "hidden tests"
        telling = STATEMENT if cell.role == "answer" else TEST_STATEMENT
        for region in _regions(cell):
            statements = _statements(region) if cell.kind == "code" else _sentences(region)
            hidden.append(
                Hidden(f"the {what} of {cell.grade_id} ({master.path.name})", tuple(statements), telling)
            )
    for variant in variants:
        own = shown.get(variant.exercise, set())
        origin = f"the {variant.kind} {variant.name!r} of {variant.exercise}"
        hidden += [Hidden(origin, run) for run in _split(_statements(variant.source), own)]
        for edit in variant.edits:  # what comes in may be part of a statement, and tell by itself
            hidden += [Hidden(origin, run, RUN) for run in _split(_statements(edit.new), own)]
    return hidden


def texts_of(path: Path, content: str, *, strict: bool) -> list[Text]:
    """The texts in one file: a notebook's cells, outputs and metadata; a JSON file's strings; or its text."""
    if path.suffix == ".ipynb":
        return list(_notebook_texts(path, json.loads(content)))
    if path.suffix == ".json":
        return [Text(path, place, text, strict) for place, text in _strings(json.loads(content))]
    return [
        Text(path, "", text, strict) for text in _with_and_without_comments(content, path.suffix == ".py")
    ]


def find_leaks(hidden: Iterable[Hidden], texts: Iterable[Text]) -> list[Leak]:
    """Every hidden statement or run that stands in a text, each place named once, in the texts' order."""
    hidden = list(hidden)
    index = {strict: _index(hidden, strict) for strict in (True, False)}
    leaks: dict[tuple[Path, str, int], Leak] = {}
    for text in texts:
        for leak in _search(text, index[text.strict]):
            leaks.setdefault((leak.path, leak.place, leak.line), leak)
    return list(leaks.values())


def weight(statement: Tokens) -> int:
    """How telling a statement is: its words, numbers and arithmetic signs."""
    return sum(token[0].isalnum() or token[0] == "_" or token in "+-*/%@" for token in statement)


def _regions(cell: Cell) -> Sequence[str]:
    """Hidden text of a cell. nbgrader replaces an answer without markers as a whole."""
    regions = hidden_regions(cell)
    whole = cell.role in ("answer", "manual") and SOLUTION[0] not in cell.source
    return [*regions, cell.source] if whole else regions


def _shown_source(cell: Cell) -> str:
    """What students see of an answer cell."""
    if SOLUTION[0] not in cell.source:
        return ""
    lines, inside = [], False
    for line in cell.source.splitlines():
        if line.strip() in SOLUTION:
            inside = line.strip() == SOLUTION[0]
        elif not inside:
            lines.append(line)
    return "\n".join(lines)


def _statements(source: str) -> list[Tokens]:
    """The statements of some code, one a logical line, without comments and docstrings."""
    statements: list[Tokens] = []
    current: list[str] = []
    strings_only = True
    try:
        for token in tokenize.generate_tokens(io.StringIO(textwrap.dedent(source)).readline):
            if token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
                if current and not strings_only:
                    statements.append(tuple(current))
                current, strings_only = [], True
            elif token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
                current += _TOKEN.findall(token.string)
                strings_only = strings_only and token.type == tokenize.STRING
    except (tokenize.TokenError, IndentationError):  # not Python by itself: take it line by line
        return [tuple(_TOKEN.findall(line.partition("#")[0])) for line in source.splitlines() if line.strip()]
    return statements


def _sentences(text: str) -> list[Tokens]:
    return [tuple(_TOKEN.findall(line)) for line in text.splitlines() if line.strip()]


def _split(statements: Iterable[Tokens], shown: set[Tokens]) -> Iterator[tuple[Tokens, ...]]:
    """The runs between statements that are shown anyway."""
    run: list[Tokens] = []
    for statement in statements:
        if statement in shown:
            if run:
                yield tuple(run)
            run = []
        else:
            run.append(statement)
    if run:
        yield tuple(run)


def _index(hidden: Iterable[Hidden], strict: bool) -> Mapping[Tokens, list[tuple[Tokens, str]]]:
    """What to look for, by its first tokens: the shortest telling run from every statement on."""
    index: dict[Tokens, list[tuple[Tokens, str]]] = {}
    for piece in hidden:
        for first, statement in enumerate(piece.statements):
            secret: Tokens = ()
            for following in piece.statements[first:]:
                secret += following
                enough = weight(secret) >= (RUN if strict else LIBRARY)
                if enough or (strict and secret == statement and weight(secret) >= piece.telling):
                    index.setdefault(secret[:_HEAD], []).append((secret, piece.origin))
                    break
    return index


def _search(text: Text, index: Mapping[Tokens, list[tuple[Tokens, str]]]) -> Iterator[Leak]:
    matches = list(_TOKEN.finditer(text.text))
    tokens = tuple(match[0] for match in matches)
    starts = [0, *(match.end() for match in re.finditer("\n", text.text))]
    for position in range(len(tokens)):
        for secret, origin in index.get(tokens[position : position + _HEAD], ()):
            end = position + len(secret)
            if tokens[position:end] == secret:
                code = text.text[matches[position].start() : matches[end - 1].end()]
                line = bisect_right(starts, matches[position].start())
                yield Leak(text.path, text.place, line, " ".join(code.split()), origin)
                break


def _notebook_texts(path: Path, notebook: Mapping[str, object]) -> Iterator[Text]:
    cells = notebook.get("cells", [])
    assert isinstance(cells, list)
    for number, cell in enumerate(cells, start=1):
        source = "".join(cell.get("source", ""))
        for text in _with_and_without_comments(source, cell["cell_type"] == "code"):
            yield Text(path, f"cell {number}", text, strict=True)
        for key in ("outputs", "metadata", "attachments"):
            for _, text in _strings(cell.get(key)):
                yield Text(path, f"cell {number}, {key}", text, strict=True)
    for _, text in _strings(notebook.get("metadata")):
        yield Text(path, "metadata", text, strict=True)


def _strings(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Every string in a JSON value, with its place; a list of strings is a text cut into lines."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        value = "".join(value)
    if isinstance(value, str):
        yield place, html.unescape(value)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, place)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield place, key
            yield from _strings(item, f"{place}.{key}".lstrip("."))


def _with_and_without_comments(text: str, is_code: bool) -> Iterator[str]:
    """The text, and where it is Python also with its comments blanked: they may cut a run in two."""
    yield text
    if not is_code:
        return
    lines = text.splitlines(keepends=True)
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                (row, start), (_, end) = token.start, token.end
                lines[row - 1] = lines[row - 1][:start] + " " * (end - start) + lines[row - 1][end:]
    except (tokenize.TokenError, IndentationError):
        return
    yield "".join(lines)
