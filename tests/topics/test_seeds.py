"""Points do not depend on the numbers that a grading draws: five gradings of the same answers agree."""

import json
import os
import subprocess
import sys

import pytest
import torch

from tests.helpers import ROOT, TOPICS
from tests.topics.harness import read_topic

SEEDS, WRONG = 5, 8


@pytest.mark.parametrize("topic", TOPICS)
def test_the_same_answers_have_the_same_points_under_every_seed(topic, tmp_path):
    words = [topic, "--seeds", str(SEEDS), "--wrong", str(WRONG), "--folder", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "benchmarks.seeds", *words], cwd=ROOT, env=environment, check=True)
    (found,) = json.loads((tmp_path / "seeds.json").read_text())["topics"]
    assert (found["differ"], found["lose"]) == ([], [])
    assert found["complete"] == found["answers"] > WRONG


def key(arguments, options):
    """What a call is known by: shapes, types and all numbers of its arguments."""
    values = [*arguments, *sorted(options.items())]
    return repr([(tuple(v.shape), v.dtype, v.tolist()) if isinstance(v, torch.Tensor) else v for v in values])


def given(result):
    """Return it, or raise it."""
    if isinstance(result, Exception):
        raise result
    return result


VALUES = "01_convolution"
"""The topic whose answers are functions from values to values, of which there can be a table."""


@pytest.mark.parametrize("exercise", read_topic(VALUES).exercises)
def test_whoever_knows_every_call_of_one_grading_earns_nothing_in_the_next(exercise, monkeypatch):
    topic = read_topic(VALUES)
    names, table = topic.namespace(), {}

    def learning(name, function):
        def answer(*arguments, **options):
            try:
                result = function(*arguments, **options)
            except ValueError as error:
                result = error
            table[name, key(arguments, options)] = result
            return given(result)

        return answer

    def looking_up(name):
        return lambda *arguments, **options: given(table[name, key(arguments, options)])

    functions = topic.exercises[exercise].functions
    monkeypatch.setenv("GRADING_SEED", "1")
    full = topic.tested(names | {name: learning(name, names[name]) for name in functions}, exercise)
    again = topic.tested(names | {name: looking_up(name) for name in functions}, exercise)
    assert again.total == full.total > 0
    monkeypatch.setenv("GRADING_SEED", "2")
    assert topic.tested(names | {name: looking_up(name) for name in functions}, exercise).total == 0
