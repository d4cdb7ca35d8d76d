"""Tries every probe and every bomb as the user who runs this, and prints what became of them as JSON.

python -m tests.grading.sandbox.inside FOLDER
"""

import json
import os
import resource
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import nbformat

from grading.engine import handin
from grading.engine.schedule import run_jobs
from grading.records import Job, Limits, Warmth
from grading.warm.client import stop_all, warm_process
from grading.wire.channel import Channel
from tests.grading.sandbox.probes import PRELUDE, PROBES

ABSTRACT = "probed-service"
LIMITS = Limits(cell_seconds=3, job_seconds=6, memory_mb=1024, scratch_mb=32, processes=24)

BOMBS = {
    "memory bomb": """
kept = []
while True:
    kept.append(bytearray(2**24))
    kept[-1][::4096] = b"x" * 4096
""",
    "memory bomb of many processes": """
import os
for _ in range(8):
    if os.fork() == 0:
        break
kept = [b"x" * 2**24 for _ in range(24)]
while True:
    pass
""",
    "fork bomb": """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
    "endless loop": """
while True:
    pass
""",
    "10 GB of output": """
import os, sys
line = "x" * 2**20
for _ in range(10 * 2**10):
    print(line)
    os.write(1, b"y" * 2**10)
    sys.__stderr__.write("z")
""",
    "filled disk": """
import os
for folder in ("/tmp", "/dev/shm", "/"):
    for number in range(30_000):
        try:
            with open(f"{folder}/{number}", "wb") as file:
                file.write(bytes(2**20))
        except OSError:
            if number > 40:
                break
""",
}
"""Each stands where the answer should; none leaves one."""

HONEST = """
from pathlib import Path
Path("/tmp/mine").write_text("x" * 10**6)
assert Path("@SHOWN@").read_text() == "of the course, and in /tmp as well"
def f(x):
    return 2 * x
"""
TRY = """
for name, source in @SOURCES@.items():
    print(json.dumps([name, attempt(source)]))
"""


def probed(places: dict[str, str], warmth: Warmth) -> dict[str, str]:
    """What became of each probe, by name."""
    warm = warm_process(warmth)
    together = [probe for probe in PROBES if not probe.alone]
    found: dict[str, str] = {}
    for group in [together, *([probe] for probe in PROBES if probe.alone)]:
        sources = {probe.name: placed(probe.source, places) for probe in group}
        cell = PRELUDE + TRY.replace("@SOURCES@", repr(sources))
        ours, theirs = socket.socketpair()
        fork = warm.fork("answer", [theirs], LIMITS)
        channel = Channel(ours)
        channel.socket.settimeout(60)
        try:
            channel.send({"do": "run", "source": cell})
            reply, _ = channel.receive()
        except (EOFError, OSError):
            ended = fork.wait(5)
            found |= {
                probe.name: "refused" if ended and ended.code < 0 else f"ended: {ended}" for probe in group
            }
        else:
            text = "".join(o["text"] for o in reply["outputs"] if o["output_type"] == "stream")
            found |= dict(json.loads(line) for line in text.splitlines())
            if reply["error"]:
                found["all"] = str(reply["error"])
        finally:
            channel.close()
            fork.kill()
    return found


def placed(source: str, places: dict[str, str]) -> str:
    for word, value in places.items():
        source = source.replace(f"@{word}@", value)
    return source


def bombed(folder: Path, warmth: Warmth) -> dict[str, dict[str, object]]:
    """What became of each bomb and of each honest neighbour: score, status, seconds."""
    source = folder / "source" / "a" / "a.ipynb"
    notebook = nbformat.v4.new_notebook()
    marks = {
        "grade_id": "f",
        "grade": False,
        "solution": True,
        "locked": False,
        "schema_version": 3,
        "task": False,
    }
    test = {**marks, "grade_id": "test-f", "grade": True, "solution": False, "locked": True, "points": 2}
    notebook.cells = [
        nbformat.v4.new_code_cell("", metadata={"nbgrader": marks}),
        nbformat.v4.new_code_cell("assert f(3) == 6", metadata={"nbgrader": test}),
    ]
    jobs = []
    for path in (source, folder / "release" / "a" / "a.ipynb"):
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    for number, (name, code) in enumerate(BOMBS.items()):
        for student, answer in (
            (name, code),
            (f"neighbour {number}", HONEST.replace("@SHOWN@", warmth.readable[0])),
        ):
            notebook.cells[0].source = answer
            path = folder / "submitted" / student / "a" / "a.ipynb"
            path.parent.mkdir(parents=True)
            nbformat.write(notebook, path)
            jobs.append(Job(student, "a", path, source, student, LIMITS, "", warmth))
    return {
        result.student: {"score": result.score, "status": str(result.status), "seconds": result.seconds}
        for result, _ in run_jobs(jobs, handin.run, workers=2, quiet=True)
    }


def main(folder: Path) -> None:
    """Everything, with secrets and a listening socket outside."""
    for name in ("solutions/assignment.py", "submitted/neighbour/a.ipynb", "gradebook.db", "home/token"):
        path = folder / "course" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret")
    shown = folder / "course" / "shown.txt"
    shown.write_text("of the course, and in /tmp as well")
    warmth = Warmth(readable=(str(shown),))
    disks = [path.name for path in Path("/dev").iterdir() if path.is_block_device()]
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as abstract,
        subprocess.Popen(["sleep", "600"]) as outsider,
    ):
        abstract.bind(f"\0{ABSTRACT}-{os.getuid()}")
        abstract.listen()
        places = {
            "COURSE": str(folder / "course"),
            "HOME": str(folder / "course" / "home"),
            "PACKAGES": sysconfig.get_path("purelib"),
            "PREFIX": sys.prefix,
            "OUTSIDER": str(outsider.pid),
            "DISK": disks[0] if disks else "sda",
            "PORT": str(server.getsockname()[1]),
            "ABSTRACT": f"{ABSTRACT}-{os.getuid()}",
        }
        try:
            probes = probed(places, warmth)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            began = time.monotonic()
            bombs = bombed(folder / "tree", warmth)
            seconds = time.monotonic() - began
        finally:
            outsider.kill()
            stop_all()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    report = {"user": os.getuid(), "probes": probes, "bombs": bombs, "grown_mb": grown, "seconds": seconds}
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
