"""Showing something in a notebook, or printing it where there is none."""

import sys
from typing import Any


def show(bundle: dict[str, Any]) -> None:
    """Display a MIME bundle under IPython; elsewhere print its ``text/plain``."""
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        ipython.display.display(bundle, raw=True)
    else:
        print(_printable(bundle["text/plain"]))


def _printable(text: str) -> str:
    """The text with what the terminal's encoding lacks replaced, rather than an exception."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, errors="replace").decode(encoding)
