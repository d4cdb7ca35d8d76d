"""Names that tests and their fixtures share."""

import ast
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOPICS = sorted(path.parent.name for path in (ROOT / "solutions").glob("*/lecture.py"))


def run_tool(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command of this environment, run as a person would; its output as text."""
    tool = Path(sys.executable).with_name(words[0])
    return subprocess.run(
        [tool, *words[1:]], cwd=cwd, env={**os.environ, **environment}, text=True, capture_output=True
    )


def imported(path: Path) -> set[str]:
    """Top-level names of all modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(str(node.module).partition(".")[0])
    return names
