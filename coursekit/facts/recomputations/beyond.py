"""Segmentation, text, sequences."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from coursekit.models import create_model

from ..formula import Samples
from .group import recomputes
from .measure import network, output_shape, stack


@recomputes("09", how="unet, fcn32s and transposed convolutions run on meta tensors")
def images() -> dict[str, Any]:
    """From image to image."""
    unet = network("unet", in_channels=1)
    tall = output_shape(unet, 1, 64, 96)
    up = [unet.get_parameter(f"up.{i}.conv.0.weight").shape for i in range(4)]
    channels = (512, 64, 32, 16, 8, 3)
    decoder = stack(*(nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in pairwise(channels)))
    classes, height, width = output_shape(network("fcn32s", num_classes=20), 3, 224, 224)
    return {
        "09-segmentation-label-pixels": tall[1:] == (64, 96),
        # The first convolution of each stage up takes what comes from below and as much from across.
        "09-u-architectures": all(shape[1] == 2 * shape[0] for shape in up),
        "09-autoencoder": list(output_shape(decoder, 512, 7, 7)),
        "09-segmentation-20": [height, width, classes],
    }


@recomputes("09", how="fully connected and transposed layers of torch against convolutions on random maps")
def as_matrices() -> dict[str, Any]:
    """Layers that are others in disguise."""
    torch.manual_seed(0)
    dense = nn.Linear(180, 7)
    x = torch.randn(2, 5, 6, 6)
    kernel = dense.weight.view(7, 5, 6, 6)
    weight = torch.randn(2, 3, 3, 3)
    matrix = torch.func.jacrev(lambda v: F.conv2d(v.view(1, 3, 6, 6), weight, stride=2, padding=1).flatten())(
        torch.zeros(108)
    )
    coming = torch.randn(1, 2, 3, 3)
    back = F.conv_transpose2d(coming, weight, stride=2, padding=1, output_padding=1)
    return {
        "09-fc-is-large-filter": torch.allclose(
            dense(x.flatten(1)), F.conv2d(x, kernel, dense.bias).flatten(1), atol=1e-5
        ),
        "09-deconv": torch.allclose(coming.flatten() @ matrix, back.flatten(), atol=1e-5),
    }


@recomputes("09", how="text_cnn and torch's Conv1d on random sentences; dropout and renorm on random vectors")
def text() -> dict[str, Any]:
    """Windows of words."""
    torch.manual_seed(0)
    words, conv = torch.randn(1, 9, 6), nn.Conv1d(6, 1, 3)
    assert conv.bias is not None
    maps = torch.tanh(conv(words.transpose(1, 2)))[0, 0]
    windows = words[0].unfold(0, 3, 1)  # (7, 6, 3): as the layer's weights, features before places
    features = torch.tanh(torch.einsum("ndh,dh->n", windows, conv.weight[0]) + conv.bias)
    lengths = [{"n": n, "h": h} for n in (9, 20, 56) for h in (3, 4, 5)]
    keep, z, w = 0.7, torch.randn(12), torch.randn(12)
    # torch scales in training: undo that, to get the units that are kept as they are.
    kept = F.dropout(z.expand(40_000, 12), 1 - keep) * keep
    vectors = torch.randn(5, 10) * 3
    renormed = vectors.renorm(2, 0, 3.0)
    short = vectors.norm(dim=1) <= 3
    both = create_model("text_cnn", in_channels=2, vocabulary=50, dimension=8, maps=4, static=1).eval()
    trained = [table.weight.requires_grad for table in both.get_submodule("embed").children()]
    return {
        "09-textcnn-window": torch.allclose(maps, features, atol=1e-5),
        "09-textcnn-map-length": Samples.of(lengths, lambda n, h: output_shape(nn.Conv1d(6, 2, h), 6, n)[1]),
        "09-textcnn-dropout": bool(((kept @ w).mean() - keep * z @ w).abs() < 0.05),
        "09-textcnn-l2": bool((renormed.norm(dim=1) <= 3 + 1e-4).all())
        and torch.allclose(renormed[short], vectors[short])
        and bool((F.cosine_similarity(renormed, vectors) > 1 - 1e-6).all()),
        "09-textcnn-multichannel": trained == [False, True],
        "09-tdnn": _delays(),
    }


def _delays() -> bool:
    """A unit of a time-delay network sees its inputs now and some steps ago: a dilated Conv1d, shifted."""
    torch.manual_seed(0)
    layer, x = nn.Conv1d(4, 3, 3, dilation=2), torch.randn(1, 4, 20)
    assert layer.bias is not None
    delays = [layer.weight[:, :, i] @ x[0, :, 2 * i : 2 * i + 16] for i in range(3)]
    same = torch.allclose(layer(x)[0], torch.stack(delays).sum(0) + layer.bias[:, None], atol=1e-5)
    return same and any(isinstance(module, nn.Conv1d) for module in network("tdnn").modules())
