"""The quick results on meta tensors, against what the CPU gives: shape, strides and type."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from coursekit.flops.shapes import quick_result

aten = torch.ops.aten


def both(func, *args):
    """The CPU's result and the quick one for the same call."""
    names = [argument.name for argument in func._schema.arguments]

    def meta(x):
        if isinstance(x, torch.Tensor):
            return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta")
        return [meta(t) for t in x] if isinstance(x, list) else x

    quick = quick_result(func._overloadpacket.__name__, dict(zip(names, map(meta, args), strict=False)))
    return func(*args), quick


def assert_alike(real, quick):
    real, quick = ([r] if isinstance(r, torch.Tensor) else list(r) for r in (real, quick))
    for r, q in zip(real, quick, strict=True):
        assert (tuple(q.shape), q.dtype, q.device.type) == (tuple(r.shape), r.dtype, "meta")
        if r.numel() > 1:
            kept = [i for i, size in enumerate(r.shape) if size > 1]  # others' strides mean nothing
            assert [q.stride(i) for i in kept] == [r.stride(i) for i in kept]


MAP = torch.rand(2, 4, 9, 7)
MAPS = {
    "contiguous": MAP,
    "channels last": MAP.contiguous(memory_format=torch.channels_last),
    "permuted": torch.rand(2, 9, 7, 4).permute(0, 3, 1, 2),
}
TOKENS = {"contiguous": torch.rand(2, 5, 8), "permuted": torch.rand(2, 8, 5).transpose(1, 2)}


@pytest.mark.parametrize("layout", MAPS)
@pytest.mark.parametrize(
    "func",
    [aten.relu.default, aten.gelu.default, aten.sigmoid.default, aten.hardswish.default, aten.clone.default],
)
def test_what_works_number_by_number(func, layout):
    assert_alike(*both(func, MAPS[layout]))


@pytest.mark.parametrize("layout", MAPS)
@pytest.mark.parametrize(
    "other", [2.0, MAP, torch.rand(4, 1, 1), torch.rand(1, 7), torch.tensor(3.0), torch.tensor(3)]
)
def test_sums_with_numbers_maps_and_what_is_repeated_along_them(layout, other):
    for first, second in ((MAPS[layout], other), (other, MAPS[layout])):
        if isinstance(first, torch.Tensor):
            assert_alike(*both(aten.add.Tensor, first, second))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(MAPS)),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 2),
    st.sampled_from([1, 2, 4]),
)
def test_convolutions(layout, kernel, stride, padding, dilation, groups):
    weight = torch.rand(8, 4 // groups, kernel, kernel)
    args = (weight, None, [stride] * 2, [padding] * 2, [dilation] * 2, False, [0, 0], groups)
    real, quick = both(aten.convolution.default, MAPS[layout], *args)
    assert quick is not NotImplemented
    assert tuple(quick.shape) == tuple(real.shape)


@pytest.mark.parametrize("layout", ["contiguous", "channels last"])
def test_a_convolution_keeps_the_layout(layout):
    args = (torch.rand(8, 4, 3, 3), None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
    assert_alike(*both(aten.convolution.default, MAPS[layout], *args))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(MAPS)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
)
def test_pooling(layout, kernel, stride, padded, ceil):
    padding = [k // 2 if padded else 0 for k in kernel]
    x = MAPS[layout]
    assert_alike(*both(aten.max_pool2d_with_indices.default, x, kernel, [stride] * 2, padding, [1, 1], ceil))
    assert_alike(*both(aten.avg_pool2d.default, x, kernel, [stride] * 2, padding, ceil))


@pytest.mark.parametrize("layout", MAPS)
def test_adaptive_pooling_and_means(layout):
    assert_alike(*both(aten._adaptive_avg_pool2d.default, MAPS[layout], [3, 2]))
    for dims in ([2, 3], [-1], [1], [0, 2]):
        for keep in (False, True):
            assert_alike(*both(aten.mean.dim, MAPS[layout], dims, keep))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("layout", MAPS)
def test_batch_norm(layout, training):
    four = [torch.ones(4) for _ in range(4)]
    assert_alike(*both(aten.native_batch_norm.default, MAPS[layout], *four, training, 0.1, 1e-5))


@pytest.mark.parametrize("layout", TOKENS)
def test_layer_norm_softmax_and_products(layout):
    x = TOKENS[layout]
    assert_alike(*both(aten.native_layer_norm.default, x, [8], torch.ones(8), torch.ones(8), 1e-5))
    assert_alike(*both(aten.bmm.default, x, torch.rand(2, 8, 3)))
    assert_alike(*both(aten.mm.default, x[0], torch.rand(8, 3)))
    assert_alike(*both(aten.addmm.default, torch.rand(3), x[0], torch.rand(8, 3)))
    if layout == "contiguous":
        assert_alike(*both(aten._softmax.default, x, -1, False))


@pytest.mark.parametrize("layout", ["contiguous", "channels last"])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_concatenation(layout, dim):
    assert_alike(*both(aten.cat.default, [MAPS[layout], MAPS[layout]], dim))
    assert_alike(*both(aten.cat.default, list(TOKENS.values()), dim))


def test_fused_attention_and_embeddings():
    q = torch.rand(2, 3, 5, 8)
    names = aten._scaled_dot_product_flash_attention_for_cpu.default
    assert_alike(*both(names, q, torch.rand(2, 3, 7, 8), torch.rand(2, 3, 7, 8)))
    assert_alike(*both(aten.embedding.default, torch.rand(9, 4), torch.randint(0, 9, (2, 5))))


@pytest.mark.parametrize(
    ("func", "args"),
    [
        (aten.mm.default, (torch.rand(2, 3), torch.rand(4, 2))),
        (aten.add.Tensor, (torch.rand(2, 3), torch.rand(4))),
        (aten.add_.Tensor, (torch.rand(2, 3), torch.rand(4))),
        (aten.cat.default, ([torch.rand(2, 3), torch.rand(2, 4)], 0)),
        (aten.add.Tensor, (torch.zeros(2, dtype=torch.int64), torch.ones(2, dtype=torch.int64))),
        (aten.sort.default, (torch.rand(4),)),
    ],
)
def test_what_does_not_fit_is_left_to_torch(func, args):
    names = [argument.name for argument in func._schema.arguments]
    assert quick_result(func._overloadpacket.__name__, dict(zip(names, args, strict=False))) is NotImplemented


def test_a_window_that_does_not_fit_is_an_error_as_it_is_in_torch():
    x, weight = torch.rand(1, 1, 3, 3), torch.rand(1, 1, 5, 5)
    with pytest.raises(RuntimeError):
        F.conv2d(x, weight)
    settings = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "transposed": False, "groups": 1}
    with pytest.raises(ValueError, match="a window of 5 does not fit into 3"):
        quick_result("convolution", {"input": x, "weight": weight, "bias": None, **settings})
