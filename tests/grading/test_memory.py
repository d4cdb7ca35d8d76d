"""What counts as memory of a hand-in is all that it makes the machine hold."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is counted on Linux only")

NOTHING = "pass"
WRITES = "data = bytearray(100 << 20)"
MAPS = """
import mmap
data = mmap.mmap(-1, 48 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, mmap.PROT_READ)
for place in range(0, len(data), 2 << 20):
    data[place]
"""
STARTS = (
    "import os, time\nif not os.fork():\n    data = bytearray(100 << 20)\n    time.sleep(60)\ntime.sleep(0.5)"
)
MEASURES = "from grading.warm.memory import memory_of\nprint(memory_of({{{0}: {1}}}).get({0}, 0))"


@contextlib.contextmanager
def running(source: str) -> Iterator[int]:
    """The process number of a program that has done this and waits."""
    words = [sys.executable, "-c", f"{source}\nprint('ready', flush=True)\ninput()"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        os.killpg(process.pid, signal.SIGKILL)


def counted(source: str, limit: int = 50) -> float:
    """Mebibytes, as a process that has little itself counts them; nothing where they are within the limit."""
    with running(source) as pid:
        words = [sys.executable, "-c", MEASURES.format(pid, limit)]
        return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize(
    ("source", "least", "most"),
    [(WRITES, 90, 130), (MAPS, 80, 120), (STARTS, 90, 130)],
    ids=["written memory", "page tables of memory that is only read", "memory of what it has started"],
)
def test_it_is_counted(source, least, most):
    assert least < counted(source) < most


def test_who_is_within_the_limit_is_not_looked_at_closely():
    assert counted(NOTHING) == 0
    assert counted(WRITES, limit=500) == 0
