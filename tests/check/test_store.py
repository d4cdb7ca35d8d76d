"""The record of progress survives what happens to files."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursekit.check.store import Entry, Store, current, home

entries = st.builds(Entry, st.floats(0, 1), st.integers(0, 9), st.integers(0, 3))


@given(entries, entries, entries)
def test_stretches_of_work_add_up_in_any_grouping(a, b, c):
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Entry() == a


def test_what_was_added_is_there_for_another_process(tmp_path):
    path = tmp_path / "deep" / "progress.json"
    assert Store(path).add("conv2d", Entry(0.5, 1)) == ""
    assert Store(path).add("conv2d", Entry(0.25, 1)) == ""
    assert Store(path).add("pool", Entry(hints=2)) == ""
    assert Store(path).entries() == ({"conv2d": Entry(0.5, 2, 0), "pool": Entry(0.0, 0, 2)}, "")
    assert os.listdir(path.parent) == ["progress.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b'{"version": 99, "exercises": {}}',
        b'{"version": 1, "exercises": []}',
        b'{"version": 1, "exercises": {"conv2d": 3}}',
        b'{"version": 1, "exercises": {"conv2d": {"best": "all", "attempts": 1, "hints": 0}}}',
        b"[" * 10**5,
    ],
)
def test_a_file_that_cannot_be_read_is_kept_aside_and_named(tmp_path, content):
    path = tmp_path / "progress.json"
    path.write_bytes(content)
    store = Store(path)
    warning = store.add("conv2d", Entry(1.0, 1))
    assert "progress.json.unreadable-1" in warning
    assert (tmp_path / "progress.json.unreadable-1").read_bytes() == content
    assert store.add("conv2d", Entry(1.0, 1)) == ""
    assert Store(path).entries() == ({"conv2d": Entry(1.0, 2)}, "")


def test_a_second_unreadable_file_does_not_replace_the_first(tmp_path):
    path = tmp_path / "progress.json"
    for _ in range(2):
        path.write_text("{")
        Store(path).entries()
    assert sorted(os.listdir(tmp_path)) == ["progress.json.unreadable-1", "progress.json.unreadable-2"]


def test_a_failed_write_leaves_the_old_file_and_loses_nothing(tmp_path, monkeypatch):
    path = tmp_path / "progress.json"
    store = Store(path)
    store.add("conv2d", Entry(0.5, 1))
    before = path.read_text()

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert "No space left on device" in store.add("conv2d", Entry(1.0, 1))
        assert store.add("conv2d", Entry(1.0, 1)) == ""
    assert path.read_text() == before
    assert os.listdir(tmp_path) == ["progress.json"]
    store.add("pool", Entry(attempts=1))
    assert Store(path).entries()[0] == {"conv2d": Entry(1.0, 3), "pool": Entry(0.0, 1)}


def test_the_file_is_versioned_json(tmp_path):
    path = tmp_path / "progress.json"
    Store(path).add("conv2d", Entry(0.5, 1, 2))
    assert json.loads(path.read_text()) == {
        "version": 1,
        "exercises": {"conv2d": {"best": 0.5, "attempts": 1, "hints": 2}},
    }


def test_the_home_is_the_users_unless_told_otherwise(monkeypatch, tmp_path):
    assert current() is current()
    assert current().path == home() / "progress.json"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("COURSEKIT_HOME")
    assert home() == Path(tmp_path / ".coursekit")
    assert current().path.parent == tmp_path / ".coursekit"
