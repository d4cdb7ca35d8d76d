"""What a lecture needs when it is given live: sliders, predictions put to the room, timing.

Every helper also works where nobody watches (papermill, nbconvert, nbval): a slider becomes the figure for
its default values.
"""

from __future__ import annotations

import html
import inspect
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["explore", "is_live", "predict", "stopwatch"]


def is_live() -> bool:
    """Whether a person sits in front of this kernel.

    A front end with a person in front of it (JupyterLab, Notebook, VS Code, Colab) offers to answer
    `input()`; what executes notebooks unattended (nbclient, papermill, nbval) tells the kernel that it
    cannot. The environment variable COURSEKIT_LIVE, 0 or 1, overrules this.
    """
    forced = os.environ.get("COURSEKIT_LIVE")
    if forced in ("0", "1"):
        return forced == "1"
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False))


def explore(function: Callable[..., Any], *, alt: str | Callable[..., str] = "", **controls: Any) -> None:
    """Sliders for a function's arguments where someone can move them, else its figure for the defaults.

        def blurred(width=3):
            return viz.show_images([blur(photo, width)], titles=[f"width {width}"])

        explore(blurred, alt="The photograph, blurred by a box.", width=(1, 15, 2))

    Args:
        function: takes the controls as keyword arguments, each with a default; returns a Figure or Axes to
            show, or prints.
        alt: alternative text of the figure, or a function of the controls that returns it.
        **controls: as ipywidgets.interact takes them: `(low, high)` or `(low, high, step)` for a slider, a
            list for a menu, True or False for a box to tick.

    Raises:
        ValueError: when a control is no argument of the function or has no default there, or a figure has no
            alternative text.
    """
    defaults = _defaults(function, controls)

    def draw(**values: Any) -> None:
        from coursekit import viz

        drawing = function(**values)
        if drawing is not None:
            viz.show(drawing, alt=alt(**values) if callable(alt) else alt)

    widgets = _widgets() if is_live() else None
    if widgets is None:
        draw(**defaults)
        return
    from IPython.display import display

    # `interactive` reads the starting values off the signature of the function that it is given.
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
        for name, value in defaults.items()
    ]
    draw.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    panel = widgets.interactive(draw, **controls)
    for control in panel.children:
        if hasattr(control, "continuous_update"):
            control.continuous_update = False  # one figure when the slider is let go, not fifty on the way
    display(panel)


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


@contextmanager
def stopwatch(label: str) -> Iterator[None]:
    """Print how long a block takes under this label, the GPU's work included."""
    from coursekit.probe import synchronize

    synchronize()
    started = time.perf_counter()
    yield
    synchronize()
    print(f"{label}: {time.perf_counter() - started:.3g} s")


def _defaults(function: Callable[..., Any], controls: dict[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    for name in controls:
        if name not in parameters or parameters[name].default is inspect.Parameter.empty:
            raise ValueError(
                f"explore: {getattr(function, '__name__', 'the function')} needs an argument {name!r} "
                "with a default: it is what a reader without sliders sees"
            )
    return {name: parameters[name].default for name in controls}


def _widgets() -> Any:
    """ipywidgets, or None where it is not installed."""
    try:
        import ipywidgets
    except ImportError:
        return None
    return ipywidgets
