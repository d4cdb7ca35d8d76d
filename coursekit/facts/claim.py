"""What the lectures claim, ask or cite, as data: no number settles it, so a lecture shows it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from coursekit.errors import FactError

from .fact import TOPICS, text_of

__all__ = ["Claim", "claims"]

KINDS = ("claim", "question", "citation")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim, question or source: in `data/NN.toml` a table `[claims.NN-its-id]`.

    Attributes:
        id: begins with the topic's two digits.
        kind: `"claim"`, `"question"` or `"citation"`.
        says: what the slides say, in our words.
        source: document and line.
        given: the slides' number, where they give one.
        shown: the number, list of numbers or words that the lecture tells about it, where there is one.
    """

    id: str
    kind: str
    says: str
    source: str
    given: Any = None
    shown: Any = None

    @property
    def topic(self) -> str:
        """Two digits."""
        return self.id[:2]

    def __post_init__(self) -> None:
        problems = [
            (self.topic not in TOPICS, "begins with no topic's number"),
            (self.kind not in KINDS, f"is of kind {self.kind!r}, not one of {', '.join(KINDS)}"),
            (not self.says or not self.source, "needs `says` and `source`"),
        ]
        for wrong, message in problems:
            if wrong:
                raise FactError(f"claim {self.id} {message}")


def claims(topic: str | None = None) -> list[Claim]:
    """The claims, questions and sources of one topic, or of all, as they stand in the data.

    Args:
        topic: two digits, such as `"04"`; None for all.

    Raises:
        ValueError: for a topic that does not exist.
        FactError: for an entry that lacks a key or contradicts itself.
    """
    if topic is not None and topic not in TOPICS:
        raise ValueError(f"there is no topic {topic!r}; there are {', '.join(TOPICS)}")
    return [
        claim
        for name in TOPICS
        if topic in (None, name)
        for claim in parse_claims(text_of(name), f"{name}.toml")
    ]


def parse_claims(text: str, name: str = "facts") -> tuple[Claim, ...]:
    """The claims in a TOML text of facts and claims.

    Raises:
        FactError: for an unknown key, a missing one, or an entry that contradicts itself.
    """
    tables = tomllib.loads(text, parse_float=Decimal).get("claims", {})
    known = {field.name for field in fields(Claim)} - {"id"}
    for identifier, table in tables.items():
        if unknown := set(table) - known:
            raise FactError(f"{name}: claim {identifier} has the unknown key {', '.join(sorted(unknown))}")
        if missing := {"kind", "says", "source"} - set(table):
            raise FactError(f"{name}: claim {identifier} lacks {', '.join(sorted(missing))}")
    return tuple(Claim(id=identifier, **table) for identifier, table in tables.items())
