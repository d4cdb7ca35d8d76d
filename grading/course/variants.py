"""What a hand-in could look like: the cells of a master with some answers exchanged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from grading.course.masters import Cell, Master, Variant, solved_source
from grading.errors import MasterError


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
