"""Records survive their JSON, and a text that is no record of ours is refused."""

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grading.errors import RecordError
from grading.records import VERSION, CellResult, Job, Limits, Result, Status, from_json, to_json

words = st.text(max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
cells = st.builds(CellResult, words, st.sampled_from(Status), numbers, numbers, words, numbers, st.booleans())
limits = st.builds(Limits, numbers, numbers, st.integers())
paths = st.just(Path("a/b.ipynb"))
jobs = st.builds(Job, words, words, paths, paths, words, limits, words)
results = st.builds(
    Result,
    words,
    words,
    st.sampled_from(Status),
    numbers,
    numbers,
    st.lists(cells, max_size=2).map(tuple),
    st.lists(words, max_size=2).map(tuple),
    st.dictionaries(words, st.lists(words, max_size=2).map(tuple), max_size=2),
    st.none() | words,
    numbers,
    words,
)


@given(jobs | results)
def test_reading_gives_what_was_written(record):
    assert from_json(to_json(record)) == record
    assert pickle.loads(pickle.dumps(record)) == record


def result():
    return Result("ada", "01", Status.PASSED, 1.0, 1.0, (CellResult("test-a", Status.PASSED, 1.0, 1.0),))


def test_one_record_is_one_line():
    assert "\n" not in to_json(result())


@pytest.mark.parametrize("version", [0, VERSION + 1, None, "1"])
def test_another_version_is_refused(version):
    text = json.dumps({**json.loads(to_json(result())), "version": version})
    with pytest.raises(RecordError, match=r"^results/ada.json: the record has version .*; read it with"):
        from_json(text, where="results/ada.json")


@pytest.mark.parametrize(
    "change",
    [{"colour": "red"}, {"status": "excellent"}, {"cells": [{"grade_id": "a"}]}, {"record": "Verdict"}],
)
def test_unknown_contents_are_refused(change):
    text = json.dumps({**json.loads(to_json(result())), **change})
    with pytest.raises(RecordError, match="not a well-formed"):
        from_json(text)


def test_a_missing_field_is_refused():
    fields = json.loads(to_json(result()))
    del fields["cells"]
    with pytest.raises(RecordError, match="not a well-formed Result"):
        from_json(json.dumps(fields))


@pytest.mark.parametrize("text", ["", "[]", "{}", "{'record': 1}"])
def test_other_text_is_refused(text):
    with pytest.raises(RecordError, match="delete it and run the assignment again"):
        from_json(text)
