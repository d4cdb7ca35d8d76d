"""Questions put to the room before the cell that settles them."""

from __future__ import annotations

import html
from collections.abc import Sequence

__all__ = ["predict"]


def predict(question: str, choices: Sequence[str] = ()) -> None:
    """Put a question to the room before the cell that settles it; shows the choices, never the answer.

    Args:
        question: one sentence.
        choices: lettered A, B, C, ...; none for an open question.
    """
    from IPython.display import display

    letters = [chr(ord("A") + i) for i in range(len(choices))]
    items = "".join(
        f'<li style="margin:0.3em 0"><b>{letter}</b>&ensp;{html.escape(choice)}</li>'
        for letter, choice in zip(letters, choices, strict=True)
    )
    call = "Write down your answer, then run the next cell."
    card = (
        '<div role="group" aria-label="Prediction" style="border-left:0.4em solid #D55E00;'
        'padding:0.4em 1em;font-size:120%">'
        f"<div><b>Predict.</b> {html.escape(question)}</div>"
        f'<ul style="list-style:none;padding-left:0.5em">{items}</ul><div><i>{call}</i></div></div>'
    )
    lines = [f"Predict. {question}", *(f"  {a}  {b}" for a, b in zip(letters, choices, strict=True)), call]
    display({"text/html": card, "text/plain": "\n".join(lines)}, raw=True)
