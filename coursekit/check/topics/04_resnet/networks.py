"""Public checks of topic 04, `resnet`: names, shapes and numbers of whole networks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from coursekit.check.cases import Case, Exercise
from coursekit.check.modules import on_meta, spread

Answer = Callable[..., Any]

MOST_NAMES = 4
"""So many names stand in a list of those that are missing; the others are counted."""


def ramp(*shape: int, cycle: int = 9, start: int = -3) -> Tensor:
    """Whole numbers as floats, counting up in reading order and starting again after `cycle` of them."""
    count = torch.Size(shape).numel()
    return (start + torch.arange(count) % cycle).float().view(shape)


# ---- resnet -----------------------------------------------------------------------------------------------

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Table 1 of the paper: blocks in each stage."""


def _names(depth: int, num_classes: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The state dict of torchvision's network, in names and shapes."""

    def pair(conv: str, norm: str, *shape: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{conv}.weight", shape
        for part in ("weight", "bias", "running_mean", "running_var"):
            yield f"{norm}.{part}", shape[:1]
        yield f"{norm}.num_batches_tracked", ()

    yield from pair("conv1", "bn1", 64, 3, 7, 7)
    c_in = 64
    for stage, blocks in enumerate(BLOCKS[depth]):
        c = 64 * 2**stage
        shapes = (
            [(c, c_in, 3, 3), (c, c, 3, 3)]
            if depth < 50
            else [(c, c_in, 1, 1), (c, c, 3, 3), (4 * c, c, 1, 1)]
        )
        for block in range(blocks):
            name = f"layer{stage + 1}.{block}"
            shapes[0] = (c, c_in, *shapes[0][2:])
            for number, shape in enumerate(shapes, start=1):
                yield from pair(f"{name}.conv{number}", f"{name}.bn{number}", *shape)
            c_out = shapes[-1][0]
            if block == 0 and (stage > 0 or c_in != c_out):
                yield from pair(f"{name}.downsample.0", f"{name}.downsample.1", c_out, c_in, 1, 1)
            c_in = c_out
    yield "fc.weight", (num_classes, c_in)
    yield "fc.bias", (num_classes,)


def _compared_names(resnet: Answer, depth: int) -> dict[str, object]:
    """What differs from torchvision's names and shapes; without memory for the weights."""
    with on_meta():
        model = resnet(depth)
    state = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    once = {name for name, _ in model.named_parameters()}
    wanted = dict(_names(depth, 1000))
    return {
        "blocks in layer1 to layer4": [_blocks(state, stage) for stage in (1, 2, 3, 4)],
        "missing": _some(name for name in wanted if name not in state),
        "not asked for": _some(name for name in state if name not in wanted),
        "second names of one tensor": _some(name for name in names if name not in once),
        "of another shape": _some(
            f"{name} {state[name]}, not {shape}"
            for name, shape in wanted.items()
            if state.get(name, shape) != shape
        ),
    }


def _blocks(state: Mapping[str, object], stage: int) -> int:
    return len({name.split(".")[1] for name in state if name.startswith(f"layer{stage}.")})


def _some(names: Iterator[str]) -> list[str]:
    found = list(names)
    more = [f"and {len(found) - MOST_NAMES} more"] if len(found) > MOST_NAMES else []
    return found[:MOST_NAMES] + more


def _explain_names(expected: object, got: object) -> str:
    if not isinstance(expected, Mapping) or not isinstance(got, Mapping):
        return ""
    parts = []
    (first, wanted), *lists = expected.items()
    if got[first] != wanted:
        parts.append(f"{first}: {got[first]}, where the table has {wanted}")
    parts += [f"{what}: {', '.join(got[what])}" for what, _ in lists if got[what]]
    return ". ".join(part[0].upper() + part[1:] for part in parts) + "."


def _names_case(depth: int) -> Case:
    return Case(
        f"names and shapes of depth {depth}",
        args=lambda: (depth,),
        use=_compared_names,
        expected=lambda depth: {
            "blocks in layer1 to layer4": list(BLOCKS[depth]),
            "missing": [],
            "not asked for": [],
            "second names of one tensor": [],
            "of another shape": [],
        },
        call=f"resnet({depth}).state_dict()",
        explain=_explain_names,
    )


def _logits(resnet: Answer, x: Tensor, depth: int, training: bool = False) -> Tensor:
    """Of a network that is built without its initial weights, which would take longest."""
    with on_meta():
        model = resnet(depth, 3).to(x.dtype)
    model = model.to_empty(device="cpu").train(training)
    spread(model)
    with torch.no_grad():
        out: Tensor = model(x)
    return out


def _zoo_resnet(depth: int, num_classes: int) -> nn.Module:
    from coursekit.models import create_model

    return create_model(f"resnet{depth}", num_classes=num_classes)


@functools.cache
def _expected_logits(shape: tuple[int, ...], depth: int, training: bool) -> Tensor:
    """Computed once: it takes as long as the student's."""
    return _logits(_zoo_resnet, _image(shape, training), depth, training)


def _image(shape: tuple[int, ...], training: bool) -> Tensor:
    """In double precision for training mode: there rounding grows with every norm, and the
    logits would depend on the number of threads.
    """
    return ramp(*shape, cycle=7).to(torch.float64 if training else torch.float32) / 2


def _logits_case(title: str, depth: int, *shape: int, training: bool = False) -> Case:
    return Case(
        title,
        args=lambda: (_image(shape, training),),
        names=("x",),
        use=lambda resnet, x: _logits(resnet, x, depth, training),
        expected=lambda _: _expected_logits(shape, depth, training),
        call=f"resnet({depth}, num_classes=3).{'double().train' if training else 'eval'}()(x)",
    )


def warm_up() -> None:
    """Compute the logits that are compared with, once for all that fork from here."""
    for case in RESNET.cases:
        if case.expected is not None:
            case.expected(*case.args())


RESNET = Exercise(
    id="resnet",
    functions=("resnet",),
    cases=(
        _names_case(18),
        _names_case(34),
        _names_case(101),
        _names_case(152),
        _logits_case("logits of depth 50", 50, 1, 3, 40, 33),
        _logits_case("logits of depth 18 in training mode", 18, 2, 3, 33, 33, training=True),
        Case("there is no ResNet of depth 20", args=lambda: (20,), raises=ValueError),
    ),
    hints=(
        "Print `list(torchvision.models.resnet18().state_dict())` in a cell of its own and read it as a "
        "plan of the network: every name is an attribute, every number a place in a Sequential.",
        "conv1, bn1, a ReLU, a 3 x 3 max pooling with stride 2 and padding 1; layer1 to layer4 with 64, "
        "128, 256 and 512 channels, all but the first with stride 2; the average over all places; fc. A "
        "block's shortcut is called downsample, with its convolution at 0 and its norm at 1.",
        "In words: a table from depth to the kind of block and four numbers. In the constructor carry the "
        "number of channels along: 64 behind the stem, channels times the expansion behind each stage. "
        "Forward: stem, four stages, adaptive average pooling to 1 x 1, flatten, fc. Count the convolutions"
        " on the longest path to see that the depth is right.",
    ),
    forbidden=("torchvision models",),
)
