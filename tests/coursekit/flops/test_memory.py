"""Bytes that a run keeps: against counts by hand and against the storages of a real run."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from coursekit import models, probe
from coursekit.flops import profile


def really_saved(model: nn.Module, x: torch.Tensor) -> int:
    """Bytes of the storages that autograd keeps on the CPU, parameters and buffers left out."""
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    kept, alive = {}, []

    def pack(tensor):
        storage = tensor.untyped_storage()
        alive.append(tensor)  # or an address would be given out twice
        if storage.data_ptr() not in own and storage.nbytes():
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(x)
    return sum(kept.values())


def test_two_convolutions_keep_their_inputs():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1))
    p = profile(model, (3, 10, 10))
    image, map_ = 3 * 100 * 4, 8 * 100 * 4
    # the first its image, ReLU its output, which is the second one's input as well
    assert [row.saved_bytes for row in p.rows] == [image, map_, 0]
    assert p.saved_bytes == image + map_


def test_frozen_layers_below_the_first_trained_one_keep_nothing():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3))
    model[0].requires_grad_(False)
    p = profile(model, (3, 10, 10))
    assert [row.saved_bytes for row in p.rows] == [0, 0, 8 * 8 * 8 * 4]


def test_max_pooling_keeps_where_its_maxima_were():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.MaxPool2d(2))
    assert [row.saved_bytes for row in profile(model, (1, 8, 8)).rows] == [
        64 * 4,
        2 * 64 * 4 + 2 * 16 * 8,  # its input, and an index of eight bytes for each output
    ]


@pytest.mark.parametrize(
    "name", ["lenet5", "alexnet", "resnet18", "mobilenet_v2", "vit_tiny", "densenet121", "googlenet"]
)
@pytest.mark.parametrize("training", [False, True])
def test_what_is_kept_is_what_a_real_run_keeps(name, training):
    card = models.card(name)
    model = models.create_model(name, num_classes=10, in_channels=card.input_shape[0]).train(training)
    if training:  # chance makes no difference, and batch statistics want more than one image
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    x = torch.rand(2, *card.input_shape)
    assert profile(model, inputs=x, training=training).saved_bytes == really_saved(model, x)


def test_dropout_keeps_its_mask_only_in_training():
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5))
    trained, evaluated = profile(model, (8,), training=True), profile(model, (8,))
    assert trained.saved_bytes - evaluated.saved_bytes == 8 * 4
    assert trained.saved_bytes == really_saved(model.train(), torch.rand(1, 8))


def test_attention_keeps_no_matrix_of_scores_as_on_the_cpu():
    class Attend(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(16, 48)

        def forward(self, x):
            q, k, v = self.qkv(x).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)
            return F.scaled_dot_product_attention(q, k, v)

    p, x = profile(Attend(), (500, 16)), torch.rand(1, 500, 16)
    assert p.saved_bytes == really_saved(Attend(), x) < 2 * 500 * 500 * 4


def test_multi_head_attention_keeps_what_it_keeps_on_the_cpu():
    class Attend(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x, need_weights=False)[0]

    model, x = Attend().train(), torch.rand(1, 50, 16)
    assert profile(model, inputs=x, training=True).saved_bytes == really_saved(model, x)


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "mobilenet_v2", "vit_tiny"])
def test_the_peak_is_that_of_a_real_run_without_gradients(name):
    card = models.card(name)
    model = models.create_model(name, num_classes=10, in_channels=card.input_shape[0]).eval()
    x = torch.rand(1, *card.input_shape)
    assert profile(model, inputs=x).peak_bytes == probe.memory(model, x)


def test_half_precision_takes_half_the_bytes():
    conv = nn.Conv2d(3, 4, 3)
    full, half = profile(conv, (3, 9, 9)), profile(conv.half(), (3, 9, 9))
    assert (full.activation_bytes, half.activation_bytes) == (4 * 49 * 4, 4 * 49 * 2)
