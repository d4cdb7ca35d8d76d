"""Recording what wrong answers give, and recognizing it again."""

import copy
import io
import json
import subprocess
import sys
from typing import Any

import pytest
import torch

from coursekit.check import fingerprints
from coursekit.check.fingerprints import FEW_VALUES, PERIODS, drift, load, matches, observation, observe, read
from coursekit.check.fingerprints import __main__ as recorder
from coursekit.check.fingerprints.__main__ import main, record, serialize
from coursekit.check.run import run
from coursekit.check.values import MOST_ITEMS
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


def names_in(document):
    return {row.name for row in read(document)["moving_sum"]}


def outputs_of(document, name):
    """All that a mistake gives, also where it is right."""
    return next(row.outputs for row in read(document)["moving_sum"] if row.name == name)


AVERAGES = variant("average", ANSWER.replace(".sum()", ".mean()"))
FORGETS_ERROR = variant("forget the error", ANSWER.replace("width > len(x)", "False"))
ALTERNATIVE = variant("cumsum", ANSWER, kind="alternative")


def test_a_misconception_is_recorded_case_by_case():
    document = record(request(AVERAGES, ALTERNATIVE))
    row = document["exercises"]["moving_sum"]["mistakes"]["average"]
    assert set(document["exercises"]["moving_sum"]["mistakes"]) == {"average"}
    assert row["says"] == "You average."
    assert row["outputs"]["two by default"] == {"dtype": "float32", "shape": [3], "values": [1.5, 3, 6]}
    assert "window too wide" not in row["outputs"], "it does there what a right answer does"
    assert outputs_of(document, "average")["window too wide"] == {"raises": "ValueError"}


def test_the_document_is_the_same_bytes_every_time_and_plain_json():
    document = record(request(AVERAGES, FORGETS_ERROR))
    text = serialize(document)
    assert json.loads(text) == document
    assert text == serialize(record(request(FORGETS_ERROR, AVERAGES)))


def test_the_document_has_a_line_for_each_mistake_and_each_case():
    lines = serialize(record(request(AVERAGES, FORGETS_ERROR))).splitlines()
    for name in ("average", "forget the error", *(case.name for case in made_up.MOVING_SUM.cases)):
        assert [line for line in lines if line.startswith(f'"{name}":')], name
    assert len(lines) < 20


def test_what_the_document_was_made_from_is_given_back():
    assert record({**request(), "sources": "a hash"})["sources"] == "a hash"


def test_the_command_reads_and_writes_documents(monkeypatch, capsys):
    noisy = variant("print", "print('noise')\n" + AVERAGES["source"])
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(request(noisy))))
    assert main(["record"]) == 0
    output = capsys.readouterr()
    assert names_in(json.loads(output.out)) == {"print"}
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
    assert names_in(record(request(hangs, AVERAGES))) == {"average"}
    assert "wait: left out, not done after 0.2 s" in capsys.readouterr().err


def test_an_output_that_changes_by_itself_is_left_out_and_named(capsys):
    random = variant("guess", ANSWER.replace("x[i : i + width].sum()", "torch.rand(()) + (width == 3)"))
    assert outputs_of(record(request(random)), "guess").keys() == {"window too wide"}
    assert "case 'two by default' left out" in capsys.readouterr().err


def test_a_variant_does_not_see_what_another_one_did():
    spoils = variant("spoil", AVERAGES["source"] + "\nSPOILED = True\n")
    sees = variant("see", AVERAGES["source"] + "\nassert 'SPOILED' not in globals()\n")
    assert names_in(record(request(spoils, sees))) == {"spoil", "see"}


def test_changed_arguments_are_part_of_what_is_recorded():
    changes = variant("overwrite", ANSWER.replace("return", "result =") + "    x += 1\n    return result\n")
    assert outputs_of(record(request(changes)), "overwrite")["two by default"]["changed"] == [0]


def test_recorded_fingerprints_load_again(home):
    fingerprints.FOLDER.mkdir()
    path = fingerprints.FOLDER / f"{made_up.TOPIC}.json"
    path.write_text(serialize(record(request(AVERAGES))))
    (loaded,) = load(made_up.TOPIC)["moving_sum"]
    assert (loaded.name, loaded.says) == ("average", "You average.")
    assert load("99_other") == {}
    load.cache_clear()
    path.write_text('{"version": 1}')
    with pytest.raises(ValueError, match="version 1"):
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


class TestLargeTensors:
    """They are known by a few sums, which tell any two apart that tell two mistakes apart."""

    NUMBERS = torch.arange(60.0).view(3, 4, 5) % 7 - 3

    @pytest.mark.parametrize(
        "change",
        [
            lambda x: x + (torch.arange(60).view(3, 4, 5) == 31),
            lambda x: -x,
            lambda x: x.abs(),
            lambda x: x.flip(2),
            lambda x: x.flip(0),
            lambda x: x.mT.reshape(3, 4, 5),
            lambda x: x.roll(1, dims=2),
            lambda x: x.clone().index_put_((torch.tensor(0), torch.tensor(0)), x[0, 1]),
            lambda x: x.flatten()[[1, 0, *range(2, 60)]].view(3, 4, 5),
            lambda x: 1.001 * x,
            lambda x: x.double(),
            lambda x: x.view(4, 3, 5),
            lambda x: torch.where(x == 3, torch.nan, x),
        ],
    )
    def test_another_one_does_not_match(self, change):
        assert not matches(observe(self.NUMBERS), observe(change(self.NUMBERS)))

    def test_two_numbers_exchanged_anywhere_do_not_match(self):
        generator = torch.Generator().manual_seed(0)
        numbers = torch.randperm(MOST_ITEMS, generator=generator).double()
        observed = observe(numbers)
        for _ in range(200):
            i, j = torch.randperm(MOST_ITEMS, generator=generator)[:2]
            other = numbers.clone()
            other[i], other[j] = numbers[j] + 1e5, numbers[i] - 1e5
            assert not matches(observed, observe(other))

    def test_every_place_has_weights_of_its_own(self):
        weights = {tuple(place % period for period in PERIODS) for place in range(MOST_ITEMS)}
        assert len(weights) == MOST_ITEMS

    @pytest.mark.parametrize("seed", range(5))
    def test_rounding_does_not_matter(self, seed):
        generator = torch.Generator().manual_seed(seed)
        numbers = torch.randn(8, 100, generator=generator)
        noise = 1 + 1e-6 * torch.randn(8, 100, generator=generator)
        assert matches(observe(numbers), observe(numbers * noise))
        assert matches(observe(numbers), observe(numbers.double().float()))

    def test_whole_numbers_have_whole_sums(self):
        assert all(type(one) is int for one in observe(self.NUMBERS)["sums"])

    def test_small_ones_and_ones_with_nan_are_kept_as_they_are(self):
        assert observe(torch.zeros(FEW_VALUES))["values"] == [0] * FEW_VALUES
        assert observe(torch.full((100,), torch.nan))["values"] == ["nan"] * 100


def test_what_drifts_is_said():
    recorded = {row.name: row for row in read(record(request(AVERAGES, FORGETS_ERROR)))["moving_sum"]}

    def observed(source):
        names: dict[str, Any] = {"torch": torch}
        exec(source, names)
        return {o.case.name: observation(o) for o in run(made_up.MOVING_SUM, [names["moving_sum"]])}

    now = {one["name"]: observed(one["source"]) for one in (AVERAGES, FORGETS_ERROR)}
    assert list(drift(recorded, now)) == []
    other = {"average": observed(ANSWER.replace(".sum()", ".amax()")), "new": now["average"]}
    said = list(drift(recorded, other))
    assert said[0] == "forget the error: recorded, but there is no such mistake."
    assert any(line.startswith("average, two by default: ") for line in said)
    assert said[-1] == "new: not recorded."
    del now["average"]["two by default"]
    assert list(drift(recorded, now)) == ["average, two by default: recorded, but there is no such case."]
