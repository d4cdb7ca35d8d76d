"""What every test of a topic wants: a home of its own, one thread, and what its variants do."""

import functools
import json
from collections.abc import Callable, Mapping

import pytest
import torch
from filelock import FileLock

from tests.topics import outcomes as making


@pytest.fixture(autouse=True)
def a_home_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory) -> Callable[[str], Mapping[tuple[str, str], making.Row]]:
    """What each variant of a topic did, by exercise and name: made once, whatever worker asks first."""
    folder = tmp_path_factory.getbasetemp().parent

    @functools.cache
    def table(topic: str) -> Mapping[tuple[str, str], making.Row]:
        path = folder / f"outcomes-{topic}.jsonl"
        with FileLock(folder / f"outcomes-{topic}.lock"):
            if not path.exists():
                making.write(topic, path)
            rows = [making.Row(**json.loads(line)) for line in path.read_text().splitlines()]
        found = {(row.exercise, row.name): row for row in rows}
        assert len(found) == len(rows), "a variant ran more than once"
        return found

    return table
