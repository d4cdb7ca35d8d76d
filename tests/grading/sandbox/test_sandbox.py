"""From inside: is each thing that code of students has no business with refused, whoever runs the grading?

Everything is tried twice, as root and as an ordinary user, by a program that this starts (`inside.py`). Root
starts it as an ordinary user in a mount namespace where the interpreter can be read by everybody, which it
cannot where it lies in root's home.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.grading.sandbox.inside import BOMBS, LIMITS
from tests.grading.sandbox.probes import PROBES
from tests.helpers import ROOT

USERS = ("root", "an ordinary user")
SOMEBODY = 54321

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is made of Linux")


@pytest.fixture(scope="module", params=USERS)
def report(request):
    """What became of every probe and every bomb, as this user."""
    root = os.getuid() == 0
    if request.param == "root" and not root:
        pytest.skip("these tests are not run by root")
    if request.param != "root" and root and not shutil.which("setpriv"):
        pytest.skip("there is no setpriv to become an ordinary user with")
    with tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True) as folder:
        words = [sys.executable, "-m", "tests.grading.sandbox.inside", folder]
        if request.param != "root" and root:
            os.chown(folder, SOMEBODY, SOMEBODY)
            words = ["unshare", "--mount", "sh", "-euc", as_somebody(words)]
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        ran = subprocess.run(words, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=1800)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert (found["user"] == 0) == (request.param == "root")
    return found


def as_somebody(words: list[str]) -> str:
    """Shell commands that run these words as an ordinary user, to whom what Python needs is readable."""
    script = []
    for number, path in enumerate((Path(sys.base_prefix), Path(sys.prefix), ROOT)):
        path = path.resolve()
        closed = [parent for parent in path.parents if not parent.stat().st_mode & 0o001]
        if closed:  # show only this below the folder that others may not enter
            kept = f"/tmp/kept-{os.getpid()}-{number}"
            script += [f"mkdir {kept}", f"mount --bind {shlex.quote(str(path))} {kept}"]
            script += [f"mount -t tmpfs -o mode=755 none {shlex.quote(str(closed[-1]))}"]
            script += [f"mkdir -p {shlex.quote(str(path))}", f"mount --bind {kept} {shlex.quote(str(path))}"]
            script += [f"umount {kept}", f"rmdir {kept}"]
    become = ["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups", "--inh-caps=-all"]
    return "; ".join([*script, "exec " + shlex.join([*become, "--bounding-set=-all", *words])])


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_it_is_refused(probe, report):
    assert report["probes"][probe.name] == "refused"


def test_every_probe_was_tried(report, request, record_property):
    found = report["probes"]
    assert set(found) == {probe.name for probe in PROBES}
    refused = sum(outcome == "refused" for outcome in found.values())
    user = request.node.callspec.params["report"]
    record_property("measured", f"sandbox probes refused: {refused} of {len(PROBES)}, as {user}")


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_ends_its_own_hand_in_within_its_limit(bomb, report):
    ended = report["bombs"][bomb]
    assert ended["score"] == 0
    assert ended["status"] != "infrastructure_error"
    assert ended["seconds"] <= 10 * LIMITS.job_seconds  # by far, on however busy a machine


def test_no_neighbour_of_a_bomb_loses_anything(report):
    neighbours = {name: ended for name, ended in report["bombs"].items() if name.startswith("neighbour")}
    assert len(neighbours) == len(BOMBS)
    assert {ended["score"] for ended in neighbours.values()} == {2.0}


def test_the_grading_process_does_not_grow_by_what_hand_ins_print(report):
    assert report["grown_mb"] < 200
