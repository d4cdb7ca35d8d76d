"""The benchmark of the networks, on the smallest input that means nothing but runs."""

import json
from argparse import ArgumentTypeError
from collections import Counter
from itertools import pairwise

import pytest
import torch

from benchmarks import models
from benchmarks.models import Setting
from coursekit.models import from_torchvision


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("benchmark") / "results" / "models-cpu.json"
    models.main(
        [
            "--models",
            "mobilenet_v2",
            "--settings",
            "float32",
            "bf16+channels_last",
            "--device",
            "cpu",
            "--rounds",
            "1",
            "--image",
            "64",
            "--batch",
            "2",
            "--json",
            str(path),
        ]
    )
    return json.loads(path.read_text())


def test_it_says_what_machine_and_versions_its_numbers_hold_for(report):
    assert report["device"] == "cpu"
    assert report["torch"] == torch.__version__
    assert (report["batch"], report["image"], report["threads"]) == (2, 64, torch.get_num_threads())
    assert {"date", "hardware", "python", "torchvision", "timm", "clock"} <= report.keys()


def test_each_setting_and_call_has_a_row_with_three_ratios(report):
    rows = report["rows"]
    assert [(row["setting"], row["call"]) for row in rows] == [
        ("float32", "inference"),
        ("float32", "training"),
        ("bf16+channels_last", "inference"),
        ("bf16+channels_last", "training"),
    ]
    for row in rows:
        assert row["rounds"] == 1
        assert row["seconds"].keys() == {"ours", "torchvision", "timm", "default"}
        for who, ratio in row["times_as_fast_as"].items():
            measured = row["seconds"][who] / row["seconds"]["ours"]
            assert ratio["q1"] <= ratio["median"] <= ratio["q3"]
            assert ratio["median"] == pytest.approx(
                measured, rel=0.01
            )  # of one round, the median is the ratio
            assert row["images_per_second"][who] == pytest.approx(2 / row["seconds"][who], rel=0.01)
    assert rows[0]["times_as_fast_as"]["default"] == rows[0]["times_as_fast_as"]["torchvision"]


@pytest.mark.parametrize("seconds", [0.00051, 0.7, 5.5, 47.0])
def test_a_rate_keeps_its_digits_however_slow_the_call(seconds):
    assert models.per_second(2, seconds) == pytest.approx(2 / seconds, rel=1e-3)


def test_the_fastest_setting_is_the_one_that_gains_most_on_torchvisions_default(report):
    assert [(best["network"], best["call"]) for best in report["fastest"]] == [
        ("mobilenet_v2", "inference"),
        ("mobilenet_v2", "training"),
    ]
    for best in report["fastest"]:
        gains = {
            row["setting"]: row["times_as_fast_as"]["default"]["median"]
            for row in report["rows"]
            if row["call"] == best["call"]
        }
        assert gains[best["setting"]] == best["median"] == max(gains.values())


@pytest.mark.parametrize("n", [2, 3, 4])
def test_over_the_rounds_every_contender_follows_every_other_and_has_every_place_equally_often(n):
    contenders = "abcd"[:n]
    rounds = models.orders(contenders)
    follows = Counter(pair for turn in rounds for pair in pairwise(turn))
    places = Counter((place, who) for turn in rounds for place, who in enumerate(turn))
    assert len(follows) == n * (n - 1)
    assert len(set(follows.values())) == 1
    assert len(places) == n * n
    assert len(set(places.values())) == 1


def test_each_turn_begins_with_a_call_that_is_not_timed(monkeypatch):
    order: list[str] = []

    def timed(call):
        order.append("timed")
        call()
        return 1.0

    monkeypatch.setitem(models.CLOCKS, "wall", timed)
    contenders = {who: (lambda who=who: order.append(who)) for who in "ab"}
    times = models.take_turns(contenders, "wall", rounds=2, budget=0.0)
    assert {who: len(t) for who, t in times.items()} == {"a": 2, "b": 2}
    assert order[4 * models.WARMUP :] == [*"a", "timed", *"ab", "timed", *"bb", "timed", *"ba", "timed", "a"]


def test_a_ratio_is_taken_round_by_round_so_that_a_slow_spell_does_not_count():
    ours = [1.0, 1.0, 10.0, 1.0, 1.0]
    theirs = [2.0, 2.1, 20.0, 2.0, 1.9]
    assert models.ratio(theirs, ours) == {"q1": 2.0, "median": 2.0, "q3": 2.0}


def test_settings_are_read_and_named():
    assert Setting.parse("float32") == Setting()
    assert str(Setting.parse("compile+bf16")) == "bf16+compile"
    assert Setting.parse("channels_last").memory_format == torch.channels_last
    with pytest.raises(ArgumentTypeError, match="has fp8; write float32, or bf16, channels_last, compile"):
        Setting.parse("bf16+fp8")


def test_networks_that_are_not_one_function_are_not_compared(monkeypatch):
    def wrong_weights(name, state):
        right = from_torchvision(name, state)
        return {key: value + 0.5 if "weight" in key else value for key, value in right.items()}

    monkeypatch.setattr(models, "from_torchvision", wrong_weights)
    with pytest.raises(AssertionError, match="not close"):
        models.build("mobilenet_v2", 64)
