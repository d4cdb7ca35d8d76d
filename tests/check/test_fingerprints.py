"""Recording what wrong answers give, and recognizing it again."""

import copy
import io
import json
import subprocess
import sys

import pytest
import torch

from coursekit.check import fingerprints
from coursekit.check.fingerprints import __main__ as recorder
from coursekit.check.fingerprints import load, matches, observe
from coursekit.check.fingerprints.__main__ import main, record, serialize
from coursekit.errors import RecordError
from tests.check import made_up

SETUP = "import torch\nimport time\n"
ANSWER = """
def moving_sum(x, width=2):
    if width > len(x):
        raise ValueError("too wide")
    return torch.stack([x[i : i + width].sum() for i in range(len(x) - width + 1)])
"""


def variant(name, source, kind="misconception", exercise="moving_sum"):
    return {"exercise": exercise, "kind": kind, "name": name, "says": f"You {name}.", "source": source}


def request(*variants):
    return {
        "topic": made_up.TOPIC,
        "setup": SETUP,
        "answers": {"moving_sum": ANSWER},
        "variants": list(variants),
    }


AVERAGES = variant("average", ANSWER.replace(".sum()", ".mean()"))
FORGETS_ERROR = variant("forget the error", ANSWER.replace("width > len(x)", "False"))
ALTERNATIVE = variant("cumsum", ANSWER, kind="alternative")


def test_a_misconception_is_recorded_case_by_case():
    document = record(request(AVERAGES, ALTERNATIVE))
    row = document["exercises"]["moving_sum"]["average"]
    assert set(document["exercises"]["moving_sum"]) == {"average"}
    assert row["says"] == "You average."
    assert row["outputs"]["two by default"] == {"dtype": "float32", "shape": [3], "values": [1.5, 3, 6]}
    assert row["outputs"]["window too wide"] == {"raises": "ValueError"}


def test_the_document_is_the_same_bytes_every_time_and_plain_json():
    document = record(request(AVERAGES, FORGETS_ERROR))
    text = serialize(document)
    assert json.loads(text) == document
    assert text == serialize(record(request(FORGETS_ERROR, AVERAGES)))
    assert max(text.count(f'"{case.name}"') for case in made_up.MOVING_SUM.cases) == 2
    assert len(text.splitlines()) < 30


def test_the_command_reads_and_writes_documents(monkeypatch, capsys):
    noisy = variant("print", "print('noise')\n" + AVERAGES["source"])
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(request(noisy))))
    assert main(["record"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["exercises"]["moving_sum"].keys() == {"print"}
    assert "noise" in output.err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.pop("setup"), "setup"),
        (lambda r: r.update(topic="99_other"), "99_other"),
        (lambda r: r.update(setup="import nothing_of_that_name"), "nothing_of_that_name"),
        (lambda r: r["answers"].update(moving_sum=AVERAGES["source"]), "fails its own public case"),
        (lambda r: r["variants"][0].update(exercise="other"), "other"),
        (lambda r: r["variants"][0].update(source="def another(): pass\ndel moving_sum"), "moving_sum"),
    ],
)
def test_what_cannot_be_recorded_is_said_in_a_sentence(change, words, monkeypatch, capsys):
    asked = copy.deepcopy(request(AVERAGES))
    change(asked)
    with pytest.raises(RecordError, match=words):
        record(asked)
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(asked)))
    assert main(["record"]) == 2
    assert words in capsys.readouterr().err


def test_the_module_runs_as_a_command():
    command = [sys.executable, "-m", "coursekit.check.fingerprints", "record"]
    done = subprocess.run(command, input="not JSON", capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no JSON document" in done.stderr


def test_a_right_variant_is_left_out_and_named(capsys):
    right = variant("use a loop", ANSWER)
    assert record(request(right))["exercises"] == {}
    assert "moving_sum: use a loop: left out, right on every public case" in capsys.readouterr().err


def test_a_variant_that_hangs_is_left_out_and_named(monkeypatch, capsys):
    monkeypatch.setattr(recorder, "SECONDS", 0.2)
    hangs = variant("wait", "def moving_sum(x, width=2):\n    time.sleep(60)\n")
    assert record(request(hangs, AVERAGES))["exercises"]["moving_sum"].keys() == {"average"}
    assert "wait: left out, not done after 0.2 s" in capsys.readouterr().err


def test_an_output_that_changes_by_itself_is_left_out_and_named(capsys):
    random = variant("guess", ANSWER.replace("x[i : i + width].sum()", "torch.rand(()) + (width == 3)"))
    outputs = record(request(random))["exercises"]["moving_sum"]["guess"]["outputs"]
    assert outputs.keys() == {"window too wide"}
    assert "case 'two by default' left out" in capsys.readouterr().err


def test_a_variant_does_not_see_what_another_one_did():
    spoils = variant("spoil", AVERAGES["source"] + "\nSPOILED = True\n")
    sees = variant("see", AVERAGES["source"] + "\nassert 'SPOILED' not in globals()\n")
    assert record(request(spoils, sees))["exercises"]["moving_sum"].keys() == {"spoil", "see"}


def test_changed_arguments_are_part_of_what_is_recorded():
    changes = variant("overwrite", ANSWER.replace("return", "result =") + "    x += 1\n    return result\n")
    outputs = record(request(changes))["exercises"]["moving_sum"]["overwrite"]["outputs"]
    assert outputs["two by default"]["changed"] == [0]


def test_recorded_fingerprints_load_again(home):
    fingerprints.FOLDER.mkdir()
    path = fingerprints.FOLDER / f"{made_up.TOPIC}.json"
    path.write_text(serialize(record(request(AVERAGES))))
    (loaded,) = load(made_up.TOPIC)["moving_sum"]
    assert (loaded.name, loaded.says) == ("average", "You average.")
    assert load("99_other") == {}
    load.cache_clear()
    path.write_text('{"version": 2}')
    with pytest.raises(ValueError, match="version 2"):
        load(made_up.TOPIC)


@pytest.mark.parametrize(
    ("value", "observed"),
    [
        (3, 3),
        (True, True),
        (None, None),
        (0.123456789, 0.123457),
        (float("inf"), {"float": "inf"}),
        ("memory", "memory"),
        ((1, [2.0]), [1, [2.0]]),
        ({"a": (1,)}, {"items": [["a", [1]]]}),
        (torch.tensor([[1.0, float("nan")]]), {"dtype": "float32", "shape": [1, 2], "values": [1, "nan"]}),
        (torch.tensor(2j), {"dtype": "complex64", "shape": [], "values": [0, 2]}),
        (object(), {"type": "object"}),
    ],
)
def test_an_observation_is_json(value, observed):
    assert observe(value) == observed
    assert type(observe(value)) is type(observed)
    assert matches(observed, json.loads(json.dumps(observe(value), allow_nan=False)))


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (1.0, 1.00001, True),
        (1.0, 1.001, False),
        (1, 1.0, False),
        (1, True, False),
        (torch.tensor([100.0, 0.0]), torch.tensor([100.0, 1e-5]), True),
        (torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1e-2]), False),
        (torch.tensor([float("nan")]), torch.tensor([float("nan")]), True),
        (torch.tensor([float("nan")]), torch.tensor([0.0]), False),
        (torch.ones(2), torch.ones(2).double(), False),
        (torch.ones(2), torch.ones(1, 2), False),
    ],
)
def test_observations_match_up_to_rounding(a, b, same):
    assert matches(observe(a), observe(b)) is same
