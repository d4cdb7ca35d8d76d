"""Drawn shapes: what is drawn is what the truth says."""

from dataclasses import replace

import pytest
import torch

from coursekit.data import KINDS, UnknownNameError, draw, shapes, shapes_with_truth


def moments(images):
    """Area (N,), centroid (N, 2) from the centre, and covariance (N, 2, 2), rows first, from the pixels."""
    grid = torch.arange(images.shape[-1], dtype=torch.float64) - (images.shape[-1] - 1) / 2
    coordinates = torch.stack(torch.meshgrid(grid, grid, indexing="ij")).flatten(1)
    mass = images.double().flatten(1)
    area = mass.sum(dim=1)
    centroid = mass @ coordinates.T / area[:, None]
    from_centroid = coordinates - centroid[:, :, None]
    covariance = (mass[:, None] * from_centroid) @ from_centroid.transpose(1, 2) / area[:, None, None]
    return area, centroid, covariance


@pytest.mark.parametrize("kind", KINDS)
def test_the_centroid_is_the_position(kind):
    drawn, truth = shapes_with_truth(200, kinds=[kind], position=(-5.0, 5.0), angle=(0.0, 360.0), seed=3)
    assert (moments(drawn.images)[1] - truth.position).abs().max() < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_the_covered_area_is_the_truth_s_and_grows_with_the_square_of_the_scale(kind):
    drawn, truth = shapes_with_truth(200, kinds=[kind], angle=(0.0, 90.0), position=0.0, scale=(0.8, 1.0))
    area = moments(drawn.images)[0]
    assert (area / truth.area - 1).abs().max() < 0.02
    doubled = moments(draw(replace(truth, scale=2 * truth.scale)))[0]
    assert (doubled / area / 4 - 1).abs().max() < 0.02


def test_the_areas_are_those_of_geometry():
    _, truth = shapes_with_truth(5, size=40, scale=1.0)
    area = {
        truth.classes[label]: area
        for label, area in zip(truth.labels.tolist(), truth.area.tolist(), strict=True)
    }
    # r = 10: pi r^2; a square of diagonal 20; an equilateral triangle of side 10 sqrt(3); 19.2 x 5.6 bars.
    expected = {"disc": 314.159, "square": 200.0, "triangle": 129.904, "bar": 107.52, "cross": 183.68}
    assert area == pytest.approx(expected, abs=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_every_shape_lies_in_the_circle_of_its_scale_and_touches_it(kind):
    drawn, _ = shapes_with_truth(1, kinds=[kind], size=201, position=0.0, scale=1.0)
    grid = torch.arange(201) - 100.0
    distance = torch.hypot(grid[:, None], grid[None, :])[drawn.images[0, 0] > 0.5]
    assert distance.max() == pytest.approx(201 / 4, abs=1)


@pytest.mark.parametrize("angle", [0.0, 10.0, 30.0, 45.0, 60.0, 90.0, 135.0, 170.0])
def test_a_bar_points_where_its_angle_says_counter_clockwise(angle):
    drawn, _ = shapes_with_truth(1, kinds=["bar"], size=64, position=0.0, angle=angle)
    rows, columns, mixed = (moments(drawn.images)[2][0, i, j] for i, j in ((0, 0), (1, 1), (0, 1)))
    # Rows run down, so counter-clockwise is a negative mixed moment.
    measured = torch.rad2deg(0.5 * torch.atan2(-2 * mixed, columns - rows)) % 180
    assert abs((measured - angle + 90) % 180 - 90) < 0.5


def test_a_quarter_turn_of_the_truth_turns_the_image_by_a_quarter():
    drawn, truth = shapes_with_truth(40, angle=(0.0, 360.0), seed=5)
    down, right = truth.position.T
    # Counter-clockwise, (down, right) goes to (-right, down).
    turned = replace(truth, angle=truth.angle + 90, position=torch.stack([-right, down], dim=1))
    assert torch.allclose(draw(turned), drawn.images.rot90(1, dims=(2, 3)), atol=1e-4)


def test_moving_the_truth_by_whole_pixels_moves_the_image():
    drawn, truth = shapes_with_truth(40, position=(-1.0, 1.0), seed=6)
    moved = replace(truth, position=truth.position + torch.tensor([2.0, -3.0]))
    assert torch.allclose(draw(moved), drawn.images.roll((2, -3), dims=(2, 3)), atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "turn"), [("square", 90), ("cross", 90), ("triangle", 120), ("bar", 180), ("disc", 37)]
)
def test_a_shape_s_own_symmetry_leaves_it_as_it_is(kind, turn):
    drawn, truth = shapes_with_truth(10, kinds=[kind], angle=(0.0, 360.0))
    assert torch.allclose(draw(replace(truth, angle=truth.angle + turn)), drawn.images, atol=1e-4)


def test_edges_are_grey_and_inside_is_white():
    images = shapes(20, kinds=["disc"]).images
    assert images.max() == 1
    assert images.min() == 0
    grey = ((images > 0) & (images < 1)).sum(dim=(1, 2, 3))
    assert grey.min() > 15


def test_the_same_seed_draws_the_same_and_another_seed_another():
    first, again, other = (shapes(25, noise=0.1, seed=s) for s in (7, 7, 8))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.images, other.images)


def test_the_global_random_state_is_neither_used_nor_changed():
    state = torch.get_rng_state()
    shapes(5, noise=0.1)
    assert torch.equal(torch.get_rng_state(), state)


def test_varying_one_parameter_leaves_the_others_as_they_were():
    _, still = shapes_with_truth(30, angle=0.0)
    _, turned = shapes_with_truth(30, angle=(0.0, 360.0))
    assert torch.equal(still.position, turned.position)
    assert torch.equal(still.scale, turned.scale)
    assert torch.equal(still.labels, turned.labels)
    assert (still.angle == 0).all()
    assert turned.angle.std() > 60


def test_parameters_stay_in_their_ranges_and_fill_them():
    _, truth = shapes_with_truth(400, size=64, position=((-4.0, -2.0), (6.0, 10.0)), scale=(0.5, 0.9))
    down, right = truth.position.T
    for values, low, high in ((down, -4, -2), (right, 6, 10), (truth.scale, 0.5, 0.9)):
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high


def test_a_number_fixes_a_parameter():
    _, truth = shapes_with_truth(9, position=2.5, scale=1.1, angle=20)
    assert (truth.position == 2.5).all()
    assert torch.allclose(truth.scale, torch.tensor(1.1))
    assert (truth.angle == 20).all()


def test_the_kinds_are_the_classes_and_balanced():
    drawn = shapes(31, kinds=("cross", "disc"))
    assert drawn.classes == ("cross", "disc")
    assert sorted(drawn.labels.bincount().tolist()) == [15, 16]
    assert drawn.labels[:10].unique().tolist() == [0, 1]


def test_noise_has_the_given_deviation_and_stays_in_range():
    clean, noisy = (shapes(50, noise=noise).images for noise in (0.0, 0.1))
    assert 0 <= noisy.min() <= noisy.max() <= 1
    # On black only the upper half of the noise is left: its mean square is half the variance.
    on_black = noisy[clean == 0]
    assert on_black.square().mean().sqrt() == pytest.approx(0.1 / 2**0.5, rel=0.03)


def test_an_unknown_kind_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="'star'; there are: disc, square, triangle, bar, cross"):
        shapes(3, kinds=["star"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 0}, "n=0"),
        ({"kinds": []}, "kinds="),
        ({"kinds": "disc"}, "kinds='disc'"),
        ({"kinds": ["disc", "disc"]}, "different names"),
        ({"scale": (1.2, 0.8)}, "scale="),
        ({"scale": 0.0}, "greater than 0"),
        ({"angle": (0, 1, 2)}, "angle="),
        ({"angle": "90"}, "angle='90'"),
        ({"noise": -0.1}, "noise=-0.1"),
        ({"position": 9.0}, "reach 17.4 pixels from the centre, but the image ends at 14.0"),
        ({"scale": 2.1, "position": 0}, "make one of them smaller"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        shapes(**{"n": 4, **wrong})
