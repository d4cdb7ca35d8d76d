"""Does the output move along with the input, and by how much does it fail to?"""

import pytest
import torch
from torch import nn

from coursekit import probe


def test_circular_convolution_is_equivariant():
    conv = nn.Conv2d(1, 3, 3, padding=1, padding_mode="circular")
    assert probe.equivariance_gap(conv, torch.rand(2, 1, 8, 8), (3, -2)) < 1e-6


def test_zero_padding_leaves_a_gap_of_the_size_that_the_borders_make():
    ones = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    nn.init.ones_(ones.weight)
    x = torch.ones(1, 1, 6, 6)
    # On a constant image the shifted input is the input; the output is 9 inside, 6 and 4 at the border.
    assert probe.equivariance_gap(ones, x, (1, 0)) == pytest.approx(3 / 9)


def test_a_strided_output_moves_by_whole_pixels_or_is_refused():
    pool = nn.AvgPool2d(2)
    x = torch.rand(1, 1, 8, 8)
    assert probe.equivariance_gap(pool, x, (2, 4)) < 1e-6
    with pytest.raises(ValueError, match="a shift of 1 pixels is no whole number of pixels"):
        probe.equivariance_gap(pool, x, (1, 0))


def test_scores_without_height_and_width_are_tested_for_invariance():
    def total(x):
        return x.sum((2, 3))

    def corner(x):
        return x[:, :, 0, 0]

    x = torch.rand(1, 2, 4, 4)
    assert probe.equivariance_gap(total, x, (1, 2)) < 1e-6
    assert probe.equivariance_gap(corner, x, (1, 2)) > 0.01


def test_a_function_that_is_zero_on_the_image_but_not_on_the_shifted_one_has_an_infinite_gap():
    x = torch.zeros(1, 1, 3, 3)
    x[0, 0, 1, 1] = 1
    assert probe.equivariance_gap(lambda x: x[:, :, 0, 0], x, (-1, -1)) == float("inf")
    assert probe.equivariance_gap(lambda x: 0 * x, x, (1, 1)) == 0
