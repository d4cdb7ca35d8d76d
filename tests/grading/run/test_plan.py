"""Does every student get a job, whatever lies in the folder?"""

import dataclasses
import os

import pytest

from grading.engine.handin import grade
from grading.errors import SubmissionError, UsageError
from grading.handins.plan import plan
from grading.records import Limits, Status

A = "01_numbers"


def outcome(made_up, student):
    job = next(job for job in plan(made_up.config, A) if job.student == student)
    result, notebook = grade(job)
    assert notebook is None
    assert all(cell.score == 0 for cell in result.cells)
    return result


def test_an_assignment_that_was_not_built_is_refused_with_the_ones_there_are(made_up):
    with pytest.raises(UsageError, match=A):
        plan(made_up.config, "02_letters")


def test_a_course_without_hand_ins_is_refused(made_up):
    with pytest.raises(SubmissionError, match="no hand-ins"):
        plan(made_up.config, A)


def test_jobs_come_in_the_order_of_names_and_hidden_folders_are_left_out(made_up):
    for student in ("b", "a", ".DS_Store", "c"):
        made_up.hand_in(student, made_up.released())
    (made_up.config.tree / "submitted" / "list.csv").write_text("a,b,c")
    assert [job.student for job in plan(made_up.config, A)] == ["a", "b", "c"]


def test_an_empty_folder_is_a_hand_in_that_is_missing_and_asks_for_nobody(made_up):
    made_up.folder("nobody")
    (made_up.config.tree / "submitted" / "idle").mkdir()
    for student in ("nobody", "idle"):
        result = outcome(made_up, student)
        assert (result.status, result.notes) == (Status.MISSING, ("Nothing was handed in.",))
        assert result.needs_human is None


def test_files_but_no_notebook_ask_for_a_person(made_up):
    (made_up.folder("pdf") / "solution.pdf").write_bytes(b"%PDF")
    result = outcome(made_up, "pdf")
    assert result.status is Status.MISSING
    assert "solution.pdf" in result.needs_human


def test_the_only_notebook_counts_whatever_its_name_and_of_several_none_is_guessed(made_up):
    made_up.hand_in("renamed", made_up.solved(), name="01_numbers (2).ipynb")
    made_up.hand_in("several", made_up.solved(), name="one.ipynb")
    made_up.hand_in("several", made_up.solved(), name="two.ipynb")
    jobs = {job.student: job for job in plan(made_up.config, A)}
    assert jobs["renamed"].notebook.name == "01_numbers (2).ipynb"
    assert "one.ipynb, two.ipynb" in outcome(made_up, "several").needs_human


def test_a_link_is_not_followed(made_up, tmp_path):
    neighbour = made_up.hand_in("neighbour", made_up.solved())
    (made_up.folder("file") / neighbour.name).symlink_to(neighbour)
    (made_up.config.tree / "submitted" / "folder").symlink_to(neighbour.parents[1])
    (made_up.folder("source") / neighbour.name).symlink_to(
        made_up.config.tree / "source" / A / neighbour.name
    )
    (made_up.folder("broken") / neighbour.name).symlink_to(tmp_path / "nowhere")
    for student in ("file", "folder", "source", "broken"):
        result = outcome(made_up, student)
        assert (result.status, result.score) == (Status.ERROR, 0.0)
        assert "symbolic link" in result.needs_human


def test_a_folder_or_a_pipe_of_the_right_name_is_no_hand_in(made_up):
    (made_up.folder("folder") / f"{A}.ipynb").mkdir()
    os.mkfifo(made_up.folder("pipe") / f"{A}.ipynb")
    for student in ("folder", "pipe"):
        assert "is not a file" in outcome(made_up, student).needs_human


def test_the_hash_follows_everything_that_decides_the_result_and_nothing_else(made_up, monkeypatch):
    def content_hash(config=made_up.config):
        return plan(config, A)[0].content_hash

    path = made_up.hand_in("student", made_up.solved())
    first = content_hash()
    os.utime(path, (1, 1))
    assert content_hash() == first

    seen = {first}
    path.write_bytes(path.read_bytes() + b"\n")
    seen.add(content_hash())
    limits = dataclasses.replace(made_up.config, limits=Limits(cell_seconds=9))
    seen.add(content_hash(limits))
    source = made_up.config.tree / "source" / A / f"{A}.ipynb"
    source.write_text(source.read_text().replace("twice three", "2 x 3"))
    seen.add(content_hash())
    monkeypatch.setattr("grading.handins.plan.ENGINE_VERSION", "another")
    seen.add(content_hash())
    assert len(seen) == 5
