"""Every way a case can end."""

import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from coursekit.check import Case, Exercise
from coursekit.check.compare import Kind
from coursekit.check.run import call_text, run, run_case
from tests.check.made_up import ADD_INTO, MOVING_SUM, SCALE, add_into, count, line, moving_sum, scale


def kinds(function) -> list[Kind]:
    return [outcome.kind for outcome in run(MOVING_SUM, [function])]


def first(function):
    return run(MOVING_SUM, [function])[0]


def after(change):
    """The right answer, with its result changed."""
    return lambda x, width=2: change(moving_sum(x, width))


def test_a_right_answer_passes_every_case():
    assert kinds(moving_sum) == [Kind.PASSED] * 4


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda y: y + 1, Kind.VALUE),
        (lambda y: y[:-1], Kind.SHAPE),
        (lambda y: y.double(), Kind.DTYPE),
        (lambda y: y.to("meta"), Kind.DEVICE),
        (lambda y: y.tolist(), Kind.TYPE),
        (lambda y: y.numpy(), Kind.TYPE),
        (lambda y: None, Kind.TYPE),
        (lambda y: y[99], Kind.RAISED),
        (lambda y: sys.exit(1), Kind.RAISED),
        (lambda y: y * float("nan"), Kind.VALUE),
        (lambda y: y.to_sparse(), Kind.TYPE),
    ],
)
def test_a_changed_result_is_named_for_what_is_wrong(change, kind):
    assert first(after(change)).kind is kind


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y * (1 + 1e-6),
        lambda y: y + 1e-7,
        lambda y: torch.nn.Parameter(y),
        lambda y: y.clone().requires_grad_(),
        lambda y: y.repeat(2)[: len(y)],
        lambda y: torch.stack([y, y], 1)[:, 0],
    ],
)
def test_rounding_gradients_and_strides_do_not_matter(change):
    assert first(after(change)).passed


def test_a_case_that_should_raise_wants_that_exception():
    def forgets(x, width=2):
        return x[:0] if width > len(x) else moving_sum(x, width)

    def other(x, width=2):
        if width > len(x):
            raise KeyError("width")
        return moving_sum(x, width)

    def special(x, width=2):
        if width > len(x):
            raise UnicodeError("a kind of ValueError")
        return moving_sum(x, width)

    assert kinds(forgets)[3] is Kind.DID_NOT_RAISE
    assert kinds(other)[3] is Kind.RAISED
    assert kinds(special)[3] is Kind.PASSED


def test_a_changed_argument_fails_a_right_result():
    def in_place(x, width=2):
        result = moving_sum(x, width)
        x.zero_()
        return result

    outcome = first(in_place)
    assert outcome.kind is Kind.MUTATED
    assert outcome.changed == ("x",)
    assert "clone()" in outcome.sentence


def test_a_changed_argument_in_a_container_counts():
    case = Case("list", lambda: ([line(1), line(2)],), expected=lambda xs: sum(float(x) for x in xs))

    def pops(xs):
        return sum(float(xs.pop()) for _ in range(2))

    def overwrites(xs):
        total = sum(float(x) for x in xs)
        xs[0][0] = 7
        return total

    assert run_case(case, pops, "total").kind is Kind.MUTATED
    assert run_case(case, overwrites, "total").kind is Kind.MUTATED


def test_keyword_arguments_are_fresh_for_every_call():
    case = Case("bias", lambda: (), {"bias": line(1, 2)}, expected=lambda bias: bias * 2)
    assert run_case(case, lambda bias: bias.mul_(2), "double").changed == ("bias",)
    assert run_case(case, lambda bias: bias * 2, "double").passed


def test_in_place_exercises_compare_what_the_arguments_became():
    assert run(ADD_INTO, [add_into])[0].passed

    def does_nothing(total, x):
        pass

    outcome = run(ADD_INTO, [does_nothing])[0]
    assert outcome.kind is Kind.VALUE
    assert outcome.mismatch.place == "total after the call"


@pytest.mark.parametrize(
    "call",
    [
        lambda x, width: F.conv1d(x.view(1, 1, -1), torch.ones(1, 1, width)).flatten(),
        lambda x, width: F.avg_pool1d(x.view(1, 1, -1), width, 1).flatten() * width,
        lambda x, width: torch.from_numpy(np.convolve(x.numpy(), np.ones(width, "f4"), "valid")),
    ],
)
def test_a_forbidden_call_fails_though_the_result_is_right(call):
    def function(x, width=2):
        return call(x, width)

    outcome = first(function)
    assert outcome.kind is Kind.FORBIDDEN
    assert outcome.violations[0].group in MOVING_SUM.forbidden


def test_a_forbidden_call_fails_though_its_exception_was_swallowed():
    def hides(x, width=2):
        try:
            F.conv1d(x.view(1, 1, -1), torch.ones(1, 1, width))
        except Exception:
            return moving_sum(x, width)

    assert first(hides).kind is Kind.FORBIDDEN


def test_a_function_of_an_exercise_gets_its_own_cases():
    assert all(outcome.passed for outcome in run(SCALE, [scale, count]))
    wrong = run(SCALE, [scale, lambda m, value: torch.tensor(2)])
    assert [outcome.passed for outcome in wrong] == [True, True, False]
    assert ".item()" in wrong[2].sentence


def test_an_exception_points_to_the_last_line_of_the_students_own():
    helper = "def helper(x):\n    return torch.einsum('ij', x, x)\n"
    source = f"import torch\n{helper}def f(x, n=2):\n    return helper(x)\n"
    cell: dict = {"__name__": "cell"}
    exec(compile(source, "cell", "exec"), cell)
    failure = first(cell["f"]).failure
    assert (failure.line, failure.function) == (3, "helper")
    assert failure.type == "RuntimeError"


def test_an_exception_of_a_decorated_function_points_below_the_decorator():
    source = "import torch\n@torch.no_grad()\ndef f(x, width=2):\n    return x.nothing\n"
    cell: dict = {"__name__": "cell"}
    exec(compile(source, "cell", "exec"), cell)
    assert first(cell["f"]).failure.line == 4


def test_an_exception_that_cannot_be_printed_is_an_outcome_all_the_same():
    class UnprintableError(Exception):
        def __str__(self):
            raise RuntimeError("no")

    def function(x, width=2):
        raise UnprintableError

    assert first(function).failure.message == "<UnprintableError that cannot be printed>"


def test_an_interrupt_stops_the_check():
    def interrupted(x, width=2):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(MOVING_SUM, [interrupted])


@pytest.mark.parametrize(
    "function",
    [len, type("Callable", (), {"__call__": lambda self, x, width=2: moving_sum(x, width)})()],
)
def test_any_callable_will_do(function):
    assert len(run(MOVING_SUM, [function])) == 4


def test_the_call_is_written_as_a_student_would_type_it():
    calls = [call_text(outcome) for outcome in run(MOVING_SUM, [lambda signal, n=2: moving_sum(signal, n)])]
    assert calls == [
        "moving_sum(signal)",
        "moving_sum(signal, 3)",
        "moving_sum(signal, width=1)",
        "moving_sum(signal, 3)",
    ]


def test_a_case_has_either_an_oracle_or_an_exception():
    with pytest.raises(ValueError, match="either expected"):
        Case("neither", tuple)
    with pytest.raises(ValueError, match="either expected"):
        Case("both", tuple, expected=len, raises=ValueError)


def test_an_exercise_refuses_repeated_names_and_unknown_functions():
    case = Case("same", tuple, expected=len)
    with pytest.raises(ValueError, match="same"):
        Exercise("e", ("f",), (case, case), ())
    with pytest.raises(ValueError, match="function=1"):
        Exercise("e", ("f",), (Case("c", tuple, expected=len, function=1),), ())
