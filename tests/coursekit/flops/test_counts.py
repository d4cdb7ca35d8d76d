"""Parameters and operations, against torch's own counter, closed forms and the lectures' figures."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from coursekit import models
from coursekit.flops import formulas, profile
from tests.models.zoo import example, parameters


def built(name: str) -> nn.Module:
    card = models.card(name)
    channels = {"in_channels": card.input_shape[0]} if len(card.input_shape) > 1 else {}
    with torch.device("meta"):
        return models.create_model(name, num_classes=card.num_classes, **channels)


def torch_counts(model: nn.Module, *inputs: torch.Tensor) -> int:
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model.eval()(*inputs)
    return counter.get_total_flops()


# Every network of the zoo


@pytest.mark.parametrize("name", models.list_models())
def test_a_network_of_the_zoo_has_the_operations_that_torch_counts(name):
    model, x = built(name), example(name, 1).to("meta")
    p = profile(model, inputs=x)
    assert p.flops("2mac") == torch_counts(model, x)
    assert p.params == parameters(model)
    assert p.uncounted == {}
    assert all(row.macs or row.kind not in ("conv", "linear", "attention", "matmul") for row in p.rows)


@pytest.mark.parametrize("name", ["lenet5", "vgg16", "resnet18"])
def test_a_name_is_its_network_on_its_own_input(name):
    by_name, by_module = profile(name), profile(built(name), models.card(name).input_shape)
    assert by_name.rows == by_module.rows
    assert by_name.input_shape == models.card(name).input_shape


# Layers and functions one by one


class Einsum(nn.Module):
    def forward(self, x):
        return torch.einsum("nchw,ndhw->ncd", x, x)


class Functions(nn.Module):
    """Layers as plain function calls on parameters of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.rand(6, 3, 3, 3))
        self.matrix = nn.Parameter(torch.rand(5, 6))

    def forward(self, x):
        x = F.relu(F.conv2d(x, self.kernel, padding=1))
        return F.linear(x.mean((2, 3)), self.matrix) @ torch.ones(5, 2)


class SelfAttention(nn.Module):
    def __init__(self, **options) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True, **options)
        self.need_weights = False

    def forward(self, x):
        return self.attention(x, x, x, need_weights=self.need_weights)[0]


class Weights(SelfAttention):
    def __init__(self) -> None:
        super().__init__()
        self.need_weights = True


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.conv(self.conv(x))


class Tied(nn.Module):
    """One matrix to embed and to classify."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.out = nn.Linear(8, 20, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, tokens):
        return self.out(self.embed(tokens))


class Causal(nn.Module):
    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x, is_causal=True)


IMAGE, TOKENS = torch.zeros(2, 3, 9, 11), torch.zeros(2, 7, 12)
ODD = {
    "a convolution": (nn.Conv2d(3, 8, 3), IMAGE),
    "stride, padding, dilation": (nn.Conv2d(3, 8, 3, 2, 1, 2), IMAGE),
    "groups": (nn.Conv2d(3, 9, 3, groups=3), IMAGE),
    "depthwise with a multiplier": (nn.Conv2d(3, 12, (3, 1), groups=3, bias=False), IMAGE),
    "a kernel that is no square": (nn.Conv2d(3, 4, (1, 7), padding="same"), IMAGE),
    "transposed": (nn.ConvTranspose2d(3, 5, 3, 2, 1, 1), IMAGE),
    "transposed with groups": (nn.ConvTranspose2d(3, 6, 2, 2, groups=3), IMAGE),
    "along one axis": (nn.Conv1d(7, 5, 3), TOKENS),
    "along three axes": (nn.Conv3d(2, 5, (1, 3, 3)), torch.zeros(1, 2, 4, 6, 6)),
    "transposed along one axis": (nn.ConvTranspose1d(7, 5, 3, 2), TOKENS),
    "channels last": (nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last), IMAGE),
    "linear": (nn.Linear(11, 4), IMAGE),
    "linear without a bias": (nn.Linear(12, 4, bias=False), TOKENS),
    "an einsum": (Einsum(), IMAGE),
    "plain functions": (Functions(), IMAGE),
    "multi-head attention": (SelfAttention(), TOKENS),
    "multi-head attention with a bias on keys": (SelfAttention(add_bias_kv=True), TOKENS),
    "multi-head attention with its weights": (Weights(), TOKENS),
    "causal attention": (Causal(), torch.zeros(2, 3, 7, 4)),
    "a transformer layer": (nn.TransformerEncoderLayer(12, 3, 20, batch_first=True), TOKENS),
    "a layer used twice": (Twice(), IMAGE),
    "a shared matrix": (Tied(), torch.zeros(2, 7, dtype=torch.int64)),
    "recurrent": (nn.LSTM(12, 5, 2, bidirectional=True), TOKENS),
    "gated recurrent": (nn.GRU(12, 5), TOKENS),
    "a frozen layer": (nn.Linear(11, 4).requires_grad_(False), IMAGE),
    "half precision": (nn.Conv2d(3, 8, 3).half(), IMAGE.half()),
}


@pytest.mark.parametrize("device", ["meta", "cpu"])
@pytest.mark.parametrize("name", ODD)
def test_a_layer_has_the_operations_that_torch_counts(name, device):
    model, x = ODD[name]
    if device == "cpu" and ("recurrent" in name or "half" in name):
        pytest.skip("the CPU runs it by a closed kernel")
    p = profile(model, inputs=x, device=device)
    tensors = [*model.named_parameters(), *model.named_buffers()]
    on_meta = {k: v.to("meta") for k, v in tensors}
    expected = FlopCounterMode(display=False)
    with expected, torch.no_grad(), torch.device("meta"):
        torch.func.functional_call(model.eval(), on_meta, x.to("meta"))
    assert p.flops("2mac") == expected.get_total_flops() > 0
    assert p.params == parameters(model)
    assert p.uncounted == {}


def test_a_vector_is_counted_too_where_torchs_counter_leaves_it_out():
    class Vector(nn.Module):
        def forward(self, x):
            return x[0] @ x[0, 0], torch.dot(x[0, 0], x[0, 0])

    assert profile(Vector(), inputs=torch.zeros(1, 4, 6)).macs == 4 * 6 + 6


def test_parameters_count_once_and_operations_every_time():
    twice = profile(Twice(), (3, 8, 8))
    once = 3 * 3 * 9 * 8 * 8
    assert (twice.params, twice.macs) == (3 * 3 * 9 + 3, 2 * once)
    assert [(row.name, row.params, row.macs) for row in twice.rows] == [("conv", 84, once), ("conv", 0, once)]
    tied = profile(Tied(), (7,))
    assert (tied.params, tied.macs) == (20 * 8, 7 * 20 * 8)


def test_bilinear_layers_multiply_every_pair():
    p = profile(nn.Bilinear(3, 4, 5), inputs=(torch.zeros(2, 3), torch.zeros(2, 4)))
    assert p.macs == 2 * 5 * 3 * 4


# Formulas know only shapes


def test_the_formula_of_a_convolution_is_a_loop_over_what_it_multiplies():
    n, c_in, c_out, groups, kernel, side = 2, 4, 6, 2, 3, 5
    multiplications = sum(
        1
        for _ in range(n * c_out * side * side)  # outputs
        for _ in range(c_in // groups * kernel * kernel)  # weights of each
    )
    x, weight, out = (n, c_in, 7, 7), (c_out, c_in // groups, kernel, kernel), (n, c_out, side, side)
    assert formulas.convolution_macs(x, weight, out) == multiplications


@pytest.mark.parametrize(("side", "out"), [(10, 4), (7, 7), (13, 6), (5, 1), (3, 5)])
def test_adaptive_pooling_looks_at_the_windows_that_torch_cuts(side, out):
    x = torch.eye(side).reshape(side, 1, 1, side).expand(side, 1, 1, side)
    seen = (F.adaptive_avg_pool2d(x, (1, out)) > 0).sum().item()  # pairs of an input and a window it is in
    counted = formulas.resized_pooling_operations((1, 1, 1, side), (1, 1, 1, out), 2)
    assert counted == (0 if out == side else seen)


# Conventions and the lectures' figures


def test_every_convention_counts_the_same_layers_differently():
    p = profile(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2)), (3, 10, 10))
    macs = 4 * 3 * 9 * 8 * 8
    assert p.flops() == p.flops("mac") == p.macs == macs
    assert p.flops("2mac") == 2 * macs
    assert p.flops("lecture") == macs + 4 * 8 * 8 + 4 * 4 * 4 * 4
    with pytest.raises(ValueError, match="convention is 'flops'; choose one of mac, 2mac, lecture"):
        p.flops("flops")


def test_two_operations_a_mac_are_the_lectures_formula_with_its_bias():
    d1, d2, f, side = 3, 1, 5, 28
    p = profile(nn.Conv2d(d1, d2, f), (d1, 32, 32))
    multiplications, additions, bias = d1 * f * f, d1 * f * f - 1, 1
    assert p.flops("2mac") == (multiplications + additions + bias) * d2 * side * side == 117_600


def test_squeeze_and_excitation_costs_what_the_lecture_says():
    class Excite(nn.Module):
        """The lecture's block on 4C channels, with C/4 between the two layers."""

        def __init__(self, c: int) -> None:
            super().__init__()
            self.down, self.up = nn.Linear(4 * c, c // 4), nn.Linear(c // 4, 4 * c)

        def forward(self, x):
            gate = torch.sigmoid(self.up(torch.relu(self.down(x.mean((2, 3))))))
            return x * gate[:, :, None, None]

    c, h, w = 64, 56, 56
    counted = profile(Excite(c), (4 * c, h, w)).flops("lecture")
    assert counted == 8 * c * h * w + 2 * c**2 + 17 * c // 4 == 1_614_096


def test_vgg16_has_its_published_totals():
    p = profile("vgg16")
    assert (p.params, p.macs) == (138_357_544, 15_470_264_320)
    memory = sum(row.activation_bytes for row in p.rows if row.kind in ("conv", "linear"))
    assert memory / 2**20 == pytest.approx(51.7148, abs=1e-4)


def test_a_depthwise_separable_layer_is_the_sum_of_its_formulas():
    layers = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1, groups=32), nn.Conv2d(32, 64, 1))
    p = profile(layers, (32, 14, 14))
    assert p.flops("2mac") == 2 * 9 * 32 * 14 * 14 + 2 * 32 * 64 * 14 * 14


def test_normalization_and_softmax_have_their_stated_prices():
    def other(layer: nn.Module) -> int:
        return profile(layer, (8, 6, 6)).flops("lecture")

    numbers = 8 * 6 * 6
    assert other(nn.BatchNorm2d(8)) == numbers
    assert other(nn.GroupNorm(2, 8)) == other(nn.LayerNorm((6, 6))) == other(nn.Softmax(1)) == 5 * numbers
    assert other(nn.AvgPool2d(2)) == other(nn.AdaptiveAvgPool2d(1)) == numbers
    assert other(nn.MaxPool2d(1, 2)) == other(nn.Flatten()) == other(nn.Dropout()) == 0


# What cannot be counted


class Spectrum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Identity()

    def forward(self, x):
        return torch.fft.rfft(self.inner(x)).abs().sort(-1)[0].sort(-1)[0]


def test_what_has_no_formula_is_listed_with_how_often_and_where():
    p = profile(nn.Sequential(nn.Linear(8, 8), Spectrum()), (8,))
    assert {name: (u.times, u.where) for name, u in p.uncounted.items()} == {
        "_fft_r2c": (1, ("1",)),
        "sort": (2, ("1",)),
    }
    assert p.macs == 64
    assert "Not counted, for want of a formula: sort (2×, in 1), _fft_r2c (1×, in 1)." in p.to_markdown()


def test_a_closed_kernel_of_the_cpu_is_listed_too():
    p = profile(nn.LSTM(4, 5), (7, 4), device="cpu")
    assert (p.macs, list(p.uncounted)) == (0, ["mkldnn_rnn_layer"])
