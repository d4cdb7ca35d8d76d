"""Stored results: what is written is read back, and none goes without setting and source."""

import pytest

from coursekit import stored


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "FOLDER", tmp_path / "measured")
    return tmp_path / "measured"


RESULT = {
    "setting": {"depths": [8, 20], "lr": 0.1},
    "source": stored.source("python scripts/some.py"),
    "runs": [{"loss": [1.23456789, 1e-9]}, {"loss": []}],
}


def test_what_is_written_is_read_back_with_five_digits(folder):
    stored.write("some", RESULT)
    assert stored.names() == ("some",)
    assert stored.read("some") == RESULT | {"runs": [{"loss": [1.2346, 1e-9]}, {"loss": []}]}


def test_writing_twice_gives_the_same_bytes_one_run_a_line(folder):
    first = stored.write("some", RESULT).read_bytes()
    assert stored.write("some", RESULT).read_bytes() == first
    assert first.decode().count("\n  {") == 2


def test_an_unknown_name_is_refused_with_those_there_are(folder):
    stored.write("some", RESULT)
    with pytest.raises(ValueError, match="nothing is stored as 'other'; there is some"):
        stored.read("other")


def test_a_result_without_its_source_is_not_stored(folder):
    with pytest.raises(ValueError, match="some lacks source"):
        stored.write("some", {"setting": {}, "runs": []})
    assert stored.names() == ()


def test_the_line_under_a_figure_names_date_machine_version_and_command():
    line = stored.provenance(RESULT)
    for part in ("date", "hardware", "torch", "command"):
        assert RESULT["source"][part] in line


@pytest.mark.parametrize("name", stored.names())
def test_every_stored_result_says_where_it_comes_from(name):
    source = stored.read(name)["source"]
    assert source["command"].startswith("python scripts/")
    assert all(source.values())
