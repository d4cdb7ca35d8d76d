"""Statements of the lectures that are held against each other: orders, leads, tables against captions."""

from __future__ import annotations

from typing import Any

from ..fact import fact, stated_value
from ..verdict import compare
from .group import recomputes

YEARLY = (
    "supervision2012",
    "supervision2012-ext",
    "clarifai2013",
    "clarifai2013-ext",
    "vgg2014",
    "googlenet2014",
    "resnet2015",
)
BARS = {
    "2011": "xrce2011",
    "2012": "supervision2012",
    "2013": "clarifai2013",
    "2014a": "vgg2014",
    "2014b": "googlenet2014",
    "2015": "resnet2015",
    "human": "human",
}
COLUMNS = {
    "imagenet": "ImageNet",
    "real": "ReaL",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "pets": "Pets",
    "flowers": "Flowers",
    "vtab": "VTAB",
}


@recomputes("04", how="the errors in the slides' own table and chart")
def ilsvrc() -> dict[str, Any]:
    """Order, places and leads by the stated errors."""
    errors = [stated_value(f"04-ilsvrc-{name}") for name in YEARLY]
    human = stated_value("04-ilsvrc-human")
    in_2014 = sorted(stated_value(f"04-ilsvrc-{name}") for name in ("vgg2014", "googlenet2014"))
    agree = [
        compare(stated_value(f"04-bars-{bar}"), stated_value(f"04-ilsvrc-{row}")) for bar, row in BARS.items()
    ]
    return {
        "04-ilsvrc-decreasing": errors == sorted(errors, reverse=True)
        and [error < human for error in errors] == [False] * 6 + [True],
        "04-vgg-second-2014": 1 + in_2014.index(stated_value("04-ilsvrc-vgg2014")),
        "04-alexnet-by-10": fact("04-alexnet-next-best").right - stated_value("04-ilsvrc-supervision2012"),
        "04-bars-consistent": "differs" not in agree,
    }


@recomputes("08", how="the table above the caption")
def vision_transformer() -> dict[str, Any]:
    """Where ViT-L/16 is not ahead of BiT-L."""
    rows = {name: stated_value(f"08-vit-table-{key}") for key, name in COLUMNS.items()}
    return {"08-vit-l16-beats-bit": [name for name, row in rows.items() if row[1] <= row[3]]}
