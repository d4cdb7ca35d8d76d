"""The table of facts: for a terminal, for a page, for a program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .fact import Fact, stated_value
from .fact import fact as of
from .formula import Samples
from .run import Result
from .verdict import Verdict

__all__ = ["counts", "to_json", "to_markdown", "to_text"]

TITLES = {
    "00": "The course and its history",
    "01": "Convolution",
    "02": "Counting parameters, memory and operations",
    "03": "Normalization",
    "04": "The ImageNet networks, AlexNet to ResNet",
    "05": "Efficient networks",
    "06": "Transfer",
    "07": "Compression and adaptive inference",
    "08": "Attention and the Vision Transformer",
    "09": "Beyond classification",
}
MEANINGS = {
    Verdict.MATCH: "recomputed, the same",
    Verdict.ROUNDS: "recomputed, the same to the printed digits, half up unless something else is said",
    Verdict.CONVENTION: "both are right: another way of counting, another variant, another test",
    Verdict.ERRATUM: "the slides are wrong; what is right, and why, is said",
    Verdict.DERIVED: "the slides leave the value open; counted here",
    Verdict.STATED: "what others measured or decided; held against other slides where those say it too",
    Verdict.PENDING: "waits for a part of the course that is not written",
    Verdict.UNEXPLAINED: "an error: of the data, of the recomputation, or of the slides",
}
# What a reader has to look at comes first.
LOUD = (Verdict.UNEXPLAINED, Verdict.ERRATUM, Verdict.CONVENTION, Verdict.PENDING)


def counts(results: Sequence[Result]) -> dict[str, int]:
    """How many facts there are, and how many came out in each way."""
    found = Counter(result.verdict for result in results)
    return {"total": len(results)} | {verdict.value: found[verdict] for verdict in Verdict}


def to_text(results: Sequence[Result]) -> str:
    """The table for a terminal: one line a fact, reasons below those that need one, then the counts."""
    lines = []
    for result in results:
        fact = result.fact
        given = words(claimed(result))
        line = f"{result.verdict.value:16} {fact.id:40} {_cut(given, 30):30}"
        if recomputed := _recomputed(result):
            line += f" {_cut(recomputed, 40)}"
        lines.append(line.rstrip())
        if result.verdict in LOUD:
            lines.append(f"{'':17}{fact.source}: {fact.says}")
            lines.append(f"{'':17}{result.reason}")
    lines.append(_sum(results))
    return "\n".join(lines)


def to_json(results: Sequence[Result]) -> dict[str, Any]:
    """Counts and facts as plain data; numbers keep their digits."""
    rows = []
    for result in results:
        row = {key: plain(value) for key, value in asdict(result.fact).items() if value not in (None, "")}
        row |= {"topic": result.fact.topic, "verdict": result.verdict.value}
        row |= {"value": plain(result.value), "how": result.how, "reason": result.reason}
        rows.append(row)
    return {"counts": counts(results), "facts": rows}


def to_markdown(results: Sequence[Result]) -> str:
    """The page `docs/lecture-facts.md`."""
    lines = [
        "# Facts of the lectures",
        "",
        "Written by `python scripts/lecture_facts.py`; do not edit. `coursekit facts` prints the same table.",
        "",
        "Every number, formula, table and architecture that the slides state, recomputed from the networks",
        "and layers of the course where a computation settles it. The slide documents are called 000 to 004;",
        "behind the colon stands the line of their text.",
        "",
        "| verdict | facts | meaning |",
        "| --- | ---: | --- |",
    ]
    number = counts(results)
    lines += [f"| {v.value} | {number[v.value]} | {meaning} |" for v, meaning in MEANINGS.items()]
    lines += [f"| total | {len(results)} | |", ""]
    lines += _section(
        "Where the slides differ",
        "What to say in front of the slide: the number on it, the right one, and why.",
        [r for r in results if r.verdict in (Verdict.ERRATUM, Verdict.CONVENTION, Verdict.UNEXPLAINED)],
    )
    for topic, title in TITLES.items():
        mine = [r for r in results if r.fact.topic == topic]
        if mine:
            lines += _section(f"{topic} {title}", "", mine)
    hows: dict[str, list[str]] = {}
    for result in results:
        if result.how:
            hows.setdefault(result.how, []).append(result.fact.id)
    lines += ["## How", "", "| recomputed from | facts |", "| --- | --- |"]
    lines += [f"| {_cell(how)} | {_cell(', '.join(ids))} |" for how, ids in hows.items()]
    return "\n".join(lines) + "\n"


def _section(title: str, text: str, results: Sequence[Result]) -> list[str]:
    lines = [f"## {title}", ""] + ([text, ""] if text else [])
    lines += [
        "| fact | slides | say | given | recomputed | verdict |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for result in results:
        fact = result.fact
        reason = result.reason if result.verdict in LOUD else _rounding(fact)
        remarks = ": ".join(part for part in (result.verdict.value, reason) if part)
        says = f"{fact.says} *{fact.note}*" if fact.note else fact.says
        cells = (
            f"`{fact.id}`",
            _place(fact),
            says,
            _claim(result),
            _recomputed(result),
            remarks,
        )
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return [*lines, ""]


def _rounding(fact: Fact) -> str:
    how = ["cut"] if fact.rounding == "cut" else []
    if fact.figures is not None:
        how.append(f"to {fact.figures} figure" + ("s" if fact.figures > 1 else ""))
    return ", ".join(how)


def _recomputed(result: Result) -> str:
    """What is held against the slides: a computed value, one looked up, or that of another slide."""
    fact = result.fact
    if result.value is not None or fact.right is not None:
        return words(fact.right if result.value is None else result.value)
    return (
        f"{words(stated_value(fact.same_as))} on slides {_place(of(fact.same_as.partition('.')[0]))}"
        if fact.same_as
        else ""
    )


def _place(fact: Fact) -> str:
    return fact.source.removeprefix("slides ").replace(", line ", ":")


def claimed(result: Result) -> Any:
    """What the slides have: a value, a formula, or nothing."""
    fact = result.fact
    return fact.formula if fact.formula is not None else fact.given


def words(value: Any) -> str:
    """A value for a reader."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Samples():
            return f"holds at {len(value.settings)} settings"
        case int():
            return f"{value:,}" if abs(value) >= 10_000 else str(value)
        case Decimal():
            return str(value)
        case float() | Fraction():
            return _digits(float(value))
        case str():
            return value
    return "[" + ", ".join(words(part) for part in value) + "]"


def plain(value: Any) -> Any:
    """A value for `json`."""
    match value:
        case Samples():
            settings = [{k: plain(v) for k, v in setting.items()} for setting in value.settings]
            return {"settings": settings, "measured": [plain(v) for v in value.measured]}
        case Decimal() | Fraction():
            return float(value)
        case list() | tuple():
            return [plain(part) for part in value]
    return value


def _digits(number: float) -> str:
    if number == int(number):
        return words(int(number))
    return f"{number:,.3f}" if abs(number) >= 1000 else f"{number:.6g}"


def _claim(result: Result) -> str:
    fact = result.fact
    if fact.formula is not None:
        formulas = fact.formula if isinstance(fact.formula, list) else [fact.formula]
        return ", ".join(f"`{formula}`" for formula in formulas)
    text = words(fact.given)
    return f"{text}{'' if fact.unit == '%' else ' '}{fact.unit}".strip() if text else ""


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _sum(results: Sequence[Result]) -> str:
    number = counts(results)
    twice = sum(bool(result.fact.same_as) for result in results if result.verdict is Verdict.STATED)
    parts = [
        f"{number[v.value]} {v.value}"
        + (f" ({twice} on two slides that agree)" if v is Verdict.STATED else "")
        for v in Verdict
    ]
    return f"{number['total']} facts: {', '.join(parts)}"
