"""Cells run in an IPython shell without a kernel: magics, rich output and pictures, at the price of a
function call.

The shell is made once, before the process forks; what a cell shows is collected as a notebook keeps it.
"""

import os
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

__all__ = ["Cell", "Outputs", "make_shell", "run_cell", "told"]

TEXT_KEPT, DATA_KEPT, ALL_KEPT = 100_000, 3_000_000, 30_000_000
"""Characters of output kept: printed in a cell, pictures and results of a cell, all of a notebook."""

ERROR_LINES, ERROR_LENGTH = 50, 5_000
"""Of a traceback: so many lines from either end, each cut to this length."""


@dataclass
class Outputs:
    """What the cells show, as a notebook's outputs; what is over the limits is counted and dropped."""

    items: list[dict[str, Any]] = field(default_factory=list)
    text: int = 0
    data: int = 0
    total: int = 0

    def begin(self) -> None:
        """A new cell begins."""
        self.items, self.text, self.data = [], 0, 0

    def write(self, name: str, text: str) -> None:
        """Printed text, of stdout or stderr."""
        room = min(TEXT_KEPT - self.text, ALL_KEPT - self.total)
        self.text += len(text)
        self.total += min(len(text), max(room, 0))
        if room <= 0 or not text:
            return
        text = text[:room]
        last = self.items[-1] if self.items else None
        if last is not None and last["output_type"] == "stream" and last["name"] == name:
            last["text"].append(text)
        else:
            self.items.append({"output_type": "stream", "name": name, "text": [text]})

    def show(self, kind: str, data: dict[str, Any], metadata: dict[str, Any], **more: Any) -> None:
        """A picture, a table, the value of an expression."""
        size = sum(len(str(value)) for value in data.values())
        if self.data + size > DATA_KEPT or self.total + size > ALL_KEPT:
            return
        self.data += size
        self.total += size
        self.items.append({"output_type": kind, "data": data, "metadata": metadata, **more})

    def take(self) -> list[dict[str, Any]]:
        """The outputs of this cell."""
        for item in self.items:
            if item["output_type"] == "stream":
                item["text"] = "".join(item["text"])
        return self.items


@dataclass(frozen=True)
class Cell:
    """How a cell ended: outputs, name and message of its exception, value of its last expression."""

    outputs: list[dict[str, Any]]
    error: tuple[str, str] | None
    exception: BaseException | None
    value: Any
    seconds: float


class _Stream:
    """stdout or stderr of the cells."""

    encoding, errors, newlines = "utf-8", "replace", None

    def __init__(self, outputs: Outputs, name: str) -> None:
        self.outputs, self.name = outputs, name

    def write(self, text: str) -> int:
        self.outputs.write(self.name, str(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return {"stdout": 1, "stderr": 2}[self.name]

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    closed = False


class _Publisher(DisplayPublisher):
    outputs: Outputs

    def publish(
        self, data: Any, metadata: Any = None, *, transient: Any = None, update: bool = False, **_: Any
    ) -> None:
        if not update:
            self.outputs.show("display_data", _jsonable(data), _jsonable(metadata or {}))

    def clear_output(self, wait: bool = False) -> None:
        self.outputs.items = []


class _Hook(DisplayHook):
    outputs: Outputs

    def start_displayhook(self) -> None:
        pass

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        count = self.prompt_count
        self.outputs.show(
            "execute_result", _jsonable(format_dict), _jsonable(md_dict or {}), execution_count=count
        )

    def finish_displayhook(self) -> None:
        pass

    def quiet(self) -> bool:
        return bool(super().quiet())


class _Shell(InteractiveShell):
    """IPython's shell for a process without a terminal: errors are told by `run_cell`, windows never open."""

    def enable_gui(self, gui: str | None = None) -> None:
        pass

    def showtraceback(self, *args: Any, **kwargs: Any) -> None:
        pass

    def showsyntaxerror(self, *args: Any, **kwargs: Any) -> None:
        pass

    def showindentationerror(self) -> None:
        pass

    def ask_exit(self) -> None:
        pass

    def _format_exception_for_storage(self, *args: Any, **kwargs: Any) -> None:
        """A traceback takes 20 ms: `run_cell` tells it, once, and no history that nobody reads."""


def make_shell() -> InteractiveShell:
    """The process's one shell; `get_ipython()` gives it, as in a kernel."""
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    settings = Config()
    settings.HistoryManager.enabled = False
    settings.InteractiveShell.colors = "nocolor"
    settings.InteractiveShell.xmode = "Context"
    InteractiveShell.clear_instance()
    shell = _Shell.instance(config=settings, displayhook_class=_Hook, display_pub_class=_Publisher)
    shell.system = shell.system_piped
    return shell


def attach(shell: InteractiveShell) -> Outputs:
    """Send all that cells show to one collector."""
    outputs = Outputs()
    shell.display_pub.outputs = outputs
    shell.displayhook.outputs = outputs
    sys.stdout, sys.stderr = _Stream(outputs, "stdout"), _Stream(outputs, "stderr")
    return outputs


def run_cell(
    shell: InteractiveShell, outputs: Outputs, source: str, *, run: Callable[..., Any] | None = None
) -> Cell:
    """Run one cell. Whatever happens in it is in the result."""
    outputs.begin()
    start = time.perf_counter()
    result = (run or shell.run_cell)(source, store_history=True, silent=False)
    seconds = time.perf_counter() - start
    exception = result.error_before_exec or result.error_in_exec
    error = None
    shown = outputs.take()
    if exception is not None:
        error = (type(exception).__name__[:200], _message(exception)[:ERROR_LENGTH])
        shown.append(
            {
                "output_type": "error",
                "ename": error[0],
                "evalue": error[1],
                "traceback": told(shell, exception),
            }
        )
    return Cell(shown, error, exception, result.result, seconds)


def _message(exception: BaseException) -> str:
    try:
        return str(exception)
    except Exception as error:
        return f"(its message cannot be read: {type(error).__name__})"


def told(shell: InteractiveShell, exception: BaseException) -> list[str]:
    """An exception as a notebook shows it: the lines of its traceback, capped."""
    try:
        handler = shell.SyntaxTB if isinstance(exception, SyntaxError) else shell.InteractiveTB
        lines = handler.structured_traceback(type(exception), exception, _below_the_shell(exception))
    except Exception:
        lines = [f"{type(exception).__name__}: {_message(exception)}"]
    lines = "\n".join(map(str, lines)).split("\n")
    if len(lines) > 2 * ERROR_LINES:
        lines = [*lines[:ERROR_LINES], "...", *lines[-ERROR_LINES:]]
    return [line[:ERROR_LENGTH] for line in lines]


def _below_the_shell(exception: BaseException) -> types.TracebackType | None:
    """Its traceback from the first frame that is not IPython's; for each IPython searches all modules."""
    trace = exception.__traceback__
    while (
        trace is not None
        and trace.tb_next
        and str(trace.tb_frame.f_globals.get("__name__")).startswith("IPython.")
    ):
        trace = trace.tb_next
    return trace


def _jsonable(data: Any) -> dict[str, Any]:
    """A bundle of MIME types as a notebook keeps it: bytes become base64."""
    from base64 import b64encode

    return {
        str(key): b64encode(value).decode() if isinstance(value, bytes) else value
        for key, value in dict(data).items()
    }
