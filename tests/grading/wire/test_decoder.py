"""Whatever a student's process sends, the judge's decoder gives a value or a `WireError`: no other exception,
no code of its choice, no memory that was not sent."""

import contextlib
import json
import resource
import subprocess
import sys
import tracemalloc
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grading.wire.channel import WireError
from grading.wire.decode import _TAGS, Attributes, Decoder
from tests.grading.wire.values import Ends, decoded, refused

numbers = st.integers(-3, 6) | st.sampled_from([2**31, 2**62, -(2**62)])
words = st.sampled_from([
    "float32", "int64", "bool", "nn", "<f8", "|O", "<U3", "|V8", "torch.nn.modules.linear.Linear",
    "builtins.eval", "builtins.int", "os.system", "subprocess.Popen", "torch.nn.functional.relu",
    "torch.hub.load", "_parameters", "_modules", "_buffers", "training", "forward", "__class__",
    "__dict__", "_forward_hooks",
    "weight", "ff", "cpu",
    "class", "def", "\x00", "Linear(object)",
])  # fmt: skip
flags = st.dictionaries(
    st.sampled_from(["grad", "leaf", "parameter", "gradient"]),
    st.booleans() | st.none() | st.just(["tensor", "float32", [1], [0], 0, {}]),
)
trees = st.recursive(
    st.none() | st.booleans() | numbers | st.floats() | st.text(max_size=3) | words | flags,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.builds(
            lambda tag, rest: [tag, *rest], st.sampled_from(sorted(_TAGS)), st.lists(inner, max_size=6)
        )
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=25,
)
shapes = st.lists(numbers, max_size=4)
places = st.integers(-1, 4)
likely = st.one_of(
    st.builds(lambda *rest: ["tensor", *rest], words, shapes, shapes, places, flags),
    st.builds(lambda *rest: ["array", *rest], words, shapes, places),
    st.builds(lambda *rest: ["scalar", *rest], words, shapes, places),
    st.builds(
        lambda name, state: ["module", name, state], words, st.lists(st.tuples(words, trees), max_size=4)
    ),
    st.builds(
        lambda name, state: ["optimizer", name, state], words, st.lists(st.tuples(words, trees), max_size=2)
    ),
    st.builds(
        lambda *rest: ["named", *rest], words, st.lists(words, max_size=3), st.lists(trees, max_size=3)
    ),
    st.builds(lambda number, tree: ["shared", number, tree], numbers, trees),
    st.builds(lambda pairs, hooks: ["attributes", pairs, hooks], st.lists(st.tuples(words, trees)), trees),
    st.builds(lambda *rest: ["mine", *rest], numbers, words, words, words),
)
buffers = st.lists(st.binary(max_size=64).map(bytearray), max_size=4) | st.just([bytearray(5056)])


@given(trees | likely, buffers)
@settings(max_examples=1500, deadline=None)
def test_nonsense_is_a_value_or_a_wire_error(tree, parts):
    ends = Ends()
    before = torch.rand(1, generator=torch.Generator().manual_seed(0))
    with contextlib.suppress(WireError):
        decoder = Decoder(ends.judge, parts, {0: [1], 1: "x"})
        decoder.decode(json.loads(json.dumps(tree)))
        assert sum(map(_held, decoder.marks)) < 2**20
    assert torch.equal(before, torch.rand(1, generator=torch.Generator().manual_seed(0)))


def _held(value) -> int:
    """The memory of a tensor: of a view of few elements, those few."""
    return value.untyped_storage().nbytes() if isinstance(value, torch.Tensor) else 0


@pytest.mark.parametrize(
    "name",
    [
        "os.system", "subprocess.Popen", "builtins.eval", "builtins.__import__", "torch.hub.load",
        "torch.load", "torch.nn.Module", "torch.nn.modules.module.register_module_forward_hook",
        "pickle.loads", "", ".", "Linear", "torch.nn.modules.linear.init", "a" * 500,
    ],
)  # fmt: skip
@pytest.mark.parametrize("tag", ["class", "function", "module"])
def test_no_name_gives_code(tag, name):
    more: list[Any] = [[]] if tag == "module" else []
    assert refused(decoded, Ends().judge, [tag, name, *more], [])


def test_nothing_is_imported_by_a_name():
    code = (
        "import sys, json\nimport torch\nfrom tests.grading.wire.values import Ends, decoded, refused\n"
        "before = set(sys.modules)\n"
        "for tag in ('class', 'function'):\n"
        "    refused(decoded, Ends().judge, [tag, 'antigravity.x'], [])\n"
        "refused(decoded, Ends().judge, ['module', 'this.X', []], [])\n"
        "assert not {'antigravity', 'this'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_optimizer_comes_from_the_judge_only():
    assert "from that side" in refused(decoded, Ends().judge, ["optimizer", "torch.optim.sgd.SGD", []], [])


@pytest.mark.parametrize(
    "state",
    [
        [["_forward_hooks", ["dict", []]]],
        [["_parameters", 3]],
        [["_parameters", ["dict", [["w", 3]]]], ["_buffers", ["dict", []]], ["_modules", ["dict", []]]],
        [["_parameters", ["dict", []]], ["_buffers", ["dict", []]], ["_modules", ["dict", [["a", 1]]]]],
        [["forward", ["mine", 1, "function", "f"]]],
        [["x", ["list", [["mine", 1, "module", "f"]]]]],
    ],
)  # fmt: skip
def test_a_module_is_what_torch_makes_it_or_nothing(state):
    assert refused(decoded, Ends().judge, ["module", "torch.nn.modules.linear.Linear", state], [])


def test_what_is_left_of_hooks_is_a_count():
    tree = ["attributes", [], {"_forward_hooks": 2, "_state_dict_hooks": 1, "x": 5}]
    found = Decoder(Ends().judge, []).decode(tree)
    assert found == Attributes({}, {"_forward_hooks": 2})


@pytest.mark.parametrize(
    "tree",
    [
        ["tensor", "float32", [2**40], [0], 0, {}],
        ["tensor", "float32", [2**20, 2**20], [0, 0], 0, {}],
        ["tensor", "float32", [10**9], [10**9], 0, {}],
        ["array", "<f8", [2**40], 0],
        ["array", "<U0", [2**40], 0],
        ["array", "|S0", [2**30], 0],
        ["int", "f" * 200_000],
        ["named", "A", ["a"] * 1000, []],
        ["generator", 0],
    ],
)  # fmt: skip
def test_little_that_says_it_is_much_takes_no_memory(tree):
    tracemalloc.start()
    try:
        assert refused(decoded, Ends().judge, tree, [bytearray(8)])
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 8 * 2**20  # in KB


def test_depth_and_count_have_an_end():
    tree: list = ["list", []]
    for _ in range(500):
        tree = ["list", [tree]]
    assert "too deep" in refused(decoded, Ends().judge, tree, [])
    assert "too large" in refused(decoded, Ends().judge, ["list", [None] * 2_000_001], [])
