"""Public checks of topic 01: small integer inputs, expected values from torch, autograd or a hand count."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit.check.cases import Case, Exercise

Shape = tuple[int, ...]
Arguments = Callable[[], tuple[object, ...]]


def _ramp(*shape: int, start: int = 1, cycle: int = 1000) -> Tensor:
    """Whole numbers as floats, counting up in reading order and starting again after `cycle` of them."""
    count = torch.Size(shape).numel()
    return (start + torch.arange(count) % cycle).float().view(shape)


def _rows(*rows: list[int]) -> Tensor:
    """A matrix of floats, written row by row."""
    return torch.tensor(rows, dtype=torch.float32)


def _maps(*rows: list[int]) -> Tensor:
    """One map of one image, shape (1, 1, H, W), written row by row."""
    return _rows(*rows)[None, None]


# ---- output_size ------------------------------------------------------------------------------------------


def _count_places(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """What torch makes of a line of that length."""
    line, taps = (torch.zeros(1, 1, length) for length in (size, kernel))
    return F.conv1d(line, taps, stride=stride, padding=padding, dilation=dilation).shape[-1]


def _size_case(name: str, *args: int, **kwargs: int) -> Case:
    return Case(name, args=lambda: args, kwargs=kwargs, expected=_count_places)


OUTPUT_SIZE = Exercise(
    id="output_size",
    functions=("output_size",),
    cases=(
        _size_case("kernel 3 on 7 pixels", 7, 3),
        _size_case("padding 2", 8, 5, padding=2),
        _size_case("stride 2", 7, 3, stride=2),
        _size_case("stride 3, a pixel left over", 11, 4, stride=3),
        _size_case("AlexNet's first layer", 227, 11, stride=4, padding=2),
        _size_case("dilation 2", 11, 3, dilation=2),
        _size_case("everything at once", 16, 4, stride=3, padding=1, dilation=3),
        Case("a kernel of 7 on 4 pixels does not fit", args=lambda: (4, 7), raises=ValueError),
    ),
    hints=(
        "Put the kernel at the left end of the padded axis. How many pixels are left to its right, and "
        "how many steps can it take into them? The first place counts as well.",
        "Padding adds pixels at both ends. A kernel of k taps has k - 1 gaps between them, and dilation "
        "stretches the gaps, not the taps. If the kernel covers more than there is, not even the first "
        "place exists.",
        "In words: first work out how many pixels the kernel covers. Take that from the padded length: "
        "what remains is the room to move. No room below zero, or raise ValueError. Divide the room by "
        "the stride, throw the remainder away, and add one for the place it started in.",
    ),
)


# ---- convolve2d -------------------------------------------------------------------------------------------


def _full_convolution(image: Tensor, kernel: Tensor) -> Tensor:
    """Torch's cross-correlation with the kernel turned by half a turn, on a padded image."""
    border = (kernel.shape[0] - 1, kernel.shape[1] - 1)
    return F.conv2d(image[None, None], kernel.flip(0, 1)[None, None], padding=border)[0, 0]


def _convolve_case(name: str, args: Arguments) -> Case:
    return Case(name, args=args, expected=_full_convolution)


CONVOLVE2D = Exercise(
    id="convolve2d",
    functions=("convolve2d",),
    cases=(
        _convolve_case("polynomials: [1 2 3] * [4 5]", lambda: (_rows([1, 2, 3]), _rows([4, 5]))),
        _convolve_case(
            "one pixel stamps the kernel",
            lambda: (_rows([0, 0, 0], [0, 1, 0], [0, 0, 0]), _rows([1, 2, 3], [4, 5, 6], [7, 8, 9])),
        ),
        _convolve_case("neither is square", lambda: (_ramp(2, 4), _rows([1, 0], [2, 3], [0, 5]))),
        _convolve_case("two rows times one column", lambda: (_ramp(2, 3), _rows([1], [10], [100]))),
        _convolve_case("kernel larger than the image", lambda: (_rows([2, 1]), _ramp(3, 3))),
        _convolve_case(
            "float64 stays float64", lambda: (_ramp(2, 2).double(), _rows([1, 2], [0, -1]).double())
        ),
    ),
    hints=(
        "Take the sentence in the text at its word: every pixel stamps a copy of the kernel, scaled by "
        "its value. Begin with the image that has a single pixel of 1.",
        "Pixel (m, n) times kernel entry (i, j) goes to result (m + i, n + j). For one kernel entry, all "
        "pixels of the image go to a rectangle as large as the image: where in the result does it begin?",
        "In words: make a result of zeros of the full size. For every kernel entry, add the whole image "
        "times this entry to the rectangle that begins at the entry's own row and column. Nothing is "
        "flipped anywhere.",
    ),
    forbidden=("conv",),
)


# ---- conv2d -----------------------------------------------------------------------------------------------


def _conv_case(name: str, args: Arguments, **kwargs: int) -> Case:
    return Case(name, args=args, kwargs=kwargs, expected=F.conv2d)


CONV2D = Exercise(
    id="conv2d",
    functions=("conv2d",),
    cases=(
        _conv_case("the example above", lambda: (_ramp(1, 1, 3, 3), _maps([1, 0], [0, 2]))),
        _conv_case("kernel 2 x 3 on 4 x 5", lambda: (_ramp(1, 1, 4, 5), _ramp(1, 1, 2, 3))),
        _conv_case(
            "two images, three channels", lambda: (_ramp(2, 3, 3, 3, cycle=7), _ramp(2, 3, 2, 2, cycle=5))
        ),
        _conv_case(
            "bias of two filters",
            lambda: (_ramp(1, 1, 3, 3), _ramp(2, 1, 2, 2), torch.tensor([1000.0, 2000.0])),
        ),
        _conv_case("stride 2", lambda: (_ramp(1, 1, 5, 7), _ramp(1, 1, 3, 3, cycle=4)), stride=2),
        _conv_case("stride 2, pixels left over", lambda: (_ramp(1, 1, 5, 6), _ramp(1, 1, 2, 3)), stride=2),
        _conv_case("padding 1", lambda: (_ramp(1, 1, 3, 4), _ramp(1, 1, 3, 3, cycle=4)), padding=1),
        _conv_case(
            "everything at once, float64",
            lambda: (
                _ramp(2, 2, 5, 6, cycle=9).double(),
                _ramp(3, 2, 3, 2, cycle=5).double(),
                torch.tensor([100.0, 200.0, 300.0], dtype=torch.float64),
            ),
            stride=2,
            padding=1,
        ),
    ),
    hints=(
        "Turn the loops inside out. Instead of collecting a whole window for one place, take one kernel "
        "position and ask which pixels all the places see there.",
        "With i and j fixed, output (r, c) needs padded pixel (r*stride + i, c*stride + j). Over all r "
        "and c that is a slice that begins at i, goes in steps of the stride, and has H_out rows; "
        "likewise for the columns. What remains is a sum over input channels for every filter: a matrix "
        "product.",
        "In words: make a larger image of zeros and put x into its middle. Make an output of zeros. For "
        "each of the kh*kw kernel positions, take the strided slice, multiply its channels with weight[:,"
        " :, i, j] so that input channels are summed and filters stay, and add to the output. At the end "
        "add the bias along the channel axis.",
    ),
    forbidden=("conv",),
)


# ---- conv2d_backward --------------------------------------------------------------------------------------


def _conv_gradients(
    grad_output: Tensor, x: Tensor, weight: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, ...]:
    """(grad_x, grad_weight, grad_bias) by automatic differentiation of torch's own convolution."""
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    bias = weight.new_zeros(len(weight), requires_grad=True)
    with torch.enable_grad():
        out = F.conv2d(x, weight, bias, stride=stride, padding=padding)
    return torch.autograd.grad(out, (x, weight, bias), grad_output)


def _backward_case(
    name: str,
    x: Shape,
    weight: Shape,
    *,
    stride: int = 1,
    padding: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Case:
    """Counting numbers of these shapes; the output's gradient counts as well."""
    (n, _, height, width), (c_out, _, kh, kw) = x, weight
    out = (_count_places(height, kh, stride, padding), _count_places(width, kw, stride, padding))

    def args() -> tuple[object, ...]:
        tensors = _ramp(n, c_out, *out, cycle=5), _ramp(*x, cycle=7), _ramp(*weight, start=2, cycle=11)
        return tuple(tensor.to(dtype) for tensor in tensors)

    return Case(name, args=args, kwargs={"stride": stride, "padding": padding}, expected=_conv_gradients)


CONV2D_BACKWARD = Exercise(
    id="conv2d_backward",
    functions=("conv2d_backward",),
    cases=(
        Case(
            "the example above",
            args=lambda: (_maps([1, 2, 3]), _maps([1, 2, 3, 4]), _maps([10, 1])),
            expected=_conv_gradients,
        ),
        _backward_case("a single place", (1, 1, 2, 2), (1, 1, 2, 2)),
        _backward_case("kernel 2 x 3 on 3 x 4", (1, 1, 3, 4), (1, 1, 2, 3)),
        _backward_case("two images, two channels, three filters", (2, 2, 3, 3), (3, 2, 2, 2)),
        _backward_case("padding 1", (1, 1, 3, 4), (1, 1, 3, 3), padding=1),
        _backward_case("stride 2", (1, 1, 5, 5), (1, 1, 3, 3), stride=2),
        _backward_case("stride 2, pixels left over", (1, 1, 4, 6), (1, 1, 3, 3), stride=2),
        _backward_case(
            "everything at once, float64",
            (2, 3, 4, 5),
            (2, 3, 3, 2),
            stride=2,
            padding=1,
            dtype=torch.float64,
        ),
    ),
    hints=(
        "Write down the one line of the forward pass in which a pixel meets a weight. Each of the two "
        "gets the output's gradient times the other one. Everything else is adding up in the right "
        "places.",
        "For kernel position (i, j), output (r, c) used padded pixel (r*stride + i, c*stride + j). So the"
        " same strided slice as in the forward pass serves both ways: read from it for the weights, add "
        "to it for the pixels.",
        "In words: pad x as in the forward pass and make zeros of that padded size for its gradient. For "
        "each kernel position: the weight's gradient is the output's gradient times the slice, summed "
        "over images and places; and the slice of the padded gradient receives the output's gradient "
        "times the weight, summed over filters. Cut the padding off. The bias went into every place of "
        "every image once.",
    ),
    forbidden=("conv", "autograd"),
)


# ---- max_pool2d -------------------------------------------------------------------------------------------


def _pool_gradient(grad_output: Tensor, argmax: Tensor, x_shape: Shape) -> Tensor:
    """By automatic differentiation of looking the winners up."""
    x = grad_output.new_zeros(x_shape).requires_grad_()
    with torch.enable_grad():
        picked = x.flatten(start_dim=2).gather(2, argmax.flatten(start_dim=2)).view(argmax.shape)
    return torch.autograd.grad(picked, x, grad_output)[0]


def _pool_case(name: str, x: Callable[[], Tensor], kernel: int, stride: int) -> Case:
    return Case(name, args=lambda: (x(), kernel, stride), expected=partial(F.max_pool2d, return_indices=True))


def _unpool_case(name: str, x: Callable[[], Tensor], kernel: int, stride: int) -> Case:
    """The backward pass after torch's forward pass on `x`; the gradient counts 1, 2, 3, ..."""

    def args() -> tuple[object, ...]:
        out, argmax = F.max_pool2d(x(), kernel, stride, return_indices=True)
        return _ramp(*out.shape), argmax, tuple(x().shape)

    return Case(name, args=args, expected=_pool_gradient, function=1)


def _lecture_map() -> Tensor:
    return _maps([1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4])


def _one_winner() -> Tensor:
    return _maps([1, 2, 3, 2, 1], [2, 3, 4, 3, 2], [3, 4, 9, 4, 3], [2, 3, 4, 3, 2], [1, 2, 3, 2, 1])


MAX_POOL2D = Exercise(
    id="max_pool2d",
    functions=("max_pool2d", "max_pool2d_backward"),
    cases=(
        _pool_case("the example above", _lecture_map, 2, 2),
        _pool_case("ties: the first wins", lambda: _maps([3, 3, 1, 2], [3, 3, 2, 2]), 2, 2),
        _pool_case("all values negative", lambda: -_ramp(1, 1, 4, 6), 2, 2),
        _pool_case("overlapping windows, pixels left over", lambda: _ramp(1, 1, 6, 5, cycle=7), 3, 2),
        _pool_case("two images, two channels, windows apart", lambda: _ramp(2, 2, 5, 5, cycle=11), 2, 3),
        _unpool_case("backward: two images, two channels", lambda: _ramp(2, 2, 3, 4, cycle=5), 2, 1),
        _unpool_case("backward: one pixel wins four times", _one_winner, 3, 2),
    ),
    hints=(
        "Forward: get every window as a little row of numbers, then max gives you value and position at "
        "once. Backward: the gradient of a window belongs to one pixel only, and argmax says which.",
        "`unfold` makes a view with one more axis per direction. The position that max gives counts "
        "within the window: turn it into row and column there, add where the window begins, and count in "
        "the whole map's width.",
        "In words, backward: make zeros as long as a flattened map, for every image and channel. Add each"
        " window's gradient at its argmax: *add*, since windows that overlap can share their winner "
        "(torch has an operation that adds at given positions). Give the result the shape of x.",
    ),
    forbidden=("pooling",),
)


# ---- conv_matrix ------------------------------------------------------------------------------------------


def _matrix_by_columns(kernel: Tensor, height: int, width: int) -> Tensor:
    """Column by column: what torch makes of an image with a single pixel of 1."""
    pixels = torch.eye(height * width, dtype=kernel.dtype).view(-1, 1, height, width)
    return F.conv2d(pixels, kernel[None, None]).flatten(start_dim=1).T.contiguous()


def _transposed(x: Tensor, kernel: Tensor) -> Tensor:
    return F.conv_transpose2d(x[None, None], kernel[None, None])[0, 0]


CONV_MATRIX = Exercise(
    id="conv_matrix",
    functions=("conv_matrix", "conv_transpose2d"),
    cases=(
        Case("the example above", args=lambda: (_ramp(2, 2), 3, 3), expected=_matrix_by_columns),
        Case("2 x 3 on 3 x 5", args=lambda: (_ramp(2, 3), 3, 5), expected=_matrix_by_columns),
        Case(
            "1 x 2 on 4 x 3, float64", args=lambda: (_ramp(1, 2).double(), 4, 3), expected=_matrix_by_columns
        ),
        Case("kernel as large as the image", args=lambda: (_ramp(2, 3), 2, 3), expected=_matrix_by_columns),
        Case(
            "transposed: one pixel",
            args=lambda: (_rows([2]), _rows([1, 2, 3], [4, 5, 6])),
            expected=_transposed,
            function=1,
        ),
        Case(
            "transposed: 2 x 3 with 2 x 2",
            args=lambda: (_ramp(2, 3), _ramp(2, 2)),
            expected=_transposed,
            function=1,
        ),
    ),
    hints=(
        "Fill one row by hand: the one of output pixel (0, 0). Which input pixels does it touch, and what"
        " are their numbers? Then the row of output pixel (0, 1), then (1, 0).",
        "Output (r, c) meets kernel entry (i, j) at input pixel (r + i, c + j). In the flattened image "
        "that is number (r + i)*W + c + j; in the flattened output (r, c) is number r*W_out + c, and "
        "W_out is not W.",
        "In words: think of the matrix with four axes, output row and column, input row and column. For "
        "each kernel entry set all the places at once where input row minus output row is i and input "
        "column minus output column is j; then flatten the axes in pairs. For the transposed convolution,"
        " build the matrix for the *larger* image, so that its output has the size of x, multiply x by "
        "its transpose, and shape the result.",
    ),
    forbidden=("conv",),
)


# ---- receptive_field --------------------------------------------------------------------------------------


def _field_case(name: str, layers: list[tuple[int, int, int]], counted: list[tuple[int, int, int]]) -> Case:
    return Case(name, args=lambda: (list(layers),), expected=lambda _: list(counted))


RECEPTIVE_FIELD = Exercise(
    id="receptive_field",
    functions=("receptive_field",),
    cases=(
        _field_case("one layer", [(5, 1, 2)], [(5, 1, 2)]),
        _field_case("two layers of 3", [(3, 1, 1), (3, 1, 1)], [(3, 1, 1), (5, 1, 2)]),
        _field_case("stride 2, then a 3", [(3, 2, 0), (3, 1, 0)], [(3, 2, 0), (7, 2, 0)]),
        _field_case("a 3, then stride 2", [(3, 1, 0), (3, 2, 0)], [(3, 1, 0), (5, 2, 0)]),
        _field_case(
            "padding after a stride", [(2, 2, 0), (3, 1, 1), (3, 2, 1)], [(2, 2, 0), (6, 2, 2), (10, 4, 4)]
        ),
        _field_case(
            "three strides", [(7, 2, 3), (3, 3, 1), (5, 2, 2)], [(7, 2, 3), (11, 6, 5), (35, 12, 17)]
        ),
        _field_case("1 x 1 layers", [(1, 1, 0), (3, 1, 1), (1, 2, 0)], [(1, 1, 0), (3, 1, 1), (3, 2, 1)]),
    ),
    hints=(
        "Walk upwards from the image and carry three numbers. For the image itself: a pixel sees one "
        "pixel, neighbours stand one pixel apart, nothing is padded.",
        "A kernel of k spans k - 1 gaps between neurons of the layer *below*. How wide is such a gap, in "
        "pixels of the image? The padding of a layer is counted in neurons of the layer below as well.",
        "In words: for each layer, first let the field grow by its gaps and the padding by its own, each "
        "times the effective stride so far; only then multiply the effective stride by the layer's. Note "
        "the three numbers down, layer by layer.",
    ),
)


EXERCISES: tuple[Exercise, ...] = (
    OUTPUT_SIZE,
    CONVOLVE2D,
    CONV2D,
    CONV2D_BACKWARD,
    MAX_POOL2D,
    CONV_MATRIX,
    RECEPTIVE_FIELD,
)
