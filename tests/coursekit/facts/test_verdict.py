"""What follows from a given and a recomputed value? Every rule with a case on each side of it."""

from decimal import Decimal
from fractions import Fraction

import pytest

from coursekit.facts import Fact, FactError, Verdict, judge
from coursekit.facts.fact import parse
from coursekit.facts.formula import Samples, evaluate


def fact(**keys) -> Fact:
    return Fact(
        **{"id": "02-example", "kind": "number", "says": "Example.", "source": "slides 001, line 1"} | keys
    )


def verdict(value=None, **keys) -> str:
    return judge(fact(**keys), value)[0].value


# numbers


@pytest.mark.parametrize(
    ("given", "value", "expected"),
    [
        (56, 56, "match"),
        (Decimal("3.4"), Decimal("88.4") - Decimal("85.0"), "match"),
        (Decimal("0.1"), 0.1, "match"),  # a float means the number that it prints
        (254, 253.5, "rounds"),
        (253, 253.5, "unexplained"),
        (Decimal("61.1"), 61.10084, "rounds"),
        (Decimal("8.0"), 7.978856, "rounds"),
        (Decimal("8.00"), 7.978856, "unexplained"),  # printed digits count
        (8, 7.978856, "rounds"),
        (-16, -16.4, "rounds"),
        (-16, 16, "unexplained"),
        (0, 0.42, "rounds"),
        (145, 149.52, "unexplained"),
        (Decimal("0.33"), Fraction(1, 3), "rounds"),
    ],
)
def test_a_number_is_the_same_or_rounds_to_the_printed_digits(given, value, expected):
    assert verdict(value, given=given) == expected


def test_digits_that_were_cut_off_are_said_to_be():
    assert verdict(48.652, given=Decimal("48.6")) == "unexplained"
    assert verdict(48.652, given=Decimal("48.6"), rounding="cut") == "rounds"
    assert verdict(48.752, given=Decimal("48.6"), rounding="cut") == "unexplained"


def test_fewer_figures_than_printed_are_said_to_be_meant():
    assert verdict(60_965_224, given=60_000_000) == "unexplained"
    assert verdict(60_965_224, given=60_000_000, figures=1) == "rounds"
    assert verdict(65_965_224, given=60_000_000, figures=1) == "unexplained"


def test_rounding_that_is_not_needed_is_an_error():
    assert verdict(48.61, given=Decimal("48.6"), rounding="cut") == "unexplained"
    assert verdict(60, given=60, figures=1) == "unexplained"


def test_lists_are_compared_place_by_place():
    assert verdict([55, 55, 96], given=[55, 55, 96]) == "match"
    assert verdict([1.001, 2], given=[1, 2]) == "rounds"
    assert verdict([55, 96, 55], given=[55, 55, 96]) == "unexplained"
    assert verdict([55, 55], given=[55, 55, 96]) == "unexplained"
    assert verdict(55, given=[55]) == "unexplained"


def test_words_and_truth_values_are_compared_as_they_are():
    assert verdict(["ReLU"], given=["ReLU"]) == "match"
    assert verdict(["ReLU6"], given=["ReLU"]) == "unexplained"
    assert verdict(True) == "match"
    assert verdict(False) == "unexplained"
    assert verdict(1, given=True) == "unexplained"


# explanations


def test_a_difference_needs_a_reason():
    assert verdict(149.5, given=145, erratum="a slip") == "erratum"
    assert verdict(3.858, given=Decimal("3.8"), convention="cut") == "other convention"
    assert judge(fact(given=145, erratum="a slip"), 149.5) == (Verdict.ERRATUM, "a slip")


def test_a_reason_without_a_difference_is_an_error():
    assert verdict(150, given=150, erratum="a slip") == "unexplained"
    assert verdict(149.5, given=150, convention="another") == "unexplained"


def test_what_nothing_recomputes_is_an_error_that_says_why():
    assert judge(fact(given=1), None, "alexnet: ValueError: no") == (
        Verdict.UNEXPLAINED,
        "alexnet: ValueError: no",
    )
    assert verdict(given=1, erratum="a slip") == "unexplained"


def test_what_is_recomputed_is_not_only_stated_and_no_longer_pending():
    assert verdict(given=1, stated="reported") == "stated"
    assert verdict(1, given=1, stated="reported") == "unexplained"
    assert verdict(given=1, pending="topic 06") == "pending"
    assert verdict(1, given=1, pending="topic 06") == "unexplained"


def test_a_derived_value_is_held_to_the_one_written_down():
    assert verdict(4, derived=4) == "derived"
    assert verdict(5, derived=4) == "unexplained"


def test_a_right_value_that_is_looked_up_takes_the_place_of_a_computed_one():
    assert (
        verdict(given=Decimal("25.7"), right=Decimal("26.2"), stated="reported", erratum="2010") == "erratum"
    )
    assert (
        verdict(given=Decimal("26.2"), right=Decimal("26.2"), stated="reported", erratum="2010")
        == "unexplained"
    )
    assert verdict(given=Decimal("25.7"), right=Decimal("26.2"), stated="reported") == "unexplained"


def test_two_statements_of_one_figure_have_to_agree():
    same = {"same_as": "04-ilsvrc-resnet2015", "stated": "reported"}  # 3.57
    assert verdict(given=Decimal("3.6"), **same) == "stated"
    assert verdict(given=Decimal("3.5"), **same) == "unexplained"
    assert verdict(given=Decimal("3.5"), convention="another test set", **same) == "other convention"
    assert verdict(given=Decimal("3.6"), convention="another test set", **same) == "unexplained"


# formulas


def samples(measured, **variables) -> Samples:
    return Samples((variables,), (measured,))


def test_a_formula_has_to_give_what_was_measured_at_every_setting():
    measured = Samples(({"C": 2}, {"C": 3}), (36, 81))
    assert verdict(measured, formula="9*C^2") == "match"
    assert verdict(measured, formula="18*C") == "unexplained"  # right for C = 2 alone
    assert verdict(Samples((), ()), formula="9*C^2") == "unexplained"


def test_several_formulas_are_held_against_as_many_values():
    assert verdict(samples((4, 8), C=2), formula=["C^2", "C^3"]) == "match"
    assert verdict(samples((4, 9), C=2), formula=["C^2", "C^3"]) == "unexplained"
    assert verdict(samples((4, 8, 16), C=2), formula=["C^2", "C^3"]) == "unexplained"


def test_whole_numbers_have_to_be_met_exactly_and_floats_nearly():
    assert verdict(samples(10_000_001, n=10_000_000), formula="n") == "unexplained"
    assert verdict(samples(1.4142136, x=2.0), formula="sqrt(x)") == "match"
    assert verdict(samples(1.4152136, x=2.0), formula="sqrt(x)") == "unexplained"


@pytest.mark.parametrize(
    ("formula", "variables", "value"),
    [
        ("floor((w+2*p-k)/s)+1", {"w": 7, "p": 1, "k": 3, "s": 2}, 4),
        ("1/D2+1/F^2", {"D2": 2, "F": 2}, Fraction(3, 4)),
        ("-n+2", {"n": 5}, -3),
        ("min(max(x,0),6)", {"x": 9}, 6),
        ("exp(0*x)", {"x": 1}, 1),
    ],
)
def test_formulas_are_evaluated_exactly(formula, variables, value):
    assert evaluate(formula, variables) == value


@pytest.mark.parametrize("formula", ["q", "__import__('os')", "k.real", "[k]", "k+", "open(k)", "'k'"])
def test_nothing_but_arithmetic_on_known_names_is_evaluated(formula):
    with pytest.raises(ValueError, match=r"formula|not among"):
        evaluate(formula, {"k": 1})


# data


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"id": "12-example"}, "no topic"),
        ({"kind": "opinion"}, "of kind 'opinion'"),
        ({"says": ""}, "needs `says`"),
        ({"rounding": "down"}, "rounded 'down'"),
        ({"given": 1, "formula": "n"}, "a given value and a formula"),
        ({"given": 1, "derived": 1}, "a given and a derived value"),
        ({"stated": "a", "pending": "b"}, "both stated and pending"),
        ({"erratum": "a", "convention": "b"}, "both an erratum and another convention"),
        ({"same_as": "01-components"}, "has no given value"),
    ],
)
def test_an_entry_that_contradicts_itself_is_refused_by_name(keys, message):
    with pytest.raises(FactError, match=f"fact 12-example|fact 02-example.*{message}"):
        fact(**keys)


def test_a_file_keeps_printed_digits_and_names_what_is_wrong():
    entry = '[02-a]\nkind = "number"\nsays = "A."\nsource = "slides 001, line 1"\n'
    assert str(parse(entry + "given = 20.0\n")[0].given) == "20.0"
    with pytest.raises(FactError, match="02-a has the unknown key gven"):
        parse(entry + "gven = 1\n")
    with pytest.raises(FactError, match="02-b lacks says, source"):
        parse('[02-b]\nkind = "number"\n')
    with pytest.raises(FactError, match="is no TOML"):
        parse(entry + entry)
