"""What the warm process holds lies in huge pages, and stays what it was."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT

ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")

PROGRAM = """
from pathlib import Path
from grading.fork.huge_pages import collapse

def huge():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("AnonHugePages"))

held = [bytearray(b"x" * 4096) for _ in range(10_000)]
before, collapsed = huge(), collapse()
assert all(page == b"x" * 4096 for page in held)
print(collapsed, huge() - before)
"""


@pytest.mark.skipif(
    not ENABLED.exists() or "[never]" in ENABLED.read_text(), reason="this kernel has no huge pages to give"
)
def test_memory_that_is_in_use_moves_into_huge_pages():
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    collapsed, more = map(int, done.stdout.split())
    if not collapsed:
        pytest.skip("madvise(MADV_COLLAPSE) needs Linux 6.1")
    assert more > 30 * 2**20
