"""DenseNet's concatenation."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from .group import recomputes
from .measure import network, walk


@recomputes("05", how="input channels of the layers of densenet121's first block")
def concatenation() -> dict[str, Any]:
    """Every layer sees all maps before it."""
    steps = walk(network("densenet121"), 3, 64, 64)
    wide = [
        step.input[0] for step in steps if step.name.startswith("block1.") and step.name.endswith("conv1")
    ]
    grown = {b - a for a, b in pairwise(wide)}
    new = {
        step.output[0] for step in steps if step.name.startswith("block1.") and step.name.endswith("conv2")
    }
    return {"05-densenet-concat": len(wide) == 6 and grown == new and len(new) == 1}
