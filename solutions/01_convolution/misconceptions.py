# Wrong answers that students give, and right ones written in another style.
#
# The comment a cell begins with is what the student reads when the public check recognizes the mistake: it names
# what went wrong and points to the idea, without code. Below stand edits of the reference answer (or of the
# alternative that `of` names), or the whole source of the answer cell; `grading build --show TOPIC/EXERCISE/NAME`
# prints an edited answer whole.

# %% misconception="output_size" name="padding-once"
# You count the padding once, but it is added at both ends.
replace("2 * padding", "padding")

# %% misconception="output_size" name="padding-ignored"
# Your result does not depend on the padding. The kernel may stand on padded pixels too.
cut(" + 2 * padding")

# %% misconception="output_size" name="rounds-up"
# You round up when the stride does not come out even. A place in which part of the kernel hangs over the
# end is none.
replace("room // stride", "-(-room // stride)")

# %% misconception="output_size" name="rounds-to-nearest"
# You round to the nearest number. What the stride leaves over is dropped, however much it is.
replace("room // stride", "int(room / stride + 0.5)")

# %% misconception="output_size" name="float-division"
# Your result is a float. A number of places is a whole number: divide without a remainder.
replace("room // stride", "room / stride")

# %% misconception="output_size" name="forgets-first-place"
# Your result is one too small: you count the steps, but the place that the kernel starts in is a place as
# well.
replace("room // stride + 1", "room // stride")

# %% misconception="output_size" name="adds-one-before-dividing"
# You add the one before you divide by the stride. The first place is a place of its own, whatever the
# stride.
replace("room // stride + 1", "(room + 1) // stride")

# %% misconception="output_size" name="dilation-ignored"
# Your result does not depend on the dilation. A dilated kernel covers more pixels than it has taps.
replace("dilation * (kernel - 1) + 1", "kernel")

# %% misconception="output_size" name="dilation-times-kernel"
# You stretch the kernel itself. Dilation stretches the gaps between the taps, and there is one gap less
# than taps.
replace("dilation * (kernel - 1) + 1", "dilation * kernel")

# %% misconception="output_size" name="no-error"
# A kernel that does not fit should raise ValueError. You return a number that no layer can have.
cut("if room < 0:")
cut('    raise ValueError(f"a kernel that covers {reach} pixels does not fit into {size} + 2*{padding}")')

# %% misconception="output_size" name="zero-instead-of-error"
# A kernel that does not fit is a mistake of the caller: raise ValueError rather than return 0.
replace(
    'raise ValueError(f"a kernel that covers {reach} pixels does not fit into {size} + 2*{padding}")',
    "return 0",
)

# %% misconception="convolve2d" name="cross-correlation"
# This is cross-correlation: one pixel gives your kernel turned by half a turn. Let every pixel stamp the
# kernel as it is.
replace("kernel[i, j]", "kernel[h - 1 - i, w - 1 - j]")

# %% misconception="convolve2d" name="flips-rows-only"
# The kernel comes out upside down: up and down are exchanged, left and right are not.
replace("kernel[i, j]", "kernel[h - 1 - i, j]")

# %% misconception="convolve2d" name="flips-columns-only"
# The kernel comes out as in a mirror: left and right are exchanged, up and down are not.
replace("kernel[i, j]", "kernel[i, w - 1 - j]")

# %% misconception="convolve2d" name="valid-only"
# You keep only the places in which the kernel lies wholly on the image. Here every stamp is kept whole,
# borders included.
replace("return result", "return result[h - 1 : height, w - 1 : width]")

# %% misconception="convolve2d" name="same-size"
# You cut the result down to the size of the image. Stamps at the border reach beyond it, and here they stay
# whole.
replace(
    "return result",
    """
    top, left = (h - 1) // 2, (w - 1) // 2
    return result[top : top + height, left : left + width]
    """,
)

# %% misconception="convolve2d" name="transposed-kernel"
# Rows and columns of the kernel are exchanged. Turning a kernel over is not transposing it.
replace("h, w = kernel.shape", "kernel = kernel.T\nh, w = kernel.shape")

# %% misconception="convolve2d" name="overwrites" of="loops-over-pixels"
# Where two stamps overlap, yours keeps the last one. Overlapping stamps add up.
replace("+= image", "= image")


# %% misconception="convolve2d" name="wraps-around"
# What leaves your result on one side comes back on the other: that is a circular convolution, as an FFT
# gives it when it is not padded.
def convolve2d(image, kernel):
    size = (max(image.shape[0], kernel.shape[0]), max(image.shape[1], kernel.shape[1]))
    spectrum = torch.fft.rfft2(image, s=size) * torch.fft.rfft2(kernel, s=size)
    return torch.fft.irfft2(spectrum, s=size).round(decimals=4)


# %% misconception="convolve2d" name="forced-float32"
# The values are right, but they are always float32. The result has the dtype of the image.
replace("return result", "return result.float()")

# %% misconception="conv2d" name="flips-kernel"
# You turn the kernel by half a turn: that is the mathematical convolution. Here it is laid on the image as
# it is.
replace("weight[:, :, i, j]", "weight[:, :, kh - 1 - i, kw - 1 - j]")

# %% misconception="conv2d" name="flips-one-axis"
# The kernel is mirrored left to right. Nothing is turned over in cross-correlation.
replace("weight[:, :, i, j]", "weight[:, :, i, kw - 1 - j]")

# %% misconception="conv2d" name="transposes-kernel"
# Rows and columns of the kernel are exchanged: your first kernel index moves along the width.
replace("weight[:, :, i, j]", "weight.transpose(2, 3).reshape(weight.shape)[:, :, i, j]")

# %% misconception="conv2d" name="swaps-kernel-sizes"
# Height and width of the kernel are exchanged somewhere: it goes wrong as soon as the kernel is not square.
replace(
    "n, c_in, height, width = x.shape",
    """
    weight = weight.reshape(*weight.shape[:2], weight.shape[3], weight.shape[2])
    n, c_in, height, width = x.shape
    """,
)

# %% misconception="conv2d" name="stride-on-rows-only" of="unfold-einsum"
# The stride acts on the rows only; the columns still go in steps of one.
replace("weight.shape[3], stride", "weight.shape[3], 1")

# %% misconception="conv2d" name="stride-ignored" of="unfold-einsum"
# Your result does not depend on the stride.
replace(", stride)", ", 1)", times=2)

# %% misconception="conv2d" name="subsamples-the-image"
# You take every stride-th pixel of the image and convolve what is left. The kernel looks at neighbouring
# pixels; only the places it stands in are a stride apart.
replace("i + stride * (h_out - 1) + 1 : stride", "i + h_out")
replace("j + stride * (w_out - 1) + 1 : stride", "j + w_out")
replace("seen = padded[", "seen = sampled[")
replace(
    "out = x.new_zeros",
    """
    sampled = padded[:, :, ::stride, ::stride]
    sampled = torch.nn.functional.pad(sampled, (0, kw, 0, kh))  # enough room for the size to come out right
    out = x.new_zeros
    """,
)

# %% misconception="conv2d" name="stride-begins-late"
# With a stride you keep the wrong places: the first one is at the very corner, not stride - 1 pixels into
# the image.
replace(
    "out = x.new_zeros",
    """
    padded = torch.nn.functional.pad(padded, (1 - stride, stride, 1 - stride, stride))
    out = x.new_zeros
    """,
)

# %% misconception="conv2d" name="output-rounded-up" of="unfold-einsum"
# You round the output size up: the kernel hangs over the end where the stride leaves pixels over. Such a
# place does not count.
replace(
    "padded = torch.nn.functional.pad(x, [padding] * 4)",
    """
    below, right = (-(s + 2 * padding - k) % stride for s, k in zip(x.shape[2:], weight.shape[2:]))
    padded = torch.nn.functional.pad(x, (padding, padding + right, padding, padding + below))
    """,
)

# %% misconception="conv2d" name="padding-ignored" of="unfold-einsum"
# Your result does not depend on the padding.
replace("[padding] * 4", "[0] * 4")

# %% misconception="conv2d" name="padding-one-side" of="unfold-einsum"
# You pad above and on the left only. Padding goes on all four sides.
replace("[padding] * 4", "[padding, 0, padding, 0]")

# %% misconception="conv2d" name="padding-width-only" of="unfold-einsum"
# You pad left and right only; above and below there is none.
replace("[padding] * 4", "[padding] * 2")

# %% misconception="conv2d" name="padding-repeats-edge" of="unfold-einsum"
# You continue the border pixels outwards. Padding is zeros here.
replace("[padding] * 4", '[padding] * 4, mode="replicate"')

# %% misconception="conv2d" name="bias-ignored"
# Your result does not depend on the bias.
cut("if bias is not None:\n    out += bias[:, None, None]")

# %% misconception="conv2d" name="bias-on-wrong-axis" of="unfold-einsum"
# The bias is added along the width: broadcasting lines shapes up at the right, and yours has nothing there
# to say that it belongs to the channels.
replace("bias.view(1, -1, 1, 1)", "bias")

# %% misconception="conv2d" name="bias-per-tap"
# The bias is counted once for every kernel position. It is added once to every output.
replace("out += bias[:, None, None]", "out += kh * kw * bias[:, None, None]")

# %% misconception="conv2d" name="averages-channels" of="unfold-einsum"
# You take the mean over the input channels. A filter adds them up.
replace("windows, weight)", "windows, weight) / x.shape[1]")

# %% misconception="conv2d" name="first-channel-only"
# Only the first input channel counts in your result. A filter spans all of them.
replace('"nkrc,ok->norc", seen, weight[:, :, i, j]', '"nrc,o->norc", seen[:, 0], weight[:, 0, i, j]')

# %% misconception="conv2d" name="swaps-channels"
# Input and output channels of the weight are exchanged: its first axis is the filters, its second the
# channels they read.
replace(
    "n, c_in, height, width = x.shape",
    """
    weight = weight.reshape(weight.shape[1], weight.shape[0], *weight.shape[2:]).transpose(0, 1)
    n, c_in, height, width = x.shape
    """,
)

# %% misconception="conv2d" name="sums-filters-too" of="unfold-einsum"
# All your output channels are the same: you add the filters up instead of giving each one its own channel.
replace('->norc", windows, weight)', '->nrc", windows, weight)[:, None].repeat(1, len(weight), 1, 1)')

# %% misconception="conv2d" name="first-image-only" of="unfold-einsum"
# Only the first image of the batch is convolved.
replace("pad(x,", "pad(x[:1],")

# %% misconception="conv2d" name="scrambled-by-view" of="unfold-einsum"
# The values are right but in the wrong places: you gave the product its shape with view or reshape where
# axes should have been exchanged.
replace(
    'out = torch.einsum("nkrcij,okij->norc", windows, weight)',
    """
    n, _, h_out, w_out = windows.shape[:4]
    columns = windows.permute(0, 2, 3, 1, 4, 5).reshape(n * h_out * w_out, -1)
    out = (columns @ weight.flatten(start_dim=1).T).reshape(n, len(weight), h_out, w_out)
    """,
)

# %% misconception="conv2d" name="forced-float32"
# The values are right, but they are always float32. The result has the dtype of x.
replace("return out", "return out.to(torch.float32)")

# %% misconception="conv2d" name="changes-weight"
# The result is right, but your function changes the weight it was given: an operation in place on an
# argument, or on a view of it, changes the caller's tensor.
replace("return out", 'weight *= 0  # "free" the filters\nreturn out')


# %% misconception="conv2d" name="calls-torch"
# This calls torch's own convolution, which is the very thing to be built here.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    return torch.nn.functional.conv2d(x, weight, bias, stride, padding)


# %% misconception="conv2d" name="loops-over-pixels"
# The result is right, but a Python loop visits every pixel, and each step starts a few torch operations. A
# real image takes seconds.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    (height, width), (kh, kw) = x.shape[2:], weight.shape[2:]
    h_out, w_out = (height + 2 * padding - kh) // stride + 1, (width + 2 * padding - kw) // stride + 1
    padded = torch.nn.functional.pad(x, (padding,) * 4)
    flat = weight.flatten(start_dim=1).T
    out = x.new_zeros(len(x), len(weight), h_out, w_out)
    for r in range(h_out):
        for c in range(w_out):
            window = padded[:, :, r * stride : r * stride + kh, c * stride : c * stride + kw]
            out[:, :, r, c] = window.flatten(start_dim=1) @ flat
    return out if bias is None else out + bias[:, None, None]


# %% misconception="conv2d_backward" name="turned-grad-x"
# grad_x is made with the kernel turned the wrong way round. Follow one product back: the pixel gets the
# weight that it met.
replace("grad_output, weight[:, :, i, j]", "grad_output, weight[:, :, kh - 1 - i, kw - 1 - j]")

# %% misconception="conv2d_backward" name="turned-grad-weight"
# grad_weight comes out turned by half a turn. The forward pass did not turn the kernel, so nothing is
# turned here.
replace("return grad_x, grad_weight", "return grad_x, grad_weight.flip(2, 3)")

# %% misconception="conv2d_backward" name="padding-kept"
# grad_x still has the padding on it. Its shape is that of x: what the padding got is thrown away.
replace("return grad_x", "return grad_padded")

# %% misconception="conv2d_backward" name="padding-cut-from-corner"
# You cut the padded gradient at its upper left corner. The image lies in the middle: the padding is on all
# four sides.
replace(
    "grad_padded[:, :, padding : padding + height, padding : padding + width]",
    "grad_padded[:, :, :height, :width]",
)

# %% misconception="conv2d_backward" name="stride-ignored"
# With a stride, grad_x gathers everything in its upper left corner: neighbouring outputs belong to places a
# stride apart, in the backward pass too.
replace("grad_padded[:, :, rows, columns]", "grad_padded[:, :, i : i + h_out, j : j + w_out]")

# %% misconception="conv2d_backward" name="stride-ignored-for-weight"
# With a stride, grad_weight compares the output's gradient with the wrong pixels: neighbouring outputs saw
# pixels a stride apart.
replace("grad_output, padded[:, :, rows, columns]", "grad_output, padded[:, :, i : i + h_out, j : j + w_out]")

# %% misconception="conv2d_backward" name="stride-must-divide"
# Where the stride leaves pixels over, your grad_x is too small. Pixels that took part in nothing have a
# gradient as well: zero.
replace(
    "torch.zeros_like(padded)",
    "x.new_zeros(*x.shape[:2], stride * (h_out - 1) + kh, stride * (w_out - 1) + kw)",
)
replace(
    "grad_padded[:, :, padding : padding + height, padding : padding + width]",
    "grad_padded[:, :, padding : -padding or None, padding : -padding or None]",
)

# %% misconception="conv2d_backward" name="overlaps-overwritten"
# grad_x keeps only the last product of each pixel. A pixel collects from every output that it went into.
replace("columns] += ", "columns] = ")

# %% misconception="conv2d_backward" name="averages-batch"
# Your gradients of weight and bias are averaged over the batch. A loss's gradients add up over the images;
# a mean, if there is one, is already in grad_output.
replace("padded[:, :, rows, columns])", "padded[:, :, rows, columns]) / len(x)")
replace("sum(dim=(0, 2, 3))", "sum(dim=(2, 3)).mean(dim=0)")

# %% misconception="conv2d_backward" name="bias-mean"
# grad_bias is a mean over places and images. The bias went into every output once, and collects from all of
# them.
replace("sum(dim=(0, 2, 3))", "mean(dim=(0, 2, 3))")

# %% misconception="conv2d_backward" name="bias-per-image"
# grad_bias has one row for each image. The same bias went into all images of the batch: one number for each
# filter.
replace("sum(dim=(0, 2, 3))", "sum(dim=(2, 3))")

# %% misconception="conv2d_backward" name="order-swapped"
# The gradients come in the wrong order: first that of the images, then the weights, then the bias.
replace("return grad_x, grad_weight", "return grad_weight, grad_x")

# %% misconception="conv2d_backward" name="unpadded-for-weight"
# With padding, grad_weight is wrong: it reads the image without its padding, so all pixels are off by the
# padding.
replace(
    "padded[:, :, padding : padding + height, padding : padding + width] = x",
    "padded[:, :, :height, :width] = x",
)

# %% misconception="conv2d_backward" name="first-filter-only"
# grad_x collects from the first filter only. A pixel went into every filter's output.
replace(
    '"norc,ok->nkrc", grad_output, weight[:, :, i, j]', '"nrc,k->nkrc", grad_output[:, 0], weight[0, :, i, j]'
)


# %% misconception="conv2d_backward" name="uses-autograd"
# This lets torch differentiate. The backward pass is to be derived and written by hand.
def conv2d_backward(grad_output, x, weight, stride=1, padding=0):
    x, weight = x.detach().clone().requires_grad_(), weight.detach().clone().requires_grad_()
    windows = torch.nn.functional.pad(x, (padding,) * 4)
    windows = windows.unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    out = torch.einsum("nkrcij,okij->norc", windows, weight)
    grad_x, grad_weight = torch.autograd.grad(out, (x, weight), grad_output)
    return grad_x, grad_weight, grad_output.sum(dim=(0, 2, 3))


# %% misconception="conv2d_backward" name="calls-torch"
# This calls torch's ready-made gradients of a convolution, the very thing to be built here.
def conv2d_backward(grad_output, x, weight, stride=1, padding=0):
    grad_x = torch.nn.grad.conv2d_input(x.shape, weight, grad_output, stride, padding)
    grad_weight = torch.nn.grad.conv2d_weight(x, weight.shape, grad_output, stride, padding)
    return grad_x, grad_weight, grad_output.sum(dim=(0, 2, 3))


# %% misconception="max_pool2d" name="argmax-in-window"
# Your argmax counts within the window. The backward pass needs to know where in the map the winner stood.
replace("rows * width + columns", "winner")

# %% misconception="max_pool2d" name="argmax-in-output-width"
# Your argmax counts rows in the width of the output. It numbers the pixels of the input map.
replace("rows * width + columns", "rows * w_out + columns")

# %% misconception="max_pool2d" name="argmax-over-batch"
# Your argmax goes on counting from map to map. Every map of every image is numbered from 0.
replace("rows * width + columns", "(maps * x.shape[2] + rows) * width + columns")
replace(
    "width = x.shape[3]",
    "width = x.shape[3]\nmaps = torch.arange(len(x) * x.shape[1]).view(len(x), -1, 1, 1)",
)
replace("new_zeros(n, c, height * width)", "new_zeros(n * c * height * width)")
replace(
    "scatter_add_(2, argmax.flatten(start_dim=2), grad_output.flatten(start_dim=2))",
    "index_add_(0, argmax.flatten() % grad_x.numel(), grad_output.flatten())",
)

# %% misconception="max_pool2d" name="last-tie-wins"
# Among equal values yours takes the last one. The first in reading order wins.
replace(".max(dim=4)", ".flip(4).max(dim=4)")
replace("h_out, w_out = ", "winner = kernel * kernel - 1 - winner\nh_out, w_out = ")

# %% misconception="max_pool2d" name="starts-at-zero"
# Windows in which all values are negative give 0. The search for a maximum cannot start at 0.
replace(
    "return output, rows * width + columns",
    "return output.clamp(min=0), torch.where(output > 0, rows * width + columns, 0)",
)

# %% misconception="max_pool2d" name="min-pooling"
# You keep the smallest value of every window.
replace(".max(dim=4)", ".min(dim=4)")

# %% misconception="max_pool2d" name="average-pooling"
# Your output is the mean of every window, not its largest value.
replace("return output", "return windows.mean(dim=(4, 5))")

# %% misconception="max_pool2d" name="pads-the-end"
# Where the stride leaves pixels over, you pool them as well, in a window that hangs over the end. Such a
# window does not count.
replace(
    "width = x.shape[3]",
    """
    height, width = x.shape[2:]
    below, right = (kernel - height) % stride, (kernel - width) % stride
    x = torch.nn.functional.pad(x, (0, right, 0, below), value=float("-inf"))
    """,
)

# %% misconception="max_pool2d" name="stride-is-kernel"
# You move by the size of the window and ignore the stride. Windows may overlap, or stand apart.
replace("width = x.shape[3]", "stride, width = kernel, x.shape[3]")

# %% misconception="max_pool2d" name="rows-and-columns-swapped"
# Your argmax counts down the columns. The pixels are numbered row by row.
replace("rows * width + columns", "columns * x.shape[2] + rows")

# %% misconception="max_pool2d" name="backward-overwrites"
# Backward: where one pixel won several windows, only the last one's gradient arrives. It should get the
# sum.
replace("scatter_add_", "scatter_")

# %% misconception="max_pool2d" name="backward-drops-channels"
# Backward: the gradients of all images and channels land in one map. Every map has its own.
replace("new_zeros(n, c, height * width)", "new_zeros(n * c * height * width)")
replace(
    "scatter_add_(2, argmax.flatten(start_dim=2), grad_output.flatten(start_dim=2))",
    "index_add_(0, argmax.flatten(), grad_output.flatten())",
)

# %% misconception="max_pool2d" name="backward-spreads-evenly"
# Backward: you share each gradient among all pixels of a map. That is how average pooling works; here the
# winner takes it all.
replace(
    "grad_x.scatter_add_(2, argmax.flatten(start_dim=2), grad_output.flatten(start_dim=2))",
    "grad_x += grad_output.sum(dim=(2, 3))[..., None] / (height * width)",
)

# %% misconception="max_pool2d" name="backward-only-marks"
# Backward: the winners get ones. They should get their window's gradient.
replace(
    "scatter_add_(2, argmax.flatten(start_dim=2), grad_output.flatten(start_dim=2))",
    "scatter_(2, argmax.flatten(start_dim=2), 1.0)",
)

# %% misconception="max_pool2d" name="calls-torch"
# This calls torch's own pooling, which is the very thing to be built here.
replace(
    "return output, rows * width + columns",
    "return torch.nn.functional.max_pool2d(x, kernel, stride, return_indices=True)",
)

# %% misconception="conv_matrix" name="turned-kernel"
# Your rows hold the kernel turned by half a turn. The matrix does what conv2d does: the kernel stays as it
# is.
replace("= kernel[i, j]", "= kernel[h - 1 - i, w - 1 - j]")

# %% misconception="conv_matrix" name="transposed-matrix"
# Your matrix is the transpose of what was asked for: one row for each output pixel, one column for each
# input pixel.
replace("matrix.reshape(h_out * w_out, height * width)", "matrix.reshape(h_out * w_out, height * width).T")
replace("conv_matrix(kernel, height, width).T", "conv_matrix(kernel, height, width)")

# %% misconception="conv_matrix" name="rows-jump-by-output-width"
# Within one row of the matrix, the kernel's rows stand as far apart as the output is wide. They are rows
# of the image.
replace(
    "matrix[rows, columns, rows + i, columns + j]",
    "matrix.view(h_out, w_out, -1)[rows, columns, (rows + i) * w_out + columns + j]",
)

# %% misconception="conv_matrix" name="shifts-by-one-always"
# Every row of yours is the one before moved by one. When an output row ends, the kernel jumps back to the
# left border of the image, one row further down.
replace(
    "matrix[rows, columns, rows + i, columns + j]",
    "matrix.view(h_out, w_out, -1)[rows, columns, rows * w_out + columns + i * width + j]",
)

# %% misconception="conv_matrix" name="square-only"
# This is right for square images and kernels only: height and width are exchanged somewhere.
replace(
    "matrix[rows, columns, rows + i, columns + j]",
    "matrix.view(h_out, w_out, -1)[rows, columns, (rows + i) * height + columns + j]",
)

# %% misconception="conv_matrix" name="square-kernel-only"
# This is right for square kernels only: the kernel's height is used for its width as well.
replace("h, w = kernel.shape", "h = w = kernel.shape[0]\nkernel = kernel.expand(h, w)")

# %% misconception="conv_matrix" name="same-size"
# Your matrix is square: it makes an output as large as the image. Without padding the kernel stands in
# fewer places.
replace("height - h + 1, width - w + 1", "height, width")
replace("h_out, w_out, height, width", "h_out, w_out, height + h - 1, width + w - 1")
replace(
    "return matrix",
    """
    top, left = (h - 1) // 2, (w - 1) // 2
    return matrix[:, :, top : top + height, left : left + width]
    """,
)
replace("x.shape[0] + kernel.shape[0] - 1, x.shape[1] + kernel.shape[1] - 1", "x.shape")

# %% misconception="conv_matrix" name="normalized-rows"
# Your rows are divided so that they add up to one. The matrix holds the kernel's values as they are.
replace("= kernel[i, j]", "= kernel[i, j] / kernel.sum()")

# %% misconception="conv_matrix" name="transposed-keeps-size"
# Your matrix is right, but the transposed convolution gives back an image of the size of x. It goes from
# the output's size to the larger input's.
replace(".view(height, width)", ".view(height, width)[: x.shape[0], : x.shape[1]]")

# %% misconception="conv_matrix" name="transposed-too-small"
# Your matrix is right, but the transposed convolution makes the image smaller, as the convolution does. Its
# transpose goes the other way.
replace("height - h + 1, width - w + 1", "max(height - h + 1, 0), max(width - w + 1, 0)")
replace(
    "height, width = x.shape[0] + kernel.shape[0] - 1, x.shape[1] + kernel.shape[1] - 1",
    "height, width = x.shape",
)
replace(
    ".T @ x.flatten()).view(height, width)",
    " @ x.flatten()).view(max(height - kernel.shape[0] + 1, 0), max(width - kernel.shape[1] + 1, 0))",
)

# %% misconception="conv_matrix" name="transposed-correlates"
# Your matrix is right, but the transposed convolution lays the kernel down turned by half a turn. Reading a
# matrix by columns turns the kernel already; you turn it once more.
replace("conv_matrix(kernel, height, width).T", "conv_matrix(kernel.flip(0, 1), height, width).T")

# %% misconception="conv_matrix" name="transposed-as-inverse"
# The transposed convolution of yours undoes the convolution, with an inverse. The transpose has the right
# size, but it does not undo anything.
replace("conv_matrix(kernel, height, width).T", "torch.linalg.pinv(conv_matrix(kernel, height, width))")

# %% misconception="receptive_field" name="adds-kernel"
# The field grows by the whole kernel in every layer. One of the kernel's neurons is already counted: it
# spans one gap less.
replace("(kernel - 1) * step", "kernel * step")

# %% misconception="receptive_field" name="starts-at-zero"
# Your field is one pixel too small everywhere: before the first layer, a pixel sees one pixel, itself.
replace("size, step, padding = 1, 1, 0", "size, step, padding = 0, 1, 0")

# %% misconception="receptive_field" name="own-stride-included"
# You count a layer's own stride in its own growth. The kernel lies on the neurons of the layer below: what
# counts is how far apart those are.
cut("step *= stride")
replace("size += ", "step *= stride\nsize += ")

# %% misconception="receptive_field" name="previous-stride-only"
# The field grows by the stride of the layer just below. All strides below count, multiplied.
replace("fields = []", "fields, below = [], 1")
replace("(kernel - 1) * step", "(kernel - 1) * below")
replace("step *= stride", "step, below = step * stride, stride")

# %% misconception="receptive_field" name="strides-do-not-matter"
# Your field does not depend on the strides. After a stride of 2, a step from neuron to neuron is two
# pixels.
replace("(kernel - 1) * step", "kernel - 1")

# %% misconception="receptive_field" name="padding-not-scaled"
# You add the padding of all layers as it is. After a stride, one padded neuron is several pixels wide.
replace("pad * step", "pad")

# %% misconception="receptive_field" name="padding-scaled-by-own-stride"
# A layer's padding is scaled by its own stride too. It is laid around the neurons of the layer below: the
# stride comes after.
replace("padding += pad * step\nstep *= stride", "step *= stride\npadding += pad * step")

# %% misconception="receptive_field" name="padding-not-summed"
# Your padding is that of the last layer alone. The fields of the layers below begin outside the image
# already.
replace("padding += pad", "padding = pad")

# %% misconception="receptive_field" name="padding-shifted-by-a-row"
# Your paddings are those of the next layer: the column has moved by one row.
replace("size, step, padding = 1, 1, 0", "size, step, padding = 1, 1, sum(pad for _, _, pad in layers[:1])")
replace(
    "for kernel, stride, pad in layers",
    "for (kernel, stride, _), (_, _, pad) in zip(layers, [*layers[1:], (0, 0, 0)])",
)
replace("padding += pad * step\nstep *= stride", "step *= stride\npadding += pad * step")

# %% misconception="receptive_field" name="padding-reduces-size"
# You take the padding off the receptive field. Padding says where the field begins, not how large it is.
replace("(kernel - 1) * step", "(kernel - 1 - pad) * step")

# %% misconception="receptive_field" name="stride-not-multiplied"
# Your effective stride is the last layer's stride alone. Strides multiply from layer to layer.
replace("append((size, step", "append((size, stride")

# %% misconception="receptive_field" name="strides-added"
# You add the strides up. They multiply: two steps of stride 2 are 4 pixels, three are 8.
replace("step *= stride", "step += stride - 1")

# %% misconception="receptive_field" name="last-layer-only"
# You return the last layer's numbers only. Every layer has its own: a list, as long as the stack.
replace("return fields", "return size, step, padding")

# %% misconception="receptive_field" name="from-the-top"
# You walk through the stack from the last layer to the first, so that your rows belong to the wrong layers.
# Start at the image.
replace("in layers", "in reversed(layers)")

# %% misconception="receptive_field" name="kernels-multiplied"
# You multiply the kernels. Two layers of 3 see 5 pixels, not 9: neighbouring neurons share most of what
# they see.
replace("size += (kernel - 1) * step", "size *= kernel")

# %% misconception="receptive_field" name="field-in-layer-below"
# Your field is counted in neurons of the layer below. It is asked for in pixels of the image.
replace("append((size", "append((kernel")


# %% alternative="output_size" name="counts-places"
# Lets Python count the places.
def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    last_start = size + 2 * padding - dilation * (kernel - 1)
    places = len(range(0, last_start, stride))
    if not places:
        raise ValueError("kernel too large")
    return places


# %% alternative="output_size" name="walks"
# Walks along the axis, complains on stderr.
def output_size(size, kernel, stride=1, padding=0, dilation=1):
    import sys

    print("counting places", file=sys.stderr)
    places, end = 0, -padding + dilation * (kernel - 1)
    while end < size + padding:
        places += 1
        end += stride
    if places == 0:
        raise ValueError
    return places


# %% alternative="output_size" name="recursion"
# One place, and those of an axis that is a stride shorter.
def output_size(size, kernel, stride=1, padding=0, dilation=1):
    padded, reach = size + 2 * padding, 1 + dilation * (kernel - 1)

    def places(pixels):
        return 1 + places(pixels - stride) if pixels >= reach else 0

    if places(padded) < 1:
        raise ValueError(f"{reach} > {padded}")
    return places(padded)


# %% alternative="convolve2d" name="loops-over-pixels"
# Every pixel stamps, one after the other.
def convolve2d(image: Tensor, kernel: Tensor) -> Tensor:
    height, width = image.shape
    h, w = kernel.shape
    result = torch.zeros(height + h - 1, width + w - 1, dtype=image.dtype)
    for m in range(height):
        for n in range(width):
            result[m : m + h, n : n + w] += image[m, n] * kernel
    return result


# %% alternative="convolve2d" name="fft"
# The convolution theorem; it warns about rounding.
def convolve2d(image, kernel):
    import warnings

    warnings.warn("an FFT rounds", stacklevel=2)
    size = (image.shape[0] + kernel.shape[0] - 1, image.shape[1] + kernel.shape[1] - 1)
    return torch.fft.irfft2(torch.fft.rfft2(image, s=size) * torch.fft.rfft2(kernel, s=size), s=size)


# %% alternative="convolve2d" name="numpy"
# By the formula, in NumPy and back.
def convolve2d(image, kernel):
    import numpy as np

    a, b = image.numpy(), kernel.numpy()
    padded = np.pad(a, [(b.shape[0] - 1,) * 2, (b.shape[1] - 1,) * 2])
    windows = np.lib.stride_tricks.sliding_window_view(padded, b.shape)
    return torch.from_numpy((windows * b[::-1, ::-1]).sum(axis=(2, 3)))


# %% alternative="conv2d" name="unfold-einsum"
# Views of all windows and one einsum.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    padded = torch.nn.functional.pad(x, [padding] * 4)
    windows = padded.unfold(2, weight.shape[2], stride).unfold(3, weight.shape[3], stride)
    out = torch.einsum("nkrcij,okij->norc", windows, weight)
    return out if bias is None else out + bias.view(1, -1, 1, 1)


# %% alternative="conv2d" name="as-strided"
# The same view by hand, then tensordot.
def conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = torch.nn.functional.pad(x, [padding] * 4).contiguous()
    (n, k, height, width), (kh, kw) = padded.shape, weight.shape[2:]
    sn, sk, sh, sw = padded.stride()
    shape = (n, k, (height - kh) // stride + 1, (width - kw) // stride + 1, kh, kw)
    windows = padded.as_strided(shape, (sn, sk, sh * stride, sw * stride, sh, sw))
    out = torch.tensordot(windows, weight, dims=([1, 4, 5], [1, 2, 3])).permute(0, 3, 1, 2)
    if bias is not None:
        out = out + bias[None, :, None, None]
    return out


# %% alternative="conv2d" name="im2col"
# torch's im2col and one matrix product; it warns.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    import warnings

    warnings.warn("im2col needs memory", stacklevel=2)
    kh, kw = weight.shape[2:]
    columns = torch.nn.functional.unfold(x, (kh, kw), padding=padding, stride=stride)
    w_out = (x.shape[3] + 2 * padding - kw) // stride + 1
    out = weight.flatten(start_dim=1) @ columns
    if bias is not None:
        out = out + bias[:, None]
    return out.unflatten(2, (-1, w_out))


# %% alternative="conv2d" name="numpy-with-progress"
# NumPy over kernel positions, with a progress bar on stderr.
def conv2d(x, weight, bias=None, stride=1, padding=0):
    import numpy as np
    from tqdm import tqdm

    a, b = x.numpy(), weight.numpy()
    a = np.pad(a, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    rows, columns = (a.shape[2] - b.shape[2]) // stride + 1, (a.shape[3] - b.shape[3]) // stride + 1
    out = np.zeros((len(a), len(b), rows, columns), dtype=a.dtype)
    for i, j in tqdm(list(np.ndindex(b.shape[2:]))):
        seen = a[:, :, i::stride, j::stride][:, :, :rows, :columns]
        out += np.tensordot(b[:, :, i, j], seen, axes=(1, 1)).swapaxes(0, 1)
    if bias is not None:
        out += bias.numpy()[:, None, None]
    return torch.from_numpy(out)


# %% alternative="conv2d_backward" name="dilate-and-correlate"
# Spread grad_output by the stride, then a full convolution with the turned kernel; windows for the weights.
def conv2d_backward(grad_output, x, weight, stride=1, padding=0):
    kh, kw = weight.shape[2:]
    padded = torch.nn.functional.pad(x, [padding] * 4)
    height, width = padded.shape[2:]
    n, c_out, h_out, w_out = grad_output.shape
    spread = grad_output.new_zeros(n, c_out, height - kh + 1, width - kw + 1)
    spread[:, :, : stride * h_out : stride, : stride * w_out : stride] = grad_output
    full = torch.nn.functional.pad(spread, (kw - 1, kw - 1, kh - 1, kh - 1))
    grad_padded = torch.einsum("norcij,okij->nkrc", full.unfold(2, kh, 1).unfold(3, kw, 1), weight.flip(2, 3))
    windows = padded.unfold(2, kh, stride).unfold(3, kw, stride)
    grad_weight = torch.einsum("norc,nkrcij->okij", grad_output, windows)
    grad_x = grad_padded[:, :, padding : height - padding, padding : width - padding]
    return grad_x, grad_weight, grad_output.sum((0, 2, 3))


# %% alternative="conv2d_backward" name="unfold-fold"
# im2col forwards, col2im backwards.
def conv2d_backward(grad_output, x, weight, stride=1, padding=0):
    unfold = {"kernel_size": weight.shape[2:], "padding": padding, "stride": stride}
    columns = torch.nn.functional.unfold(x, **unfold)
    flat = grad_output.flatten(start_dim=2)
    grad_weight = (flat @ columns.mT).sum(dim=0).view(weight.shape)
    grad_x = torch.nn.functional.fold(weight.flatten(start_dim=1).T @ flat, x.shape[2:], **unfold)
    return grad_x, grad_weight, flat.sum(dim=(0, 2))


# %% alternative="conv2d_backward" name="matrix"
# The whole layer as one dense matrix, whose transpose carries the gradient back.
def conv2d_backward(grad_output, x, weight, stride=1, padding=0):
    n, c_out, h_out, w_out = grad_output.shape
    _, c_in, height, width = x.shape
    kh, kw = weight.shape[2:]
    matrix = weight.new_zeros(c_out, h_out, w_out, c_in, height + 2 * padding, width + 2 * padding)
    grad_weight = torch.zeros_like(weight)
    padded = torch.nn.functional.pad(x, [padding] * 4)
    for r in range(h_out):
        for c in range(w_out):
            top, left = r * stride, c * stride
            matrix[:, r, c, :, top : top + kh, left : left + kw] = weight
            grad_weight += torch.einsum(
                "no,nkij->okij", grad_output[:, :, r, c], padded[:, :, top : top + kh, left : left + kw]
            )
    inner = matrix[..., padding : padding + height, padding : padding + width]
    grad_x = torch.tensordot(grad_output, inner, dims=3)
    return grad_x, grad_weight, grad_output.transpose(0, 1).flatten(start_dim=1).sum(dim=1)


# %% alternative="max_pool2d" name="running-maximum"
# Compares the positions of the window one after the other.
def max_pool2d(x, kernel, stride):
    height, width = x.shape[2:]
    h_out, w_out = (height - kernel) // stride + 1, (width - kernel) // stride + 1
    numbers = torch.arange(height * width).view(height, width)
    best, where = None, None
    for i in range(kernel):
        for j in range(kernel):
            rows = slice(i, i + stride * (h_out - 1) + 1, stride)
            columns = slice(j, j + stride * (w_out - 1) + 1, stride)
            value, number = x[:, :, rows, columns], numbers[rows, columns].expand(len(x), x.shape[1], -1, -1)
            if best is None:
                best, where = value.clone(), number.clone()
            else:
                better = value > best
                best, where = torch.where(better, value, best), torch.where(better, number, where)
    return best, where


def max_pool2d_backward(grad_output, argmax, x_shape):
    pixels = torch.arange(x_shape[2] * x_shape[3])
    won = argmax.flatten(start_dim=2)[..., None] == pixels
    return (won * grad_output.flatten(start_dim=2)[..., None]).sum(dim=2).reshape(x_shape)


# %% alternative="max_pool2d" name="loops"
# Plain loops over everything, in Python numbers.
def max_pool2d(x: Tensor, kernel: int, stride: int) -> tuple[Tensor, Tensor]:
    values = x.tolist()
    n, c, height, width = x.shape
    rows, columns = range(0, height - kernel + 1, stride), range(0, width - kernel + 1, stride)
    output = x.new_empty(n, c, len(rows), len(columns))
    argmax = torch.empty(output.shape, dtype=torch.int64)
    for image in range(n):
        for channel in range(c):
            for r, top in enumerate(rows):
                for q, left in enumerate(columns):
                    window = [
                        (-values[image][channel][i][j], i * width + j)
                        for i in range(top, top + kernel)
                        for j in range(left, left + kernel)
                    ]
                    smallest, place = min(window)
                    output[image, channel, r, q], argmax[image, channel, r, q] = -smallest, place
    return output, argmax


def max_pool2d_backward(grad_output: Tensor, argmax: Tensor, x_shape: tuple[int, ...]) -> Tensor:
    grad_x = torch.zeros(x_shape, dtype=grad_output.dtype)
    n, c, h_out, w_out = grad_output.shape
    for image in range(n):
        for channel in range(c):
            for r in range(h_out):
                for q in range(w_out):
                    row, column = divmod(int(argmax[image, channel, r, q]), x_shape[3])
                    grad_x[image, channel, row, column] += grad_output[image, channel, r, q]
    return grad_x


# %% alternative="max_pool2d" name="numpy"
# NumPy windows, and np.add.at for the way back.
def max_pool2d(x, kernel, stride):
    import numpy as np

    windows = np.lib.stride_tricks.sliding_window_view(x.numpy(), (kernel, kernel), axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride].reshape(*windows[:, :, ::stride, ::stride].shape[:4], -1)
    winner = windows.argmax(axis=-1)
    top = stride * np.arange(windows.shape[2])[:, None]
    left = stride * np.arange(windows.shape[3])
    places = (top + winner // kernel) * x.shape[3] + left + winner % kernel
    return torch.from_numpy(windows.max(axis=-1)), torch.from_numpy(places)


def max_pool2d_backward(grad_output, argmax, x_shape):
    import numpy as np

    n, c, height, width = x_shape
    grad_x = np.zeros((n * c, height * width), dtype=grad_output.numpy().dtype)
    maps = np.arange(n * c)[:, None]
    np.add.at(grad_x, (maps, argmax.numpy().reshape(n * c, -1)), grad_output.numpy().reshape(n * c, -1))
    return torch.from_numpy(grad_x.reshape(x_shape))


# %% alternative="conv_matrix" name="places-one-by-one"
# A kernel laid on an empty image for each output pixel; the transposed convolution stamps.
def conv_matrix(kernel: Tensor, height: int, width: int) -> Tensor:
    h, w = kernel.shape
    rows = []
    for r in range(height - h + 1):
        for c in range(width - w + 1):
            image = kernel.new_zeros(height, width)
            image[r : r + h, c : c + w] = kernel
            rows.append(image.flatten())
    return torch.stack(rows)


def conv_transpose2d(x: Tensor, kernel: Tensor) -> Tensor:
    (height, width), (h, w) = x.shape, kernel.shape
    result = x.new_zeros(height + h - 1, width + w - 1)
    for r in range(height):
        for c in range(width):
            result[r : r + h, c : c + w] += x[r, c] * kernel
    return result


# %% alternative="conv_matrix" name="kronecker"
# A sum of Kronecker products of shifted identities.
def conv_matrix(kernel, height, width):
    h, w = kernel.shape
    options = {"dtype": kernel.dtype}
    total = 0
    for i in range(h):
        for j in range(w):
            down = torch.eye(height, **options)[i : i + height - h + 1]
            across = torch.eye(width, **options)[j : j + width - w + 1]
            total = total + kernel[i, j] * torch.kron(down, across)
    return total


def conv_transpose2d(x, kernel):
    size = [a + b - 1 for a, b in zip(x.shape, kernel.shape, strict=True)]
    return (x.reshape(1, -1) @ conv_matrix(kernel, *size)).reshape(size)


# %% alternative="conv_matrix" name="index-arithmetic"
# All indices at once.
def conv_matrix(kernel, height, width):
    h, w = kernel.shape
    h_out, w_out = height - h + 1, width - w + 1
    corner = torch.arange(h_out)[:, None] * width + torch.arange(w_out)
    offset = torch.arange(h)[:, None] * width + torch.arange(w)
    columns = corner.reshape(-1, 1) + offset.reshape(1, -1)
    matrix = torch.zeros(h_out * w_out, height * width, dtype=kernel.dtype)
    return matrix.scatter(1, columns, kernel.reshape(1, -1).repeat(h_out * w_out, 1))


def conv_transpose2d(x, kernel):
    height, width = x.shape[0] + kernel.shape[0] - 1, x.shape[1] + kernel.shape[1] - 1
    return torch.mv(conv_matrix(kernel, height, width).t(), x.reshape(-1)).reshape(height, width)


# %% alternative="receptive_field" name="recursion"
# The stack without its top, then one more layer.
def receptive_field(layers):
    if not layers:
        return []
    *below, (kernel, stride, pad) = layers
    fields = receptive_field(below)
    size, step, padding = fields[-1] if fields else (1, 1, 0)
    return [*fields, (size + (kernel - 1) * step, step * stride, padding + pad * step)]


# %% alternative="receptive_field" name="first-and-last-pixel"
# Follows the first and the last pixel of two neighbouring neurons down to the image.
def receptive_field(layers: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    fields = []
    for depth in range(1, len(layers) + 1):
        first, last, neighbour = 0, 0, 1
        for kernel, stride, pad in layers[:depth][::-1]:
            first, neighbour = first * stride - pad, neighbour * stride - pad
            last = last * stride - pad + kernel - 1
        fields.append((last - first + 1, neighbour - first, -first))
    return fields


# %% alternative="receptive_field" name="accumulate"
# Closed forms over running products.
def receptive_field(layers):
    import math

    steps = [math.prod(stride for _, stride, _ in layers[:depth]) for depth in range(len(layers) + 1)]
    return [
        (
            1 + sum((kernel - 1) * steps[i] for i, (kernel, _, _) in enumerate(layers[:depth])),
            steps[depth],
            sum(pad * steps[i] for i, (_, _, pad) in enumerate(layers[:depth])),
        )
        for depth in range(1, len(layers) + 1)
    ]
