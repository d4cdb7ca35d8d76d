"""Recompute every fact and judge it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .fact import Fact, facts
from .verdict import Verdict, judge

__all__ = ["Result", "recompute"]


@dataclass(frozen=True)
class Result:
    """A fact and how it came out.

    Attributes:
        fact: what the slides say.
        value: what was recomputed: a number, a list, a word, a truth value, `Samples` of a formula; None
            where nothing was.
        how: what recomputed it.
        verdict: computed from both.
        reason: the explanation of a difference, the owner of a stated figure, what a pending fact waits for.
    """

    fact: Fact
    value: Any
    how: str
    verdict: Verdict
    reason: str


def recompute(topic: str | None = None, *, progress: bool = False) -> list[Result]:
    """Recompute the facts of one topic, or of all; under a minute on two cores, a progress bar if wanted.

    A recomputation that fails leaves its facts unexplained, with its error as the reason.

    Args:
        topic: two digits, such as `"02"`; None for all.
        progress: show a bar on stderr.

    Raises:
        ValueError: for a topic that does not exist.
    """
    wanted = facts(topic)  # before anything heavy is imported: a wrong topic is said at once
    import torch

    from .recomputations import GROUPS

    groups = [group for group in GROUPS if topic is None or topic in group.topics]
    known = {fact.id for fact in facts()}
    values: dict[str, tuple[Any, str]] = {}
    failures: dict[str, tuple[str, ...]] = {}
    with torch.random.fork_rng(devices=[]):  # whoever asks keeps their random numbers
        for group in _bar(groups) if progress else groups:
            try:
                found = group.function()
            except Exception as error:
                failures[f"{group.function.__name__}: {type(error).__name__}: {error}"] = group.topics
                continue
            if wrong := [i for i in found if i in values or i not in known]:
                raise RuntimeError(f"{group.function.__name__} returns what is taken or unknown: {wrong}")
            values |= {identifier: (value, group.how) for identifier, value in found.items()}
    results = []
    for fact in wanted:
        value, how = values.get(fact.id, (None, ""))
        failed = "; ".join(message for message, topics in failures.items() if fact.topic in topics)
        results.append(
            Result(fact, value, how, *judge(fact, value, failed and f"nothing recomputes it: {failed}"))
        )
    return results


def _bar(groups: list[Any]) -> Any:
    from tqdm import tqdm

    return tqdm(groups, desc="recomputing", unit="table", leave=False, disable=None)
