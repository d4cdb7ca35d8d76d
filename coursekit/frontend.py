"""What stands before this kernel: a front end with a person, or a program that runs notebooks."""

from __future__ import annotations

import os

__all__ = ["is_live"]


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
