"""The charts: what they draw, and that nothing in them covers anything else."""

from itertools import combinations

import matplotlib
import pytest
from torch import nn

from coursekit.flops import compare, profile
from coursekit.flops.pictures import MOST_BARS

matplotlib.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def boxes(figure, texts):
    renderer = figure.canvas.get_renderer()
    return [text.get_window_extent(renderer) for text in texts if text.get_text()]


def test_a_profile_is_drawn_as_three_charts_with_a_bar_a_layer():
    p = profile("alexnet", (3, 227, 227))
    figure = p.plot()
    memory, params, macs = figure.axes
    layers = [row for row in p.rows if row.is_layer]
    assert [bar.get_width() * 1024 for bar in memory.patches] == [row.activation_bytes for row in layers]  # type: ignore[attr-defined]
    assert [bar.get_width() for bar in params.patches] == [row.params for row in layers]  # type: ignore[attr-defined]
    assert [bar.get_width() for bar in macs.patches] == [row.macs for row in layers]  # type: ignore[attr-defined]
    assert [label.get_text() for label in memory.get_yticklabels()] == [row.name for row in layers]
    colours = {axes.patches[0].get_facecolor() for axes in figure.axes}
    assert len(colours) == 3


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "vit_h_14", "googlenet"])
def test_a_deep_network_is_drawn_by_block_and_no_block_is_lost(name):
    p = profile(name)
    figure = p.plot(convention="lecture")
    for axes, total in zip(
        figure.axes, (p.activation_bytes / 1024, p.params, p.flops("lecture")), strict=True
    ):
        assert 5 <= len(axes.patches) <= MOST_BARS
        assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(total)  # type: ignore[attr-defined]


def test_no_label_of_a_profile_covers_another():
    figure = profile("vgg16").plot()
    figure.canvas.draw()
    for axes in figure.axes:
        texts = boxes(figure, axes.texts)
        assert not any(a.overlaps(b) for a, b in combinations(texts, 2))
        assert all(box.x1 <= figure.bbox.x1 for box in texts)


def test_the_words_name_where_most_of_everything_is():
    words = profile("alexnet").alt
    assert "Memory of outputs: most in conv1" in words
    assert "Parameters: most in fc6 62%" in words
    assert "Multiply-adds: most in conv2" in words


NAMES = ["alexnet", "vgg16", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "densenet121"]


@pytest.fixture(scope="module")
def comparison():
    return compare(NAMES)


def test_networks_are_compared_by_the_lectures_accuracies(comparison):
    assert [row.name for row in comparison.rows] == NAMES
    assert all(row.top1 is not None and 50 < row.top1 < 90 for row in comparison.rows)
    alexnet = comparison.rows[0]
    assert (alexnet.params, alexnet.flops) == (61_100_840, profile("alexnet").macs)
    assert "| alexnet | 3×224×224 | 61.10 | 0.71 |" in comparison.to_markdown()
    assert list(comparison.to_dataframe()["name"]) == NAMES


def test_bubbles_stand_at_cost_and_accuracy_with_parameters_as_area(comparison):
    figure = comparison.plot()
    bubbles = figure.axes[0].collections[0]
    for row, (x, y), area in zip(comparison.rows, bubbles.get_offsets(), bubbles.get_sizes(), strict=True):
        assert (x, y) == (pytest.approx(row.flops / 1e9), pytest.approx(row.top1))
        assert area / bubbles.get_sizes().max() == pytest.approx(row.params / 138_357_544)
    labels = [text for text in figure.axes[0].texts if text.get_text()]
    assert sorted(text.get_text() for text in labels) == sorted(NAMES)
    assert not any(a.overlaps(b) for a, b in combinations(boxes(figure, labels), 2))
    frame = figure.axes[0].get_window_extent()
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes(figure, labels))


def test_labels_find_room_where_bubbles_crowd():
    nets = {f"network_{i}": nn.Linear(100, 90 + i) for i in range(11)} | {"far": nn.Linear(100, 9000)}
    accuracy = {name: 70 + i / 20 for i, name in enumerate(nets)} | {"far": 20.0}
    figure = compare(nets, accuracy=accuracy, input_size=(100,)).plot()
    labels = [text for text in figure.axes[0].texts if text.get_text()]
    assert len(labels) == 12
    assert not any(a.overlaps(b) for a, b in combinations(boxes(figure, labels), 2))


def test_the_words_give_the_points(comparison):
    assert "From the cheapest: alexnet 0.71 billion, " in comparison.alt


def test_own_networks_come_with_their_accuracy():
    nets = {"one": nn.Linear(4, 2), "two": nn.Linear(4, 8)}
    compared = compare(nets, accuracy={"one": 90.0}, input_size=(4,), convention="2mac")
    assert [(row.name, row.flops, row.top1) for row in compared.rows] == [
        ("one", 16, 90.0),
        ("two", 64, None),
    ]
    assert len(compared.plot().axes[0].collections[0].get_offsets()) == 1
    with pytest.raises(ValueError, match="no accuracy is known: pass accuracy="):
        compare(nets, input_size=(4,)).plot()


@pytest.mark.parametrize(
    ("models", "accuracy", "message"),
    [
        ([], None, "there is nothing to compare"),
        (["alexnet"], {"vgg": 1.0}, "accuracy is given for vgg, which is not compared"),
        (["alexnet"], {"alexnet": 120.0}, "accuracy of alexnet is 120.0; give percent"),
    ],
)
def test_what_cannot_be_compared_is_refused(models, accuracy, message):
    with pytest.raises(ValueError, match=message):
        compare(models, accuracy=accuracy)
