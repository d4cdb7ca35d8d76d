"""Sliders for a demonstration, where somebody sits who can move them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from coursekit.frontend import is_live

__all__ = ["explore"]


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
