"""What several kinds of tests share: how much is tried, the built course, and what is measured."""

import gc
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers import ROOT, run_tool

# No example may fail for being slow: that is the machine's doing as often as the code's.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# What a shell runs in its background is deaf to Ctrl-C, and so would be all that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--exhaustive",
        action="store_true",
        help="try every network, not one of each family, and ten times as many broken notebooks",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep the garbage collector off what was imported: a full look through it takes half a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def course(tmp_path_factory) -> Path:
    """A copy of the course, generated from its masters: nothing in the checkout is written."""
    root = tmp_path_factory.mktemp("course")
    for name in ("solutions", "notebooks"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_*"))
    for name in ("course.toml", "README.md"):
        shutil.copy(ROOT / name, root)
    shutil.copytree(
        ROOT / "coursekit", root / "coursekit", ignore=shutil.ignore_patterns("__pycache__", "assets")
    )
    built = run_tool("grading", "build", cwd=root)
    assert built.returncode == 0, built.stdout + built.stderr
    return root


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests recorded, shown at the end: ``measured`` lines as they are, each ``tally`` counted."""
    measured: list[str] = []
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in report.user_properties:
                if name == "measured":
                    measured.append(value)
                elif name == "tally":
                    total[value] += 1
                    passed[value] += outcome == "passed"
    if measured or total:
        terminalreporter.section("measured")
        for line in [*measured, *(f"{label}: {passed[label]} of {total[label]}" for label in total)]:
            terminalreporter.line(line)
