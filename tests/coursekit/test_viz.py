"""The course's figures: what they hold, and that it can be read and seen."""

import io
from typing import cast

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from coursekit import models, probe, viz
from coursekit.train import History
from coursekit.viz.images import number
from coursekit.viz.style import png

SMALLEST = 14  # points


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def figure_of(drawing: Figure | Axes) -> Figure:
    return drawing if isinstance(drawing, Figure) else cast(Figure, drawing.figure)


def texts(drawing: Figure | Axes) -> list[str]:
    figure = figure_of(drawing)
    figure.draw_without_rendering()
    return [t.get_text() for t in figure.findobj(plt.Text) if t.get_visible() and t.get_text()]


history = History((1.0, 1.0), (2.0, 1.0), (0.3, 0.6), (2.1, 1.2), (0.2, 0.5))
grid = torch.arange(25.0).view(5, 5)
FIGURES = {
    "images": lambda: viz.show_images(torch.rand(3, 1, 8, 8), ["a", "b", "c"], title="t"),
    "kernels": lambda: viz.show_kernels([torch.ones(3, 3), -torch.eye(5)], ["a", "b"], title="t"),
    "matrix": lambda: viz.show_matrix(torch.eye(5) - 0.5, title="t", blocks=(2, 2)),
    "large matrix": lambda: viz.show_matrix(torch.rand(30, 40)),
    "curves": lambda: viz.curves({"a": torch.rand(3, 5), "b": [1, 2, 3, 4, 5]}, xlabel="x", ylabel="y"),
    "bars": lambda: viz.bars({"a": 1, "b": [2, 3]}, ylabel="y", reference={"chance": 0.1}),
    "scatter": lambda: viz.scatter({"a": (1, 2), "b": (2, 1)}, xlabel="x", ylabel="y"),
    "heatmap": lambda: viz.heatmap(
        torch.rand(2, 3), rows="ab", columns="cde", xlabel="x", ylabel="y", label="z"
    ),
    "training": lambda: history.plot(),
    "pooling": lambda: viz.pool_route(grid, kernel=3, stride=2),
    "fields": lambda: viz.receptive_fields(
        torch.rand(32, 32), probe.measure(models.create_model("lenet5", in_channels=1), (1, 32, 32))
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_text_is_large_enough_for_the_back_of_a_room(name):
    figure = figure_of(FIGURES[name]())
    figure.draw_without_rendering()
    written = [t for t in figure.findobj(plt.Text) if t.get_visible() and t.get_text()]
    small = [(t.get_text(), t.get_fontsize()) for t in written if t.get_fontsize() < SMALLEST]
    # Exponents of a logarithmic axis are set smaller by their nature; they are no Text of their own.
    assert not small


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_a_picture_of_more_than_one_colour_and_less_than_a_megabyte(name):
    picture = png(figure_of(FIGURES[name]()))
    image = np.asarray(Image.open(io.BytesIO(picture)).convert("L"))
    assert image.std() > 5
    assert len(picture) < 1e6


def outside() -> Figure:
    figure, ax = plt.subplots(figsize=(4, 3))
    ax.plot([1, 2], label="a line")
    figure.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1))
    return figure


@pytest.mark.parametrize("name", [*FIGURES, "outside"])
def test_a_picture_is_cut_as_matplotlibs_tight_box_cuts_it_and_holds_the_same(name):
    figure, tight = figure_of({**FIGURES, "outside": outside}[name]()), io.BytesIO()
    ours = Image.open(io.BytesIO(png(figure))).convert("L")
    figure.savefig(tight, format="png", bbox_inches="tight", facecolor="white")
    theirs = Image.open(tight).convert("L")
    assert np.abs(np.subtract(ours.size, theirs.size)).max() <= 2
    width, height = np.minimum(ours.size, theirs.size)
    one, other = (
        np.asarray(picture.crop((0, 0, width, height)).reduce(8), float)  # they differ by parts of a pixel
        for picture in (ours, theirs)
    )
    assert np.abs(one - other).mean() < 5
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("name", FIGURES)
def test_drawing_leaves_the_sessions_own_style_alone(name):
    before = dict(plt.rcParams)
    FIGURES[name]()
    assert dict(plt.rcParams) == before


def test_use_style_is_for_the_whole_session():
    with plt.rc_context():
        viz.use_style()
        assert plt.rcParams["font.size"] >= SMALLEST


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_palette_is_okabe_and_itos():
    published = {"#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000"}
    assert set(viz.COLOURS) == published
    # The first three, which most figures get by with, stand out from white as graphics must: 3 to 1.
    assert all(1.05 / (luminance(colour) + 0.05) >= 3 for colour in viz.COLOURS[:3])


# What the figures hold


def drawn(ax: Axes) -> np.ndarray:
    return cast(np.ndarray, ax.images[0].get_array())


def test_images_keep_their_values_and_colours():
    colour = torch.rand(3, 4, 6)
    figure = viz.show_images([colour, colour[0]], limits=(0, 1))
    np.testing.assert_allclose(drawn(figure.axes[0]), colour.permute(1, 2, 0), atol=1e-6)
    np.testing.assert_allclose(drawn(figure.axes[1]), colour[0], atol=1e-6)
    assert figure.axes[1].images[0].get_clim() == (0, 1)


def test_without_limits_each_image_is_stretched_to_its_own_range():
    figure = viz.show_images([torch.tensor([[-3.0, 5.0]])], limits=None)
    assert figure.axes[0].images[0].get_clim() == (-3, 5)


def test_kernels_share_one_scale_that_is_white_at_zero():
    figure = viz.show_kernels([torch.tensor([[2.0, 0.0]]), torch.tensor([[-4.0, 1.0]])])
    images = [ax.images[0] for ax in figure.axes]
    assert [image.get_clim() for image in images] == [(-4, 4), (-4, 4)]
    red, green, blue, _ = images[0].cmap(0.5)
    assert min(red, green, blue) > 0.95


def test_kernel_values_are_written_into_their_cells():
    figure = viz.show_kernels([torch.tensor([[1 / 9, -1.0], [0.0, 2.5]])])
    assert texts(figure) == ["0.11", "−1", "0", "2.5"]


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.11111, 2, "0.11"),
        (3.0, 2, "3"),
        (-0.5, 1, "−0.5"),
        (-0.001, 2, "0"),
        (37749.0, 2, "37,749"),
        (10.0, 0, "10"),
    ],
)
def test_a_number_is_written_as_short_as_it_can_be(value, digits, text):
    assert number(value, digits) == text


def test_a_sparse_matrix_shows_its_entries_and_leaves_zeros_empty():
    ax = viz.show_matrix(torch.diag(torch.tensor([1.0, 2.0, 3.0])), xlabel="input", ylabel="output")
    assert [t.get_text() for t in ax.texts] == ["1", "2", "3"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("input", "output")


def test_curves_are_the_mean_over_seeds_with_a_band_from_the_lowest_to_the_highest():
    runs = torch.tensor([[0.1, 0.4], [0.3, 0.8]])
    ax = viz.curves({"net": runs}, x=[10, 20], xlabel="images", ylabel="accuracy (%)", percent=True)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [20, 60], rtol=1e-6)
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(10)
    assert band[:, 1].max() == pytest.approx(80)


def test_curves_differ_in_marker_as_well_as_in_colour():
    ax = viz.curves({str(i): [1, 2] for i in range(8)}, xlabel="x", ylabel="y")
    assert len({line.get_marker() for line in ax.lines}) == 8
    assert len({line.get_color() for line in ax.lines}) == 8


def test_bars_write_their_value_and_show_every_seed():
    ax = viz.bars({"CNN": [0.98, 0.99], "SVM": 0.95}, ylabel="accuracy (%)", percent=True, digits=1)
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([98.5, 95])  # type: ignore[attr-defined]
    assert {"98.5 %", "95 %", "CNN", "SVM"} <= set(texts(ax))
    assert list(ax.lines[0].get_xdata()) == pytest.approx([98, 99])


def test_a_heatmap_writes_every_value_with_the_same_decimals():
    ax = viz.heatmap([[0.5, 1.0]], rows=["a"], columns=[1, 2], xlabel="shift (px)", ylabel="net")
    assert [t.get_text() for t in ax.texts] == ["0.50", "1.00"]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: viz.show_images([]), "no images"),
        (lambda: viz.show_images(torch.rand(2, 4, 4), ["a"]), "1 titles for 2 images"),
        (lambda: viz.show_images(torch.rand(2, 5, 4, 4)), r"this is \(5, 4, 4\)"),
        (lambda: viz.show_kernels([]), "no kernels"),
        (lambda: viz.show_matrix(torch.rand(3)), "two dimensions, this has 1"),
        (lambda: viz.curves({"a": [1, 2]}, x=[1], xlabel="", ylabel=""), "'a' has 2 points, x has 1"),
        (
            lambda: viz.heatmap([[1]], rows="ab", columns="c", xlabel="", ylabel=""),
            r"rows and columns name \(2, 1\)",
        ),
        (lambda: viz.slide_window(torch.rand(2, 2), torch.rand(3, 3)), "does not fit"),
        (lambda: viz.pool_route(torch.rand(4, 4), gradient=torch.rand(3, 3)), r"the output is \(2, 2\)"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_the_reason(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


# Tables


def test_a_table_aligns_numbers_to_the_right_and_names_its_columns(capsys):
    viz.table([("conv1", 23_296, 0.5), ("fc6", 37_752_832, 12.25)], ["layer", "weights", "share"], digits=2)
    assert capsys.readouterr().out.splitlines() == [
        "layer     weights  share",
        "─────  ──────────  ─────",
        "conv1      23,296   0.50",
        "fc6    37,752,832  12.25",
    ]


def test_a_table_of_dataclasses_takes_its_columns_from_them(capsys):
    viz.table(
        [probe.LayerProbe("conv1", (64, 56, 56), 11, 4, 2), probe.LayerProbe("pool", (9,), None, None, None)]
    )
    header, _, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "output_shape", "size", "stride", "padding", "note"]
    assert first.split() == ["conv1", "64×56×56", "11", "4", "2"]
    assert second.split() == ["pool", "9", "–", "–", "–"]


def test_rows_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"rows have \[1, 2\] columns"):
        viz.table([(1,), (1, 2)])


# Drawings


def test_the_sliding_window_says_each_product_and_its_sum():
    image, kernel = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]), torch.tensor([[1.0, 0], [0, -1]])
    slides = viz.slide_window(image, kernel)
    assert len(slides.pictures) == len(slides.captions) == 4
    assert slides.captions[1] == "output row 0, column 1: 2·1 + 3·0 + 5·0 + 6·−1 = −4"


def test_a_long_slide_show_is_cut_and_ends_with_the_whole_output():
    slides = viz.slide_window(torch.rand(8, 8), torch.ones(3, 3), steps=5)
    assert len(slides.pictures) == 5
    assert slides.captions[-1].startswith("output row 5, column 5")
    assert sum(map(len, slides.pictures)) < 300_000


def test_the_window_moves_by_the_stride_and_starts_in_the_padding():
    slides = viz.slide_window(torch.ones(4, 4), torch.ones(2, 2), stride=2, padding=1)
    assert [caption.split(" = ")[-1] for caption in slides.captions] == [
        "1",
        "2",
        "1",
        "2",
        "4",
        "2",
        "1",
        "2",
        "1",
    ]


def test_the_gradient_of_max_pooling_goes_to_the_winners_and_adds_up_where_one_wins_twice():
    x = torch.tensor([[0.0, 0, 0], [0, 9, 0], [0, 0, 1]])
    figure = viz.pool_route(x, kernel=2, stride=1, gradient=[[1, 2], [3, 4]])
    returned = [t.get_text() for t in figure.axes[3].texts]
    assert returned == ["0", "0", "0", "0", "10", "0", "0", "0", "0"]
    winners = [cell.get_facecolor() != (1, 1, 1, 1) for cell in figure.axes[0].patches]
    assert winners == [False, False, False, False, True, False, False, False, False]


def test_receptive_fields_are_squares_of_the_measured_size_inside_the_axes():
    network = nn.Sequential(nn.Conv2d(1, 1, 5, padding=2), nn.MaxPool2d(2), nn.Conv2d(1, 1, 5, padding=2))
    rows = probe.measure(network, (1, 16, 16))
    figure = viz.receptive_fields(torch.rand(16, 16), rows)
    squares = [p for p in figure.axes[0].patches if p.get_label().startswith(("0", "1", "2"))]  # type: ignore[attr-defined]
    assert [square.get_width() for square in squares] == [5, 6, 14]  # type: ignore[attr-defined]
    left, right = figure.axes[0].get_xlim()
    assert all(left <= s.get_x() and s.get_x() + s.get_width() <= right for s in squares)  # type: ignore[attr-defined]


def test_a_matrix_is_divided_where_its_blocks_end():
    """The matrix of a 3x3 kernel on 6x6 pixels has blocks of 4 outputs by 6 inputs."""
    ax = viz.show_matrix(torch.zeros(16, 36), blocks=(4, 6))
    level = [line.get_ydata()[0] for line in ax.lines if line.get_ydata()[0] == line.get_ydata()[1]]
    upright = [line.get_xdata()[0] for line in ax.lines if line.get_xdata()[0] == line.get_xdata()[1]]
    assert level == [3.5, 7.5, 11.5]
    assert upright == [5.5, 11.5, 17.5, 23.5, 29.5]
