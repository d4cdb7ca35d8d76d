"""Answers that are modules: what is done with them, what they are made of, and what is said about it."""

from typing import cast

import pytest
import torch
from torch import nn

from coursekit.check import Case
from coursekit.check.card import card_text, make_card
from coursekit.check.cases import Exercise
from coursekit.check.compare import Kind
from coursekit.check.modules import assignments, consists_of, difference, randomize, settle, spread
from coursekit.check.run import call_text, run_case


def pair(c_in, c_out, kernel=3):
    return [nn.Conv2d(c_in, c_out, kernel, bias=False), nn.BatchNorm2d(c_out)]


def generator():
    return torch.Generator().manual_seed(0)


# ---- cases that do more than call -------------------------------------------------------------------------


def built_and_run(build, x):
    return build(2)(x)


DOUBLED = Case(
    "two by two",
    args=lambda: (torch.eye(2),),
    names=("x",),
    use=built_and_run,
    expected=lambda x: 2 * x,
    call="Scale(2)(x)",
    explain=lambda expected, got: "It is all zeros." if not cast(torch.Tensor, got).any() else "",
)


def test_a_case_can_build_something_and_run_it():
    assert run_case(DOUBLED, lambda factor: lambda x: factor * x, "Scale").passed


def test_the_card_shows_the_call_the_arguments_and_the_explanation():
    outcome = run_case(DOUBLED, lambda factor: lambda x: 0 * x, "Scale")
    assert outcome.kind is Kind.VALUE
    assert outcome.sentence == "It is all zeros."
    assert call_text(outcome) == "Scale(2)(x)"
    text = card_text(make_card(Exercise("scale", ("Scale",), (DOUBLED,), ()), [outcome], []))
    assert "x: float32 (2, 2)" in text
    assert "Scale(2)(x)" in text


def test_an_empty_explanation_leaves_the_usual_sentence():
    outcome = run_case(DOUBLED, lambda factor: lambda x: x, "Scale")
    assert outcome.sentence == "2 of 4 values differ."


def test_what_the_use_raises_is_the_answers():
    outcome = run_case(DOUBLED, lambda factor: None, "Scale")
    assert outcome.kind is Kind.RAISED
    assert "NoneType" in outcome.sentence


def test_arguments_that_are_changed_are_seen_under_their_own_names():
    outcome = run_case(DOUBLED, lambda factor: lambda x: x.mul_(factor), "Scale")
    assert outcome.kind is Kind.MUTATED
    assert outcome.changed == ("x",)


def test_random_weights_are_the_same_each_time_and_nobody_elses_numbers_change():
    case = Case("random", args=tuple, use=lambda build: build().weight, expected=lambda: 0)
    torch.manual_seed(1)
    first, second = (run_case(case, lambda: nn.Linear(2, 2), "build").got for _ in range(2))
    assert torch.equal(first, second)
    after = torch.rand(())
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(()))


# ---- what a module consists of ----------------------------------------------------------------------------


def test_layers_are_counted_in_words():
    module = nn.Sequential(*pair(2, 4), *pair(4, 4), nn.Conv2d(4, 1, (1, 3)))
    module.register_parameter("scale", nn.Parameter(torch.ones(5)))
    assert consists_of(module) == {
        "1 x 3 convolution, 4 to 1 channels": 1,
        "3 x 3 convolution, 2 to 4 channels": 1,
        "3 x 3 convolution, 4 to 4 channels": 1,
        "batch norm of 4 channels": 2,
        "convolution's bias": 1,
        "other tensor of shape (5,)": 1,
    }


def test_a_layer_with_two_names_is_one_layer():
    module = nn.Sequential(*pair(2, 2))
    module.append(module[1])
    assert consists_of(module)["batch norm of 2 channels"] == 1


@pytest.mark.parametrize(
    ("expected", "got", "says"),
    [
        ({"batch norm of 4 channels": 3}, {"batch norm of 4 channels": 3}, ""),
        (
            {"batch norm of 4 channels": 3},
            {"batch norm of 4 channels": 2},
            "It has 2 batch norms of 4 channels where 3 belong.",
        ),
        ({"convolution's bias": 1}, {}, "It has no convolution's bias where 1 belongs."),
        (
            {},
            {"1 x 1 convolution, 2 to 4 channels": 1},
            "It has 1 1 x 1 convolution, 2 to 4 channels where none belongs.",
        ),
    ],
)
def test_what_is_too_much_or_too_little_is_a_sentence(expected, got, says):
    assert difference(expected, got, "It") == says


# ---- which weight is which --------------------------------------------------------------------------------

SHAPES = [(4, 2, 3, 3), (4, 4, 3, 3)]


def test_layers_of_one_shape_can_be_taken_for_each_other():
    twice = nn.Sequential(*pair(4, 4), *pair(4, 4)).state_dict()
    ways = list(assignments(twice, [(4, 4, 3, 3)] * 2, norms=True))
    assert len(ways) == 4  # two convolutions and two norms, in either order
    assert ways[0][0] == ("0.weight", "1.running_mean", "1.running_var", "1.weight", "1.bias")


def test_shapes_tell_layers_apart():
    state = nn.Sequential(*pair(4, 4), *pair(2, 4)).state_dict()
    assert {tuple(names[0] for names in way) for way in assignments(state, SHAPES, norms=True)} == {
        ("2.weight", "0.weight")
    }


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([*pair(2, 4)], "convolutions of shapes"),
        ([*pair(2, 4), *pair(4, 4)[:1]], "1 batch norms, where 2 belong"),
        ([*pair(2, 4), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)], "needs no bias; there is 2.bias"),
        ([*pair(2, 4), *pair(4, 4), nn.Linear(1, 1)], "2 tensors that belong to no convolution"),
    ],
)
def test_a_module_with_other_layers_is_refused_with_words(parts, says):
    with pytest.raises(AssertionError, match=says):
        list(assignments(nn.Sequential(*parts).state_dict(), SHAPES, norms=True))


def test_convolutions_with_a_bias_and_no_norm():
    state = nn.Sequential(nn.Conv2d(2, 3, 1)).state_dict()
    assert list(assignments(state, [(3, 2, 1, 1)], norms=False)) == [[("0.weight", "0.bias")]]
    with pytest.raises(AssertionError, match="0 of 1 convolutions have a bias"):
        list(assignments(nn.Conv2d(2, 3, 1, bias=False).state_dict(), [(3, 2, 1, 1)], norms=False))


# ---- numbers ----------------------------------------------------------------------------------------------


def test_every_tensor_gets_numbers_of_its_own():
    module = nn.Sequential(*pair(2, 2), *pair(2, 2)).double()
    state = randomize(module, generator())
    numbers = torch.cat([tensor.flatten() for tensor in state.values() if tensor.is_floating_point()])
    assert len(numbers.unique()) == len(numbers)
    assert numbers.dtype == torch.float64
    assert all((state[f"{norm}.running_var"] >= 1).all() for norm in (1, 3))
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in state.items())


def test_one_tensor_under_two_names_is_found():
    module = nn.Sequential(*pair(2, 2))
    module.append(module[1])
    with pytest.raises(AssertionError, match="stand for one tensor"):
        randomize(module, generator())


@pytest.mark.parametrize("fill", [settle, spread])
def test_numbers_depend_on_kind_and_shape_alone(fill):
    one, other = nn.Sequential(*pair(2, 3)), nn.ModuleDict({"b": pair(2, 3)[1], "a": pair(2, 3)[0]})
    fill(one)
    fill(other)
    assert torch.equal(one[0].weight, other["a"].weight)
    assert torch.equal(one[1].running_mean, other["b"].running_mean)
    assert one[1].weight.unique().numel() > 1
    assert one[0].weight.unique().numel() > 2


def test_settled_weights_keep_whole_numbers_whole():
    block = nn.Sequential(*pair(2, 3), *pair(3, 2)).eval()
    settle(block)
    out = block(torch.arange(50.0).view(1, 2, 5, 5))
    assert (out - out.round()).abs().max() < 1e-3
    assert out.unique().numel() == 2
