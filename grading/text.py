"""Texts from hand-ins, made fit for people, terminals and databases."""

import unicodedata
from collections.abc import Iterable

__all__ = ["listed", "printable", "short", "shown"]

NAMES_SHOWN, NAME_LENGTH = 5, 80


def shown(text: str, most: int = NAME_LENGTH) -> str:
    """A name or a sentence for people to read: nothing in it moves the cursor or turns the line around."""
    kept = "".join(f"\\u{ord(letter):04x}" if _is_unseemly(letter) else letter for letter in text[: most + 1])
    return kept if len(text) <= most else f"{kept[:most]}…"


def _is_unseemly(letter: str) -> bool:
    """Whether it is a control character, turns the direction of writing, or is half a character."""
    return (
        unicodedata.category(letter) in ("Cc", "Cs")
        or letter in "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )


def listed(names: Iterable[str]) -> str:
    """Some names in a row, and how many more there are."""
    names = [shown(name) for name in names]
    more = [f"{len(names) - NAMES_SHOWN} more"] if len(names) > NAMES_SHOWN else []
    return ", ".join([*names[:NAMES_SHOWN], *more])


def printable(text: str) -> str:
    """A text for people, terminals and databases: no control characters and no halves of characters."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else " " for sign in text)


def short(text: str, most: int = 80) -> str:
    """The text, or as much of it as so many characters hold."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
