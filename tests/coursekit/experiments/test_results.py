"""Stored results: what is written is read back, and none goes without setting and source."""

import pytest

from coursekit.experiments import results


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path / "measured")
    return tmp_path / "measured"


RESULT = {
    "setting": {"depths": [8, 20], "lr": 0.1},
    "source": results.source("python scripts/some.py"),
    "runs": [{"loss": [1.23456789, 1e-9]}, {"loss": []}],
}


def test_what_is_written_is_read_back_with_five_digits(folder):
    results.write("some", RESULT)
    assert results.names() == ("some",)
    assert results.read("some") == RESULT | {"runs": [{"loss": [1.2346, 1e-9]}, {"loss": []}]}


def test_writing_twice_gives_the_same_bytes_one_run_a_line(folder):
    first = results.write("some", RESULT).read_bytes()
    assert results.write("some", RESULT).read_bytes() == first
    assert first.decode().count("\n  {") == 2


def test_an_unknown_name_is_refused_with_those_there_are(folder):
    results.write("some", RESULT)
    with pytest.raises(ValueError, match="nothing is stored as 'other'; there is some"):
        results.read("other")


def test_a_result_without_its_source_is_not_stored(folder):
    with pytest.raises(ValueError, match="some lacks source"):
        results.write("some", {"setting": {}, "runs": []})
    assert results.names() == ()


def test_the_line_under_a_figure_names_date_machine_version_and_command():
    line = results.provenance(RESULT)
    for part in ("date", "hardware", "torch", "command"):
        assert RESULT["source"][part] in line


@pytest.mark.parametrize("name", results.names())
def test_every_stored_result_says_where_it_comes_from(name):
    source = results.read(name)["source"]
    assert source["command"].startswith("python scripts/")
    assert all(source.values())
