"""Whatever is handed in: does it get a status and a sentence, and does the run go on?

One class of nothing but oddities, graded, recorded, reported and exported as a whole.
"""

import base64
import contextlib
import copy
import json
import os
import shutil
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from grading import cli
from grading.commands.run import results
from grading.config import load_config
from grading.gradebook.record import autograded_path, recording, student_id
from grading.gradebook.store import store_of
from grading.handins.plan import MAX_BYTES, plan, problem_with
from grading.records import Status
from tests.grading.run.conftest import MadeUp

A = "01_numbers"
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(100)).decode()
FULL = (Status.PASSED, None)
NOBODY = 65534


def edited(made_up, edit, **answers):
    """The JSON of a right hand-in after `edit` has changed it."""
    notebook = json.loads(nbformat.writes(made_up.solved(**answers)))
    edit(notebook)
    return json.dumps(notebook).encode()


def cell_of(notebook, name):
    return next(c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == name)


def of_format(made_up, number):
    return nbformat.writes(nbformat.convert(copy.deepcopy(made_up.solved()), number), version=number).encode()


def huge(notebook):
    lines = [f"line {number} of output\n" for number in range(4_000_000)]
    cell_of(notebook, "double")["outputs"] = [{"output_type": "stream", "name": "stdout", "text": lines}]


def without(*names):
    def edit(notebook):
        kept = [
            c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") not in names
        ]
        notebook["cells"] = kept

    return edit


def set_marks(name, **marks):
    return lambda notebook: cell_of(notebook, name)["metadata"]["nbgrader"].update(marks)


def insert(*cells):
    return lambda notebook: notebook["cells"].extend(copy.deepcopy(list(cells)))


def code(source, **more):
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {},
        "outputs": [],
        "execution_count": 1,
        **more,
    }


def widgets(notebook):
    state = {"version_major": 2, "version_minor": 0, "state": {"x" * 32: {"model_name": "IntSliderModel"}}}
    notebook["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": state}


def another_language(notebook):
    notebook["metadata"]["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    notebook["metadata"]["language_info"] = {"name": "R"}


def attachments(notebook):
    cell_of(notebook, "essay")["attachments"] = {"me.png": {"image/png": PICTURE, "text/html": "<b>no</b>"}}


def twice(notebook):
    cells = notebook["cells"]
    cells.insert(cells.index(cell_of(notebook, "double")), copy.deepcopy(cell_of(notebook, "double")))


def metadata_of_wrong_types(notebook):
    notebook["metadata"] = ["no", "object"]
    notebook["cells"][0]["metadata"] = 7
    notebook["cells"].append({"cell_type": "code", "source": None, "metadata": {"tags": 3, "nbgrader": []}})
    notebook["cells"].append({"cell_type": ["code"], "source": {"a": 1}, "outputs": "none"})
    notebook["cells"].append({"source": ["a = 1\n", 5, "b = 2"]})


def as_read(made_up):
    """What each student's file holds; what the result must be: status, and words of a sentence."""
    solved = nbformat.writes(made_up.solved()).encode()
    wrong_end = {"root": "def root(x):\n    return '\ud800'"}
    deep = b'{"nbformat": 4, "nbformat_minor": 5, "metadata": ' + b'{"a": ' * 50_000 + b"1" + b"}" * 50_000
    return {
        "text": (b"Dear all, see you tomorrow.", (Status.ERROR, "does not hold JSON")),
        "empty": (b"", (Status.ERROR, "empty")),
        "blank": (b" \n\n", (Status.ERROR, "empty")),
        "truncated": (solved[: len(solved) // 2], (Status.ERROR, "does not hold JSON")),
        "zip": (b"PK\x03\x04" + bytes(range(256)), (Status.ERROR, "does not hold JSON")),
        "invalid-utf-8": (solved.replace(b"own", b"\xff\xfe\xc3"), (Status.ERROR, "does not hold JSON")),
        "json-of-another-kind": (b'{"cells": 3}', (Status.ERROR, "JSON of another kind")),
        "nbformat-true": (b'{"nbformat": true, "cells": []}', (Status.ERROR, "JSON of another kind")),
        "nbformat-text": (b'{"nbformat": "4", "cells": []}', (Status.ERROR, "JSON of another kind")),
        "nbformat-0": (b'{"nbformat": 0, "cells": []}', (Status.ERROR, "damaged")),
        "nbformat-many": (b'{"nbformat": 4' + b"0" * 6000 + b"}", (Status.ERROR, "save it as format 4")),
        "cells-of-text": (b'{"nbformat": 4, "cells": ["a", "b"]}', (Status.ERROR, "damaged")),
        "deep": (deep + b', "cells": []}', (Status.ERROR, "does not hold JSON")),
        "no-cells": (b'{"nbformat": 4, "cells": []}', (Status.FAILED, "missing")),
        "huge-output": (edited(made_up, huge), FULL),
        "too-big": (b"[" + b" " * MAX_BYTES + b"]", (Status.ERROR, "more than the 128 MB")),
        "too-many-cells": (edited(made_up, insert(*[code("1")] * 6_000)), (Status.ERROR, "at most 5000")),
        "too-much-text": (edited(made_up, insert(code("#" * 11_000_000))), (Status.ERROR, "MB of text")),
        "format-3": (of_format(made_up, 3), FULL),
        "format-2": (of_format(made_up, 2), (None, "")),
        "other-language": (edited(made_up, another_language), (Status.PASSED, "its language is 'R'")),
        "missing-answer": (edited(made_up, without("root")), (Status.PARTIAL, "'root' was missing")),
        "missing-tests": (edited(made_up, without("test-root", "check-root")), (Status.PASSED, "put back")),
        "renamed": (
            edited(made_up, set_marks("root", grade_id="my-root")),
            (Status.PASSED, "The course has no cell 'my-root'"),
        ),
        "id-of-no-text": (
            edited(made_up, set_marks("root", grade_id=7)),
            (Status.PASSED, "'root' was missing"),
        ),
        "twice": (edited(made_up, twice), (Status.PASSED, "more than once")),
        "reordered": (edited(made_up, lambda n: n["cells"].reverse()), (Status.PASSED, "another order")),
        "extra": (edited(made_up, insert(code("1 + 1"), code("%lsmagic"))), FULL),
        "changed-test": (
            edited(made_up, lambda n: cell_of(n, "test-root").update(source="pass")),
            (Status.TAMPERED, "Locked cells were edited (test-root)"),
        ),
        "points-nan": (
            edited(made_up, set_marks("test-root", points=float("nan"))),
            (Status.TAMPERED, "Points were changed (test-root from 2 to nan)"),
        ),
        "points-nested": (
            edited(made_up, set_marks("test-root", points=[[[1e308]]])),
            FULL,
        ),
        "widgets": (edited(made_up, widgets), FULL),
        "thousand-cells": (edited(made_up, insert(*[code(f"x = {n}") for n in range(1000)])), FULL),
        "attachments": (edited(made_up, attachments), FULL),
        "byte-order-mark": (b"\xef\xbb\xbf" + solved, FULL),
        "utf-16": (solved.decode().encode("utf-16"), FULL),
        "carriage-returns": (solved.replace(b"\\n", b"\\r\\n").replace(b"\n", b"\r\n"), FULL),
        "half-characters": (edited(made_up, lambda n: None, **wrong_end), (Status.PARTIAL, None)),
        "half-in-essay": (edited(made_up, lambda n: None, essay="So \udfff so."), FULL),
        "null-characters": (edited(made_up, insert(code("a = 1\0"))), FULL),
        "wrong-types": (edited(made_up, metadata_of_wrong_types), FULL),
        "no-metadata": (
            edited(made_up, lambda n: [cell.pop("metadata") for cell in n["cells"]]),
            (Status.PASSED, "was missing"),
        ),
        "no-sources": (
            edited(made_up, lambda n: [cell.pop("source") for cell in n["cells"]]),
            (Status.TAMPERED, "Locked cells were edited"),
        ),
    }


NAMES = (
    "张伟",
    "Ольга Ивановна",
    "محمد",
    "👩‍🔬 Zoë",
    "-rf",
    "--help",
    "a b\tc",
    "line\nbreak",
    "…",
    "x" * 255,
)


@pytest.fixture(scope="module")
def graded(blueprint, tmp_path_factory):
    """The class, its results by student, and what each should be."""
    root = tmp_path_factory.mktemp("odd") / "course"
    shutil.copytree(blueprint, root)
    made_up = MadeUp(load_config(root / "course.toml"))
    expected = {}
    for student, (content, outcome) in as_read(made_up).items():
        made_up.hand_in(student, content)
        expected[student] = outcome
    for name in NAMES:
        made_up.hand_in(name, made_up.solved())
        expected[name] = FULL
    not_text = os.fsdecode(b"caf\xe9")
    made_up.hand_in(not_text, made_up.solved())
    expected[not_text] = FULL
    expected |= odd_files(made_up, root)
    found = {}
    with recording(made_up.config, A) as record:
        for result in results(plan(made_up.config, A), store_of(made_up.config), workers=2, quiet=True):
            record(result)
            found[result.student] = result
    return made_up, found, expected


def odd_files(made_up, outside):
    """Hand-ins that are not simply a file, and what they should be."""
    submitted, name = made_up.config.tree / "submitted", f"{A}.ipynb"
    neighbour = submitted / "extra" / A / name
    linked, missing = (Status.ERROR, "symbolic link"), Status.MISSING
    (made_up.folder("link-to-a-neighbour") / name).symlink_to(neighbour)
    (made_up.folder("link-outside") / name).symlink_to("/etc/passwd")
    (made_up.folder("link-to-nothing") / name).symlink_to(outside / "nowhere")
    (made_up.folder("link-in-a-circle") / name).symlink_to(name)
    (submitted / "folder-is-a-link").symlink_to(neighbour.parents[1])
    (submitted / "folder-links-to-nothing").symlink_to(outside / "nowhere")
    (submitted / "folder-links-to-itself").symlink_to("folder-links-to-itself")
    os.mkfifo(made_up.folder("pipe") / name)
    (made_up.folder("folder") / name).mkdir()
    (submitted / "file-for-a-folder").mkdir()
    (submitted / "file-for-a-folder" / A).write_text("my notebook")
    (submitted / "in-the-wrong-folder" / "01-Numbers").mkdir(parents=True)
    made_up.hand_in("capitals", made_up.solved(), name="01_NUMBERS.IPYNB")
    made_up.hand_in("from-a-browser", made_up.solved(), name=f"{name}.txt")
    made_up.hand_in("escape-sequence", made_up.solved(), name="\x1b[2Jcleared\n.txt")
    made_up.hand_in("resource-fork", made_up.solved(), name="mine.ipynb")
    made_up.hand_in("resource-fork", b"\0\5\x16\7", name="._mine.ipynb")
    elsewhere = outside / "somebody-elses-timestamp.txt"
    elsewhere.write_text("2024-05-02 12:30:00 UTC")
    for student, make in {
        "stamp-is-a-pipe": lambda path: os.mkfifo(path),
        "stamp-is-a-link": lambda path: path.symlink_to(elsewhere),
        "stamp-is-a-folder": lambda path: path.mkdir(),
        "stamp-is-binary": lambda path: path.write_bytes(b"\xff" * 1_000_000),
    }.items():
        made_up.hand_in(student, made_up.solved())
        make(made_up.folder(student) / "timestamp.txt")
    return {
        "link-to-a-neighbour": linked,
        "link-outside": linked,
        "link-to-nothing": linked,
        "link-in-a-circle": linked,
        "folder-is-a-link": linked,
        "folder-links-to-nothing": (None, "symbolic link"),
        "folder-links-to-itself": (None, "symbolic link"),
        "pipe": (Status.ERROR, "is not a file"),
        "folder": (Status.ERROR, "is not a file"),
        "file-for-a-folder": (missing, "is not a folder"),
        "in-the-wrong-folder": (missing, "the student's folder holds 01-Numbers"),
        "capitals": (Status.PASSED, "The file was called 01_NUMBERS.IPYNB"),
        "from-a-browser": (missing, "the folder holds 01_numbers.ipynb.txt"),
        "escape-sequence": (missing, r"holds \u001b[2Jcleared\u000a.txt"),
        "resource-fork": (Status.PASSED, "The file was called mine.ipynb"),
        **dict.fromkeys(["stamp-is-a-pipe", "stamp-is-a-link", "stamp-is-a-folder", "stamp-is-binary"], FULL),
    }


def test_every_hand_in_has_the_status_and_the_sentence_it_should_have(graded):
    _, found, expected = graded
    assert found.keys() == expected.keys()
    wrong = {}
    for student, (status, words) in expected.items():
        result = found[student]
        said = " ".join(result.notes)
        right = status in (None, result.status) and (words is None or words in said)
        if not right or result.status is Status.INFRASTRUCTURE_ERROR:
            wrong[student] = (result.status, result.notes, [cell.says for cell in result.cells])
    assert wrong == {}


def test_whoever_got_everything_right_has_full_points(graded):
    _, found, expected = graded
    full = [
        student for student, (status, _) in expected.items() if status in (Status.PASSED, Status.TAMPERED)
    ]
    assert {s: found[s].score for s in full if found[s].score != 7} == {"no-sources": 0.0}


def test_every_hand_in_is_in_the_gradebook_once(graded):
    made_up, found, _ = graded
    with Gradebook(made_up.config.gradebook, "made-up") as gradebook:
        recorded = [submission.student.id for submission in gradebook.assignment_submissions(A)]
    assert sorted(recorded) == sorted(map(student_id, found))


def test_a_picture_that_was_pasted_into_an_essay_is_there_for_who_grades_it(graded):
    made_up, *_ = graded
    notebook = nbformat.read(autograded_path(made_up.config, "attachments", A), as_version=4)
    nbformat.validate(notebook)
    (essay,) = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "essay"]
    assert essay.attachments == {"me.png": {"image/png": PICTURE}}


def test_nothing_that_a_link_points_to_is_copied(graded):
    made_up, *_ = graded
    assert not (autograded_path(made_up.config, "stamp-is-a-link", A).parent / "timestamp.txt").exists()
    with Gradebook(made_up.config.gradebook, "made-up") as gradebook:
        assert gradebook.find_submission(A, "stamp-is-a-link").timestamp is None


def test_report_export_feedback_and_json_go_through_as_well(graded, monkeypatch, capsys):
    made_up, found, _ = graded
    monkeypatch.chdir(made_up.config.root)
    assert cli.main(["run", A, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["student"] for line in lines} == found.keys()
    assert cli.main(["run", A]) == 0
    summary = capsys.readouterr().out
    assert f"{len(found)} hand-ins: " in summary
    assert all(line.isprintable() for line in summary.splitlines())
    assert cli.main(["report", A]) == 0
    assert cli.main(["export", A, "--output", "grades.csv"]) == 0
    assert cli.main(["feedback", A]) == 0
    capsys.readouterr()


@contextlib.contextmanager
def an_ordinary_user():
    """Root may read everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_or_a_file_that_the_grader_may_not_read_is_said_and_the_others_go_on(blueprint):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        course = shutil.copytree(blueprint, Path(folder, "course"))
        for path in (Path(folder), course):
            path.chmod(0o755)
        made_up = MadeUp(load_config(course / "course.toml"))
        for student in ("closed-file", "closed-folder", "closed-student", "open"):
            made_up.hand_in(student, made_up.solved())
        made_up.folder("closed-file").joinpath(f"{A}.ipynb").chmod(0)
        made_up.folder("closed-folder").chmod(0)
        made_up.folder("closed-student").parent.chmod(0)
        with an_ordinary_user():
            jobs = {job.student: job for job in plan(made_up.config, A)}
            says = {student: problem_with(job) for student, job in jobs.items()}
        for student in ("closed-folder", "closed-student"):
            (made_up.config.tree / "submitted" / student).chmod(0o755)
            made_up.folder(student).chmod(0o755)
    assert says.pop("open") is None
    assert says.keys() == {"closed-file", "closed-folder", "closed-student"}
    assert all("cannot be read" in problem and "permissions" in problem for problem in says.values())
