"""Points do not depend on the numbers that a grading draws: five gradings of the same answers agree."""

import json
import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT, TOPICS

SEEDS, WRONG = 5, 8


@pytest.mark.parametrize("topic", TOPICS)
def test_the_same_answers_have_the_same_points_under_every_seed(topic, tmp_path):
    words = [topic, "--seeds", str(SEEDS), "--wrong", str(WRONG), "--folder", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "benchmarks.seeds", *words], cwd=ROOT, env=environment, check=True)
    (found,) = json.loads((tmp_path / "seeds.json").read_text())["topics"]
    assert (found["differ"], found["lose"]) == ([], [])
    assert found["complete"] == found["answers"] > WRONG
