"""docs/security.md names a test for each promise; those tests are there."""

import ast
import re

import pytest

from tests.helpers import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_test_that_the_page_names_is_there(file, test):
    functions = [node.name for node in ast.parse((ROOT / file).read_text()).body if hasattr(node, "name")]
    assert test in functions


def test_every_promise_names_one():
    promises = PAGE.partition("## Promises")[2].partition("## ")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 10
    assert [row for row in rows if "`tests/" not in row] == []
