"""Errors and depths of a contest over the years: drawn where they belong, and legible."""

import matplotlib.pyplot as plt
import pytest

from coursekit.viz.history import Entry, contest

SMALLEST = 14  # points
ENTRIES = [
    Entry(2011, "features", 25.8, network=False),
    Entry(2012, "AlexNet", 16.4, depth=8),
    Entry(2014, "VGG", 7.3, depth=19),
    Entry(2016, "several", 3.0),
]


@pytest.fixture
def figure():
    drawn = contest(ENTRIES, ylabel="top-5 error (%)", reference={"a human": 5.1}, title="t")
    yield drawn
    plt.close("all")


def test_each_bar_is_as_high_as_its_error_and_grey_where_there_was_no_network(figure):
    bars = figure.axes[0].patches
    assert [bar.get_height() for bar in bars] == [25.8, 16.4, 7.3, 3.0]
    before, *networks = [bar.get_facecolor() for bar in bars]
    assert before not in networks
    assert len(set(networks)) == 1


def test_depths_stand_below_their_own_entries_only(figure):
    (line,) = figure.axes[1].lines
    assert list(zip(*line.get_data(), strict=True)) == [(1, 8), (2, 19)]


def test_the_reference_is_a_line_at_its_value(figure):
    (line,) = figure.axes[0].lines
    assert set(line.get_ydata()) == {5.1}


def test_every_text_is_large_enough_for_the_back_of_a_room(figure):
    figure.draw_without_rendering()
    written = [t for t in figure.findobj(plt.Text) if t.get_visible() and t.get_text()]
    assert [(t.get_text(), t.get_fontsize()) for t in written if t.get_fontsize() < SMALLEST] == []


def test_the_depth_axis_has_room_for_a_contest_without_networks():
    figure = contest([Entry(2010, "features", 28.2, network=False)], ylabel="error (%)")
    figure.draw_without_rendering()
    assert len(figure.axes[1].lines) == 0
    plt.close(figure)


def test_no_entries_are_refused():
    with pytest.raises(ValueError, match="no entries"):
        contest([], ylabel="error (%)")
