"""Results that took longer than a lecture has, stored beside the code that repeats them.

Each file of `measured/` is JSON with three parts: `setting`, how large the experiment was;
`source`, when, on what and by which command; and what was measured.
"""

from __future__ import annotations

import json
import os
import platform
from datetime import date
from pathlib import Path
from typing import Any

__all__ = ["names", "provenance", "read", "source", "write"]

FOLDER = Path(__file__).parent / "measured"


def names() -> tuple[str, ...]:
    """What is stored, sorted."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.json")))


def read(name: str) -> dict[str, Any]:
    """A stored result: its `setting`, its `source` and what was measured, as plain lists and dictionaries.

    Args:
        name: one of `names()`.

    Raises:
        ValueError: for a name that nothing is stored under, with those there are.
    """
    if name not in names():
        raise ValueError(f"nothing is stored as {name!r}; there is {', '.join(names())}")
    result: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return result


def write(name: str, result: dict[str, Any]) -> Path:
    """Store a result, one entry of a long list a line, floats of five digits; returns the file.

    Args:
        name: of the file, without its ending.
        result: `setting`, `source` and what was measured.

    Raises:
        ValueError: when setting or source is missing.
    """
    if missing := {"setting", "source"} - set(result):
        raise ValueError(
            f"{name} lacks {', '.join(sorted(missing))}: a number without them cannot be repeated"
        )
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    parts = [f" {json.dumps(key)}: {_lines(_rounded(value))}" for key, value in result.items()]
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    return path


def source(command: str) -> dict[str, str]:
    """When, on what and with what this process measures.

    Args:
        command: that repeats the measurement, from the repository's root.
    """
    import torch

    cuda = torch.cuda.is_available()
    return {
        "command": command,
        "date": date.today().isoformat(),
        "hardware": torch.cuda.get_device_name() if cuda else f"{_processor()}, {os.cpu_count()} cores",
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def provenance(result: dict[str, Any] | Any) -> str:
    """One line for under a figure: when, on what and by which command a stored result was measured.

    Args:
        result: what `read` returns, or anything else with such a `source`.
    """
    s = result["source"] if isinstance(result, dict) else result.source
    return (
        f"stored result: {s['date']}, {s['hardware']}, {s['threads']} thread(s), torch {s['torch']}; "
        f"repeat it with `{s['command']}`"
    )


def _processor() -> str:
    """The processor's name, as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _lines(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict | list):
        return "[\n" + ",\n".join("  " + json.dumps(part, ensure_ascii=False) for part in value) + "\n ]"
    return json.dumps(value, ensure_ascii=False)


def _rounded(value: Any) -> Any:
    """Floats to five digits: more is noise, and longer to read."""
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
