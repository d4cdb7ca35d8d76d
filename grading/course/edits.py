"""Edits: an answer written as what is replaced in another one.

A cell of ``misconceptions.py`` that holds nothing but calls of ``replace`` and ``cut`` is a list of edits,
applied in order to the reference answer, or to the alternative that the cell's key ``of`` names::

    # %% misconception="basic_block" name="subtracts-input"
    # You subtract the input. The branch learns what to add to it.
    replace("out + shortcut", "out - shortcut")

``replace(old, new, times=1)`` and ``cut(old, times=1)`` are read, never run: their arguments are literals.
The text to be replaced stands in the answer exactly as often as ``times`` says.

A text that begins with a line break, as in triple quotes, is a block: it begins in its second line, the
indentation that all of its lines share does not count, and the closing quotes may stand on a line of their
own. In any text of several lines, the second and later ones are indented as deep as the answer's line in
which the text begins, and by their own spaces on top. So a block says how its lines stand to one another, and
fits at any depth. Where a cut leaves nothing of a line, the line goes too.
"""

import ast
import difflib
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from grading.errors import MasterError

PARAMETERS = {"replace": ("old", "new", "times"), "cut": ("old", "times")}


@dataclass(frozen=True)
class Edit:
    """One replacement: what stands there, what comes in its place, how often, and its line in the file."""

    old: str
    new: str
    times: int
    line: int


def read_edits(source: str, path: Path, first_line: int) -> tuple[Edit, ...]:
    """The edits that a cell consists of; none where the cell is a whole answer.

    source: the cell. first_line: the line of the file that it begins in, counted from 1.

    Raises:
        MasterError: The cell is no Python, or one of its statements is neither part of a whole answer nor an
            edit with literal arguments.
    """
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        where = _place(path, first_line + (error.lineno or 1) - 1)
        raise MasterError(f"this is no Python ({error.msg})", where, "correct the cell") from None
    whole = any(not isinstance(statement, ast.Expr) for statement in statements)
    if whole and not any(map(_is_edit, statements)):
        return ()
    return tuple(_read(node, path, first_line + node.lineno - 1) for node in statements)


def apply_edits(answer: str, edits: Sequence[Edit], path: Path, whose: str) -> str:
    """The answer with all edits made, one after the other. whose: what it is called in messages.

    Raises:
        MasterError: A text stands in the answer more or less often than its edit says, or the result does not
            compile.
    """
    for edit in edits:
        answer = _apply(answer, edit, path, whose)
    try:
        compile(answer, "<edited>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        line = answer.splitlines()[(error.lineno or 1) - 1 :][:1]
        what = f"{whose} does not compile once it is edited ({error.msg}: {''.join(line).strip()!r})"
        raise MasterError(what, _place(path, edits[-1].line), "see it whole in the master") from None
    return answer


# ---- reading ----------------------------------------------------------------------------------------------


def _is_edit(statement: ast.stmt) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in PARAMETERS


def _read(statement: ast.stmt, path: Path, line: int) -> Edit:
    where = _place(path, line)
    if not _is_edit(statement):
        begin = ast.unparse(statement).partition("\n")[0][:60]
        fix = "write replace(old, new) and cut(old) alone, or a whole answer without them"
        raise MasterError(f"{begin!r} is no edit", where, fix)
    call = statement.value  # type: ignore[attr-defined]
    arguments = _arguments(call, where)
    old, new = _text(arguments["old"]), _text(arguments.get("new", ""))
    times = arguments.get("times", 1)
    if not isinstance(times, int) or times < 1:
        raise MasterError(f"times={times!r} is no number of times", where, "write a number from 1 on")
    if not old:
        raise MasterError(f"{call.func.id} has nothing to look for", where, "say what stands in the answer")
    if call.func.id == "replace" and not new:
        raise MasterError("replace puts nothing in", where, "write cut(old)")
    if old == new:
        raise MasterError("this edit changes nothing", where, "let new differ from old")
    return Edit(old, new, times, line)


def _arguments(call: ast.Call, where: str) -> dict[str, str | int]:
    """The arguments by name, as in a call of a function with this signature."""
    name = call.func.id  # type: ignore[attr-defined]
    names = PARAMETERS[name]
    signature = f"{name}({', '.join('times=1' if one == 'times' else one for one in names)})"
    given = [*zip(names, call.args, strict=False), *((word.arg, word.value) for word in call.keywords)]
    nodes = {one: node for one, node in given if one in names}
    if len(nodes) < len(call.args) + len(call.keywords) or nodes.keys() | {"times"} != {*names, "times"}:
        raise MasterError(f"{ast.unparse(call)[:60]!r} has other arguments", where, f"write {signature}")
    values: dict[str, str | int] = {}
    for one, node in nodes.items():
        kind = int if one == "times" else str
        if not isinstance(node, ast.Constant) or type(node.value) is not kind:
            what = f"{one} of {name} is {ast.unparse(node)[:60]}, which is not read"
            fix = f"write a literal {'number' if kind is int else 'string'}: edits are never run"
            raise MasterError(what, where, fix)
        values[one] = node.value
    return values


def _text(value: str | int) -> str:
    """A text as it is looked for: of a block, the lines without what they are indented by together."""
    text = str(value)
    if text.startswith("\n"):
        text = textwrap.dedent(text).removeprefix("\n").removesuffix("\n")
    return text


# ---- applying ---------------------------------------------------------------------------------------------


def _apply(answer: str, edit: Edit, path: Path, whose: str) -> str:
    places = list(_places(answer, edit.old))
    if len(places) != edit.times:
        raise _misfit(answer, edit, [begin for begin, _, _ in places], _place(path, edit.line), whose)
    for begin, end, indent in reversed(places):
        before, after = answer[:begin], answer[end:]
        new = _indented(edit.new, indent)
        if not new and not before.rpartition("\n")[2].strip() and not after.partition("\n")[0].strip():
            before, after = before[: before.rfind("\n") + 1], after.partition("\n")[2]
        answer = before + new + after
    return answer


def _places(answer: str, text: str) -> Iterator[tuple[int, int, str]]:
    """Where a text stands, one after the other: its begin, its end, and its line's indentation."""
    position, end = 0, 0  # the begin of a line, and the end of the last place
    for line in answer.splitlines(keepends=True):
        indent = line[: len(line) - len(line.lstrip())].removesuffix("\n")
        wanted = _indented(text, indent)
        begin = answer.find(wanted, max(position, end))
        while 0 <= begin < position + len(line):
            end = begin + len(wanted)
            yield begin, end, indent
            begin = answer.find(wanted, end)
        position += len(line)


def _indented(text: str, indent: str) -> str:
    """The text with its second and later lines indented, blank ones left blank."""
    first, *others = text.split("\n")
    return "\n".join([first, *(indent + line if line.strip() else line for line in others)])


def _misfit(answer: str, edit: Edit, begins: Sequence[int], where: str, whose: str) -> MasterError:
    """The error for a text that stands there another number of times than it should."""
    shown = repr(edit.old if len(edit.old) <= 80 else f"{edit.old[:77]}...")
    if not begins:
        number, nearest = _nearest(answer, edit.old)
        what = f"{shown} is nowhere in {whose}; what comes nearest is its line {number}, {nearest!r}"
        return MasterError(what, where, "copy the text from there")
    lines = [str(answer.count("\n", 0, begin) + 1) for begin in begins]
    where_in = f"line{'s' if len(lines) > 1 else ''} {', '.join(lines)}"
    found = f"{len(begins)} times" if len(begins) > 1 else "once"
    asked = f"{edit.times} times" if edit.times > 1 else "once"
    what = f"{shown} stands {found} in {whose} ({where_in}), not {asked}"
    return MasterError(what, where, f"take in more of its line, or say times={len(begins)}")


def _nearest(answer: str, text: str) -> tuple[int, str]:
    """The lines of the answer that are most like a text: the number of the first, and the lines."""
    lines = answer.splitlines() or [""]
    count = text.count("\n") + 1
    windows = [textwrap.dedent("\n".join(lines[i : i + count])) for i in range(len(lines))]
    likeness = [difflib.SequenceMatcher(None, text, window, autojunk=False).ratio() for window in windows]
    best = likeness.index(max(likeness))
    return best + 1, windows[best].strip("\n")


def _place(path: Path, line: int) -> str:
    return f"{path}, line {line}"
