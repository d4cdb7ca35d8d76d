"""Are hand-ins put right without touching what the student wrote?"""

import copy
import json

import nbformat
import pytest

from grading.errors import SubmissionError
from grading.handins.original import Original
from grading.handins.parse import parse
from grading.handins.reconcile import reconcile


def id_of(cell):
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def ids(notebook):
    return [id_of(cell) for cell in notebook.cells if id_of(cell)]


def text(notebook, grade_id):
    return next(cell.source for cell in notebook.cells if id_of(cell) == grade_id)


@pytest.fixture
def course(shared):
    return Original(shared.source(), shared.released())


@pytest.fixture
def solved(shared):
    return shared.solved()


def bytes_of(notebook):
    return nbformat.writes(notebook).encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"Dear team, here is my notebook", "does not hold JSON"),
        (b"\x89PNG\r\n\x1a\n", "does not hold JSON"),
        (b"[" * 100_000, "does not hold JSON"),
        (b'{"cells": []}', "JSON of another kind"),
        (b"[1, 2]", "JSON of another kind"),
        (b'{"nbformat": 7, "nbformat_minor": 0, "metadata": {}, "cells": []}', "format 7"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": "none"}', "damaged"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [3]}', "damaged"),
    ],
)
def test_what_is_no_notebook_is_refused_in_a_sentence(data, says):
    with pytest.raises(SubmissionError, match=says) as caught:
        parse(data)
    assert caught.value.what.endswith(".")


def test_bytes_of_other_editors_are_read(solved):
    json_text = nbformat.writes(solved)
    for data in (json_text.encode("utf-8-sig"), json_text.encode("utf-16")):
        assert [cell.source for cell in parse(data).cells] == [cell.source for cell in solved.cells]


def test_a_notebook_of_the_old_format_keeps_its_cells_and_ids(solved):
    old = nbformat.writes(nbformat.convert(copy.deepcopy(solved), 3), version=3)
    assert json.loads(old)["nbformat"] == 3
    assert ids(parse(old.encode())) == ids(solved)


def test_outputs_and_other_metadata_do_not_come_in(solved):
    cell = next(cell for cell in solved.cells if id_of(cell) == "root")
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="forged")]
    cell.metadata.tags = ["skip-execution", "raises-exception"]
    parsed = next(cell for cell in parse(bytes_of(solved)).cells if id_of(cell) == "root")
    assert parsed.outputs == []
    assert set(parsed.metadata) == {"nbgrader"}


def test_an_untouched_hand_in_needs_no_note_and_gets_the_hidden_tests(solved, course):
    notebook, notes = reconcile(parse(bytes_of(solved)), course)
    assert notes == []
    assert ids(notebook) == ids(course.source)
    assert "twice three" not in text(solved, "test-double-small")
    assert "twice three" in text(notebook, "test-double-small")
    assert text(notebook, "double") == text(solved, "double")


def test_an_edited_test_is_put_back_and_noted(solved, course):
    next(cell for cell in solved.cells if id_of(cell) == "test-root").source = "pass"
    notebook, notes = reconcile(solved, course)
    assert text(notebook, "test-root") == text(course.source, "test-root")
    assert [("test-root" in note.says, note.tampered) for note in notes] == [(True, True)]


def test_many_edits_are_one_sentence_that_names_a_few(solved, course):
    for cell in solved.cells:
        if id_of(cell) not in (None, "double", "root", "essay"):
            cell.source = "pass"
    (note,) = reconcile(solved, course)[1]
    assert "setup, check-double, test-double-small, test-double-kinds, 2 more" in note.says


def test_white_space_that_an_editor_changes_is_no_tampering(solved, course):
    cell = next(cell for cell in solved.cells if id_of(cell) == "test-double-small")
    cell.source = cell.source.replace("\n", "  \n") + "\n\n"
    assert reconcile(solved, course)[1] == []


@pytest.mark.parametrize(
    ("key", "value"), [("points", 500), ("solution", True), ("locked", False), ("grade", False)]
)
def test_changed_marks_are_put_back_and_noted(solved, course, key, value):
    next(cell for cell in solved.cells if id_of(cell) == "test-root").metadata.nbgrader[key] = value
    notebook, notes = reconcile(solved, course)
    restored = next(cell for cell in notebook.cells if id_of(cell) == "test-root")
    was = next(cell for cell in course.source.cells if id_of(cell) == "test-root")
    assert restored.metadata.nbgrader[key] == was.metadata.nbgrader[key]
    assert [note.tampered for note in notes] == [True]


@pytest.mark.parametrize("gone", ["setup", "check-double", "test-double-small", "test-root", "essay"])
def test_a_deleted_cell_comes_back_at_its_place(solved, course, gone):
    solved.cells = [cell for cell in solved.cells if id_of(cell) != gone]
    notebook, notes = reconcile(solved, course)
    assert ids(notebook) == ids(course.source)
    assert [(note.grade_id, note.missing) for note in notes] == [(gone, True)]


def test_a_deleted_answer_does_not_overwrite_the_answer_the_student_wrote_elsewhere(solved, course):
    mine = next(cell for cell in solved.cells if id_of(cell) == "root")
    mine.metadata = nbformat.from_dict({})
    notebook, _ = reconcile(solved, course)
    sources = [cell.source for cell in notebook.cells]
    assert ids(notebook) == ids(course.source)
    assert [source for source in sources if "def root" in source] == [mine.source]
    assert sources.index(mine.source) < sources.index(text(course.source, "test-root"))


def test_cells_without_any_mark_are_tested_all_the_same(solved, course):
    for cell in solved.cells:
        cell.metadata = nbformat.from_dict({})
    notebook, _ = reconcile(solved, course)
    sources = [cell.source for cell in notebook.cells]
    last_answer = max(
        number for number, source in enumerate(sources) if "def " in source and "BEGIN" not in source
    )
    assert ids(notebook) == ids(course.source)
    assert last_answer < sources.index(text(course.source, "test-double-small"))


def test_of_duplicated_cells_the_first_counts_and_the_second_still_runs(solved, course):
    at = ids(solved).index("double")
    index = [id_of(cell) for cell in solved.cells].index("double")
    twin = copy.deepcopy(solved.cells[index])
    twin.source = "def double(x):\n    return x * 2.0"
    solved.cells.insert(index + 1, twin)
    notebook, notes = reconcile(solved, course)
    assert ids(notebook).count("double") == 1
    assert ids(notebook)[at] == "double"
    assert notebook.cells[index + 1].source == twin.source
    assert ["double" in note.says for note in notes] == [True]


def test_a_cell_id_the_course_does_not_know_becomes_an_ordinary_cell(solved, course):
    marks = {"grade": True, "grade_id": "bonus", "points": 99, "solution": False, "locked": True}
    solved.cells.append(nbformat.v4.new_code_cell("1 + 1", metadata={"nbgrader": marks}))
    notebook, notes = reconcile(solved, course)
    assert ids(notebook) == ids(course.source)
    assert notebook.cells[-1].source == "1 + 1"
    assert ["bonus" in note.says for note in notes] == [True]


def test_cells_in_another_order_go_back_with_the_cells_that_follow_them(solved, course):
    index = [id_of(cell) for cell in solved.cells].index("double")
    answer = solved.cells.pop(index)
    solved.cells += [answer, nbformat.v4.new_code_cell("helper = 1")]
    notebook, notes = reconcile(solved, course)
    sources = [cell.source for cell in notebook.cells]
    assert ids(notebook) == ids(course.source)
    assert sources.index("helper = 1") == sources.index(answer.source) + 1
    assert ["order" in note.says for note in notes] == [True]


def test_a_cell_of_another_type_gets_its_type_back(solved, course):
    index = [id_of(cell) for cell in solved.cells].index("root")
    solved.cells[index] = nbformat.v4.new_markdown_cell(
        solved.cells[index].source, metadata=solved.cells[index].metadata
    )
    notebook, notes = reconcile(solved, course)
    cell = next(cell for cell in notebook.cells if id_of(cell) == "root")
    assert (cell.cell_type, cell.source) == ("code", solved.cells[index].source)
    assert ["type" in note.says for note in notes] == [True]


def test_everybody_gets_the_budget_and_the_kernel_of_the_course(solved, course):
    next(cell for cell in solved.cells if "budget" in cell.source).source = 'budget = "a week"'
    solved.metadata.kernelspec = {"name": "my-env", "display_name": "mine", "language": "python"}
    notebook, _ = reconcile(parse(bytes_of(solved)), course)
    assert [cell.source for cell in notebook.cells if "budget" in cell.source] == ['budget = "ci"']
    assert notebook.metadata.kernelspec.name == "python3"


def test_the_cell_of_parameters_comes_back_behind_the_cell_it_followed(solved, course):
    solved.cells = [cell for cell in solved.cells if "budget" not in cell.source]
    notebook, notes = reconcile(solved, course)
    places = {name: place for place, cell in enumerate(notebook.cells) if (name := id_of(cell))}
    assert [place for place, cell in enumerate(notebook.cells) if "budget" in cell.source] == [
        places["setup"] + 1
    ]
    assert ["parameters was missing" in note.says for note in notes] == [True]


def test_a_notebook_in_another_language_is_noted_and_one_in_python_is_not(solved, course):
    for language, noted in (("R", ["its language is 'R'"]), ("python", []), ("Python 3", []), ("", [])):
        solved.metadata.language_info = {"name": language}
        _, notes = reconcile(parse(bytes_of(solved)), course)
        assert [words for note, words in zip(notes, noted, strict=True) if words in note.says] == noted


def test_a_thousand_unknown_cells_are_one_sentence(solved, course):
    for number in range(1000):
        marks = {"grade": False, "grade_id": "x" * 500 + str(number), "solution": False, "locked": False}
        solved.cells.append(nbformat.v4.new_code_cell("1 + 1", metadata={"nbgrader": marks}))
    (note,) = reconcile(solved, course)[1]
    assert "996 more; they were run as ordinary cells" in note.says
    assert len(note.says) < 600


def test_only_pictures_come_in_with_a_text_cell_and_only_so_many(solved):
    cell = next(cell for cell in solved.cells if id_of(cell) == "essay")
    cell.attachments = {
        "a.png": {"image/png": "QUJD", "text/html": "<b>"},
        "b.svg": {"image/svg+xml": "<svg>"},
    }
    kept = next(cell for cell in parse(bytes_of(solved)).cells if id_of(cell) == "essay")
    assert kept.attachments == {"a.png": {"image/png": "QUJD"}}
    cell.attachments = {f"{number}.png": {"image/png": "A" * 8_000_000} for number in range(4)}
    kept = next(cell for cell in parse(bytes_of(solved)).cells if id_of(cell) == "essay")
    assert list(kept.attachments) == ["0.png", "1.png"]


def test_no_step_changes_the_notebook_it_is_given(solved, course):
    from grading.handins.reconcile import RECONCILE

    solved.cells = [cell for cell in solved.cells[::-1] if id_of(cell) != "test-root"]
    for step in RECONCILE:
        before = copy.deepcopy(solved)
        after, _ = step(solved, course)
        assert solved == before
        solved = after
