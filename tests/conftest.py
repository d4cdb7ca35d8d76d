"""What several kinds of tests share: the built course, and the table of notebook times."""

import shutil
from pathlib import Path

import pytest

from tests.helpers import ROOT, notebook_times, run_tool


@pytest.fixture(scope="session")
def course(tmp_path_factory) -> Path:
    """A copy of the course, generated from its masters: nothing in the checkout is written."""
    root = tmp_path_factory.mktemp("course")
    for name in ("solutions", "notebooks"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_*"))
    shutil.copy(ROOT / "course.toml", root)
    shutil.copytree(
        ROOT / "coursekit", root / "coursekit", ignore=shutil.ignore_patterns("__pycache__", "assets")
    )
    built = run_tool("grading", "build", cwd=root)
    assert built.returncode == 0, built.stdout + built.stderr
    return root


def pytest_configure(config: pytest.Config) -> None:
    config.stash[notebook_times] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    times = config.stash[notebook_times]
    if times:
        terminalreporter.section("notebooks, budget=ci")
        for name, total, slowest in times:
            terminalreporter.line(f"{name:45s} {total:6.1f} s in all, slowest cell {slowest:5.1f} s")
