"""What a notebook calls: ``check``, ``hint`` and ``progress``."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from coursekit.check import store, topics
from coursekit.check.card import bundle, make_card
from coursekit.check.card_html import STYLE, card_html
from coursekit.check.cases import Exercise
from coursekit.check.diagnose import diagnose
from coursekit.check.fingerprints import load
from coursekit.check.run import run
from coursekit.check.show import show
from coursekit.check.values import type_name
from coursekit.errors import CheckError

_hints_shown: dict[str, int] = {}


def check(exercise_id: str, *functions: Callable[..., Any]) -> float:
    """Try functions on the public cases of an exercise and show a card with what is right, wrong and why.

    Parameters: the exercise's id, such as ``"conv2d"``, and the functions that it asks for, in order.
    Returns the fraction of cases passed, from 0 to 1. Raises ``CheckError``, in one sentence, when there is
    no such exercise or the functions are not those that it asks for.

    Example: ``check("conv2d", conv2d);``
    """
    topic, exercise = topics.find(exercise_id)
    _demand_functions(exercise, functions)
    outcomes = run(exercise, functions)
    diagnoses = diagnose(outcomes, load(topic).get(exercise.id, ()))
    fraction = sum(outcome.passed for outcome in outcomes) / len(outcomes) if outcomes else 1.0
    warning = store.current().add(exercise.id, store.Entry(best=fraction, attempts=1))
    card = make_card(exercise, outcomes, diagnoses, warning)
    show(dict(bundle(card, card_html(card))))
    return fraction


def hint(exercise_id: str, level: int | None = None) -> None:
    """Show a hint for an exercise: the next one at every call, or that of ``level``, counted from 1.

    Raises ``CheckError`` when there is no such exercise or level.

    Example: ``hint("conv2d")``.
    """
    _, exercise = topics.find(exercise_id)
    count = len(exercise.hints)
    if not count:
        raise CheckError(f"There are no hints for {exercise.id}.")
    if level is None:
        level = min(_hints_shown.get(exercise.id, 0) + 1, count)
    if type(level) is not int or not 1 <= level <= count:
        raise CheckError(f"Hints for {exercise.id} have levels 1 to {count}; {level!r} is none of them.")
    _hints_shown[exercise.id] = level
    warning = store.current().add(exercise.id, store.Entry(hints=level))
    more = f'`hint("{exercise.id}")` again gives the next.' if level < count else "That was the last one."
    text = exercise.hints[level - 1]
    tail = "\n\n".join(filter(None, [more, warning]))
    title = f"Hint {level} of {count} for {exercise.id}"
    show(
        {
            "text/markdown": f"**{title}.** {text}\n\n{tail}",
            "text/plain": f"{title}. {text}\n{tail}".replace("`", ""),
        }
    )


def progress() -> None:
    """Show, for each exercise, the best result so far, the number of checks, and the hints used."""
    entries, warning = store.current().entries()
    rows = []
    for topic in topics.MODULES:
        for exercise in topics.exercises(topic):
            entry = entries.get(exercise.id, store.Entry())
            passed = f"{entry.best:.0%}" if entry.attempts else "not tried"
            rows.append(
                (topic, exercise.id, passed, str(entry.attempts), f"{entry.hints} of {len(exercise.hints)}")
            )
    header = ("topic", "exercise", "best", "checks", "hints")
    show({"text/html": _table_html(header, rows, warning), "text/plain": _table_text(header, rows, warning)})


def _demand_functions(exercise: Exercise, functions: Sequence[object]) -> None:
    usage = f"check({', '.join([repr(exercise.id), *exercise.functions])})".replace("'", '"')
    if len(functions) != len(exercise.functions):
        wanted = " and ".join(exercise.functions)
        count = len(functions)
        got = "no function" if not count else "one function" if count == 1 else f"{count} functions"
        raise CheckError(f"Exercise {exercise.id} checks {wanted}, but {got} came: call {usage}.")
    for name, function in zip(exercise.functions, functions, strict=True):
        if not callable(function):
            raise CheckError(
                f"{name} should be a function, but an object of type {type_name(function)} came: "
                f"call {usage}, without calling the function itself."
            )


def _table_text(header: Sequence[str], rows: Sequence[Sequence[str]], warning: str) -> str:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (header, *rows)]
    return "\n".join([*lines, *filter(None, [warning])])


def _table_html(header: Sequence[str], rows: Sequence[Sequence[str]], warning: str) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(
        f"<tr><td>{escape(topic)}</td><th scope='row'><code>{escape(exercise)}</code></th>"
        + "".join(f"<td>{escape(text)}</td>" for text in rest)
        + "</tr>"
        for topic, exercise, *rest in rows
    )
    note = f"<p>{escape(warning)}</p>" if warning else ""
    return (
        f'<section class="ck ck-right" role="group" aria-label="Progress"><style>{STYLE}</style>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}</section>"
    )
