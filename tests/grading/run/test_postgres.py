"""Does a gradebook in a real PostgreSQL hold what one in SQLite holds, and have one writer?"""

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from grading.commands.run import results
from grading.engine import handin
from grading.engine.supervise import CellRun, Run
from grading.errors import GradebookBusyError, GradingError
from grading.gradebook import record
from grading.gradebook.lock import only_writer
from grading.gradebook.record import recording, scores_by_hand
from grading.gradebook.store import store_of
from grading.handins.plan import plan
from tests.helpers import ROOT

A = "01_numbers"
PROGRAMS = Path("/usr/lib/postgresql/15/bin")

pytestmark = pytest.mark.skipif(
    not (PROGRAMS / "initdb").exists(), reason="PostgreSQL is not installed: apt install postgresql-15"
)


def as_nobody(*words: object) -> None:
    """The server refuses root."""
    who = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
    command = [*who, *map(str, words)]
    done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The folder of the socket of a server of its own, that nobody else can reach."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path must be short
    data = folder / "data"
    data.mkdir()
    folder.chmod(0o755)
    if os.getuid() == 0:
        for path in (folder, data):
            shutil.chown(path, "nobody", "nogroup")
    as_nobody(PROGRAMS / "initdb", "-D", data, "-U", "grader", "--auth=trust", "--encoding=UTF8", "--no-sync")
    settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    as_nobody(PROGRAMS / "pg_ctl", "-D", data, "-o", settings, "-l", folder / "log", "-w", "start")
    yield str(folder)
    as_nobody(PROGRAMS / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def shared_gradebook(made_up, server, request):
    """The course with its gradebook in a database of its own."""
    name = f"grades_{abs(hash(request.node.name))}"
    subprocess.run([PROGRAMS / "createdb", "-h", server, "-U", "grader", name], check=True)
    url = f"postgresql+psycopg://grader@/{name}?host={server}"
    return dataclasses.replace(made_up, config=dataclasses.replace(made_up.config, gradebook=url))


@pytest.fixture(autouse=True)
def nothing_is_executed(monkeypatch):
    def execute(notebook, tasks, job):
        return Run({index: CellRun(ended=True) for index, _ in enumerate(notebook.cells)})

    monkeypatch.setattr(handin, "execute", execute)


def grade(made_up):
    with recording(made_up.config, A) as write:
        for result in results(plan(made_up.config, A), store_of(made_up.config), quiet=True):
            write(result)


def contents(made_up):
    """Every grade and comment there is."""
    with Gradebook(made_up.config.gradebook, "made-up") as gradebook:
        return {
            submission.student.id: (
                submission.timestamp,
                sorted(
                    (grade.name, grade.auto_score, grade.manual_score, grade.needs_manual_grade)
                    for notebook in submission.notebooks
                    for grade in notebook.grades
                ),
                sorted(
                    (comment.name, comment.auto_comment, comment.manual_comment)
                    for notebook in submission.notebooks
                    for comment in notebook.comments
                ),
            )
            for submission in gradebook.assignment_submissions(A)
        }


def test_it_holds_what_sqlite_holds_also_for_odd_names_and_a_second_time(made_up, shared_gradebook):
    for student in ("anna", "Zoë 👩‍🔬", "x" * 200, "new\nline", os.fsdecode(b"caf\xe9")):
        made_up.hand_in(student, made_up.solved())
    made_up.hand_in("empty", b"")
    (made_up.folder("anna") / "timestamp.txt").write_text("2024-05-02 12:30:00 UTC")
    grade(made_up)
    grade(shared_gradebook)
    assert contents(shared_gradebook) == contents(made_up)
    assert len(contents(made_up)) == 6
    grade(shared_gradebook)
    assert contents(shared_gradebook) == contents(made_up)


def test_points_and_comments_of_a_person_stay(shared_gradebook):
    shared_gradebook.hand_in("anna", shared_gradebook.solved())
    grade(shared_gradebook)
    with Gradebook(shared_gradebook.config.gradebook, "made-up") as gradebook:
        given = gradebook.find_grade("essay", A, A, "anna")
        given.manual_score, given.needs_manual_grade = 3.0, False
        gradebook.find_comment("essay", A, A, "anna").manual_comment = "Nicely put."
        gradebook.db.commit()
    shared_gradebook.hand_in("anna", shared_gradebook.solved(root="def root(x):\n    return x**0.5 + 0"))
    grade(shared_gradebook)
    assert scores_by_hand(shared_gradebook.config, A) == {"anna": {"essay": 3.0}}
    _, grades, comments = contents(shared_gradebook)["anna"]
    assert ("essay", None, 3.0, True) in grades
    assert ("essay", None, "Nicely put.") in comments


HOLDER = """
    import dataclasses, sys
    from grading.config import load_config
    from grading.gradebook.lock import only_writer

    config = load_config(sys.argv[1])
    with only_writer(dataclasses.replace(config, gradebook=sys.argv[2])):
        print("inside", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def another_machine(shared_gradebook, tmp_path):
    """A run on the same database from a tree of its own, until its input is closed or it is killed."""
    shutil.copytree(shared_gradebook.config.root, tmp_path / "elsewhere")
    course = str(tmp_path / "elsewhere" / "course.toml")
    words = [sys.executable, "-c", textwrap.dedent(HOLDER), course, shared_gradebook.config.gradebook]
    with subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "inside\n"
        yield process
        process.kill()


def test_a_second_run_from_another_machine_is_refused_with_the_name_of_the_first(
    shared_gradebook, another_machine
):
    with pytest.raises(GradebookBusyError, match=rf"process {another_machine.pid} on .*use --wait"):
        grade(shared_gradebook)


def test_a_second_run_waits_when_asked_to_and_goes_on_when_the_first_is_killed(
    shared_gradebook, another_machine, monkeypatch, capsys
):
    from grading.gradebook import lock

    busy = lock._busy

    def busy_and_kill(holder, where, wait):
        busy(holder, where, wait)
        another_machine.kill()

    monkeypatch.setattr(lock, "_busy", busy_and_kill)
    with only_writer(shared_gradebook.config, wait=True):
        said = capsys.readouterr().err
    who = f"process {another_machine.pid} on {os.uname().nodename}"
    assert said == f"waiting for another run ({who}) on this gradebook\n"


def test_a_database_that_is_not_there_is_said_in_a_sentence(made_up):
    for url in (
        "postgresql+psycopg://grader@/none?host=/nowhere",
        "postgresql://localhost:9/none",
        "gibberish",
    ):
        config = dataclasses.replace(made_up.config, gradebook=url)
        with (
            pytest.raises(GradingError, match="the gradebook cannot be opened") as caught,
            recording(config, A),
        ):
            pass
        assert "\n" not in str(caught.value)


def test_a_name_that_a_database_cannot_hold_is_shortened_and_stays_its_own():
    names = ["x" * 129, "x" * 130, "a\nb", "a\tb", os.fsdecode(b"caf\xe9")]
    ids = [record.student_id(name) for name in names]
    assert len(set(ids)) == len(names)
    assert max(map(len, ids)) <= 128
    assert all(name.isprintable() for name in ids)
    assert record.student_id("x" * 128) == "x" * 128
