"""Is every fact and claim of a topic told in its notebooks, and is every number right?

What there is to tell stands once, in `coursekit/facts/data/NN.toml`. A number is held against sources that
know nothing of each other: the slides, what `coursekit.facts` recomputes, and what the notebooks' own cells
print when they measure real layers and networks. Some topics count a third time, in `tests/topics/`.
"""

from __future__ import annotations

from functools import cache

import pytest

from coursekit.facts import Verdict, claims, facts
from tests.helpers import TOPICS
from tests.lecture.telling import (
    facts_of,
    masters_of,
    missing,
    number_of,
    numbers,
    numbers_in,
    results,
    to_tell,
    told_in,
    what_is_printed,
)

COUNTED = ("number", "table", "formula", "architecture")
"""Kinds of fact whose numbers a cell prints; those of claims may stand in a figure."""

every_topic = pytest.mark.parametrize("topic", TOPICS)


@cache
def printed(topic: str) -> dict[str, str]:
    """What the kept cells of all notebooks print, by fact."""
    texts: dict[str, str] = {}
    for master in masters_of(topic):
        for fact, text in what_is_printed(master).items():
            texts[fact] = texts.get(fact, "") + text
    return texts


def prose(topic: str, fact: str) -> list[str]:
    """Each text that tells a fact, on one line."""
    cells = [cell for master in masters_of(topic) for cell in master.cells if cell.kind == "markdown"]
    return [" ".join(cell.source.split()) for cell in cells if fact in facts_of(cell)]


def ids(topic: str) -> set[str]:
    number = number_of(topic)
    return {fact.id for fact in facts(number)} | {claim.id for claim in claims(number)}


@every_topic
def test_every_fact_and_claim_is_told_in_some_cell(topic: str) -> None:
    listed = ids(topic)
    assert listed - told_in(masters_of(topic)) == set()


@every_topic
def test_no_cell_names_a_fact_of_its_topic_that_does_not_exist(topic: str) -> None:
    own = {fact for fact in told_in(masters_of(topic)) if fact.startswith(f"{number_of(topic)}-")}
    assert own - ids(topic) == set()


@every_topic
def test_no_difference_between_slides_and_count_is_unexplained(topic: str) -> None:
    unexplained = {
        fact: result.reason
        for fact, result in results(number_of(topic)).items()
        if result.verdict is Verdict.UNEXPLAINED
    }
    assert unexplained == {}


@every_topic
def test_every_number_is_printed_by_a_kept_cell(topic: str) -> None:
    told, lost = to_tell(number_of(topic)), {}
    for fact, result in results(number_of(topic)).items():
        looked_up = result.value is None and result.fact.explanation  # an erratum that no cell can count
        if result.fact.kind in COUNTED and not looked_up:
            lost[fact] = missing(told[fact], printed(topic).get(fact, ""), result.fact.unit)
    assert {fact: lost[fact] for fact in lost if lost[fact]} == {}, "tell each in a cell with keep=true"


@every_topic
def test_an_erratum_is_named_with_what_the_slide_says_and_what_is_right(topic: str) -> None:
    told, unnamed = to_tell(number_of(topic)), {}
    for fact, result in results(number_of(topic)).items():
        if result.verdict not in (Verdict.ERRATUM, Verdict.CONVENTION):
            continue
        right = told[fact]
        given = [] if result.fact.kind == "claim" else numbers(result.fact.given)  # a claim's is a ratio
        if not any(
            ("the slide says" in text or "the slides say" in text)
            and not missing([*given, *numbers(right)], text)
            and (not isinstance(right, str) or right in text)
            for text in prose(topic, fact)
        ):
            unnamed[fact] = f"no text says what the slide says ({given}) and what is right ({right})"
    assert unnamed == {}


@every_topic
def test_a_claim_with_another_number_than_the_slides_says_both(topic: str) -> None:
    for claim in claims(number_of(topic)):
        if claim.given is not None and claim.shown is not None and claim.given != claim.shown:
            both = {*numbers(claim.given), *numbers(claim.shown)}
            assert both <= numbers_in(" ".join(prose(topic, claim.id)) + printed(topic).get(claim.id, ""))
