"""Other answers than the reference's, and what a hand-in could be: a master with some answers exchanged.

``misconceptions.py`` stands beside a topic's assignment: a percent file, one variant a cell. Its leading
comment is what it says; below stand edits of a right answer (`grading.course.edits`), or a whole answer where
edits would be longer::

    # %% misconception="conv2d" name="flips-kernel"      a wrong answer, an edit of the reference
    # %% misconception="conv2d" name="…" of="im2col"     an edit of the alternative of this name
    # %% alternative="conv2d" name="im2col"              another right answer
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from grading.course.edits import Edit, apply_edits, read_edits
from grading.course.masters import Cell, Master, read_cells, solved_source
from grading.errors import MasterError

MISCONCEPTIONS = "misconceptions.py"


@dataclass(frozen=True)
class Variant:
    """Another answer to an exercise: a named misconception, or a correct alternative.

    source: the whole answer. edits: what it was made by, where it is not written whole. of: the alternative
    that they were made in; empty for the reference answer.
    """

    exercise: str
    kind: Literal["misconception", "alternative"]
    name: str
    says: str
    source: str
    of: str = ""
    edits: tuple[Edit, ...] = ()


def read_variants(master: Master) -> tuple[Variant, ...]:
    """The variants beside an assignment, each with its whole source; none where there is no such file.

    Raises:
        MasterError: A cell lacks its key, its name or its sentence; two variants share a name; one is of no
            answer; edits do not fit (the message says where, and what stands there instead).
    """
    path = master.path.with_name(MISCONCEPTIONS)
    if not path.is_file():
        return ()
    text, answers = path.read_text(encoding="utf-8"), answers_of(master)
    cells = [cell for cell in read_cells(text, path) if cell.kind == "code"]
    read: list[Variant] = []
    for number, (cell, line) in enumerate(zip(cells, _first_lines(text, cells), strict=True), start=1):
        variant = _read_variant(cell, line, f"{path}, cell {number}", path)
        if variant is None:
            continue
        if any((variant.exercise, variant.name) == (one.exercise, one.name) for one in read):
            raise MasterError(
                f"two variants of {variant.exercise} are named {variant.name!r}", path, "rename one"
            )
        if variant.exercise not in answers:
            what = f"{variant.kind} {variant.name!r} is of {variant.exercise!r}, not an answer"
            raise MasterError(what, path, f"the answers are {', '.join(answers)}")
        read.append(variant)
    return tuple(_made(variant, read, answers, path) for variant in read)


def answers_of(master: Master) -> dict[str, str]:
    """The reference answer of every exercise: id → source of its answer cell."""
    return {str(cell.exercise): solved_source(cell) for cell in master.with_role("answer")}


def of_kind(variants: Iterable[Variant], kind: str) -> dict[str, dict[str, Variant]]:
    """Variants of one kind by exercise and name."""
    table: dict[str, dict[str, Variant]] = {}
    for variant in variants:
        if variant.kind == kind:
            table.setdefault(variant.exercise, {})[variant.name] = variant
    return table


def solved_cells(master: Master, answers: Mapping[str, str] | None = None) -> list[tuple[Cell, str]]:
    """Every cell of a master with the source it runs, reference answers exchanged for ``answers``.

    Raises:
        MasterError: ``answers`` names an exercise that the master has no answer cell for.
    """
    answers = answers or {}
    unknown = answers.keys() - answers_of(master).keys()
    if unknown:
        known = ", ".join(answers_of(master))
        raise MasterError(f"no answer cell for {', '.join(sorted(unknown))}", master.path, f"it has {known}")

    def source(cell: Cell) -> str:
        replaced = cell.role == "answer" and cell.exercise in answers
        return answers[str(cell.exercise)] if replaced else solved_source(cell)

    return [(cell, source(cell)) for cell in master.cells]


def _read_variant(cell: Cell, first_line: int, where: str, path: Path) -> Variant | None:
    """One cell as it stands: of edits the source is still missing."""
    kinds: tuple[Literal["misconception", "alternative"], ...] = ("misconception", "alternative")
    kind = next((kind for kind in kinds if kind in cell.keys), None)
    if kind is None:
        if cell.keys:
            raise MasterError("this is no variant", where, 'write misconception="…" or alternative="…"')
        return None  # the file's own docstring
    if "name" not in cell.keys:
        raise MasterError(f"the {kind} has no name", where, 'add name="…"')
    lines = cell.source.splitlines()
    count = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    if not count:
        raise MasterError(f"the {kind} has no sentence", where, "begin it with a comment that explains it")
    source = "\n".join(lines[count:])
    edits = read_edits(source, path, first_line + count)
    name, of = str(cell.keys["name"]), str(cell.keys.get("of", ""))
    if of and not edits:
        raise MasterError(f"of={of!r}, but {name!r} is a whole answer", where, "remove the key, or edit")
    return Variant(
        exercise=str(cell.keys[kind]),
        kind=kind,
        name=name,
        says=" ".join(line.lstrip("#").strip() for line in lines[:count]),
        source="" if edits else source.strip(),
        of=of,
        edits=edits,
    )


def _made(
    variant: Variant, variants: Sequence[Variant], answers: Mapping[str, str], path: Path, depth: int = 0
) -> Variant:
    """The variant with its whole source, edited from what it is made of."""
    if not variant.edits:
        return variant
    where = f"{path}, line {variant.edits[0].line}"
    if not variant.of:
        answer, whose = answers[variant.exercise], f"the reference answer of {variant.exercise}"
    else:
        others = of_kind(variants, "alternative").get(variant.exercise, {})
        if variant.of not in others:
            known = f"they are {', '.join(others)}" if others else "there is none"
            what = f"of={variant.of!r} is no alternative of {variant.exercise}"
            raise MasterError(what, where, known)
        if depth > len(others):
            raise MasterError(f"of={variant.of!r} leads in a circle", where, "write one of them whole")
        answer = _made(others[variant.of], variants, answers, path, depth + 1).source
        whose = f"the alternative {variant.of!r} of {variant.exercise}"
    return replace(variant, source=apply_edits(answer, variant.edits, path, whose).strip())


def _first_lines(text: str, cells: Sequence[Cell]) -> list[int]:
    """The line of the file that each cell's source begins in, counted from 1."""
    lines, found, position = text.splitlines(), [], 0
    for cell in cells:
        source = cell.source.splitlines()
        places = range(position, len(lines))
        position = next((i for i in places if lines[i : i + len(source)] == source), position)
        found.append(position + 1)
        position += len(source)
    return found
