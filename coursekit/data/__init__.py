"""Labelled images and pretrained weights: what ships with the course, full sets on demand, drawn shapes.

    train = load("fashion_mini")                      # (6000, 1, 28, 28) in [0, 1]
    test = load("fashion_mini", split="test", subset=200)
    turned, truth = shapes_with_truth(100, angle=(0.0, 90.0))
    model.load_state_dict(load_weights("mobilenet_v2"))

Shipped files are verified before use. torchvision and Pillow are imported when a call needs them.
"""

from coursekit.errors import DamagedFileError, DataError, UnavailableError, UnknownNameError

from .catalogue import load, names
from .drawing import KINDS, Truth, draw, shapes, shapes_with_truth
from .imageset import ImageSet
from .weights import load_weights

__all__ = [
    "KINDS",
    "DamagedFileError",
    "DataError",
    "ImageSet",
    "Truth",
    "UnavailableError",
    "UnknownNameError",
    "draw",
    "load",
    "load_weights",
    "names",
    "shapes",
    "shapes_with_truth",
]
