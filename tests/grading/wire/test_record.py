"""A record that was tampered with is told from a whole one; what it holds is found."""

import json

import pytest

from grading.judge.record import STOPPED, RecordStoppedError, parts

MARKERS = ["begin-3f", "end-9a"]


def node(number, name, schema="", values=()):
    """A node as torch writes it."""
    attributes = [{"name": "op_schema", "type": "string", "value": schema}]
    rest = {"ctrl_deps": 1, "inputs": {"values": list(values)}, "attrs": attributes}
    return f'      {{\n        "id": {number}, "name": "{name}", {json.dumps(rest)[1:-1]}\n      }}'


def record(*names, head='{\n  "schema": "1.1",\n  "nodes": [\n', tail="\n  ]\n}\n"):
    nodes = [name if "\n" in name else node(number, name) for number, name in enumerate(names, 2)]
    nodes.append(node(1, "[pytorch|profiler|execution_trace|process]"))
    return (head + ",\n".join(nodes) + tail).encode()


def found(text):
    return [(passed, one.name) for passed, one in parts(text, MARKERS, lambda name: "conv" in name)]


def test_what_ran_between_the_markers_is_found():
    text = record("aten::conv0", MARKERS[0], "aten::mul", "aten::conv1", MARKERS[1], "aten::conv2")
    assert found(text) == [(1, "aten::conv1")]


def test_arguments_have_the_names_that_the_operator_has_for_them():
    schema = "aten::conv(Tensor x, SymInt[2] padding=[0, 0], *, Tensor(a!)? b=None, int groups=1) -> Tensor"
    call = node(7, "aten::conv", schema, [[1, 2], [0, 0], "<None>", 3])
    ((_, one),) = parts(record(MARKERS[0], call, MARKERS[1]), MARKERS, lambda name: "conv" in name)
    assert one.number == 7
    assert one.arguments() == {"x": [1, 2], "padding": [0, 0], "b": "<None>", "groups": 3}


WHOLE = record(*MARKERS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "not one record"),
        (WHOLE + WHOLE, "not one record"),
        (b"{" + WHOLE, "not one record"),
        (WHOLE[:-8], "its end is missing"),
        (record(MARKERS[0]), "one of its marks is missing"),
        (record(MARKERS[1], MARKERS[0]), "one of its marks is missing"),
        (record(MARKERS[0], STOPPED, MARKERS[1]), "somebody reached for it"),
        (record(STOPPED, *MARKERS), "somebody reached for it"),
    ],
)
def test_a_record_that_was_tampered_with_is_refused(text, why):
    with pytest.raises(RecordStoppedError, match=why):
        found(text)


def test_who_ends_it_behind_the_last_marker_is_the_one_who_may():
    assert found(record(*MARKERS, STOPPED)) == []
