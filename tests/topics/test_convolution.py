"""Topic 01: what its tests have that no other topic's have; `test_topics.py` holds what all share."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from coursekit.check.deadline import TimeIsUpError
from coursekit.check.run import run
from tests.topics.harness import execute, read_topic

TOPIC = read_topic("01_convolution")


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
    names: dict[str, Any] = {}
    execute(cell.source.split("\nwith ")[0], names, "AlexNet's table")
    return names["ALEXNET"]


def test_an_answer_that_never_ends_loses_its_points_and_holds_nothing_up():
    endless = "def output_size(size, kernel, stride=1, padding=0, dilation=1):\n    while True: pass"
    graded = replace(TOPIC, seconds=0.05).grade({"output_size": endless}, exercise="output_size")
    assert graded.total == 0
    assert {type(error) for error in graded.errors.values()} == {TimeIsUpError}


@pytest.mark.parametrize("exercise", TOPIC.exercises)
def test_the_expected_values_can_be_read_on_the_card(exercise):
    """Whole numbers below ten thousand: the same on every machine, and short enough to be read."""
    names = TOPIC.namespace()
    functions = [names[name] for name in TOPIC.exercises[exercise].functions]
    for outcome in run(TOPIC.exercises[exercise], functions):
        for number in _numbers(outcome.got):
            assert number == int(number), outcome.case.name
            assert abs(number) < 10_000, outcome.case.name


def _numbers(got):
    if isinstance(got, torch.Tensor):
        return got.flatten().tolist()
    if isinstance(got, list | tuple):
        return [number for item in got for number in _numbers(item)]
    return [] if got is None else [got]
