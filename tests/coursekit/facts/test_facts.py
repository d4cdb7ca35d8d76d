"""Does every number of the lectures come out, or is it said why not?

`inventory.jsonl` lists what was found in the slides, and what was counted then by code that is not the
course's: ids, places, and numbers. It knows nothing of the course's own table.
"""

import json
import math
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from coursekit import cli
from coursekit import facts as package
from coursekit.facts import Fact, Result, Verdict, counts, facts, judge, recompute, to_markdown, to_text
from coursekit.facts.fact import TOPICS
from coursekit.facts.recomputations import GROUPS
from tests.helpers import ROOT

INVENTORY = {
    row["id"]: row
    for row in map(json.loads, (Path(__file__).parent / "inventory.jsonl").read_text("utf-8").splitlines())
}
# Where the inventory has something else: other cells of the table, a word for a number, a part of it.
GIVEN_OTHERWISE = {
    "00-neocognitron", "00-neocognitron-1980",  # years that it has as words
    "01-conv-conv-pool",  # kernels and paddings; the table has the output that they give
    "01-conv-weights-4d", "01-conv1d-weights", "01-conv3d-weights",  # shapes in letters
    "05-group-shape", "05-depthwise-shape",
    "01-overlap-pool-definition", "04-googlenet-final-pool", "08-vit-class-token", "09-autoencoder",  # words
    "04-alexnet-two-gpus-week", "04-alexnet-week-gtx580", "04-resnet-two-3x3",
    "04-alexnet-60m-two-versions",  # one number for the three networks
    "04-resnet101-vs-vgg16", "04-params-about-same", "05-se-1-2-pct",  # claims, here as ratios and counts
    "06-aug-crops",  # pixels; the table has the number of crops
    "08-vit-table-imagenet",  # without the fifth, which is printed twice
}  # fmt: skip
COUNTED_OTHERWISE = {
    "01-conv-conv-pool", "01-96-filters-shared", "04-alexnet-input-227", "04-googlenet-final-pool",  # part
    "02-alexnet-pool1-macs-m", "02-alexnet-pool2-macs-m", "02-alexnet-pool5-macs-m",  # comparisons
    "02-vgg-alexnet-memory-vgg16-why",  # cut
    "04-alexnet-by-10", "05-reduction-one-eighth", "09-features-few-million",  # more cases
    "04-resnet-two-3x3", "04-params-about-same", "05-se-1-2-pct",  # what the ratios and counts are made of
}  # fmt: skip


def numbers(value) -> list[float]:
    if isinstance(value, list | tuple):
        return [n for part in value for n in numbers(part)]
    return [float(value)] if isinstance(value, int | float | Decimal | Fraction) and value is not True else []


def alike(ours, theirs) -> bool:
    """The same numbers, whatever the unit: up to powers of ten, to three figures."""
    a, b = numbers(ours), numbers(theirs)
    return len(a) == len(b) and all(map(near, a, b))


def near(a: float, b: float) -> bool:
    if a == b or a * b == 0:
        return a == b
    ratio = a / b
    return ratio > 0 and math.isclose(ratio, 10.0 ** round(math.log10(ratio)), rel_tol=6e-4)


# the whole table


def test_no_difference_is_unexplained(results: list[Result]) -> None:
    bad = [f"{r.fact.id}: {r.reason}" for r in results if r.verdict is Verdict.UNEXPLAINED]
    assert not bad


def test_every_fact_that_was_found_in_the_slides_is_in_the_table_once() -> None:
    assert Counter(fact.id for fact in facts()) == Counter(INVENTORY.keys())


def test_every_fact_has_its_kind_and_its_place() -> None:
    places = {f.id: (f.kind, f.source.removeprefix("slides ").replace(", line ", ":")) for f in facts()}
    assert places == {i: (row["kind"], row["place"]) for i, row in INVENTORY.items()}


def test_the_table_has_the_numbers_of_the_slides() -> None:
    ours = {f.id: f.given for f in facts() if f.formula is None and f.id not in GIVEN_OTHERWISE}
    assert not [i for i, given in ours.items() if not alike(given, INVENTORY[i]["given"])]


def test_every_evidence_is_of_one_kind(results: list[Result]) -> None:
    for result in results:
        fact = result.fact
        evidence = [result.value is not None, bool(fact.stated), bool(fact.pending), fact.right is not None]
        assert sum(evidence) == 1 or (fact.stated and fact.right is not None and result.value is None), (
            fact.id
        )


def test_what_is_recomputed_is_what_was_counted_elsewhere(results: list[Result]) -> None:
    mine = {r.fact.id: r.value for r in results if numbers(r.value) and r.fact.id not in COUNTED_OTHERWISE}
    both = {i: value for i, value in mine.items() if INVENTORY[i]["counted"]}
    assert len(both) > 250
    assert not [i for i, value in both.items() if not alike(value, INVENTORY[i]["counted"])]


def test_the_facts_that_differ_are_those_that_were_found_to(results: list[Result]) -> None:
    found = {i for i, row in INVENTORY.items() if row["differs"]}
    assert len(found) == 41
    ours = {r.fact.id for r in results if r.verdict in (Verdict.ERRATUM, Verdict.CONVENTION)}
    assert ours == found


def test_little_is_pending(results: list[Result]) -> None:
    assert counts(results)[Verdict.PENDING] <= 13


def test_every_recomputation_belongs_to_the_topics_that_it_names(results: list[Result]) -> None:
    named: dict[str, set[str]] = {}
    for group in GROUPS:
        named.setdefault(group.how, set()).update(group.topics)
    found: dict[str, set[str]] = {}
    for result in results:
        if result.how:
            found.setdefault(result.how, set()).add(result.fact.topic)
    assert found == named


def test_one_topic_can_be_recomputed_alone(results: list[Result]) -> None:
    alone = {r.fact.id: r.verdict for r in recompute("05")}
    assert alone == {r.fact.id: r.verdict for r in results if r.fact.topic == "05"}


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_has_its_own_facts_only(topic: str) -> None:
    assert facts(topic)
    assert {fact.topic for fact in facts(topic)} == {topic}


def test_a_topic_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no topic '10'"):
        facts("10")


# does it notice?


def changed(value):
    """The given value with its last number another one, in its last printed digit; None where it has none."""
    if isinstance(value, list):
        for i in reversed(range(len(value))):
            if (new := changed(value[i])) is not None:
                return [*value[:i], new, *value[i + 1 :]]
        return None
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "!"
    if isinstance(value, int):
        return value + 1
    return value + Decimal(1).scaleb(value.as_tuple().exponent) if isinstance(value, Decimal) else None


def is_exact(fact: Fact) -> bool:
    return fact.figures is None and not fact.explanation


def test_a_changed_number_is_noticed_wherever_something_is_recomputed(results: list[Result]) -> None:
    tried = 0
    for result in results:
        for key in ("given", "derived"):
            new = changed(getattr(result.fact, key))
            if result.value is not None and new is not None and is_exact(result.fact):
                tried += 1
                assert judge(replace(result.fact, **{key: new}), result.value)[0] is Verdict.UNEXPLAINED, (
                    result
                )
    assert tried > 300


def test_a_changed_formula_is_noticed(results: list[Result]) -> None:
    formulas = [r for r in results if r.fact.formula is not None]
    for result in formulas:
        old = result.fact.formula
        new = [f"{old[0]}+1", *old[1:]] if isinstance(old, list) else f"({old})*1.01+0.01"
        assert judge(replace(result.fact, formula=new), result.value)[0] is Verdict.UNEXPLAINED, (
            result.fact.id
        )
    assert len(formulas) > 40


def test_an_erratum_needs_its_reason_and_has_it_only_where_it_is_needed(results: list[Result]) -> None:
    for result in results:
        fact = result.fact
        if fact.explanation:
            silent = replace(fact, erratum="", convention="")
            assert judge(silent, result.value)[0] is Verdict.UNEXPLAINED, fact.id
        elif not fact.pending:
            excused = replace(fact, erratum="an excuse")
            assert judge(excused, result.value)[0] is Verdict.UNEXPLAINED, fact.id


def test_two_slides_that_come_apart_are_noticed(results: list[Result]) -> None:
    twice = [r.fact for r in results if r.fact.same_as and r.verdict is Verdict.STATED]
    assert len(twice) > 12
    for fact in twice:
        assert judge(replace(fact, given=fact.given * 2), None)[0] is Verdict.UNEXPLAINED, fact.id


def test_a_recomputation_that_breaks_leaves_its_facts_unexplained(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict:
        raise RuntimeError("no such layer")

    from coursekit.facts import recomputations

    group = next(g for g in GROUPS if "07" in g.topics)
    monkeypatch.setattr(recomputations, "GROUPS", (replace(group, function=broken, topics=("07",)),))
    results = {r.fact.id: r for r in recompute("07")}
    assert results["07-binary-ternary"].verdict is Verdict.UNEXPLAINED
    assert "no such layer" in results["07-binary-ternary"].reason


@pytest.mark.parametrize("returned", [{"07-no-such-fact": 1}, {"07-binary-ternary": True}])
def test_a_recomputation_of_nothing_or_of_the_same_again_is_refused(
    returned: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    from coursekit.facts import recomputations

    mine = [g for g in GROUPS if "07" in g.topics]
    monkeypatch.setattr(recomputations, "GROUPS", (*mine, replace(mine[0], function=lambda: returned)))
    with pytest.raises(RuntimeError, match="taken or unknown"):
        recompute("07")


def test_recomputing_leaves_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    recompute("07")
    assert torch.equal(torch.rand(3), expected)


# how it is told


def test_the_page_in_docs_is_up_to_date(results: list[Result]) -> None:
    page = (ROOT / "docs" / "lecture-facts.md").read_text(encoding="utf-8")
    assert page == to_markdown(results), "run python scripts/lecture_facts.py"


def test_every_row_of_the_page_has_as_many_cells_as_its_head(results: list[Result]) -> None:
    width = 0
    for line in to_markdown(results).splitlines():
        if line.startswith("|"):
            cells = len(re.findall(r"(?<!\\)\|", line))
            width = width or cells
            assert cells == width, line
        else:
            width = 0


def test_what_is_said_is_said_shortly_and_names_no_file(results: list[Result]) -> None:
    for result in results:
        fact = result.fact
        for text in (fact.says, fact.note, fact.explanation, fact.stated, fact.pending, result.how):
            assert len(text) <= 240, text
            assert not re.search(r"/work|/home|\.txt|jsonl|OCR|https?:", text), text
        assert fact.says.endswith("."), fact.says


def test_the_table_gives_the_reason_of_every_erratum(results: list[Result]) -> None:
    text = to_text(results)
    assert all(r.reason in text for r in results if r.verdict in (Verdict.ERRATUM, Verdict.CONVENTION))
    assert f"{len(results)} facts: " in text.splitlines()[-1]


def test_the_command_prints_facts_and_counts_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["facts", "--topic", "03", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counts"]["total"] == len(told["facts"]) == len(facts("03"))
    assert told["counts"]["unexplained"] == 0
    by_id = {fact["id"]: fact for fact in told["facts"]}
    assert by_id["03-googlenet-bn"]["verdict"] == "erratum"
    assert by_id["03-bn-scale-shift"]["value"]["settings"][0].keys() == {"xhat", "gamma", "beta", "eps"}


def test_the_command_fails_when_a_difference_is_unexplained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fact = Fact(id="02-a", kind="number", says="A.", source="slides 001, line 1", given=145)
    wrong = Result(fact, 149.5, "counted", *judge(fact, 149.5))
    monkeypatch.setattr(package, "recompute", lambda topic, progress: [wrong])
    assert cli.main(["facts"]) == 1
    captured = capsys.readouterr()
    assert "unexplained      02-a" in captured.out
    assert captured.err == "coursekit: 1 of the facts are unexplained, see the table\n"


def test_the_command_refuses_a_topic_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["facts", "--topic", "2"]) == 2
    assert capsys.readouterr().err.startswith("coursekit: there is no topic '2'; there are 00, 01")


def test_reading_the_facts_imports_no_torch() -> None:
    code = (
        "import sys; from coursekit.facts import facts; assert facts('01'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
