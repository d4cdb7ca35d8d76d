"""What crosses by value arrives as it was: every kind, drawn at random, in either direction."""

import collections
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from torch import nn

from grading.wire.encode import Encoder
from tests.grading.wire.values import Ends, alike, encoded, refused

DTYPES = [
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128,
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16,
    torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2,
]  # fmt: skip
Pair = collections.namedtuple("Pair", ["left", "right"])


@st.composite
def tensors(draw) -> torch.Tensor:
    """Of any dtype and up to four axes, perhaps empty; as a view of a larger one, expanded, of windows."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    count = math.prod(shape)
    size = count * torch.empty(0, dtype=dtype).element_size()
    data = torch.tensor(list(draw(st.binary(min_size=size, max_size=size))), dtype=torch.uint8)
    if dtype is torch.bool:
        data = data % 2
    tensor = data.view(dtype).reshape(shape) if count else torch.empty(shape, dtype=dtype)
    for change in draw(st.lists(st.sampled_from(sorted(VIEWS)), max_size=3)):
        tensor = VIEWS[change](tensor)
    return tensor


VIEWS = {
    "transposed": lambda t: t.mT if t.dim() > 1 else t,
    "turned": lambda t: t.permute(tuple(reversed(range(t.dim())))),
    "every second": lambda t: t[::2] if t.dim() else t,
    "part": lambda t: t[..., 1:] if t.dim() else t,
    "one": lambda t: t[0] if t.dim() and len(t) else t,
    "expanded": lambda t: t.unsqueeze(0).expand(3, *t.shape),
    "windows": lambda t: t.unfold(0, 2, 1) if t.dim() in (1, 2) and len(t) > 2 else t,
    "conjugate": lambda t: t.conj() if t.dtype.is_complex else t,
}
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.binary(),
    st.just(...),
    st.sampled_from(
        [torch.float32, torch.int8, torch.device("cpu"), torch.Size([2, 0]), int, ValueError, nn.ReLU]
    ),
    st.builds(slice, st.none() | st.integers(), st.none() | st.integers(), st.none() | st.integers()),
    st.builds(range, st.integers(0, 9), st.integers(0, 9), st.integers(1, 3)),
)
ARRAYS = st.one_of(
    npst.scalar_dtypes().filter(lambda kind: kind.kind in "biufcSU"),
    npst.unicode_string_dtypes(max_len=3),
    npst.byte_string_dtypes(max_len=3),
)
arrays = npst.arrays(ARRAYS, npst.array_shapes(min_dims=0, min_side=0, max_dims=3, max_side=3))
leaves = scalars | arrays | tensors() | st.builds(bytearray, st.binary())
keys = st.text() | st.integers() | st.tuples(st.integers(), st.text())
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.builds(tuple, st.lists(inner, max_size=4))
        | st.dictionaries(keys, inner, max_size=4)
        | st.builds(Pair, inner, inner)
        | st.sets(keys, max_size=4)
        | st.frozensets(keys, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
@settings(max_examples=300, deadline=None)
def test_a_value_arrives_as_it_was(value):
    for arrived in (Ends().to_judge(value), Ends().to_answer(value)):
        if isinstance(value, Pair):
            assert (type(arrived).__name__, arrived._fields) == ("Pair", ("left", "right"))
        assert alike(_without_names(arrived), _without_names(value))


def _without_names(value):
    """Named tuples as plain ones: the class that arrives is another of the same name."""
    if isinstance(value, tuple):
        return value if type(value) is torch.Size else tuple(map(_without_names, value))
    if isinstance(value, list):
        return list(map(_without_names, value))
    if isinstance(value, dict):
        return {key: _without_names(item) for key, item in value.items()}
    return value


@given(tensors())
@settings(max_examples=200, deadline=None)
def test_a_tensor_of_any_kind_arrives_with_its_strides(tensor):
    assert alike(Ends().to_judge(tensor), tensor)


@pytest.mark.parametrize("kind", ["leaf", "parameter", "frozen", "result"])
def test_gradients_come_along(kind):
    tensor = torch.arange(6.0).reshape(2, 3).requires_grad_()
    if kind in ("parameter", "frozen"):
        tensor = nn.Parameter(tensor.detach(), requires_grad=kind == "parameter")
    if kind != "frozen":
        tensor.pow(2).sum().backward()
    if kind == "result":
        tensor = tensor * 2
    arrived = Ends().to_answer(tensor)
    assert (type(arrived), arrived.requires_grad) == (type(tensor), tensor.requires_grad)
    assert arrived.is_leaf is tensor.is_leaf
    assert torch.equal(arrived, tensor)
    if kind in ("leaf", "parameter"):
        assert torch.equal(arrived.grad, 2 * torch.arange(6.0).reshape(2, 3))


def test_nothing_of_the_storage_around_a_view_crosses():
    secret = torch.full((100,), 7.0)
    secret[::10] = 1.0
    encoder = Encoder(Ends().judge)
    encoder.encode(secret[::10])
    found = np.frombuffer(bytes(memoryview(encoder.buffers[0]).cast("B")), dtype=np.float32)
    assert 7.0 not in found
    assert found.sum() == 10.0


def test_what_is_shared_stays_shared():
    tensor, inner = torch.ones(2), [1]
    table = {"a": tensor, "b": [tensor, inner, inner]}
    arrived = Ends().to_answer([table, table, tensor])
    assert arrived[0] is arrived[1]
    assert arrived[0]["a"] is arrived[2] is arrived[0]["b"][0]
    assert arrived[0]["b"][1] is arrived[0]["b"][2]


def test_a_list_may_hold_itself():
    knot: list = [1]
    knot.append(knot)
    arrived = Ends().to_judge(knot)
    assert arrived[1] is arrived


def test_subclasses_arrive_as_what_they_extend():
    counts = collections.Counter("abca")
    table = collections.OrderedDict(b=1, a=2)
    arrived = Ends().to_answer([counts, table, np.float64(0.5), collections.defaultdict(list, a=[1])])
    assert list(map(type, arrived)) == [dict, dict, np.float64, dict]
    assert arrived == [{"a": 2, "b": 1, "c": 1}, {"b": 1, "a": 2}, 0.5, {"a": [1]}]


def test_a_generator_goes_on_where_it_was():
    generator = torch.Generator().manual_seed(5)
    torch.rand(3, generator=generator)
    arrived = Ends().to_answer(generator)
    assert torch.equal(torch.rand(4, generator=arrived), torch.rand(4, generator=generator))


MODULES = {
    "linear": lambda: nn.Linear(3, 2),
    "convolution": lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False),
    "norm": lambda: nn.BatchNorm2d(3).eval(),
    "stack": lambda: nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.Flatten()), nn.Dropout(0.3)
    ),
    "attention": lambda: nn.MultiheadAttention(4, 2, batch_first=True),
    "transformer": lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True),
    "list": lambda: nn.ModuleList([nn.Linear(1, 1), nn.Identity()]),
    "dict": lambda: nn.ModuleDict({"a": nn.Linear(1, 2)}),
    "embedding": lambda: nn.Embedding(5, 3, padding_idx=0),
    "parameters": lambda: nn.ParameterList([nn.Parameter(torch.ones(2))]),
}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("way", ["to_judge", "to_answer"])
def test_layers_of_torch_cross_by_value(name, way):
    module = MODULES[name]()
    arrived = getattr(Ends(), way)(module)
    assert type(arrived) is type(module)
    assert str(arrived) == str(module)
    assert alike(dict(arrived.state_dict()), dict(module.state_dict()))
    parts = zip(arrived.modules(), module.modules(), strict=True)
    assert all(new.training is old.training for new, old in parts)
    arrived.load_state_dict(module.state_dict(), strict=True)


def test_a_layer_that_arrived_computes_the_same():
    module = MODULES["stack"]().eval()
    arrived = Ends().to_judge(module)
    x = torch.randn(2, 1, 5, 5)
    assert torch.equal(arrived(x), module(x))


def test_weights_that_are_tied_stay_tied():
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    arrived = Ends().to_answer(nn.Sequential(first, second))
    assert arrived[0].weight is arrived[1].weight


def test_an_optimizer_arrives_with_the_weights_that_it_moves():
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    new_model, new_optimizer = Ends().to_answer([model, optimizer])
    for one in (model, new_model):
        one.zero_grad()
        one(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    new_optimizer.step()
    assert torch.equal(new_model.weight, model.weight)
    assert torch.equal(
        new_optimizer.state[new_model.weight]["momentum_buffer"],
        optimizer.state[model.weight]["momentum_buffer"],
    )


def test_functions_of_torch_and_numpy_are_named_and_others_are_kept():
    ends = Ends()
    for function in (torch.relu, nn.functional.relu, nn.functional.gelu, torch.sum, np.exp, math.sqrt, len):
        assert ends.to_answer(function) is function
    assert not ends.kept

    def own(x):
        return x

    ends.to_answer([own, lambda x: x])
    assert len(ends.kept) == 2


class OwnLayer(nn.Linear):
    """A layer with code of its own."""


def test_what_has_code_of_its_own_stays_with_its_owner():
    hooked = nn.Linear(2, 2)
    hooked.register_forward_hook(lambda *_: None)
    patched: Any = nn.Linear(2, 2)
    patched.forward = lambda x: x
    for value in (OwnLayer(2, 2), nn.Sequential(OwnLayer(2, 2)), hooked, patched, object(), OwnLayer, max):
        ends = Ends()
        ends.to_judge(value)
        assert list(ends.kept.values()) == [value]


def test_a_judge_says_which_module_it_cannot_pass():
    hooked = nn.Linear(2, 2)
    hooked.register_forward_hook(lambda *_: None)
    assert "with hooks" in refused(encoded, Ends().judge, hooked)

    class Local(nn.Module):
        pass

    assert "exists only where the test runs" in refused(encoded, Ends().judge, Local())


def test_what_cannot_cross_is_refused_with_a_reason():
    deep: list = []
    for _ in range(100):
        deep = [deep]
    assert "nested too deeply" in refused(encoded, Ends().judge, deep)
    assert "dense" in refused(encoded, Ends().judge, torch.eye(3).to_sparse())
