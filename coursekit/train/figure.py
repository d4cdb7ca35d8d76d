"""The figure of a history; matplotlib is loaded with this module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt

from coursekit.viz.plots import curves
from coursekit.viz.style import styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from coursekit.train.history import History


@styled
def draw(history: History, against: str, lr: bool) -> Figure:
    """Loss, accuracy and, if wanted, learning rate side by side; see `History.plot`."""
    if against not in ("epochs", "steps"):
        raise ValueError(f"against is {against!r}; choose epochs or steps")
    if (against == "steps" and not history.steps) or (lr and not history.lr):
        raise ValueError("this history holds no steps or no learning rates: it was written without them")
    x = history.steps if against == "steps" else None
    label = "step" if against == "steps" else "epoch"
    figure, axes = plt.subplots(1, 2 + lr, figsize=(13 + 6 * lr, 4.8))
    loss = {"training": history.train_loss, "test": history.test_loss}
    accuracy = {"training": history.train_accuracy, "test": history.test_accuracy}
    loss, accuracy = ({name: values for name, values in both.items() if values} for both in (loss, accuracy))
    curves(loss, x=x, xlabel=label, ylabel="cross-entropy (nats)", ax=axes[0])
    curves(accuracy, x=x, xlabel=label, ylabel="accuracy (%)", percent=True, ax=axes[1])
    if lr:
        curves({"rate": history.lr}, x=x, xlabel=label, ylabel="learning rate", ax=axes[2])
    return figure
