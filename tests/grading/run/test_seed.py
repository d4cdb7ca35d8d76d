"""Each grading draws numbers of its own, and can be repeated exactly."""

import dataclasses
import re

import nbformat
import pytest

from grading.cli import main
from grading.commands.feedback import generate_feedback
from grading.commands.run import results
from grading.gradebook.record import record
from grading.gradebook.store import store_of
from grading.handins.plan import plan

A = "01_numbers"
DRAWS = """### BEGIN HIDDEN TESTS
import os
seed = int(os.environ["GRADING_SEED"])
assert double(seed) == 2 * seed, f"twice {seed}"
### END HIDDEN TESTS"""
TELLS = "def double(x):\n    print(x)\n    raise ValueError(x)"


@pytest.fixture
def drawing(made_up):
    """The course, with a test that looks at the seed, and a hand-in that tells what it gets."""
    path = made_up.config.tree / "source" / A / f"{A}.ipynb"
    source = nbformat.read(path, as_version=4)
    test = next(cell for cell in source.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == TEST)
    test.source = DRAWS
    nbformat.write(source, path)
    made_up.hand_in("right", made_up.solved())
    made_up.hand_in("tells", made_up.solved(double=TELLS))
    return made_up


TEST = "test-double-small"


def graded(course, seed=None, **how):
    """By student: the seed that the result has, the seed that the answer was given, and the score."""
    config = course.config
    jobs = [dataclasses.replace(job, seed=seed) for job in plan(config, A)]
    found = list(results(jobs, store_of(config), quiet=True, **how))
    record(config, A, found)
    seen = {}
    for result in found:
        (says,) = (cell.says for cell in result.cells if cell.grade_id == TEST)
        number = re.fullmatch(r"ValueError: (\d+)", says)
        seen[result.student] = (result.seed, number and int(number[1]), result.score)
    return seen


def test_every_hand_in_and_every_run_has_numbers_of_its_own(drawing):
    first, second = graded(drawing), graded(drawing, force=True)
    drawn = {seed for run in (first, second) for seed, _, _ in run.values()}
    assert len(drawn) == 4
    for run in (first, second):
        seed, given, _ = run["tells"]
        assert seed == given
    assert first["right"][2] == second["right"][2] > first["tells"][2]


def test_with_the_seed_of_a_result_it_comes_out_the_same_again(drawing):
    before = graded(drawing, seed=11)
    assert before["tells"] == graded(drawing, seed=11, force=True)["tells"]
    assert before["tells"][:2] == (11, 11)


def test_what_was_graded_is_graded_again_only_for_another_seed(drawing):
    first = graded(drawing)
    assert graded(drawing) == first
    assert {seed for seed, _, _ in graded(drawing, seed=3).values()} == {3}


def test_feedback_is_the_same_whatever_the_seed(drawing):
    pages = []
    for seed in (1, 2, 123_456_789):
        graded(drawing, seed=seed)
        generate_feedback(drawing.config, A)
        folder = drawing.config.tree / "feedback"
        pages.append({page.parent.parent.name: page.read_text() for page in folder.rglob("*.html")})
        assert "123456789" not in pages[-1]["tells"]
    assert pages[0] == pages[1] == pages[2]
    assert pages[0].keys() == {"right", "tells"}


def test_the_command_takes_a_seed_for_all(drawing, monkeypatch, capsys):
    monkeypatch.chdir(drawing.config.root)
    assert main(["run", A, "--seed", "7", "--json"]) == 0
    assert capsys.readouterr().out.count('"seed": 7') == 2
    with pytest.raises(SystemExit) as stopped:
        main(["run", A, "--seed", "-1"])
    assert stopped.value.code == 2
