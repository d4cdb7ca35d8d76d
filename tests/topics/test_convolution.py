"""Topic 01: right answers get their points, mistakes lose some, and the check says which mistake it was."""

import time
from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest
import torch

from coursekit.check.deadline import TimeIsUpError, time_limit
from coursekit.check.diagnose import match
from coursekit.check.fingerprints import matches, observation
from coursekit.check.run import run
from grading.masters import solved_source
from tests.topics.harness import blank, execute, quiet, read_topic

TOPIC = read_topic("01_convolution")
HEADER = TOPIC.master.header
GRADED = [exercise for exercise in HEADER.exercises if not exercise.manual]
MISCONCEPTIONS, ALTERNATIVES = TOPIC.of_kind("misconception"), TOPIC.of_kind("alternative")

# Right on every public case: the hidden tests alone can tell (by the time it takes).
TOLD_BY_HIDDEN_TESTS_ONLY = {("conv2d", "loops-over-pixels")}


def ids(variants):
    return [f"{variant.exercise}-{variant.name}" for variant in variants]


@pytest.fixture(autouse=True)
def a_home_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def fingerprints():
    with quiet():
        return TOPIC.fingerprints()


# ---- the master -------------------------------------------------------------------------------------------


def test_the_header_says_what_the_cells_hold():
    cells = TOPIC.master.cells
    points = Counter()
    for cell in cells:
        if cell.role in ("test", "manual"):
            points[cell.exercise] += cell.points
    assert points == {exercise.id: exercise.points for exercise in HEADER.exercises}
    assert [cell.exercise for cell in TOPIC.master.with_role("answer")] == [
        exercise.id for exercise in GRADED
    ]
    assert [cell.exercise for cell in TOPIC.master.with_role("check")] == [exercise.id for exercise in GRADED]
    assert sum(exercise.minutes for exercise in HEADER.exercises) == HEADER.minutes
    grade_ids = [cell.grade_id for cell in cells if cell.grade_id]
    assert len(grade_ids) == len(set(grade_ids))


def test_the_header_forbids_what_the_checks_forbid():
    assert {exercise.id: exercise.forbidden for exercise in GRADED} == {
        name: exercise.forbidden for name, exercise in TOPIC.exercises.items()
    }


def test_hidden_tests_say_in_words_what_they_test_and_forbid_what_the_header_forbids():
    forbidden = {exercise.id: exercise.forbidden for exercise in GRADED}
    for cell in TOPIC.master.with_role("test"):
        assert cell.source.startswith("# "), f"{cell.grade_id} needs a visible line that says what is tested"
        call = f"with forbid({', '.join(repr(group) for group in forbidden[cell.exercise])}):".replace(
            "'", '"'
        )
        assert not forbidden[cell.exercise] or call in cell.source, f"{cell.grade_id} lacks {call}"


def test_the_solved_assignment_scores_full():
    graded = TOPIC.grade()
    assert graded.errors == {}
    assert graded.total == HEADER.points == 24


def test_the_blank_release_scores_nothing_because_nothing_is_implemented():
    answers = {cell.exercise: blank(cell) for cell in TOPIC.master.with_role("answer")}
    graded = TOPIC.grade(answers)
    assert graded.total == 0
    assert {name: type(error) for name, error in graded.errors.items()} == dict.fromkeys(
        graded.points, NotImplementedError
    )


@pytest.mark.parametrize("release", [blank, solved_source], ids=["blank", "solved"])
def test_every_other_cell_runs(release, monkeypatch):
    """Prose that runs code: figures, tables and checks must not need an answer, and must work with one."""
    monkeypatch.setattr("IPython.display.display", lambda *_args, **_kwargs: None)
    names = {"__name__": "__hand_in__"}
    with time_limit(60), quiet():
        for number, cell in enumerate(TOPIC.master.cells):
            if cell.kind == "code" and cell.role not in ("test", "manual"):
                execute(release(cell), names, f"cell {number}")


def test_the_stack_of_alexnet_has_the_fields_that_can_be_counted_by_hand():
    names = TOPIC.namespace()
    table = {row[0]: row[1:4] for row in _alexnet()}
    rows = dict(zip(table, names["receptive_field"](list(table.values())), strict=True))
    assert [row[0] for row in rows.values()] == [11, 19, 51, 67, 99, 131, 163, 195, 195, 355]
    assert [row[1] for row in rows.values()] == [4, 8, 8, 16, 16, 16, 16, 32, 32, 32]
    assert [row[2] for row in rows.values()] == [2, 2, 18, 18, 34, 50, 66, 66, 66, 66]
    # The slide has its padding column shifted by a row from pool2, and a field of 259 from flatten on.
    slide = {row[0]: row[4] for row in _alexnet()}
    assert [name for name in rows if rows[name] != slide[name]] == [
        "pool2",
        "conv3",
        "conv4",
        "flatten",
        "fc6",
    ]


def _alexnet():
    cell = next(cell for cell in TOPIC.master.cells if "ALEXNET = [" in cell.source)
    names = {}
    execute(cell.source.split("\nwith ")[0], names, "AlexNet's table")
    return names["ALEXNET"]


# ---- variants ---------------------------------------------------------------------------------------------


def test_there_are_enough_variants_of_every_exercise():
    wrong = Counter(variant.exercise for variant in MISCONCEPTIONS)
    right = Counter(variant.exercise for variant in ALTERNATIVES)
    for exercise in GRADED:
        assert wrong[exercise.id] >= (6 if exercise.points >= 3 else 5), exercise.id
        assert right[exercise.id] >= 2, exercise.id
    assert len(MISCONCEPTIONS) >= 56
    assert len(ALTERNATIVES) >= 16


@pytest.mark.parametrize("variant", MISCONCEPTIONS, ids=ids(MISCONCEPTIONS))
def test_a_misconception_loses_points(variant, record_property):
    record_property("tally", f"{HEADER.topic}: misconceptions that lose points")
    graded = TOPIC.grade({variant.exercise: variant.source}, exercise=variant.exercise)
    full = next(exercise.points for exercise in GRADED if exercise.id == variant.exercise)
    assert sum(graded.points.values()) < full
    broken = [
        error
        for error in graded.errors.values()
        if isinstance(error, NameError | SyntaxError | TimeIsUpError)
    ]
    assert broken == [], "the variant itself is broken"


def test_an_answer_that_never_ends_loses_its_points_and_holds_nothing_up():
    endless = "def output_size(size, kernel, stride=1, padding=0, dilation=1):\n    while True: pass"
    graded = replace(TOPIC, seconds=0.05).grade({"output_size": endless}, exercise="output_size")
    assert graded.total == 0
    assert {type(error) for error in graded.errors.values()} == {TimeIsUpError}


@pytest.mark.parametrize("variant", ALTERNATIVES, ids=ids(ALTERNATIVES))
def test_an_alternative_keeps_full_points_and_passes_the_public_check(variant, record_property):
    record_property("tally", f"{HEADER.topic}: alternatives that keep full points")
    graded = TOPIC.grade({variant.exercise: variant.source})
    assert graded.errors == {}
    assert graded.total == HEADER.points
    assert [outcome.sentence for outcome in TOPIC.check(variant) if not outcome.passed] == []


# ---- the public check -------------------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", GRADED, ids=lambda exercise: exercise.id)
def test_the_public_check_passes_the_reference_in_less_than_0_3_seconds(exercise):
    names = TOPIC.namespace()
    functions = [names[name] for name in TOPIC.exercises[exercise.id].functions]
    run(TOPIC.exercises[exercise.id], functions)  # what torch loads at the first call is not the check's
    start = time.perf_counter()
    outcomes = run(TOPIC.exercises[exercise.id], functions)
    seconds = time.perf_counter() - start
    assert [outcome.sentence for outcome in outcomes if not outcome.passed] == []
    assert 5 <= len(outcomes) <= 8
    assert seconds < 0.3


def test_the_public_check_names_at_least_four_mistakes_of_five(fingerprints, record_property):
    named = {}
    for variant in MISCONCEPTIONS:
        found = match(TOPIC.check(variant), fingerprints[variant.exercise])
        named[variant.exercise, variant.name] = [diagnosis.name for diagnosis in found]
    alone = [key for key, names in named.items() if names == [key[1]]]
    report = f"{len(alone)} of {len(named)} misconceptions named, each alone: {len(alone) / len(named):.1%}"
    record_property("measured", f"{HEADER.topic}: {report}")
    assert len(alone) / len(named) >= 0.80, {key: names for key, names in named.items() if key not in alone}
    assert {key for key in named if key not in alone} == TOLD_BY_HIDDEN_TESTS_ONLY


def test_no_two_mistakes_have_the_same_fingerprint(fingerprints):
    same = [
        (exercise, one.name, other.name)
        for exercise, rows in fingerprints.items()
        for one, other in combinations(rows, 2)
        if one.outputs.keys() == other.outputs.keys()
        and all(matches(one.outputs[case], other.outputs[case]) for case in one.outputs)
    ]
    assert same == []


def test_a_mistake_that_gives_right_outputs_only_is_left_to_the_hidden_tests(fingerprints):
    recorded = {(exercise, row.name) for exercise, rows in fingerprints.items() for row in rows}
    missing = {(variant.exercise, variant.name) for variant in MISCONCEPTIONS} - recorded
    assert missing == TOLD_BY_HIDDEN_TESTS_ONLY


@pytest.mark.parametrize("exercise", GRADED, ids=lambda exercise: exercise.id)
def test_the_expected_values_can_be_read_on_the_card(exercise):
    """Whole numbers below ten thousand: the same on every machine, and short enough to be read."""
    names = TOPIC.namespace()
    functions = [names[name] for name in TOPIC.exercises[exercise.id].functions]
    for outcome in run(TOPIC.exercises[exercise.id], functions):
        for number in _numbers(observation(outcome)):
            assert number == int(number), outcome.case.name
            assert abs(number) < 10_000, outcome.case.name


def _numbers(observed):
    if isinstance(observed, dict):
        return observed.get("values", [])
    if isinstance(observed, list):
        return [number for item in observed for number in _numbers(item)]
    return [observed]


@pytest.mark.parametrize("exercise", GRADED, ids=lambda exercise: exercise.id)
def test_three_hints_lead_there_without_giving_code(exercise):
    hints = TOPIC.exercises[exercise.id].hints
    assert len(hints) == 3
    solution = solved_source(next(c for c in TOPIC.master.with_role("answer") if c.exercise == exercise.id))
    lines = {line.strip() for line in solution.splitlines() if "=" in line or "return" in line}
    assert [line for line in lines for hint in hints if line in hint] == []
