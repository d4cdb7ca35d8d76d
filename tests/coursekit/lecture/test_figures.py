"""Every run a dot, their mean a bar across."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursekit.lecture import dots


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_every_run_is_drawn_and_the_mean_is_written(ax):
    dots(ax, {"plain": [1.0, 2.0, 6.0], "one run": 4.0}, xlabel="accuracy (%)")
    drawn = [sorted(np.atleast_1d(line.get_xdata())) for line in ax.lines]
    assert drawn == [[1, 2, 6], [3], [4], [4]]
    assert [text.get_text() for text in ax.texts] == ["3.0", "4.0"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["plain", "one run"]
    assert ax.get_xlabel() == "accuracy (%)"


def test_the_first_stands_at_the_top(ax):
    dots(ax, {"a": [1], "b": [2]}, xlabel="x")
    low, high = ax.get_ylim()
    assert low > high


def test_differences_have_their_sign_and_a_line_at_zero(ax):
    dots(ax, {"gain": [-0.04, -0.02]}, xlabel="points", zero=True, digits=2)
    assert [text.get_text() for text in ax.texts] == ["-0.03"]
    assert any(list(line.get_xdata()) == [0, 0] for line in ax.lines)


def test_sizes_of_many_powers_of_ten_have_a_logarithmic_axis(ax):
    dots(ax, {"gradient": [1e-9, 3e-9]}, xlabel="gradient", log=True)
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.texts] == ["2e-09"]
