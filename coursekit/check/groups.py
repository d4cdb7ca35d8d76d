"""The groups of calls that an exercise may forbid: one row of a table each.

A group names tensor operations by a pattern, because every spelling of an operation (module, function,
method, ``torch.ops``) ends in the same few operators, and Python functions by their dotted public names.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """What may not run, and what to say when it does."""

    what: str
    """What is forbidden, as it completes "this exercise forbids ..."."""

    instead: str
    """What to do instead, as a sentence in the imperative."""

    operators: re.Pattern[str] | None = None
    """Matched against an operator's name, such as ``"aten::convolution_backward"``."""

    functions: tuple[str, ...] = ()
    """Dotted names of Python functions; those of modules that nobody imported are left alone."""

    modules: tuple[str, ...] = ()
    """Modules that may not be imported for the first time while the group is forbidden."""


def _methods(module: str, *classes: str) -> list[str]:
    """What makes and what runs an instance of these classes."""
    return [f"{module}.{name}.{method}" for name in classes for method in ("__init__", "forward")]


GROUPS: dict[str, Group] = {
    "conv": Group(
        what="ready-made convolutions",
        instead="Write the sum yourself: slicing, unfold, multiplication and matmul are allowed.",
        # "convert" is no convolution.
        operators=re.compile(r"conv(?!ert)"),
        functions=(
            "numpy.convolve",
            "numpy.correlate",
            *(
                f"scipy.signal.{name}"
                for name in (
                    "convolve",
                    "convolve2d",
                    "correlate",
                    "correlate2d",
                    "fftconvolve",
                    "oaconvolve",
                )
            ),
            "scipy.signal.sepfir2d",
            *(f"scipy.ndimage.{name}" for name in ("convolve", "convolve1d", "correlate", "correlate1d")),
        ),
        modules=("scipy.signal", "scipy.ndimage"),
    ),
    "pooling": Group(
        what="ready-made pooling",
        instead="Cut the windows out yourself, with slicing or unfold, and reduce each one.",
        operators=re.compile(r"pool\d"),
        functions=("scipy.ndimage.maximum_filter", "skimage.measure.block_reduce"),
        modules=("scipy.ndimage", "skimage.measure"),
    ),
    "autograd": Group(
        what="automatic differentiation",
        instead="Derive the gradient by hand and write it with ordinary tensor operations.",
        functions=(
            "torch.autograd.grad",
            "torch.autograd.backward",
            "torch.Tensor.backward",
            *(
                f"torch.autograd.functional.{name}"
                for name in ("vjp", "jvp", "jacobian", "hessian", "vhp", "hvp")
            ),
            *(
                f"torch.func.{name}"
                for name in (
                    "grad",
                    "grad_and_value",
                    "vjp",
                    "jvp",
                    "jacrev",
                    "jacfwd",
                    "hessian",
                    "linearize",
                )
            ),
            "torch.autograd.forward_ad.make_dual",
            # The one door to the engine: it also stops a function that was imported by name beforehand.
            "torch.autograd._engine_run_backward",
        ),
    ),
    "torchvision models": Group(
        what="ready-made networks and their blocks",
        instead="Build it from `nn.Conv2d`, `nn.BatchNorm2d` and `nn.Linear`.",
        functions=(
            *_methods("torchvision.models.resnet", "BasicBlock", "Bottleneck", "ResNet"),
            *_methods("coursekit.models.resnet", "ResidualBlock", "BasicBlock", "Bottleneck", "ResNet"),
            *_methods("coursekit.models.resnet_cifar", "CifarResNet"),
            *_methods("coursekit.models.preact_resnet", "PreActBlock", "PreActResNet"),
            *_methods("coursekit.models.parts", "ConvNormAct"),
            *_methods("timm.models.resnet", "BasicBlock", "Bottleneck", "ResNet"),
            "torchvision.models.get_model",
            "coursekit.models.create_model",
            "timm.create_model",
            "torch.hub.load",
        ),
        modules=("torchvision.models", "coursekit.models", "timm"),
    ),
}
"""What an exercise may forbid, by name."""
