"""Properties of networks and functions, measured instead of derived.

A receptive field is the set of input pixels that one output unit depends on. `measure` and `receptive_field`
find its ends by running the network on an image in which every pixel carries its coordinate, and with layers
that pass on the smallest and the largest coordinate of its window instead of computing with weights.
`support` finds every pixel of it by the gradient of that unit with respect to the input, with weights that
are all the same positive constant, so that no gradient vanishes by accident. Non-linearities, normalization
and dropout let everything through in both.

    for row in measure(create_model("alexnet"), (3, 227, 227)):
        print(row)

    receptive_field(network, 64)            # Field(size=19, stride=8, padding=2)
    equivariance_gap(network, x, shift=(4, 4))
    latency(network, x)
"""

from coursekit.probe.cost import Timing, latency, memory, synchronize
from coursekit.probe.equivariance import equivariance_gap
from coursekit.probe.gradients import influence, support
from coursekit.probe.receptive_fields import Field, LayerProbe, measure, output_shapes, receptive_field

__all__ = [
    "Field",
    "LayerProbe",
    "Timing",
    "equivariance_gap",
    "influence",
    "latency",
    "measure",
    "memory",
    "output_shapes",
    "receptive_field",
    "support",
    "synchronize",
]
