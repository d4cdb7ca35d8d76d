"""What every network of the zoo can do: be compiled, exported, copied, pickled, saved, cast and trained."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from coursekit.models import FAMILIES, card, create_model, list_models
from tests.models.zoo import classes_and_channels, example, logits, on_meta, small_example

NAMES = list_models()


@pytest.fixture(autouse=True)
def _leave_nothing_compiled() -> Iterator[None]:
    yield
    torch._dynamo.reset()
    gc.collect()


def small(name: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    return create_model(name, **{**classes_and_channels(name), "num_classes": 5, **options})


def shapes(output: object) -> list[torch.Size]:
    return [part.shape for part in logits(output)]


@pytest.mark.networks(NAMES)
def test_it_compiles_into_one_graph_is_exported_copied_and_pickled(name):
    network, x = on_meta(name), example(name, 2).to("meta")
    expected = shapes(network(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own, about itself
        assert shapes(torch.compile(network, backend="eager", fullgraph=True)(x)) == expected
        program = torch.export.export(network, (x,))
    assert shapes(program.module()(x)) == expected
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert shapes(twin(x)) == expected
        assert list(twin.state_dict()) == list(network.state_dict())


@pytest.mark.networks(NAMES, at_most=30e6)
def test_its_state_dict_gives_the_same_logits_after_a_trip_to_a_file(name):
    network, x = small(name).eval(), small_example(name)
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    torch.manual_seed(1)
    other = create_model(name, **{**classes_and_channels(name), "num_classes": 5}).eval()
    other.load_state_dict(torch.load(file, weights_only=True), strict=True)
    with torch.no_grad():
        for ours, theirs in zip(logits(network(x)), logits(other(x)), strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.networks(NAMES, at_most=30e6)
def test_it_runs_under_autocast_near_its_float32_logits(name):
    network, x = small(name).eval(), small_example(name)
    with torch.no_grad():
        exact = logits(network(x))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = logits(network(x))
    for one, other in zip(exact, half, strict=True):
        assert torch.isfinite(other).all()
        assert (one - other.float()).norm() <= 0.3 * one.norm()  # eight bits, through a hundred layers


@pytest.mark.parametrize("name", [name for name in NAMES if len(card(name).input_shape) == 3])
def test_an_image_below_the_smallest_is_refused_with_what_it_takes(name):
    with torch.device("meta"):
        network = create_model(name, **classes_and_channels(name)).eval()
        side = card(name).smallest
        network(torch.zeros(2, card(name).input_shape[0], side, side))
        too_small = torch.zeros(2, card(name).input_shape[0], side - 1, side - 1)
    with pytest.raises(ValueError, match=r"takes (images|\d+×\d+ pixels|heights)"):
        network(too_small)


@pytest.mark.parametrize("name", [name for name in NAMES if len(card(name).input_shape) == 3])
def test_other_channels_than_it_was_built_for_are_refused_by_number(name):
    network, x = on_meta(name), example(name, 2).to("meta")
    with pytest.raises(ValueError, match=rf"takes images \(N, {x.shape[1]}, H, W\)"):
        network(x[:, :1].expand(-1, x.shape[1] + 1, -1, -1))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_built_for_any_number_of_classes(name):
    with torch.device("meta"):
        network = create_model(name, **{**classes_and_channels(name), "num_classes": 7}).eval()
    assert all(part.shape[1] == 7 for part in logits(network(example(name, 2).to("meta"))))


def test_every_network_has_one_card_with_its_paper_and_year():
    carded = [name for family in FAMILIES for name in family.CARDS]
    assert sorted(carded) == NAMES
    for name in NAMES:
        assert str(card(name).year) in card(name).paper or card(name).year >= 1989
        assert 1989 <= card(name).year <= 2022
