"""The made-up topic in place of the course's, and a home of its own for every test."""

from pathlib import Path

import pytest

from coursekit.check import commands, fingerprints, topics
from tests.check import made_up


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("COURSEKIT_HOME", str(folder))
    monkeypatch.setattr(topics, "MODULES", {made_up.TOPIC: "tests.check.made_up"})
    monkeypatch.setattr(fingerprints, "FOLDER", tmp_path / "fingerprints")
    monkeypatch.setattr(commands, "_hints_shown", {})
    fingerprints.load.cache_clear()
    return folder


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """The bundles that were displayed, oldest first."""
    bundles: list[dict] = []
    monkeypatch.setattr(commands, "show", bundles.append)
    return bundles
