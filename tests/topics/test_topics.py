"""Every topic: right answers get their points, mistakes lose some, the check says which mistake it was."""

import ast
from collections import Counter, defaultdict
from itertools import combinations

import pytest

from coursekit.check import topics
from coursekit.check.deadline import time_limit
from coursekit.check.fingerprints import drift, load, matches
from grading.course.masters import solved_source
from tests.helpers import ASSIGNMENTS, promises_of
from tests.topics.harness import blank, execute, quiet, read_topic

TOPICS = {name: read_topic(name) for name in ASSIGNMENTS}
FEWEST_ALTERNATIVES = 3


def fewest_misconceptions(exercise):
    """Every exercise has so many wrong answers that students really give."""
    return 7 if exercise.points >= 3 else 5


def graded_exercises(topic):
    return [exercise for exercise in TOPICS[topic].master.header.exercises if not exercise.manual]


def told_by_hidden_tests_only(topic):
    """Wrong answers that are right on every public case, by exercise and name."""
    return {tuple(name.split("/")) for name in promises_of(topic).told_by_hidden_tests_only}


def variants(kind):
    """(topic, variant) for all of a kind, with readable names."""
    return [
        pytest.param(name, variant, id=f"{name}-{variant.exercise}-{variant.name}")
        for name, topic in TOPICS.items()
        for variant in topic.of_kind(kind)
    ]


every_topic = pytest.mark.parametrize("topic", TOPICS)
every_exercise = pytest.mark.parametrize(
    ("topic", "exercise"),
    [
        pytest.param(name, exercise, id=f"{name}-{exercise.id}")
        for name in TOPICS
        for exercise in graded_exercises(name)
    ],
)


def test_every_topic_with_public_checks_is_here():
    assert list(TOPICS) == list(topics.MODULES)


# ---- the master -------------------------------------------------------------------------------------------


@every_topic
def test_the_header_says_what_the_cells_hold(topic):
    master, graded = TOPICS[topic].master, graded_exercises(topic)
    points: defaultdict[str | None, float] = defaultdict(float)
    for cell in master.cells:
        if cell.role in ("test", "manual"):
            points[cell.exercise] += cell.points
    assert points == {exercise.id: exercise.points for exercise in master.header.exercises}
    assert [cell.exercise for cell in master.with_role("answer")] == [exercise.id for exercise in graded]
    assert [cell.exercise for cell in master.with_role("check")] == [exercise.id for exercise in graded]
    assert sum(exercise.minutes for exercise in master.header.exercises) == master.header.minutes  # type: ignore[misc]
    grade_ids = [cell.grade_id for cell in master.cells if cell.grade_id]
    assert len(grade_ids) == len(set(grade_ids))


@every_topic
def test_the_header_forbids_what_the_checks_forbid(topic):
    assert {exercise.id: exercise.forbidden for exercise in graded_exercises(topic)} == {
        name: exercise.forbidden for name, exercise in TOPICS[topic].exercises.items()
    }


@every_topic
def test_hidden_tests_say_in_words_what_they_test_and_forbid_what_the_header_forbids(topic):
    forbidden = {exercise.id: exercise.forbidden for exercise in graded_exercises(topic)}
    helpers = [cell.source for cell in TOPICS[topic].master.with_role("helper")]
    for cell in TOPICS[topic].master.with_role("test"):
        assert cell.source.startswith("# "), f"{cell.grade_id} needs a visible line that says what is tested"
        call = f"forbid({', '.join(repr(group) for group in forbidden[cell.exercise])}):".replace("'", '"')
        careful = {name for source in helpers for name in functions_with(call, source)}
        called = any(f"{name}(" in cell.source for name in careful)
        assert not forbidden[cell.exercise] or called or has_with(call, cell.source), (
            f"{cell.grade_id} lacks with {call}"
        )


def has_with(call, source):
    """Whether a context of this call is entered."""
    return any(line.strip().startswith("with ") and call in line for line in source.splitlines())


def functions_with(call, source):
    """Names of the functions in a cell that enter a context of this call."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and has_with(call, ast.get_source_segment(source, node)):
            yield node.name


@every_topic
def test_the_solved_assignment_scores_full(topic):
    graded = TOPICS[topic].grade()
    assert graded.errors == {}
    assert graded.total == TOPICS[topic].master.header.points == promises_of(topic).points


@every_topic
def test_the_blank_release_scores_nothing_because_nothing_is_implemented(topic):
    answers = {cell.exercise: blank(cell) for cell in TOPICS[topic].master.with_role("answer")}
    graded = TOPICS[topic].grade(answers)
    assert graded.total == 0
    assert {name: type(error) for name, error in graded.errors.items()} == dict.fromkeys(
        graded.points, NotImplementedError
    )


@every_topic
@pytest.mark.parametrize("release", [blank, solved_source], ids=["blank", "solved"])
def test_every_other_cell_runs(topic, release, monkeypatch):
    """Prose that runs code: figures, tables and checks must not need an answer, and must work with one."""
    monkeypatch.setattr("IPython.display.display", lambda *_args, **_kwargs: None)
    names = {"__name__": "__hand_in__"}
    with time_limit(60), quiet():
        for number, cell in enumerate(TOPICS[topic].master.cells):
            if cell.kind == "code" and cell.role not in ("helper", "test", "manual"):
                execute(release(cell), names, f"cell {number}")


# ---- variants ---------------------------------------------------------------------------------------------


@every_topic
def test_there_are_enough_variants_of_every_exercise(topic):
    wrong = Counter(variant.exercise for variant in TOPICS[topic].of_kind("misconception"))
    right = Counter(variant.exercise for variant in TOPICS[topic].of_kind("alternative"))
    for exercise in graded_exercises(topic):
        assert wrong[exercise.id] >= fewest_misconceptions(exercise), exercise.id
        assert right[exercise.id] >= FEWEST_ALTERNATIVES, exercise.id
    assert wrong.total() >= promises_of(topic).misconceptions
    assert right.total() >= promises_of(topic).alternatives


@pytest.mark.parametrize(("topic", "variant"), variants("misconception"))
def test_a_misconception_loses_points(topic, variant, outcomes, record_property):
    record_property("tally", f"{topic}: misconceptions that lose points")
    row = outcomes(topic)[variant.exercise, variant.name]
    full = next(exercise.points for exercise in graded_exercises(topic) if exercise.id == variant.exercise)
    assert row.ended == ""
    assert sum(row.points.values()) < full
    assert row.broken == [], "the variant itself is broken"


@pytest.mark.parametrize(("topic", "variant"), variants("alternative"))
def test_an_alternative_keeps_full_points_and_passes_the_public_check(
    topic, variant, outcomes, record_property
):
    record_property("tally", f"{topic}: alternatives that keep full points")
    row = outcomes(topic)[variant.exercise, variant.name]
    full = next(exercise.points for exercise in graded_exercises(topic) if exercise.id == variant.exercise)
    assert row.ended == ""
    assert row.errors == {}
    assert sum(row.points.values()) == full
    assert row.failed == {}


@every_topic
def test_each_variant_has_run_once(topic, outcomes, record_property):
    """`outcomes` refuses a table in which one stands twice."""
    rows = outcomes(topic)
    assert rows.keys() == {(variant.exercise, variant.name) for variant in TOPICS[topic].variants}
    report = f"public cases and hidden tests of {len(rows)} variants run, each once"
    record_property("measured", f"{topic}: {report}")


# ---- the public check -------------------------------------------------------------------------------------


@every_exercise
def test_the_public_check_passes_the_reference(topic, exercise):
    names = TOPICS[topic].namespace()
    outcomes = TOPICS[topic].checked(exercise.id, names)
    assert [outcome.sentence for outcome in outcomes if not outcome.passed] == []
    assert 5 <= len(outcomes) <= 8


@every_topic
def test_the_public_check_names_nearly_all_mistakes_each_alone(topic, outcomes, record_property):
    named = {key: row.named for key, row in outcomes(topic).items() if row.kind == "misconception"}
    alone = [key for key, names in named.items() if names == [key[1]]]
    report = f"{len(alone)} of {len(named)} misconceptions named, each alone: {len(alone) / len(named):.1%}"
    record_property("measured", f"{topic}: {report}")
    others = {key: names for key, names in named.items() if key not in alone}
    assert len(alone) / len(named) >= 0.90, others
    assert set(others) == told_by_hidden_tests_only(topic), others


@every_exercise
def test_the_recorded_fingerprints_are_what_mistakes_give_today(topic, exercise, outcomes):
    recorded = {row.name: row for row in load(topic).get(exercise.id, ())}
    observed = {
        row.name: row.observed
        for row in outcomes(topic).values()
        if row.exercise == exercise.id and row.kind == "misconception" and row.failed
    }
    assert list(drift(recorded, observed)) == []


@every_topic
def test_no_two_mistakes_have_the_same_fingerprint(topic):
    same = [
        (exercise, one.name, other.name)
        for exercise, rows in load(topic).items()
        for one, other in combinations(rows, 2)
        if one.outputs.keys() == other.outputs.keys()
        and all(matches(one.outputs[case], other.outputs[case]) for case in one.outputs)
    ]
    assert same == []


@every_topic
def test_a_mistake_that_gives_right_outputs_only_is_left_to_the_hidden_tests(topic):
    recorded = {(exercise, row.name) for exercise, rows in load(topic).items() for row in rows}
    wrong = {(variant.exercise, variant.name) for variant in TOPICS[topic].of_kind("misconception")}
    assert wrong - recorded == told_by_hidden_tests_only(topic)


@every_exercise
def test_three_hints_lead_there_without_giving_code(topic, exercise):
    hints = TOPICS[topic].exercises[exercise.id].hints
    assert len(hints) == 3
    answers = TOPICS[topic].master.with_role("answer")
    solution = solved_source(next(cell for cell in answers if cell.exercise == exercise.id))
    lines = {line.strip() for line in solution.splitlines() if "=" in line or "return" in line}
    assert [line for line in lines for hint in hints if line in hint] == []
