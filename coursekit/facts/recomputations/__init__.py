"""What recomputes the facts: one module a subject, functions that return values by fact id.

They measure: networks are built (on the meta device where they are big) and run, costs are profiled,
receptive fields come from gradients, formulas are sampled on real layers. None reads the value that it is
compared with; where two statements of the slides are held against each other, one reads the other.
"""

from . import (
    alexnet,
    batchnorm,
    beyond,
    bottleneck,
    compression,
    convolution,
    counting,
    densenet,
    depthwise,
    googlenet,
    grouped,
    lenet,
    mobilenet,
    resnet,
    squeeze,
    statements,
    torchvision_table,
    transfer,
    vgg,
    vit,
)
from .group import Group

__all__ = ["GROUPS", "Group"]

SUBJECTS = (
    convolution,
    counting,
    alexnet,
    lenet,
    vgg,
    bottleneck,
    googlenet,
    resnet,
    batchnorm,
    densenet,
    grouped,
    depthwise,
    mobilenet,
    squeeze,
    torchvision_table,
    transfer,
    compression,
    vit,
    beyond,
    statements,
)
GROUPS = tuple(group for subject in SUBJECTS for group in vars(subject).values() if isinstance(group, Group))
