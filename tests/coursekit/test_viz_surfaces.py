"""Contours on one colour scale, and blocks as boxes: what they show, and that it can be read."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.patches import FancyBboxPatch

from coursekit import viz

SMALLEST = 14  # points
STEPS = torch.linspace(-1, 1, 9)
BOWL = STEPS[None] ** 2 + STEPS[:, None] ** 2 + 0.1
STEEP = 5 * STEPS[None] ** 2 + STEPS[:, None] ** 2 + 0.1


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


FIGURES = {
    "contours": lambda: viz.contours({"a": BOWL, "b": STEEP}, steps=STEPS, label="loss (nats)", title="t"),
    "logarithmic": lambda: viz.contours({"a": BOWL}, steps=STEPS, label="loss (nats)", log=True),
    "blocks": lambda: viz.blocks(
        {
            "plain": viz.Block(branch=("3×3 conv", "ReLU"), after=("ReLU",)),
            "residual": viz.Block(branch=("3×3 conv",), shortcut="x", before=("norm",)),
        },
        title="t",
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_text_is_large_enough_for_the_back_of_a_room(name):
    figure = FIGURES[name]()
    figure.draw_without_rendering()
    written = [t for t in figure.findobj(plt.Text) if t.get_visible() and t.get_text()]
    assert [(t.get_text(), t.get_fontsize()) for t in written if t.get_fontsize() < SMALLEST] == []


@pytest.mark.parametrize("name", FIGURES)
def test_it_draws_in_the_courses_style_without_changing_the_sessions(name):
    before = dict(plt.rcParams)
    FIGURES[name]()
    assert dict(plt.rcParams) == before


def colour_at(ax, height):
    filled = next(c for c in ax.collections if c.get_array() is not None)
    return filled.cmap(filled.norm(height))


@pytest.mark.parametrize("log", [False, True])
def test_the_same_colour_is_the_same_height_in_every_panel(log):
    figure = viz.contours({"a": BOWL, "b": STEEP}, steps=STEPS, label="loss", log=log)
    first, second = figure.axes[:2]
    for height in (0.2, 1.0, 3.0):
        assert colour_at(first, height) == colour_at(second, height)
    assert colour_at(first, 0.2) != colour_at(first, 3.0)
    filled = next(c for c in first.collections if c.get_array() is not None)
    assert filled.norm.boundaries[-1] == pytest.approx(STEEP.max().item())  # type: ignore[attr-defined]
    assert filled.norm.boundaries[0] == pytest.approx(BOWL.min().item())  # type: ignore[attr-defined]


def test_the_panels_share_their_axes_and_each_marks_the_network():
    figure = viz.contours({"a": BOWL, "b": STEEP}, steps=STEPS, label="loss")
    first, second, scale = figure.axes
    assert first.get_title() == "a"
    assert scale.get_ylabel() == "loss"
    assert first.get_shared_x_axes().joined(first, second)
    for ax in (first, second):
        assert [(list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines] == [([0.0], [0.0])]


def test_the_first_row_lies_at_the_bottom():
    figure = viz.contours({"a": BOWL}, steps=STEPS, label="loss")
    low, high = figure.axes[0].get_ylim()
    assert low < high


def test_levels_can_be_given_and_are_those_of_the_scale():
    figure = viz.contours({"a": BOWL}, steps=STEPS, label="loss", levels=(0.5, 1.0, 2.0))
    assert list(figure.axes[-1].get_yticks()) == [0.5, 2.0]


def test_what_is_not_finite_counts_as_the_highest():
    holed = BOWL.clone()
    holed[0, 0], holed[0, 1] = torch.inf, torch.nan
    viz.contours({"a": holed}, steps=STEPS, label="loss").canvas.draw()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: viz.contours({}, steps=STEPS, label="z"), "nothing to draw"),
        (
            lambda: viz.contours({"a": BOWL[:, :3]}, steps=STEPS, label="z"),
            r"'a' is \(9, 3\), steps ask for \(9, 9\)",
        ),
        (lambda: viz.contours({"a": BOWL}, steps=STEPS, label="z", levels=(1, 1)), "at least two, rising"),
        (lambda: viz.contours({"a": BOWL - 1}, steps=STEPS, label="z", log=True), "0 or less"),
        (lambda: viz.blocks({}), "nothing to draw"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_layers_with_weights_have_another_colour_than_the_others():
    figure = viz.blocks({"a": viz.Block(branch=("3×3 conv", "batch norm", "1×1 conv"))})
    boxes = [p.get_facecolor() for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    assert boxes[0] == boxes[2] != boxes[1]


def test_only_a_block_with_a_way_round_has_an_addition():
    figure = viz.blocks({"a": viz.Block(branch=("3×3",)), "b": viz.Block(branch=("3×3",), shortcut="x")})
    signs = [[t.get_text() for t in ax.texts if t.get_text() == "+"] for ax in figure.axes]
    assert signs == [[], ["+"]]
    assert np.isclose(*[ax.get_ylim()[0] for ax in figure.axes])
