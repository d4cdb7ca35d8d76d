# /// course
# topic = "01_convolution"
# title = "Convolution"
# minutes = 300
# objectives = [
#     "relate convolution and cross-correlation, and say which one a library computes",
#     "work out output sizes and receptive fields with pencil and paper, and check them by measurement",
#     "derive and implement the forward and the backward pass of a convolution and of max pooling",
#     "see a convolution as multiplication by a sparse matrix with shared weights",
#     "tell equivariance from invariance, and measure where a trained network loses both",
# ]
#
# [promises]
# points = 24
# misconceptions = 105
# alternatives = 22
# told_by_hidden_tests_only = ["conv2d/loops-over-pixels"]  # told by the time that it takes
# browser = ["output_size", "conv2d", "max_pool2d"]
# run_again = ["style-1", "habits-0", "habits-2"]
#
# [promises.lecture]
# sections = 15
# kept = 21
# predictions = 4
#
# [exercises.output_size]
# points = 2
# minutes = 15
# forbidden = []
#
# [exercises.convolve2d]
# points = 2
# minutes = 30
# forbidden = ["conv"]
#
# [exercises.conv2d]
# points = 5
# minutes = 50
# forbidden = ["conv"]
#
# [exercises.conv2d_backward]
# points = 5
# minutes = 60
# forbidden = ["conv", "autograd"]
#
# [exercises.max_pool2d]
# points = 3
# minutes = 35
# forbidden = ["pooling"]
#
# [exercises.conv_matrix]
# points = 3
# minutes = 35
# forbidden = ["conv"]
#
# [exercises.receptive_field]
# points = 4
# minutes = 30
# forbidden = []
#
# [exercises.open-experiment]
# points = 4
# minutes = 45
# manual = true
# ///

# %% [markdown]
# # 1 · Convolution
#
# A convolutional network slides the same few weights over every place of an image. In this assignment you write
# that operation yourself, forwards and backwards, and then use what you wrote to take a famous network's
# published table apart.
#
# **Afterwards you can**
#
# - relate convolution and cross-correlation, and say which one a library computes;
# - work out output sizes and receptive fields with a pencil, and check them by measurement;
# - derive and implement both passes of a convolution and of max pooling;
# - see a convolution as multiplication by a sparse matrix with shared weights;
# - tell equivariance from invariance, and measure where a trained network loses both.
#
# | | exercise | points | about |
# | --- | --- | --- | --- |
# | 1 | `output_size` | 2 | 15 min |
# | 2 | `convolve2d` | 2 | 30 min |
# | 3 | `conv2d` | 5 | 50 min |
# | 4 | `conv2d_backward` | 5 | 60 min |
# | 5 | `max_pool2d`, `max_pool2d_backward` | 3 | 35 min |
# | 6 | `conv_matrix`, `conv_transpose2d` | 3 | 35 min |
# | 7 | `receptive_field` | 4 | 30 min |
# | 8 | open experiment, graded by hand | 4 | 45 min |
#
# **How to work.** Write your code where it says `# Your code here.`; the docstring above it is the
# specification. Then run the check below it, as often as you like: it costs nothing and shows the first case
# that goes wrong, what was expected and, for many common mistakes, which mistake it looks like. Stuck?
# `hint("conv2d")` gives the idea; ask again and it says more. `progress()` shows where you stand.
#
# **How to hand in.** Choose *Kernel → Restart Kernel and Run All Cells*, see that it runs to the end, save,
# and hand in this one file. Grading uses other inputs than the checks: other sizes, batches, number types. It
# puts its tests into the cells that hold nothing but a comment, which says what will be tested; leave those
# cells as they are.
#
# **Allowed.** Everything elementwise, matrix products, `einsum`, indexing, slicing, views. Not allowed is the
# operation you are asked to build: an exercise says what, and its check tells you when you use it.

# %% setup=true
from contextlib import suppress

import torch
from torch import Tensor, nn

import coursekit
from coursekit import check, data, hint, probe, progress, train, viz

coursekit.seed_everything(0)
viz.use_style()

# %% parameters=true
# The size of the open experiment: "ci" takes seconds, "laptop" minutes, "gpu" wants one.
budget = "ci"

# %% [markdown]
# ## 1 · How large is the output?
#
# *2 points, about 15 minutes.*
#
# A kernel of 3 stands on an axis of 7 pixels with one pixel of padding at either end, and moves in steps of 2.
# **In how many places can it stand?** Count before you calculate:
#
# ```text
# .  x  x  x  x  x  x  x  .        7 pixels (x) and the padding (.)
# [-----]
#       [-----]
#             [-----]
#                   [-----]        4 places
# ```
#
# Now take one pixel away. The last place is gone, and one padded pixel at the right is never looked at. No
# place is half a place: what is left over is dropped.
#
# *Dilation* spreads a kernel out: with dilation 2 a kernel of 3 has one pixel of gap between its taps, `x _ x
# _ x`, so that it covers 5. With dilation 1 there are no gaps.


# %% answer="output_size"
def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Count the places a kernel can stand in along one axis.

    Args:
        size: Pixels of the input along this axis.
        kernel: Taps of the kernel, at least 1.
        stride: Pixels from one place to the next, at least 1.
        padding: Pixels added at *both* ends.
        dilation: Pixels from one tap to the next; 1 means that the taps are neighbours.

    Returns:
        The number of places, a Python int.

    Raises:
        ValueError: The kernel does not fit into the padded input even once.
    """
    ### BEGIN SOLUTION
    reach = dilation * (kernel - 1) + 1  # pixels from the first tap to the last
    room = size + 2 * padding - reach
    if room < 0:
        raise ValueError(f"a kernel that covers {reach} pixels does not fit into {size} + 2*{padding}")
    return room // stride + 1
    ### END SOLUTION


# %% check="output_size"
_ = check("output_size", output_size)

# %% test="output_size" part="positions" points=1
# Sizes, kernels, strides and paddings of all kinds, whether the stride comes out even or not.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fresh_generator

draws = torch.randint(0, 1000, (30, 4), generator=torch.Generator().manual_seed(11)).tolist()
draws += torch.randint(0, 1000, (10, 4), generator=fresh_generator(11)).tolist()
for a, b, c, d in draws:
    kernel, stride, padding = 1 + b % 7, 1 + c % 5, d % 4
    size = max(1, kernel - 2 * padding) + a % 40
    expected = F.conv1d(
        torch.zeros(1, 1, size),
        torch.zeros(1, 1, kernel),
        stride=stride,
        padding=padding,
    ).shape[-1]
    actual = output_size(size, kernel, stride, padding)
    assert isinstance(actual, int), f"the result should be an int, not {type(actual).__name__}"
    assert actual == expected, (
        f"size {size}, kernel {kernel}, stride {stride}, padding {padding}: {actual}, not {expected}"
    )
### END HIDDEN TESTS

# %% test="output_size" part="dilation" points=1
# Dilated kernels, kernels that fit exactly once, and the error when one does not fit.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fresh_generator

draws = torch.randint(0, 1000, (30, 5), generator=torch.Generator().manual_seed(12)).tolist()
draws += torch.randint(0, 1000, (10, 5), generator=fresh_generator(12)).tolist()
for a, b, c, d, e in draws:
    kernel, stride, padding, dilation = 1 + b % 5, 1 + c % 4, d % 3, 2 + e % 4
    covered = dilation * kernel - dilation + 1
    size = max(1, covered - 2 * padding) + a % 12
    expected = F.conv1d(
        torch.zeros(1, 1, size),
        torch.zeros(1, 1, kernel),
        stride=stride,
        padding=padding,
        dilation=dilation,
    ).shape[-1]
    actual = output_size(size, kernel, stride=stride, padding=padding, dilation=dilation)
    assert actual == expected, (
        f"size {size}, kernel {kernel}, {stride=}, {padding=}, {dilation=}: {actual}, not {expected}"
    )

assert output_size(9, 9, stride=4) == 1 and output_size(3, 5, padding=1) == 1
for size, kernel, options in [
    (4, 5, {}),
    (2, 5, {"padding": 1}),
    (6, 4, {"dilation": 2}),
    (1, 9, {"stride": 3}),
    (1, 9, {"stride": 20, "padding": 3}),
]:
    try:
        actual = output_size(size, kernel, **options)
    except ValueError:
        continue
    raise AssertionError(
        f"kernel {kernel} on {size} pixels with {options} cannot fit, but the result was {actual}"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · The mathematician's convolution
#
# *2 points, about 30 minutes. Not allowed: any convolution of torch.*
#
# Here is convolution where you have met it before: the product of two polynomials. What are the coefficients of
# $(1 + 2t + 3t^2)(4 + 5t)$? Each coefficient of the first one places a scaled copy of $[4, 5]$ on the result:
#
# ```text
# 1 *      4   5
# 2 *          4   5
# 3 *              4   5
#          --------------
#          4  13  22  15
# ```
#
# An image works the same way in two directions: **every pixel stamps a copy of the kernel, scaled by the
# pixel's value, onto the result**, with the kernel's corner at the pixel, and overlapping stamps add up. With
# indices:
#
# $$(I * K)(i, j) = \sum_m \sum_n I(m, n)\, K(i - m,\, j - n)$$
#
# Predict before you write: how large is the result when no stamp is cut off? What comes out if the image is
# black but for a single pixel of 1? What changes if you swap image and kernel?


# %% answer="convolve2d"
def convolve2d(image: Tensor, kernel: Tensor) -> Tensor:
    """Convolve an image with a kernel, in full: every stamp is kept whole.

    Args:
        image: Shape (H, W).
        kernel: Shape (h, w), the same dtype. It may be larger than the image.

    Returns:
        Shape (H + h - 1, W + w - 1), same dtype. The arguments are not changed.
    """
    ### BEGIN SOLUTION
    height, width = image.shape
    h, w = kernel.shape
    result = image.new_zeros(height + h - 1, width + w - 1)
    # All pixels at once for each entry of the kernel: that many slices, whatever the size of the image.
    for i in range(h):
        for j in range(w):
            result[i : i + height, j : j + width] += kernel[i, j] * image
    return result
    ### END SOLUTION


# %% check="convolve2d"
_ = check("convolve2d", convolve2d)

# %% [markdown]
# See it on a photograph. The kernel `[[-1, 0, 1]]` written down means "right minus left". Does the convolution
# compute that? A bright stripe on a dark ground tells: look at the signs on its two sides.

# %%
with suppress(NotImplementedError):
    stripe = torch.zeros(1, 7)
    stripe[0, 3] = 1.0
    print("stripe     ", stripe[0].int().tolist())
    print("convolved  ", convolve2d(stripe, torch.tensor([[-1.0, 0.0, 1.0]]))[0].int().tolist())

    photograph = data.load("photographs").images[0].mean(dim=0)
    blur = torch.ones(9, 9) / 81
    edges = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    figure = viz.show_images(
        [photograph, convolve2d(photograph, blur), convolve2d(photograph, edges).abs()],
        titles=["photograph", "9 × 9 blur", "vertical edges"],
        size=4,
    )
    viz.show(figure, alt="A photograph, the same blurred, and its vertical edges bright on black.")

# %% test="convolve2d" part="full" points=1
# Images and kernels of any shape, kernels larger than the image too; dtype kept, arguments unchanged.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, ((height, width), (h, w), dtype) in fixed_and_fresh(
    21,
    [
        ((6, 9), (3, 3), torch.float64),
        ((5, 4), (2, 4), torch.float64),
        ((1, 8), (1, 3), torch.float32),
        ((7, 1), (4, 1), torch.float64),
        ((3, 2), (5, 6), torch.float64),
        ((4, 5), (1, 1), torch.float32),
    ],
    lambda whole: ((whole(1, 7), whole(1, 7)), (whole(1, 5), whole(1, 5)), torch.float64),
):
    image = torch.randn(width, height, generator=generator, dtype=dtype).T  # not contiguous
    kernel = torch.randn(h, w, generator=generator, dtype=dtype)
    before = image.clone(), kernel.clone()
    with forbid("conv"):
        actual = convolve2d(image, kernel)
    # A cross-correlation with the kernel turned by half a turn, on an image padded by all but one of the kernel.
    expected = F.conv2d(image[None, None], kernel.flip(0, 1)[None, None], padding=(h - 1, w - 1))[0, 0]
    torch.testing.assert_close(
        actual,
        expected,
        msg=lambda text, s=(height, width, h, w): f"{s[0]} x {s[1]} with {s[2]} x {s[3]}: {text}",
    )
    assert torch.equal(image, before[0]) and torch.equal(kernel, before[1]), "an argument was changed"
### END HIDDEN TESTS

# %% test="convolve2d" part="algebra" points=1
# The laws of convolution: it commutes, it is associative, one pixel stamps the kernel, polynomials multiply.
### BEGIN HIDDEN TESTS
import torch

from coursekit.check import forbid, fresh_generator


def value(polynomial, s, t):
    """The polynomial in two variables at (s, t), entry (i, j) being the coefficient of s^i t^j."""
    rows, columns = (torch.arange(n) for n in polynomial.shape)
    return (s**rows) @ polynomial @ (t**columns)


for generator in (torch.Generator().manual_seed(22), fresh_generator(22)):
    a, b, c = (torch.randn(s, generator=generator) for s in [(4, 7), (3, 2), (2, 5)])
    with forbid("conv"):
        ab, ba = convolve2d(a, b), convolve2d(b, a)
        left, right = convolve2d(convolve2d(a, b), c), convolve2d(a, convolve2d(b, c))
    torch.testing.assert_close(ab, ba, msg=lambda text: f"a * b is not b * a: {text}")
    torch.testing.assert_close(
        left, right, rtol=1e-4, atol=1e-4, msg=lambda text: f"(a * b) * c is not a * (b * c): {text}"
    )

    spot = torch.zeros(3, 4)
    spot[1, 2] = 2.0
    expected = torch.zeros(4, 8)
    expected[1:3, 2:7] = 2.0 * c
    with forbid("conv"):
        stamp = convolve2d(spot, c)
    torch.testing.assert_close(stamp, expected, msg=lambda text: f"one pixel should stamp the kernel: {text}")

    p, q = (torch.randn(s, generator=generator) for s in [(4, 3), (2, 5)])
    with forbid("conv"):
        product = convolve2d(p, q)
    torch.testing.assert_close(
        value(product, 0.7, -1.3),
        value(p, 0.7, -1.3) * value(q, 0.7, -1.3),
        rtol=1e-4,
        atol=1e-4,
        msg=lambda text: f"polynomials do not multiply: {text}",
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · What the libraries call convolution
#
# *5 points, about 50 minutes. Not allowed: any convolution of torch.*
#
# Stamping made the kernel appear mirrored when you look at it from the result. A network learns its kernel,
# so it does not care which way round it is stored, and libraries leave the mirror out. What they compute is
# **cross-correlation**: lay the kernel on the image as it is, multiply, add up.
#
# ```text
#  image          kernel        out[0, 0] = 1*1 + 2*0 + 4*0 + 5*2 = 11
#  1 2 3          1 0           out[0, 1] = 2*1 + 3*0 + 5*0 + 6*2 = 14
#  4 5 6          0 2           out[1, 0] = 4*1 + 5*0 + 7*0 + 8*2 = 20
#  7 8 9                        out[1, 1] = 5*1 + 6*0 + 8*0 + 9*2 = 23
# ```
#
# A layer adds three things. The image has **channels**, and a filter spans all of them; there are **several
# filters**, each makes one output channel; and each filter has a **bias**. For image $n$, filter $o$ and place
# $(r, c)$, with $s$ for the stride and $p$ for the padding:
#
# $$y_{n,o,r,c} = b_o + \sum_k \sum_i \sum_j x_{n,\,k,\,rs+i-p,\,cs+j-p}\; w_{o,k,i,j}$$
#
# where pixels outside the image count as zero. LeNet's first layer, six filters of 5 x 5 on a 32 x 32 image,
# makes 6 x 28 x 28 = 4,704 outputs out of 156 parameters. Check both numbers before you go on.
#
# A Python loop over 4,704 places is far too slow: torch needs some microseconds to *start* any operation,
# however small. **Which of the seven indices in the formula are worth a Python loop?** Look for the ones that
# run over few values, and let one tensor operation handle all the others.


# %% answer="conv2d"
def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    """Convolve a batch of images as the libraries do, without turning the kernel.

    No Python loop over pixels; a loop over the kernel's few positions is fine.

    Args:
        x: Images, shape (N, C_in, H, W).
        weight: Filters, shape (C_out, C_in, kh, kw), kh and kw not necessarily equal.
        bias: Shape (C_out,), or None for no bias.
        stride: Pixels from one place to the next, the same in both directions.
        padding: Zeros added on all four sides, in pixels.

    Returns:
        Shape (N, C_out, H_out, W_out) with the sizes that `output_size` gives; the dtype of `x`.
        The arguments are not changed.
    """
    ### BEGIN SOLUTION
    n, c_in, height, width = x.shape
    c_out, _, kh, kw = weight.shape
    h_out = (height + 2 * padding - kh) // stride + 1
    w_out = (width + 2 * padding - kw) // stride + 1

    padded = x.new_zeros(n, c_in, height + 2 * padding, width + 2 * padding)
    padded[:, :, padding : padding + height, padding : padding + width] = x

    # For one kernel position all places see a grid of pixels, `stride` apart: a slice. The product over channels
    # is a matrix product. kh*kw such steps cost no extra memory; gathering all windows first (im2col) makes one
    # large product of it, often faster, for kh*kw times the memory.
    out = x.new_zeros(n, c_out, h_out, w_out)
    for i in range(kh):
        for j in range(kw):
            seen = padded[
                :, :, i : i + stride * (h_out - 1) + 1 : stride, j : j + stride * (w_out - 1) + 1 : stride
            ]
            out += torch.einsum("nkrc,ok->norc", seen, weight[:, :, i, j])
    if bias is not None:
        out += bias[:, None, None]
    return out
    ### END SOLUTION


# %% check="conv2d"
_ = check("conv2d", conv2d)

# %% [markdown]
# Before you trust it, ask it something you can predict. **Shift the image, then convolve; or convolve, then
# shift: is it the same?** That is *equivariance*, and it is why one detector serves the whole image. The cell
# below counts the places at which the two differ, first with pixels that leave on one side coming back on the
# other. Why do a few places differ with zero padding? Which ones? And why nearly all of them when the stride
# is 2 and the shift is 1, but none when the shift is 2?

# %%
with suppress(NotImplementedError):
    picture = data.load("photographs").images[:1, :, 100:164, 100:164]
    filters = torch.randn(4, 3, 3, 3)

    def ring(image: Tensor) -> Tensor:
        """Pad by one pixel with what is at the opposite side, so that there is no border."""
        image = torch.cat([image[..., -1:], image, image[..., :1]], dim=3)
        return torch.cat([image[..., -1:, :], image, image[..., :1, :]], dim=2)

    print("border       stride  shift  places that differ")
    for border, stride, shift, function in [
        ("wraps round", 1, 1, lambda image: conv2d(ring(image), filters)),
        ("zeros", 1, 1, lambda image: conv2d(image, filters, padding=1)),
        ("wraps round", 2, 2, lambda image: conv2d(ring(image), filters, stride=2)),
        ("wraps round", 2, 1, lambda image: conv2d(ring(image), filters, stride=2)),
    ]:
        moved_first = function(picture.roll((shift, shift), dims=(2, 3)))
        # With a stride of 2, two pixels in the image are one place in the output.
        moved_after = function(picture).roll((shift // stride, shift // stride), dims=(2, 3))
        differ = (moved_first - moved_after).abs().amax(dim=1) > 1e-4
        print(f"{border:<12} {stride:>6} {shift:>6}  {differ.float().mean():>18.0%}")

# %% test="conv2d" part="channels" points=1
# Several images, channels and filters; images and kernels that are not square; kernel 1 x 1.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, (n, c_in, c_out, height, width, kh, kw) in fixed_and_fresh(
    31,
    [
        (2, 3, 4, 7, 9, 3, 3),
        (1, 1, 1, 5, 5, 2, 2),
        (3, 2, 5, 6, 4, 2, 3),
        (1, 4, 2, 5, 8, 1, 1),
        (2, 1, 3, 9, 4, 4, 1),
        (2, 3, 2, 3, 5, 3, 5),
    ],
    lambda whole: (*(whole(1, 3) for _ in range(3)), whole(5, 9), whole(5, 9), whole(1, 5), whole(1, 5)),
):
    x = torch.randn(n, c_in, height, width, generator=generator)
    weight = torch.randn(c_out, c_in, kh, kw, generator=generator)
    expected = F.conv2d(x, weight)
    with forbid("conv"):
        actual = conv2d(x, weight)
    torch.testing.assert_close(
        actual,
        expected,
        msg=lambda text, s=(tuple(x.shape), tuple(weight.shape)): f"x {s[0]}, weight {s[1]}: {text}",
    )
### END HIDDEN TESTS

# %% test="conv2d" part="stride" points=1
# Strides that divide the room and strides that leave pixels over, in either direction.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, (height, width, kh, kw, stride) in fixed_and_fresh(
    32,
    [
        (7, 9, 3, 3, 2),
        (8, 7, 3, 3, 2),
        (6, 11, 2, 3, 3),
        (10, 9, 1, 1, 4),
        (5, 8, 4, 2, 5),
    ],
    lambda whole: (whole(5, 11), whole(5, 11), whole(1, 4), whole(1, 4), whole(2, 5)),
):
    x = torch.randn(2, 2, height, width, generator=generator)
    weight = torch.randn(3, 2, kh, kw, generator=generator)
    expected = F.conv2d(x, weight, stride=stride)
    with forbid("conv"):
        actual = conv2d(x, weight, stride=stride)
    torch.testing.assert_close(
        actual,
        expected,
        msg=lambda text, s=(height, width, kh, kw, stride): (
            f"{s[0]} x {s[1]}, kernel {s[2]} x {s[3]}, stride {s[4]}: {text}"
        ),
    )
### END HIDDEN TESTS

# %% test="conv2d" part="padding" points=1
# Padding alone and together with a stride.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, (height, width, kh, kw, stride, padding) in fixed_and_fresh(
    33,
    [
        (5, 6, 3, 3, 1, 1),
        (4, 7, 5, 3, 1, 2),
        (7, 8, 3, 3, 2, 1),
        (6, 5, 1, 1, 3, 2),
        (2, 3, 4, 4, 2, 3),
    ],
    lambda whole: (whole(3, 7), whole(3, 7), whole(1, 4), whole(1, 4), whole(1, 3), whole(1, 3)),
):
    x = torch.randn(2, 3, height, width, generator=generator) + 1.0
    weight = torch.randn(2, 3, kh, kw, generator=generator)
    expected = F.conv2d(x, weight, stride=stride, padding=padding)
    with forbid("conv"):
        actual = conv2d(x, weight, stride=stride, padding=padding)
    torch.testing.assert_close(
        actual,
        expected,
        msg=lambda text, s=(kh, kw, stride, padding): (
            f"kernel {s[0]} x {s[1]}, stride {s[2]}, padding {s[3]}: {text}"
        ),
    )
### END HIDDEN TESTS

# %% test="conv2d" part="bias" points=1
# The bias, when given; float32 and float64 kept; inputs that are not contiguous; arguments left unchanged.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, dtype in fixed_and_fresh(
    34, [torch.float32, torch.float64], lambda whole: torch.float64, count=1
):
    x = torch.randn(5, 8, 3, 2, generator=generator, dtype=dtype).permute(
        3, 2, 1, 0
    )  # (2, 3, 8, 5), not contiguous
    weight = torch.randn(4, 3, 3, 2, generator=generator, dtype=dtype).flip(3)
    bias = 5 * torch.randn(4, generator=generator, dtype=dtype)
    before = [tensor.clone() for tensor in (x, weight, bias)]
    for chosen in (bias, None):
        expected = F.conv2d(x, weight, chosen, 2, 1)
        with forbid("conv"):
            actual = conv2d(x, weight, chosen, 2, 1)
        torch.testing.assert_close(
            actual, expected, msg=lambda text, b=chosen is not None: f"with bias: {b}. {text}"
        )
    for name, tensor, old in zip(("x", "weight", "bias"), (x, weight, bias), before, strict=True):
        assert torch.equal(tensor, old), f"{name} was changed"
### END HIDDEN TESTS

# %% test="conv2d" part="speed" points=1
# No loop over pixels: one image of 200 x 200 within a quarter of a second, in the best of three attempts.
### BEGIN HIDDEN TESTS
from time import perf_counter

import torch
from torch.nn import functional as F

from coursekit.check import forbid, fresh_generator

generator = fresh_generator(35)  # that a table is as fast shows nothing
x = torch.randn(1, 1, 200, 200, generator=generator)
weight = torch.randn(1, 1, 3, 3, generator=generator)
expected = F.conv2d(x, weight, padding=1)


def seconds():
    """How long one call takes; its result has to be right as well."""
    start = perf_counter()
    with forbid("conv"):
        actual = conv2d(x, weight.clone(), padding=1)
    passed = perf_counter() - start
    torch.testing.assert_close(actual, expected, check_dtype=False)
    return passed


assert any(seconds() < 0.25 for _ in range(3)), (
    "200 x 200 pixels take over 0.25 s: is there a loop over pixels?"
)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · The way back
#
# *5 points, about 60 minutes. Not allowed: any convolution of torch, automatic differentiation.*
#
# The loss $L$ depends on the output, and you are told how: `grad_output` holds $g = \partial L / \partial y$.
# How does $L$ depend on each weight and each pixel? Every term of the forward sum is one product $x \cdot w$
# that went into one output. **Follow a single product back**: its weight gets $g \cdot x$ and its pixel gets
# $g \cdot w$. A weight or a pixel that went into many products collects from all of them.
#
# Do it once by hand, in one dimension: $x = [1, 2, 3, 4]$, $w = [10, 1]$, no padding, and $g = [1, 2, 3]$.
#
# ```text
# forward                    to the weights              to the pixels
# y0 = 10*x0 + 1*x1          w0: 1*1 + 2*2 + 3*3 = 14    x0: 1*10         = 10
# y1 = 10*x1 + 1*x2          w1: 1*2 + 2*3 + 3*4 = 20    x1: 1*1  + 2*10  = 21
# y2 = 10*x2 + 1*x3                                      x2: 2*1  + 3*10  = 32
#                                                        x3: 3*1          =  3
# ```
#
# Have you seen `[10, 21, 32, 3]` before? Run the cell below. What does that say about the backward pass of a
# cross-correlation?

# %%
with suppress(NotImplementedError):
    print(convolve2d(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[10.0, 1.0]])))

# %% [markdown]
# Two things to think through before you write. With **padding**, some products had a zero for a pixel: they
# count for the weights (as zero), and what the padding would get is thrown away. With a **stride**, some
# pixels at the border may have taken part in no product at all. What is their gradient, and does your result
# still have their place?


# %% answer="conv2d_backward"
def conv2d_backward(
    grad_output: Tensor, x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Carry the gradient of a loss back through `conv2d(x, weight, bias, stride, padding)`.

    Args:
        grad_output: The loss's gradient with respect to the output, shape (N, C_out, H_out, W_out).
        x: The images of the forward pass, shape (N, C_in, H, W).
        weight: The filters of the forward pass, shape (C_out, C_in, kh, kw).
        stride: As in the forward pass.
        padding: As in the forward pass.

    Returns:
        (grad_x, grad_weight, grad_bias), shaped as `x`, `weight` and (C_out,). Gradients of a loss add up over
        the batch: there is no mean. The arguments are not changed.
    """
    ### BEGIN SOLUTION
    _, _, height, width = x.shape
    _, _, kh, kw = weight.shape
    h_out, w_out = grad_output.shape[2:]

    padded = x.new_zeros(*x.shape[:2], height + 2 * padding, width + 2 * padding)
    padded[:, :, padding : padding + height, padding : padding + width] = x

    grad_padded = torch.zeros_like(padded)
    grad_weight = torch.zeros_like(weight)
    for i in range(kh):
        for j in range(kw):
            rows = slice(i, i + stride * (h_out - 1) + 1, stride)
            columns = slice(j, j + stride * (w_out - 1) + 1, stride)
            # The forward pass did: out += w[i, j] * padded[rows, columns]. Each factor gets g times the other.
            grad_weight[:, :, i, j] = torch.einsum("norc,nkrc->ok", grad_output, padded[:, :, rows, columns])
            grad_padded[:, :, rows, columns] += torch.einsum("norc,ok->nkrc", grad_output, weight[:, :, i, j])

    grad_x = grad_padded[:, :, padding : padding + height, padding : padding + width]
    return grad_x, grad_weight, grad_output.sum(dim=(0, 2, 3))
    ### END SOLUTION


# %% check="conv2d_backward"
_ = check("conv2d_backward", conv2d_backward)

# %% test="conv2d_backward" part="bias" points=1
# The gradient of the bias, for any batch and size.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, (n, c_out, height, width) in fixed_and_fresh(
    41,
    [(1, 1, 3, 4), (3, 2, 5, 3), (2, 4, 4, 4)],
    lambda whole: (whole(1, 3), whole(1, 4), whole(2, 5), whole(2, 5)),
):
    x = torch.randn(n, 2, height, width, generator=generator, dtype=torch.float64)
    weight = torch.randn(c_out, 2, 3, 3, generator=generator, dtype=torch.float64)
    bias = torch.zeros(c_out, dtype=torch.float64, requires_grad=True)
    out = F.conv2d(x, weight, bias, padding=1)
    grad_output = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    (expected,) = torch.autograd.grad(out, bias, grad_output)
    with forbid("conv", "autograd"):
        _, _, actual = conv2d_backward(grad_output, x, weight, 1, 1)
    torch.testing.assert_close(
        actual, expected, msg=lambda text, s=(n, c_out): f"batch {s[0]}, filters {s[1]}: {text}"
    )
### END HIDDEN TESTS

# %% test="conv2d_backward" part="weight" points=1
# The gradient of the weights: several images, channels, filters; kernels that are not square; with padding
# and without.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, (n, c_in, c_out, height, width, kh, kw, padding) in fixed_and_fresh(
    42,
    [
        (1, 1, 1, 4, 5, 2, 2, 0),
        (2, 3, 4, 6, 5, 3, 3, 0),
        (3, 2, 3, 5, 7, 2, 3, 1),
        (2, 3, 2, 4, 4, 1, 1, 0),
        (1, 2, 2, 3, 6, 3, 5, 2),
    ],
    lambda whole: (
        *(whole(1, 3) for _ in range(3)),
        whole(4, 7),
        whole(4, 7),
        whole(1, 4),
        whole(1, 4),
        whole(0, 2),
    ),
):
    x = torch.randn(n, c_in, height, width, generator=generator, dtype=torch.float64)
    weight = torch.randn(c_out, c_in, kh, kw, generator=generator, dtype=torch.float64)
    variable = weight.clone().requires_grad_()
    out = F.conv2d(x, variable, padding=padding)
    grad_output = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    (expected,) = torch.autograd.grad(out, variable, grad_output)
    with forbid("conv", "autograd"):
        _, actual, _ = conv2d_backward(grad_output, x, weight, 1, padding)
    torch.testing.assert_close(
        actual,
        expected,
        msg=lambda text, s=(n, kh, kw, padding): (
            f"batch {s[0]}, kernel {s[1]} x {s[2]}, padding {s[3]}: {text}"
        ),
    )
### END HIDDEN TESTS

# %% test="conv2d_backward" part="input" points=1
# The gradient of the images: several images, channels, filters; kernels that are not square; with padding and
# without.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, (n, c_in, c_out, height, width, kh, kw, padding) in fixed_and_fresh(
    43,
    [
        (1, 1, 1, 4, 5, 2, 2, 0),
        (2, 3, 4, 6, 5, 3, 3, 0),
        (3, 2, 3, 5, 7, 2, 3, 1),
        (2, 3, 2, 4, 4, 1, 1, 0),
        (1, 2, 2, 3, 6, 3, 5, 2),
    ],
    lambda whole: (
        *(whole(1, 3) for _ in range(3)),
        whole(4, 7),
        whole(4, 7),
        whole(1, 4),
        whole(1, 4),
        whole(0, 2),
    ),
):
    x = torch.randn(n, c_in, height, width, generator=generator, dtype=torch.float64)
    weight = torch.randn(c_out, c_in, kh, kw, generator=generator, dtype=torch.float64)
    variable = x.clone().requires_grad_()
    out = F.conv2d(variable, weight, padding=padding)
    grad_output = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    (expected,) = torch.autograd.grad(out, variable, grad_output)
    with forbid("conv", "autograd"):
        actual, _, _ = conv2d_backward(grad_output, x, weight, 1, padding)
    torch.testing.assert_close(
        actual,
        expected,
        msg=lambda text, s=(n, kh, kw, padding): (
            f"batch {s[0]}, kernel {s[1]} x {s[2]}, padding {s[3]}: {text}"
        ),
    )
### END HIDDEN TESTS

# %% test="conv2d_backward" part="stride" points=1
# All three gradients with strides that come out even and strides that leave pixels over; with padding and
# without.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, (height, width, kh, kw, stride, padding) in fixed_and_fresh(
    44,
    [
        (7, 9, 3, 3, 2, 0),
        (8, 6, 3, 3, 2, 0),
        (6, 7, 3, 2, 2, 1),
        (9, 11, 2, 3, 4, 0),
        (5, 8, 1, 1, 3, 1),
    ],
    lambda whole: (whole(5, 9), whole(5, 9), whole(1, 3), whole(1, 3), whole(2, 4), whole(0, 1)),
):
    x = torch.randn(2, 3, height, width, generator=generator, dtype=torch.float64)
    weight = torch.randn(2, 3, kh, kw, generator=generator, dtype=torch.float64)
    variables = x.clone().requires_grad_(), weight.clone().requires_grad_()
    out = F.conv2d(*variables, stride=stride, padding=padding)
    grad_output = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    expected = (*torch.autograd.grad(out, variables, grad_output), grad_output.sum(dim=(0, 2, 3)))
    with forbid("conv", "autograd"):
        actual = conv2d_backward(grad_output, x, weight, stride=stride, padding=padding)
    for name, got, wanted in zip(("x", "weight", "bias"), actual, expected, strict=True):
        torch.testing.assert_close(
            got,
            wanted,
            msg=lambda text, s=(name, height, width, kh, kw, stride, padding): (
                f"grad_{s[0]} for {s[1]} x {s[2]}, kernel {s[3]} x {s[4]}, stride {s[5]}, padding {s[6]}: {text}"
            ),
        )
### END HIDDEN TESTS

# %% test="conv2d_backward" part="adjoint" points=1
# The backward pass is the adjoint of the forward pass, in both arguments; dtype kept, arguments unchanged.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, (dtype, stride, padding) in fixed_and_fresh(
    45,
    [(torch.float64, 1, 0), (torch.float64, 2, 1), (torch.float32, 3, 2)],
    lambda whole: (torch.float64, whole(1, 3), whole(0, 2)),
):
    x = torch.randn(7, 6, 3, 2, generator=generator, dtype=dtype).permute(
        3, 2, 1, 0
    )  # (2, 3, 6, 7), not contiguous
    weight = torch.randn(4, 3, 3, 2, generator=generator, dtype=dtype)
    out = F.conv2d(x, weight, stride=stride, padding=padding)
    grad_output = torch.randn(out.shape, generator=generator, dtype=dtype)
    before = [tensor.clone() for tensor in (grad_output, x, weight)]
    with forbid("conv", "autograd"):
        grad_x, grad_weight, grad_bias = conv2d_backward(grad_output, x, weight, stride, padding)
    for name, gradient, shape in [
        ("x", grad_x, x.shape),
        ("weight", grad_weight, weight.shape),
        ("bias", grad_bias, (4,)),
    ]:
        assert gradient.shape == shape and gradient.dtype == dtype, (
            f"grad_{name} is {gradient.dtype} {tuple(gradient.shape)}"
        )
    for name, tensor, old in zip(
        ("grad_output", "x", "weight"), (grad_output, x, weight), before, strict=True
    ):
        assert torch.equal(tensor, old), f"{name} was changed"

    # <conv(d, w), g> = <d, grad_x> for every change d of the images, <conv(x, d), g> = <d, grad_weight> likewise.
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {}
    for _ in range(3):
        change = torch.randn(x.shape, generator=generator, dtype=dtype)
        forward = (F.conv2d(change, weight, stride=stride, padding=padding) * grad_output).sum()
        torch.testing.assert_close((change * grad_x).sum(), forward, **tolerance)
        change = torch.randn(weight.shape, generator=generator, dtype=dtype)
        forward = (F.conv2d(x, change, stride=stride, padding=padding) * grad_output).sum()
        torch.testing.assert_close((change * grad_weight).sum(), forward, **tolerance)
    change = torch.randn(4, generator=generator, dtype=dtype)
    torch.testing.assert_close(
        (change * grad_bias).sum(), (change[:, None, None] * grad_output).sum(), **tolerance
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · Max pooling, and who gets the gradient
#
# *3 points, about 35 minutes. Not allowed: pooling functions of torch.*
#
# Max pooling keeps the largest value of each window, channel by channel. It has no weights, so all the
# backward pass needs to know is **where the winner stood**. Number the pixels of one map from 0, row by row,
# and remember the winner's number:
#
# ```text
#  1  1  2  4          numbers            window 2, stride 2
#  5  6  7  8           0  1  2  3        output    6  8      argmax    5  7
#  3  2  1  0           4  5  6  7                  3  4                8 15
#  1  2  3  4           8  9 10 11
#                      12 13 14 15
# ```
#
# **If the largest value stands twice in a window, who wins?** Here, as in torch, the one that comes first in
# reading order. AlexNet pools windows of 3 with stride 2: the windows *overlap*, and one pixel may win in
# several. What should its gradient be then?


# %% answer="max_pool2d"
def max_pool2d(x: Tensor, kernel: int, stride: int) -> tuple[Tensor, Tensor]:
    """Keep the largest value of every window and where it stood.

    Args:
        x: Maps, shape (N, C, H, W); values may all be negative.
        kernel: Height and width of the windows, in pixels.
        stride: Pixels from one window to the next; windows overlap if it is smaller than `kernel`.

    Returns:
        (output, argmax), both of shape (N, C, H_out, W_out), no padding. `argmax` is int64 and holds for every
        window the position `row * W + column` of its largest value *in the map*; among equals the first in
        reading order.
    """
    ### BEGIN SOLUTION
    width = x.shape[3]
    windows = x.unfold(2, kernel, stride).unfold(
        3, kernel, stride
    )  # (N, C, H_out, W_out, kernel, kernel), a view
    output, winner = windows.flatten(start_dim=4).max(dim=4)  # the first of several maxima, as documented
    h_out, w_out = output.shape[2:]
    rows = stride * torch.arange(h_out)[:, None] + winner // kernel
    columns = stride * torch.arange(w_out) + winner % kernel
    return output, rows * width + columns
    ### END SOLUTION


def max_pool2d_backward(grad_output: Tensor, argmax: Tensor, x_shape: tuple[int, int, int, int]) -> Tensor:
    """Send each window's gradient to the pixel that won it.

    Args:
        grad_output: The loss's gradient with respect to the output, shape (N, C, H_out, W_out).
        argmax: As returned by `max_pool2d`, the same shape.
        x_shape: The shape (N, C, H, W) of the forward pass's input.

    Returns:
        The gradient with respect to the input, shape `x_shape`.
    """
    ### BEGIN SOLUTION
    n, c, height, width = x_shape
    grad_x = grad_output.new_zeros(n, c, height * width)
    grad_x.scatter_add_(2, argmax.flatten(start_dim=2), grad_output.flatten(start_dim=2))
    return grad_x.view(n, c, height, width)
    ### END SOLUTION


# %% check="max_pool2d"
_ = check("max_pool2d", max_pool2d, max_pool2d_backward)

# %% test="max_pool2d" part="output" points=1
# The values: odd sizes, overlapping windows, windows with gaps, maps that are negative throughout.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, (n, c, height, width, kernel, stride, offset) in fixed_and_fresh(
    51,
    [
        (2, 3, 6, 8, 2, 2, 0.0),
        (1, 1, 7, 5, 3, 2, -9.0),
        (3, 2, 8, 9, 3, 2, 0.0),
        (2, 2, 5, 7, 2, 1, -9.0),
        (1, 4, 9, 8, 2, 3, 0.0),
        (2, 1, 4, 4, 4, 4, -9.0),
    ],
    lambda whole: (whole(1, 3), whole(1, 3), whole(4, 9), whole(4, 9), whole(2, 4), whole(1, 4), -9.0),
):
    x = torch.randn(n, c, height, width, generator=generator, dtype=torch.float64) + offset
    before = x.clone()
    with forbid("pooling"):
        actual, _ = max_pool2d(x, kernel, stride)
    torch.testing.assert_close(
        actual,
        F.max_pool2d(x, kernel, stride),
        msg=lambda text, s=(height, width, kernel, stride): (
            f"{s[0]} x {s[1]}, window {s[2]}, stride {s[3]}: {text}"
        ),
    )
    assert torch.equal(x, before), "x was changed"
### END HIDDEN TESTS

# %% test="max_pool2d" part="argmax" points=1
# The positions: in the map, not in the window; the first among equals; non-contiguous and float32 maps as well.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, (height, width, kernel, stride, values) in fixed_and_fresh(
    52,
    [
        (6, 8, 2, 2, 1000),
        (7, 5, 3, 2, 1000),
        (8, 9, 3, 2, 3),
        (5, 7, 2, 1, 2),
        (9, 7, 3, 4, 1),
    ],
    lambda whole: (whole(4, 9), whole(4, 9), whole(2, 4), whole(1, 4), whole(2, 3)),
):
    x = torch.randint(-values, 0, (width, height, 2, 3), generator=generator).float().permute(3, 2, 1, 0)
    with forbid("pooling"):
        output, argmax = max_pool2d(x, kernel, stride)
    wanted, where = F.max_pool2d(x.contiguous(), kernel, stride, return_indices=True)
    case = f"{height} x {width}, window {kernel}, stride {stride}, {values} different values"
    torch.testing.assert_close(output, wanted, msg=lambda text, case=case: f"output for {case}: {text}")
    torch.testing.assert_close(argmax, where, msg=lambda text, case=case: f"argmax for {case}: {text}")
### END HIDDEN TESTS

# %% test="max_pool2d" part="backward" points=1
# The gradient goes to the winners, and adds up where one pixel wins several windows.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, (n, c, height, width, kernel, stride) in fixed_and_fresh(
    53,
    [
        (2, 3, 6, 8, 2, 2),
        (1, 2, 7, 9, 3, 2),
        (3, 1, 6, 5, 3, 1),
        (2, 2, 8, 9, 2, 3),
    ],
    lambda whole: (whole(1, 3), whole(1, 3), whole(4, 9), whole(4, 9), whole(2, 4), whole(1, 4)),
):
    x = torch.randn(n, c, height, width, generator=generator, dtype=torch.float64, requires_grad=True)
    out, argmax = F.max_pool2d(x, kernel, stride, return_indices=True)
    grad_output = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    (expected,) = torch.autograd.grad(out, x, grad_output)
    with forbid("pooling"):
        actual = max_pool2d_backward(grad_output, argmax, (n, c, height, width))
    torch.testing.assert_close(
        actual,
        expected,
        msg=lambda text, s=(height, width, kernel, stride): (
            f"{s[0]} x {s[1]}, window {s[2]}, stride {s[3]}: {text}"
        ),
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · A layer is a matrix
#
# *3 points, about 35 minutes. Not allowed: any convolution of torch.*
#
# Convolution is linear, so for a fixed image size there is a matrix that does it to the flattened image. One
# row per output pixel, one column per input pixel. For a kernel `a b / c d` on a 3 x 3 image:
#
# ```text
#                      image pixel, row by row
#                 0  1  2     3  4  5     6  7  8
# out (0, 0)   [  a  b  .     c  d  .     .  .  .  ]
# out (0, 1)   [  .  a  b     .  c  d     .  .  .  ]
# out (1, 0)   [  .  .  .     a  b  .     c  d  .  ]
# out (1, 1)   [  .  .  .     .  a  b     .  c  d  ]
# ```
#
# **Between the second row and the third the pattern moves by two columns, not one. Why?** A matrix made of
# such blocks is called doubly blocked Toeplitz. From 28 x 28 pixels to 26 x 26 it has 676 x 784 = 529,984
# entries; a fully connected layer would learn each of them, this one learns nine.
#
# Read the matrix by columns instead and you see which outputs a pixel feeds: its transpose carries 2 x 2
# numbers to a 3 x 3 image. That is the *transposed convolution* which decoders use to make images larger.
# Where did you meet it in exercise 4?


# %% answer="conv_matrix"
def conv_matrix(kernel: Tensor, height: int, width: int) -> Tensor:
    """Build the matrix that cross-correlates a flattened image with a kernel, as `conv2d` does without padding.

    Args:
        kernel: Shape (h, w), h <= height and w <= width.
        height: Height H of the image, in pixels.
        width: Width W of the image, in pixels.

    Returns:
        Shape (H_out * W_out, H * W) with H_out = H - h + 1 and W_out = W - w + 1, dtype of the kernel.
        Row `r * W_out + c` belongs to output pixel (r, c), column `r * W + c` to input pixel (r, c).
    """
    ### BEGIN SOLUTION
    h, w = kernel.shape
    h_out, w_out = height - h + 1, width - w + 1
    matrix = kernel.new_zeros(
        h_out, w_out, height, width
    )  # (output pixel, input pixel), each as row and column
    rows, columns = torch.arange(h_out)[:, None], torch.arange(w_out)
    for i in range(h):
        for j in range(w):
            matrix[rows, columns, rows + i, columns + j] = kernel[i, j]
    return matrix.reshape(h_out * w_out, height * width)
    ### END SOLUTION


def conv_transpose2d(x: Tensor, kernel: Tensor) -> Tensor:
    """Apply the transpose of the convolution's matrix: from the output's size back to the input's.

    Args:
        x: Shape (H, W), as large as the *output* of the convolution.
        kernel: Shape (h, w), the same dtype.

    Returns:
        Shape (H + h - 1, W + w - 1): as large as the image whose convolution has the size of `x`.
    """
    ### BEGIN SOLUTION
    height, width = x.shape[0] + kernel.shape[0] - 1, x.shape[1] + kernel.shape[1] - 1
    return (conv_matrix(kernel, height, width).T @ x.flatten()).view(height, width)
    ### END SOLUTION


# %% check="conv_matrix"
_ = check("conv_matrix", conv_matrix, conv_transpose2d)

# %% [markdown]
# Here is yours, for a 3 x 3 kernel on a 6 x 6 image. Find the rows that belong to one row of output pixels.
# How much of the matrix is zero, and what happens to that share when the image grows?

# %%
with suppress(NotImplementedError):
    matrix = conv_matrix(torch.arange(1.0, 10.0).view(3, 3), 6, 6)
    print(f"{tuple(matrix.shape)}, {(matrix == 0).float().mean():.0%} zeros")
    drawing = viz.show_matrix(
        matrix, title="3 × 3 kernel, 6 × 6 image", xlabel="input pixel", ylabel="output pixel", blocks=(4, 6)
    )
    viz.show(
        drawing, alt="A 16 by 36 matrix: bands of nine values on diagonals within blocks, zero elsewhere."
    )

# %% test="conv_matrix" part="square" points=1
# Square kernels on square images.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, (size, k) in fixed_and_fresh(
    61,
    [(3, 2), (5, 3), (6, 4), (4, 1), (3, 3)],
    lambda whole: (whole(4, 6), whole(1, 4)),
):
    kernel = torch.randn(k, k, generator=generator, dtype=torch.float64)
    with forbid("conv"):
        actual = conv_matrix(kernel, size, size)
    # Column by column: what the convolution makes of an image with a single pixel of one.
    pixels = torch.eye(size * size, dtype=torch.float64).view(-1, 1, size, size)
    expected = F.conv2d(pixels, kernel[None, None]).flatten(start_dim=1).T
    torch.testing.assert_close(
        actual, expected, msg=lambda text, s=(k, size): f"kernel {s[0]}, image {s[1]}: {text}"
    )
### END HIDDEN TESTS

# %% test="conv_matrix" part="rectangle" points=1
# Kernels and images that are not square, in float32 and float64.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, (height, width, h, w, dtype) in fixed_and_fresh(
    62,
    [
        (4, 6, 2, 2, torch.float64),
        (7, 3, 2, 3, torch.float32),
        (3, 8, 3, 2, torch.float64),
        (1, 6, 1, 4, torch.float64),
        (5, 4, 1, 3, torch.float32),
    ],
    lambda whole: (whole(3, 7), whole(3, 7), whole(1, 3), whole(1, 3), torch.float64),
):
    kernel = torch.randn(w, h, generator=generator, dtype=dtype).T  # not contiguous
    before = kernel.clone()
    with forbid("conv"):
        actual = conv_matrix(kernel, height, width)
    pixels = torch.eye(height * width, dtype=dtype).view(-1, 1, height, width)
    expected = F.conv2d(pixels, kernel[None, None]).flatten(start_dim=1).T
    torch.testing.assert_close(
        actual,
        expected,
        msg=lambda text, s=(h, w, height, width): f"kernel {s[0]} x {s[1]}, image {s[2]} x {s[3]}: {text}",
    )
    assert torch.equal(kernel, before), "kernel was changed"
### END HIDDEN TESTS

# %% test="conv_matrix" part="transpose" points=1
# The transposed convolution: against torch, and as the adjoint of the convolution.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fixed_and_fresh, forbid

for generator, (height, width, h, w) in fixed_and_fresh(
    63,
    [(2, 2, 2, 2), (3, 5, 2, 3), (1, 1, 3, 2), (4, 2, 1, 1), (2, 3, 4, 4)],
    lambda whole: (whole(1, 4), whole(1, 4), whole(1, 4), whole(1, 4)),
):
    x = torch.randn(height, width, generator=generator, dtype=torch.float64)
    kernel = torch.randn(h, w, generator=generator, dtype=torch.float64)
    with forbid("conv"):
        actual = conv_transpose2d(x, kernel)
    expected = F.conv_transpose2d(x[None, None], kernel[None, None])[0, 0]
    torch.testing.assert_close(
        actual,
        expected,
        msg=lambda text, s=(height, width, h, w): f"{s[0]} x {s[1]}, kernel {s[2]} x {s[3]}: {text}",
    )
    image = torch.randn(height + h - 1, width + w - 1, generator=generator, dtype=torch.float64)
    forward = (F.conv2d(image[None, None], kernel[None, None])[0, 0] * x).sum()
    torch.testing.assert_close(
        (image * actual).sum(), forward, msg=lambda text: f"it is not the adjoint: {text}"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · How far does a neuron see?
#
# *4 points, about 30 minutes.*
#
# A neuron in layer 1 sees its kernel's width of pixels. **A neuron in layer 2 looks at a few neurons of layer
# 1: how many pixels does it see?** Two layers with kernel 3; then the same with stride 2 in the first one:
#
# ```text
# layer 2          o                              o
#                / | \                         /  |  \
# layer 1       o  o  o                     o     o     o          one step here = 2 pixels
#             / | \|/ | \                 / | \ / | \ / | \
# pixels     x  x  x  x  x               x  x  x  x  x  x  x
#                  5                                7
# ```
#
# The kernel of a deeper layer is laid over *neurons*, and these stand some pixels apart in the image. So two
# things have to be carried along: how much one neuron sees (the **receptive field**), and how far apart in
# the image two neighbours are (the **effective stride**). A third one says where it all begins: how many
# pixels of the first neuron's field lie outside the image, on the left (the **effective padding**).


# %% answer="receptive_field"
def receptive_field(layers: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Follow the receptive field through a stack of layers, along one axis.

    Args:
        layers: One (kernel, stride, padding) per convolution or pooling layer, from the image upwards.

    Returns:
        One (size, stride, padding) per layer, Python ints, in pixels of the *image*: how many pixels a
        neuron of this layer sees, how far apart the fields of neighbouring neurons are, and how many
        pixels the first neuron's field starts before the image.
    """
    ### BEGIN SOLUTION
    size, step, padding = 1, 1, 0  # a pixel sees itself, and its neighbour is one pixel away
    fields = []
    for kernel, stride, pad in layers:
        # The kernel spans kernel - 1 gaps between neurons of the layer below, `step` pixels each.
        size += (kernel - 1) * step
        padding += pad * step
        step *= stride
        fields.append((size, step, padding))
    return fields
    ### END SOLUTION


# %% check="receptive_field"
_ = check("receptive_field", receptive_field)

# %% test="receptive_field" part="size" points=1
# The receptive field of stacks with stride 1 and of a few with strides, layer by layer.
### BEGIN HIDDEN TESTS
from coursekit.check import fixed_and_fresh

for _, (kernel, depth) in fixed_and_fresh(
    71,
    [(3, 1), (3, 2), (3, 5), (5, 3), (1, 4), (2, 6), (7, 2)],
    lambda whole: (whole(1, 60), whole(1, 20)),
    count=5,
):
    actual = [row[0] for row in receptive_field([(kernel, 1, 0)] * depth)]
    expected = [1 + (layer + 1) * (kernel - 1) for layer in range(depth)]  # 1 + L (K - 1)
    assert actual == expected, f"{depth} layers of kernel {kernel}: {actual}, not {expected}"

for layers, expected in [
    ([(3, 2, 0)] * 5, [3, 7, 15, 31, 63]),
    ([(2, 2, 0), (2, 2, 0), (2, 2, 0)], [2, 4, 8]),
    ([(7, 2, 3), (3, 2, 1), (1, 1, 0), (3, 1, 1)], [7, 11, 11, 19]),
    ([(5, 1, 0), (2, 2, 0), (5, 1, 0), (2, 2, 0)], [5, 6, 14, 16]),  # LeNet-5
    ([], []),
]:
    actual = [row[0] for row in receptive_field(layers)]
    assert actual == expected, f"{layers}: {actual}, not {expected}"
### END HIDDEN TESTS

# %% test="receptive_field" part="stride-padding" points=1
# Effective stride and padding, layer by layer, as Python ints.
### BEGIN HIDDEN TESTS
import math

from coursekit.check import fixed_and_fresh


def in_closed_form(layers):
    """(stride, padding) of each layer: a product of strides, and a sum of paddings in pixels of the image."""
    found = []
    for length in range(1, len(layers) + 1):
        strides = [stride for _, stride, _ in layers[:length]]
        paddings = [layer[2] * math.prod(strides[:below]) for below, layer in enumerate(layers[:length])]
        found.append((math.prod(strides), sum(paddings)))
    return found


def drawn(whole):
    """A stack of layers, and what should be found."""
    layers = [(whole(1, 9), whole(1, 4), whole(0, 4)) for _ in range(whole(2, 6))]
    return layers, in_closed_form(layers)


for _, (layers, expected) in fixed_and_fresh(
    72,
    [
        ([(3, 2, 0), (3, 3, 0), (1, 4, 0)], [(2, 0), (6, 0), (24, 0)]),
        ([(3, 1, 1), (3, 1, 1), (3, 1, 1)], [(1, 1), (1, 2), (1, 3)]),
        ([(3, 2, 1), (3, 2, 1), (3, 2, 1)], [(2, 1), (4, 3), (8, 7)]),
        ([(7, 2, 3), (3, 2, 1), (1, 1, 0), (3, 1, 1)], [(2, 3), (4, 5), (4, 5), (4, 9)]),
        ([(1, 5, 0), (5, 1, 2)], [(5, 0), (5, 10)]),
    ],
    drawn,
    count=4,
):
    rows = receptive_field(layers)
    actual = [tuple(row[1:]) for row in rows]
    assert actual == expected, f"{layers}: {actual}, not {expected}"
    assert all(isinstance(number, int) for row in rows for number in row), "the numbers should be Python ints"
### END HIDDEN TESTS

# %% test="receptive_field" part="measured" points=2
# Random stacks, against what the gradient of a real stack of convolutions shows.
### BEGIN HIDDEN TESTS
import torch
from torch.nn import functional as F

from coursekit.check import fresh_generator


def measure(layers):
    """(size, stride, padding) of the last layer, read off the gradients of two neighbouring outputs."""
    image = torch.zeros(1, 1, 900, dtype=torch.float64, requires_grad=True)
    out = image
    for kernel, stride, padding in layers:
        out = F.conv1d(out, torch.ones(1, 1, kernel, dtype=torch.float64), stride=stride, padding=padding)
    middle = out.shape[-1] // 2
    seen = []
    for place in (middle, middle + 1):
        (gradient,) = torch.autograd.grad(out[0, 0, place], image, retain_graph=True)
        pixels = gradient[0, 0].nonzero().flatten().tolist()
        seen.append((pixels[0], pixels[-1]))
    (first, last), (following, _) = seen
    return last - first + 1, following - first, middle * (following - first) - first


fixed = torch.Generator().manual_seed(73)
for depth, generator in [*((depth, fixed) for depth in (1, 2, 3, 4, 5, 5)), (4, fresh_generator(73))]:
    layers = []
    for a, b, c in torch.randint(0, 1000, (depth, 3), generator=generator).tolist():
        stride = 1 + b % 2
        kernel = (
            stride + a % 4
        )  # at least the stride, so that no pixel is skipped and the gradient has no holes
        layers.append((kernel, stride, c % (kernel // 2 + 1)))
    actual = [tuple(row) for row in receptive_field(list(layers))]
    expected = [measure(layers[: length + 1]) for length in range(depth)]
    assert actual == expected, f"{layers}: {actual}, measured {expected}"
### END HIDDEN TESTS

# %% [markdown]
# ### Count it yourself: AlexNet
#
# A lecture slide lists AlexNet's receptive fields. The next cell puts three columns side by side: what *your*
# two functions say, what a *measurement* says (the gradient of one neuron with respect to the image: where it
# is not zero, the neuron sees), and what *the slide* says. Before you run it: the fully connected layer `fc6`
# looks at all of a 6 x 6 map. Which kernel size is that?

# %%
# name, kernel, stride, padding; the slide's receptive field, effective stride and effective padding
ALEXNET = [
    ("conv1", 11, 4, 2, (11, 4, 2)),
    ("pool1", 3, 2, 0, (19, 8, 2)),
    ("conv2", 5, 1, 2, (51, 8, 18)),
    ("pool2", 3, 2, 0, (67, 16, 34)),
    ("conv3", 3, 1, 1, (99, 16, 50)),
    ("conv4", 3, 1, 1, (131, 16, 66)),
    ("conv5", 3, 1, 1, (163, 16, 66)),
    ("pool5", 3, 2, 0, (195, 32, 66)),
    ("flatten", 1, 1, 0, (259, 32, 66)),
    ("fc6", 6, 1, 0, (259, 32, 66)),
]

with suppress(NotImplementedError):
    yours = receptive_field([(kernel, stride, padding) for _, kernel, stride, padding, _ in ALEXNET])
    # Channels do not change what a neuron sees: to measure, one channel is enough, and convolutions only.
    stack = nn.Sequential(
        *[nn.Conv2d(1, 1, kernel, stride, padding) for _, kernel, stride, padding, _ in ALEXNET]
    )
    measured = [(row.size, row.stride, row.padding) for row in probe.measure(stack, (1, 227, 227))]

    size = 227
    print("(receptive field, effective stride, effective padding)\n")
    print(f"{'layer':<8} {'output':>6}   {'yours':<15} {'measured':<15} {'the slide says':<15}")
    for (name, kernel, stride, padding, slide), mine, seen in zip(ALEXNET, yours, measured, strict=True):
        size = output_size(size, kernel, stride, padding)
        remark = "" if mine == seen == slide else "<- not all the same"
        print(f"{name:<8} {size:>6}   {mine!s:<15} {seen!s:<15} {slide!s:<15} {remark}")

# %% [markdown]
# Where a measurement and a slide disagree, believe the measurement and find out what happened on the slide.
#
# <details>
# <summary>Made up your mind? Then open this.</summary>
#
# The slide's padding column is shifted by one row from `pool2` on: a pooling layer without padding cannot
# change the effective padding, so it is 18, then 34 and 50, where the slide says 34, 50, 66. And the
# receptive field of `flatten` is still 195, since flattening moves nothing; `fc6` sees 6 x 6 neurons that
# stand 32 pixels apart, 195 + 5 · 32 = 355, more than the whole image of 227. The slide's 259 is 195 + 2 · 32,
# a kernel of 3.
#
# </details>

# %% [markdown]
# ## 8 · Open experiment: how much does a trained network mind a shift?
#
# *4 points, about 45 minutes, graded by hand.*
#
# Convolutional networks are often called translation invariant. In exercise 3 you saw that a convolution is
# *equivariant*, and that a stride spoils it. A network for classification ends in an average over all places,
# which should turn equivariance into **in**variance: a moved image gets the same answer. **Does it? And does
# it matter how the network makes its maps smaller?**
#
# Train small networks on handwritten digits that differ *only* in how they downsample: a stride in the
# convolution, max pooling, average pooling. Then move the test images by 0, 1, 2, … 8 pixels and see how
# often the prediction stays what it was for the image that was not moved. If you have a better question about
# shifts and downsampling, take that one: say what you ask, and why.
#
# `network`, `images_and_labels` and `moved` are given, so that you can spend your time on the experiment.
# Borders wrap round everywhere, so that no pixel is lost and nothing but the downsampling can break the
# invariance. `train.fit` trains a network; ask for `train.fit?` and `train.TrainConfig?`. Draw with
# `viz.curves`, which takes one row per seed, and show the figure with `viz.show(figure, alt="what there is to
# see, in words")`.
#
# With `budget = "ci"`, at the top, the data are 8 x 8 digits with a margin of four pixels, and all of the
# experiment should take well under a minute: hand in with this setting. `"laptop"` is for your own curiosity:
# clothes at 28 x 28.
#
# **What counts**, half a point each. The plot:
#
# - at least three seeds for each way of downsampling, and their spread is visible;
# - shifts on one axis and a measure that you can explain on the other, with labels, units and a legend;
# - the comparison is fair: same data, same training, same number of parameters;
# - the accuracy without a shift stands next to it.
#
# The text:
#
# - it says what the plot shows, in numbers, before it explains anything;
# - it explains at which shifts the prediction always stays the same, and why just there;
# - it explains the difference between the ways of downsampling, or why you can't tell;
# - it names one thing that this experiment cannot show.

# %%
DATA = {"ci": ("digits", 4), "laptop": ("fashion_mini", 2), "gpu": ("fashion_mnist", 2)}


def images_and_labels(split: str) -> tuple[Tensor, Tensor]:
    """Images (N, 1, H, W) with a dark margin, H and W divisible by 4, and labels (N,).

    Args:
        split: "train" or "test".
    """
    name, margin = DATA[budget]
    images, labels, _ = data.load(name, split=split)
    return nn.functional.pad(images, [margin] * 4), labels


def network(downsampling: str, width: int = 16) -> nn.Sequential:
    """Two convolutions that halve the map each, an average over all places, and a classifier.

    Args:
        downsampling: "stride", "max" or "average". The number of parameters is the same.
        width: Channels of the first convolution; the second has twice as many.
    """
    stride = 2 if downsampling == "stride" else 1
    pool = {"stride": nn.Identity(), "max": nn.MaxPool2d(2), "average": nn.AvgPool2d(2)}[downsampling]
    return nn.Sequential(
        nn.Conv2d(1, width, 3, stride, padding=1, padding_mode="circular"),
        nn.ReLU(),
        pool,
        nn.Conv2d(width, 2 * width, 3, stride, padding=1, padding_mode="circular"),
        nn.ReLU(),
        pool,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, 10),
    )


def moved(images: Tensor, pixels: int) -> Tensor:
    """The images moved to the right; what leaves them comes back on the left."""
    return images.roll(pixels, dims=3)


# %% manual="open-experiment" part="plot" points=2
# Your experiment. The last thing this cell does is to show your plot.
### BEGIN SOLUTION
settings = {"ci": (6, 16, range(3)), "laptop": (10, 16, range(3)), "gpu": (20, 32, range(5))}
epochs, width, seeds = settings[budget]
training = images_and_labels("train")
images, labels = (tensor.to(coursekit.device()) for tensor in images_and_labels("test"))
shifts = list(range(9))

same, accuracy = {}, {}
for downsampling in ("stride", "max", "average"):
    agreements, rights = [], []
    for seed in seeds:
        coursekit.seed_everything(seed)
        model = network(downsampling, width)
        config = train.TrainConfig(
            epochs=epochs, batch_size=32, lr=0.03, optimizer="adamw", schedule="onecycle", seed=seed
        )
        train.fit(model, training, config=config, progress=False)
        with torch.no_grad():
            answers = torch.stack([model(moved(images, pixels)).argmax(dim=1) for pixels in shifts])
        agreements.append((answers == answers[0]).float().mean(dim=1).cpu())
        rights.append((answers[0] == labels).float().mean().item())
    same[downsampling], accuracy[downsampling] = torch.stack(agreements), rights
    shares = " ".join(f"{share:.0%}" for share in same[downsampling].mean(dim=0))
    print(f"{downsampling:<8} {min(rights):.0%} to {max(rights):.0%} right unmoved; same answer {shares}")

figure = viz.curves(
    {f"{name} ({sum(accuracy[name]) / len(seeds):.0%} right unmoved)": runs for name, runs in same.items()},
    x=shifts,
    xlabel="shift of the test images (pixels)",
    ylabel="same answer as unmoved (%)",
    percent=True,
    ylim=(0, 105),
    title=f"mean and range over {len(seeds)} seeds",
)
figure.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), frameon=False)
viz.show(
    figure,
    alt="Share of test images that keep their class against the shift, for three ways of downsampling.",
)
### END SOLUTION

# %% [markdown] manual="open-experiment" part="text" points=2
# ### BEGIN SOLUTION
# **Reference answer** (`budget = "ci"`, three seeds; the last digit varies from machine to machine). Unmoved,
# the networks are right for about 96 % (stride), 96 % (max) and 86 % (average) of the test digits. After a
# shift by 1, 2 or 3 pixels the network with strides gives its old answer for 37, 10 and 36 % only; with max
# pooling it is 82, 92 and 84 %, with average pooling 85, 100 and 85 %. After 4 and 8 pixels all three give it
# always, and shifts 5 to 7 repeat 1 to 3.
#
# Two halvings make an effective stride of 4. A shift by 4 moves the last map by exactly one place, the
# average over all places does not notice: equivariance has become invariance, but only for multiples of the
# effective stride. In between the network reads the image on another grid, of which it has seen one alignment
# in training. A strided convolution keeps one place of four and forgets the others. Max pooling looks at all
# four before it keeps one, and the strongest response mostly survives a small move. Average pooling is a blur
# before subsampling: aliasing is weaker. Its shift by 2 is free for a reason of its own: its second pooling
# and the average over all places are one and the same mean, so that only the first pooling subsamples and the
# effective stride is 2.
#
# What it cannot show: whether a network trained on moved digits minds shifts as well (this one saw each digit
# in the middle only), and whether average pooling is the better choice, as it is less often right to begin
# with. Shifts are horizontal and wrap round; in photographs new pixels come in at the border.
#
# **Mark scheme** (half a point each; another question is judged by the same eight lines)
#
# - Plot: 3 or more seeds with visible spread · axes with labels and units, legend, a measure that is defined · fair comparison
#   (same data, steps and parameters; if a setting was tuned, for all three) · accuracy unmoved is reported.
# - Text: numbers from the own plot, before any explanation · 4 and 8 named and explained by the effective stride and the
#   global average, not by "the network is robust" · a mechanism for the difference (what is thrown away; looking before
#   subsampling; blur), or an honest "the ranges overlap, I can't tell" · one true limit of the experiment.
# - No half point for a claim that the own plot contradicts. A plot without text earns 2 at most, a text without a plot 1.
# ### END SOLUTION

# %% [markdown]
# Done? Look at where you stand, then restart the kernel, run all cells, save, and hand in.

# %%
progress()
