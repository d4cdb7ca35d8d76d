"""The attacks of `tests/attacks` on stock `nbgrader autograde` and on this engine: which gain something.

    python -m benchmarks.attacks [--only NAME ...] [--json benchmarks/results/attacks.json]

Both get the same hand-ins to the same made-up course with the same secrets around it, and the same function
says what an attack has gained: points beyond those it deserves, the text of hidden tests or of other files
that are none of its business, a word to a socket outside, a line in the gradebook, a process that stays, or
that it is never scored at all.

Stock runs one hand-in a call, so that one that ends the run costs no other; in bubblewrap, with the course
writable, the rest of the machine read-only and process numbers of its own. Attacks that would harm the
machine all the same are not run on stock, and count as nothing.
"""

import argparse
import datetime
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry

from grading.commands.run import results
from grading.config import Config, load_config
from grading.gradebook.store import store_of
from grading.handins.plan import plan
from grading.records import Status
from tests.attacks import siege
from tests.attacks.corpus import ATTACKS
from tests.attacks.corpus.attack import MARKERS, PUZZLES, TENSORS, Attack, hand_in, make_course, released

CELL_SECONDS = 20
"""For stock, whose kernels import torch in the first cell."""

STOCK_SECONDS = 240
NOT_RUN = "not run: {}"


def on_ours(attacks: Sequence[Attack], folder: Path) -> dict[str, siege.Gains]:
    """What each attack gains when this engine grades all of them in one run."""
    config = load_config(folder / "course.toml")
    found, told = {}, {}
    with siege.listening(config.tree) as ears, siege.secret_environment(config):
        siege.attack_with(config, attacks, siege.places(config, ears))
        for assignment in (PUZZLES, TENSORS):
            jobs = [job for job in plan(config, assignment) if job.notebook.is_file()]
            for result in results(jobs, store_of(config), workers=os.cpu_count() or 1):
                found[result.student] = None if result.status is Status.INFRASTRUCTURE_ERROR else result.score
                words = [*result.notes, result.needs_human or "", *(cell.says for cell in result.cells)]
                path = store_of(config).notebook_path(result)
                told[result.student] = " ".join(words) + siege.shown(read(path))
        left = siege.wait_for_orphans()
    book = siege.owned(config)
    return {
        attack.name: siege.gains(attack, found[attack.name], told[attack.name], ears, book, left)
        for attack in attacks
    }


def on_stock(attack: Attack, folder: Path) -> siege.Gains:
    """What an attack gains when stock nbgrader grades it, alone in a course of its own."""
    config = load_config(folder / "course.toml")
    with siege.listening(config.tree) as ears:
        notebook = attack.notebook(released(config, attack.assignment), siege.places(config, ears))
        hand_in(config, attack.name, attack.assignment, notebook)
        left = autograde(config, attack)
    text = siege.shown(read(config.tree / "autograded" / attack.name / attack.assignment))
    return siege.gains(attack, score_of(config, attack), text, ears, siege.owned(config), left)


def autograde(config: Config, attack: Attack) -> set[str]:
    """Run stock on one hand-in; the attacks of which a process is still there when it has ended."""
    words = [str(Path(sys.executable).with_name("nbgrader")), "autograde", attack.assignment]
    words += ["--student", attack.name, "--force", f"--Execute.timeout={CELL_SECONDS}"]
    staying = config.root / "staying"
    script = f"timeout {STOCK_SECONDS} {shlex.join(words)}; sleep 1; "
    script += f"grep -laz '^orphan-' /proc/[0-9]*/cmdline > {shlex.quote(str(staying))}; true"
    walls = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/dev/shm"]
    walls += [
        "--tmpfs",
        "/tmp",
        "--bind",
        str(config.root),
        str(config.root),
        "--unshare-pid",
        "--unshare-ipc",
    ]
    walls += ["--die-with-parent", "--new-session", "--chdir", str(config.tree)]
    environment = {
        **os.environ,
        "HOME": str(config.root / "home"),
        "DATABASE_PASSWORD": MARKERS["environment"],
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    subprocess.run([*walls, "sh", "-c", script], env=environment, capture_output=True, check=False)
    return {attack.name} if staying.is_file() and staying.read_text() else set()


def score_of(config: Config, attack: Attack) -> float | None:
    """What stock's gradebook says, None where the hand-in is not in it."""
    path = config.tree / "autograded" / attack.name / attack.assignment / f"{attack.assignment}.ipynb"
    if not path.is_file():
        return None
    with Gradebook(config.gradebook, config.name) as book:
        try:
            return float(book.find_submission(attack.assignment, attack.name).score)
        except MissingEntry:
            return None


def read(path: Path) -> nbformat.NotebookNode | None:
    """The notebook here, or the one in this folder."""
    path = next(path.glob("*.ipynb"), path) if path.is_dir() else path
    return nbformat.read(path, as_version=4) if path.is_file() else None


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[attack.name for attack in ATTACKS], metavar="NAME")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="hand-ins that stock grades at a time"
    )
    parser.add_argument("--json", type=Path, help="also write the table here")
    args = parser.parse_args(argv)
    if not shutil.which("bwrap"):
        parser.error("stock nbgrader runs these attacks in bubblewrap; install the package bubblewrap")
    attacks = [attack for attack in ATTACKS if not args.only or attack.name in args.only]

    with tempfile.TemporaryDirectory(prefix="attacks-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        course = Path(name) / "course"
        siege.plant(make_course(course))
        ours = on_ours(attacks, shutil.copytree(course, Path(name) / "ours"))

        def stock(attack: Attack) -> str:
            if attack.harms:
                return NOT_RUN.format(attack.harms)
            folder = shutil.copytree(course, Path(name) / attack.name)
            gained = str(on_stock(attack, folder))
            shutil.rmtree(folder, ignore_errors=True)
            print(f"stock, {attack.name}: {gained}", file=sys.stderr, flush=True)
            return gained

        with ThreadPoolExecutor(args.jobs) as pool:
            theirs = dict(zip([a.name for a in attacks], pool.map(stock, attacks), strict=True))

    rows = [
        {
            "attack": attack.name,
            "tries": attack.tries,
            "stock": theirs[attack.name],
            "ours": str(ours[attack.name]),
        }
        for attack in attacks
    ]
    print("| attack | tries | stock nbgrader | this engine |\n|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row.values())} |")
    tried = [row for row in rows if not row["stock"].startswith("not run")]
    about = {
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "nbgrader": version("nbgrader"),
        "attacks": len(rows),
        "tried on stock": len(tried),
        "gain on stock": sum(row["stock"] != "nothing" for row in tried),
        "of these only never scored": sum(row["stock"] == "it was never scored" for row in tried),
        "gain on ours": sum(row["ours"] != "nothing" for row in rows),
    }
    print("\n" + ", ".join(f"{key}: {value}" for key, value in about.items()))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
