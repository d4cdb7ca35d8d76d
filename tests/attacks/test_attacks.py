"""No attack gains anything, and nobody beside it loses anything."""

import re

import pytest

from grading import cli
from grading.records import Status
from tests.attacks import siege
from tests.attacks.corpus import ATTACKS, ban
from tests.attacks.corpus.attack import MARKERS, PUZZLES, TENSORS, full


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_gains_nothing(attack, aftermath, record_property):
    record_property("tally", "attacks that gained nothing")
    result = aftermath.results[attack.name, attack.assignment]
    score = None if result.status is Status.INFRASTRUCTURE_ERROR else result.score
    told = " ".join([*result.notes, result.needs_human or "", *(cell.says for cell in result.cells)])
    text = told + siege.shown(aftermath.notebooks.get((attack.name, attack.assignment)))
    gained = siege.gains(attack, score, text, aftermath.ears, aftermath.gradebook, aftermath.orphans)
    assert not gained, f"{attack.name} {attack.tries}: {gained}"


@pytest.mark.parametrize("attack", ban.ATTACKS, ids=lambda attack: attack.name)
def test_a_way_round_the_ban_is_named_or_was_not_there(attack, aftermath):
    result = aftermath.results[attack.name, attack.assignment]
    says = next(cell.says for cell in result.cells if cell.grade_id == "test-correlate")
    named = re.search(r"[\w.]+ ran, but this exercise forbids|The record of what ran was stopped", says)
    prevented = re.search(r"Operation not permitted|name 'solve' is not defined|None is not tensor", says)
    assert bool(named) != bool(prevented), says
    assert bool(prevented) == (attack.name in ban.PREVENTED), says


def test_every_neighbour_has_full_points(aftermath):
    neighbours = {
        student: (result.score, result.status)
        for (student, assignment), result in aftermath.results.items()
        if student.endswith(("honest", "neighbour"))
    }
    assert len(neighbours) > 10
    lost = {
        (student, assignment): (result.score, str(result.status), result.notes)
        for (student, assignment), result in aftermath.results.items()
        if student.endswith(("honest", "neighbour")) and result.score != full(assignment)
    }
    assert not lost


def test_the_course_lies_on_the_disk_as_before(aftermath):
    assert aftermath.after == aftermath.before


def test_the_class_can_be_reported_exported_and_given_feedback(aftermath, monkeypatch, capsys):
    monkeypatch.chdir(aftermath.config.root)
    for words in (["run", PUZZLES], ["report", PUZZLES], ["export", PUZZLES], ["feedback", PUZZLES]):
        assert cli.main(words) == 0
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    page = (aftermath.config.tree / "reports" / f"{PUZZLES}.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page


def test_what_an_attack_found_would_be_noticed():
    assert siege.leaked('"found: ' + MARKERS["hidden"] + '"') == {"hidden"}
    assert siege.leaked("a traceback with " + MARKERS["hidden"]) == set()


def test_there_are_attacks_of_every_kind():
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 45
    assert {attack.assignment for attack in ATTACKS} == {PUZZLES, TENSORS}
    assert all(attack.tries and attack.gains for attack in ATTACKS)
