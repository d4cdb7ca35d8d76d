# /// course
# topic = "04_resnet"
# title = "ResNet"
# minutes = 310
# objectives = [
#     "build every ResNet of the paper's table, so that published weights load into it",
#     "say why a deeper plain network trains worse, and why a path for the identity cures it",
#     "place AlexNet, VGG, GoogLeNet and ResNet in line, by what each of them added",
#     "take a network apart: cut its shortcuts, start its blocks as the identity, read its gradients",
#     "design a fair experiment on trained networks, and say what it cannot show",
# ]
#
# [promises]
# points = 26
# misconceptions = 178
# alternatives = 29
# browser = [
#     "inception", "basic_block", "bottleneck", "make_stage",
#     "resnet", "plain_twin", "zero_init_residual", "gradient_norms",
# ]
# habit_places = {no_grad = "zero_init_residual"}  # elsewhere it would be a mistake: gradients are asked for
#
# [promises.lecture]
# sections = 18
# kept = 15
# predictions = 3
# demos = 2
#
# [exercises.inception]
# points = 3
# minutes = 35
# forbidden = []
#
# [exercises.basic_block]
# points = 4
# minutes = 45
# forbidden = ["torchvision models"]
#
# [exercises.bottleneck]
# points = 4
# minutes = 30
# forbidden = ["torchvision models"]
#
# [exercises.make_stage]
# points = 2
# minutes = 20
# forbidden = []
#
# [exercises.resnet]
# points = 7
# minutes = 60
# forbidden = ["torchvision models"]
#
# [exercises.plain_twin]
# points = 2
# minutes = 30
# forbidden = []
#
# [exercises.zero_init_residual]
# points = 2
# minutes = 15
# forbidden = []
#
# [exercises.gradient_norms]
# points = 2
# minutes = 25
# forbidden = []
#
# [exercises.open-experiment]
# points = 4
# minutes = 50
# manual = true
# ///

# %% [markdown]
# # 4 · ResNet
#
# For three years the recipe was: more layers.
#
# | | ImageNet, top-5 error | layers with weights | what it added |
# | --- | --- | --- | --- |
# | 2012 AlexNet | 16.4 % | 8 | ReLU, dropout, two GPUs |
# | 2014 VGG | 7.3 % | 19 | nothing but 3 x 3 convolutions, many of them |
# | 2014 GoogLeNet | 6.7 % | 22 | parallel branches, 1 x 1 convolutions to save work |
# | 2015 ResNet | 3.6 % | 152 | a way round every block |
#
# Between 22 and 152 stands an observation. The authors of ResNet stacked 56 plain layers, and the network was
# worse than one with 20. That happens when a network learns its training images by heart. But this one was
# worse **on the training images**. A 56-layer network can do whatever a 20-layer one can: keep the 20, let the
# others pass on what they get. It could, and training did not find it. In this assignment you build the cure,
# and take it apart to see what it does.
#
# **Afterwards you can**
#
# - build every ResNet of the paper's table, so that published weights load into it;
# - say why a deeper plain network trains worse, and why a path for the identity cures it;
# - place AlexNet, VGG, GoogLeNet and ResNet in line, by what each of them added;
# - take a network apart: cut its shortcuts, start its blocks as the identity, read its gradients;
# - design a fair experiment on trained networks, and say what it cannot show.
#
# | | exercise | points | about |
# | --- | --- | --- | --- |
# | 1 | `Inception` | 3 | 35 min |
# | 2 | `BasicBlock` | 4 | 45 min |
# | 3 | `Bottleneck` | 4 | 30 min |
# | 4 | `make_stage` | 2 | 20 min |
# | 5 | `resnet` | 7 | 60 min |
# | 6 | `plain_twin` | 2 | 30 min |
# | 7 | `zero_init_residual` | 2 | 15 min |
# | 8 | `gradient_norms` | 2 | 25 min |
# | 9 | open experiment, graded by hand | 4 | 50 min |
#
# **How to work.** Write your code where it says `# Your code here.`; the docstring above it is the
# specification. Some answers are classes here: they have two such places. Then run the check below, as often
# as you like. It looks at what your module consists of, gives all its weights whole numbers, runs it, and
# shows the first case that goes wrong and, for many common mistakes, which mistake it looks like. Stuck?
# `hint("basic_block")` gives the idea; ask again and it says more. `progress()` shows where you stand.
#
# **How to hand in.** Choose *Kernel → Restart Kernel and Run All Cells*, see that it runs to the end, save,
# and hand in this one file. Grading uses other inputs than the checks: other sizes, batches, number types,
# weights. It puts its tests into the cells that hold nothing but a comment, which says what will be tested;
# leave those cells as they are. No exercise needs the answer to another one.
#
# **Allowed.** All of `torch.nn`. Not allowed in exercises 2, 3 and 5 are ready-made networks and their blocks
# (`torchvision.models`, `coursekit.models`, `timm`). Reading torchvision's source is fine, and a good idea
# once your own block works.

# %% setup=true
import copy
import inspect
from contextlib import suppress

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import coursekit
from coursekit import check, data, hint, progress, train, viz
from coursekit.blocks import PlainBlock, Recorder, ResidualBlock, SmallResNet, WideRecorder

coursekit.seed_everything(0)
viz.use_style()

# %% parameters=true
# The size of the open experiment: "ci" takes seconds, "laptop" minutes, "gpu" wants one.
budget = "ci"

# %% [markdown]
# ## 1 · Four branches: GoogLeNet's module
#
# *3 points, about 35 minutes.*
#
# Which kernel is best for a layer, 1 x 1, 3 x 3 or 5 x 5? GoogLeNet's answer is not to choose: compute all
# three and a pooling side by side, and put the results one behind the other along the channels.
#
# ```text
#                  x  (c_in channels)
#       +----------+----------+----------+
#       |          |          |          |
#       |       1 x 1      1 x 1     max 3 x 3
#       |          |          |          |
#    1 x 1      3 x 3      5 x 5      1 x 1
#       |          |          |          |
#       +----------+----------+----------+
#                concatenate
# ```
#
# The 1 x 1 convolutions *in front of* the larger kernels are what makes this affordable. **How many weights
# does a 5 x 5 convolution from 192 to 32 channels have, and how many if 16 channels stand in between?** Work
# it out, then look below the check.


# %% answer="inception"
class Inception(nn.Module):
    """GoogLeNet's module: four branches look at the same map, and their channels are concatenated.

    The branches, in the order of the concatenation:

    1. a 1 x 1 convolution to `c1` channels;
    2. a 1 x 1 convolution to `c3[0]` channels, then a 3 x 3 convolution to `c3[1]`;
    3. a 1 x 1 convolution to `c5[0]` channels, then a 5 x 5 convolution to `c5[1]`;
    4. max pooling over 3 x 3 windows, then a 1 x 1 convolution to `c_pool` channels.

    Every convolution has a bias and is followed by a ReLU, the first ones of a branch too; there is no batch
    normalization (it came a year later). Everything has stride 1 and so much padding that height and width
    stay what they are.

    Args:
        c_in: Channels of the input.
        c1: Channels of branch 1.
        c3: (channels after the 1 x 1, channels after the 3 x 3) of branch 2.
        c5: (channels after the 1 x 1, channels after the 5 x 5) of branch 3.
        c_pool: Channels of branch 4.

    Shape:
        (N, c_in, H, W) to (N, c1 + c3[1] + c5[1] + c_pool, H, W).
    """

    def __init__(self, c_in: int, c1: int, c3: tuple[int, int], c5: tuple[int, int], c_pool: int) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.one = nn.Conv2d(c_in, c1, 1)
        self.three_reduce = nn.Conv2d(c_in, c3[0], 1)
        self.three = nn.Conv2d(c3[0], c3[1], 3, padding=1)
        self.five_reduce = nn.Conv2d(c_in, c5[0], 1)
        self.five = nn.Conv2d(c5[0], c5[1], 5, padding=2)
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.pool_project = nn.Conv2d(c_in, c_pool, 1)
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) to (N, c1 + c3[1] + c5[1] + c_pool, H, W)."""
        ### BEGIN SOLUTION
        branches = [
            self.one(x),
            self.three(F.relu(self.three_reduce(x))),
            self.five(F.relu(self.five_reduce(x))),
            self.pool_project(self.pool(x)),
        ]
        return F.relu(torch.cat(branches, dim=1))  # one ReLU for what would be four
        ### END SOLUTION


# %% check="inception"
_ = check("inception", Inception)

# %% helper="inception"
import torch
from torch.nn import functional as F


def inception_shapes(c_in, c1, c3, c5, c_pool):
    """The convolutions, branch by branch."""
    return [
        (c1, c_in, 1, 1),
        (c3[0], c_in, 1, 1),
        (c3[1], c3[0], 3, 3),
        (c5[0], c_in, 1, 1),
        (c5[1], c5[0], 5, 5),
        (c_pool, c_in, 1, 1),
    ]


def inception_output(x, state, names):
    """The four branches, one behind the other."""

    def layer(x, number):
        weight, bias = (state[name] for name in names[number])
        return F.relu(F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2))

    pooled = F.max_pool2d(x, 3, stride=1, padding=1)
    return torch.cat([layer(x, 0), layer(layer(x, 1), 2), layer(layer(x, 3), 4), layer(pooled, 5)], dim=1)


# %% test="inception" part="branches" points=2
# Outputs for channels and sizes of all kinds, a single pixel too; branches of equal widths; float64.
### BEGIN HIDDEN TESTS
import torch

from coursekit.check import fixed_and_fresh
from coursekit.check.modules import assignments, randomize

for generator, (channels, size, dtype) in fixed_and_fresh(
    11,
    [
        ((3, 2, (4, 5), (6, 7), 8), (2, 7, 5), torch.float32),
        ((5, 4, (3, 2), (1, 6), 7), (1, 1, 1), torch.float64),
        ((4, 3, (2, 3), (2, 3), 3), (3, 6, 9), torch.float64),  # branches that only their order tells apart
        ((2, 2, (2, 2), (2, 2), 2), (2, 8, 3), torch.float64),
    ],
    lambda whole: (
        (whole(1, 5), whole(1, 4), (whole(1, 4), whole(1, 5)), (whole(1, 4), whole(1, 5)), whole(1, 5)),
        (whole(1, 3), whole(1, 8), whole(1, 8)),
        torch.float64,
    ),
    count=1,
):
    what = f"Inception{channels} on {size[0]} images of {size[1]} x {size[2]}"
    x = torch.randn(size[0], channels[0], *size[1:], generator=generator).to(dtype) - 1
    before = x.clone()
    module = Inception(*channels).to(dtype)
    state = randomize(module, generator)
    found = [
        inception_output(x, state, names)
        for names in assignments(state, inception_shapes(*channels), norms=False)
    ]
    for mode in (True, False):
        with torch.no_grad():
            actual = module.train(mode)(x)
        assert actual.shape == found[0].shape, (
            f"{what}: shape {tuple(actual.shape)}, not {tuple(found[0].shape)}"
        )
        expected = min(found, key=lambda one: (one - actual).abs().max())
        torch.testing.assert_close(
            actual, expected, rtol=1e-4, atol=1e-4, msg=lambda text, what=what: f"{what}: {text}"
        )
    assert torch.equal(x, before), f"{what}: the input was changed"
### END HIDDEN TESTS

# %% test="inception" part="gradients" points=1
# Gradients of the input and of every weight and bias.
### BEGIN HIDDEN TESTS
import torch

from coursekit.check import fixed_and_fresh
from coursekit.check.modules import assignments, randomize

for generator, channels in fixed_and_fresh(
    12,
    [(3, 2, (4, 5), (6, 7), 8), (4, 3, (2, 3), (2, 3), 3)],
    lambda whole: (whole(1, 4), whole(1, 3), (whole(1, 3), whole(1, 4)), (whole(1, 3), 2), whole(1, 4)),
    count=1,
):
    x = torch.randn(2, channels[0], 5, 6, generator=generator).double().requires_grad_()
    module = Inception(*channels).double()
    state = randomize(module, generator)
    weights = dict(module.named_parameters())
    out = module(x)
    grad_output = torch.randn(out.shape, generator=generator).double()
    gradients = torch.autograd.grad(out, [x, *weights.values()], grad_output, allow_unused=True)
    actual = dict(zip(["x", *weights], gradients, strict=True))
    unused = [name for name, gradient in actual.items() if gradient is None]
    assert not unused, f"Inception{channels}: {', '.join(unused)} took no part in the output"
    found = []
    for names in assignments(state, inception_shapes(*channels), norms=False):
        variables = {name: tensor.clone().requires_grad_() for name, tensor in state.items()}
        taken = [x] + [variables[name] for name in weights]
        gradients = torch.autograd.grad(inception_output(x, variables, names), taken, grad_output)
        found.append(dict(zip(actual, gradients, strict=True)))
    expected = min(found, key=lambda one: (one["x"] - actual["x"]).abs().max())
    for name, gradient in expected.items():
        torch.testing.assert_close(
            actual[name],
            gradient,
            msg=lambda text, what=f"Inception{channels}, gradient of {name}": f"{what}: {text}",
        )
### END HIDDEN TESTS

# %%
direct = sum(p.numel() for p in nn.Conv2d(192, 32, 5).parameters())
reduced = sum(
    p.numel() for layer in (nn.Conv2d(192, 16, 1), nn.Conv2d(16, 32, 5)) for p in layer.parameters()
)
print(f"5 x 5 at once: {direct:,} weights; through 16 channels: {reduced:,}, a {direct / reduced:.0f}th")

with suppress(NotImplementedError):
    module = Inception(192, 64, (96, 128), (16, 32), 32)  # the first of GoogLeNet's nine
    out = module(torch.zeros(1, 192, 28, 28))
    print(f"the whole module: {sum(p.numel() for p in module.parameters()):,} weights, {tuple(out.shape)}")

# %% [markdown]
# ## 2 · A way round: the basic block
#
# *4 points, about 45 minutes. Not allowed: ready-made networks and their blocks.*
#
# What should a layer that has nothing to add learn? The identity. That is awkward for convolutions: nine
# weights in each filter must come out just right, and a ReLU behind them must never be in the way. ResNet asks
# another question of its layers: not *what should come out* but *what should be added*. The answer for a layer
# with nothing to add is zero, and zero is where weights start from.
#
# ```text
#      x ------------------------------+
#      |                               |
#   3 x 3 conv (stride)                |    the shortcut: x itself,
#   batch norm                         |    or a 1 x 1 conv (stride)
#   ReLU                               |    and a batch norm, where
#   3 x 3 conv                         |    x would not fit
#   batch norm                         |
#      |                               |
#      + <-----------------------------+
#      |
#    ReLU
#      |
#      y = relu(F(x) + shortcut(x))
# ```
#
# Four questions before you write. Why is there no ReLU *between* the last norm and the sum: what could F then
# not do? Why no bias in the convolutions? When would x not fit: what can differ between x and F(x)? And why
# does every place where a norm stands need one of its own, when one ReLU could serve all?
#
# Your attributes may have any names. If you take torchvision's (`conv1`, `bn1`, `conv2`, `bn2`, and
# `downsample` for a shortcut with weights, convolution first, `None` for x itself), you can use the block
# again in exercise 5, where the names matter.


# %% answer="basic_block"
class BasicBlock(nn.Module):
    """The block of ResNet-18 and ResNet-34: relu(F(x) + shortcut(x)).

    F is a 3 x 3 convolution, batch normalization, ReLU, a second 3 x 3 convolution, batch normalization. All
    convolutions are without bias; the norms are `nn.BatchNorm2d` with torch's own settings. The stride
    belongs to the first convolution, padding keeps the map's size but for the stride.

    The shortcut is x itself where F changes neither the number of channels nor the size of the map; otherwise
    a 1 x 1 convolution with the stride, then batch normalization ("option B" of the paper).

    Args:
        c_in: Channels of the input.
        channels: Channels of both convolutions and of the output.
        stride: 1, or 2 to halve height and width.

    Shape:
        (N, c_in, H, W) to (N, channels, ceil(H / stride), ceil(W / stride)). The input is not changed.
    """

    expansion = 1  # channels of the output, in units of `channels`

    def __init__(self, c_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.conv1 = nn.Conv2d(c_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or c_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(c_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) to (N, channels, ceil(H / stride), ceil(W / stride))."""
        ### BEGIN SOLUTION
        shortcut = x if self.downsample is None else self.downsample(x)
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + shortcut)  # F itself ends without ReLU, so that it can take away as well as add
        ### END SOLUTION


# %% check="basic_block"
_ = check("basic_block", BasicBlock)

# %% helper=true part="blocks"
import torch
from torch.nn import functional as F

from coursekit.check.modules import assignments, randomize


def normalized(x, state, names, stride=1, training=False):
    """A convolution and its norm; running statistics in the state are renewed in training."""
    weight, mean, var, scale, shift = (state[name] for name in names)
    out = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
    return F.batch_norm(out, mean, var, scale, shift, training)


def evaluates(name, block_type, output, shapes, cases):
    """In evaluation mode a block gives the output, and leaves its input alone."""
    for generator, (c_in, channels, stride, size, dtype) in cases:
        what = f"{name}({c_in}, {channels}, {stride}) on {size[0]} images of {size[1]} x {size[2]}"
        x = torch.randn(size[0], c_in, *size[1:], generator=generator).to(dtype)
        before = x.clone()
        block = block_type(c_in, channels, *([stride] if stride > 1 else [])).to(dtype).eval()
        state = randomize(block, generator)
        with torch.no_grad():
            actual = block(x)
        found = [
            output(x, state, names, stride)
            for names in assignments(state, shapes(c_in, channels, stride), norms=True)
        ]
        assert actual.shape == found[0].shape, (
            f"{what}: shape {tuple(actual.shape)}, not {tuple(found[0].shape)}"
        )
        expected = min(found, key=lambda one: (one - actual).abs().max())
        torch.testing.assert_close(actual, expected, msg=lambda text, what=what: f"{what}: {text}")
        assert torch.equal(x, before), f"{what}: the input was changed"


def trains(name, block_type, output, shapes, cases):
    """In training mode a block gives the output of two batches, renews its statistics, and keeps them."""
    for generator, (c_in, channels, stride) in cases:
        what = f"{name}({c_in}, {channels}, {stride}) in training mode"
        batches = [torch.randn(5, c_in, 6, 7, generator=generator).double() + shift for shift in (0, 3)]
        block = block_type(c_in, channels, stride).double()
        state = randomize(block, generator)
        with torch.no_grad():
            actual = [block.train()(x) for x in batches] + [block.eval()(batches[0])]
        found = []
        for names in assignments(state, shapes(c_in, channels, stride), norms=True):
            after = {key: tensor.clone() for key, tensor in state.items()}
            outputs = [output(x, after, names, stride, training=True) for x in batches]
            found.append((outputs + [output(batches[0], after, names, stride)], after))
        outputs, after = min(found, key=lambda one: (one[0][0] - actual[0]).abs().max())
        for number, call in enumerate(("first batch", "second batch", "evaluation mode afterwards")):
            torch.testing.assert_close(
                actual[number], outputs[number], msg=lambda text, what=f"{what}, {call}": f"{what}: {text}"
            )
        for key, tensor in block.state_dict().items():
            expected = torch.tensor(2) if key.endswith("num_batches_tracked") else after[key]
            torch.testing.assert_close(
                tensor, expected, msg=lambda text, what=f"{what}, {key} after two batches": f"{what}: {text}"
            )


def differentiates(name, block_type, output, shapes, cases):
    """A block's gradients, of its input and of every weight, are those of the output."""
    for generator, (c_in, channels, stride, training) in cases:
        mode = "training" if training else "evaluation"
        what = f"{name}({c_in}, {channels}, {stride}) in {mode} mode"
        x = torch.randn(3, c_in, 5, 6, generator=generator).double().requires_grad_()
        block = block_type(c_in, channels, stride).double().train(training)
        state = randomize(block, generator)
        weights = dict(block.named_parameters())
        out = block(x)
        grad_output = torch.randn(out.shape, generator=generator).double()
        gradients = torch.autograd.grad(out, [x, *weights.values()], grad_output, allow_unused=True)
        actual = dict(zip(["x", *weights], gradients, strict=True))
        unused = [key for key, gradient in actual.items() if gradient is None]
        assert not unused, f"{what}: {', '.join(unused)} took no part in the output"
        found = []
        for names in assignments(state, shapes(c_in, channels, stride), norms=True):
            variables = {key: tensor.clone() for key, tensor in state.items()}
            taken = [x] + [variables[key].requires_grad_() for key in weights]
            gradients = torch.autograd.grad(output(x, variables, names, stride, training), taken, grad_output)
            found.append(dict(zip(actual, gradients, strict=True)))
        expected = min(found, key=lambda one: (one["x"] - actual["x"]).abs().max())
        for key, gradient in expected.items():
            torch.testing.assert_close(
                actual[key],
                gradient,
                msg=lambda text, what=f"{what}, gradient of {key}": f"{what}: {text}",
            )


# %% helper="basic_block"
def basic_output(x, state, names, stride, training=False):
    """relu(F(x) + shortcut(x))."""
    out = normalized(F.relu(normalized(x, state, names[0], stride, training)), state, names[1], 1, training)
    return F.relu(out + (normalized(x, state, names[2], stride, training) if len(names) == 3 else x))


def basic_shapes(c_in, channels, stride):
    """The convolutions in the order of their use, the shortcut's last."""
    shapes = [(channels, c_in, 3, 3), (channels, channels, 3, 3)]
    return shapes + [(channels, c_in, 1, 1)] * (stride != 1 or c_in != channels)


# %% test="basic_block" part="identity" points=1
# No stride and no new channels, in evaluation mode: one image and several, odd sizes, float64.
### BEGIN HIDDEN TESTS
import torch

from coursekit.check import fixed_and_fresh, forbid

assert BasicBlock.expansion == 1, f"BasicBlock.expansion is {BasicBlock.expansion}, not 1"
cases = [
    (3, 3, 1, (2, 7, 5), torch.float32),
    (2, 2, 1, (1, 4, 4), torch.float64),
    (4, 4, 1, (3, 1, 6), torch.float64),
]


def drawn(whole):
    """A fresh case."""
    channels = whole(1, 5)
    size = whole(1, 3), whole(1, 7), whole(2, 7)
    return channels, channels, 1, size, torch.float64


with forbid("torchvision models"):
    evaluates(
        "BasicBlock", BasicBlock, basic_output, basic_shapes, fixed_and_fresh(21, cases, drawn, count=1)
    )
### END HIDDEN TESTS

# %% test="basic_block" part="projection" points=1
# Strides and new channels, together and alone, in evaluation mode; odd sizes, one image, float64.
### BEGIN HIDDEN TESTS
import torch

from coursekit.check import fixed_and_fresh, forbid

assert BasicBlock.expansion == 1, f"BasicBlock.expansion is {BasicBlock.expansion}, not 1"
cases = [
    (3, 5, 2, (2, 7, 5), torch.float32),
    (2, 3, 1, (1, 4, 5), torch.float64),
    (4, 4, 2, (2, 6, 9), torch.float64),
    (5, 2, 2, (1, 5, 8), torch.float64),
]


def drawn(whole):
    """A fresh case."""
    size = whole(1, 3), whole(2, 9), whole(2, 9)
    return whole(1, 5), whole(1, 5), 2, size, torch.float64


with forbid("torchvision models"):
    evaluates(
        "BasicBlock", BasicBlock, basic_output, basic_shapes, fixed_and_fresh(22, cases, drawn, count=1)
    )
### END HIDDEN TESTS

# %% test="basic_block" part="training" points=1
# Training mode: outputs, running statistics after two batches, and evaluation mode afterwards.
### BEGIN HIDDEN TESTS
from coursekit.check import fixed_and_fresh, forbid

cases = [(3, 3, 1), (2, 4, 2), (3, 3, 2), (4, 2, 1)]


def drawn(whole):
    """A fresh case."""
    return whole(1, 4), whole(1, 4), whole(1, 2)


with forbid("torchvision models"):
    trains("BasicBlock", BasicBlock, basic_output, basic_shapes, fixed_and_fresh(23, cases, drawn, count=1))
### END HIDDEN TESTS

# %% test="basic_block" part="gradients" points=1
# Gradients of the input and of every weight, in both modes.
### BEGIN HIDDEN TESTS
from coursekit.check import fixed_and_fresh, forbid

cases = [
    (3, 3, 1, True),
    (2, 4, 2, True),
    (3, 3, 2, False),
    (3, 3, 1, False),
]


def drawn(whole):
    """A fresh case."""
    return whole(1, 4), whole(1, 4), whole(1, 2), True


with forbid("torchvision models"):
    differentiates(
        "BasicBlock", BasicBlock, basic_output, basic_shapes, fixed_and_fresh(24, cases, drawn, count=1)
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · Deeper for less: the bottleneck
#
# *4 points, about 30 minutes. Not allowed: ready-made networks and their blocks.*
#
# The 3 x 3 convolutions are what a block spends its weights on. GoogLeNet's trick helps again: go down to few
# channels by a 1 x 1 convolution, do the 3 x 3 there, go up again by another 1 x 1.
#
# ```text
#    basic block                     bottleneck
#
#    C                               4 C
#    | 3 x 3, C to C                 | 1 x 1, 4 C to C
#    | 3 x 3, C to C                 | 3 x 3, C to C      (stride)
#    C                               | 1 x 1, C to 4 C
#                                    4 C
# ```
#
# **Which of the two has more weights, in units of C²?** And how many channels does each of them hand on? Norms,
# ReLUs and the shortcut follow the same rules as before; mind that the shortcut has to arrive at 4 C.
#
# The paper put the stride into the first 1 x 1. Here it stands in the 3 x 3, as in torchvision and most of what
# is used today. What does a 1 x 1 convolution with a stride of 2 do to three quarters of its input?


# %% answer="bottleneck"
class Bottleneck(nn.Module):
    """The block of ResNet-50 and deeper: relu(F(x) + shortcut(x)).

    F is a 1 x 1 convolution to `channels`, a 3 x 3 convolution among `channels`, and a 1 x 1 convolution to
    `4 * channels`. Batch normalization follows each of the three, a ReLU the first two. All convolutions are
    without bias; the norms are `nn.BatchNorm2d` with torch's own settings. The stride belongs to the 3 x 3
    convolution.

    The shortcut is x itself where F changes neither the number of channels nor the size of the map; otherwise
    a 1 x 1 convolution with the stride, then batch normalization.

    Args:
        c_in: Channels of the input.
        channels: Channels of the 3 x 3 convolution; the output has `4 * channels`.
        stride: 1, or 2 to halve height and width.

    Shape:
        (N, c_in, H, W) to (N, 4 * channels, ceil(H / stride), ceil(W / stride)). The input is not changed.
    """

    expansion = 4  # channels of the output, in units of `channels`

    def __init__(self, c_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        c_out = self.expansion * channels
        self.conv1 = nn.Conv2d(c_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.downsample = None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
            )
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """(N, c_in, H, W) to (N, 4 * channels, ceil(H / stride), ceil(W / stride))."""
        ### BEGIN SOLUTION
        shortcut = x if self.downsample is None else self.downsample(x)
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + shortcut)
        ### END SOLUTION


# %% check="bottleneck"
_ = check("bottleneck", Bottleneck)


# %% helper="bottleneck"
def bottleneck_output(x, state, names, stride, training=False):
    """relu(F(x) + shortcut(x))."""
    out = F.relu(normalized(x, state, names[0], 1, training))
    out = F.relu(normalized(out, state, names[1], stride, training))
    out = normalized(out, state, names[2], 1, training)
    return F.relu(out + (normalized(x, state, names[3], stride, training) if len(names) == 4 else x))


def bottleneck_shapes(c_in, channels, stride):
    """The convolutions in the order of their use, the shortcut's last."""
    shapes = [(channels, c_in, 1, 1), (channels, channels, 3, 3), (4 * channels, channels, 1, 1)]
    return shapes + [(4 * channels, c_in, 1, 1)] * (stride != 1 or c_in != 4 * channels)


# %% test="bottleneck" part="identity" points=1
# No stride, and 4 * channels in and out, in evaluation mode: one image and several, odd sizes, float64.
### BEGIN HIDDEN TESTS
import torch

from coursekit.check import fixed_and_fresh, forbid

assert Bottleneck.expansion == 4, f"Bottleneck.expansion is {Bottleneck.expansion}, not 4"
cases = [
    (8, 2, 1, (2, 7, 5), torch.float32),
    (4, 1, 1, (1, 4, 4), torch.float64),
    (12, 3, 1, (3, 1, 6), torch.float64),
]


def drawn(whole):
    """A fresh case."""
    channels = whole(1, 3)
    size = whole(1, 3), whole(1, 7), whole(2, 7)
    return 4 * channels, channels, 1, size, torch.float64


with forbid("torchvision models"):
    evaluates(
        "Bottleneck",
        Bottleneck,
        bottleneck_output,
        bottleneck_shapes,
        fixed_and_fresh(31, cases, drawn, count=1),
    )
### END HIDDEN TESTS

# %% test="bottleneck" part="projection" points=1
# Strides and new channels, together and alone, in evaluation mode; odd sizes, one image, float64.
### BEGIN HIDDEN TESTS
import torch

from coursekit.check import fixed_and_fresh, forbid

assert Bottleneck.expansion == 4, f"Bottleneck.expansion is {Bottleneck.expansion}, not 4"
cases = [
    (3, 2, 2, (2, 7, 5), torch.float32),
    (3, 3, 1, (1, 4, 5), torch.float64),
    (8, 2, 2, (2, 6, 9), torch.float64),
    (9, 2, 1, (1, 5, 8), torch.float64),
    (5, 1, 2, (1, 5, 8), torch.float64),
]


def drawn(whole):
    """A fresh case."""
    size = whole(1, 3), whole(2, 9), whole(2, 9)
    return whole(1, 9), whole(1, 3), 2, size, torch.float64


with forbid("torchvision models"):
    evaluates(
        "Bottleneck",
        Bottleneck,
        bottleneck_output,
        bottleneck_shapes,
        fixed_and_fresh(32, cases, drawn, count=1),
    )
### END HIDDEN TESTS

# %% test="bottleneck" part="training" points=1
# Training mode: outputs, running statistics after two batches, and evaluation mode afterwards.
### BEGIN HIDDEN TESTS
from coursekit.check import fixed_and_fresh, forbid

cases = [(8, 2, 1), (3, 2, 2), (2, 2, 1), (4, 1, 2)]


def drawn(whole):
    """A fresh case."""
    return whole(1, 8), whole(1, 2), whole(1, 2)


with forbid("torchvision models"):
    trains(
        "Bottleneck",
        Bottleneck,
        bottleneck_output,
        bottleneck_shapes,
        fixed_and_fresh(33, cases, drawn, count=1),
    )
### END HIDDEN TESTS

# %% test="bottleneck" part="gradients" points=1
# Gradients of the input and of every weight, in both modes.
### BEGIN HIDDEN TESTS
from coursekit.check import fixed_and_fresh, forbid

cases = [
    (8, 2, 1, True),
    (3, 2, 2, True),
    (8, 2, 2, False),
    (8, 2, 1, False),
]


def drawn(whole):
    """A fresh case."""
    return whole(1, 8), whole(1, 2), whole(1, 2), True


with forbid("torchvision models"):
    differentiates(
        "Bottleneck",
        Bottleneck,
        bottleneck_output,
        bottleneck_shapes,
        fixed_and_fresh(34, cases, drawn, count=1),
    )
### END HIDDEN TESTS

# %%
with suppress(NotImplementedError):
    for name, block in [
        ("a basic block at 256 channels", BasicBlock(256, 256)),
        ("a bottleneck at 256 channels", Bottleneck(256, 64)),
        ("a basic block at 64 channels", BasicBlock(64, 64)),
    ]:
        weights = sum(p.numel() for p in block.parameters() if p.dim() == 4)
        print(f"{name:<30} {weights:>9,} weights = {weights / 64**2:5.0f} · 64²")

# %% [markdown]
# ## 4 · Stages
#
# *2 points, about 20 minutes.*
#
# A ResNet is four stages, a stage is a number of blocks. The first block of a stage does what changes: more
# channels, half the map. All others keep both. **With `block.expansion` 4, channels 64 and 256 channels coming
# in, does the first block of the stage need a shortcut with weights? And with 64 coming in?**
#
# `make_stage` gets the *class* of the blocks and calls it. To try it, there are two classes that compute next
# to nothing and note what they were made with: `Recorder` (expansion 1) and `WideRecorder` (expansion 4).


# %% answer="make_stage"
def make_stage(block: type[nn.Module], c_in: int, channels: int, depth: int, stride: int) -> nn.Sequential:
    """Stack blocks: the first changes channels and size of the map, the others neither.

    Args:
        block: A class to be called as `block(c_in, channels, stride)`. Its output has
            `channels * block.expansion` channels.
        c_in: Channels that come into the stage.
        channels: Given to every block.
        depth: The number of blocks, at least 1.
        stride: Of the first block; all others have stride 1.

    Returns:
        An `nn.Sequential` of `depth` blocks, each an instance of its own.
    """
    ### BEGIN SOLUTION
    c_out = channels * block.expansion
    blocks = [block(c_in, channels, stride)]
    for _ in range(depth - 1):
        blocks.append(block(c_out, channels, 1))
    return nn.Sequential(*blocks)
    ### END SOLUTION


# %% check="make_stage"
_ = check("make_stage", make_stage)

# %% test="make_stage" part="plan" points=1
# What the blocks are made with: channels and stride of the first and of all others, for both expansions.
### BEGIN HIDDEN TESTS
from coursekit.blocks import Recorder, WideRecorder
from coursekit.check import fixed_and_fresh

for block in (Recorder, WideRecorder):
    for _, (c_in, channels, depth, stride) in fixed_and_fresh(
        41,
        [(16, 16, 3, 1), (16, 32, 2, 2), (64, 16, 4, 1), (7, 5, 1, 3), (20, 5, 3, 2)],
        lambda whole: (whole(1, 64), whole(1, 64), whole(1, 6), whole(1, 4)),
    ):
        what = f"make_stage({block.__name__}, {c_in}, {channels}, {depth}, {stride})"
        stage = make_stage(block, c_in, channels, depth, stride)
        actual = [tuple(one.made_with) for one in stage]
        later = (channels * block.expansion, channels, 1)
        expected = [(c_in, channels, stride)] + [later] * (depth - 1)
        assert actual == expected, f"{what}: blocks made with {actual}, not {expected}"
### END HIDDEN TESTS

# %% test="make_stage" part="module" points=1
# The result is a Sequential that maps images; every block is an instance of its own, with its own weights.
### BEGIN HIDDEN TESTS
import torch
from torch import nn

from coursekit.blocks import Recorder, WideRecorder
from coursekit.check import fixed_and_fresh

for _, (block, c_in, channels, depth, stride) in fixed_and_fresh(
    42,
    [
        (Recorder, 3, 4, 3, 2),
        (WideRecorder, 3, 4, 4, 1),
        (WideRecorder, 8, 2, 2, 2),
        (Recorder, 5, 5, 1, 1),
    ],
    lambda whole: (WideRecorder, whole(1, 8), whole(1, 8), whole(2, 5), whole(1, 3)),
):
    what = f"make_stage({block.__name__}, {c_in}, {channels}, {depth}, {stride})"
    stage = make_stage(block, c_in, channels, depth, stride)
    assert isinstance(stage, nn.Sequential), f"{what} should be an nn.Sequential"
    assert len(stage) == depth, f"{what} has {len(stage)} blocks"
    weights = len(list(stage.parameters()))
    assert weights == depth, f"{what}: {depth} blocks share {weights} weights; each should have its own"
    with torch.no_grad():
        out = stage(torch.zeros(2, c_in, 9, 6))
    side = [-(-9 // stride), -(-6 // stride)]
    assert list(out.shape) == [2, channels * block.expansion, *side], f"{what}: shape {tuple(out.shape)}"
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · The whole family
#
# *7 points, about 60 minutes. Not allowed: ready-made networks and their blocks.*
#
# Here is the table of the paper, for images of 224 x 224. `[3 x 3, 64]` twice in a row are the two convolutions
# of a basic block.
#
# | stage | map | 18 | 34 | 50 | 101 | 152 |
# | --- | --- | --- | --- | --- | --- | --- |
# | conv1 | 112 x 112 | 7 x 7, 64, stride 2 | same | same | same | same |
# | | 56 x 56 | 3 x 3 max pooling, stride 2 | same | same | same | same |
# | layer1 | 56 x 56 | [3 x 3, 64; 3 x 3, 64] · 2 | same · 3 | [1 x 1, 64; 3 x 3, 64; 1 x 1, 256] · 3 | same · 3 | same · 3 |
# | layer2 | 28 x 28 | [3 x 3, 128; 3 x 3, 128] · 2 | same · 4 | [1 x 1, 128; 3 x 3, 128; 1 x 1, 512] · 4 | same · 4 | same · 8 |
# | layer3 | 14 x 14 | [3 x 3, 256; 3 x 3, 256] · 2 | same · 6 | [1 x 1, 256; 3 x 3, 256; 1 x 1, 1024] · 6 | same · 23 | same · 36 |
# | layer4 | 7 x 7 | [3 x 3, 512; 3 x 3, 512] · 2 | same · 3 | [1 x 1, 512; 3 x 3, 512; 1 x 1, 2048] · 3 | same · 3 | same · 3 |
# | | 1 x 1 | average over all places | same | same | same | same |
# | fc | | 1000 logits | same | same | same | same |
#
# **Does the 18 in ResNet-18 come out?** Count the layers with weights on the longest way, without the
# shortcuts. Then count for 152.
#
# Published weights are a dictionary from names to tensors. They load into *your* network only if every name and
# every shape agrees, so here the names matter: those of torchvision. The next cell prints them for one stage.
# Read them as a plan: each name is an attribute, each number a place in an `nn.Sequential`.
#
# You may use your blocks and your `make_stage`, or write what you need anew: then nothing that is wrong above
# can be wrong here.

# %%
from torchvision import models as published

with torch.device("meta"):  # names and shapes alone
    state = published.resnet18(weights=None).state_dict()
for name, tensor in state.items():
    if name.startswith(("conv1", "bn1", "layer2.0", "fc")) and "num_batches" not in name:
        print(f"{name:<36} {tuple(tensor.shape)}")


# %% answer="resnet"
def resnet(depth: int, num_classes: int = 1000) -> nn.Module:
    """Build a ResNet of the paper's table, with the names of torchvision.

    A state dict of `torchvision.models.resnet18()` and so on loads with `strict=True`, and the logits are
    then the same, in training mode and in evaluation mode.

    Args:
        depth: 18, 34, 50, 101 or 152.
        num_classes: The number of logits.

    Returns:
        A module for images (N, 3, H, W) of any size from 32 pixels on, to logits (N, num_classes).

    Raises:
        ValueError: There is no ResNet of this depth.
    """
    ### BEGIN SOLUTION
    table = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
    if depth not in table:
        raise ValueError(f"there is no ResNet-{depth}; choose one of {', '.join(map(str, table))}")
    expansion = 1 if depth < 50 else 4

    def conv(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
        return nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)

    class Block(nn.Module):
        """Both kinds: the bottleneck has a third pair, and other kernels."""

        def __init__(self, c_in: int, channels: int, stride: int) -> None:
            super().__init__()
            c_out = expansion * channels
            if expansion == 1:
                self.conv1, self.conv2 = conv(c_in, channels, 3, stride), conv(channels, channels, 3)
            else:
                self.conv1, self.conv2 = conv(c_in, channels, 1), conv(channels, channels, 3, stride)
                self.conv3, self.bn3 = conv(channels, c_out, 1), nn.BatchNorm2d(c_out)
            self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
            self.downsample = None
            if stride != 1 or c_in != c_out:
                self.downsample = nn.Sequential(conv(c_in, c_out, 1, stride), nn.BatchNorm2d(c_out))

        def forward(self, x: Tensor) -> Tensor:
            out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            if expansion > 1:
                out = self.bn3(self.conv3(F.relu(out)))
            return F.relu(out + (x if self.downsample is None else self.downsample(x)))

    def stage(c_in: int, channels: int, count: int, stride: int) -> nn.Sequential:
        first = Block(c_in, channels, stride)
        return nn.Sequential(first, *(Block(expansion * channels, channels, 1) for _ in range(count - 1)))

    class ResNet(nn.Module):
        """Stem, four stages, head."""

        def __init__(self) -> None:
            super().__init__()
            counts = table[depth]
            self.conv1 = conv(3, 64, 7, 2)
            self.bn1 = nn.BatchNorm2d(64)
            self.layer1 = stage(64, 64, counts[0], 1)
            self.layer2 = stage(64 * expansion, 128, counts[1], 2)
            self.layer3 = stage(128 * expansion, 256, counts[2], 2)
            self.layer4 = stage(256 * expansion, 512, counts[3], 2)
            self.fc = nn.Linear(512 * expansion, num_classes)

        def forward(self, x: Tensor) -> Tensor:
            x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(x.mean(dim=(2, 3)))

    return ResNet()
    ### END SOLUTION


# %% check="resnet"
_ = check("resnet", resnet)

# %% helper="resnet"
import functools

import torch
import torchvision
from torch.nn import functional as F

from coursekit.check import forbid
from coursekit.check.modules import on_meta, thin_state

# What torchvision's networks say is the same for every hand-in. It is computed here and kept, since a grader
# runs this cell once for all of them.


@functools.cache
def torchvisions(depth, num_classes):
    """The network without memory for weights: names with types and shapes, and which of them are trained."""
    with on_meta():
        theirs = getattr(torchvision.models, f"resnet{depth}")(num_classes=num_classes)
    wanted = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in theirs.state_dict().items()}
    return theirs, wanted, [name for name, _ in theirs.named_parameters()]


@functools.cache
def evaluated(depth, num_classes, *sizes):
    """A state, images of these sizes, and torchvision's logits in evaluation mode."""
    theirs = torchvisions(depth, num_classes)[0]
    generator = torch.Generator().manual_seed(depth)
    state = thin_state(theirs, generator)
    theirs.load_state_dict(state, assign=True)
    images = [torch.randn(2, 3, *size, generator=generator) for size in sizes]
    with torch.no_grad():
        return state, images, [theirs.eval()(x) for x in images]


@functools.cache
def trained(depth, num_classes):
    """A state, images with labels, and torchvision's loss, gradients and buffers after one batch."""
    theirs = torchvisions(depth, num_classes)[0]
    generator = torch.Generator().manual_seed(depth)
    state = thin_state(theirs, generator)
    ours = {name: tensor if tensor.dim() > 1 else tensor.clone() for name, tensor in state.items()}
    theirs.load_state_dict(ours, assign=True)
    x, y = torch.randn(4, 3, 64, 48, generator=generator).requires_grad_(), torch.tensor([0, 3, 4, 1])
    loss = F.cross_entropy(theirs.train()(x), y)
    weights = {"x": x} | dict(theirs.named_parameters())
    gradients = torch.autograd.grad(loss, list(weights.values()))
    return (
        state,
        x,
        y,
        loss.detach(),
        dict(zip(weights, gradients, strict=True)),
        {name: buffer.clone() for name, buffer in theirs.named_buffers()},
    )


CLASSES = {18: 10, 34: 4, 50: 3, 101: 2, 152: 2}


def named(depth, num_classes):
    """As `torchvisions`, for any number of classes: only the last layer's shapes depend on it."""
    _, wanted, trainable = torchvisions(depth, CLASSES[depth])
    dtype, (_, features) = wanted["fc.weight"]
    last = {"fc.weight": (dtype, (num_classes, features)), "fc.bias": (dtype, (num_classes,))}
    return wanted | last, trainable


SIZES = (64, 64), (39, 70)
evaluated(18, 10, *SIZES)
evaluated(50, 3, *SIZES)
trained(18, 5)
for depth in (34, 101, 152):
    torchvisions(depth, CLASSES[depth])


def same_names(resnet, depth, num_classes):
    """Compare with torchvision's, without memory for weights; returns the network."""
    what = f"resnet({depth}, {num_classes})"
    with torch.device("meta"), forbid("torchvision models"):
        model = resnet(depth, num_classes)
    wanted, trainable = named(depth, num_classes)
    found = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in model.state_dict().items()}
    missing, unexpected = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    assert not missing, f"{what} lacks {len(missing)} names of torchvision's, {min(missing)} among them"
    assert not unexpected, f"{what} has {len(unexpected)} other names, {min(unexpected)} among them"
    for name, shape in wanted.items():
        assert found[name] == shape, f"{what}: {name} is {found[name]}, not {shape}"
    weights = dict(model.named_parameters())
    for name in trainable:
        assert name in weights, f"{what}: {name} is no parameter of its own"
        assert weights[name].requires_grad, f"{what}: {name} cannot be trained"
    return model


def same_logits(resnet, depth, generator):
    """Load torchvision's state dict, and compare what comes out for fixed images and for one that is drawn."""
    num_classes = CLASSES[depth]
    model = same_names(resnet, depth, num_classes)
    state, images, wanted = evaluated(depth, num_classes, *SIZES)
    height, width = torch.randint(32, 49, (2,), generator=generator).tolist()
    images = [*images, torch.randn(1, 3, height, width, generator=generator)]
    with torch.no_grad():
        wanted = [*wanted, torchvisions(depth, num_classes)[0].eval()(images[-1])]
    with torch.no_grad(), forbid("torchvision models"):
        model.to_empty(device="cpu")
        model.load_state_dict(state)
        found = [model.eval()(x) for x in images]
    for expected, actual in zip(wanted, found, strict=True):
        torch.testing.assert_close(
            actual,
            expected,
            rtol=1e-5,
            atol=1e-5 * expected.abs().max().item(),
            msg=lambda text: f"logits of resnet({depth}, {num_classes}): {text}",
        )


# %% test="resnet" part="basic" points=2
# Depths 18 and 34: names and shapes are torchvision's; at 18 its state dict loads, and the logits agree.
### BEGIN HIDDEN TESTS
from coursekit.check import fresh_generator

generator = fresh_generator(51)
same_logits(resnet, 18, generator)
same_names(resnet, 34, CLASSES[34])
same_names(resnet, 34, int(torch.randint(5, 40, (), generator=generator)))
### END HIDDEN TESTS

# %% test="resnet" part="bottleneck" points=2
# Depth 50: torchvision's state dict loads strictly, and the logits agree in evaluation mode.
### BEGIN HIDDEN TESTS
from coursekit.check import fresh_generator

same_logits(resnet, 50, fresh_generator(52))
### END HIDDEN TESTS

# %% test="resnet" part="deep" points=1
# Depths 101 and 152: names and shapes are torchvision's.
### BEGIN HIDDEN TESTS
from coursekit.check import fresh_generator

same_names(resnet, 101, CLASSES[101])
same_names(resnet, 152, int(torch.randint(3, 40, (), generator=fresh_generator(53))))
### END HIDDEN TESTS

# %% test="resnet" part="training" points=1
# Depth 18 in training mode: the loss, gradients, the running statistics are torchvision's.
### BEGIN HIDDEN TESTS
from coursekit.check import fresh_generator

model = same_names(resnet, 18, 5)
state, x, y, expected_loss, expected, buffers = trained(18, 5)
with forbid("torchvision models"):
    model.to_empty(device="cpu")
    model.load_state_dict(state)
    model.train().requires_grad_(False)
    for part in (
        model.conv1,
        model.bn1,
        model.layer1,
        model.fc,
    ):  # gradients reach the first ones through all
        part.requires_grad_(True)
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    loss = F.cross_entropy(model(x), y)
    gradients = torch.autograd.grad(loss, [x, *weights.values()], allow_unused=True)
actual = dict(zip(["x", *weights], gradients, strict=True))
torch.testing.assert_close(
    loss, expected_loss, rtol=1e-4, atol=1e-5, msg=lambda text: f"training loss: {text}"
)
for name, actual_gradient in actual.items():
    assert actual_gradient is not None, f"{name} took no part in the loss"
    gradient = expected[name]
    torch.testing.assert_close(
        actual_gradient,
        gradient,
        rtol=1e-2,
        atol=1e-3 * gradient.abs().max().item(),
        msg=lambda text, name=name: f"gradient of {name}: {text}",
    )
found = dict(model.named_buffers())
for name, tensor in buffers.items():
    torch.testing.assert_close(
        found[name],
        tensor,
        rtol=1e-3,
        atol=1e-3,
        msg=lambda text, name=name: f"{name} after one batch in training: {text}",
    )
x = torch.randn(4, 3, 64, 48, generator=fresh_generator(54))
with torch.no_grad():
    expected_loss = F.cross_entropy(torchvisions(18, 5)[0].train()(x), y)
    with forbid("torchvision models"):
        loss = F.cross_entropy(model(x), y)
torch.testing.assert_close(
    loss, expected_loss, rtol=1e-3, atol=1e-4, msg=lambda text: f"training loss of another batch: {text}"
)
### END HIDDEN TESTS

# %% test="resnet" part="arguments" points=1
# Numbers of classes, sizes of images, networks that are independent of each other, depths that do not exist.
### BEGIN HIDDEN TESTS
import torch

from coursekit.check import forbid, fresh_generator

generator = fresh_generator(55)
fewer = int(torch.randint(2, 9, (), generator=generator))
with torch.no_grad(), forbid("torchvision models"):
    first, second = resnet(18), resnet(18, num_classes=fewer)
    for model, classes, size in ((first, 1000, (32, 32)), (second, fewer, (33, 61))):
        x = torch.randn(3, 3, *size, generator=generator)
        out = model.eval()(x)
        assert out.shape == (3, classes), f"{classes} classes, images of {size}: shape {tuple(out.shape)}"
        one = model(x[1:2])
        torch.testing.assert_close(
            one, out[1:2], rtol=1e-3, atol=1e-4, msg=lambda text: f"one image by itself: {text}"
        )
    first.conv1.weight.zero_()
    assert second.conv1.weight.abs().sum() > 0, "two networks share their weights"
    for depth in (20, 0, 56, -18):
        try:
            resnet(depth)
        except ValueError:
            continue
        raise AssertionError(f"there is no ResNet-{depth}: resnet({depth}) should raise ValueError")
### END HIDDEN TESTS

# %% [markdown]
# Does depth cost what you think? The next cell builds your five networks without memory for their weights
# (`meta` tensors have a shape and nothing else). Which step adds the most weights, and which the most layers?

# %%
with suppress(NotImplementedError), torch.device("meta"):
    for depth in (18, 34, 50, 101, 152):
        network = resnet(depth)
        weighted = [
            name for name, p in network.named_parameters() if p.dim() > 1 and "downsample" not in name
        ]
        count = sum(p.numel() for p in network.parameters())
        print(f"resnet({depth}):  {len(weighted):>3} layers with weights, {count:>10,} weights")

# %% [markdown]
# ## 6 · Without the shortcuts
#
# *2 points, about 30 minutes.*
#
# To find out what shortcuts do, one wants the same network without them: the same layers, the same initial
# weights, nothing else changed. From here on the networks are given: small ones, made of the two blocks below,
# in which F is called `branch`. `SmallResNet` is a network of them. Look at both before you go on.

# %%
print(inspect.getsource(ResidualBlock))
print(inspect.getsource(PlainBlock))
print([name for name, _ in SmallResNet(widths=(8, 16), depth=2).named_modules() if name.count(".") <= 1])

# %% [markdown]
# (`model.get_submodule("layer1.0")` finds a part by its name, `model.set_submodule("layer1.0", part)` puts another
# one in its place.)
#
# A function that changes what it was given causes errors that take an evening to find. `plain_twin` makes a
# *new* network; the old one must be as if nothing had happened, and must stay so when the new one is trained.
# Which of these does a plain assignment `twin = model` fulfil, and which `copy.copy(model)`?


# %% answer="plain_twin"
def plain_twin(model: nn.Module) -> nn.Module:
    """Make the same network without its shortcuts.

    Every `ResidualBlock` in the model, at whatever depth it stands, becomes relu(branch(x)): a `PlainBlock`,
    or whatever computes the same. Everything else stays as it is: the order, all other modules, every weight
    and buffer, the mode (training or evaluation) of every layer.

    Args:
        model: A network with any number of `ResidualBlock`s in it; it is no block itself.

    Returns:
        The plain network. It has copies of the weights of the model, without those of the shortcuts. The
        model is not changed, and shares no tensor with its twin.
    """
    ### BEGIN SOLUTION
    twin = copy.deepcopy(model)
    for name, module in list(twin.named_modules()):  # a list, since the loop changes what it walks through
        if isinstance(module, ResidualBlock):
            plain = PlainBlock(module.branch)
            plain.training = module.training  # not train(mode), which would reach into the branch
            twin.set_submodule(name, plain)
    return twin
    ### END SOLUTION


# %% check="plain_twin"
_ = check("plain_twin", plain_twin)

# %% helper="plain_twin"
import copy

import torch

from coursekit.blocks import PlainBlock, ResidualBlock, branch, networks
from coursekit.check.modules import randomize


def without_shortcuts(network):
    """A copy in which every residual block computes relu(branch(x))."""
    network = copy.deepcopy(network)
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            block.forward = lambda x, block=block: torch.relu(block.branch(x))
    return network


# %% test="plain_twin" part="outputs" points=1
# Networks with blocks at several depths, in both modes: what the twin computes, and how many weights it has.
### BEGIN HIDDEN TESTS
import torch

from coursekit.blocks import networks
from coursekit.check import fresh_generator
from coursekit.check.modules import randomize

fixed, fresh = torch.Generator().manual_seed(61), fresh_generator(61)
for network in networks():
    what = type(network).__name__
    for mode, generator in (("training", fixed), ("evaluation", fixed), ("evaluation", fresh)):
        randomize(network.double(), generator)
        network.train(mode == "training")
        expected = without_shortcuts(network)
        twin = plain_twin(network)
        for _ in range(2):
            x = torch.randn(4, 1, 9, 8, generator=generator).double()
            with torch.no_grad():
                actual, wanted = twin(x), expected(x)
            torch.testing.assert_close(
                actual, wanted, msg=lambda text, what=f"{what} in {mode} mode": f"{what}: {text}"
            )
    counts = [
        sum(p.numel() for name, p in network.named_parameters() if "downsample" not in name),
        sum(p.numel() for p in twin.parameters()),
    ]
    assert counts[0] == counts[1], f"{what}: the twin has {counts[1]} weights, not {counts[0]}"
### END HIDDEN TESTS

# %% test="plain_twin" part="copies" points=1
# The model is left alone, shares no tensor with its twin, and every module has the mode that it had.
### BEGIN HIDDEN TESTS
import copy

import torch
from torch import nn
from torch.nn import functional as F

from coursekit.blocks import PlainBlock, ResidualBlock, branch, networks
from coursekit.check import fresh_generator
from coursekit.check.modules import randomize


def tensors(state):
    """All tensors of a state dict but those of shortcuts, whatever they are called."""
    return sorted(
        tensor.double().flatten().tolist() for name, tensor in state.items() if "downsample" not in name
    )


fixed, fresh = torch.Generator().manual_seed(64), fresh_generator(64)
for network in networks():
    what = type(network).__name__
    first = next(module for module in network.modules() if isinstance(module, ResidualBlock))
    for frozen, generator in ((first.branch[1], fixed), (first.branch, fresh)):
        randomize(network.double(), generator)
        network.train()
        frozen.eval()  # as in fine-tuning
        before, expected = copy.deepcopy(network), without_shortcuts(network)
        twin = plain_twin(network)
        modes = [(name, type(module), module.training) for name, module in network.named_modules()]
        assert modes == [(name, type(module), module.training) for name, module in before.named_modules()], (
            f"{what}: the modules of the model were changed"
        )
        state, theirs = network.state_dict(), twin.state_dict()
        assert tensors(theirs) == tensors(state), (
            f"{what}: the twin has other weights or buffers than the model"
        )
        shared = {tensor.data_ptr() for tensor in state.values()} & {t.data_ptr() for t in theirs.values()}
        assert not shared, f"{what} shares tensors with its twin"
        x = torch.randn(4, 1, 9, 8, generator=generator).double()
        with torch.no_grad():
            actual, wanted = twin(x), expected(x)
            for tensor in twin.parameters():
                tensor.add_(1)
        torch.testing.assert_close(
            actual,
            wanted,
            msg=lambda text, what=what: (
                f"{what} with some norms in evaluation mode, all others in training: {text}"
            ),
        )
        for name, tensor in before.state_dict().items():
            assert torch.equal(state[name], tensor), f"{what}: {name} of the model was changed"

# A block whose branch came from plain_twin: its twin again has weights of its own.
inner = plain_twin(nn.Sequential(ResidualBlock(branch(2, 2))))
outer = plain_twin(nn.Sequential(ResidualBlock(inner)))
with torch.no_grad():
    for tensor in outer.parameters():
        tensor.fill_(7)
assert all((tensor != 7).any() for tensor in inner.parameters()), "a twin shares its weights with the model"
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · Start as the identity
#
# *2 points, about 15 minutes.*
#
# If a block starts with F(x) = 0, a new network of a hundred blocks computes what its stem and its shortcuts
# compute, and gradients arrive at every block as if no other one were there. **Which single tensor of a branch
# has to be zero for that?** There is more than one candidate. If you set the *last convolution* to zero, what
# does the norm behind it divide by? If you set *all* norms to zero, what gradient do the convolutions get?


# %% answer="zero_init_residual"
def zero_init_residual(model: nn.Module) -> None:
    """Let every block of a new network start as its shortcut alone: F(x) = 0.

    In every `ResidualBlock`, the scale (`weight`) of the batch normalization that ends its `branch` becomes
    zero. Nothing else changes: no other norm, no shift (which is zero in a new network), no convolution.

    Args:
        model: A network with `ResidualBlock`s in it, at whatever depth. It is changed in place.
    """
    ### BEGIN SOLUTION
    for module in model.modules():
        if isinstance(module, ResidualBlock):
            nn.init.zeros_(module.branch[-1].weight)
    ### END SOLUTION


# %% check="zero_init_residual"
_ = check("zero_init_residual", zero_init_residual)

# %% test="zero_init_residual" part="scales" points=1 in_place=true
# Which numbers become zero, in networks with blocks at several depths, and that all others stay.
### BEGIN HIDDEN TESTS
import copy

import torch
from torch import nn
from torch.nn import functional as F

from coursekit.blocks import PlainBlock, ResidualBlock, SmallResNet, branch, networks
from coursekit.check import fixed_and_fresh
from coursekit.check.modules import randomize

for generator, network in fixed_and_fresh(
    71,
    networks(),
    lambda whole: SmallResNet((whole(2, 4), whole(2, 4)), whole(1, 3), num_classes=5),
    count=1,
):
    randomize(network.double(), generator)
    what = type(network).__name__
    before = copy.deepcopy(network)
    zeros = {
        f"{name}.branch.{len(module.branch) - 1}.weight"
        for name, module in network.named_modules()
        if isinstance(module, ResidualBlock)
    }
    assert zero_init_residual(network) is None, "the model is changed in place, and nothing is returned"
    state = network.state_dict()
    assert state.keys() == before.state_dict().keys(), f"{what} has other names now"
    for name, tensor in before.state_dict().items():
        if name in zeros:
            assert not state[name].any(), f"{what}: {name} should be zero"
        else:
            assert torch.equal(state[name], tensor), f"{what}: {name} should be as before"
### END HIDDEN TESTS

# %% test="zero_init_residual" part="identity" points=1 in_place=true
# What the blocks of a new network compute afterwards, in both modes, and that training can still move them.
### BEGIN HIDDEN TESTS
import copy

import torch
from torch import nn
from torch.nn import functional as F

from coursekit.blocks import PlainBlock, ResidualBlock, branch, networks
from coursekit.check import fresh_generator
from coursekit.check.modules import randomize

fixed, fresh = torch.Generator().manual_seed(72), fresh_generator(72)
for network in networks():
    what = type(network).__name__
    found = [module for module in network.modules() if isinstance(module, ResidualBlock)]
    scales = nn.ParameterList([block.branch[-1].weight for block in found])  # as an optimizer has them
    modes = [module.training for module in network.modules()]
    zero_init_residual(nn.ModuleList([network, scales]))
    assert [module.training for module in network.modules()] == modes, f"{what}: the mode was changed"
    assert not any(scale.any() for scale in scales), (
        f"{what}: the scales were exchanged for others, of which an optimizer would not know"
    )
    frozen = [name for name, weight in network.named_parameters() if not weight.requires_grad]
    assert not frozen, f"{what}: {', '.join(frozen)} can no longer be trained"
    blocks = {name: module for name, module in network.named_modules() if isinstance(module, ResidualBlock)}
    for name, block in blocks.items():
        channels = next(iter(block.branch)).in_channels
        for mode, generator in ((True, fixed), (False, fixed), (False, fresh)):
            x = torch.randn(4, channels, 6, 5, generator=generator)
            with torch.no_grad():
                actual = block.train(mode)(x)
                expected = F.relu(x if block.downsample is None else block.downsample(x))
            torch.testing.assert_close(
                actual, expected, msg=lambda text, what=f"{what}, {name}": f"{what}: {text}"
            )
    # The gradient of a scale is not zero: training can switch a block on.
    x = torch.randn(8, 1, 9, 9, generator=fresh)
    F.cross_entropy(network.train()(x), torch.arange(8) % 5).backward()
    for name, block in blocks.items():
        assert block.branch[-1].weight.grad.abs().sum() > 0, f"{what}: {name} can never be switched on"
### END HIDDEN TESTS

# %% [markdown]
# ## 8 · What arrives
#
# *2 points, about 25 minutes.*
#
# "Gradients vanish in deep networks" is a sentence that can be measured. One backward pass, then for each block
# the length of its part of the gradient, all its parameters taken as one long vector:
#
# $$\lVert g \rVert = \sqrt{\sum_{\text{parameters } p \text{ of the block}} \; \sum_i \Big(\frac{\partial L}{\partial p_i}\Big)^2}$$
#
# A measurement should leave no trace. **What does a forward and a backward pass leave behind in a network in
# training mode?** There are two kinds of things, and one of them is no parameter.


# %% answer="gradient_norms"
def gradient_norms(model: nn.Module, x: Tensor, y: Tensor) -> dict[str, float]:
    """Measure how much gradient arrives at each block.

    The loss is the cross-entropy of the model's logits, averaged over the batch; the model computes in the
    mode that it is in.

    Args:
        model: A network with `ResidualBlock`s or `PlainBlock`s in it, at whatever depth.
        x: Images, as the model takes them.
        y: Labels, shape (N,), integers.

    Returns:
        For each block its name, as `model.named_modules()` gives it, and the Euclidean norm of the loss's
        gradient with respect to all parameters of this block together, its shortcut's too. In the order of
        `named_modules()`. The model is left as it was: parameters, buffers (running statistics!), mode, and
        what stood in `.grad`.
    """
    ### BEGIN SOLUTION
    probe = copy.deepcopy(model)  # what a forward pass in training mode writes into norms stays in here
    probe.zero_grad(set_to_none=True)
    F.cross_entropy(probe(x), y).backward()
    norms = {}
    for name, module in probe.named_modules():
        if isinstance(module, ResidualBlock | PlainBlock):
            squares = [p.grad.square().sum() for p in module.parameters() if p.grad is not None]
            norms[name] = float(torch.stack(squares).sum().sqrt())
    return norms
    ### END SOLUTION


# %% check="gradient_norms"
_ = check("gradient_norms", gradient_norms)

# %% test="gradient_norms" part="norms" points=1
# Names and norms for networks with blocks at several depths, plain ones too, in both modes; one image.
### BEGIN HIDDEN TESTS
import copy

import torch
from torch import nn
from torch.nn import functional as F

from coursekit.blocks import PlainBlock, ResidualBlock, branch, networks
from coursekit.check import fresh_generator
from coursekit.check.modules import randomize


def norms(network, x, y):
    """By automatic differentiation of a copy, block by block."""
    network = copy.deepcopy(network)
    loss = F.cross_entropy(network(x), y)
    found = {}
    for name, block in network.named_modules():
        if isinstance(block, ResidualBlock | PlainBlock):
            gradients = torch.autograd.grad(loss, list(block.parameters()), retain_graph=True)
            found[name] = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
    return found


fixed, fresh = torch.Generator().manual_seed(81), fresh_generator(81)
for network in networks():
    what = type(network).__name__
    for mode, images, generator in (
        ("training", 6, fixed),
        ("evaluation", 3, fixed),
        ("evaluation", 1, fixed),
        ("training", 5, fresh),
    ):
        randomize(network.double(), generator)
        network.train(mode == "training")
        x = torch.randn(images, 1, 8, 9, generator=generator).double()
        y = torch.randint(0, 5, (images,), generator=generator)
        expected = norms(network, x, y)
        actual = gradient_norms(network, x, y)
        assert list(actual) == list(expected), f"{what}: names {list(actual)}, not {list(expected)}"
        for name, value in actual.items():
            assert isinstance(value, float), f"{what}: the norm of {name} should be a float"
            assert abs(value - expected[name]) <= 1e-6 * expected[name], (
                f"{what}, {mode} mode, {images} images, {name}: {value}, not {expected[name]}"
            )
### END HIDDEN TESTS

# %% test="gradient_norms" part="untouched" points=1
# Weights, running statistics, modes and the gradients that were there: all as before, call after call.
### BEGIN HIDDEN TESTS
import copy

import torch
from torch import nn
from torch.nn import functional as F

from coursekit.blocks import PlainBlock, ResidualBlock, branch, networks
from coursekit.check import fresh_generator
from coursekit.check.modules import randomize

generator = fresh_generator(83)
fill = torch.Generator().manual_seed(84)
for network in networks():
    randomize(network.double(), fill)
    what = type(network).__name__
    x = torch.randn(5, 1, 8, 8, generator=generator).double()
    y = torch.randint(0, 5, (5,), generator=generator)
    network.train()
    first = gradient_norms(network, x, y)
    sleeping = [name for name, module in network.named_modules() if not module.training]
    assert not sleeping, f"{what}: the model was left in evaluation mode"
    assert all(weight.grad is None for weight in network.parameters()), f"{what}: gradients were left behind"
    for weight in network.parameters():
        weight.grad = torch.randn(weight.shape, generator=generator).double()
    next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d)).eval()
    once = gradient_norms(copy.deepcopy(network), x, y)
    before = copy.deepcopy(network)
    images, labels = x.clone(), y.clone()
    old = [weight.grad.clone() for weight in network.parameters()]
    again = [gradient_norms(network, x, y) for _ in range(2)]
    assert once == again[0] == again[1], f"{what}: another result in the second call: {again}, {once}"
    assert list(first) == list(once)
    assert torch.equal(x, images) and torch.equal(y, labels), "x or y was changed"
    for name, tensor in before.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), f"{what}: {name} was changed"
    for (name, weight), gradient in zip(network.named_parameters(), old, strict=True):
        assert weight.grad is not None and torch.equal(weight.grad, gradient), (
            f"{what}: the gradient that {name} had was changed"
        )
        assert weight.requires_grad, f"{what}: {name} can no longer be trained"
    modes = [(name, module.training) for name, module in network.named_modules()]
    assert modes == [(name, module.training) for name, module in before.named_modules()], (
        f"{what}: the mode was changed"
    )
### END HIDDEN TESTS

# %% [markdown]
# Put the last three together. The cell takes a residual network of 16 blocks, its plain twin, and a copy that
# starts as the identity, and shows what gradient arrives at each block before any training. Before you run it:
# where in the plain network do you expect the smallest gradient, at the first block or at the last? (Batch
# normalization is in all three. It has something to say in this.)

# %%
with suppress(NotImplementedError):
    coursekit.seed_everything(0)
    residual = SmallResNet(widths=(16,), depth=16)
    zeroed = copy.deepcopy(residual)
    zero_init_residual(zeroed)
    images, labels, _ = data.load("digits", split="train", subset=32)
    lines = {
        name: list(gradient_norms(network.train(), images, labels).values())
        for name, network in [
            ("plain twin", plain_twin(residual)),
            ("residual", residual),
            ("residual, starting as the identity", zeroed),
        ]
    }
    figure = viz.curves(
        {name: torch.tensor([norms]) for name, norms in lines.items()},
        x=list(range(1, 17)),
        xlabel="block, from the image to the logits",
        ylabel="norm of the gradient",
        title="what arrives at each block before training",
        yscale="log",
    )
    viz.show(
        figure, alt="Gradient norms of 16 blocks: plain, residual, and residual with zero initialization."
    )

# %% [markdown]
# <details>
# <summary>Made up your mind? Then open this.</summary>
#
# The plain network's gradient does not vanish, it *explodes*: the first block gets about a hundred times as much
# as the last one. That is batch normalization's doing, which keeps the signal at the same size in every block,
# at the price of stretching the way back a little in each. (Without it, gradients would vanish instead.) With
# shortcuts the factor is about five, and with zero initialization there is nothing left to see: each block gets
# what every other block gets. One learning rate has to serve all blocks. In which of the three can it?
#
# </details>

# %% [markdown]
# ## 9 · Open experiment: can a trained network do without one of its layers?
#
# *4 points, about 50 minutes, graded by hand.*
#
# In AlexNet or VGG each layer works on what the one before it has made: take one out of the trained network,
# and the rest gets input that it has never seen. In a ResNet there is always a way round. **What happens if you
# remove one block after training? Does it depend on which one? And is that a matter of the shortcuts, or of the
# depth alone?**
#
# Train small residual networks and their plain twins on handwritten digits. Then remove one block at a time,
# without any further training, and measure the test accuracy of what is left. If you have a better question
# about trained residual networks (two blocks at once, two blocks exchanged, zero initialization, depth), take
# that one: say what you ask, and why.
#
# `network`, `removable` and `without` are given, so that you can spend your time on the experiment.
# `train.fit` trains a network; ask for `train.fit?` and `train.TrainConfig?`. `train.evaluate(model, (images,
# labels))` gives `.accuracy`. Draw with `viz.curves`, which takes one row per seed, and show the figure with
# `viz.show(figure, alt="what there is to see, in words")`.
#
# With `budget = "ci"`, at the top, the data are 8 x 8 digits, and all of the experiment should take well under
# a minute: hand in with this setting. `"laptop"` and `"gpu"` are for your own curiosity: clothes at 28 x 28.
#
# **What counts**, half a point each. The plot:
#
# - at least three seeds for each kind of network, and their spread is visible;
# - which block was removed on one axis, a measure that you can explain on the other, with labels and a legend;
# - the comparison is fair: same data, same training, same initial weights, same number of blocks;
# - the accuracy with all blocks in place stands next to it, and so does that of guessing.
#
# The text:
#
# - it says what the plot shows, in numbers, before it explains anything;
# - it explains the difference between the two kinds of network by what the block behind the gap gets to see;
# - it explains which blocks of the residual network matter most, or why you can't tell;
# - it names one thing that this experiment cannot show.

# %%
DATA = {"ci": "digits", "laptop": "fashion_mini", "gpu": "fashion_mnist"}
WIDTHS = {"ci": (8, 16), "laptop": (16, 32), "gpu": (32, 64)}


def network(residual: bool) -> nn.Module:
    """A new network of eight blocks for the images of `DATA`; your `plain_twin` makes the plain one."""
    model = SmallResNet(WIDTHS[budget], depth=4)
    return model if residual else plain_twin(model)


def removable(model: nn.Module) -> list[str]:
    """The names of the blocks that can be left out: those that change neither channels nor map."""
    names = []
    for name, module in model.named_modules():
        if name.startswith("layer") and name.count(".") == 1:
            convolution = next(part for part in module.modules() if isinstance(part, nn.Conv2d))
            if convolution.stride == (1, 1) and convolution.in_channels == convolution.out_channels:
                names.append(name)
    return names


def without(model: nn.Module, name: str) -> nn.Module:
    """A copy of the model in which the block of this name hands on what it gets."""
    model = copy.deepcopy(model)
    model.set_submodule(name, nn.Identity())
    return model


# %% manual="open-experiment" part="plot" points=2
# Your experiment. The last thing this cell does is to show your plot.
### BEGIN SOLUTION
epochs, seeds = {"ci": (6, range(3)), "laptop": (10, range(3)), "gpu": (20, range(5))}[budget]
training, test = (data.load(DATA[budget], split=split)[:2] for split in ("train", "test"))

after, whole = {}, {}
for kind in ("residual", "plain"):
    rows, rights = [], []
    for seed in seeds:
        coursekit.seed_everything(seed)  # the plain twin starts from the same weights
        model = network(residual=kind == "residual")
        config = train.TrainConfig(
            epochs=epochs, batch_size=64, lr=0.01, optimizer="adamw", schedule="onecycle", seed=seed
        )
        train.fit(model, training, config=config, progress=False)
        names = removable(model)
        rights.append(train.evaluate(model, test).accuracy)
        rows.append([train.evaluate(without(model, name), test).accuracy for name in names])
    after[kind], whole[kind] = torch.tensor(rows), torch.tensor(rights)
    shares = " ".join(
        f"{name[5:]}: {share:.0%}" for name, share in zip(names, after[kind].mean(dim=0), strict=True)
    )
    print(f"{kind:<9} whole {whole[kind].min():.1%} to {whole[kind].max():.1%}; without {shares}")

axes = viz.curves(
    {f"{kind} ({whole[kind].mean():.0%} with all blocks)": rows for kind, rows in after.items()},
    x=list(range(len(names))),
    xlabel="block that was removed after training (stage.block)",
    ylabel="test accuracy (%)",
    percent=True,
    ylim=(0, 105),
    title=f"mean and range over {len(seeds)} seeds",
)
axes.set_xticks(range(len(names)), [name.removeprefix("layer") for name in names])
axes.axhline(10, color="grey", linestyle=":", label="guessing")
axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)
viz.show(
    axes,
    alt="Test accuracy after one block was removed, block by block: high for residual, near guessing for plain.",
)
### END SOLUTION

# %% [markdown] manual="open-experiment" part="text" points=2
# ### BEGIN SOLUTION
# **Reference answer** (`budget = "ci"`, three seeds; the last digits vary from machine to machine). With all
# blocks the residual networks are right for 99 % of the test digits, the plain twins for 87 to 97 %. Without one
# block the residual network keeps 99 and 98 % at the end (2.3, 2.2), 84 to 91 % in the middle (1.1 to 1.3), 69 %
# without 2.1 and 42 % without its first block 1.0. The plain network falls to between 6 and 18 %, whichever
# block it is; guessing gives 10 %.
#
# In the plain network the block behind the gap gets maps that no block has ever made in its place: its filters,
# and the running statistics of its norms, belong to the output of the block that is gone. Everything behind is
# built on that. In the residual network it gets x instead of x + F(x): a sum that lacks one of its terms, and x
# is most of it. Seen from the logits, every shortcut doubles the number of ways through the network; without
# one block half of all ways are left, in the plain network none. Depth is the same in both, so it is not depth
# alone. The first block matters most, since all others add to what it has made of the stem's 8 channels, and 2.1
# is the first that sees the new, smaller map; the last blocks add little that changes the decision any more.
#
# What it cannot show: whether a network that is trained further after the removal recovers, plain or not; the
# blocks with a stride could not be removed at all; and 1437 digits of 8 x 8 need no eight blocks, so that a
# harder task may leave fewer blocks to spare. The plain networks are also less well trained to begin with.
#
# **Mark scheme** (half a point each; another question is judged by the same eight lines)
#
# - Plot: 3 or more seeds with visible spread · which block on a labelled axis, accuracy (or another measure that
#   is defined), legend · same data, steps and initial weights for both kinds (if a setting was tuned, for both) ·
#   accuracy with all blocks, and guessing.
# - Text: numbers from the own plot, before any explanation · what the next block gets to see in either network
#   (never-seen input against a sum with one term missing, or the number of ways), not "residual networks are robust"
#   · early against late blocks with a reason, or an honest "the ranges overlap, I can't tell" · one true limit.
# - No half point for a claim that the own plot contradicts. A plot without text earns 2 at most, a text without a
#   plot 1.
# ### END SOLUTION

# %% [markdown]
# Done? Look at where you stand, then restart the kernel, run all cells, save, and hand in.

# %%
progress()
