"""The stage of the attacks: secrets where they should not be found, ears that should hear nothing, and what
is left when the run is over."""

import contextlib
import hashlib
import os
import re
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

from grading.config import Config
from grading.course import nbgrader_tree
from tests.attacks.corpus.attack import FOUND, MARKERS, PUZZLES, TENSORS, Attack, hand_in, honest, released

ORPHAN = re.compile(r"orphan-([\w-]+)")


@dataclass
class Ears:
    """Everything on this machine that a hand-in might reach: who spoke is who got out."""

    port: int = 0
    abstract: str = field(default_factory=lambda: f"besieged-{os.urandom(4).hex()}")
    heard: list[str] = field(default_factory=list)

    def heard_from(self, name: str) -> bool:
        """Whether this attack got through."""
        return any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) for text in self.heard)


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[Ears]:
    """Sockets of every kind, of which one lies in this folder."""
    ears = Ears()
    stream = socket.create_server(("127.0.0.1", 0))
    ears.port = stream.getsockname()[1]
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", ears.port))
    sockets = [stream, datagrams]
    for address in (f"\0{ears.abstract}", str(folder / "service.sock")):
        local = socket.socket(socket.AF_UNIX)
        local.bind(address)
        local.listen()
        sockets.append(local)
    over = threading.Event()

    def listen(ear: socket.socket) -> None:
        ear.settimeout(0.2)
        while not over.is_set():
            with contextlib.suppress(OSError):
                if ear.type == socket.SOCK_DGRAM:
                    ears.heard.append(ear.recv(1000).decode(errors="replace"))
                else:
                    connection, _ = ear.accept()
                    with connection:
                        connection.settimeout(1)
                        ears.heard.append(connection.recv(1000).decode(errors="replace"))

    threads = [threading.Thread(target=listen, args=[ear]) for ear in sockets]
    for thread in threads:
        thread.start()
    try:
        yield ears
    finally:
        over.set()
        for thread in threads:
            thread.join()
        for ear in sockets:
            ear.close()


def plant(config: Config) -> None:
    """Put the secrets where they are: home, gradebook, hand-ins; those of the tests are there already."""
    home = config.root / "home"
    home.mkdir()
    (home / "token").write_text(MARKERS["home"])
    for assignment in (PUZZLES, TENSORS):
        nbgrader_tree.register(config, assignment)
        for student in ("aaa-honest", "mmm-honest", "zzz-honest"):
            hand_in(config, student, assignment, honest(config, assignment))
    with contextlib.closing(sqlite3.connect(config.tree / "gradebook.db")) as book:
        book.execute(f"create table '{MARKERS['gradebook']}' (content)")
        book.commit()


def places(config: Config, ears: Ears) -> dict[str, str]:
    """What the attacks know of this machine: more than any student does."""
    return {
        "TREE": str(config.tree),
        "ROOT": str(config.root),
        "HOME": str(config.root / "home"),
        "PORT": str(ears.port),
        "ABSTRACT": ears.abstract,
    }


def attack_with(config: Config, attacks: Sequence[Attack], where: Mapping[str, str]) -> None:
    """Hand in every attack; beside one that could disturb others, an honest neighbour."""
    blank = {assignment: released(config, assignment) for assignment in (PUZZLES, TENSORS)}
    for attack in attacks:
        notebook = attack.notebook(blank[attack.assignment], where)
        hand_in(config, attack.name, attack.assignment, notebook)


def state_of(config: Config) -> dict[str, str]:
    """The course as it lies on the disk: path to hash, without what a run writes."""
    ours = ("results", "autograded", "feedback", "logs")
    return {
        str(path.relative_to(config.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(config.root.rglob("*"))
        if path.is_file() and path.suffix != ".db" and not any(part in ours for part in path.parts)
    }


def owned(config: Config) -> set[str]:
    """Attacks that wrote into the gradebook."""
    with contextlib.closing(sqlite3.connect(config.tree / "gradebook.db")) as book:
        rows = book.execute("select name from sqlite_master where type = 'table'").fetchall()
    return {name.removeprefix("owned by ") for (name,) in rows if name.startswith("owned by ")}


def orphans() -> set[str]:
    """Attacks of which a process still runs."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found |= set(ORPHAN.findall(words.split(" ")[0]))
    return found


def shown(notebook: NotebookNode | None) -> str:
    """All that the cells of a notebook showed, and nothing of their text."""
    if notebook is None:
        return ""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=outputs)]))


def leaked(text: str) -> set[str]:
    """The secrets that an attack says to have found; a traceback of the grader's own is not a find."""
    said = "\n".join(re.findall(re.escape(FOUND) + r"[^\n]*", text))
    return {where for where, marker in MARKERS.items() if marker in said}


@dataclass(frozen=True)
class Gains:
    """What an attack got that it did not deserve, in words."""

    words: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.words)

    def __str__(self) -> str:
        return "; ".join(self.words) or "nothing"


def gains(
    attack: Attack, score: float | None, text: str, ears: Ears, book: set[str], left: set[str]
) -> Gains:
    """What this attack got. score: None where it was not scored at all. text: all that it showed."""
    found = []
    if score is None:
        found.append("it was never scored")
    elif score > attack.deserved:
        found.append(f"{score:g} points instead of {attack.deserved:g}")
    if secrets := leaked(text):
        found.append(f"read: {', '.join(sorted(secrets))}")
    if said := re.findall(
        re.escape(FOUND)
        + r"(a way[^\\\n]*|a service[^\\\n]*|wrote[^\\\n]*|more[^\\\n]*|could[^\\\n]*|gig[^\\\n]*)",
        text,
    ):
        found.append(said[0].strip("\"'"))
    if ears.heard_from(attack.name):
        found.append("it was heard outside")
    if attack.name in book:
        found.append("it wrote to the gradebook")
    if attack.name in left:
        found.append("a process of it stayed")
    return Gains(tuple(found))


def wait_for_orphans(seconds: float = 1.0) -> set[str]:
    """Processes of attacks that are still there a moment after the run."""
    time.sleep(seconds)
    return orphans()


@contextlib.contextmanager
def secret_environment(config: Config) -> Iterator[None]:
    """An environment with something in it that is nobody's business."""
    before = dict(os.environ)
    os.environ["DATABASE_PASSWORD"] = MARKERS["environment"]
    os.environ["HOME"] = str(config.root / "home")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
