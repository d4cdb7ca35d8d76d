"""What a course's own cells say about names: a test must not take from an answer what the course has given.

Notebooks import their libraries in cells that students may edit, and tests use them. Such a name comes from
the library itself, whatever a student's process says it is.
"""

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat.notebooknode import NotebookNode

__all__ = ["Given", "definitions", "given_by", "given_in"]

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Given:
    """Names of a course's notebook.

    imports: name to the statement that imports it. stars: imports of all names of a module. locked: names
    that locked cells import or define. answers: names that cells for answers define. solutions: as imports,
    of names that only a solution imports: students are not given them.
    """

    imports: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    solutions: dict[str, str] = field(default_factory=dict)


def given_by(source: Path, released: Path) -> Given:
    """The names in this notebook of the course; released: the file that students got, if there is one."""
    return _given_by(source, _written(source), released, _written(released))


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0


@functools.lru_cache(maxsize=8)
def _given_by(source: Path, _: int, released: Path, written: int) -> Given:
    import nbformat  # the judge has no use for it

    return given_in(
        nbformat.read(source, as_version=4), nbformat.read(released, as_version=4) if written else None
    )


def given_in(notebook: "NotebookNode", released: "NotebookNode | None" = None) -> Given:
    """The names in a course's notebook, which students got as `released`."""
    imports: dict[str, str] = {}
    solutions: dict[str, str] = {}
    stars: list[str] = []
    locked, answers = set[str](), set[str]()
    as_got = {name: cell.source for cell in (released.cells if released else ()) if (name := _id(cell))}
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code":
            continue
        if marks.get("solution"):
            answers |= _bound(cell.source)
            got = as_got.get(_id(cell), "") if released else cell.source
            solutions |= _imported(cell.source)
            imports |= _imported(got)
            stars += _stars(got)
        elif marks.get("locked"):
            locked |= {name for one in definitions(cell.source) for name in names_of(one)} - {"*"}
        else:
            imports |= _imported(cell.source)
            stars += _stars(cell.source)
    imports = {name: text for name, text in imports.items() if name not in answers}
    solutions = {
        name: text
        for name, text in solutions.items()
        if name not in imports and name not in locked and name not in answers
    }
    return Given(
        imports,
        list(dict.fromkeys(stars)),
        sorted(locked - answers),
        sorted(answers | set(solutions)),
        solutions,
    )


def _id(cell: "NotebookNode") -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def _imported(source: str) -> dict[str, str]:
    """The names that a cell imports, each with its statement."""
    return {
        name: ast.unparse(statement)
        for statement in definitions(source)
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for name in names_of(statement) - {"*"}
    }


def _stars(source: str) -> list[str]:
    """The statements of a cell that import all names of a module."""
    return [ast.unparse(statement) for statement in definitions(source) if "*" in names_of(statement)]


def definitions(source: str) -> Iterator[ast.stmt]:
    """The statements of a cell that import something or define a function or a class."""
    for statement in _statements(source):
        if isinstance(statement, (ast.Import, ast.ImportFrom, *DEFINITIONS)):
            yield statement


def names_of(statement: ast.stmt) -> set[str]:
    """The names that such a statement binds."""
    if isinstance(statement, DEFINITIONS):
        return {statement.name}
    if isinstance(statement, ast.ImportFrom):
        return {alias.asname or alias.name for alias in statement.names}
    if isinstance(statement, ast.Import):
        return {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
    return set()


def _bound(source: str) -> set[str]:
    """Names that a cell binds otherwise than by an import."""
    bound = set()
    for statement in _statements(source):
        if isinstance(statement, DEFINITIONS):
            bound.add(statement.name)
        elif not isinstance(statement, ast.Import | ast.ImportFrom):
            nodes = ast.walk(statement)
            bound |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return bound


def _statements(source: str) -> list[ast.stmt]:
    """The statements of a cell; its magics are none."""
    lines = source.splitlines()
    if lines and lines[0].startswith("%%"):
        lines = lines[1:]
    text = "\n".join("" if line.lstrip().startswith(("%", "!", "?")) else line for line in lines)
    try:
        return ast.parse(text).body
    except (SyntaxError, ValueError):
        return []
