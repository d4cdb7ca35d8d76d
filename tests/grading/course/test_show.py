"""`grading build --show`: the whole text of an answer that is written as edits."""

from typing import Any

import pytest

from grading.cli import main

EDITED = """
# %% misconception="trapezium" name="forgets-to-halve"
# You did not halve.
replace("(top + bottom) / 2", "(top + bottom)")
"""


@pytest.fixture
def show(unbuilt, capsys):
    """What the command prints, and its exit status."""
    path = unbuilt.root / "solutions/01_areas/misconceptions.py"
    path.write_text(path.read_text() + EDITED)

    def run(wanted):
        status = main(["build", "--show", wanted, "--config", str(unbuilt.root / "course.toml")])
        return status, *capsys.readouterr()

    return run


def test_an_edited_answer_is_shown_whole_and_runs(show):
    status, out, err = show("01_areas/trapezium/forgets-to-halve")
    assert (status, err) == (0, "")
    names: dict[str, Any] = {}
    exec(out, names)
    assert names["trapezium"](1, 2, 3) == 9
    assert out.startswith("def trapezium")
    assert "BEGIN SOLUTION" not in out


def test_a_whole_answer_and_the_reference_are_shown_as_they_are(show):
    assert "return top * height / 2 + bottom * height / 2\n" in show("01_areas/trapezium/two-triangles")[1]
    assert "mean_width = (top + bottom) / 2\n" in show("01_areas/trapezium/reference")[1]


def test_the_answers_to_an_exercise_are_listed_with_what_they_say(show):
    _, out, _ = show("01_areas/trapezium")
    assert [line.split()[0] for line in out.splitlines()] == [
        "reference",
        "forgets-half",
        "two-triangles",
        "forgets-to-halve",
    ]
    assert "You did not halve." in out.splitlines()[3]
    assert show("01_areas")[1] == "trapezium\n"


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("01_areas/trapezium/forget-half", "no answer 'forget-half'; did you mean forgets-half"),
        ("01_areas/trapezium/x", "no answer 'x'; there are reference, forgets-half, two-triangles"),
        ("01_areas/trapezoid/x", "01_areas: there is no exercise 'trapezoid'; did you mean trapezium?"),
        ("02_areas", "there is no topic '02_areas'; did you mean 01_areas?"),
    ],
)
def test_what_is_not_there_is_answered_by_what_is_like_it(show, wanted, says):
    status, out, err = show(wanted)
    assert (status, out) == (1, "")
    assert says in err
    assert err.count("\n") == 1


def test_nothing_is_built(show, unbuilt):
    show("01_areas/trapezium/forgets-to-halve")
    assert not (unbuilt.root / "build").exists()
    assert not (unbuilt.root / "notebooks").exists()
