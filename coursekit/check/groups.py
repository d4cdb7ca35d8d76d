"""The groups of calls that an exercise may forbid, as ``forbidden.toml`` has them for grading as well.

A group names tensor operations by patterns, because every spelling of an operation (module, function,
method, ``torch.ops``) ends in the same few operators, and Python functions by their dotted public names.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TABLES = Path(__file__).with_name("forbidden.toml")


@dataclass(frozen=True)
class Operators:
    """Operators whose whole name, such as ``"aten::conv2d"``, matches; and with which arguments."""

    name: re.Pattern[str]
    where: Mapping[str, Any] = field(default_factory=dict)
    """Values that arguments must have for a call to be forbidden."""


@dataclass(frozen=True)
class Group:
    """What may not run, and what to say when it does."""

    what: str
    """What is forbidden, as it completes "this exercise forbids ..."."""

    instead: str
    """What to do instead, as a sentence in the imperative."""

    operators: tuple[Operators, ...] = ()
    """Operators of torch."""

    functions: tuple[str, ...] = ()
    """Dotted names of Python functions; those of modules that nobody imported are left alone."""

    modules: tuple[str, ...] = ()
    """Modules that may not be imported for the first time while the group is forbidden."""


def _group(table: Mapping[str, Any]) -> Group:
    rows: list[dict[str, Any]] = [
        {"name": row} if isinstance(row, str) else row for row in table.get("operators", ())
    ]
    operators = tuple(Operators(re.compile(row["name"]), row.get("where", {})) for row in rows)
    functions, modules = tuple(table.get("functions", ())), tuple(table.get("modules", ()))
    return Group(table["what"], table["instead"], operators, functions, modules)


GROUPS: dict[str, Group] = {
    word: _group(table)
    for word, table in tomllib.loads(TABLES.read_text(encoding="utf-8"))["forbidden"].items()
}
"""What an exercise may forbid, by name."""
