"""`coursekit profile`."""

import json

import pytest

from coursekit import cli
from coursekit.flops import profile


def test_it_prints_the_table_and_the_totals(capsys):
    assert cli.main(["profile", "alexnet", "--input", "3x227x227"]) == 0
    printed = capsys.readouterr().out
    assert "conv1    conv     64×56×56            784.0      23,296     72.86" in printed
    assert "alexnet on 3×227×227: 61,100,840 parameters, 716,767,232 operations" in printed


@pytest.mark.parametrize("convention", ["mac", "2mac", "lecture"])
def test_the_convention_is_named_beside_the_number(capsys, convention):
    assert cli.main(["profile", "lenet5", "--convention", convention]) == 0
    expected = f'{profile("lenet5").flops(convention):,} operations (convention "{convention}")'
    assert expected in capsys.readouterr().out


def test_fields_are_measured_when_they_are_asked_for(capsys):
    assert cli.main(["profile", "lenet5", "--fields"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-3:] == ["field", "stride", "padding"]
    assert next(line for line in lines if line.startswith("pool2")).split()[-3:] == ["16", "4", "0"]


def test_a_program_reads_json(capsys):
    assert cli.main(["profile", "resnet18", "--json", "--fields"]) == 0
    read = json.loads(capsys.readouterr().out)
    assert (read["params"], read["flops"], read["convention"]) == (11_689_512, 1_814_073_344, "mac")
    assert sum(row["macs"] for row in read["rows"]) == read["macs"]
    assert read["rows"][0]["receptive_field"]["size"] == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["resnet5"], "no model is called 'resnet5': did you mean"),
        (["alexnet", "--input", "large"], "--input is 'large': give channels, height and width as 3x224x224"),
        (["alexnet", "--input", "3x8x8"], "alexnet takes images from"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_on_stderr(capsys, words, message):
    assert cli.main(["profile", *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"coursekit: {message}")
    assert captured.err.count("\n") == 1
