"""Are grades shown as they are: on the page, in the file, and for those nobody has graded yet?"""

import csv
import dataclasses
import html.parser
import io

import pytest

from grading.commands.export import harmless, to_csv
from grading.commands.report import histogram, summary, to_html
from grading.gradebook.table import make_table
from grading.records import CellResult, Result, Status

IDS = ["double", "root", "essay"]


def result(student="student", double=2.0, root=2.0, status=Status.PARTIAL, **changes):
    def test(name, score):
        outcome = Status.PASSED if score == 2 else Status.PARTIAL if score else Status.FAILED
        return CellResult(name, outcome, score, 2.0, "" if score == 2 else f"{name} went wrong", 0.1)

    cells = (
        test("test-double-small", double),
        test("test-double-big", 2.0),
        test("test-root", root),
        CellResult("essay", Status.PASSED, 0.0, 4.0, "To be graded by hand.", manual=True),
    )
    score = sum(cell.score for cell in cells)
    made = Result(student, "01_numbers", status, score, 6.0, cells, seconds=1.5)
    return dataclasses.replace(made, **changes)


def rows(table):
    return list(csv.reader(io.StringIO(to_csv(table))))


def test_cells_of_one_exercise_are_one_column_in_the_order_of_the_notebook():
    table = make_table("01_numbers", [result(double=0.5)], IDS)
    assert rows(table) == [
        ["student", "status", "double", "root", "essay", "total", "max"],
        ["student", "partial", "2.5", "2", "", "4.5", "10"],
    ]


def test_points_given_by_hand_replace_those_of_the_tests_and_fill_what_waited():
    by_hand = {"student": {"essay": 3.5, "test-root": 1.0}}
    table = make_table("01_numbers", [result()], IDS, by_hand=by_hand)
    assert rows(table)[1] == ["student", "partial", "4", "1", "3.5", "8.5", "10"]


def test_what_the_machine_failed_on_has_no_score_rather_than_zero():
    cells = tuple(
        CellResult(name, Status.INFRASTRUCTURE_ERROR, 0.0, 2.0) for name in ("test-double-small", "test-root")
    )
    table = make_table("01_numbers", [result(status=Status.INFRASTRUCTURE_ERROR, cells=cells)], IDS)
    assert rows(table)[1] == ["student", "infrastructure_error", "", "", "0", "4"]


def test_the_file_is_the_same_whatever_the_order_and_the_times():
    class_one = [result("b"), result("a", root=0.0), result("c")]
    class_two = [dataclasses.replace(one, seconds=9.0) for one in class_one[::-1]]
    assert to_csv(make_table("x", class_one, IDS)) == to_csv(make_table("x", class_two, IDS))


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_name_that_a_spreadsheet_would_compute_is_made_harmless(name):
    table = make_table("x", [result(student=name)], IDS)
    assert rows(table)[1][0] == "'" + name.replace("\t", " ").replace("\r", " ")
    assert harmless("ordinary") == "ordinary"


@pytest.mark.parametrize(
    "name",
    [
        "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)", "\ufe66=", "\ufe62=", "\ufe63=", "\ufe6bx",
        "\u207c1", "\u208a1", "\u2a75=", "\u22121", "\u20141", "\u20101", "\u2796=",
        " =1", "\u00a0=1", "\u3000=1", "\u2003\uff1d1", "\ufeff=1", "\u200b=1", "\u202e=1",
        "\u2060\u00ad=1", "\ufe0f=1",
        "\x00=1", "\x1f=1", "\x0b=1", "\n=1", "\r\n=1", "\t\uff1d1", "\x85=1", "\u2028=1",
    ],
)  # fmt: skip
def test_nor_does_a_sign_of_another_width_or_one_behind_something_unseen_compute(name):
    assert harmless(name).startswith("'")


def test_a_cell_that_begins_where_semicolons_separate_columns_does_not_compute_either():
    assert harmless("x;=1+1; \uff1d2;y") == "x;'=1+1;' \uff1d2;y"


@pytest.mark.parametrize(
    "name", ["anna", "a=b", "o-neil", "\u00e9mile", "e\u0301mile", "\u674e\u96f7", "1-2", "", "3 + 4"]
)
def test_ordinary_names_stay_as_they_are(name):
    assert harmless(name) == name


def test_the_name_of_an_exercise_is_made_harmless_as_well():
    cells = (CellResult("-1", Status.PASSED, 1.0, 1.0),)
    assert rows(make_table("x", [result(cells=cells)], []))[0][2] == "'-1"


def test_names_with_commas_quotes_and_line_ends_stay_one_field():
    table = make_table("x", [result(student='a, "b"\nc')], IDS)
    assert [row[0] for row in rows(table)] == ["student", 'a, "b" c']


def test_the_histogram_holds_everybody_once():
    values = [0.0, 9.99, 10.0, 55.0, 99.9, 100.0]
    bars = histogram(values)
    assert sum(bar.count for bar in bars) == len(values)
    assert [bar.count for bar in bars] == [2, 1, 0, 0, 0, 1, 0, 0, 0, 2]


def test_an_exercise_counts_who_lost_points_and_over_what():
    class_ = [
        result("a", double=0.0, diagnoses={"double": ("adds-two",)}),
        result("b", double=0.0, diagnoses={"double": ("adds-two", "cuts-off")}),
        result("c"),
        result("d", diagnoses={"double": ("invented-by-a-student",)}),
    ]
    says = {("double", "adds-two"): "You add two.", ("double", "cuts-off"): "You cut off."}
    table = make_table("x", class_, IDS, says=says)
    found = summary(table.exercises[0], table, table.rows)
    assert (found.ran, found.lost, found.rate, found.mean) == (4, 2, 0.5, 3.0)
    assert [(met.name, met.count, met.says) for met in found.met] == [
        ("adds-two", 2, "You add two."),
        ("cuts-off", 1, "You cut off."),
    ]


class Tags(html.parser.HTMLParser):
    """Counts the tags of a page and collects its text."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def page(*class_, **options):
    text = to_html(make_table("01_numbers", class_, IDS, **options), "made-up")
    tags = Tags()
    tags.feed(text)
    return text, tags


def test_nothing_from_a_hand_in_becomes_markup():
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    cells = (CellResult("test-double-small", Status.FAILED, 0.0, 2.0, evil, 0.1),)
    attack = result(student=evil, cells=cells, notes=(evil,), needs_human=evil, diagnoses={"double": (evil,)})
    text, tags = page(attack, ungraded=(evil,))
    plain = page(result())[1]
    assert evil not in text
    assert "img" not in tags.tags
    assert tags.tags.count("script") == plain.tags.count("script") == 1


def test_the_page_needs_nothing_but_itself():
    text, tags = page(result())
    assert "http" not in text
    assert not {"link", "iframe", "object"} & set(tags.tags)


def test_the_page_says_who_needs_a_person_and_who_is_not_graded():
    _, tags = page(result("a"), result("b", needs_human="It never ended."), ungraded=("late",))
    assert "It never ended." in tags.text
    assert "1 not graded yet: late" in tags.text


def test_every_status_has_a_sign_of_its_own():
    from grading.commands.report import SIGNS

    assert set(SIGNS) == set(Status)
    assert len({sign for sign, _ in SIGNS.values()}) == len(Status)


def test_a_class_of_which_nothing_could_be_run_has_a_page_too():
    cells = tuple(CellResult(name, Status.MISSING, 0.0, 2.0) for name in ("test-double-small", "test-root"))
    _, tags = page(result(status=Status.MISSING, cells=cells, seconds=0.0))
    assert "0 of 1" in tags.text
