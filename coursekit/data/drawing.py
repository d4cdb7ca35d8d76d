"""Drawn shapes whose truth is known: kind, position, scale, angle and area of each.

One parameter can be varied while the others stand still, so what a network does under translation, scaling
and rotation can be measured and not guessed. Shapes are drawn from their signed distance, anti-aliased: a
pixel's grey value is the part of it that the shape covers. At the default size the drawn centroid is within
0.05 pixels of the true one, and the drawn area within 2% of the true one.

Lengths are in pixels. A shape of scale 1 just fits a circle of a quarter of the image's width as its radius.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from coursekit.errors import UnknownNameError

from .imageset import ImageSet

# One number for all shapes, or a (low, high) range to draw from.
Range = float | tuple[float, float]
# The same for rows and columns, or a range for each.
Position = Range | tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Kind:
    """A kind of shape around the origin, inside the circle of radius r and with its centroid at the origin.

    area: of the shape with r = 1; distance(x, y, r): signed distance to its edge, negative inside, with x to
    the right and y up.
    """

    area: float
    distance: Callable[[Tensor, Tensor, Tensor], Tensor]


# Points a pixel, in each direction. Distance alone blurs corners: with one point, centroids are off by 0.1.
_FINE = 2
# A bar's half sides; with these its corners lie on the circle: 0.96^2 + 0.28^2 = 1.
_LONG, _SHORT = 0.96, 0.28


def _disc(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    return torch.hypot(x, y) - r


def _box(x: Tensor, y: Tensor, half_width: Tensor, half_height: Tensor) -> Tensor:
    return torch.maximum(x.abs() - half_width, y.abs() - half_height)


def _square(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    return _box(x, y, r / math.sqrt(2), r / math.sqrt(2))


def _triangle(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    slanted = (math.sqrt(3) * x.abs() + y) / 2
    return torch.maximum(slanted, -y) - r / 2


def _bar(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    return _box(x, y, _LONG * r, _SHORT * r)


def _cross(x: Tensor, y: Tensor, r: Tensor) -> Tensor:
    return torch.minimum(_bar(x, y, r), _bar(y, x, r))


_KINDS = {
    "disc": Kind(math.pi, _disc),
    "square": Kind(2.0, _square),
    "triangle": Kind(0.75 * math.sqrt(3), _triangle),
    "bar": Kind(4 * _LONG * _SHORT, _bar),
    "cross": Kind(8 * _LONG * _SHORT - 4 * _SHORT**2, _cross),
}
KINDS = tuple(_KINDS)


@dataclass(frozen=True)
class Truth:
    """What was drawn. `dataclasses.replace` changes one thing and `draw` draws the shapes again.

    classes: names of the kinds; labels: int64 (N,) into `classes`; size: width and height of an image;
    position: (N, 2), centre of the shape, rows down and columns right of the image's centre;
    scale: (N,); angle: (N,), degrees, counter-clockwise.
    """

    classes: tuple[str, ...]
    labels: Tensor
    size: int
    position: Tensor
    scale: Tensor
    angle: Tensor

    @property
    def radius(self) -> Tensor:
        """(N,), radius of the circle around each shape."""
        return self.scale * self.size / 4

    @property
    def area(self) -> Tensor:
        """(N,), area of each shape in square pixels."""
        return torch.tensor([_KINDS[name].area for name in self.classes])[self.labels] * self.radius**2


def draw(truth: Truth) -> Tensor:
    """Draw the shapes, white on black: float32 (N, 1, size, size) in [0, 1]. What lies outside is cut off."""
    points = truth.size * _FINE
    grid = (torch.arange(points, dtype=truth.position.dtype) - (points - 1) / 2) / _FINE
    down = grid[None, :, None] - truth.position[:, 0, None, None]
    right = grid[None, None, :] - truth.position[:, 1, None, None]
    turn = torch.deg2rad(truth.angle)[:, None, None]
    x = right * turn.cos() - down * turn.sin()
    y = -down * turn.cos() - right * turn.sin()
    radius = truth.radius[:, None, None]
    distance = torch.empty_like(x)
    for label, name in enumerate(truth.classes):
        of_kind = truth.labels == label
        distance[of_kind] = _KINDS[name].distance(x[of_kind], y[of_kind], radius[of_kind])
    covered = (0.5 - _FINE * distance).clamp(0, 1).to(torch.float32)
    return avg_pool2d(covered.unsqueeze(1), _FINE)


def shapes_with_truth(
    n: int,
    *,
    kinds: Sequence[str] = KINDS,
    size: int = 28,
    position: Position = (-3.0, 3.0),
    scale: Range = (0.8, 1.2),
    angle: Range = 0.0,
    noise: float = 0.0,
    seed: int = 0,
) -> tuple[ImageSet, Truth]:
    """Draw n shapes, as many of each kind, and return them with their truth.

    kinds: names out of KINDS, which become the classes.
    size: width and height of the images.
    position: centre of the shape, from the image's centre, in pixels: a number or a (low, high) range for
        rows and columns alike, or two ranges, ((low, high) rows down, (low, high) columns right).
    scale: a number or a range; at scale 1 the shape fits a circle of radius size / 4.
    angle: degrees counter-clockwise, a number or a range.
    noise: standard deviation of the Gaussian noise added to every pixel, then values are cut to [0, 1].
    seed: the same seed draws the same images; another range for one parameter leaves the others as they were.

    Returns (ImageSet with images (n, 1, size, size), Truth). Raises UnknownNameError for an unknown kind, and
    ValueError for an empty range or where a shape could leave the image, since its truth would not hold then.
    """
    _check(n, kinds, noise)
    rows, columns = _position_bounds(position)
    scales, angles = _bounds("scale", scale), _bounds("angle", angle)
    if scales[0] <= 0:
        raise ValueError(f"scale={scale}: a scale is greater than 0.")
    reach = max(map(abs, rows + columns)) + scales[1] * size / 4
    if reach > size / 2:
        raise ValueError(
            f"position={position} and scale={scale} let a shape reach {reach:.1f} pixels from the centre, "
            f"but the image ends at {size / 2:.1f}: make one of them smaller, or size={size} larger."
        )
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.arange(n) % len(kinds))[torch.randperm(n, generator=generator)]
    # Always four draws a shape, so that what is fixed doesn't shift what is drawn for the rest.
    random = torch.rand(4, n, generator=generator)
    down, right, sizes, turns = (
        low + (high - low) * u for (low, high), u in zip((rows, columns, scales, angles), random, strict=True)
    )
    truth = Truth(tuple(kinds), labels, size, torch.stack([down, right], dim=1), sizes, turns)
    images = draw(truth)
    if noise:
        images = (images + noise * torch.randn(images.shape, generator=generator)).clamp(0, 1)
    return ImageSet(images, labels, truth.classes), truth


def shapes(
    n: int,
    *,
    kinds: Sequence[str] = KINDS,
    size: int = 28,
    position: Position = (-3.0, 3.0),
    scale: Range = (0.8, 1.2),
    angle: Range = 0.0,
    noise: float = 0.0,
    seed: int = 0,
) -> ImageSet:
    """Draw n shapes: `shapes_with_truth` without the truth."""
    return shapes_with_truth(
        n, kinds=kinds, size=size, position=position, scale=scale, angle=angle, noise=noise, seed=seed
    )[0]


def default_shapes(split: str) -> ImageSet:
    """Return what `load("shapes")` gives: all kinds, upright give or take 15 degrees, a little noise."""
    n, seed = {"train": (2000, 0), "test": (500, 1)}[split]
    return shapes(n, angle=(-15.0, 15.0), noise=0.05, seed=seed)


def _check(n: int, kinds: Sequence[str], noise: float) -> None:
    if n < 1:
        raise ValueError(f"n={n}: draw one shape or more.")
    if isinstance(kinds, str) or not kinds or len(set(kinds)) != len(kinds):
        raise ValueError(f"kinds={kinds!r}: give one or more different names out of {', '.join(KINDS)}.")
    for kind in kinds:
        if kind not in _KINDS:
            raise UnknownNameError(f"There is no shape {kind!r}; there are: {', '.join(KINDS)}.")
    if noise < 0:
        raise ValueError(f"noise={noise}: a standard deviation is 0 or more.")


def _bounds(name: str, value: Range) -> tuple[float, float]:
    match value:
        case (low, high) if low <= high:
            return float(low), float(high)
        case int() | float():
            return float(value), float(value)
        case _:
            raise ValueError(f"{name}={value!r}: give a number, or a range (low, high) with low <= high.")


def _position_bounds(value: Position) -> tuple[tuple[float, float], tuple[float, float]]:
    match value:
        case ((low, high), (left, right)):
            return _bounds("position", (low, high)), _bounds("position", (left, right))
        case _:
            both = _bounds("position", value)
            return both, both
