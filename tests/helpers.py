"""Names that tests and their fixtures share."""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from grading.course.masters import read_master

ROOT = Path(__file__).resolve().parent.parent
TOPICS = sorted(path.parent.name for path in (ROOT / "solutions").glob("*/lecture.py"))
ASSIGNMENTS = sorted(path.parent.name for path in (ROOT / "solutions").glob("*/assignment.py"))


@dataclass(frozen=True, kw_only=True)
class Promises:
    """What a topic promises in its master's header, and what tests hold it to.

    Attributes:
        points: by hidden tests.
        misconceptions: so many wrong answers, at least.
        alternatives: so many right answers in another style, at least.
        told_by_hidden_tests_only: wrong answers that are right on every public case, `"exercise/name"`.
        browser: the exercises that a student tries in JupyterLab.
        run_again: honest hand-ins whose scores are compared with those of another run.
        habit_places: where a habit has to stand because elsewhere it would be a mistake.
        lecture: what the lecture has at least: sections, figures, kept outputs, predictions, demos.
    """

    points: int = 0
    misconceptions: int = 0
    alternatives: int = 0
    told_by_hidden_tests_only: tuple[str, ...] = ()
    browser: tuple[str, ...] = ()
    run_again: tuple[str, ...] = ("habits-0",)
    habit_places: Mapping[str, str] = field(default_factory=dict)
    lecture: Mapping[str, int] = field(default_factory=dict)


@cache
def promises_of(topic: str) -> Promises:
    """The promises of a topic, from the header of its assignment; of its lecture where that is all it has."""
    name = "assignment.py" if topic in ASSIGNMENTS else "lecture.py"
    header = read_master(ROOT / "solutions" / topic / name).header
    return Promises(**(header.promises if header else {}))


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
