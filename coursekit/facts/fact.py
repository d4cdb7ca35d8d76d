"""What the lectures state, as data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from coursekit.errors import FactError

__all__ = ["KINDS", "TOPICS", "Fact", "fact", "facts", "stated_value"]

DATA = resources.files(__package__) / "data"
TOPICS = tuple(sorted(entry.name.removesuffix(".toml") for entry in DATA.iterdir()))
"""Topics are found: each is a file of `data`, two digits."""

KINDS = ("number", "table", "formula", "architecture", "recipe", "claim", "citation")
ROUNDINGS = ("half up", "cut")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One fact.

    Four keys say what kind of evidence there is, and one of them stands in every entry:

    - `given` or `formula`, or neither for a property that holds or does not: it is recomputed;
    - `derived`: the slides leave the value open, this is the one that is counted;
    - `stated`: what others measured, or decided; no computation settles it;
    - `pending`: what the recomputation waits for.

    Attributes:
        id: begins with the topic's two digits.
        kind: one of `KINDS`.
        says: what the slides say, in our words.
        source: document and line.
        given: the slides' number, list of numbers or word; a number keeps its printed digits.
        formula: the slides' formula, or several, in the variables of the recomputation; `^` is a power.
        unit: of the number.
        derived: the value that the slides leave open.
        stated: whose figure it is, or that it is advice, a definition, a date.
        pending: what has to exist before it can be recomputed.
        rounding: `"cut"` where the slide dropped digits; `"half up"` otherwise.
        figures: how many leading digits are meant, where the printed ones promise more.
        same_as: another fact's id, with `.0` for a place in its list, that states the same figure.
        right: the right value of an erratum that is not computed but looked up.
        erratum: why the slides are wrong.
        convention: why both are right: another way of counting, another variant.
        note: what an instructor should know beside it.
        shown: what the lecture tells of it (a number, a list of numbers, words) where that is not the value
            that is recomputed; `true` where its cell shows it without a number.
    """

    id: str
    kind: str
    says: str
    source: str
    given: Any = None
    formula: Any = None
    unit: str = ""
    derived: Any = None
    stated: str = ""
    pending: str = ""
    rounding: str = "half up"
    figures: int | None = None
    same_as: str = ""
    right: Any = None
    erratum: str = ""
    convention: str = ""
    note: str = ""
    shown: Any = None

    @property
    def topic(self) -> str:
        """Two digits."""
        return self.id[:2]

    @property
    def explanation(self) -> str:
        """Why the slides and the count differ; empty where they should not."""
        return self.erratum or self.convention

    def __post_init__(self) -> None:
        problems = [
            (self.topic not in TOPICS, "begins with no topic's number"),
            (self.kind not in KINDS, f"is of kind {self.kind!r}, not one of {', '.join(KINDS)}"),
            (not self.says or not self.source, "needs `says` and `source`"),
            (self.rounding not in ROUNDINGS, f"is rounded {self.rounding!r}; {' or '.join(ROUNDINGS)}"),
            (bool(self.stated) and bool(self.pending), "is both stated and pending"),
            (bool(self.erratum) and bool(self.convention), "is both an erratum and another convention"),
            (self.given is not None and self.formula is not None, "has a given value and a formula"),
            (self.derived is not None and self.given is not None, "has a given and a derived value"),
            (bool(self.same_as) and self.given is None, "is the same as another and has no given value"),
        ]
        for wrong, message in problems:
            if wrong:
                raise FactError(f"fact {self.id} {message}")


def facts(topic: str | None = None) -> list[Fact]:
    """The facts of one topic, or of all, in the order of the slides.

    Args:
        topic: two digits, such as `"02"`; None for all.

    Raises:
        ValueError: for a topic that does not exist.
        FactError: for an entry that contradicts itself.
    """
    if topic is not None and topic not in TOPICS:
        raise ValueError(f"there is no topic {topic!r}; there are {', '.join(TOPICS)}")
    return [fact for name in TOPICS if topic in (None, name) for fact in _read(name)]


def fact(identifier: str) -> Fact:
    """One fact by its id.

    Raises:
        KeyError: for an id that no file has.
    """
    return _by_id()[identifier]


def stated_value(reference: str) -> Any:
    """The given value of another fact, for what the lectures state twice; `id.0` is a place in its list."""
    identifier, _, place = reference.partition(".")
    value = fact(identifier).given
    return value[int(place)] if place else value


@cache
def _by_id() -> dict[str, Fact]:
    return {fact.id: fact for fact in facts()}


@cache
def _read(topic: str) -> tuple[Fact, ...]:
    return parse(text_of(topic), f"{topic}.toml")


def text_of(topic: str) -> str:
    """The data of a topic, TOML: a table for each fact, and in `claims` one for each claim."""
    return (DATA / f"{topic}.toml").read_text(encoding="utf-8")


def parse(text: str, name: str = "facts") -> tuple[Fact, ...]:
    """The facts in a TOML text: one table each, its id as the table's name; the table `claims` is left out.

    Raises:
        FactError: for text that is no TOML, an unknown key, or an entry that contradicts itself.
    """
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise FactError(f"{name} is no TOML: {error}") from None
    tables.pop("claims", None)
    known = {field.name for field in fields(Fact)}
    for identifier, table in tables.items():
        if unknown := set(table) - known:
            raise FactError(f"fact {identifier} has the unknown key {', '.join(sorted(unknown))}")
        if missing := {"kind", "says", "source"} - set(table):
            raise FactError(f"fact {identifier} lacks {', '.join(sorted(missing))}")
    return tuple(Fact(id=identifier, **table) for identifier, table in tables.items())
