"""torchvision's table of pretrained networks: parameters of ours, accuracies as torchvision has them."""

from __future__ import annotations

from typing import Any

from torchvision.models import get_model_weights

from .group import recomputes
from .measure import network, parameters

# Key in the facts, name, weights, options that these weights need.
ROWS: tuple[tuple[str, str, str, dict[str, object]], ...] = (
    ("04-tv-alexnet-v1", "alexnet", "IMAGENET1K_V1", {}),
    *((f"04-tv-densenet{n}-v1", f"densenet{n}", "IMAGENET1K_V1", {}) for n in (121, 161, 169, 201)),
    *(
        (f"04-tv-wide-resnet{n}-2-v{v}", f"wide_resnet{n}_2", f"IMAGENET1K_V{v}", {})
        for n in (50, 101)
        for v in (1, 2)
    ),
    *(
        (f"05-tv-convnext-{size}-v1", f"convnext_{size}", "IMAGENET1K_V1", {})
        for size in ("tiny", "small", "base", "large")
    ),
    ("05-tv-efficientnet-b0-v1", "efficientnet_b0", "IMAGENET1K_V1", {}),
    ("05-tv-efficientnet-b1-v1", "efficientnet_b1", "IMAGENET1K_V1", {}),
    ("05-tv-efficientnet-b1-v2", "efficientnet_b1", "IMAGENET1K_V2", {}),
    ("08-tv-vit-h-14-swag-e2e-v1", "vit_h_14", "IMAGENET1K_SWAG_E2E_V1", {"image_size": 518}),
    ("08-tv-vit-h-14-swag-linear-v1", "vit_h_14", "IMAGENET1K_SWAG_LINEAR_V1", {}),
    ("08-tv-vit-l-16-v1", "vit_l_16", "IMAGENET1K_V1", {}),
    ("08-tv-vit-l-16-swag-e2e-v1", "vit_l_16", "IMAGENET1K_SWAG_E2E_V1", {"image_size": 512}),
    ("08-tv-vit-l-16-swag-linear-v1", "vit_l_16", "IMAGENET1K_SWAG_LINEAR_V1", {}),
    ("08-tv-vit-l-32-v1", "vit_l_32", "IMAGENET1K_V1", {}),
)


def _parameters(topic: str) -> dict[str, Any]:
    return {
        f"{key}-params-m": parameters(network(name, **options)) / 1e6
        for key, name, _, options in ROWS
        if key.startswith(topic)
    }


def _accuracies(topic: str) -> dict[str, Any]:
    return {f"{key}-acc": _published(name, w) for key, name, w, _ in ROWS if key.startswith(topic)}


def _published(name: str, weights: str) -> list[float]:
    metrics = get_model_weights(name)[weights].meta["_metrics"]["ImageNet-1K"]
    return [metrics["acc@1"], metrics["acc@5"]]


PARAMETERS = "parameters of the course's networks"
ACCURACIES = "the figures that torchvision ships with its weights; not measured again"


@recomputes("04", how=PARAMETERS)
def parameters_04() -> dict[str, Any]:
    """AlexNet, DenseNet, wide ResNet."""
    return _parameters("04")


@recomputes("04", how=ACCURACIES)
def accuracies_04() -> dict[str, Any]:
    """The same, and ResNet-18 to -152."""
    depths = (18, 34, 50, 101, 152)
    top1 = {f"04-resnet{n}-top1": _published(f"resnet{n}", "IMAGENET1K_V1")[0] for n in depths}
    return _accuracies("04") | top1


@recomputes("05", how=PARAMETERS)
def parameters_05() -> dict[str, Any]:
    """ConvNeXt, EfficientNet."""
    return _parameters("05")


@recomputes("05", how=ACCURACIES)
def accuracies_05() -> dict[str, Any]:
    """The same."""
    return _accuracies("05")


@recomputes("08", how=PARAMETERS)
def parameters_08() -> dict[str, Any]:
    """Vision Transformers, at the image size that their weights were fine-tuned for."""
    return _parameters("08")


@recomputes("08", how=ACCURACIES)
def accuracies_08() -> dict[str, Any]:
    """The same."""
    return _accuracies("08")
