"""Are the pages that a script writes what it would write now?"""

import subprocess
import sys

import pytest

from tests.helpers import ROOT


@pytest.mark.parametrize("script", ["models_table.py"])
def test_a_generated_page_is_up_to_date(script):
    done = subprocess.run(
        [sys.executable, f"scripts/{script}", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, f"run `python scripts/{script}`: {done.stderr}"
