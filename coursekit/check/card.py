"""The card that a check shows: what it says, as data, and as plain text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from coursekit.check.cases import Exercise
from coursekit.check.compare import Kind, Mismatch, describe, differing, dtype_name
from coursekit.check.diagnose import Diagnosis
from coursekit.check.grids import Grid, all_prefixes, draw, draw_pair, number
from coursekit.check.run import Outcome, call_text, is_literal, is_spelled_out
from coursekit.check.values import Opaque, safe_text

MIME = "application/vnd.coursekit.check+json"
MOST_DRAWN = 160
"""An argument with more numbers than this is described by its shape and dtype alone."""


@dataclass(frozen=True)
class Shown:
    """An argument or a result on the card: a name, a description, and a drawing where it is small."""

    name: str
    description: str
    grids: tuple[Grid, ...] = ()
    text: str = ""
    """In place of grids, for what is no tensor."""
    omitted: int = 0
    """2-D slices that are not among the grids."""

    @property
    def rest(self) -> str:
        """``"and 2 more like these"``, or nothing when every slice is drawn."""
        return (
            f"and {self.omitted} more like {'this' if len(self.grids) == 1 else 'these'}"
            if self.omitted
            else ""
        )


@dataclass(frozen=True)
class Detail:
    """The first failing case, taken apart."""

    case: str
    call: str
    sentence: str
    arguments: tuple[Shown, ...]
    expected: Shown | None
    got: Shown | None
    facts: tuple[tuple[str, str], ...]
    """Labelled lines: first difference, largest difference, line of the exception."""

    source: str = ""
    """The student's line that an exception came from."""


@dataclass(frozen=True)
class Card:
    """Everything that a card says."""

    exercise: str
    outcomes: tuple[Outcome, ...]
    diagnoses: tuple[Diagnosis, ...]
    detail: Detail | None
    footer: tuple[str, ...]

    @property
    def passed(self) -> int:
        """How many cases passed."""
        return sum(outcome.passed for outcome in self.outcomes)

    @property
    def total(self) -> int:
        """How many cases there are."""
        return len(self.outcomes)

    @property
    def fraction(self) -> float:
        """Passed of total; 1.0 for an exercise without cases."""
        return self.passed / self.total if self.total else 1.0

    @property
    def title(self) -> str:
        """``"conv2d: 5 of 7 cases passed"``."""
        return f"{self.exercise}: {self.passed} of {self.total} cases passed"

    def record(self) -> dict[str, Any]:
        """What a program reads from the notebook: counts, names of diagnoses, groups of forbidden calls."""
        groups = {violation.group for outcome in self.outcomes for violation in outcome.violations}
        return {
            "exercise": self.exercise,
            "passed": self.passed,
            "total": self.total,
            "fraction": round(self.fraction, 3),
            "diagnosis": [diagnosis.name for diagnosis in self.diagnoses],
            "says": [diagnosis.says for diagnosis in self.diagnoses],
            "forbidden": sorted(groups),
        }


def make_card(
    exercise: Exercise, outcomes: Sequence[Outcome], diagnoses: Sequence[Diagnosis], warning: str = ""
) -> Card:
    """Put a card together; ``warning`` is a sentence about the record of progress."""
    failing = next((outcome for outcome in outcomes if not outcome.passed), None)
    if failing is None:
        footer = ["All public cases pass. The hidden tests try other inputs."]
    elif exercise.hints:
        count = "one" if len(exercise.hints) == 1 else str(len(exercise.hints))
        footer = [
            f'Stuck? `hint("{exercise.id}")` gives a hint; there {"is" if count == "one" else "are"} {count}.'
        ]
    else:
        footer = []
    detail = take_apart(failing) if failing is not None else None
    return Card(
        exercise.id, tuple(outcomes), tuple(diagnoses), detail, tuple(filter(None, [*footer, warning]))
    )


def take_apart(outcome: Outcome) -> Detail:
    """A failing outcome with its arguments, both values and where they differ."""
    arguments = tuple(
        show_value(argument.name, argument.value)
        for argument in outcome.arguments
        if not is_spelled_out(argument) and outcome.kind is not Kind.FORBIDDEN
    )
    expected, got = _both(outcome)
    failure = outcome.failure
    facts = list(_facts(outcome.mismatch)) if outcome.mismatch else []
    if failure and failure.line is not None:
        facts.append(("where", f"line {failure.line} of the cell, in {failure.function}"))
    source = failure.source if failure else ""
    return Detail(
        outcome.case.name,
        call_text(outcome),
        outcome.sentence,
        arguments,
        expected,
        got,
        tuple(facts),
        source,
    )


def show_value(name: str, value: object) -> Shown:
    """A plain value by itself."""
    if isinstance(value, Tensor):
        return _shown_tensor(name, value, draw(value) if value.numel() <= MOST_DRAWN else ())
    if isinstance(value, Opaque):
        return Shown(name, describe(value))
    return Shown(name, describe(value), text=safe_text(_readable(value)))


def _shown_tensor(name: str, value: Tensor, grids: tuple[Grid, ...]) -> Shown:
    omitted = len(all_prefixes(value)) - len(grids) if grids else 0
    return Shown(name, _tensor_line(value), grids, omitted=omitted)


def _both(outcome: Outcome) -> tuple[Shown | None, Shown | None]:
    """Expected and got side by side, at the place where they differ first."""
    mismatch = outcome.mismatch
    if mismatch is None:
        if outcome.kind is Kind.DID_NOT_RAISE:
            wanted = outcome.case.raises.__name__ if outcome.case.raises else ""
            return Shown("expected", f"{wanted} is raised"), show_value("got", outcome.got)
        return None, None
    if mismatch.where.startswith("result") and is_literal(outcome.expected) and is_literal(outcome.got):
        return show_value("expected", outcome.expected), show_value("got", outcome.got)
    expected, got = mismatch.expected, mismatch.got
    if isinstance(expected, Tensor) and isinstance(got, Tensor) and mismatch.index is not None:
        pairs = draw_pair(expected, got, differing(expected, got))
        return (
            _shown_tensor("expected", expected, tuple(pair[0] for pair in pairs)),
            _shown_tensor("got", got, tuple(pair[1] for pair in pairs)),
        )
    return show_value("expected", expected), show_value("got", got)


def _facts(mismatch: Mismatch) -> list[tuple[str, str]]:
    facts = []
    if mismatch.place:
        facts.append(("in", mismatch.where))
    expected, got, index = mismatch.expected, mismatch.got, mismatch.index
    if isinstance(expected, Tensor) and isinstance(got, Tensor) and index is not None:
        a, b = expected[index].item(), got[index].item()
        place = f"at [{', '.join(map(str, index))}]: " if index else ""
        facts.append(("first difference", f"{place}expected {number(a, 7)}, got {number(b, 7)}"))
    if mismatch.largest is not None:
        facts.append(("largest difference", number(mismatch.largest)))
    return facts


def _tensor_line(tensor: Tensor) -> str:
    device = "" if tensor.device.type == "cpu" else f" on {tensor.device}"
    return f"{dtype_name(tensor)} {tuple(tensor.shape)}{device}"


def _readable(value: object) -> object:
    """Containers with their tensors described in place of torch's own, longer print."""
    if isinstance(value, Tensor):
        return _Words(_tensor_line(value))
    if isinstance(value, Opaque):
        return _Words(value.type)
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_readable(item) for item in value)
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    return value if isinstance(value, str | int | float | complex | type(None)) else _Words(safe_text(value))


class _Words(str):
    """Words that stand in a container without quotation marks."""

    __slots__ = ()
    __repr__ = str.__str__


# ---- plain text -------------------------------------------------------------------------------------------


def card_text(card: Card) -> str:
    """The card for a terminal."""
    width = max((len(outcome.case.name) for outcome in card.outcomes), default=0)
    lines = [card.title, ""]
    for outcome in card.outcomes:
        sign = "  ok  " if outcome.passed else "  FAIL"
        words = "" if outcome.passed else f"  {outcome.kind}: {one_line(outcome.sentence)}"
        lines.append(f"{sign}  {outcome.case.name:<{width}}{words}".rstrip())
    if card.diagnoses:
        lines += ["", heading(card.diagnoses), *(f"  {diagnosis.says}" for diagnosis in card.diagnoses)]
    if card.detail is not None:
        lines += ["", *_detail_text(card.detail)]
    if card.footer:
        lines += ["", *(line.replace("`", "") for line in card.footer)]
    return "\n".join(lines)


def heading(diagnoses: Sequence[Diagnosis]) -> str:
    """What stands above the diagnoses."""
    if not all(diagnosis.certain for diagnosis in diagnoses):
        return (
            "Likely reason:" if len(diagnoses) == 1 else "Likely reasons; the failing cases fit each of them:"
        )
    return "Diagnosis:" if len(diagnoses) == 1 else "Diagnosis, each of these gives your output:"


def one_line(sentence: str, limit: int = 160) -> str:
    """A sentence on one line, cut to a length that keeps a table a table."""
    text = " ".join(sentence.split())
    return text if len(text) <= limit else text[: limit - 4] + " ..."


def _detail_text(detail: Detail) -> list[str]:
    lines = [f"Case {detail.case!r}: {detail.call}"]
    for argument in detail.arguments:
        lines += _shown_text(argument)
    for shown in (detail.expected, detail.got):
        lines += _shown_text(shown) if shown is not None else []
    lines += [f"  {label}: {text}" for label, text in detail.facts]
    if detail.source:
        lines.append(f"    {detail.source}")
    return lines


def _shown_text(shown: Shown) -> list[str]:
    lines = [f"  {shown.name}: {shown.text or shown.description}"]
    for grid in shown.grids:
        width = max(len(cell.text) for row in grid.rows for cell in row) + 1
        if grid.caption:
            lines.append(f"    {grid.caption}")
        for row in grid.rows:
            cells = (f"{cell.text:>{width}}{'*' if cell.differs else ' '}" for cell in row)
            lines.append("    " + "".join(cells).rstrip())
    return [*lines, f"    {shown.rest}"] if shown.rest else lines


def bundle(card: Card, html: str) -> Mapping[str, Any]:
    """The MIME bundle of a card."""
    return {"text/html": html, "text/plain": card_text(card), MIME: card.record()}
