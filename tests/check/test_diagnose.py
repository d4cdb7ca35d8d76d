"""What a failing check says about the reason."""

import pytest
import torch
from torch.nn import functional as F

from coursekit.check import Case, Exercise
from coursekit.check.diagnose import diagnose
from coursekit.check.fingerprints import Fingerprint, observation
from coursekit.check.run import run
from tests.check.made_up import MOVING_SUM, SCALE, count, moving_sum, scale


def fingerprint(name, function, exercise=MOVING_SUM):
    """What recording this function would give."""
    outcomes = run(exercise, [function])
    return Fingerprint(name, f"You {name}.", {o.case.name: observation(o) for o in outcomes})


def found(function, *fingerprints, exercise=MOVING_SUM):
    functions = function if isinstance(function, list) else [function]
    return diagnose(run(exercise, functions), fingerprints)


def names(*args, **kwargs):
    return [diagnosis.name for diagnosis in found(*args, **kwargs)]


def averages(x, width=2):
    return moving_sum(x, width) / width


def maximum(x, width=2):
    moving_sum(x, width)
    return x.unfold(0, width, 1).amax(1)


def sums_all(x, width=2):
    return x.sum().expand(moving_sum(x, width).shape).clone()


def never_raises(x, width=2):
    return x.new_zeros(0) if width > len(x) else moving_sum(x, width)


PRINTS = [
    fingerprint("average", averages),
    fingerprint("take the maximum", maximum),
    fingerprint("never raise", never_raises),
]


def test_a_right_answer_has_no_diagnosis():
    assert names(moving_sum, *PRINTS) == []


@pytest.mark.parametrize(
    ("function", "name"),
    [(averages, "average"), (maximum, "take the maximum"), (never_raises, "never raise")],
)
def test_the_mistake_that_agrees_everywhere_is_certain(function, name):
    (diagnosis,) = found(function, *PRINTS)
    assert (diagnosis.name, diagnosis.says, diagnosis.certain) == (name, f"You {name}.", True)


def test_a_mistake_that_agrees_only_where_it_fails_is_likely():
    def averages_three(x, width=2):
        return averages(x, width) if width == 3 else moving_sum(x, width)

    (diagnosis,) = found(averages_three, *PRINTS)
    assert (diagnosis.name, diagnosis.certain) == ("average", False)


def test_two_mistakes_at_once_are_not_taken_for_one():
    def both(x, width=2):
        return x.new_zeros(0) if width > len(x) else averages(x, width)

    assert names(both, *PRINTS) == []


def test_mistakes_with_the_same_output_are_all_named():
    twin = fingerprint("divide", lambda x, width=2: moving_sum(x, width).div(width))
    assert names(averages, *PRINTS, twin) == ["average", "divide"]


def test_the_certain_mistake_wins_over_a_likely_one():
    def averages_two(x, width=2):
        return averages(x, width) if width == 2 else moving_sum(x, width)

    assert names(averages_two, *PRINTS, fingerprint("average two", averages_two)) == ["average two"]


def test_exceptions_alone_make_no_certain_diagnosis():
    def fails(x, width=2):
        raise ValueError

    def fails_otherwise(x, width=2):
        if width == 2:
            raise ValueError("for another reason")
        return moving_sum(x, width)

    (diagnosis,) = found(fails, fingerprint("fail", fails))
    assert (diagnosis.name, diagnosis.certain) == ("fail", False)
    assert names(fails_otherwise, fingerprint("fail", fails)) == []


def test_a_changed_argument_is_recognized_by_its_fingerprint():
    def overwrites(x, width=2):
        result = moving_sum(x, width)
        x.zero_()
        return result

    assert names(overwrites, *PRINTS) == ["changed-arguments"]
    assert names(overwrites, *PRINTS, fingerprint("overwrite", overwrites)) == ["overwrite"]


def test_a_forbidden_call_is_the_first_thing_said():
    def calls_torch(x, width=2):
        return F.conv1d(x.view(1, 1, -1), torch.ones(1, 1, width)).flatten()

    (diagnosis,) = found(calls_torch, *PRINTS)
    assert diagnosis.name == "forbidden-call"
    assert "slicing" in diagnosis.says


def test_forbidden_calls_of_different_groups_are_told_apart():
    def convolves(x, width=2):
        return F.conv1d(x.view(1, 1, -1), torch.ones(1, 1, width)).flatten()

    def pools(x, width=2):
        return F.avg_pool1d(x.view(1, 1, -1), width, 1).flatten() * width

    prints = [fingerprint("convolve", convolves), fingerprint("pool", pools)]
    assert names(convolves, *prints) == ["forbidden-call", "convolve"]
    assert names(pools, *prints) == ["forbidden-call", "pool"]
    assert all(diagnosis.certain for diagnosis in found(pools, *prints))


def test_an_unwritten_function_is_named():
    def stub(m, value):
        raise NotImplementedError

    (diagnosis,) = found([scale, stub], exercise=SCALE)
    assert diagnosis.name == "not-written"
    assert diagnosis.says.startswith("count is not written yet")


def test_a_missing_return_is_named():
    (diagnosis,) = found(lambda x, width=2: None)
    assert diagnosis.name == "returned-none"


SQUARES = Exercise(
    "squares",
    ("f",),
    (
        Case("2 x 2", lambda: (torch.arange(4.0).view(2, 2),), expected=lambda x: x * x),
        Case("2 x 3", lambda: (torch.arange(6.0).view(2, 3),), expected=lambda x: x * x),
    ),
    (),
)


@pytest.mark.parametrize(
    ("function", "name", "words"),
    [
        (lambda x: (x * x).mT, "transposed", "rows became columns"),
        (lambda x: (x * x).flip(-1), "flipped", "left to right"),
        (lambda x: (x * x).flip(-2), "flipped", "upside down"),
        (lambda x: (x * x).flip(-1, -2), "flipped", "180 degrees"),
        (lambda x: 3 * x * x, "constant-factor", "times 3."),
        (lambda x: x * x / x.numel(), "constant-factor", "from 0.1667 to 0.25 by case"),
        (lambda x: x * x - 2, "constant-offset", "plus -2."),
        (lambda x: (x * x).double(), "wrong-dtype", "dtype"),
        (lambda x: (x * x).to("meta"), "wrong-device", "device"),
    ],
)
def test_a_general_relation_is_named(function, name, words):
    (diagnosis,) = found(function, exercise=SQUARES)
    assert diagnosis.name == name
    assert words in diagnosis.says


def test_a_relation_must_hold_in_every_failing_case():
    assert names(lambda x: (x * x).flip(-1) if x.shape[1] == 2 else x, exercise=SQUARES) == []


def test_a_count_that_is_one_too_large_is_named():
    cases = tuple(Case(str(i), lambda i=i: (i,), expected=lambda i: i * 2) for i in (1, 2))  # type: ignore[misc]
    counts = Exercise("n", ("n",), cases, ())
    assert names(lambda i: i * 2 + 1, exercise=counts) == ["off-by-one"]
    assert names(lambda i: i * 2 + (1 if i == 1 else -1), exercise=counts) == []


def test_exercises_with_several_functions_are_diagnosed():
    wrong = Fingerprint(
        "count others",
        "You count others.",
        {o.case.name: observation(o) for o in run(SCALE, [scale, lambda m, v: int((m != v).sum()) + 5])},
    )
    assert names([scale, lambda m, v: 7], wrong, exercise=SCALE) == ["count others"]
    assert names([scale, count], wrong, exercise=SCALE) == []
