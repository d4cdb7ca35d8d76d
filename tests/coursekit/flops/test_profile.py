"""The rows of a profile, how they are written, and that the network is left alone."""

import builtins
import math
import re
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from coursekit import models
from coursekit.flops import Field, profile

# The lecture's table of AlexNet on 227×227 pixels: memory in KB, weights and multiply-adds in closed form.
# layer, kind, output, kernel²·inputs a weight of each output has
ALEXNET = [
    ("conv1", "conv", (64, 56, 56), 11 * 11 * 3),
    ("pool1", "pool", (64, 27, 27), 0),
    ("conv2", "conv", (192, 27, 27), 5 * 5 * 64),
    ("pool2", "pool", (192, 13, 13), 0),
    ("conv3", "conv", (384, 13, 13), 3 * 3 * 192),
    ("conv4", "conv", (256, 13, 13), 3 * 3 * 384),
    ("conv5", "conv", (256, 13, 13), 3 * 3 * 256),
    ("pool5", "pool", (256, 6, 6), 0),
    ("flatten", "flatten", (9216,), 0),
    ("fc6", "linear", (4096,), 9216),
    ("fc7", "linear", (4096,), 4096),
    ("fc8", "linear", (1000,), 4096),
]
# As printed; conv4's 145 is the lecture's slip, its own formula gives 150.
PRINTED_KB = [784, 182, 547, 127, 254, 169, 169, 36, 36, 16, 16, 4]
PRINTED_WEIGHTS = [23, 0, 307, 0, 664, 885, 590, 0, 0, 37_749, 16_777, 4_096]
PRINTED_MACS = [73, 0, 224, 0, 112, 150, 100, 0, 0, 38, 17, 4]
FIELDS = [11, 19, 51, 67, 99, 131, 163, 195, 195, 355, 355, 355]


@pytest.fixture(scope="module")
def alexnet():
    return profile("alexnet", (3, 227, 227))


def half_up(value: float) -> int:
    return math.floor(value + 0.5)


def test_alexnets_table_is_the_closed_form_cell_by_cell(alexnet):
    layers = [row for row in alexnet.rows if row.is_layer]
    for row, (name, kind, output, each) in zip(layers, ALEXNET, strict=True):
        channels, positions = output[0], math.prod(output[1:])
        assert (row.name, row.kind, row.output_shape) == (name, kind, output)
        assert row.activation_bytes == math.prod(output) * 4
        assert row.params == channels * each + (channels if each else 0)
        assert row.macs == channels * positions * each


def test_alexnets_table_rounds_to_the_printed_one(alexnet):
    layers = [row for row in alexnet.rows if row.is_layer]
    biases = [row.output_shape[0] if row.params else 0 for row in layers]
    assert [half_up(row.activation_bytes / 1024) for row in layers] == PRINTED_KB
    assert [
        half_up((row.params - bias) / 1000) for row, bias in zip(layers, biases, strict=True)
    ] == PRINTED_WEIGHTS
    assert [half_up(row.macs / 1e6) for row in layers] == PRINTED_MACS
    assert [half_up((row.macs + row.other) / 1e6) for row in layers] == PRINTED_MACS  # pooling rounds to 0


def test_alexnets_totals_are_those_of_the_lectures(alexnet):
    assert alexnet.params == 61_100_840
    assert alexnet.macs == 716_767_232
    assert alexnet.flops("lecture") / 1e9 == pytest.approx(0.7, abs=0.05)
    assert alexnet.activation_bytes == sum(4 * math.prod(output) for _, _, output, _ in ALEXNET)
    without_pooling = sum(r.activation_bytes for r in alexnet.rows if r.kind in ("conv", "linear"))
    assert without_pooling / 2**20 == pytest.approx(1.9, abs=0.05)


def test_alexnets_receptive_fields_stand_in_its_rows(alexnet):
    fields = alexnet.receptive_fields()
    assert len(fields) == len(alexnet.rows)
    pairs = list(zip(alexnet.rows, fields, strict=True))
    assert [field.size for row, field in pairs if row.is_layer] == FIELDS
    assert {field.note for row, field in pairs if row.kind == "activation"} == {"none for activation"}
    assert alexnet.receptive_fields() is fields  # measured once


# Rows


class Block(nn.Module):
    """A residual block with a functional activation and pooling inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x):
        return F.max_pool2d(F.relu(x + self.scale * self.norm(self.conv(x))), 2)


def test_function_calls_stand_under_the_module_around_them():
    p = profile(nn.Sequential(Block(), nn.Flatten(), nn.Linear(16, 3)), (4, 4, 4))
    assert [(row.name, row.kind, row.output_shape, row.params, row.macs, row.other) for row in p.rows] == [
        ("0.conv", "conv", (4, 4, 4), 144, 4 * 36 * 16, 0),
        ("0.norm", "norm", (4, 4, 4), 8, 0, 64),
        ("0.scale", "parameter", (4, 4, 4), 4, 0, 64),
        ("0.add", "other", (4, 4, 4), 0, 0, 64),
        ("0.relu", "activation", (4, 4, 4), 0, 0, 64),
        ("0.max_pool2d", "pool", (4, 2, 2), 0, 0, 64),
        ("1", "flatten", (16,), 0, 0, 0),
        ("2", "linear", (3,), 51, 48, 0),
    ]


def test_the_rows_parameters_add_up_and_what_did_not_run_is_named():
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.main, self.auxiliary = nn.Linear(4, 3), nn.Linear(4, 5)

        def forward(self, x):
            return (self.main(x), self.auxiliary(x)) if self.training else self.main(x)

    p = profile(Heads(), (4,))
    assert [(row.name, row.kind, row.params) for row in p.rows] == [
        ("main", "linear", 15),
        ("auxiliary", "not run", 25),
    ]
    assert p.params == 40
    trained = profile(Heads(), (4,), training=True)
    assert (trained.params, trained.macs) == (40, 12 + 20)


def test_a_module_of_several_layers_has_a_row_for_each():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Parameter(torch.rand(5, 4)), nn.Parameter(torch.rand(3, 5))

        def forward(self, x):
            return F.linear(F.relu(F.linear(x, self.first)), self.second)

    rows = profile(nn.Sequential(Two()), (4,)).rows
    assert [(row.name, row.params) for row in rows] == [("0.linear", 20), ("0.relu", 0), ("0.linear", 15)]


def test_attention_is_one_row_with_all_its_parameters():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attend = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            return self.attend(x, x, x, need_weights=False)[0]

    p = profile(Net(), (5, 8))
    (row,) = p.rows
    assert (row.name, row.kind, row.output_shape, row.params) == ("attend", "attention", (5, 8), 4 * (64 + 8))


# Inputs


def test_a_single_number_is_tokens_for_an_embedding_and_features_for_a_linear_layer():
    assert profile(nn.Sequential(nn.Embedding(10, 3), nn.Linear(3, 2)), (6,)).macs == 6 * 3 * 2
    assert profile(nn.Linear(6, 2), (6,)).macs == 12


def test_inputs_of_several_images_count_for_all_of_them():
    conv = nn.Conv2d(3, 4, 3)
    assert profile(conv, inputs=torch.zeros(5, 3, 8, 8)).macs == 5 * profile(conv, (3, 8, 8)).macs


@pytest.mark.parametrize(
    ("model", "size", "message"),
    [
        (nn.Linear(4, 2), None, "input_size is missing: give"),
        (nn.Linear(4, 2), (0,), r"input_size is \(0,\); give whole numbers from 1 on"),
        ("resnet5", None, "no model is called 'resnet5': did you mean resnet"),
        ("alexnet", (3, 20, 20), "takes images from"),
        (nn.LazyLinear(3), (4,), "the network has lazy parameters: run it once"),
    ],
)
def test_what_cannot_be_profiled_is_refused_in_a_sentence(model, size, message):
    with pytest.raises(ValueError, match=message):
        profile(model, size)


class Looks(nn.Module):
    def forward(self, x):
        return x * 2 if x.sum().item() > 0 else x


def test_a_network_that_looks_at_numbers_is_told_to_run_where_there_are_some():
    with pytest.raises(ValueError, match=r"Looks looks at numbers, .* pass device='cpu'"):
        profile(Looks(), (4,))
    assert profile(Looks(), inputs=torch.ones(1, 4), device="cpu").flops("lecture") == 8
    with torch.device("meta"):
        empty = nn.Linear(4, 2)
    with pytest.raises(ValueError, match="weights are on the meta device"):
        profile(empty, (4,), device="cpu")


def test_constants_made_in_forward_on_the_cpu_do_not_stop_it():
    class Constant(nn.Module):
        def forward(self, x):
            return x + torch.arange(4.0)

    assert profile(Constant(), (4,)).flops("lecture") == 4


# The network afterwards


class Restless(nn.Module):
    """Writes into itself when it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm2d(3), nn.Dropout()
        self.seen = None

    def forward(self, x):
        self.seen = self.made_in_forward = x
        return self.drop(self.norm(x))


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_the_network_is_left_as_it_was(device):
    model = nn.Sequential(Restless(), nn.Conv2d(3, 2, 1), nn.LSTM(4, 4)).train()
    model[0].drop.eval()
    before = {name: (id(value), value.clone()) for name, value in model.state_dict(keep_vars=True).items()}
    lists = [id(w) for w in model[2]._flat_weights]
    profile(model[:2], (3, 4, 4), device=device, training=True)
    profile(model[2], (5, 4), device=device)
    after = model.state_dict(keep_vars=True)
    assert all(
        id(after[name]) == key and torch.equal(after[name], old) for name, (key, old) in before.items()
    )
    assert [module.training for module in model.modules()] == [True, True, True, False, True, True]
    assert model[0].seen is None
    assert not hasattr(model[0], "made_in_forward")
    assert [id(w) for w in model[2]._flat_weights] == lists
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert model[:2](torch.zeros(2, 3, 4, 4)).shape == (2, 2, 4, 4)


def test_a_network_that_fails_is_left_as_it_was_too():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 5))
    weight, attention = model[0].weight, F.scaled_dot_product_attention
    with pytest.raises(RuntimeError):
        profile(model, (4,))
    assert model[0].weight is weight
    assert F.scaled_dot_product_attention is attention
    assert torch.backends.mha.get_fastpath_enabled()


# Receptive fields


def test_a_field_that_differs_along_the_axes_is_a_pair():
    p = profile(nn.Sequential(nn.Conv2d(1, 2, (1, 7), (1, 2)), nn.Conv2d(2, 2, 3)), (1, 40, 40))
    assert p.receptive_fields() == (
        Field((1, 7), (1, 2), 0),
        Field((3, 11), (1, 2), 0),
    )
    assert "3×11" in p.to_markdown(fields=True)


def test_where_no_field_is_defined_the_note_says_why():
    notes = [field.note for field in profile("vit_tiny").receptive_fields()]
    assert notes[0] == ""  # patches
    assert any("attention looks at everything" in note for note in notes)
    assert {f.note for f in profile(nn.Linear(4, 2), (4,)).receptive_fields()} == {"the input is no image"}


# Written


def test_markdown_has_a_line_a_row_and_the_totals(alexnet):
    lines = alexnet.to_markdown(layers_only=True).strip().splitlines()
    assert len(lines) == 2 + 12 + 1
    assert lines[0].startswith("| layer | kind | output | memory (KB) | parameters | MACs (M) |")
    assert lines[2].startswith("| conv1 | conv | 64×56×56 | 784.0 | 23,296 | 72.86 | 0 |")
    assert "**61,100,840** | **716.77**" in lines[-1]
    assert len({line.count("|") for line in lines}) == 1
    assert len(alexnet.to_markdown().strip().splitlines()) == 3 + len(alexnet.rows)
    assert alexnet._repr_markdown_() == alexnet.to_markdown(layers_only=True)


def test_text_is_aligned(alexnet):
    lines = str(alexnet).splitlines()
    assert re.match(r"conv1 +conv +64×56×56 +784\.0 +23,296 +72\.86", lines[2])
    assert len({len(line) for line in lines if "─" not in line}) <= 2


def test_a_data_frame_has_a_line_a_row(alexnet):
    frame = alexnet.to_dataframe(fields=True)
    assert frame["macs"].sum() == alexnet.macs
    assert frame.loc[frame.name == "fc8", "field"].item() == 355
    assert len(frame) == len(alexnet.rows)


def test_without_pandas_the_command_that_installs_it_is_named(alexnet, monkeypatch):
    real = builtins.__import__

    def without_pandas(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError("no pandas")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(ImportError, match="pip install pandas"):
        alexnet.to_dataframe()


def test_a_profile_cannot_be_changed(alexnet):
    with pytest.raises(AttributeError):
        alexnet.peak_bytes = 0


# Memory, in a process of its own

FRESH = """
import resource, sys
import torch
import coursekit.models
held = {name for name in sys.modules if name in ("sympy", "torch._dynamo")}
from coursekit.flops import profile
p = profile("vit_h_14")
if sys.platform == "linux":  # there getrusage remembers the process that started this one
    lines = open("/proc/self/status").read().splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
new = {name for name in sys.modules if name in ("sympy", "torch._dynamo")} - held
print(p.params, peak, len(new))
"""


def test_the_largest_network_is_counted_without_memory_for_its_weights(record_property):
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    params, peak, imported = done.stdout.split()
    record_property("measured", f"profile of vit_h_14: {float(peak) / 1e6:.0f} MB")
    assert int(params) == 632_045_800
    assert float(peak) < 1.5e9  # its weights alone would take 2.5 GB
    assert int(imported) == 0  # torch's compiler, two seconds, is not needed


def test_a_name_is_built_without_filling_its_weights():
    filled = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            filled.append(func._overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    with Watch():
        profile("vit_tiny")
    assert {"normal_", "uniform_", "fill_", "zero_", "copy_"}.isdisjoint(filled)


def test_a_name_is_built_without_weights(monkeypatch):
    made = []
    real = models.create_model

    def watched(name, **options):
        made.append(real(name, **options))
        return made[-1]

    monkeypatch.setattr(models, "create_model", watched)
    profile("resnet18")
    assert all(p.device.type == "meta" for p in made[0].parameters())
