"""The facts, recomputed once for all tests."""

import pytest

from coursekit.facts import Result, recompute


@pytest.fixture(scope="session")
def results() -> list[Result]:
    return recompute()
