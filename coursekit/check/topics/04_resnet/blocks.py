"""Public checks of topic 04: what a module is made of, and what it computes with weights that the check sets.

Expected values come from the model zoo, which these exercises may not use, and from autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from coursekit.blocks import Recorder, WideRecorder
from coursekit.check.cases import Case, Exercise
from coursekit.check.modules import consists_of, difference, settle
from coursekit.check.values import type_name

Build = Callable[..., nn.Module]
Look = Callable[[nn.Module, Tensor], object]


def _ramp(*shape: int, cycle: int = 9, start: int = -3) -> Tensor:
    """Whole numbers as floats, counting up in reading order and starting again after `cycle` of them."""
    count = torch.Size(shape).numel()
    return (start + torch.arange(count) % cycle).float().view(shape)


def _uneven(*shape: int) -> Tensor:
    """Numbers with two decimals, no two alike: no maximum is a tie, no ReLU stands at exactly zero."""
    count = torch.arange(torch.Size(shape).numel())
    return ((count * 37 % 101 - 50) / 10 + 0.01).view(shape)


def _text(name: str, arguments: Sequence[object]) -> str:
    """The call as a student types it."""
    return f"{name}({', '.join(map(str, arguments))})"


# ---- looking at a block -----------------------------------------------------------------------------------


def _built(build: Build, arguments: Sequence[object]) -> nn.Module:
    module = build(*arguments)
    if not isinstance(module, nn.Module):
        raise TypeError(f"an nn.Module was asked for, not an object of type {type_name(module)}")
    return module


def _evaluated(module: nn.Module, x: Tensor) -> Tensor:
    """The output in evaluation mode."""
    with torch.no_grad():
        out: Tensor = module.eval()(x)
    return out


def _trained(module: nn.Module, x: Tensor) -> Tensor:
    """The output in training mode."""
    with torch.no_grad():
        out: Tensor = module.train()(x)
    return out


def _statistics(module: nn.Module, x: Tensor) -> dict[str, object]:
    """What the norms have in store after two batches; the norms sorted, since their names are free."""
    with torch.no_grad():
        module.train()(x)
        module(x.flip(0) + 1)
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    norms.sort(key=lambda norm: [round(float(value), 3) for value in _numbers_of(norm)])
    return {
        "batches": [int(norm.num_batches_tracked) for norm in norms if norm.num_batches_tracked is not None],
        "running means": [norm.running_mean for norm in norms],
        "running variances": [norm.running_var for norm in norms],
        "then, in evaluation mode": _evaluated(module, x),
    }


def _numbers_of(norm: nn.BatchNorm2d) -> list[Tensor]:
    return [] if norm.running_mean is None else [torch.tensor(len(norm.running_mean)), *norm.running_mean]


def _gradients(module: nn.Module, x: Tensor) -> dict[str, object]:
    """Gradients in evaluation mode of a weighted sum: of the input, and of each weight its size."""
    x = x.clone().requires_grad_()
    weights = list(module.parameters())
    with torch.enable_grad():
        out = module.eval()(x)
        total = (out * _ramp(*out.shape, cycle=4, start=1)).sum()
    of_x, *others = torch.autograd.grad(total, [x, *weights], allow_unused=True)
    return {
        "weights without a gradient": sum(gradient is None for gradient in others),
        "gradient of x": of_x,
        "sizes of the weights' gradients": sorted(float(g.abs().sum()) for g in others if g is not None),
    }


def _inventory(build: Build, name: str, calls: Sequence[Sequence[object]]) -> dict[str, object]:
    made: dict[str, object] = {
        _text(name, arguments): consists_of(_built(build, arguments)) for arguments in calls
    }
    expansion = getattr(build, "expansion", None)
    return made if expansion is None else made | {"expansion": expansion}


def _explain_inventory(expected: object, got: object) -> str:
    if not isinstance(expected, Mapping) or not isinstance(got, Mapping):
        return ""
    sentences = [
        difference(wanted, got[what], what) for what, wanted in expected.items() if what != "expansion"
    ]
    if expected.get("expansion") != got.get("expansion"):
        sentences.append(f"expansion is {got.get('expansion')} where {expected.get('expansion')} belongs.")
    return " ".join(filter(None, sentences))


def _explain_gradients(expected: object, got: object) -> str:
    unused = got.get("weights without a gradient", 0) if isinstance(got, Mapping) else 0
    belong = "takes" if unused == 1 else "take"
    return f"{unused} of the weights {belong} no part in the output." if unused else ""


def _made_of(name: str, oracle: Build, *calls: Sequence[object]) -> Case:
    """What modules consist of, for some arguments; and the class's `expansion`, where there is one."""
    return Case(
        "what it consists of",
        args=tuple,
        use=lambda build: _inventory(build, name, calls),
        expected=lambda: _inventory(oracle, name, calls),
        call=", ".join(_text(name, arguments) for arguments in calls),
        explain=_explain_inventory,
    )


_SUFFIX: dict[Look, str] = {
    _evaluated: ".eval()(x)",
    _trained: ".train()(x)",
    _statistics: ", two batches in training mode",
    _gradients: ".eval()(x), and its gradients",
}


def _look_case(
    title: str, name: str, oracle: Build, arguments: Sequence[object], x: Tensor, look: Look = _evaluated
) -> Case:
    """What a module computes whose weights are whole numbers, known by kind and shape."""

    def use(build: Build, x: Tensor) -> object:
        module = _built(build, arguments)
        settle(module)
        return look(module, x)

    return Case(
        title,
        args=lambda: (x.clone(),),
        names=("x",),
        use=use,
        expected=partial(use, oracle),
        call=_text(name, arguments) + _SUFFIX[look],
        explain=_explain_gradients if look is _gradients else None,
    )


# ---- inception --------------------------------------------------------------------------------------------


def _zoo_inception(c_in: int, c1: int, c3: tuple[int, int], c5: tuple[int, int], c_pool: int) -> nn.Module:
    from coursekit.models.googlenet import Row, conv_relu, inception

    return inception(c_in, Row("", c1, c3, c5, c_pool), conv_relu, 5)


_inception_case = partial(_look_case, name="Inception", oracle=_zoo_inception)

INCEPTION = Exercise(
    id="inception",
    functions=("Inception",),
    cases=(
        _made_of("Inception", _zoo_inception, (2, 1, (2, 3), (4, 5), 6), (3, 2, (2, 2), (1, 2), 2)),
        _inception_case(
            "one channel from each branch", arguments=(1, 1, (1, 1), (1, 1), 1), x=_ramp(1, 1, 4, 4)
        ),
        _inception_case("a single pixel", arguments=(2, 2, (2, 3), (3, 2), 1), x=_ramp(1, 2, 1, 1, start=1)),
        _inception_case(
            "all pixels negative", arguments=(1, 1, (2, 1), (3, 1), 1), x=-_ramp(1, 1, 3, 5, start=1)
        ),
        _inception_case(
            "two images, several channels", arguments=(2, 2, (1, 2), (1, 1), 1), x=_ramp(2, 2, 6, 6)
        ),
        _inception_case(
            "gradients", arguments=(2, 1, (2, 1), (3, 2), 2), x=_uneven(1, 2, 4, 4), look=_gradients
        ),
    ),
    hints=(
        "Draw the four branches side by side and write the number of channels on every arrow. Where does "
        "each arrow begin: at x, or at another convolution?",
        "Six convolutions. A kernel of 3 or 5 needs padding for the map to keep its size, and so does the "
        "pooling, which has to move by one pixel at a time. Channels are axis 1.",
        "In words: make the six convolutions in the constructor and keep each as an attribute. Forward: "
        "four results, each a chain that begins at x, with a ReLU behind every convolution, also behind "
        "those that only reduce the channels; then `torch.cat` them along the channels, 1 x 1 first, "
        "pooling last.",
    ),
)


# ---- residual blocks --------------------------------------------------------------------------------------


class _Zoo:
    """A block of the zoo, which is imported when it is needed and not before."""

    def __init__(self, name: str, expansion: int) -> None:
        self.name, self.expansion = name, expansion

    def __call__(self, c_in: int, channels: int, stride: int = 1) -> nn.Module:
        from coursekit.models import resnet

        block: nn.Module = getattr(resnet, self.name)(c_in, channels, stride)
        return block


_zoo_basic, _zoo_bottleneck = _Zoo("BasicBlock", 1), _Zoo("Bottleneck", 4)
_basic_case = partial(_look_case, name="BasicBlock", oracle=_zoo_basic)
_bottleneck_case = partial(_look_case, name="Bottleneck", oracle=_zoo_bottleneck)

BASIC_BLOCK = Exercise(
    id="basic_block",
    functions=("BasicBlock",),
    cases=(
        _made_of("BasicBlock", _zoo_basic, (2, 2), (2, 4), (3, 3, 2)),
        _basic_case("same channels, stride 1", arguments=(2, 2), x=_ramp(1, 2, 3, 3)),
        _basic_case("more channels", arguments=(1, 2), x=_ramp(1, 1, 3, 4)),
        _basic_case("stride 2", arguments=(2, 2, 2), x=_ramp(1, 2, 5, 6)),
        _basic_case("training mode", arguments=(2, 2), x=_ramp(3, 2, 3, 4, cycle=11), look=_trained),
        _basic_case(
            "running statistics", arguments=(1, 2, 2), x=_ramp(3, 1, 4, 5, cycle=11), look=_statistics
        ),
        _basic_case("gradients", arguments=(2, 2), x=_uneven(1, 2, 3, 3), look=_gradients),
    ),
    hints=(
        "Two ways lead from x to the sum. Follow each with a finger and name what you pass. What comes "
        "after the sum, and what does not come before it?",
        "F is conv, norm, ReLU, conv, norm: five steps, the ReLU that you may expect at its end stands "
        "behind the sum. If x cannot be added to F(x), because there are more channels or fewer pixels, the"
        " shortcut has a convolution of its own, and a norm of its own.",
        "In words: the constructor makes two convolutions (the first with the stride), two norms, and where"
        " the stride or the channels ask for it a 1 x 1 convolution with the stride and a third norm. "
        "Forward: keep x, go through F, add x or what the third pair makes of it, and only then take the "
        "ReLU.",
    ),
    forbidden=("torchvision models",),
)

BOTTLENECK = Exercise(
    id="bottleneck",
    functions=("Bottleneck",),
    cases=(
        _made_of("Bottleneck", _zoo_bottleneck, (8, 2), (2, 2), (4, 1, 2)),
        _bottleneck_case("4 * channels go in, stride 1", arguments=(4, 1), x=_ramp(1, 4, 3, 3)),
        _bottleneck_case("few channels go in", arguments=(1, 2), x=_ramp(1, 1, 3, 4)),
        _bottleneck_case("stride 2", arguments=(2, 2, 2), x=_ramp(1, 2, 5, 6)),
        _bottleneck_case("training mode", arguments=(4, 1), x=_ramp(3, 4, 3, 4, cycle=11), look=_trained),
        _bottleneck_case(
            "running statistics", arguments=(2, 1, 2), x=_ramp(3, 2, 4, 5, cycle=11), look=_statistics
        ),
        _bottleneck_case("gradients", arguments=(4, 1), x=_uneven(1, 4, 3, 3), look=_gradients),
    ),
    hints=(
        "It is the basic block with another F. Write the three convolutions down with their channels: from "
        "where to where? What does the 3 x 3 gain by standing in the middle?",
        "c_in to channels, channels to channels, channels to 4 * channels. Three norms, of different sizes;"
        " two ReLUs inside, one behind the sum. The shortcut must give 4 * channels as well, so `c_in != "
        "channels` is the wrong question.",
        "In words: as the basic block, but with a 1 x 1, a 3 x 3 that has the stride, and a 1 x 1. The "
        "shortcut is x only if c_in is already 4 * channels and the stride is 1; otherwise a 1 x 1 "
        "convolution to 4 * channels with the stride, and a norm.",
    ),
    forbidden=("torchvision models",),
)


# ---- make_stage -------------------------------------------------------------------------------------------


def _stage_of(make_stage: Callable[..., Any], block: type, *arguments: int) -> dict[str, object]:
    stage = make_stage(block, *arguments)
    kind = "Sequential" if isinstance(stage, nn.Sequential) else type_name(stage)
    blocks = [getattr(part, "made_with", type_name(part)) for part in stage]
    different = len({id(part) for part in stage})
    return {"type": kind, "blocks, made with": blocks, "different blocks": different}


def _plan(block: type[Recorder], c_in: int, channels: int, depth: int, stride: int) -> dict[str, object]:
    later = (channels * block.expansion, channels, 1)
    blocks = [(c_in, channels, stride)] + [later] * (depth - 1)
    return {"type": "Sequential", "blocks, made with": blocks, "different blocks": depth}


def _stage_case(title: str, block: type[Recorder], *arguments: int) -> Case:
    return Case(
        title,
        args=lambda: arguments,
        names=("c_in", "channels", "depth", "stride"),
        use=lambda make_stage, *given: _stage_of(make_stage, block, *given),
        expected=lambda *given: _plan(block, *given),
        call=_text("make_stage", (block.__name__, *arguments)),
    )


def _shape_through(make_stage: Callable[..., Any], x: Tensor) -> object:
    with torch.no_grad():
        return tuple(make_stage(WideRecorder, 3, 2, 3, 2)(x).shape)


MAKE_STAGE = Exercise(
    id="make_stage",
    functions=("make_stage",),
    cases=(
        _stage_case("three blocks that keep everything", Recorder, 16, 16, 3, 1),
        _stage_case("two blocks, wider, stride 2", Recorder, 16, 32, 2, 2),
        _stage_case("four blocks with expansion 4", WideRecorder, 64, 16, 4, 1),
        _stage_case("expansion 4, wider, stride 2", WideRecorder, 64, 32, 3, 2),
        _stage_case("a single block", WideRecorder, 8, 4, 1, 2),
        Case(
            "an image goes through",
            args=lambda: (torch.zeros(1, 3, 6, 5),),
            names=("x",),
            use=_shape_through,
            expected=lambda x: (1, 8, 3, 3),
            call="make_stage(WideRecorder, 3, 2, 3, 2)(x).shape",
        ),
    ),
    hints=(
        "How many channels come out of the first block? Those go into the second one.",
        "A block gives `channels * block.expansion`. Only the first block sees c_in and the stride; all "
        "others see what the first one has made of them.",
        "In words: a list with the first block, made with c_in, channels and the stride. Then depth - 1 "
        "more, each a new call of `block`, with channels times the expansion in, the same channels, and "
        "stride 1. Unpack the list into an `nn.Sequential`.",
    ),
)
