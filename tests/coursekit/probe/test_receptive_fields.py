"""Measured receptive fields, against brute force: change the input, look which outputs change."""

import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from coursekit import models, probe
from coursekit.probe import Field

# The lecture's AlexNet table with the fully connected layers counted as the convolutions they are:
# name, channels or features, height, receptive field, effective stride, effective padding.
ALEXNET = [
    ("conv1", 64, 56, 11, 4, 2),
    ("pool1", 64, 27, 19, 8, 2),
    ("conv2", 192, 27, 51, 8, 18),
    ("pool2", 192, 13, 67, 16, 18),
    ("conv3", 384, 13, 99, 16, 34),
    ("conv4", 256, 13, 131, 16, 50),
    ("conv5", 256, 13, 163, 16, 66),
    ("pool5", 256, 6, 195, 32, 66),
    ("flatten", 9216, None, 195, 32, 66),
    ("fc6", 4096, None, 355, 32, 66),
    ("fc7", 4096, None, 355, 32, 66),
    ("fc8", 1000, None, 355, 32, 66),
]


def test_alexnet_measures_its_table():
    rows = probe.measure(models.create_model("alexnet"), (3, 227, 227))
    expected = [
        probe.LayerProbe(name, (c,) if h is None else (c, h, h), size, stride, padding)
        for name, c, h, size, stride, padding in ALEXNET
    ]
    assert rows == expected


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(4, 4, 5, padding=2)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        y = self.norm(self.wide(x))
        y += x
        return torch.relu(y)


class Branches(nn.Module):
    """Two windows of different size side by side, as in an inception module."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow, self.wide = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 2, 3, padding=1)

    def forward(self, x):
        return torch.cat([self.narrow(x), self.wide(x)], 1)


class Functional(nn.Module):
    """Pooling and flattening as plain function calls."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.fc = nn.Linear(4 * 7 * 7, 3)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.tanh(self.conv(x)), 2)
        return self.fc(x.view(x.size(0), -1))


NETWORKS = {
    "a convolution": lambda: nn.Sequential(nn.Conv2d(1, 4, 3)),
    "padding": lambda: nn.Sequential(nn.Conv2d(1, 4, 5, padding=2), nn.Conv2d(4, 4, 3, padding=1)),
    "stride": lambda: nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.Conv2d(4, 4, 3, stride=2, padding=1)),
    "a stride wider than the kernel": lambda: nn.Sequential(nn.Conv2d(1, 4, 2, stride=3), nn.Conv2d(4, 4, 2)),
    "dilation": lambda: nn.Sequential(nn.Conv2d(1, 4, 3, dilation=2, padding=2), nn.Conv2d(4, 4, 3)),
    "one by one": lambda: nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 2, 1)),
    "depthwise": lambda: nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 3, groups=4)),
    "overlapping max pooling": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(3, 2)),
    "padded max pooling": lambda: nn.Sequential(nn.MaxPool2d(3, 2, padding=1), nn.Conv2d(1, 4, 3)),
    "dilated max pooling": lambda: nn.Sequential(nn.MaxPool2d(2, 1, dilation=3), nn.Conv2d(1, 4, 3)),
    "average pooling": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.AvgPool2d(2), nn.Conv2d(4, 4, 3)),
    "adaptive pooling": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(12), nn.Conv2d(1, 4, 3)),
    "a residual block": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), Residual(), nn.Conv2d(4, 4, 3, 2)),
    "branches": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), Branches(), nn.Conv2d(4, 4, 3)),
    "normalization": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.LocalResponseNorm(3), nn.MaxPool2d(2)),
}


def seen_rows(network: nn.Module, size: int) -> torch.Tensor:
    """Boolean (output rows, input rows): which output rows change when one input row is raised.

    Weights are positive, so a large rise shows through every ReLU and wins every maximum.
    """
    network = network.double().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.uniform_(0.1, 1.0) if "norm" not in name else None
        x = torch.rand(1, 1, size, size, dtype=torch.float64)
        raised = x.repeat(size, 1, 1, 1)
        raised[torch.arange(size), :, torch.arange(size)] += 1e4
        changed = (network(raised) - network(x)).abs().amax((1, 3)) > 1e-9
    return changed.T


def brute_force(network: nn.Module, size: int) -> Field:
    seen = seen_rows(network, size)
    unit = len(seen) // 2 - 1
    rows, next_rows = (seen[i].nonzero().flatten() for i in (unit, unit + 1))
    first, last, stride = rows.min().item(), rows.max().item(), (next_rows.min() - rows.min()).item()
    assert first > 0
    assert last < size - 1, "the border cuts the field: give the test a larger image"
    return Field(last - first + 1, stride, unit * stride - first)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_field_is_that_of_brute_force(name):
    network = NETWORKS[name]()
    assert probe.receptive_field(network, 36) == brute_force(network, 36)


layers = st.tuples(st.integers(1, 4), st.integers(1, 2), st.integers(0, 2), st.integers(1, 2), st.booleans())


@settings(max_examples=25, deadline=None)
@given(st.lists(layers, min_size=1, max_size=3))
def test_the_field_of_any_small_stack_is_that_of_brute_force(stack):
    modules = []
    for kernel, stride, padding, dilation, pooled in stack:
        if pooled:
            modules.append(nn.MaxPool2d(kernel, stride, padding=min(padding, kernel // 2)))
        else:
            modules.append(nn.Conv2d(1, 1, kernel, stride, padding, dilation))
    network = nn.Sequential(*modules)
    assert probe.receptive_field(network, 32) == brute_force(network, 96)


def test_the_support_of_a_border_unit_is_cut_as_the_image_is():
    network = nn.Sequential(nn.Conv2d(1, 4, 5, padding=2), nn.MaxPool2d(2))
    seen = seen_rows(network, 12)
    for row in range(6):
        mask = probe.support(network, 12, (row, 3))
        assert mask.any(1).tolist() == seen[row].tolist()
    assert probe.receptive_field(network, 12, position=(0, 0)) == Field(4, 2, 2)
    assert probe.receptive_field(network, 12).size == 6


def test_a_fully_connected_layer_sees_the_whole_map_however_the_map_is_flattened():
    rows = probe.measure(Functional(), (1, 16, 16))
    assert [(row.name, row.output_shape, row.size) for row in rows] == [
        ("conv", (4, 14, 14), 3),
        ("max_pool2d", (4, 7, 7), 4),
        ("view", (196,), 4),
        ("fc", (3,), 16),
    ]


def test_global_pooling_has_no_field_and_says_why():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    rows = probe.measure(network, (3, 20, 20))
    assert rows[0].size == 3
    assert [row.size for row in rows[1:]] == [None, None, None]
    assert all("the whole input" in row.note for row in rows[1:])
    with pytest.raises(ValueError, match="no receptive field of a fixed size: the whole input"):
        probe.receptive_field(network, 20)


@pytest.mark.parametrize("pool", [lambda x: x.mean((2, 3)), lambda x: torch.mean(x, dim=(-1, -2))])
def test_a_mean_over_the_map_is_global_pooling_too(pool):
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            return self.fc(pool(self.conv(x)))

    rows = probe.measure(Net(), (1, 16, 16))
    assert [row.size for row in rows if row.name in ("conv", "fc")] == [3, None]


def test_adaptive_pooling_to_unequal_windows_says_that_no_field_is_defined():
    rows = probe.measure(nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d(4)), (1, 12, 12))
    assert rows[1].size is None
    assert "10×10 averaged to 4×4" in rows[1].note


def test_adaptive_pooling_that_changes_nothing_has_no_row():
    rows = probe.measure(nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d(10)), (1, 12, 12))
    assert [row.name for row in rows] == ["0"]


def test_a_field_that_is_no_square_asks_for_the_axis():
    network = nn.Sequential(nn.Conv2d(1, 1, (3, 7), stride=(1, 2)))
    with pytest.raises(ValueError, match="pass axis=0 for the height"):
        probe.receptive_field(network, 32)
    assert probe.receptive_field(network, 32, axis=0) == Field(3, 1, 0)
    assert probe.receptive_field(network, 32, axis=1) == Field(7, 2, 0)


def test_a_hundred_layers_lose_no_pixel_to_rounding():
    network = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1) for _ in range(100)))
    assert probe.receptive_field(network, 64) == Field(201, 1, 100)


def test_measuring_changes_nothing_about_the_network():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.MaxPool2d(2)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    probe.measure(network, (1, 16, 16))
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not network[0]._forward_hooks


def test_a_position_outside_the_output_is_refused():
    with pytest.raises(IndexError, match=r"unit \(9, 0\) lies outside the 6×6 output"):
        probe.support(nn.Sequential(nn.Conv2d(1, 1, 3)), 8, (9, 0))


def test_output_shapes_are_those_of_a_real_run():
    model = models.create_model("lenet5", num_classes=10, in_channels=1)
    real, x = {}, torch.zeros(1, 1, 32, 32)
    for name, layer in model.named_children():
        x = layer(x)
        real[name] = tuple(x.shape[1:])
    assert probe.output_shapes(model, (1, 32, 32)) == [
        (name, shape) for name, shape in real.items() if not name.startswith(("tanh", "check"))
    ]


def test_influence_is_the_kernel_where_the_network_is_one_convolution():
    conv = nn.Conv2d(1, 1, 3)
    gradient = probe.influence(conv, torch.rand(1, 5, 5), (1, 1))
    torch.testing.assert_close(gradient[1:4, 1:4], conv.weight[0, 0].abs())
    assert gradient.count_nonzero() == 9


# Networks of other shapes than a chain of maps


class ChannelsLast(nn.Module):
    """A ConvNeXt block: a depthwise convolution, then everything with the channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(4, 4, 7, padding=3, groups=4)
        self.norm = nn.LayerNorm(4)
        self.expand, self.project = nn.Linear(4, 16), nn.Linear(16, 4)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.project(torch.nn.functional.gelu(self.expand(y)))
        return x + self.scale * y.permute(0, 3, 1, 2)


class Shuffle(nn.Module):
    """Half of the channels pass, half go through a convolution; then the halves are mixed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        left, right = x.chunk(2, 1)
        y = torch.cat([left, self.conv(right)], 1)
        n, c, h, w = y.shape
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Unmixed(nn.Module):
    """A deep branch beside a shallow one, and a layer that takes the shallow one's channels only."""

    def __init__(self) -> None:
        super().__init__()
        self.deep, self.shallow = nn.Conv2d(4, 2, 9, padding=4), nn.Conv2d(4, 2, 3, padding=1)
        self.last = nn.Conv2d(2, 1, 3)

    def forward(self, x):
        both = torch.cat([self.shallow(x), self.deep(x)], 1)
        return self.last(both[:, :2])


class Apart(nn.Module):
    """Groups that keep a deep branch and a shallow one apart, and the shallow one's output."""

    def __init__(self) -> None:
        super().__init__()
        self.deep, self.shallow = nn.Conv2d(4, 2, 9, padding=4), nn.Conv2d(4, 2, 3, padding=1)
        self.groups = nn.Conv2d(4, 4, 3, groups=2)

    def forward(self, x):
        return self.groups(torch.cat([self.shallow(x), self.deep(x)], 1))[:, :2]


class PaddedShortcut(nn.Module):
    """A shortcut of every second pixel whose new channels are zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3, stride=2, padding=1)

    def forward(self, x):
        return self.conv(x) + torch.nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))


ODD = {
    "channels last": lambda: nn.Sequential(nn.Conv2d(1, 4, 4, 2), ChannelsLast(), nn.Conv2d(4, 2, 3)),
    "shuffled channels": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), Shuffle(), Shuffle(), nn.Conv2d(4, 2, 1)),
    "channels that are not mixed": lambda: nn.Sequential(nn.Conv2d(1, 4, 1), Unmixed()),
    "groups that are not mixed": lambda: nn.Sequential(nn.Conv2d(1, 4, 1), Apart()),
    "a padded shortcut": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), PaddedShortcut(), nn.Conv2d(8, 2, 3)),
    "reflected borders": lambda: nn.Sequential(nn.Conv2d(1, 4, 5, padding=2, padding_mode="reflect")),
    "groups": lambda: nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 8, 5, groups=2), nn.Conv2d(8, 8, 1)),
}


@pytest.mark.parametrize("name", ODD)
def test_the_field_of_an_odd_network_is_that_of_brute_force(name):
    network = ODD[name]()
    assert probe.receptive_field(network, 40) == brute_force(network, 40)


@pytest.mark.parametrize("name", ODD)
def test_extremes_and_gradients_find_the_same_window(name):
    network = ODD[name]()
    with torch.no_grad():
        side = network(torch.zeros(1, 1, 48, 48)).shape[2]
    inside = probe.receptive_field(network, 48, position=(side // 2, side // 2))
    assert inside == probe.receptive_field(network, 48)


def test_layers_with_the_channels_last_have_fields_too():
    network = nn.Sequential(nn.Conv2d(1, 4, 4, 2), ChannelsLast(), nn.Conv2d(4, 2, 3))
    rows = probe.measure(network, (1, 40, 40))
    assert [(row.name, row.output_shape, row.size) for row in rows] == [
        ("0", (4, 19, 19), 4),
        ("1.depthwise", (4, 19, 19), 16),
        ("1.expand", (19, 19, 16), 16),
        ("1.project", (19, 19, 4), 16),
        ("2", (2, 17, 17), 20),
    ]


SLOW_ONCE = {"densenet201": 3863, "convnext_tiny": 1688, "inception_resnet_v2": 3039, "resnet152": 1451}


@pytest.mark.parametrize("name", SLOW_ONCE)
def test_a_deep_network_is_measured_soon_enough_to_wait_for(name, record_property):
    with torch.device("meta"):
        network = models.create_model(name)
    started = time.process_time()
    rows = probe.measure(network, models.card(name).input_shape, axis=0)
    seconds = time.process_time() - started
    record_property("measured", f"receptive fields of {name}: {seconds:.1f} s for one axis")
    assert max(row.size for row in rows if row.size is not None) == SLOW_ONCE[name]
    assert seconds < 60  # one to two on an idle machine; one run a unit would take hours


def test_behind_squeeze_and_excitation_every_unit_sees_the_whole_input():
    rows = probe.measure(models.create_model("se_resnet50"), (3, 224, 224))
    pooled = next(i for i, row in enumerate(rows) if row.note)
    assert all("global pooling looks at everything" in row.note for row in rows[pooled:] if row.size is None)
    assert rows[-1].size is None


def test_patches_have_a_field_and_what_attention_has_mixed_has_none():
    rows = probe.measure(models.create_model("vit_tiny", in_channels=1), (1, 28, 28))
    assert (rows[0].size, rows[0].stride, rows[0].padding) == (4, 4, 0)
    assert all("attention looks at everything" in row.note for row in rows[1:])


def test_a_network_for_one_size_only_has_rows_that_say_so():
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3)

        def forward(self, x):
            return self.second(self.first(x).view(-1, 2, 14, 14))

    rows = probe.measure(Fixed(), (1, 16, 16))
    assert (rows[0].size, rows[1].size) == (3, None)
    assert rows[1].note.startswith("not defined: the network takes no larger image (")


def test_measuring_a_network_on_the_meta_device_is_the_same():
    with torch.device("meta"):
        empty = models.create_model("alexnet")
    assert probe.measure(empty, (3, 227, 227)) == probe.measure(models.create_model("alexnet"), (3, 227, 227))
