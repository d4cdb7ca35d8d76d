"""Comparison: exact where numbers are exact, and never by asking the student's object."""

import json
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from coursekit.check.compare import Kind, compare
from coursekit.check.fingerprints import matches, observe
from coursekit.check.values import Opaque, identical, plain, snapshot

DTYPES = [torch.float32, torch.float64, torch.int64, torch.int32, torch.bool]
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
containers = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def tensors(draw, smallest=0):
    shape = draw(arrays.array_shapes(min_dims=0, max_dims=4, min_side=smallest, max_side=4))
    numbers = draw(arrays.arrays(np.int64, shape, elements=st.integers(-9, 9)))
    return torch.from_numpy(numbers).to(draw(st.sampled_from(DTYPES)))


@given(tensors() | containers)
def test_every_value_equals_itself(value):
    assert compare(plain(value), plain(snapshot(value))) is None
    assert identical(plain(value), plain(snapshot(value)))
    assert matches(observe(value), json.loads(json.dumps(observe(snapshot(value)), allow_nan=False)))


@given(tensors(smallest=1), st.data())
def test_one_changed_number_is_found_where_it_is(expected, data):
    index = tuple(data.draw(st.integers(0, side - 1)) for side in expected.shape)
    got = expected.clone()
    got[index] = ~got[index] if got.dtype == torch.bool else got[index] + 1
    mismatch = compare(expected, got)
    assert mismatch is not None
    assert (mismatch.kind, mismatch.index, mismatch.largest) == (Kind.VALUE, index, 1.0)
    assert not matches(observe(expected), observe(got))


@given(tensors(), tensors())
def test_tensors_of_other_shape_or_dtype_never_pass(a, b):
    if a.shape != b.shape:
        assert compare(a, b).kind is Kind.SHAPE
    elif a.dtype != b.dtype:
        assert compare(a, b).kind is Kind.DTYPE


@pytest.mark.parametrize(
    ("got", "words"),
    [
        (True, "A bool"),
        (1.0, "//"),
        (torch.tensor(1), ".item()"),
        (np.int64(1), "int64"),
        ("1", "str"),
        (None, "return"),
    ],
)
def test_only_an_int_is_an_int(got, words):
    mismatch = compare(1, plain(got))
    assert mismatch.kind is Kind.TYPE
    assert words.lower() in mismatch.sentence.lower()


def test_an_int_will_do_for_a_float_but_no_bool_and_no_tensor():
    assert compare(2.0, 2) is None
    assert compare(2.0, 2 + 1e-9) is None
    assert compare(2.0, 2.001).kind is Kind.VALUE
    assert compare(1.0, True).kind is Kind.TYPE
    assert compare(1.0, plain(torch.tensor(1.0))).kind is Kind.TYPE


def test_integers_beyond_floats_and_digits_are_values_like_others():
    for expected in (1, 1.0):
        mismatch = compare(expected, 10**5000)
        assert (mismatch.kind, mismatch.largest) == (Kind.VALUE, None)
    assert compare(10**5000, 10**5000) is None
    assert compare(1, 10**20).largest == 1e20


def test_items_of_a_tuple_are_compared_one_by_one():
    expected = (torch.ones(2), (3, [4.0]))
    assert compare(expected, (torch.ones(2), (3, [4.0]))) is None
    assert compare(expected, (torch.ones(2), (3, [5.0]))).place == "[1][1][0]"
    assert compare(expected, (torch.ones(2),)).kind is Kind.SHAPE
    assert "tuple(...)" in compare(expected, [torch.ones(2), (3, [4.0])]).sentence


def test_what_torch_returns_as_a_named_tuple_is_a_tuple():
    values, indices = torch.tensor([3.0, 5.0]).max(0)
    assert compare((values, indices), plain(torch.tensor([3.0, 5.0]).max(0))) is None


def test_infinities_and_nan_compare_exactly():
    special = torch.tensor([float("inf"), float("-inf"), float("nan"), 1.0])
    assert compare(special, special.clone()) is None
    for i, wrong in enumerate([1e30, float("inf"), 0.0]):
        got = special.clone()
        got[i] = wrong
        assert compare(special, got).index == (i,)
    assert compare(torch.tensor([1e30]), torch.tensor([float("inf")])).kind is Kind.VALUE


def test_sums_that_cancel_to_zero_may_be_off_by_rounding():
    expected = torch.tensor([100.0, 0.0])
    assert compare(expected, expected + torch.tensor([0.0, 5e-5])) is None
    assert compare(expected, expected + torch.tensor([0.0, 5e-3])).index == (1,)


# ---- objects that lie -------------------------------------------------------------------------------------


class EqualsEverything:
    shape, dtype = torch.Size([2]), torch.float32

    def __eq__(self, other):
        return True

    __hash__ = object.__hash__


class LyingFloat(float):
    def __eq__(self, other):
        return True

    def __sub__(self, other):
        return 0.0

    __hash__ = float.__hash__


class LyingInt(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


class LyingString(str):
    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


class LyingTensor(torch.Tensor):
    def __eq__(self, other):
        return torch.ones(2, dtype=torch.bool)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return torch.ones(2)

    __hash__ = torch.Tensor.__hash__


class LyingList(list):
    def __eq__(self, other):
        return True

    def __iter__(self):
        return iter([1, 2])

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return 1


class LyingClass(type):
    def __instancecheck__(cls, instance):
        return True

    @property
    def __name__(cls):  # type: ignore[override]
        return "int"


@pytest.mark.parametrize(
    ("expected", "lie"),
    [
        (torch.ones(2), EqualsEverything()),
        (1.0, EqualsEverything()),
        (1.0, LyingFloat(7.0)),
        (1, LyingInt(7)),
        ("compute", LyingString("memory")),
        (torch.ones(2), torch.zeros(2).as_subclass(LyingTensor)),
        ([1, 2], LyingList([7])),
        ((1,), (LyingInt(7),)),
        (1, LyingClass("X", (), {})()),
    ],
)
def test_an_object_that_says_it_is_equal_does_not_pass(expected, lie):
    assert compare(expected, plain(lie)) is not None
    assert not matches(observe(expected), observe(lie))


def test_a_tensor_with_a_method_of_its_own_is_read_past_it():
    lie: Any = torch.zeros(2)
    lie.clone = lambda: torch.ones(2)
    lie.detach = lambda: torch.ones(2)
    assert compare(torch.ones(2), plain(lie)).kind is Kind.VALUE


def test_containers_without_end_are_not_taken_apart():
    endless: list = []
    endless.append(endless)
    assert "Opaque" in repr(plain(endless))
    assert plain([0] * 10**5) == Opaque("list of 100000 items")


def test_a_large_view_is_not_copied():
    huge = torch.ones(1).expand(10**12)
    assert compare(torch.ones(2), plain(huge)).kind is Kind.SHAPE
    assert observe(huge)["values"] is None
