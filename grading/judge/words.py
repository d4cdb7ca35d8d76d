"""What words forbid, matched against what ran."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["MARK", "Use", "Word", "words_of"]

MARK = "forbidden function "
"""How the name of a mark begins that a function of Python leaves in the record when it runs."""


@dataclass(frozen=True)
class Use:
    """Something forbidden that ran: the sentence on it, and what it costs."""

    says: str
    use: str


@dataclass(frozen=True)
class Word:
    """One table `[forbidden.WORD]`.

    operators: patterns of whole names, each with values that arguments must have. functions: dotted names.
    """

    word: str
    what: str
    instead: str
    use: str
    operators: tuple[tuple[re.Pattern[str], Mapping[str, Any]], ...]
    functions: frozenset[str]

    def names(self, name: str) -> bool:
        """Whether calls of this name are forbidden, perhaps with some arguments only."""
        if name.startswith(MARK):
            return name.removeprefix(MARK) in self.functions
        return any(pattern.fullmatch(name) for pattern, _ in self.operators)

    def forbids(self, name: str, arguments: Callable[[], Mapping[str, Any]]) -> bool:
        """Whether what is recorded under this name is forbidden. arguments: gives those of that call."""
        if name.startswith(MARK):
            return name.removeprefix(MARK) in self.functions
        for pattern, where in self.operators:
            if pattern.fullmatch(name) and (not where or _same(where, arguments())):
                return True
        return False

    def use_of(self, name: str) -> Use:
        """The sentence on a use."""
        says = f"{_said(name)} ran, but this exercise forbids {self.what}. {self.instead}".strip()
        return Use(says, self.use)


def words_of(tables: Iterable[Mapping[str, Any]]) -> dict[str, Word]:
    """The words of a course's tables, as JSON has them."""
    return {
        table["word"]: Word(
            table["word"],
            table["what"],
            table["instead"],
            table["use"],
            tuple((re.compile(row["name"]), dict(row["where"])) for row in table["operators"]),
            frozenset(table["functions"]),
        )
        for table in tables
    }


def _same(where: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    return all(name in arguments and arguments[name] == value for name, value in where.items())


def _said(name: str) -> str:
    """What ran, in words. A hand-in can choose the names of operators and of gradients of its own: those are
    not said, since what a test passes in could stand there.
    """
    import torch

    if name.startswith(MARK):
        return name.removeprefix(MARK)
    if name.startswith("autograd::"):
        return "torch.autograd's engine"
    known = any(one.partition(".")[0] == name for one in torch._C._dispatch_get_all_op_names())
    return name.replace("::", ".") if known else "an operator of its own"
