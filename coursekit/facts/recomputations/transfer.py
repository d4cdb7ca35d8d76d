"""Transfer: differences in the slides' tables, augmentation, fixed layers."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import torch

from coursekit.models import create_model

from ..fact import fact, stated_value
from .group import recomputes
from .measure import network

# Printed accuracies: hand-made features, frozen features, fine-tuned.
ACCURACIES = {
    "caltech101": ("84.3", "87.7", "88.4"),
    "voc2007": ("61.7", "79.7", "82.4"),
    "cub200": ("18.8", "61.0", "70.4"),
    "aircraft": ("61.0", "45.0", "74.1"),
    "cars": ("59.2", "36.5", "79.8"),
}


@recomputes("06", how="differences of the accuracies printed in the slides' tables")
def tables() -> dict[str, Any]:
    """The columns of improvements, and what follows from the other tables."""
    values: dict[str, Any] = {}
    for name, printed in ACCURACIES.items():
        hand_made, frozen, tuned = map(Decimal, printed)
        values |= {
            f"06-transfer-frozen-{name}": frozen - hand_made,
            f"06-transfer-finetuned-{name}": tuned - hand_made,
            f"06-transfer-ft-over-frozen-{name}": tuned - frozen,
        }
    decaf = [
        result
        for key in ("logreg", "logreg-dropout", "svm", "svm-dropout")
        for result in stated_value(f"06-decaf-caltech101-{key}")
    ]
    decaf6, both, dpd, _ = stated_value("06-decaf-birds")
    return values | {
        "06-decaf-beats-prior": max(decaf) - max(stated_value("06-decaf-caltech101-prior")),
        "06-decaf-birds-dpd-gain": [both - dpd, both - decaf6],
        "06-decaf-429": Decimal("42.9") - stated_value("06-decaf-alexnet-407"),
        "06-yosinski-total": sum(fact("06-yosinski-split").given),
        "06-joulin-seven-datasets": len(JOULIN),
        "06-ft-lr-pretrained": stated_value("06-ft-lr-new") * stated_value("06-ft-lr-tenth-hundredth.0"),
    }


JOULIN = (
    "MIT Indoor",
    "MIT SUN",
    "Stanford 40 Actions",
    "Oxford Flowers",
    "Sports",
    "ILSVRC 2014",
    "Pascal VOC 2007",
)


@recomputes(
    "06", how="windows of a strided view; pixels' covariance against that of the offsets; a flipped image"
)
def augmentation() -> dict[str, Any]:
    """Crops, colours, flips."""
    torch.manual_seed(0)
    crops = [torch.empty(n, n, device="meta").unfold(0, 224, 1).unfold(1, 224, 1).shape for n in (256, 480)]
    pixels = torch.randn(1000, 3) @ torch.randn(3, 3)
    lengths, axes = torch.linalg.eigh(torch.cov(pixels.T))
    offsets = (0.1 * torch.randn(50_000, 3) * lengths) @ axes.T
    wanted = axes @ torch.diag(0.01 * lengths**2) @ axes.T
    image = torch.arange(12.0).view(1, 3, 4)
    flipped = image.flip(-1)
    return {
        "06-aug-crops": [shape[0] * shape[1] for shape in crops],
        "06-aug-color-pca": bool((torch.cov(offsets.T) - wanted).norm() < 0.05 * wanted.norm()),
        "06-aug-flip": torch.equal(flipped.flip(-1), image) and not torch.equal(flipped, image),
    }


@recomputes("06", how="alexnet with layers frozen or copied")
def layers() -> dict[str, Any]:
    """What stays and what is new."""
    frozen = copy.deepcopy(network("alexnet"))
    for name, parameter in frozen.named_parameters():
        parameter.requires_grad_(name.startswith("fc8"))
    trained = sum(p.numel() for p in frozen.parameters() if p.requires_grad)
    source, target = (create_model("lenet5", num_classes=n).state_dict() for n in (10, 5))
    copied = {key: value for key, value in source.items() if value.shape == target[key].shape}
    network_of_five = create_model("lenet5", num_classes=5)
    missing, _ = network_of_five.load_state_dict(copied, strict=False)
    started = network_of_five.state_dict()
    return {
        "06-freeze-1-7": trained == 1000 * 4096 + 1000,
        "06-init-weights": all(torch.equal(started[key], source[key]) for key in copied)
        and missing == ["fc5.weight", "fc5.bias"],
    }
