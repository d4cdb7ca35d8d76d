"""Does the demonstration notice a wrong grade, and is a second one quick and the same?"""

import dataclasses

import nbformat
import pytest

from grading import cli
from grading.commands.demo import differences
from grading.commands.export import to_csv
from grading.course.made_up_class import make_class, selection
from grading.course.masters import read_master
from grading.course.variants import Variant, read_variants
from grading.gradebook.table import Table, load_table
from grading.records import Status

A = "01_numbers"


@pytest.fixture
def handins(made_up):
    master = read_master(made_up.config.masters / A / "assignment.py")
    return make_class(master, read_variants(master), made_up.released())


def test_the_class_is_the_same_every_time_and_every_name_is_once(made_up, handins):
    master = read_master(made_up.config.masters / A / "assignment.py")
    assert make_class(master, read_variants(master), made_up.released()) == handins
    assert len({handin.student for handin in handins}) == len(handins)


def test_a_hand_in_differs_from_the_reference_in_what_its_name_says(handins):
    by_name = {handin.student: handin for handin in handins}
    wrong = nbformat.reads(by_name["misconception-double-adds-two"].content, as_version=4)
    right = nbformat.reads(by_name["reference"].content, as_version=4)
    changed = [(a.source, b.source) for a, b in zip(wrong.cells, right.cells, strict=True) if a != b]
    assert [pair[0] for pair in changed] == ["def double(x):\n    return x + 2"]
    assert "return 2 * x" in changed[0][1]


def test_an_answer_that_calls_a_wrong_one_may_go_wrong_as_well(made_up):
    path = made_up.config.masters / A / "assignment.py"
    path.write_text(path.read_text().replace("return x**0.5", "return double(x) ** 0.5 / 2**0.5"))
    master = read_master(path)
    class_ = {
        handin.student: handin for handin in make_class(master, read_variants(master), made_up.released())
    }
    wrong = class_["misconception-double-adds-two"].deserves.points
    assert wrong == {"double": "less than full points", "root": "anything"}
    assert class_["endless-loop"].deserves.points == {"double": "full points", "root": "no points"}


def test_a_selection_is_spread_over_the_variants_of_each_exercise():
    variants = [Variant("a", "misconception", f"m{number}", "", "") for number in range(9)]
    variants += [Variant("b", "misconception", "only", "", ""), Variant("b", "alternative", "other", "", "")]
    names = [variant.name for variant in selection(variants, "misconception", 3)]
    assert names == ["m0", "m3", "m6", "only"]


@pytest.mark.slow
def test_the_demonstration_grades_a_class_as_it_deserves_and_would_notice_if_not(
    made_up, handins, capsys, monkeypatch
):
    monkeypatch.chdir(made_up.config.root)
    assert cli.main(["demo"]) == 0
    said = capsys.readouterr().out
    assert "misconceptions named by the public checks: 1 of 2" in said
    grades = made_up.config.root / "build" / "demo" / "grades.csv"
    first = grades.read_bytes()
    assert (grades.parent / "report.html").stat().st_size > 10_000

    run_again = []
    monkeypatch.setattr("grading.engine.handin.execute", lambda *job: run_again.append(job))
    assert cli.main(["demo"]) == 0
    assert run_again == [], "nothing has changed, and it was run again"
    assert grades.read_bytes() == first

    course = dataclasses.replace(made_up.config, tree=grades.parent / "course")
    gradebook = f"sqlite:///{course.tree / 'gradebook.db'}"
    table = load_table(dataclasses.replace(course, gradebook=gradebook), A)
    assert to_csv(table).encode() == first
    assert differences(handins, table) == {}
    assert set(differences(handins, without_tests_of_doubling(table))) == {
        handin.student for handin in handins if handin.deserves.points["double"] != "full points"
    }
    assert set(differences(handins, Table(A, table.exercises, table.rows[1:]))) == {
        table.rows[0].result.student
    }


def without_tests_of_doubling(table: Table) -> Table:
    """As the grades would be if the tests of `double` accepted everything."""
    rows = []
    for row in table.rows:
        entry = dataclasses.replace(row.entries["double"], score=5.0, status=Status.PASSED)
        rows.append(dataclasses.replace(row, entries={**row.entries, "double": entry}))
    return dataclasses.replace(table, rows=tuple(rows))
