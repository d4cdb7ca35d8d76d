"""What a word forbids, as the course's tables `[forbidden.WORD]` say: this program has no word of its own."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grading.errors import ConfigError
from grading.records import Forbidden, Operators

__all__ = ["read_forbidden", "tables_of"]

USES = ("zero", "flag")
_KEYS = ("what", "instead", "use", "operators", "functions", "modules", "hidden")
_LISTS = ("functions", "modules", "hidden")


def tables_of(path: Path) -> Mapping[str, Any]:
    """The tables `[forbidden.WORD]` of a file of their own.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        tables: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot be read as TOML ({error})", path, "correct the file") from None
    if set(tables) - {"forbidden"}:
        raise ConfigError("there are other tables than [forbidden.WORD]", path, "take them out")
    found: Mapping[str, Any] = tables.get("forbidden", {})
    return found


def read_forbidden(tables: Mapping[str, Any], path: Path) -> tuple[Forbidden, ...]:
    """The words of these tables. path: the file they stand in, for errors.

    Raises:
        ConfigError: a key is unknown or missing, or a value is of the wrong kind; it is named.
    """
    if not isinstance(tables, Mapping):
        raise ConfigError("forbidden must be a table of tables", path, "write [forbidden.WORD]")
    return tuple(_word(word, table, f"{path}, [forbidden.{word}]") for word, table in tables.items())


def _word(word: str, table: Any, where: str) -> Forbidden:
    if not isinstance(table, Mapping):
        raise ConfigError("this must be a table", where, "write its keys below it")
    if unknown := [key for key in table if key not in _KEYS]:
        raise ConfigError(f"unknown key {unknown[0]!r}", where, f"the known keys are {', '.join(_KEYS)}")
    if not isinstance(table.get("what"), str):
        fix = 'add what = "..."; it completes "this exercise forbids ..."'
        raise ConfigError('the key "what" is missing', where, fix)
    if table.get("use", "zero") not in USES:
        fix = f"choose one of {', '.join(USES)}"
        raise ConfigError(f"use = {table['use']!r} is no way to count a use", where, fix)
    for key in _LISTS:
        values = table.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise ConfigError(f"{key} = {values!r} is not a list of strings", where, "correct the value")
    rows = table.get("operators", [])
    if not isinstance(rows, list):
        raise ConfigError(f"operators = {rows!r} is not a list", where, "correct the value")
    return Forbidden(
        word,
        table["what"],
        str(table.get("instead", "")),
        table.get("use", "zero"),
        tuple(_operators(row, where) for row in rows),
        *(tuple(table.get(key, [])) for key in _LISTS),
    )


def _operators(row: Any, where: str) -> Operators:
    given = {"name": row} if isinstance(row, str) else row
    if (
        not isinstance(given, Mapping)
        or not isinstance(given.get("name"), str)
        or set(given) - {"name", "where"}
    ):
        fix = "write the name, or { name = ..., where = { argument = value } }"
        raise ConfigError(f"operators: {row!r} is not understood", where, fix)
    try:
        re.compile(given["name"])
    except re.error as error:
        fix = "correct the pattern"
        raise ConfigError(f"operators: {given['name']!r} is no pattern ({error})", where, fix) from None
    conditions = given.get("where", {})
    if not isinstance(conditions, Mapping) or not all(
        isinstance(value, bool | int | float | str) for value in conditions.values()
    ):
        raise ConfigError(f"operators: where = {conditions!r} holds no plain values", where, "correct it")
    return Operators(given["name"], tuple(sorted(conditions.items())))
