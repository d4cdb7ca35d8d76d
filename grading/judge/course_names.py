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
    that locked cells import or define. answers: names that cells for answers define.
    """

    imports: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)


def given_by(source: Path) -> Given:
    """The names in this notebook of the course."""
    return _given_by(source, source.stat().st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _given_by(source: Path, _: int) -> Given:
    import nbformat  # the judge has no use for it

    return given_in(nbformat.read(source, as_version=4))


def given_in(notebook: "NotebookNode") -> Given:
    """The names in a course's notebook."""
    imports: dict[str, str] = {}
    stars: list[str] = []
    locked, answers = set[str](), set[str]()
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code":
            continue
        if marks.get("solution"):
            answers |= _bound(cell.source)
        for statement in definitions(cell.source):
            names = names_of(statement)
            if marks.get("locked"):
                locked |= names - {"*"}
            elif isinstance(statement, ast.Import | ast.ImportFrom):
                text = ast.unparse(statement)
                stars += [text] if "*" in names else []
                imports |= {name: text for name in names - {"*"}}
    imports = {name: text for name, text in imports.items() if name not in answers}
    return Given(imports, list(dict.fromkeys(stars)), sorted(locked - answers), sorted(answers))


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
