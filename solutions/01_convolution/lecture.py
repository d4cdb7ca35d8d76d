# %% [markdown] slide="slide" facts="01-components 01-nutshell"
# # Convolution
#
# A convolutional network is built from five kinds of layer: **convolution, non-linearity, pooling, fully
# connected, normalization**. Today is about the first three. When you leave you can
#
# - relate convolution and cross-correlation, and say which one your library computes
# - work out output sizes, parameters and receptive fields, and check them by measurement
# - see a convolution as a matrix: sparse, with shared entries
# - tell *equivariant* from *invariant*, and say what breaks each
# - follow a gradient through max pooling
# - doubt a claim until an experiment has shown it
#
# The slides sum a CNN up as local, translation-invariant layers with shared weights that learn a hierarchy
# of features. Every word of that gets a measurement today, and one of them does not survive it.

# %% setup=true slide="skip"
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import RidgeClassifier
from sklearn.svm import SVC, LinearSVC
from torch import nn

import coursekit
from coursekit import data, lecture, models, probe, train, viz
from coursekit.lecture import accuracy, range_of, verdict

viz.use_style()
torch.set_num_threads(1)  # these networks are so small that a second thread costs more than it brings

# %% parameters=true slide="skip"
budget = "ci"

# %% setup=true slide="skip"
setting = lecture.by_budget(
    budget,
    ci=lecture.Setting(seeds=3),
    laptop=lecture.Setting(seeds=5, longer=3),
    gpu=lecture.Setting(seeds=5, longer=10),
)
SEEDS = range(setting.seeds)
trained = partial(lecture.trained, longer=setting.longer)

# %% [markdown] slide="slide" facts="01-mlp-sharing-question"
# # 1. Why not a multi-layer perceptron?
#
# A photograph of 400 × 400 pixels in three colours goes into **one hidden layer of 500 units**.
#
# How many weights is that? Say a number before you look.
#
# - Do we need all these edges?
# - Could some of them share one weight?
# - What do we know about pictures that the network should not have to learn?

# %% slide="fragment" keep=true facts="01-mlp-input-size 01-mlp-params 01-mlp-248000"
hidden = nn.Linear(400 * 400 * 3, 500, device="meta")  # "meta": shapes only, no memory

print(f"inputs                       {hidden.in_features:>13,}")
print(f"weights                      {hidden.weight.numel():>13,}")
print(f"with biases                  {sum(p.numel() for p in hidden.parameters()):>13,}")
print(
    f"the slide says 500 x 248,000 {500 * 248_000:>13,}   <- count it yourself: 400 x 400 x 3 = {400 * 400 * 3:,}"
)

# %% [markdown] slide="fragment" facts="01-mlp-248000"
# **Erratum.** The slide prints the product as 500 × 248 000 and the result as 240 million. The result is right,
# the factor is a slip: the slide says 248,000, count it yourself and you get 480,000.

# %% [markdown] slide="subslide" facts="01-mlp-sharing-question 01-small-patterns"
# ## Two things we know about pictures
#
# 1. **Patterns are small.** An eye, an edge, a whisker needs a window, not the whole picture.
# 2. **Patterns are anywhere.** The window that finds an eye on the left finds one on the right.
#
# The first removes edges, the second makes those that are left equal. Here is a layer from 12 inputs to 12 outputs.

# %% slide="fragment" facts="01-mlp-sharing-question 01-sparse-interaction"
generator = torch.Generator().manual_seed(0)
dense = torch.randn(12, 12, generator=generator)
near = (torch.arange(12)[:, None] - torch.arange(12)).abs() <= 1
shared = torch.zeros(12, 12)
for offset, weight in ((-1, -1.0), (0, 2.0), (1, 0.6)):
    shared += weight * torch.diag(torch.ones(12 - abs(offset)), offset)

figure, axes = plt.subplots(1, 3, figsize=(16, 5.6))
for ax, matrix, title in zip(
    axes,
    (dense, dense * near, shared),
    ("fully connected: 144 weights", "local: 34 weights", "local and shared: 3 weights"),
    strict=True,
):
    viz.show_matrix(matrix, title=title, xlabel="input", ylabel="output", signed=True, annotate=False, ax=ax)
viz.show(
    figure,
    alt="Three 12 by 12 weight matrices. Left: every cell has a colour of its own. Middle: only the three middle "
    "diagonals are filled, with different colours. Right: the same three diagonals, each of one colour.",
)
assert int(near.sum()) == 34 and len(shared.unique()) == 4  # three weights and zero

# %% [markdown] slide="subslide" facts="01-small-patterns"
# ## How many numbers does a small window need?
#
# We cut 8 × 8 windows out of two photographs: 64 grey values each. How many *patterns* do you have to mix to get
# back 95 % of what varies in them? 60? 45? 10?

# %% slide="fragment" facts="01-small-patterns"
photographs = data.load("photographs")
grey = photographs.images.mean(1, keepdim=True)
windows = F.unfold(grey, 8, stride=4).transpose(1, 2).reshape(-1, 64)
windows = windows - windows.mean(1, keepdim=True)  # the brightness of a window is one number more
_, strength, patterns = torch.linalg.svd(windows, full_matrices=False)
kept = strength.square().cumsum(0) / strength.square().sum()
needed = 1 + int((kept < 0.95).sum())

figure, (left, right) = plt.subplots(1, 2, figsize=(15, 5), width_ratios=(1, 1.2))
viz.curves({"kept": kept[:40]}, xlabel="patterns mixed", ylabel="variation kept (%)", percent=True, ax=left)
left.axhline(95, color="black", linestyle=":")
tiles = (
    F.pad(patterns[:12].view(3, 4, 8, 8), (0, 1, 0, 1), value=torch.nan).permute(0, 2, 1, 3).reshape(27, 36)
)
right.imshow(tiles, cmap="PuOr")
right.set_title("the first 12 patterns")
right.set_axis_off()
viz.show(
    figure,
    alt=f"Left: variation kept against the number of patterns mixed; it passes 95 percent at {needed} of 64. "
    "Right: the first twelve patterns, stripes and edges in several directions.",
)
print(f"{needed} of 64 patterns keep 95 % of what varies in {len(windows):,} windows")
assert needed < 32

# %% [markdown] slide="subslide" facts="01-handcrafted-filters 01-learned-like-handcrafted"
# ## Filters before learning
#
# - **Hubel and Wiesel** (1959; Nobel prize 1981): cells in the visual cortex that answer to an edge of one direction
# - hand-made filters after them: **Sobel, Canny, Gabor**; hand-made descriptors: **HOG, SIFT, GIST**
# - the patterns above came out of the photographs alone, and they are edges as well
#
# Are hand-made filters the best ones? Can better ones be learned? Will those look like the hand-made ones?
# Keep your answer for section 14, when we look into a trained network.
#
# First a bank of Gabor filters, and bars whose direction we know. Which filter answers to which bar?


# %% slide="fragment" facts="01-handcrafted-filters"
def gabor(degrees, size=21, wavelength=13.0, width=4.5):
    """A wave under a bell, bright along one direction; it sums to 0 and answers nothing to a flat area."""
    y, x = torch.meshgrid(torch.arange(size) - size // 2, torch.arange(size) - size // 2, indexing="ij")
    turn = torch.deg2rad(torch.tensor(float(degrees)))
    across = x * turn.sin() + y * turn.cos()
    wave = torch.exp(-(x**2 + y**2) / (2 * width**2)) * torch.cos(2 * torch.pi * across / wavelength)
    wave = wave - wave.mean()
    return wave / wave.norm()


directions = (0, 30, 60, 90, 120, 150)
bank = torch.stack([gabor(d) for d in directions])
stimuli = torch.cat(
    [data.shapes(1, kinds=("bar",), position=0.0, scale=1.9, angle=float(d)).images for d in directions]
)
answers = (
    F.conv2d(stimuli, bank[:, None], padding=10).relu().amax((2, 3))
)  # "simple cell", then "complex cell"

figure, axes = plt.subplots(2, 7, figsize=(16, 4.6), width_ratios=[1] * 6 + [2.6])
for column, (stimulus, filter_) in enumerate(zip(stimuli, bank, strict=True)):
    axes[0, column].imshow(stimulus[0], cmap="gray")
    axes[1, column].imshow(filter_, cmap="PuOr")
    axes[0, column].set_title(f"{directions[column]}°")
for ax in axes.flat:
    ax.set_axis_off()
axes[0, 0].text(-9, 14, "bars", rotation=90, va="center")
axes[1, 0].text(-7, 10, "filters", rotation=90, va="center")
grid = figure.add_subplot(axes[0, 6].get_gridspec()[:, 6])
grid.imshow(answers.T, cmap="cividis")
grid.set(title="answer", xlabel="bar", ylabel="filter", xticks=range(6), yticks=range(6))
grid.set_xticklabels(directions, fontsize=12)
grid.set_yticklabels(directions, fontsize=12)
viz.show(
    figure,
    alt="Six bars, turned by 0 to 150 degrees, above six Gabor filters of the same directions. The table of answers "
    "beside them is brightest on its diagonal: each filter answers most to the bar of its own direction.",
)
assert answers.argmax(1).tolist() == list(range(6))  # each bar excites its own filter most ...
assert answers.argmax(0).tolist() == list(range(6))  # ... and each filter prefers its own bar

# %% [markdown] slide="slide" facts="01-conv-1d-integral 01-conv-overlap-area"
# # 2. Convolution
#
# A signal $x$ and a weighting $w$, turned round and moved along:
#
# $$s(t) = \int x(a)\, w(t - a)\, da \qquad\qquad s_t = \sum_a x_a\, w_{t-a}$$
#
# Slide a box over a box of the same width. **At each position, note the area they share.** What curve comes out?


# %% slide="fragment" facts="01-conv-overlap-area 01-conv-1d-integral"
def overlap(shift=0.6):
    """A box of width 1 and the same box moved by `shift`; below, the shared area at every shift."""
    t = np.linspace(-1.6, 1.6, 641)
    step = t[1] - t[0]
    box = (np.abs(t) <= 0.5).astype(float)
    area = np.convolve(box, box, mode="same") * step
    moved = (np.abs(t - shift) <= 0.5).astype(float)
    figure, (above, below) = plt.subplots(2, 1, figsize=(10, 5.6), sharex=True)
    above.plot(t, box, label="x(a)")
    above.plot(t, moved, "--", label="w(t − a)")
    above.fill_between(t, np.minimum(box, moved), color="#009E73", alpha=0.5, label="shared area")
    above.legend(loc="upper left", frameon=False)
    above.set(ylim=(0, 1.25))
    below.plot(t, area, color="#009E73")
    now = np.interp(shift, t, area)
    below.plot([shift], [now], "o", color="black", markersize=12)
    below.set(xlabel="shift t", ylabel="s(t)", ylim=(0, 1.25))
    return figure


lecture.explore(
    overlap,
    shift=(-1.5, 1.5, 0.1),
    alt="Above: two boxes of width 1, one moved by 0.6; the part they share is filled. Below: the shared area "
    "against the shift, a triangle with its peak of 1 at shift 0; a dot marks 0.4 at shift 0.6.",
)

# %% slide="fragment" facts="01-conv-1d-integral 01-conv-overlap-area"
box = torch.ones(1, 1, 5)
triangle = F.conv1d(box, box.flip(-1), padding=4).flatten()
print("box * box          ", triangle.int().tolist(), " a triangle")
print(
    "[1 2 3] * [4 5]    ",
    np.convolve([1, 2, 3], [4, 5]).tolist(),
    "  = (1 + 2z + 3z²)(4 + 5z), coefficient by coefficient",
)
assert triangle.tolist() == [1, 2, 3, 4, 5, 4, 3, 2, 1]
assert np.convolve([1, 2, 3], [4, 5]).tolist() == [4, 13, 22, 15]

# %% [markdown] slide="subslide" facts="01-conv-2d 01-libraries-cross-correlate"
# ## On images: one more index, and a flip that libraries leave out
#
# $$\text{convolution} \quad S_{ij} = \sum_{m,n} I_{mn}\, K_{i-m,\,j-n}
# \qquad\qquad \text{cross-correlation} \quad S_{ij} = \sum_{m,n} I_{i+m,\,j+n}\, K_{mn}$$
#
# An image has three bright dots. The kernel is the letter F. Which picture does `torch.nn.functional.conv2d` return?

# %% slide="fragment" facts="01-conv-2d"
lecture.predict(
    "Three dots, filtered with the kernel F by conv2d: what appears around each dot?",
    ["the letter F", "F turned by 180°", "F mirrored left to right", "a blurred dot"],
)

# %% slide="fragment" facts="01-conv-2d 01-libraries-cross-correlate"
letter = torch.tensor([[1, 1, 1.0], [1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]])
dots = torch.zeros(1, 1, 17, 21)
for row, column in ((4, 4), (12, 7), (7, 15)):
    dots[0, 0, row, column] = 1


def correlate(image, kernel):
    """What libraries call convolution, over all overlaps."""
    h, w = kernel.shape[-2:]
    return F.conv2d(image, kernel.expand(1, 1, h, w), padding=(h - 1, w - 1))


def convolve(image, kernel):
    """The mathematical one: the same with the kernel turned by 180 degrees."""
    return correlate(image, kernel.flip(-2, -1))


figure = viz.show_images(
    [
        dots[0],
        F.pad(letter, (9, 9, 6, 6)),
        *(result[0, :, 2:-2, 1:-1] for result in (correlate(dots, letter), convolve(dots, letter))),
    ],
    ["image", "kernel", "torch: conv2d", "convolution"],
    size=4,
)
viz.show(
    figure,
    alt="Three dots; the letter F; three letters F turned by 180 degrees, the result of conv2d; three upright "
    "letters F, the result of the mathematical convolution.",
)
sums = torch.stack(  # the definition, term by term, at every place where the kernel lies inside the image
    [(dots[0, 0, i : i + 5, j : j + 3] * letter).sum() for i in range(13) for j in range(19)]
)
assert torch.equal(F.conv2d(dots, letter[None, None]).flatten(), sums)

# %% [markdown] slide="fragment" facts="01-libraries-cross-correlate"
# Libraries compute the cross-correlation and call it convolution. **Does it matter?** Not for a kernel that is
# learned: it is learned the other way round. It does as soon as you put in a kernel of your own, or do algebra.

# %% [markdown] slide="subslide" facts="01-conv-commutative 01-crosscorr-not-commutative 01-conv-associative"
# ## What the flip buys: algebra
#
# - convolution is **commutative**, $I * K = K * I$, and **associative**, $((a * b_1) * b_2) * b_3 = a * (b_1 * b_2 * b_3)$:
#   many filters in a row are one filter, computed once
# - cross-correlation is neither. Swap its arguments: what do you expect?

# %% slide="fragment" facts="01-conv-commutative 01-crosscorr-not-commutative 01-conv-associative"
generator = torch.Generator().manual_seed(0)
a = torch.randint(-4, 5, (1, 1, 6, 6), generator=generator).float()
b1, b2, b3 = (torch.randint(-4, 5, (1, 1, 3, 3), generator=generator).float() for _ in range(3))

print(
    "convolution        a * b = b * a                       ", torch.equal(convolve(a, b1), convolve(b1, a))
)
print(
    "cross-correlation  a ⋆ b = b ⋆ a                       ", torch.equal(correlate(a, b1), correlate(b1, a))
)
print(
    "                   a ⋆ b = (b ⋆ a) turned by 180°      ",
    torch.equal(correlate(a, b1), correlate(b1, a).flip(-2, -1)),
)
in_turn = convolve(convolve(convolve(a, b1), b2), b3)
at_once = convolve(a, convolve(convolve(b1, b2), b3))
print("convolution        ((a * b1) * b2) * b3 = a * (b1 * b2 * b3)", torch.equal(in_turn, at_once))
wrong = correlate(a, correlate(correlate(b1, b2), b3))
print(
    "cross-correlation  the same form                       ",
    torch.equal(correlate(correlate(correlate(a, b1), b2), b3), wrong),
)
assert torch.equal(convolve(a, b1), convolve(b1, a)) and not torch.equal(correlate(a, b1), correlate(b1, a))
assert torch.equal(correlate(a, b1), correlate(b1, a).flip(-2, -1)) and torch.equal(in_turn, at_once)
assert not torch.equal(correlate(correlate(correlate(a, b1), b2), b3), wrong)

# %% [markdown] slide="slide" facts="01-kernel-blur 01-kernel-laplacian 01-kernel-sobel"
# # 3. What does this kernel do?
#
# $$\frac18\begin{bmatrix}0&1&0\\1&4&1\\0&1&0\end{bmatrix}\qquad
# \begin{bmatrix}0&-1&0\\-1&4&-1\\0&-1&0\end{bmatrix}\qquad
# \begin{bmatrix}0&-1&0\\-1&5&-1\\0&-1&0\end{bmatrix}\qquad
# \begin{bmatrix}1&0&-1\\2&0&-2\\1&0&-1\end{bmatrix}$$
#
# Look at one thing only: **what is the sum of the entries, and so what happens to a flat grey area?** Then say
# for each: blur, sharpen, edges?

# %% slide="fragment" facts="01-blur-sharpen-edge 01-kernel-blur 01-kernel-laplacian 01-kernel-sobel"
KERNELS = {
    "blur": torch.tensor([[0, 1, 0], [1, 4, 1], [0, 1, 0.0]]) / 8,
    "edges (Laplace)": torch.tensor([[0, -1, 0], [-1, 4, -1], [0, -1, 0.0]]),
    "sharpen": torch.tensor([[0, -1, 0], [-1, 5, -1], [0, -1, 0.0]]),
    "vertical edges (Sobel)": torch.tensor([[1, 0, -1], [2, 0, -2], [1, 0, -1.0]]),
}
cat = photographs.images[:1].mean(1, keepdim=True)


def filtered(image, kernel):
    """The image filtered inside its border, each channel on its own: (N, C, H, W) to (N, C, H-h+1, W-w+1)."""
    weight = kernel.expand(image.shape[1], 1, *kernel.shape[-2:])
    return F.conv2d(image, weight, groups=image.shape[1])


def detail(image):
    """Mean squared difference between neighbours, as a share of the variance: how rough the picture is."""
    return ((image.diff(dim=-1)).square().mean() + (image.diff(dim=-2)).square().mean()) / image.var()


close = cat[..., 60:180, 120:280]  # a cut-out, so that the change of a single pixel can be seen
figure = viz.show_images(
    [
        close[0],
        *(
            r.clamp(0, 1)[0] if "edges" not in n else (0.5 + r[0]).clamp(0, 1)
            for n, r in ((name, filtered(close, kernel)) for name, kernel in KERNELS.items())
        ),
    ],
    ["photograph", *KERNELS],
    columns=5,
    size=3.4,
)
viz.show(
    figure,
    alt="A cut-out of a photograph of a cat, and four filtered versions: softer; grey with bright and dark lines at "
    "all edges; crisper; grey with lines at vertical edges only.",
)

# %% slide="fragment" facts="01-kernel-blur 01-kernel-laplacian 01-kernel-sobel 01-blur-sharpen-edge"
flat = torch.full((1, 1, 9, 9), 0.6)
print(f"{'kernel':24}{'sum':>6}{'flat 0.6 becomes':>19}{'roughness':>12}    (photograph: {detail(cat):.3f})")
for name, kernel in KERNELS.items():
    print(
        f"{name:24}{kernel.sum():6.2f}{filtered(flat, kernel)[0, 0, 3, 3]:19.2f}{detail(filtered(cat, kernel)):12.3f}"
    )

sobel = KERNELS["vertical edges (Sobel)"]
assert detail(filtered(cat, KERNELS["blur"])) < detail(cat) < detail(filtered(cat, KERNELS["sharpen"]))
for name in ("edges (Laplace)", "vertical edges (Sobel)"):
    assert filtered(flat, KERNELS[name]).abs().max() < 1e-6
assert torch.equal(
    KERNELS["sharpen"], KERNELS["edges (Laplace)"] + torch.tensor([[0, 0, 0], [0, 1, 0], [0, 0, 0.0]])
)
down, across = torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 0, -1])
assert torch.equal(sobel, torch.outer(down, across)) and torch.linalg.matrix_rank(sobel) == 1
in_two = filtered(filtered(cat, down[:, None]), across[None, :])
assert torch.allclose(in_two, filtered(cat, sobel), atol=1e-5)

# %% [markdown] slide="notes" facts="01-kernel-blur 01-kernel-laplacian 01-kernel-sobel"
# Sum 1 keeps a flat area: **blur** (all entries positive) and **sharpen** (the image plus its Laplacian). Sum 0 wipes
# it out: **edges**. The Sobel kernel is `[1 2 1]` down times `[1 0 -1]` across: rank 1, so two passes with 3 + 3
# weights do the work of 9. That is the idea behind the factored convolutions of lecture 5.

# %% [markdown] slide="subslide" facts="01-blur-sharpen-edge"
# ## Turn the knobs
#
# One number in the middle, one for its four neighbours. Find: no change. Blur. Sharpen. Edges. A negative.


# %% slide="fragment" facts="01-blur-sharpen-edge"
def knobs(middle=5.0, beside=-1.0):
    """The photograph filtered with `middle` in the centre and `beside` on its four sides."""
    kernel = beside * torch.tensor([[0, 1, 0], [1, 0, 1], [0, 1, 0.0]])
    kernel[1, 1] = middle
    result = filtered(close, kernel)[0]
    total = kernel.sum().item()
    result = 0.5 + result if abs(total) < 0.25 else result / abs(total) + (total < 0)
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.2), width_ratios=(1, 1.8, 1.8))
    viz.show_matrix(kernel, title=f"sum {total:.1f}", signed=True, xlabel="", ylabel="", ax=axes[0])
    for ax, picture, title in zip(axes[1:], (close[0], result), ("photograph", "filtered"), strict=True):
        ax.imshow(picture[0].clamp(0, 1), cmap="gray", vmin=0, vmax=1)
        ax.set_title(title)
    for ax in axes:
        ax.set(xticks=[], yticks=[])
    return figure


lecture.explore(
    knobs,
    middle=(-4.0, 9.0, 0.5),
    beside=(-2.0, 2.0, 0.25),
    alt="A kernel with 5 in the middle and -1 on its four sides, a cut-out of a photograph of a cat, and the "
    "filtered picture: the whiskers and hairs are crisper.",
)

# %% [markdown] slide="slide" facts="01-random-conv-edges"
# # 4. Put to the room: a random convolution
#
# Draw the entries of a kernel from a normal distribution and filter a photograph with it.
# **What does it do?** Hint: begin with a kernel of two entries, $[a\;\; b]$.

# %% slide="fragment" facts="01-random-conv-edges"
lecture.predict(
    "A convolution with normal random weights ...",
    ["emphasises average colours", "emphasises edges", "blurs", "sharpens"],
)

# %% [markdown] slide="fragment" facts="01-random-conv-edges"
# A flat area answers with $|a+b|$, the fastest pattern $+-+-$ with $|a-b|$. Equal signs: a blur.
# Opposite signs: an edge filter. The signs are a coin toss.

# %% slide="fragment" facts="01-random-conv-edges"
pairs = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0))
edge_like = ((pairs[:, 0] - pairs[:, 1]).abs() > (pairs[:, 0] + pairs[:, 1]).abs()).float().mean().item()

random_kernels = torch.randn(20_000, 9, generator=torch.Generator().manual_seed(1))
flat_gain = random_kernels.sum(1).square()  # power at frequency 0
mean_gain = random_kernels.square().sum(1)  # power on average over all frequencies (Parseval)
weak_on_flat = (flat_gain < mean_gain).float().mean().item()

print(f"random 1x2 kernels nearer to an edge filter than to a blur    {edge_like:.2f}")
print(
    f"mean power on flat areas / mean power over all frequencies    {(flat_gain.mean() / mean_gain.mean()).item():.2f}"
)
print(
    f"random 3x3 kernels that answer weaker to flat than on average {weak_on_flat:.2f}   (averaging kernels: never)"
)
assert abs(edge_like - 0.5) < 0.02 and abs(weak_on_flat - 0.65) < 0.03
assert abs(flat_gain.mean() / mean_gain.mean() - 1) < 0.1
average = torch.rand(
    1000, 9, generator=torch.Generator().manual_seed(2)
)  # any kernel without negative entries
assert (average.sum(1).square() > average.square().sum(1)).all()

# %% slide="subslide" facts="01-random-conv-edges"
kernels = torch.randn(300, 1, 3, 3, generator=torch.Generator().manual_seed(3))
scene = grey[:1]
edge_strength = torch.hypot(filtered(scene, sobel), filtered(scene, sobel.T))[0, 0]
at_edges, elsewhere = edge_strength > edge_strength.quantile(0.9), edge_strength < edge_strength.median()


def edge_ratio(result):
    """Mean size of the answer at the strongest tenth of the edges, over that on the calmer half."""
    size = (result - result.mean((-2, -1), keepdim=True)).abs()
    return size[..., at_edges].mean(-1) / size[..., elsewhere].mean(-1)


results = F.conv2d(scene, kernels)[0]
ratios = edge_ratio(results)
rough = torch.stack([detail(r[None, None]) for r in results])
inner = scene[..., 1:-1, 1:-1]
box_blur = filtered(scene, torch.full((3, 3), 1 / 9))
rougher = (rough > detail(inner)).float().mean().item()
dim = kernels.sum((1, 2, 3)).square() < kernels.square().sum((1, 2, 3))

figure, axes = plt.subplots(1, 5, figsize=(17, 3.4))
axes[0].imshow(scene[0, 0], cmap="gray")
axes[0].set_title("photograph")
order = rough.argsort()
for ax, share in zip(axes[1:], (0.05, 0.35, 0.65, 0.95), strict=True):
    which = order[int(share * 300)]
    ax.imshow(results[which], cmap="gray")
    ax.set_title(f"{share:.0%} are smoother")
for ax in axes:
    ax.set_axis_off()
viz.show(
    figure,
    alt="A photograph and the results of four random 3 by 3 kernels, from smooth to rough: the first looks like a "
    "blurred photograph, perhaps with dark and bright exchanged, the last like a drawing of edges.",
)
print(f"rougher than the photograph           {rougher:.0%} of 300 random kernels")
print(f"  those weak on flat areas            {(rough > detail(inner))[dim].float().mean():.0%}")
print(f"  the others                          {(rough > detail(inner))[~dim].float().mean():.0%}")
print(f"edges / elsewhere, random kernels     {ratios.median():.2f} (median)")
print(f"edges / elsewhere, photograph itself  {edge_ratio(inner[0]).item():.2f}")
print(f"edges / elsewhere, after a box blur   {edge_ratio(box_blur[0]).item():.2f}")
assert 0.5 < rougher < 1
assert (rough > detail(inner))[dim].float().mean() > (rough > detail(inner))[~dim].float().mean()

# %% [markdown] slide="fragment" facts="01-random-conv-edges"
# **Settled, with care.** The expected answer is "edges", and it holds in a weak sense only. Random weights pass
# all frequencies alike *on average*; a photograph has most of its power in slow changes, so what stands out
# afterwards are edges more often than not: about two random 3 × 3 kernels in three answer weaker to flat areas
# than to the rest. But half of all 1 × 2 kernels are blurs, and one random kernel tells you nothing.

# %% [markdown] slide="slide" facts="01-neuron-weights-5x5 01-neuron-formula 01-dot-75 01-cifar-volume 01-conv-3d-activations 01-tensor-hwc"
# # 5. From kernel to layer
#
# The input is a volume: at each pixel a vector of channels. A CIFAR-10 image is 3 × 32 × 32. (Textbooks write
# H × W × C, torch stores C × H × W. Same numbers.)
#
# **One neuron** looks at a 3 × 5 × 5 chunk. How many weights has it?
#
# $$h^r = \sum_{i,j,k} x^r_{ijk} W_{ijk} + b$$

# %% slide="fragment" keep=true facts="01-neuron-weights-5x5 01-dot-75 01-cifar-volume 01-map-28 01-six-maps 01-six-bias 01-conv-32-5-28 01-outsize-32-5 01-k-filters-k-maps"
image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
one, six = nn.Conv2d(3, 1, 5), nn.Conv2d(3, 6, 5)

print("image                    ", "x".join(map(str, image.shape[1:])))
print(
    "one filter: weights      ",
    one.weight.numel(),
    " with its bias",
    sum(p.numel() for p in one.parameters()),
)
print("one filter: map          ", "x".join(map(str, one(image).shape[2:])))
print("six filters: weights     ", "x".join(map(str, six.weight.shape)), "and", six.bias.numel(), "biases")
print("six filters: output      ", "x".join(map(str, six(image).shape[1:])), " (channels first)")
print(
    "the slides' order        ",
    "x".join(map(str, six(image).permute(0, 2, 3, 1).shape[1:])),
    " (channels last)",
)

# %% [markdown] slide="fragment" facts="01-two-neurons-index"
# With two outputs the formula is written twice: $h_1$ with $W_1, b_1$, and $h_2$ with $W_2, b_2$. On one slide the first
# bias reads $b_{1i}$, as if it had an index to sum over: a slip, one neuron has one bias.

# %% slide="notes" facts="01-neuron-formula 01-grid-vector-view 01-tensor-hwc 01-filters-3d 01-two-neurons-index"
with torch.no_grad():
    volume = six(image)
    for filter_ in range(2):  # h1 and h2 at row 4, column 7
        by_hand = (image[0, :, 4:9, 7:12] * six.weight[filter_]).sum() + six.bias[filter_]
        assert torch.allclose(volume[0, filter_, 4, 7], by_hand, atol=1e-5)
grid = volume[0].permute(1, 2, 0)
assert grid.shape == (28, 28, 6) and grid[4, 7].shape == (6,)
print("output as a 28x28 grid of vectors; the one at row 4, column 7:", np.round(grid[4, 7].numpy(), 2))

# %% [markdown] slide="subslide" facts="01-conv-learn-filters 01-filters-3d 01-sparse-interaction 01-weight-sharing"
# ## Slide it
#
# The same filter, everywhere. Local in height and width, **full in depth**: it spans all input channels.

# %% slide="fragment" facts="01-weight-sharing 01-stride2-pad1-7"
viz.show(
    viz.slide_window(
        torch.arange(49.0).reshape(7, 7) % 5,
        torch.tensor([[1, 0, -1], [2, 0, -2], [1, 0, -1.0]]),
        stride=2,
        padding=1,
        steps=8,
    ),
    alt="A 3 by 3 window slides over a 7 by 7 image with a ring of zeros around it, two pixels at a time; each stop "
    "fills one cell of a 4 by 4 output.",
)

# %% slide="fragment" keep=true facts="01-weight-sharing 01-sparse-interaction 01-conv-hyperparameters 01-conv-weights-4d 01-spatial-arrangement 01-96-filters-shared 01-filters-64-1024"
shared_weight = nn.Conv2d(1, 1, 3, bias=False)
shared_weight(torch.ones(1, 1, 6, 6)).sum().backward()
print(
    "each of 9 weights is used at this many places of a 6x6 image:",
    shared_weight.weight.grad.flatten().int().tolist(),
)

deep_input = torch.randn(1, 3, 7, 7, generator=torch.Generator().manual_seed(0)).requires_grad_()
nn.Conv2d(3, 1, 3, padding=1, bias=False)(deep_input)[0, 0, 3, 3].backward()
touched = deep_input.grad[0] != 0
print(
    "one output touches", int(touched.any(0).sum()), "pixels in", int(touched.any((1, 2)).sum()), "channels"
)

layer = nn.Conv2d(3, 6, (5, 4), stride=2, padding=1)
print(
    "weights of Conv2d(3, 6, (5, 4)):", "x".join(map(str, layer.weight.shape)), " = out x in x height x width"
)
print(
    "you choose: kernel",
    layer.kernel_size,
    "filters",
    layer.out_channels,
    "padding",
    layer.padding,
    "stride",
    layer.stride,
)
print("it learns: ", *(name for name, _ in layer.named_parameters()))

first = nn.Conv2d(3, 96, 11, stride=4)
maps = first(torch.zeros(1, 3, 227, 227)).shape
print(f"AlexNet's first layer: {maps[1]} filters of 11x11x3, each shared by {maps[2]}x{maps[3]} neurons")
print("usual number of filters in a layer: 64 to 1024")

# %% [markdown] slide="slide" facts="01-outsize-formula 01-outsize-same"
# # 6. How big is the output?
#
# $$w_\text{out} = \left\lfloor \frac{w_\text{in} + 2p - k}{s} \right\rfloor + 1$$
#
# Why the floor? Why the +1? What does $k=3,\ s=1,\ p=1$ do?
#
# Take 8 pixels, a kernel of 3 and a stride of 2, no padding. **Which pixels are never looked at?**


# %% slide="fragment" facts="01-stride2-half 01-stride2-pad1-7"
def times_used(size, kernel, stride, padding):
    """How many windows cover each pixel, and how many windows there are: counted by a gradient."""
    row = torch.ones(1, 1, size, requires_grad=True)
    output = F.conv1d(row, torch.ones(1, 1, kernel), stride=stride, padding=padding)
    output.sum().backward()
    return row.grad.int().flatten(), output.shape[-1]


cases = ((7, 3, 2, 0), (8, 3, 2, 0), (8, 3, 2, 1), (7, 3, 2, 1))
figure, axes = plt.subplots(len(cases), 1, figsize=(11, 5))
for ax, (size, kernel, stride, padding) in zip(axes, cases, strict=True):
    used, outputs = times_used(size, kernel, stride, padding)
    for i, times in enumerate(used.tolist()):
        ax.barh(0, 0.94, left=i, height=0.8, color=("#D55E00", "#C9DDF0", "#56A0D6")[min(times, 2)])
        ax.text(i + 0.47, 0, times, ha="center", va="center")
    ax.text(9.2, 0, f"{size} pixels, padding {padding}: {outputs} outputs", va="center")
    ax.set(xlim=(0, 15), ylim=(-0.5, 0.5))
    ax.set_axis_off()
viz.show(
    figure,
    alt="Rows of pixels with the number of windows of width 3 and stride 2 that cover each. With 8 pixels and no "
    "padding the last pixel is covered by none; with 7, or with padding 1, each is covered at least once.",
)
assert times_used(8, 3, 2, 0)[0][-1] == 0 and times_used(7, 3, 2, 0)[0].min() == 1


# %% slide="fragment" keep=true facts="01-stride2-half 01-stride2-pad1-7 01-outsize-formula 01-outsize-same 01-outsize-32-5"
def output_width(width, kernel, stride=1, padding=0):
    """Measured: a layer is run on shapes only."""
    layer = nn.Conv2d(1, 1, kernel, stride=stride, padding=padding, device="meta")
    return layer(torch.empty(1, 1, width, width, device="meta")).shape[-1]


rows = [
    ("32 with a 5x5 kernel", 32, 5, 1, 0),
    ("'same'", 32, 3, 1, 1),
    ("", 7, 3, 2, 0),
    ("the drawn example", 7, 3, 2, 1),
    ("", 8, 3, 2, 0),
    ("exactly half", 8, 3, 2, 1),
    ("", 28, 3, 2, 0),
    ("exactly half", 28, 3, 2, 1),
]
print("in   kernel  stride  padding   out   never used (pad 0)")
for note, *sizes in rows:
    unused = (sizes[0] - sizes[1]) % sizes[2] if sizes[3] == 0 else 0
    print(
        "{:<6}{:<8}{:<8}{:<8}".format(*sizes), f"{output_width(*sizes):>4}   {unused:>6}      {note}".rstrip()
    )

agreed = 0
for w in range(5, 16):
    for k in (1, 2, 3, 5):
        for s in (1, 2, 3):
            for p in (0, 1, 2):
                assert output_width(w, k, s, p) == (w + 2 * p - k) // s + 1, (w, k, s, p)
                agreed += 1
assert all(output_width(w, 3, 1, 1) == w for w in range(3, 40))
print("the formula agrees with", agreed, "layers that were run; k=3, s=1, p=1 keeps every width")

# %% [markdown] slide="notes" facts="01-stride2-half"
# The slide says that with stride 2 the output is half the size. Roughly: without padding 7 gives 3 and 8 gives 3.
# Exactly half needs an even width with k = 3 and p = 1. And a remainder means that the last row and column are
# computed, stored, loaded, and never read.

# %% [markdown] slide="subslide" facts="01-stack-32-28-24 01-stack-params 01-linear-nonlinear-chain"
# ## Stack them
#
# 32 × 32 × 3 → six 5 × 5 filters, ReLU → ten 5 × 5 filters, ReLU. How large is the map after each?
# How many parameters has each layer, biases included? Nearly every network is such a chain: **filter, bend, shrink**.

# %% slide="fragment" keep=true facts="01-stack-32-28-24 01-stack-params 01-linear-nonlinear-chain 01-conv-conv-pool"
stack = nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.Conv2d(6, 10, 5), nn.ReLU())
for name, shape in probe.output_shapes(stack, (3, 32, 32)):
    layer = stack.get_submodule(name)
    count = sum(p.numel() for p in layer.parameters())
    print(
        f"{layer.out_channels:>2} filters of {'x'.join(map(str, layer.weight.shape[1:])):6} -> {'x'.join(map(str, shape)):9}  {count:>5,} parameters"
    )

block = nn.Sequential(nn.Conv2d(3, 10, 3, padding=1), nn.Conv2d(10, 10, 3, padding=1), nn.MaxPool2d(2, 2))
print(
    "conv, conv, pool (ten 3x3 filters, stride 1, padding 1, then 2x2 pooling): 32 ->",
    *(s[-1] for _, s in probe.output_shapes(block, (3, 32, 32))),
)

# %% slide="subslide" facts="01-nonlinearities 01-stack-without-nonlinearity"
z = torch.linspace(-4, 4, 200)
figure, ax = plt.subplots(figsize=(9, 4.4))
for (name, function), style in zip(
    {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "ReLU": torch.relu}.items(), ("-", "--", "-."), strict=True
):
    ax.plot(z, function(z), style, label=name)
ax.set(xlabel="input", ylabel="output", ylim=(-1.2, 3))
ax.legend(frameon=False)
viz.show(
    figure,
    alt="Three non-linearities: the sigmoid from 0 to 1, tanh from -1 to 1, and ReLU, 0 on the left and a straight line on the right.",
)

x = torch.randn(1, 1, 12, 12, generator=torch.Generator().manual_seed(0))
first, second = torch.randn(2, 1, 1, 3, 3, generator=torch.Generator().manual_seed(1))
together = F.conv2d(first, second.flip(-2, -1), padding=2)  # one 5x5 kernel
two_linear = F.conv2d(F.conv2d(x, first), second)
with_relu = F.conv2d(F.conv2d(x, first).relu(), second)
print(
    "two 3x3 layers = one 5x5 layer, without ReLU:",
    torch.allclose(two_linear, F.conv2d(x, together), atol=1e-4),
)
print(
    "                                 with ReLU:  ",
    torch.allclose(with_relu, F.conv2d(x, together), atol=1e-4),
)
assert torch.allclose(two_linear, F.conv2d(x, together), atol=1e-4)
assert not torch.allclose(with_relu, F.conv2d(x, together), atol=1e-1)

# %% [markdown] slide="notes" facts="01-nonlinearities 01-stack-without-nonlinearity"
# Without something bent in between, a stack of convolutions is one convolution: section 2 proved it, that is
# associativity. Depth is bought by the non-linearity.

# %% [markdown] slide="slide" facts="01-1x1-2d-question 01-1x1-vs-fc-question"
# # 7. The family
#
# **1 × 1.** On a grey picture a 1 × 1 convolution makes no sense. Why not? And why is it everywhere in real networks?
#
# Take three minutes with your neighbour: how does it differ from a fully connected layer? When is it good, when not?

# %% slide="fragment" facts="01-1x1-2d-question"
colour = photographs.images[1:]  # three channels: now a 1x1 kernel has something to mix
mixes = {
    "grey": [0.30, 0.59, 0.11],
    "red − green": [1.0, -1.0, 0.0],
    "yellow − blue": [0.5, 0.5, -1.0],
}
pointwise = F.conv2d(colour, torch.tensor(list(mixes.values()))[:, :, None, None])[0]
figure = viz.show_images(
    [colour[0], *((m - m.min()) / (m.max() - m.min()) for m in pointwise)], ["photograph", *mixes], size=4
)
viz.show(
    figure,
    alt="A colour photograph of a cup of coffee and three grey pictures mixed from its channels at every pixel: "
    "brightness, red minus green, yellow minus blue.",
)
single = torch.rand(1, 1, 4, 4)
assert torch.allclose(
    F.conv2d(single, torch.full((1, 1, 1, 1), 0.3)), 0.3 * single
)  # one channel: only a scaling

# %% slide="fragment" keep=true facts="01-1x1-64-32 01-1x1-dot-64 01-1x1-stack-mlp 01-1x1-vs-fc-question 01-cite-nin"
pixelwise = nn.Conv2d(64, 32, 1)
maps = torch.randn(1, 64, 56, 56, generator=torch.Generator().manual_seed(0))
print(
    "64x56x56 ->",
    "x".join(map(str, pixelwise(maps).shape[1:])),
    " each output a dot product of",
    pixelwise.weight[0].numel(),
    "numbers",
)

with torch.no_grad():
    as_linear = F.linear(maps.permute(0, 2, 3, 1), pixelwise.weight[:, :, 0, 0], pixelwise.bias).permute(
        0, 3, 1, 2
    )
    print(
        "the same as one linear layer shared by all positions:",
        torch.allclose(pixelwise(maps), as_linear, atol=1e-5),
    )

    a, b = nn.Conv2d(8, 6, 1), nn.Conv2d(6, 3, 1)
    x = torch.randn(1, 8, 4, 4, generator=torch.Generator().manual_seed(1))
    at_pixel = F.linear(
        F.linear(x[0, :, 2, 3], a.weight[:, :, 0, 0], a.bias).relu(), b.weight[:, :, 0, 0], b.bias
    )
    print(
        "two of them with ReLU: an MLP at every position     ",
        torch.allclose(b(a(x).relu())[0, :, 2, 3], at_pixel, atol=1e-5),
    )
print("(Lin, Chen, Yan: Network in Network, ICLR 2014)")

# %% [markdown] slide="notes" facts="01-1x1-2d-question 01-1x1-vs-fc-question"
# One channel: a 1 × 1 kernel only scales it. With C channels it is a dot product of C numbers at each pixel. Against a fully
# connected layer: it does the same at every position, keeps the grid, takes any image size, and sees no neighbours.
# Good for changing the number of channels cheaply (before an expensive 5 × 5); useless where the answer lies in
# the arrangement of pixels.

# %% slide="subslide" keep=true facts="01-conv1d-weights 01-conv3d-weights"
sound, video = nn.Conv1d(4, 7, 3), nn.Conv3d(4, 7, 3)
print(
    "1-D: input 4xW      weights",
    "x".join(map(str, sound.weight.shape)),
    "      4x20 ->",
    "x".join(map(str, sound(torch.zeros(1, 4, 20)).shape[1:])),
)
print(
    "3-D: input 4xHxWxD  weights",
    "x".join(map(str, video.weight.shape)),
    "  4x9x9x9 ->",
    "x".join(map(str, video(torch.zeros(1, 4, 9, 9, 9)).shape[1:])),
)

# %% [markdown] slide="subslide" facts="01-guideline-6-dilated 01-dilated-keeps-params 01-dilated-exponential 01-cite-dilated"
# ## Dilated: the same weights, further apart
#
# $$\begin{bmatrix}a&b&c\\d&e&f\\g&h&i\end{bmatrix} \to
# \begin{bmatrix}a&0&b&0&c\\0&0&0&0&0\\d&0&e&0&f\\0&0&0&0&0\\g&0&h&0&i\end{bmatrix}$$
#
# A slide on design gives it as guideline 6: the field grows **exponentially, without loss of resolution**
# (Yu and Koltun, ICLR 2016, arXiv 1511.07122). Nothing is free. **What is lost?**


# %% slide="fragment" keep=true facts="01-dilated-25-9 01-dilated-49-18 01-dilated-keeps-params 01-dilated-exponential 01-dilated-what-lost"
def dilated(*dilations):
    """3x3 layers with these dilations, padded so that the resolution stays."""
    return nn.Sequential(*(nn.Conv2d(1, 1, 3, dilation=d, padding=d, bias=False) for d in dilations))


def field_and_weights(network):
    """Side of the receptive field, measured, and number of weights."""
    return probe.receptive_field(network, 64).size, sum(p.numel() for p in network.parameters())


print("layers                         field    covers     weights")
for dilations in ((2,), (1, 2)):
    size, weights = field_and_weights(dilated(*dilations))
    print(f"dilations {str(dilations):20} {size:>2}x{size:<2}   {size * size:>4} pixels   {weights}")
print(
    "dilations 1, 2, 4, 8, 16:     ",
    [field_and_weights(dilated(*(2**i for i in range(n))))[0] for n in range(1, 6)],
)
print(
    "without dilation:             ",
    [field_and_weights(dilated(*[1] * n))[0] for n in range(1, 6)],
    " the same weights",
)
seen = probe.support(dilated(2, 2), 9, (4, 4))
print(f"two layers of dilation 2 see  {int(seen.sum())} of the {seen.numel()} pixels in their 9x9 field")

# %% slide="fragment" facts="01-dilated-what-lost 01-guideline-6-dilated"
figure, axes = plt.subplots(1, 4, figsize=(17, 4.6))
for ax, dilations in zip(axes, ((1, 1), (2, 2), (1, 2), (1, 2, 3)), strict=True):
    ax.imshow(probe.support(dilated(*dilations), 17, (8, 8)), cmap="cividis", vmin=0, vmax=1)
    ax.set(title=f"dilations {', '.join(map(str, dilations))}", xticks=[], yticks=[])
viz.show(
    figure,
    alt="The pixels that one output sees. Two plain 3 by 3 layers: a full 5 by 5 square. Two layers of dilation 2: 25 "
    "separate points, every second row and column missing. Dilations 1, 2 and 1, 2, 3: full squares of 7 and 13.",
)

checkerboard = (torch.arange(21)[:, None] + torch.arange(21)) % 2 == 0
checkerboard = checkerboard.float()[None, None]
coursekit.seed_everything(0)
for name, network in {"dilations 2, 2": dilated(2, 2), "dilations 1, 2": dilated(1, 2)}.items():
    with torch.no_grad():
        board, white = (
            network(image)[0, 0, 10, 10].item() for image in (checkerboard, torch.ones(1, 1, 21, 21))
        )
    print(f"{name}: answer to a checkerboard {board:+.3f}, to a white image {white:+.3f}")
    assert (abs(board - white) < 1e-6) == (name == "dilations 2, 2")

# %% [markdown] slide="notes" facts="01-dilated-what-lost"
# Dense sampling is lost: *gridding*. Even dilations only ever meet pixels of one colour of the checkerboard, so for
# these units a checkerboard and a white image are the same picture. Cure: mix dilations (1, 2, 3), never only even ones.

# %% [markdown] slide="slide" facts="01-sparse-interaction 01-conv-saves-space 01-locally-connected 01-fc-conv-special-case"
# # 8. Sparse and shared: the layer as a matrix
#
# A convolution is linear, so it *is* a matrix. A 5 × 5 image, a 3 × 3 kernel: 25 inputs, 9 outputs.
# **How many of the 225 entries differ from zero? How many different values are there?** Draw it before I do.

# %% slide="fragment" facts="01-transpose-banded 01-fc-conv-special-case"
kernel = torch.arange(1.0, 10).reshape(3, 3)
pixels = torch.eye(25).reshape(25, 1, 5, 5)  # one image per pixel
matrix = F.conv2d(pixels, kernel[None, None]).flatten(1).T  # column by column: what each pixel does

figure, (left, right) = plt.subplots(1, 2, figsize=(19, 7), width_ratios=(25, 5))
viz.show_matrix(
    matrix,
    title="convolution: 9 × 25",
    xlabel="input pixel",
    ylabel="output pixel",
    signed=True,
    annotate=True,
    ax=left,
)
right.imshow(matrix.T, cmap="PuOr", vmin=-9, vmax=9)
right.set(title="transposed: 25 × 9", xlabel="input pixel", ylabel="output pixel", xticks=(0, 4, 8))
for ax, rows_of, columns_of in (
    (left, range(3, 9, 3), range(5, 25, 5)),
    (right, range(5, 25, 5), range(3, 9, 3)),
):
    for edge in rows_of:  # a line where a row of pixels ends
        ax.axhline(edge - 0.5, color="#606060", linewidth=1)
    for edge in columns_of:
        ax.axvline(edge - 0.5, color="#606060", linewidth=1)
viz.show(
    figure,
    alt="A matrix of 9 rows and 25 columns. Each row holds the numbers 1 to 9 in three groups of three; from row to row "
    "the groups move to the right, so that every diagonal of a block holds one number. Beside it the transposed matrix.",
)
x = torch.randn(1, 1, 5, 5, generator=torch.Generator().manual_seed(0))
y = torch.randn(1, 1, 3, 3, generator=torch.Generator().manual_seed(1))
print(
    f"{int((matrix != 0).sum())} of {matrix.numel()} entries are not zero, {len(matrix[matrix != 0].unique())} values"
)
print(
    "matrix times image = conv2d:                   ",
    torch.allclose(matrix @ x.flatten(), F.conv2d(x, kernel[None, None]).flatten(), atol=1e-4),
)
print(
    "transposed matrix times map = conv_transpose2d:",
    torch.allclose(matrix.T @ y.flatten(), F.conv_transpose2d(y, kernel[None, None]).flatten(), atol=1e-4),
)
assert torch.allclose(matrix.T @ y.flatten(), F.conv_transpose2d(y, kernel[None, None]).flatten(), atol=1e-4)
band = F.conv1d(torch.eye(8)[:, None], kernel.flatten()[None, None, :3])[:, 0].T
assert all(band[i, j] == 0 for i in range(6) for j in range(8) if not 0 <= j - i < 3)  # in 1-D: one band

# %% [markdown] slide="fragment" facts="01-transpose-banded"
# A **Toeplitz** matrix: constant along its diagonals (in 2-D, blocks of such matrices). Its transpose is a layer of its
# own, from 9 numbers back to 25: the **transposed convolution**. You will need it for gradients today, and for
# making pictures later.

# %% [markdown] slide="subslide" facts="01-fc-conv-special-case 01-fc-definition"
# ## Vote: which one is true?
#
# A. Fully connected layers are a special case of convolutions.
# B. Convolutions are a special case of fully connected layers.
#
# "Special case" means: you get it *by a choice of settings*.

# %% slide="fragment" facts="01-fc-conv-special-case 01-fc-definition"
lecture.predict(
    "Which is a special case of which, by settings?",
    ["fully connected of convolution", "convolution of fully connected", "both", "neither"],
)

# %% slide="fragment" facts="01-fc-conv-special-case 01-fc-definition"
x = torch.randn(1, 2, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
weight = torch.randn(3, 32, generator=torch.Generator().manual_seed(1))
fully_connected = F.linear(x.flatten(1), weight)
as_convolution = F.conv2d(x, weight.view(3, 2, 4, 4))  # a kernel as large as the input
print(
    "A: kernel size = input size gives the fully connected layer:",
    torch.allclose(fully_connected, as_convolution.flatten(1), atol=1e-5),
)
print("B: a fully connected layer with the Toeplitz matrix as its weights gives the convolution: shown above")
fully_connected[0, 0].backward()
print(f"a fully connected neuron sees {int((x.grad != 0).sum())} of {x.numel()} inputs")
assert (
    torch.allclose(fully_connected, as_convolution.flatten(1), atol=1e-5)
    and int((x.grad != 0).sum()) == x.numel()
)

# %% [markdown] slide="notes" facts="01-fc-conv-special-case"
# Both directions work. By *settings* it is A: choose kernel size = input size. B needs weights that are tied and set to zero,
# which no setting of a fully connected layer does. We use A in section 11, when AlexNet's receptive field is measured.

# %% slide="subslide" keep=true facts="01-conv-saves-space 01-locally-connected 01-sparse-saves-memory"
dense_map = nn.Linear(28 * 28, 26 * 26, bias=False, device="meta")
print(f"28x28 to 26x26, fully connected       {dense_map.weight.numel():>9,} weights")
print(f"28x28 to 26x26, one 3x3 kernel        {nn.Conv2d(1, 1, 3, bias=False).weight.numel():>9,} weights")
places = nn.Conv2d(3, 1, 5)(torch.zeros(1, 3, 32, 32)).numel()
each = nn.Conv2d(3, 1, 5).weight.numel() + 1
print(f"3x32x32 to 28x28, locally connected   {places * each:>9,} = {places} places x {each}")
print(f"3x32x32 to 28x28, convolution         {each:>9,} = 75 + 1")

# %% [markdown] slide="subslide" facts="01-sparse-saves-memory 01-small-patterns 01-locally-connected"
# ## Does sharing pay when data are few?
#
# Two networks of the same shape, two layers each. One is **convolutional**; the other is **locally connected**: the same windows,
# but new weights at each place, 16 to 44 times as many parameters. Real images, Fashion-MNIST at half size, only 200 of them.
#
# **Expect:** the shared one wins. Then watch what happens.


# %% slide="skip" facts="01-locally-connected"
class LocallyConnected2d(nn.Module):
    """A convolution without sharing: every output position has weights of its own.

    Maps (N, c_in, size, size) to (N, c_out, size - kernel + 1, the same).
    """

    def __init__(self, c_in, c_out, kernel, size):
        super().__init__()
        self.kernel, self.side = kernel, size - kernel + 1
        places, window = self.side**2, c_in * kernel**2
        self.weight = nn.Parameter(torch.empty(places, window, c_out).uniform_(-1, 1) / window**0.5)
        self.bias = nn.Parameter(torch.zeros(places, 1, c_out))

    def forward(self, x):
        windows = F.unfold(x, self.kernel).permute(2, 0, 1)  # (places, N, window)
        maps = torch.baddbmm(self.bias, windows, self.weight)  # (places, N, c_out)
        return maps.permute(1, 2, 0).reshape(len(x), -1, self.side, self.side)


def two_layers(size, sharing):
    """Two 3x3 layers with pooling, shared or not, then a classifier."""

    def layer(c_in, c_out, side):
        return nn.Conv2d(c_in, c_out, 3) if sharing else LocallyConnected2d(c_in, c_out, 3, side)

    return nn.Sequential(
        layer(1, 8, size),
        nn.ReLU(),
        nn.MaxPool2d(2),
        layer(8, 16, (size - 2) // 2),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 4, 10),
    )


def put_anywhere(images, size, seed):
    """Each image at a random place of a black (size, size) canvas."""
    generator = torch.Generator().manual_seed(seed)
    canvas = torch.zeros(len(images), 1, size, size)
    room = size - images.shape[-1] + 1
    corners = torch.randint(0, room, (len(images), 2), generator=generator).tolist()
    for image, (row, column), place in zip(images, corners, canvas, strict=True):
        place[:, row : row + image.shape[-2], column : column + image.shape[-1]] = image
    return canvas


fashion, fashion_test = data.load("fashion_mini"), data.load("fashion_mini", split="test")
small = F.avg_pool2d(fashion.images, 2), fashion.labels
small_test = F.avg_pool2d(fashion_test.images, 2), fashion_test.labels
CANVAS = 20
anywhere = put_anywhere(small[0], CANVAS, seed=1), small[1]
anywhere_test = put_anywhere(small_test[0], CANVAS, seed=2), small_test[1]
FEW = 200


def few_images(examples, test, size):
    """Test accuracy after training on few images: {network: one value a seed}."""
    results = {"convolution": [], "locally connected": []}
    for seed in SEEDS:
        order = torch.randperm(len(examples[1]), generator=torch.Generator().manual_seed(seed))[:FEW]
        chosen = examples[0][order], examples[1][order]
        for name, runs in results.items():
            network = trained(
                lambda name=name: two_layers(size, name == "convolution"),
                chosen,
                steps=110,
                seed=seed,
                lr=0.1,
            )
            runs.append(accuracy(network, test))
    return results


# %% slide="subslide" facts="01-locally-connected 01-sparse-saves-memory 01-small-patterns"
figure = viz.show_images(
    torch.cat([F.pad(small[0][:4], (3, 3, 3, 3)), anywhere[0][:4]]),
    ["centred"] * 4 + ["anywhere"] * 4,
    size=2,
)
viz.show(
    figure,
    alt="Eight small grey pictures of clothes: four in the middle of their frame, four at random places in it.",
)
centred_runs = few_images(small, small_test, 14)
for name, runs in centred_runs.items():
    print(f"centred   {name:18} {range_of(runs)}")
centred_lead = np.mean(centred_runs["convolution"]) - np.mean(centred_runs["locally connected"])
verdict(centred_lead > 0.03, "sharing wins on centred images", f"it leads by {100 * centred_lead:.1f} points")

# %% [markdown] slide="fragment" facts="01-sparse-saves-memory 01-weight-sharing"
# Next to nothing! Every shirt fills the same pixels, so nothing is learned twice. Sharing says *"the pattern may be anywhere"*.
# On data where that is not so, it hardly helps. So: **put the same images anywhere** on a slightly larger canvas.

# %% slide="subslide" facts="01-sparse-saves-memory 01-small-patterns 01-locally-connected 01-weight-sharing"
anywhere_runs = few_images(anywhere, anywhere_test, CANVAS)
ax = viz.bars(
    {
        f"{place}, {name}": runs
        for place, results in (("centred", centred_runs), ("anywhere", anywhere_runs))
        for name, runs in results.items()
    },
    ylabel=f"test accuracy after {FEW} training images (%)",
    percent=True,
    digits=1,
)
viz.show(
    ax,
    alt="Test accuracy after 200 training images, every seed a dot. Centred images: the two networks are level. Images "
    "anywhere: the convolution is clearly above the locally connected network.",
)
sizes = {
    sharing: sum(p.numel() for p in two_layers(CANVAS, sharing).parameters()) for sharing in (True, False)
}
lead = np.mean(anywhere_runs["convolution"]) - np.mean(anywhere_runs["locally connected"])
verdict(
    lead > 0.03,
    "sharing wins where things may lie anywhere",
    f"it leads by {100 * lead:.1f} points, with {sizes[True]:,} parameters against {sizes[False]:,}",
)
assert lead > 0.03 and lead > centred_lead + 0.02

# %% [markdown] slide="slide" facts="01-equivariance 01-why-equivariance"
# # 9. Equivariant, or invariant?
#
# - **equivariant**: move the input and the output moves along, $f(\text{shift}\, x) = \text{shift}\, f(x)$
# - **invariant**: move the input and the output stays, $f(\text{shift}\, x) = f(x)$
#
# Why do we want *equivariance* in the layers, and not invariance right away?
#
# And which of these four layers is equivariant to a shift by one pixel? Zero padding; circular padding; stride 2;
# a quarter turn instead of a shift.

# %% slide="fragment" facts="01-equivariance"
coursekit.seed_everything(0)
texture = torch.randn(1, 1, 16, 16)
layers = {
    "circular padding": nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"),
    "zero padding": nn.Conv2d(1, 4, 3, padding=1),
    "circular, stride 2": nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular", stride=2),
}
gaps = {}
for name, layer in layers.items():
    for step in (1, 2):
        try:
            gaps[name, step] = probe.equivariance_gap(layer, texture, shift=(step, step))
            answer = f"{gaps[name, step]:.1e}"
        except ValueError as error:
            answer = str(error)
        print(f"{name:20} shift {step}: {answer}")
assert (
    gaps["circular padding", 1] < 1e-5
    and gaps["circular, stride 2", 2] < 1e-5
    and gaps["zero padding", 1] > 0.05
)


# %% slide="subslide" facts="01-equivariance 01-rotation-not-invariant"
def inside(layer):
    """The gap of a layer away from the border, under a shift of one pixel."""
    with torch.no_grad():
        moved, still = layer(texture.roll((1, 1), (2, 3))), layer(texture).roll((1, 1), (2, 3))
    return ((moved - still)[..., 2:-2, 2:-2].abs().max() / still.abs().max()).item()


with torch.no_grad():
    turned = layers["circular padding"](texture.rot90(1, (2, 3)))
    quarter_turn = (
        (turned - layers["circular padding"](texture).rot90(1, (2, 3))).abs().max() / turned.abs().max()
    ).item()
print(f"zero padding, away from the border   gap {inside(layers['zero padding']):.1e}")
print(f"circular padding, a quarter turn     gap {quarter_turn:.1e}")
assert inside(layers["zero padding"]) < 1e-5 and quarter_turn > 0.1

# %% [markdown] slide="notes" facts="01-why-equivariance 01-nutshell"
# So the slides' "translation-invariant layers" are **equivariant** layers, exactly so only with circular padding or away from the
# border. Why equivariance: what is learned in one place works in all places, and *where* it was found is not thrown away; the
# next layer needs that (an eye above a mouth). Invariance is wanted at the very end, and only if the question does not ask "where".
# Turns are not in the bargain: weights are shared along shifts, nothing else.

# %% [markdown] slide="subslide" facts="01-pool-invariance"
# ## Stride: which grid do you fall on?
#
# Stripes, two pixels wide. Keep every fourth pixel, as two layers of stride 2 do. Shift the picture by one pixel,
# two, three. **What happens to the small picture?**

# %% slide="fragment" facts="01-pool-invariance"
stripes = ((torch.arange(32) // 2) % 2).float().expand(1, 1, 32, 32)
shifts = range(5)
rows = {
    "stripes": lambda x: x[..., :16, :16],
    "every 4th": lambda x: x[..., ::4, ::4],
    "max of 4 × 4": lambda x: F.max_pool2d(x, 4),
    "mean of 4 × 4": lambda x: F.avg_pool2d(x, 4),
}
small_pictures = {name: [reduce(stripes.roll(s, 3))[0, 0] for s in shifts] for name, reduce in rows.items()}
figure, axes = plt.subplots(4, 5, figsize=(11, 8.6))
for line, (name, pictures) in zip(axes, small_pictures.items(), strict=True):
    for ax, picture, s in zip(line, pictures, shifts, strict=True):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[], title=f"shift {s}" if name == "stripes" else "")
        ax.spines[:].set_visible(True)
    line[0].set_ylabel(name)
viz.show(
    figure,
    alt="Vertical stripes at shifts of 0 to 4 pixels, and the same made four times smaller in three ways. Keeping every fourth pixel gives all black, black, white, white, "
    "then black again. The maximum is always white, the mean always the same grey.",
)
kept_values = [picture.unique().tolist() for picture in small_pictures["every 4th"]]
print("every fourth pixel:", kept_values, " the same only after a whole stride")
assert kept_values[0] == kept_values[4] and kept_values[0] != kept_values[2]

# %% [markdown] slide="fragment" facts="01-pool-invariance"
# That is **aliasing**: a pattern finer than the grid turns into something else, and what, depends on one pixel of shift. A
# network with total stride 4 repeats itself only at shifts of 4. Remember that when we come to "CNNs are translation invariant".

# %% [markdown] slide="subslide" facts="01-pool-invariance 01-pool-summary"
# ## Pooling: invariant, to whom?
#
# A single bright pixel at row 2, column 2. Max pooling 2 × 2. Shift it by one row and one column: does the output change? And by two rows?

# %% slide="fragment" facts="01-pool-invariance 01-pool-summary"
spot = torch.zeros(1, 1, 8, 8)
spot[0, 0, 2, 2] = 1
pooled = {
    name: F.max_pool2d(spot.roll(shift, (2, 3)), 2)
    for name, shift in {"start": (0, 0), "inside": (1, 1), "across": (2, 1)}.items()
}
figure = viz.show_images(
    [spot[0], spot.roll((1, 1), (2, 3))[0], spot.roll((2, 1), (2, 3))[0], *(p[0] for p in pooled.values())],
    ["start", "1 down, 1 right", "2 down, 1 right", "pooled", "pooled: the same", "pooled: moved"],
    columns=3,
    size=3.2,
)
viz.show(
    figure,
    alt="A bright pixel in three places, and the three results of max pooling: the first two are the same, the third has its bright "
    "pixel one row further down.",
)
print("shift inside the window: same output ", torch.equal(pooled["start"], pooled["inside"]))
print("shift across windows: same output    ", torch.equal(pooled["start"], pooled["across"]))
assert torch.equal(pooled["start"], pooled["inside"]) and not torch.equal(pooled["start"], pooled["across"])

# %% [markdown] slide="slide" facts="01-rf-kxk 01-rf-formula 01-rf-warning 01-deeper-larger-rf"
# # 10. The receptive field
#
# A unit knows what it sees, and nothing else. With a K × K kernel it depends on K × K numbers **of the layer before**. On how many
# *pixels* does it depend after L such layers? (Say which of the two you mean. Slides, papers and exams mix them up.)
#
# We don't argue. We **measure**: the gradient of one output is not zero exactly where the output can see.

# %% slide="fragment" facts="01-rf-kxk 01-rf-formula 01-rf-warning 01-deeper-larger-rf"
figure, axes = plt.subplots(1, 4, figsize=(16, 4.4))
for depth, ax in enumerate(axes, 1):
    ax.imshow(probe.support(dilated(*[1] * depth), 13, (6, 6)), cmap="cividis")
    side = probe.receptive_field(dilated(*[1] * depth), 32).size
    ax.set(title=f"{depth} layer{'s' * (depth > 1)}: {side} × {side}", xticks=[], yticks=[])
viz.show(
    figure,
    alt="The pixels that one unit sees through one to four 3 by 3 layers: squares of 3, 5, 7 and 9 pixels.",
)

for kernel_size in (3, 5):
    for depth in (1, 2, 3, 4):
        chain = nn.Sequential(*(nn.Conv2d(1, 1, kernel_size, padding=kernel_size // 2) for _ in range(depth)))
        assert probe.receptive_field(chain, 64).size == 1 + depth * (kernel_size - 1)
assert int(probe.support(nn.Conv2d(1, 1, 5, padding=2), 11, (5, 5)).sum()) == 25


# %% slide="subslide" keep=true facts="01-rf-kxk 01-rf-formula 01-rf-many-layers 01-rf-striding 01-deeper-larger-rf"
def chain_of(*layers):
    """Layers given as (kernel, stride)."""
    return nn.Sequential(*(nn.Conv2d(1, 1, k, stride=s, padding=k // 2, bias=False) for k, s in layers))


print("one 5x5 layer sees", int(probe.support(chain_of((5, 1)), 11, (5, 5)).sum()), "pixels")
print(
    "3x3 layers 0 to 3 see",
    [1, *(probe.receptive_field(chain_of(*[(3, 1)] * n), 64).size for n in (1, 2, 3))],
    "= 1 + L(K - 1)",
)
plain, strided = ([(3, stride)] * 5 for stride in (1, 2))
print(
    "five 3x3 layers: stride 1",
    probe.receptive_field(chain_of(*plain), 256).size,
    "  stride 2",
    probe.receptive_field(chain_of(*strided), 256).size,
)
rows_only = {
    n: nn.Sequential(*(nn.Conv2d(1, 1, (1, 3), padding=(0, 1)) for _ in range(n))) for n in (111, 112)
}  # one axis is enough
deep = {n: probe.receptive_field(network, (1, 224), axis=1).size for n, network in rows_only.items()}
print(
    "to see 224 pixels without stride:",
    deep,
    "so",
    min(n for n, side in deep.items() if side >= 224),
    "layers",
)

# %% [markdown] slide="notes" facts="01-rf-many-layers 01-rf-striding"
# (224 − 1) / 2 = 111.5, so 112 layers of 3 × 3. Nobody does that: **shrink inside the network**. With stride 2 in each of five
# layers the field is 63 instead of 11.

# %% [markdown] slide="subslide" facts="05-guideline-rf 01-rf-many-layers 01-rf-warning"
# ## Is it really needed? The two-marks test
#
# Two bright pixels in a row, 6 or 8 apart. Which? Six nets, all with the same head (the maximum over the picture).
# To see both marks of the nearer pair a unit needs a field of **7**.
#
# **Expect:** 50 % below 7, 100 % from 7 on. One of the six surprises.


# %% slide="subslide" facts="05-guideline-rf 01-rf-many-layers 01-dilated-exponential"
def two_marks(n, seed, height=8, width=28, near=6, far=8, margin=6):
    """Pictures with two bright pixels in one row, off the border; label 1 for the nearer pair."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (n,), generator=generator)
    row = torch.randint(0, height, (n,), generator=generator)
    column = torch.randint(margin, width - far - margin, (n,), generator=generator)
    images = torch.zeros(n, 1, height, width)
    images[torch.arange(n), 0, row, column] = 1
    images[torch.arange(n), 0, row, column + torch.where(labels == 1, near, far)] = 1
    return images, labels


def marks_net(*layers, channels=16):
    """3x3 layers given as (stride, dilation), then the maximum over all positions."""
    parts, c_in = [], 1
    for stride, dilation in layers:
        conv = nn.Conv2d(c_in, channels, 3, stride=stride, padding=dilation, dilation=dilation)
        nn.init.kaiming_normal_(conv.weight)
        parts += [conv, nn.ReLU()]
        c_in = channels
    return nn.Sequential(*parts, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, 2))


MARKS_NETS = {
    "1 layer": [(1, 1)],
    "2 layers": [(1, 1)] * 2,
    "3 layers": [(1, 1)] * 3,
    "2 layers, dilation 1, 2": [(1, 1), (1, 2)],
    "2 layers, first stride 2": [(2, 1), (1, 1)],
    "3 layers, first stride 2": [(2, 1), (1, 1), (1, 1)],
}
marks, marks_test = two_marks(800, seed=0), two_marks(400, seed=1)
marks_results, marks_fields = {}, {}
for name, layers in MARKS_NETS.items():
    body = marks_net(*layers)[:-3]
    marks_fields[name] = probe.receptive_field(body, 64).size
    runs = [
        trained(lambda layers=layers: marks_net(*layers), marks, steps=80, seed=s, lr=2e-2, optimizer="adamw")
        for s in SEEDS
    ]
    marks_results[f"{name}: sees {marks_fields[name]}"] = [accuracy(run, marks_test) for run in runs]

# %% slide="fragment" facts="05-guideline-rf 01-rf-many-layers"
ax = viz.bars(marks_results, ylabel="test accuracy (%)", percent=True, digits=0, reference={"guessing": 0.5})
viz.show(
    ax,
    alt="Accuracy of six networks. One and two layers, which see 3 and 5 pixels: about 50 percent. Three layers or a dilated one, "
    "which see 7: about 100. Two layers with stride 2, which see 7 as well: about 75. Three layers with stride 2, seeing 11: 100.",
)
best = {name: max(runs) for name, runs in zip(MARKS_NETS, marks_results.values(), strict=True)}
assert best["1 layer"] < 0.65 and best["2 layers"] < 0.65
assert min(best[n] for n in ("3 layers", "2 layers, dilation 1, 2", "3 layers, first stride 2")) > 0.9
half_seen = np.mean(marks_results["2 layers, first stride 2: sees 7"])
verdict(
    0.6 < half_seen < 0.9,
    "a field of 7 at every second position finds only part of the pairs",
    f"{100 * half_seen:.0f} % right",
)

# %% [markdown] slide="notes" facts="05-guideline-rf 01-rf-warning"
# The step is clean: without the field there is no learning, whatever the training. The surprise is the strided net of field 7: its fields stand
# at every second column only, so half of the near pairs never fall into one field: right on those it sees, guessing on the
# rest, 75 % in all. A receptive field is necessary, not sufficient, and stride costs positions. (A seed that ends at 50 % in a net
# that can see is a training failure, not a proof; look at the best seed for what is possible.)

# %% [markdown] slide="subslide" facts="01-three-3x3-vs-7x7-rf 01-three-3x3-vs-7x7-weights 01-5x5-params 01-two-3x3-params 01-two-3x3-rf"
# ## Large fields from small kernels
#
# One 7 × 7 layer, or three 3 × 3 layers with ReLU between? Same field. **Which has fewer weights, for K maps in and out?**

# %% slide="fragment" keep=true facts="01-three-3x3-vs-7x7-rf 01-three-3x3-vs-7x7-weights 01-5x5-params 01-two-3x3-params 01-two-3x3-rf"
K = 8
print("layers           field   weights   multiply-adds per pixel")
for kernels in ((7,), (3, 3, 3), (5,), (3, 3)):
    net = nn.Sequential(*(nn.Conv2d(K, K, k, padding=k // 2, bias=False) for k in kernels))
    field, weights = probe.receptive_field(net, (K, 32, 32)).size, sum(p.numel() for p in net.parameters())
    print(
        f"{' + '.join(f'{k}x{k}' for k in kernels):16} {field}x{field}     {weights // K**2:>3} K²    {weights // K**2:>3} K²"
    )

# %% [markdown] slide="slide" facts="01-rf-striding"
# # 11. AlexNet's table, row by row
#
# One tower (64, 192, 384, 256, 256 maps), input 3 × 227 × 227. We take the **real network**, 61 million weights, and measure
# each row: shape, receptive field, effective stride (pixels between neighbouring units), effective padding (pixels before the image).
#
# The slide has the same table. Some of its numbers are wrong. **Be faster than the cell: predict each row before it appears.**

# %% slide="fragment" keep=true facts="01-rf-striding"
SLIDE = {  # kernel, stride, padding; then the slide's columns: channels or size, height, field, stride, padding
    "conv1": ((11, 4, 2), 64, 56, 11, 4, 2),
    "pool1": ((3, 2, 0), 64, 27, 19, 8, 2),
    "conv2": ((5, 1, 2), 192, 27, 51, 8, 18),
    "pool2": ((3, 2, 0), 192, 13, 67, 16, 34),
    "conv3": ((3, 1, 1), 384, 13, 99, 16, 50),
    "conv4": ((3, 1, 1), 256, 13, 131, 16, 66),
    "conv5": ((3, 1, 1), 256, 13, 163, 16, 66),
    "pool5": ((3, 2, 0), 256, 6, 195, 32, 66),
    "flatten": ((), 9216, None, 259, 32, 66),
    "fc6": ((), 4096, None, 259, 32, 66),
    "fc7": ((), 4096, None, 259, 32, 66),
    "fc8": ((), 1000, None, 259, 32, 66),
}
alexnet_rows = {row.name: row for row in probe.measure(models.create_model("alexnet"), (3, 227, 227))}
print("layer    kernel stride pad     output     field stride padding")


def show_rows(*names):
    """Print measured rows, and name what the slide has otherwise."""
    for name in names:
        row, (settings, channels, height, field, stride, padding) = alexnet_rows[name], SLIDE[name]
        shape = (channels,) if height is None else (channels, height, height)
        assert row.output_shape == shape, (name, row.output_shape)
        line = "{:<9}{:>5} {:>5} {:>4}".format(name, *(settings or ("", "", "")))
        line += f"   {'x'.join(map(str, row.output_shape)):>9} {row.size:>8} {row.stride:>6} {row.padding:>7}"
        said = {"field": (field, row.size), "stride": (stride, row.stride), "padding": (padding, row.padding)}
        wrong = [f"{what} {slide}" for what, (slide, measured) in said.items() if slide != measured]
        print(line + (f"   <- the slide says {', '.join(wrong)}" if wrong else ""))


# %% slide="fragment" keep=true facts="01-alexnet-conv1-outsize 01-alexnet-conv1-channels 01-alexnet-conv1-rf 01-alexnet-conv1-eff-stride 01-alexnet-conv1-eff-padding"
show_rows("conv1")

# %% slide="fragment" keep=true facts="01-alexnet-pool1-outsize 01-alexnet-pool1-channels 01-alexnet-pool1-rf 01-alexnet-pool1-eff-stride 01-alexnet-pool1-eff-padding"
show_rows("pool1")

# %% slide="fragment" keep=true facts="01-alexnet-conv2-outsize 01-alexnet-conv2-channels 01-alexnet-conv2-rf 01-alexnet-conv2-eff-stride 01-alexnet-conv2-eff-padding"
show_rows("conv2")

# %% [markdown] slide="fragment" facts="01-alexnet-pool2-eff-padding"
# Next is pool2, with padding 0. It adds *padding × stride so far* = 0 × 8 to the effective padding of 18. What should the table say?

# %% slide="fragment" keep=true facts="01-alexnet-pool2-outsize 01-alexnet-pool2-channels 01-alexnet-pool2-rf 01-alexnet-pool2-eff-stride 01-alexnet-pool2-eff-padding"
show_rows("pool2")

# %% slide="fragment" keep=true facts="01-alexnet-conv3-outsize 01-alexnet-conv3-channels 01-alexnet-conv3-rf 01-alexnet-conv3-eff-stride 01-alexnet-conv3-eff-padding"
show_rows("conv3")

# %% slide="fragment" keep=true facts="01-alexnet-conv4-outsize 01-alexnet-conv4-channels 01-alexnet-conv4-rf 01-alexnet-conv4-eff-stride 01-alexnet-conv4-eff-padding"
show_rows("conv4")

# %% slide="fragment" keep=true facts="01-alexnet-conv5-outsize 01-alexnet-conv5-channels 01-alexnet-conv5-rf 01-alexnet-conv5-eff-stride 01-alexnet-conv5-eff-padding"
show_rows("conv5")

# %% slide="fragment" keep=true facts="01-alexnet-pool5-outsize 01-alexnet-pool5-channels 01-alexnet-pool5-rf 01-alexnet-pool5-eff-stride 01-alexnet-pool5-eff-padding"
show_rows("pool5")

# %% [markdown] slide="fragment" facts="01-alexnet-flatten-rf 01-alexnet-fc6-rf"
# Now flatten, and fc6. Does flattening change what a number sees? And fc6 reads all 6 × 6 positions: how far does it see?

# %% slide="fragment" keep=true facts="01-alexnet-flatten-size 01-alexnet-flatten-rf 01-alexnet-flatten-eff-stride 01-alexnet-flatten-eff-padding"
show_rows("flatten")

# %% slide="fragment" keep=true facts="01-alexnet-fc6-size 01-alexnet-fc6-rf 01-alexnet-fc6-eff-stride 01-alexnet-fc6-eff-padding"
show_rows("fc6")

# %% slide="fragment" keep=true facts="01-alexnet-fc7-size 01-alexnet-fc7-rf 01-alexnet-fc7-eff-stride 01-alexnet-fc7-eff-padding 01-alexnet-fc8-size 01-alexnet-fc8-rf 01-alexnet-fc8-eff-stride 01-alexnet-fc8-eff-padding"
show_rows("fc7", "fc8")

# %% slide="subslide" facts="01-rf-striding 01-alexnet-pool5-rf 01-alexnet-fc6-rf"
figure = viz.receptive_fields(photographs.images[0, :, 36:263, 86:313], list(alexnet_rows.values()))
viz.show(
    figure,
    alt="A photograph of a cat, 227 by 227 pixels, with the receptive field of one unit of each AlexNet layer as nested squares: 11 pixels for conv1, "
    "195 for pool5, and 355 for fc6, larger than the photograph.",
)

# %% [markdown] slide="subslide" facts="01-alexnet-pool2-eff-padding 01-alexnet-conv3-eff-padding 01-alexnet-conv4-eff-padding 01-alexnet-flatten-rf 01-alexnet-fc6-rf 01-alexnet-fc7-rf 01-alexnet-fc8-rf 01-alexnet-conv1-outsize"
# ## Errata of the slide
#
# - **Effective padding**, shifted by one row from pool2 on: the slide says 34, 50, 66 for pool2, conv3, conv4; count it yourself: 18,
#   34, 50. At conv5 both say 66, and nothing is added after it.
# - **Receptive field** from flatten on: the slide says 259 for flatten, fc6, fc7, fc8; count it yourself: flattening changes nothing, **195**; fc6
#   sees 6 positions of stride 32, 195 + 5 × 32 = **355**, the whole image and its padding, and so do fc7 and fc8. (259 = 195 + 2 × 32 would be a
#   kernel of 3.)
# - Not an error, but know your AlexNet: a 227 input with padding 2 gives 56; 227 without padding gives 55; 224 with padding 2 gives 55.

# %% slide="fragment" keep=true facts="01-alexnet-conv1-outsize 01-96-filters-shared 01-overlap-pool-definition"
for size, padding in ((227, 2), (227, 0), (224, 2)):
    print(f"{size} pixels, kernel 11, stride 4, padding {padding}: {output_width(size, 11, 4, padding)}")
for size in (55, 27):
    sides = [
        nn.MaxPool2d(window, 2)(torch.empty(1, 1, size, size, device="meta")).shape[-1] for window in (3, 2)
    ]
    print(
        f"pooling {size}: window 3, stride 2 (overlapping) gives {sides[0]}; window 2, stride 2 gives {sides[1]}"
    )

# %% [markdown] slide="subslide" facts="01-alexnet227-conv1 01-alexnet227-fc"
# ## The other AlexNet, and ResNet
#
# Another slide has 96, 256, 384, 384, 256 maps, 227 pixels and no padding in conv1, with normalization layers. Check its
# shapes; then the output sizes of ResNet on 224 pixels.

# %% slide="fragment" keep=true facts="01-alexnet227-conv1 01-alexnet227-pool1 01-alexnet227-norms 01-alexnet227-conv2 01-alexnet227-pool2 01-alexnet227-conv3 01-alexnet227-conv4 01-alexnet227-conv5 01-alexnet227-pool3 01-alexnet227-fc"
ALEXNET_227 = {
    "conv1": nn.Conv2d(3, 96, 11, stride=4),
    "pool1": nn.MaxPool2d(3, 2),
    "norm1": nn.LocalResponseNorm(5),
    "conv2": nn.Conv2d(96, 256, 5, padding=2),
    "pool2": nn.MaxPool2d(3, 2),
    "norm2": nn.LocalResponseNorm(5),
    "conv3": nn.Conv2d(256, 384, 3, padding=1),
    "conv4": nn.Conv2d(384, 384, 3, padding=1),
    "conv5": nn.Conv2d(384, 256, 3, padding=1),
    "pool3": nn.MaxPool2d(3, 2),
    "flatten": nn.Flatten(),
    "fc6": nn.Linear(9216, 4096, device="meta"),
    "fc7": nn.Linear(4096, 4096, device="meta"),
    "fc8": nn.Linear(4096, 1000, device="meta"),
}
x = torch.empty(1, 3, 227, 227, device="meta")
for name, layer in ALEXNET_227.items():
    x = layer.to("meta")(x)
    if name != "flatten":
        print(f"{name:6} {'x'.join(map(str, x[0].permute(1, 2, 0).shape if x.dim() == 4 else x[0].shape))}")

# %% slide="fragment" keep=true facts="01-resnet-conv1-outsize 01-resnet-conv2x-outsize 01-resnet-conv3x-outsize 01-resnet-conv4x-outsize 01-resnet-conv5x-outsize"
RESNET = {  # where ResNet shrinks: the first layer, a pooling, and the first layer of three stages
    "conv1": nn.Conv2d(3, 64, 7, stride=2, padding=3),
    "conv2_x": nn.MaxPool2d(3, stride=2, padding=1),
    "conv3_x": nn.Conv2d(64, 128, 3, stride=2, padding=1),
    "conv4_x": nn.Conv2d(128, 256, 3, stride=2, padding=1),
    "conv5_x": nn.Conv2d(256, 512, 3, stride=2, padding=1),
}
x = torch.empty(1, 3, 224, 224, device="meta")
for name, layer in RESNET.items():
    x = layer.to("meta")(x)
    print(f"{name:8} {x.shape[-1]}x{x.shape[-1]}")

# %% [markdown] slide="slide" facts="01-pool-kinds 01-pool-usual 01-pool-summary 01-pool-per-map 01-maxpool-example"
# # 12. Pooling
#
# A window, F × F with stride S (usually F = 2 or 3, S = 2), is replaced by one number: its **maximum** or its **average**. No
# weights; each map on its own.
#
# $$\begin{bmatrix}1&1&2&4\\5&6&7&8\\3&2&1&0\\1&2&3&4\end{bmatrix} \xrightarrow{\ \max\ 2\times2,\ \text{stride}\ 2\ }\ ?$$
#
# Then the way back: the four outputs receive the gradients 1, 2, 3, 4. **Which inputs get what?**

# %% slide="fragment" keep=true facts="01-maxpool-example 01-maxpool-backprop 01-pool-per-map"
example = torch.tensor([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4.0]])
x = example[None, None].clone().requires_grad_()
output, where = F.max_pool2d(x, 2, return_indices=True)
output.backward(torch.tensor([[[[1.0, 2], [3, 4]]]]))
print("output  ", output[0, 0].int().tolist())
print("gradient", x.grad[0, 0].int().tolist())
routed = torch.zeros(16).scatter_(0, where.flatten(), torch.tensor([1.0, 2, 3, 4]))
print("the gradient goes to the remembered maximum and nowhere else:", torch.equal(routed, x.grad.flatten()))
two_maps = torch.stack([example, example.flip(0)])[None]
print("each map on its own:", torch.equal(F.max_pool2d(two_maps, 2)[:, 1:], F.max_pool2d(two_maps[:, 1:], 2)))

# %% slide="fragment" facts="01-maxpool-example 01-maxpool-backprop 01-overlap-pool-definition"
viz.show(
    viz.pool_route(example, gradient=torch.tensor([[1.0, 2], [3, 4]])),
    alt="The 4 by 4 example, its 2 by 2 maxima 6, 8, 3, 4, and the gradient sent back: 1 to the 6, 2 to the 8, 3 to the 3, 4 to the 4, 0 elsewhere.",
)

# %% [markdown] slide="subslide" facts="01-maxpool-backprop 01-overlap-pool-definition"
# ## Two cases to think about before the exercise
#
# 1. **Ties.** Two cells of a window hold the same maximum. Who gets the gradient: both, half each, one?
# 2. **Overlap.** Windows of 3 with stride 2 (s < z: AlexNet's) share cells. A cell can win twice.


# %% slide="fragment" facts="01-maxpool-backprop 01-overlap-pool-definition"
def pool_gradient(values, window, stride):
    """What comes back to each cell if every output receives 1."""
    x = torch.tensor(values)[None, None].requires_grad_()
    F.max_pool2d(x, window, stride).sum().backward()
    return x.grad[0, 0].int().tolist()


ties = pool_gradient([[7.0, 7.0], [7.0, 7.0]], 2, 2)
shared_maximum = pool_gradient([[1.0, 2, 3, 2, 1], [1, 2, 9, 2, 1], [1, 2, 3, 2, 1]], 3, 2)
print("four equal maxima       ", ties, "   one of them, and only one (torch: the first)")
print("two overlapping windows ", shared_maximum, "   the 9 wins both and gets 1 + 1")
assert sum(map(sum, ties)) == 1 and shared_maximum[1][2] == 2

# %% [markdown] slide="subslide" facts="01-circle-pooling"
# ## A question from the slides: circle-shaped pooling
#
# `max_pool2d` knows squares only. How would you pool over a disc of radius 2?

# %% slide="fragment" facts="01-circle-pooling 01-pool-summary"
y, x = torch.meshgrid(torch.arange(-2, 3), torch.arange(-2, 3), indexing="ij")
disc = (x**2 + y**2 <= 4).flatten()
picture = fashion.images[:1]
windows = F.unfold(F.pad(picture, (2, 2, 2, 2)), 5).view(25, -1)
round_pool = windows[disc].max(0).values.view(1, 28, 28)
square_pool = F.max_pool2d(picture, 5, stride=1, padding=2)[0]
spot = torch.zeros(1, 1, 28, 28)
spot[0, 0, 14, 14] = 1
round_spot = F.unfold(F.pad(spot, (2, 2, 2, 2)), 5).view(25, -1)[disc].max(0).values.view(1, 28, 28)
figure = viz.show_images(
    [picture[0], square_pool, round_pool, round_spot[:, 8:21, 8:21]],
    ["image", "square 5 × 5", "disc, radius 2", "one pixel, disc"],
    size=3.6,
)
viz.show(
    figure,
    alt="A picture of a piece of clothing, its maximum over squares, its maximum over discs, and what the disc makes of a single pixel: a disc of 13 cells.",
)
print(f"unfold, drop the corners ({int(disc.sum())} of 25 cells stay), take the maximum")
assert int(disc.sum()) == 13 and (round_pool <= square_pool).all() and int(round_spot.sum()) == 13

# %% [markdown] slide="subslide" facts="01-max-most-common 01-avg-poor-question 01-pool-cheaper 01-no-pooling-stride"
# ## Maximum, average, or no pooling at all?
#
# The slides: max is the most common; why might the average be a poor choice? And one can drop pooling and use a **stride of 2** now and then.
#
# One CNN, three versions, Fashion-MNIST at half size. We look at accuracy, at time, and at how often the answer survives a shift by one
# pixel. **Expect:** max best, average worst; stride cheapest; pooling steadier under shifts.


# %% slide="subslide" facts="01-max-most-common 01-avg-poor-question 01-pool-cheaper 01-no-pooling-stride"
def shrinking(kind):
    """Two 3x3 layers that shrink 16 to 4 by max pooling, average pooling or stride."""

    def layer(c_in, c_out):
        if kind == "stride":
            return [nn.Conv2d(c_in, c_out, 3, stride=2, padding=1), nn.ReLU()]
        pool = nn.MaxPool2d(2) if kind == "max" else nn.AvgPool2d(2)
        return [nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU(), pool]

    return nn.Sequential(*layer(1, 8), *layer(8, 16), nn.Flatten(), nn.Linear(16 * 16, 10))


def steady(network, images):
    """Share of images whose predicted class survives a shift by one pixel in any of four directions."""
    with torch.no_grad():
        before = network(images).argmax(1)
        shifts = ((0, 1), (1, 0), (0, -1), (-1, 0))
        return np.mean(
            [(network(images.roll(s, (2, 3))).argmax(1) == before).float().mean().item() for s in shifts]
        )


half_size, half_size_test = (F.pad(images, (1, 1, 1, 1)) for images in (small[0], small_test[0]))  # 16x16
half_size, half_size_test = (half_size, small[1]), (half_size_test, small_test[1])
pool_nets = {
    kind: [trained(lambda kind=kind: shrinking(kind), half_size, steps=200, seed=s, lr=0.1) for s in SEEDS]
    for kind in ("max", "average", "stride")
}

# %% slide="fragment" facts="01-max-most-common 01-avg-poor-question 01-pool-cheaper 01-no-pooling-stride 01-pool-invariance"
pool_accuracy = {kind: [accuracy(net, half_size_test) for net in nets] for kind, nets in pool_nets.items()}
pool_steady = {kind: [steady(net, half_size_test[0]) for net in nets] for kind, nets in pool_nets.items()}
figure, (left, right) = plt.subplots(1, 2, figsize=(17, 3.8))
viz.bars(pool_accuracy, ylabel="test accuracy (%)", percent=True, digits=1, ax=left)
viz.bars(pool_steady, ylabel="same answer after a shift by one pixel (%)", percent=True, digits=1, ax=right)
viz.show(
    figure,
    alt="Two bar charts for max pooling, average pooling and stride, every seed a dot: test accuracy, and the share of answers that survive a shift by one pixel.",
)
one_batch = half_size_test[0][:100]
for kind, nets in pool_nets.items():
    print(f"{kind:8} {probe.latency(nets[0], one_batch, repeats=9)} for 100 images")
means = {kind: np.mean(values) for kind, values in pool_accuracy.items()}
verdict(
    means["max"] > means["average"],
    "max beats average",
    f"by {100 * (means['max'] - means['average']):.1f} points",
)
verdict(
    min(pool_accuracy["max"]) > max(pool_accuracy["stride"]),
    "max beats stride in every seed",
    f"by {100 * (means['max'] - means['stride']):.1f} points on average",
)
calm = {kind: np.mean(values) for kind, values in pool_steady.items()}
verdict(
    min(calm["max"], calm["average"]) > calm["stride"],
    "pooling is steadier under a shift than stride",
    ", ".join(f"{kind} {100 * value:.1f} %" for kind, value in calm.items()),
)
assert means["max"] > means["average"] and calm["average"] > calm["stride"]

# %% [markdown] slide="notes" facts="01-avg-poor-question 01-max-most-common 01-no-pooling-stride"
# That max is the most common is a matter of counting networks: AlexNet, VGG, GoogLeNet and ResNet pool by maximum inside, LeNet-5 by average, and the newer ones have one global average at the end.
#
# Why the average can be poor: the answer "there is an edge here" is one large number among zeros, and the average of 4 makes it a quarter.
# The maximum asks "was it anywhere?". But the average is the smoother one under shifts. The strided version does a quarter of the work of its first layer's twin
# and loses little accuracy; many later networks have a single pooling layer or none.

# %% [markdown] slide="subslide" facts="01-pool-varying-size 01-pool-cheaper"
# ## Cheaper, and any size: two claims, checked
#
# - pooling makes what follows cheaper: how much?
# - "pooling is essential for inputs of varying size": *which* pooling?

# %% slide="fragment" facts="01-pool-varying-size 01-pool-cheaper"
following = nn.Conv2d(16, 16, 3, padding=1)
with torch.no_grad():
    before, after = torch.rand(32, 16, 28, 28), F.max_pool2d(torch.rand(32, 16, 28, 28), 2)
    slow, fast = probe.latency(following, before, repeats=15), probe.latency(following, after, repeats=15)
print(
    f"a 3x3 layer on 28x28: {slow}; after 2x2 pooling: {fast}; a quarter of the pixels, {slow.median / fast.median:.1f} times as fast"
)

sizes = (20, 28, 40)
fixed = nn.Sequential(
    nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 13 * 13, 10)
)  # made for 28x28
whole = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
for name, network in {"2x2 windows, flatten": fixed, "one average over the map": whole}.items():
    answers = []
    for size in sizes:
        try:
            answers.append("x".join(map(str, network(torch.zeros(1, 1, size, size)).shape)))
        except RuntimeError:
            answers.append("fails")
    print(
        f"{name:25}",
        *(f"{size}x{size}: {answer}" for size, answer in zip(sizes, answers, strict=True)),
        sep="   ",
    )
    assert ("fails" in answers) == (network is fixed)
assert slow.median > 1.5 * fast.median

# %% [markdown] slide="subslide" facts="01-no-pooling-generative"
# ## "Good generative models do without pooling"
#
# So the slides say, of VAEs and GANs. First an exact reason. Max pooling sends different pictures to **the same code**; no decoder can tell
# them apart afterwards. A stride can keep the difference, if the weights are right.
#
# Then a small test: an autoencoder squeezes a picture into 8 maps of 7 × 7 and paints it again. **Expect:** the strided one paints better.

# %% slide="fragment" facts="01-no-pooling-generative 01-pool-invariance"
spots = torch.zeros(4, 1, 2, 2)
spots[range(4), 0, (0, 0, 1, 1), (0, 1, 0, 1)] = 1  # four pictures, one bright pixel each
pool_codes = F.max_pool2d(spots, 2).flatten(1)
stride_codes = F.conv2d(spots, torch.tensor([[[[1.0, 2], [3, 4]]]]), stride=2).flatten(1)
print(
    f"four pictures: {len(pool_codes.unique())} code by max pooling, {len(stride_codes.unique())} codes by one strided kernel"
)


def autoencoder(kind):
    """28x28 to 8 maps of 7x7 and back; only the way it shrinks differs."""

    def shrink(c_in, c_out):
        if kind == "stride":
            return [nn.Conv2d(c_in, c_out, 3, stride=2, padding=1), nn.ReLU()]
        return [nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(
        *shrink(1, 8),
        *shrink(8, 8),
        nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1),
    )


def painted(kind, seed, steps=100):
    """A trained autoencoder and its mean squared error on test images."""
    generator = coursekit.seed_everything(seed)
    network = autoencoder(kind).to(coursekit.device())
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(steps * setting.longer):
        batch = fashion.images[torch.randint(0, len(fashion.images), (32,), generator=generator)].to(
            coursekit.device()
        )
        optimizer.zero_grad()
        F.mse_loss(network(batch), batch).backward()
        optimizer.step()
    network = network.cpu()
    with torch.no_grad():
        return network, F.mse_loss(network(fashion_test.images), fashion_test.images).item()


painters = {kind: [painted(kind, seed) for seed in SEEDS] for kind in ("max", "stride")}

# %% slide="fragment" facts="01-no-pooling-generative"
error = {kind: np.array([e for _, e in runs]) for kind, runs in painters.items()}
with torch.no_grad():
    samples = fashion_test.images[:6]
    figure = viz.show_images(
        torch.cat(
            [
                samples,
                painters["max"][0][0](samples).clamp(0, 1),
                painters["stride"][0][0](samples).clamp(0, 1),
            ]
        ),
        columns=6,
        size=2,
        title="above: test images; middle: with max pooling; below: with stride",
    )
viz.show(
    figure,
    alt="Six pictures of clothes and their reconstructions, in the middle row by the autoencoder with max pooling, in the last row by the strided one.",
)
for kind, values in error.items():
    print(f"{kind:7} squared error {values.mean():.4f}   seeds:", *np.round(np.sort(values), 4))
wins = int((error["stride"] < error["max"]).sum())
verdict(
    error["stride"].mean() < error["max"].mean() and wins > len(error["max"]) / 2,
    "without max pooling the autoencoder paints better",
    f"in {wins} of {len(error['max'])} seeds, error {error['stride'].mean():.4f} against {error['max'].mean():.4f}",
)
assert len(pool_codes.unique()) == 1 and len(stride_codes.unique()) == 4
assert error["stride"].mean() < 1.1 * error["max"].mean()

# %% [markdown] slide="notes" facts="01-no-pooling-generative"
# What this shows and what not: a small autoencoder paints better without max pooling. It is no GAN and no VAE, and the claim about *those*
# rests on the papers (Radford, Metz, Chintala: *Unsupervised representation learning with deep convolutional generative adversarial networks*, ICLR 2016), not on this cell.

# %% [markdown] slide="slide" facts="01-flatten-loses-structure 01-conv-3d-activations"
# # 13. Flattening loses structure. Does a network care?
#
# Shuffle the pixels of every image, **the same way in all of them**. To you the pictures are noise now. Nothing is lost: the
# shuffle can be undone.
#
# An MLP and a CNN, trained on the pictures and on the shuffled pictures. **Four numbers: which are equal?**

# %% slide="fragment" facts="01-flatten-loses-structure"
lecture.predict(
    "Who suffers from a fixed shuffle of the pixels?",
    ["nobody", "the CNN only", "the MLP only", "both"],
)


# %% slide="fragment" facts="01-flatten-loses-structure 01-conv-3d-activations"
def shuffled(images, seed):
    """All images with their pixels in one and the same random order."""
    order = torch.randperm(images[0].numel(), generator=torch.Generator().manual_seed(seed))
    return images.flatten(1)[:, order].view_as(images)


def pixel_mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(CANVAS**2, 128), nn.ReLU(), nn.Linear(128, 10))


shuffle_runs = {}
for name, build, lr in (("CNN", lambda: two_layers(CANVAS, sharing=True), 0.1), ("MLP", pixel_mlp, 0.05)):
    for pixels in ("as they are", "shuffled"):
        runs = []
        for seed in SEEDS:
            view = (
                (lambda images, seed=seed: shuffled(images, seed))
                if pixels == "shuffled"
                else (lambda images: images)
            )
            network = trained(build, (view(anywhere[0]), anywhere[1]), steps=150, seed=seed, lr=lr)
            runs.append(accuracy(network, (view(anywhere_test[0]), anywhere_test[1])))
        shuffle_runs[f"{name}, pixels {pixels}"] = runs

# %% slide="fragment" facts="01-flatten-loses-structure 01-conv-3d-activations"
figure, axes = plt.subplots(1, 2, figsize=(17, 3.8), width_ratios=(1, 1.6))
pictures = torch.cat([anywhere[0][:2], shuffled(anywhere[0][:2], 0)])
axes[0].imshow(
    torch.cat(
        [torch.cat([*row], 1) for row in F.pad(pictures[:, 0], (1, 1, 1, 1), value=1).view(2, 2, 22, 22)]
    ),
    cmap="gray",
)
axes[0].set_axis_off()
viz.bars(shuffle_runs, ylabel="test accuracy (%)", percent=True, digits=1, ax=axes[1])
viz.show(
    figure,
    alt="Left: two small pictures of clothes, and the same two with shuffled pixels. Right: test accuracy. The CNN loses much by the shuffle, the MLP nothing.",
)
drop = {
    name: np.mean(shuffle_runs[f"{name}, pixels as they are"])
    - np.mean(shuffle_runs[f"{name}, pixels shuffled"])
    for name in ("CNN", "MLP")
}
verdict(
    drop["CNN"] > 0.05 and abs(drop["MLP"]) < 0.03,
    "the shuffle costs the CNN a lot and the MLP nothing",
    f"{100 * drop['CNN']:.1f} points and {100 * drop['MLP']:.1f} points",
)
assert drop["CNN"] > 0.05 and abs(drop["MLP"]) < 0.03

# %% [markdown] slide="notes" facts="01-flatten-loses-structure"
# An MLP has no idea which pixels are neighbours; for it the two data sets are the same. The CNN is told by its design, and that is what it loses. (Honest: on
# *centred* Fashion-MNIST with a fully connected head even a CNN hardly suffers. The effect needs things in varying places. Try it.)

# %% [markdown] slide="slide" facts="01-nutshell"
# # 14. Two ancestors
#
# **Neocognitron** (Fukushima, 1980): a sandwich of *simple cells* that filter and *complex cells* that pool. Often called the first convolutional network; it had no
# backpropagation and was hard to train.
#
# **LeNet-5** (LeCun, Bottou, Bengio, Haffner, 1998): the same sandwich, **trained end to end**. Average pooling, tanh, fully connected layers at the end.
#
# 32 × 32 → 6@28 → 6@14 → 16@10 → 16@5 → 120 → 84 → 10. **How many parameters?**

# %% slide="fragment" keep=true facts="01-components 01-nutshell"
lenet = models.create_model("lenet5", num_classes=10, in_channels=1)
for name, shape in probe.output_shapes(lenet, (1, 32, 32)):
    layer = lenet.get_submodule(name)
    print(f"{name:8} {'x'.join(map(str, shape)):9} {sum(p.numel() for p in layer.parameters()):>7,}")
print(f"in all   {sum(p.numel() for p in lenet.parameters()):>17,} parameters")

# %% slide="subslide" facts="01-handcrafted-filters 01-conv-conv-pool"
simple = torch.stack([gabor(d, size=9, wavelength=5.0, width=1.8) for d in directions])[:, None]
complex_ = nn.MaxPool2d(2)  # fixed filters, then pooling: nothing is learned
with torch.no_grad():
    s1 = F.conv2d(fashion.images[:1], simple, padding=4).relu()
    c1 = complex_(s1)
    s2 = F.conv2d(c1, simple.expand(6, 6, 9, 9) / 6, padding=4).relu()
    c2 = complex_(s2)
print(
    "a neocognitron-like sandwich:",
    " -> ".join(
        f"{name} {'x'.join(map(str, t.shape[1:]))}"
        for name, t in {"S1": s1, "C1": c1, "S2": s2, "C2": c2}.items()
    ),
)
figure = viz.show_images(
    [
        fashion.images[0],
        *(s1[0, i : i + 1] / s1.max() for i in (0, 2, 3)),
        *(c1[0, i : i + 1] / c1.max() for i in (0, 2, 3)),
    ],
    ["image", "S1: 0°", "S1: 60°", "S1: 90°", "C1: 0°", "C1: 60°", "C1: 90°"],
    size=2.3,
)
viz.show(
    figure,
    alt="A picture of clothing; the answers of three simple-cell layers with filters of 0, 60 and 90 degrees; and the same after pooling, smaller.",
)
assert c1.shape[-1] == 14 and c2.shape == (1, 6, 7, 7)

# %% [markdown] slide="subslide" facts="01-conv-learn-filters"
# ## LeNet-5, trained now
#
# 6,000 real pictures of clothes, 28 × 28, padded to 32; ten classes. **Guess the accuracy on 1,000 test pictures after 300 steps.**

# %% slide="fragment" facts="01-conv-learn-filters"
coursekit.seed_everything(0)
lenet = models.create_model("lenet5", num_classes=10, in_channels=1, image_size=28)
steps = 300 * setting.longer
history = train.fit(
    lenet,
    fashion,
    fashion_test,
    config=train.TrainConfig(epochs=1 + steps // 94, max_steps=steps, lr=0.1, schedule="onecycle"),
)
lenet = lenet.cpu().eval()
viz.show(history.plot(), alt="Loss falling and accuracy rising over the epochs, on training and test images.")
print(f"LeNet-5 after {steps} steps: {100 * history.test_accuracy[-1]:.1f} % of 1,000 test images")
assert history.test_accuracy[-1] > 0.75

# %% [markdown] slide="subslide" facts="01-learned-like-handcrafted 01-conv-learn-filters 01-filters-3d"
# ## What did it learn?
#
# Do learned filters look like hand-made ones? LeNet's six are 5 × 5, so we also train a net with sixteen **9 × 9** filters and put them
# next to the Gabor bank. We measure it, too: how much of a filter can one Gabor filter (best of many directions, widths and phases) explain, and how much of
# the *untrained* filter?

# %% slide="subslide" facts="01-learned-like-handcrafted 01-conv-learn-filters 01-filters-3d"
with torch.no_grad():
    maps = lenet.conv1(fashion_test.images[:1])[0]
figure, axes = plt.subplots(2, 7, figsize=(16, 4.8))
axes[0, 0].imshow(fashion_test.images[0, 0], cmap="gray")
for i in range(6):
    top = lenet.conv1.weight.detach().abs().max()
    axes[0, i + 1].imshow(lenet.conv1.weight.detach()[i, 0], cmap="PuOr", vmin=-top, vmax=top)
    axes[1, i + 1].imshow(maps[i], cmap="gray")
    axes[0, i + 1].set_title(f"filter {i + 1}")
axes[0, 0].set_title("image")
for ax in axes.flat:
    ax.set_axis_off()
viz.show(
    figure,
    alt="A test picture; the six learned 5 by 5 filters of the first layer; and under each the feature map it makes of the picture.",
)


# %% slide="fragment" facts="01-learned-like-handcrafted 01-handcrafted-filters"
def wide_net():
    """Sixteen 9x9 filters, then what it takes to classify."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 9, stride=2),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 16, 10),
    )


def wave_bank(size=9):
    """Gabor filters of many directions, wavelengths, widths and phases, flattened and of length 1."""
    y, x = torch.meshgrid(torch.arange(size) - size // 2, torch.arange(size) - size // 2, indexing="ij")
    waves = []
    for angle in torch.arange(0, torch.pi, torch.pi / 12):
        for wavelength in (5, 7, 10, 14):
            for width in (1.8, 2.5, 4.0):
                for phase in (0, torch.pi / 4, torch.pi / 2, 3 * torch.pi / 4):
                    across = x * angle.sin() + y * angle.cos()
                    waves.append(
                        torch.exp(-(x**2 + y**2) / (2 * width**2))
                        * torch.cos(2 * torch.pi * across / wavelength + phase)
                    )
    waves = torch.stack(waves).flatten(1)
    return F.normalize(waves)


def explained(filters):
    """For each filter, the share of its squared weights that the best Gabor filter explains."""
    return (F.normalize(filters.detach().flatten(1)) @ wave_bank().T).square().amax(1)


wide = [
    trained(wide_net, fashion, steps=300, seed=s, lr=1e-2, optimizer="adamw", weight_decay=0.5) for s in SEEDS
]
learned = [explained(net[0].weight).mean().item() for net in wide]
coursekit.seed_everything(0)
fresh = [explained(wide_net()[0].weight).mean().item() for _ in SEEDS]
filters = wide[0][0].weight.detach()
figure = viz.show_kernels(
    filters / filters.abs().amax((1, 2, 3), keepdim=True),
    annotate=False,
    columns=8,
    size=1.9,
    title="sixteen learned 9 × 9 filters",
)
viz.show(
    figure,
    alt="Sixteen learned 9 by 9 filters; many have positive and negative stripes side by side, like edge detectors of different directions; some are blobs.",
)
verdict(
    min(learned) > max(fresh),
    "learned filters resemble Gabor filters, more than untrained ones do",
    f"the best Gabor filter explains {100 * np.mean(learned):.0f} % of a learned filter, {100 * np.mean(fresh):.0f} % of an untrained one",
)
assert min(learned) > max(fresh)

# %% [markdown] slide="slide" facts="01-hierarchical-features"
# # 15. A hierarchy of features?
#
# "Layer by layer the features get better." Let's test it: take a trained network with four layers, stop after each, pool to 2 × 2, and let a **linear classifier** learn from 600
# images what is there. Images may lie anywhere. **Expect:** better with depth, and pixels worst.


# %% slide="fragment" facts="01-hierarchical-features 01-conv-learn-filters"
def four_layers():
    widths, strides, c_in, layers = (16, 16, 32, 32), (2, 1, 2, 1), 1, []
    for width, stride in zip(widths, strides, strict=True):
        layers.append(nn.Sequential(nn.Conv2d(c_in, width, 3, stride=stride, padding=1), nn.ReLU()))
        c_in = width
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, 10))


def probed(network, n=600):
    """Accuracy of a linear classifier on the pixels and behind each of the four layers."""
    scores = []
    known, unknown = anywhere[0][:n], anywhere_test[0]
    for depth in range(5):
        if depth:
            with torch.no_grad():
                known, unknown = network[depth - 1](known), network[depth - 1](unknown)
        features, tests = (
            F.adaptive_max_pool2d(x, 2).flatten(1) if depth else x.flatten(1) for x in (known, unknown)
        )
        scores.append(RidgeClassifier().fit(features, anywhere[1][:n]).score(tests, anywhere_test[1]))
    return scores


probed_runs = np.array(
    [probed(trained(four_layers, anywhere, steps=170, seed=s, lr=1e-2, optimizer="adamw")) for s in SEEDS]
)

# %% slide="fragment" facts="01-hierarchical-features"
coursekit.seed_everything(0)
untrained_runs = np.array([probed(four_layers()) for _ in SEEDS])
ax = viz.curves(
    {"trained": probed_runs, "random weights": untrained_runs},
    x=range(5),
    xlabel="layers passed (0: pixels)",
    ylabel="linear classifier (%)",
    percent=True,
)
ax.set_xticks(range(5))
viz.show(
    ax,
    alt="Accuracy of a linear classifier behind 0 to 4 layers. Through the trained network it rises from layer to layer, from a third on pixels to about twice that; through random layers it rises at first and then falls back to where it began.",
)
rising = probed_runs.mean(0)
print("pixels, layers 1 to 4:", *(f"{100 * v:.0f} %" for v in rising))
verdict(
    rising[4] > rising[0] + 0.1,
    "features get better with depth",
    f"{100 * rising[0]:.0f} % on pixels, {100 * rising[4]:.0f} % behind layer 4",
)
steps_up = int((np.diff(rising) > 0).sum())
verdict(steps_up == 4, "every single layer improves on the one before", f"{steps_up} of 4 do")
assert rising[4] > rising[1] > rising[0] and rising[4] > untrained_runs.mean(0)[4] + 0.05

# %% [markdown] slide="slide" facts="01-translation-invariance"
# # 16. Translation, scale, rotation: "CNNs are more or less invariant"
#
# Three claims from the slides, three tests on a trained network.
#
# 1. CNNs are more or less **translation** invariant.
# 2. They are **scale** invariant to some degree; it depends on the scales in the data.
# 3. They are not **rotation** invariant; augmentation can help.
#
# For the first: a CNN with stride 4, trained on centred clothes; at the end the maximum over all positions. We shift the test images by
# 0 to 8 pixels. **Draw the curve. And where does it touch its starting value again?**


# %% slide="skip" facts="01-translation-invariance 01-scale-invariance 01-rotation-not-invariant"
def warp(images, *, angle=0.0, scale=1.0):
    """Images turned counter-clockwise (degrees) and enlarged about their centre; numbers or (N,) tensors."""
    n = len(images)
    angle, scale = (
        torch.as_tensor(v, dtype=torch.float32, device=images.device).expand(n) for v in (angle, scale)
    )
    cos, sin = torch.cos(torch.deg2rad(angle)) / scale, torch.sin(torch.deg2rad(angle)) / scale
    zero = torch.zeros_like(cos)
    rows = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)
    return F.grid_sample(
        images, F.affine_grid(rows, list(images.shape), align_corners=False), align_corners=False
    )


def random_shifts(images, generator):
    """Each batch moved by up to 6 pixels in both directions, circularly."""
    down, right = torch.randint(-6, 7, (2,), generator=generator, device=generator.device).tolist()
    return images.roll((down, right), (2, 3))


def random_scales(images, generator):
    """Each image scaled by 0.6 to 1.5."""
    return warp(images, scale=0.6 + 0.9 * torch.rand(len(images), generator=generator, device=images.device))


def random_turns(images, generator):
    """Each image turned by any angle."""
    return warp(images, angle=360 * torch.rand(len(images), generator=generator, device=images.device))


def patches():
    """Stride 4 in one layer, one more layer, the maximum over all positions."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 4, stride=4),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def frame_mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(36 * 36, 64), nn.ReLU(), nn.Linear(64, 10))


framed = F.pad(fashion.images, (4, 4, 4, 4)), fashion.labels
framed_test = F.pad(fashion_test.images, (4, 4, 4, 4)), fashion_test.labels
assert torch.allclose(warp(framed[0][:3], angle=90.0), framed[0][:3].rot90(1, (2, 3)), atol=1e-4)

# %% slide="subslide" facts="01-translation-invariance"
SHIFTS = range(9)


def under_shift(network):
    return [accuracy(network, (framed_test[0].roll(s, 3), framed_test[1])) for s in SHIFTS]


shift_runs = {
    "CNN, stride 4": [under_shift(trained(patches, framed, steps=200, seed=s, lr=0.1)) for s in SEEDS],
    "MLP": [under_shift(trained(frame_mlp, framed, steps=200, seed=s)) for s in SEEDS],
}

# %% slide="fragment" facts="01-translation-invariance"
shift_runs["CNN, trained with shifts"] = [
    under_shift(trained(patches, framed, steps=200, seed=s, lr=0.1, augment=random_shifts)) for s in SEEDS
]
ax = viz.curves(shift_runs, x=SHIFTS, xlabel="shift (pixels)", ylabel="test accuracy (%)", percent=True)
for stride in (4, 8):
    ax.axvline(stride, color="black", linestyle=":")
viz.show(
    ax,
    alt="Accuracy against a shift of 0 to 8 pixels. The CNN falls at a shift of 2 and comes back at 4, falls again at 6 and comes back at 8, the multiples of its stride; the MLP falls and stays low; the CNN trained with shifts is nearly flat.",
)
cnn, mlp, shifted = (
    np.mean(shift_runs[name], 0) for name in ("CNN, stride 4", "MLP", "CNN, trained with shifts")
)
print("shift            ", *(f"{s:5}" for s in SHIFTS))
for name, values in (("CNN, stride 4", cnn), ("MLP", mlp), ("trained shifted", shifted)):
    print(f"{name:17}", *(f"{100 * v:5.1f}" for v in values))
verdict(
    cnn[2] < cnn[4] - 0.03 and cnn[6] < cnn[8] - 0.03,
    "invariant at multiples of the stride only, the dips between them are aliasing",
    f"shift 2: {100 * cnn[2]:.0f} %, shift 4: {100 * cnn[4]:.0f} %, shift 6: {100 * cnn[6]:.0f} %, shift 8: {100 * cnn[8]:.0f} %",
)
assert cnn[4] > cnn[2] + 0.03 and cnn[4] > mlp[4] + 0.2 and shifted.min() > cnn.min()

# %% [markdown] slide="notes" facts="01-translation-invariance 01-nutshell"
# "More or less" is the right word, and now we know which is which: *exact* at multiples of the total stride (up to the border), *worse* between them, where the network meets
# patches that it has never seen. The layers are equivariant; the pooling at the end makes it invariant; the stride punches the holes. Training with shifts fills them.


# %% slide="subslide" facts="01-scale-invariance 01-rotation-not-invariant"
def strided():
    """Two strided layers and a classifier: quick to train."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 49, 10),
    )


plain_nets = [trained(strided, fashion, steps=150, seed=s) for s in SEEDS]
scale_nets = [trained(strided, fashion, steps=150, seed=s, augment=random_scales) for s in SEEDS]

# %% slide="fragment" facts="01-scale-invariance"
SCALES = (0.6, 0.8, 1.0, 1.25, 1.5)


def tested(networks, **changes):
    """Accuracy of each network on warped test images: (networks, values)."""
    ((name, values),) = changes.items()
    views = [(warp(fashion_test.images, **{name: v}), fashion_test.labels) for v in values]
    return [[accuracy(network, view) for view in views] for network in networks]


scale_runs = {
    "trained at scale 1": tested(plain_nets, scale=SCALES),
    "trained at 0.6 to 1.5": tested(scale_nets, scale=SCALES),
}
ax = viz.curves(
    scale_runs,
    x=SCALES,
    xlabel="scale of the test images",
    ylabel="test accuracy (%)",
    percent=True,
    ylim=(0, 100),
)
viz.show(
    ax,
    alt="Accuracy against the scale of the test images. Trained at scale 1: a peak at 1, falling steeply to both sides. Trained at many scales: lower at 1, but nearly flat.",
)
at_one, at_many = (np.mean(runs, 0) for runs in scale_runs.values())
verdict(
    at_one[1] > 0.5 and at_one[0] < at_one[2] - 0.2,
    "invariant to scale to some degree only",
    f"trained at scale 1: {100 * at_one[2]:.0f} % there, {100 * at_one[1]:.0f} % at 0.8, {100 * at_one[0]:.0f} % at 0.6",
)
verdict(
    at_many[0] > at_one[0] + 0.1,
    "what is learned depends on the scales in the data",
    f"trained at many scales: {100 * at_many[0]:.0f} % at 0.6",
)
assert at_one[2] - at_one[0] > 0.2 and at_many[0] - at_one[0] > 0.1

# %% slide="subslide" facts="01-rotation-not-invariant"
turn_nets = [trained(strided, fashion, steps=150, seed=s, augment=random_turns) for s in SEEDS]
ANGLES = (0, 20, 45, 90, 135, 180)
turn_runs = {
    "trained upright": tested(plain_nets, angle=ANGLES),
    "trained at all angles": tested(turn_nets, angle=ANGLES),
}
ax = viz.curves(
    turn_runs,
    x=ANGLES,
    xlabel="angle of the test images (degrees)",
    ylabel="test accuracy (%)",
    percent=True,
    ylim=(0, 100),
)
ax.set_xticks(ANGLES)
viz.show(
    ax,
    alt="Accuracy against the angle of the test images. Trained upright: high at 0, down to guessing or below at 90 degrees, a little higher at 180. Trained at all angles: lower at 0, but flat.",
)
upright, turned = (np.mean(runs, 0) for runs in turn_runs.values())
verdict(
    upright[3] < 0.3,
    "not invariant to turns",
    f"{100 * upright[0]:.0f} % upright, {100 * upright[3]:.0f} % at 90 degrees, guessing 10 %",
)
verdict(
    turned[3] > upright[3] + 0.2,
    "augmentation helps",
    f"{100 * turned[3]:.0f} % at 90 degrees, and {100 * turned[0]:.0f} % upright: it has its price",
)
assert upright[3] < 0.3 and turned[3] > upright[3] + 0.2

# %% [markdown] slide="slide" facts="01-fc-definition 01-handcrafted-filters"
# # 17. CNN against SVM and MLP, on real digits
#
# 1,797 handwritten digits of 8 × 8 pixels (scikit-learn). Six methods: a linear SVM and a kernel SVM on pixels, a linear SVM on
# hand-made features (histograms of gradient directions, HOG in small), an MLP, a CNN of two layers, and LeNet-5 on the digits enlarged to 28 × 28.
#
# **Rank them.**

# %% slide="fragment" facts="01-handcrafted-filters 01-conv-learn-filters"
digits, digits_test = data.load("digits"), data.load("digits", split="test")


def gradient_histograms(images, cells=4, bins=8):
    """HOG in small: in each of cells x cells parts, how much gradient points in which direction."""
    across, down = (
        filtered(F.pad(images, (1, 1, 0, 0)), torch.tensor([[-1.0, 0, 1]])),
        filtered(F.pad(images, (0, 0, 1, 1)), torch.tensor([[-1.0], [0], [1]])),
    )
    direction = (torch.atan2(down, across) / (2 * torch.pi) * bins).floor().long() % bins
    votes = torch.zeros(len(images), bins, *images.shape[2:]).scatter_(
        1, direction, torch.hypot(across, down)
    )
    return F.normalize(F.avg_pool2d(votes, images.shape[-1] // cells).flatten(1))


def enlarged(examples):
    return F.interpolate(examples[0], size=28, mode="bilinear"), examples[1]


def digit_mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def digit_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 10),
    )


def digit_lenet():
    return models.create_model("lenet5", num_classes=10, in_channels=1, image_size=28)


flat_digits, flat_test = digits.images.flatten(1), digits_test.images.flatten(1)
digit_scores = {
    "linear SVM on pixels": [
        LinearSVC(dual=False).fit(flat_digits, digits.labels).score(flat_test, digits_test.labels)
    ],
    "linear SVM on gradient histograms": [
        LinearSVC(C=10, dual=False)
        .fit(gradient_histograms(digits.images), digits.labels)
        .score(gradient_histograms(digits_test.images), digits_test.labels)
    ],
    "kernel SVM on pixels": [SVC(C=5).fit(flat_digits, digits.labels).score(flat_test, digits_test.labels)],
}
digit_scores["MLP"] = [
    accuracy(trained(digit_mlp, digits, steps=300, seed=s, lr=0.1), digits_test) for s in SEEDS
]
digit_scores["CNN, two layers"] = [
    accuracy(trained(digit_cnn, digits, steps=250, seed=s, lr=0.1), digits_test) for s in SEEDS
]

# %% slide="fragment" facts="01-handcrafted-filters 01-conv-learn-filters"
digit_scores["LeNet-5 on enlarged digits"] = [
    accuracy(trained(digit_lenet, enlarged(digits), steps=150, seed=s, lr=0.1), enlarged(digits_test))
    for s in SEEDS
]
digit_errors = {name: [1 - score for score in scores] for name, scores in digit_scores.items()}
ax = viz.bars(digit_errors, ylabel="wrong answers on 360 test digits (%)", percent=True, digits=1)
viz.show(
    ax,
    alt="Wrong answers of six methods on real digits. The MLP and the linear SVM on pixels make most, about three in a hundred; the kernel SVM fewest, then the CNN.",
)
best_cnn, kernel_svm = np.mean(digit_scores["CNN, two layers"]), digit_scores["kernel SVM on pixels"][0]
rivals = {
    "the MLP": np.mean(digit_scores["MLP"]),
    "the linear SVM": digit_scores["linear SVM on pixels"][0],
    "the kernel SVM": kernel_svm,
}
for rival, score in rivals.items():
    verdict(best_cnn > score, f"the CNN beats {rival}", f"{100 * best_cnn:.1f} against {100 * score:.1f} %")
assert (
    best_cnn > np.mean(digit_scores["MLP"]) - 0.005
    and np.mean(digit_scores["LeNet-5 on enlarged digits"]) > 0.95
)

# %% [markdown] slide="notes" facts="01-handcrafted-filters"
# On 64 centred, clean pixels a kernel SVM is as good as anything: no shame, and a reason never to skip the simple baseline. (In 1998, too,
# support vector machines were LeNet-5's close rivals on digits.) The gap opens where images are few and things lie in different places: next slide.

# %% [markdown] slide="subslide"
# ## ... and where things move
#
# The same contest with clothes that may lie anywhere on a 28 × 28 canvas, each 14 × 14, and only 300 training images.

# %% slide="fragment" facts="01-translation-invariance 01-fc-definition"
wide_canvas = put_anywhere(small[0][:300], 28, seed=1), small[1][:300]
wide_test = put_anywhere(small_test[0], 28, seed=2), small_test[1]


def wide_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def wide_mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 128), nn.ReLU(), nn.Linear(128, 10))


moving = {
    "kernel SVM": [
        SVC(C=5).fit(wide_canvas[0].flatten(1), wide_canvas[1]).score(wide_test[0].flatten(1), wide_test[1])
    ],
    "MLP": [accuracy(trained(wide_mlp, wide_canvas, steps=200, seed=s), wide_test) for s in SEEDS],
    "CNN, two layers": [
        accuracy(trained(wide_cnn, wide_canvas, steps=200, seed=s, lr=0.1), wide_test) for s in SEEDS
    ],
}
ax = viz.bars(moving, ylabel="test accuracy (%)", percent=True, digits=1)
viz.show(
    ax, alt="Test accuracy on clothes at random places: the CNN is clearly above the kernel SVM and the MLP."
)
verdict(
    min(moving["CNN, two layers"]) > max(moving["kernel SVM"] + moving["MLP"]),
    "where things move, the CNN wins in every seed",
    ", ".join(f"{name} {100 * np.mean(scores):.0f} %" for name, scores in moving.items()),
)
assert np.mean(moving["CNN, two layers"]) > max(np.mean(moving["kernel SVM"]), np.mean(moving["MLP"]))

# %% [markdown] slide="slide"
# # 18. Two exam questions
#
# **Question 1** (6 points). A network takes 3 × 64 × 64 images: conv 5 × 5, 16 filters, stride 2, padding 2; ReLU; max pooling 3 × 3, stride 2, no padding; conv 3 × 3, 32 filters,
# stride 1, padding 1. For each layer give the output shape, the number of parameters with biases, and the receptive field in input pixels.
#
# **Question 2** (6 points). A colleague says: "My CNN has global max pooling at the end, so its output cannot change when I shift the image." (a) Under which conditions is this exactly true?
# (b) Name two ordinary design choices that break it, and say for each how you would show it in a measurement. (c) Would the same argument hold for a rotation by 90°?

# %% [markdown] slide="notes"
# **Answer 1.** conv: 16 × 32 × 32, 16 · (3 · 25 + 1) = 1,216 parameters, field 5. Pool: 16 × 15 × 15, none, field 5 + 2 · 2 = 9. conv: 32 × 15 × 15, 32 · (16 · 9 + 1) = 4,640, field
# 9 + 2 · 4 = 17. The cell below measures it.
#
# **Answer 2.** (a) If every layer before is equivariant to that shift: stride 1 (or a shift by a multiple of the total stride), circular padding or nothing but zeros near the border, so that
# nothing leaves the image. (b) Stride or pooling with stride > 1: shift by one pixel and compare, it aliases; zero padding: shift circularly and compare at the border
# (`probe.equivariance_gap`). (c) No: weights are shared over shifts only; a turned kernel is another kernel. It would need kernels symmetric under the turn, or all four turned copies.

# %% slide="notes" keep=true
exam = nn.Sequential(
    nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(16, 32, 3, padding=1)
)
for row in probe.measure(exam, (3, 64, 64)):
    count = sum(p.numel() for p in exam.get_submodule(row.name).parameters())
    print(
        f"{type(exam.get_submodule(row.name)).__name__:10} {'x'.join(map(str, row.output_shape)):9} {count:>6,} parameters   field {row.size}"
    )

# %% [markdown] slide="slide"
# # What you saw
#
# - Convolution = sparse + shared = a Toeplitz matrix. Sharing pays **where patterns move**, and hardly where they do not.
# - Layers are **equivariant**; stride and padding break it; pooling at the end makes it invariant, up to aliasing.
# - Receptive fields can be measured. Trust no table that you have not counted: seven of the slide's AlexNet numbers are wrong.
# - Of the claims, several needed a better experiment before they showed, and some hold in a weak sense only.
#
# Next: `01_convolution`, where you write all of it yourself.

# %% [markdown] slide="slide" facts="01-cite-nin 01-cite-dilated"
# # What to read next
#
# - V. Dumoulin, F. Visin: *A guide to convolution arithmetic for deep learning*, arXiv 1603.07285, 2016. All the size formulas, drawn.
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: *Gradient-based learning applied to document recognition*, Proceedings of the IEEE 86(11), 1998. LeNet-5; read sections I to III.
# - K. Fukushima: *Neocognitron*, Biological Cybernetics 36, 1980. The ancestor.
# - A. Krizhevsky, I. Sutskever, G. Hinton: *ImageNet classification with deep convolutional neural networks*, NIPS 2012.
# - K. Simonyan, A. Zisserman: *Very deep convolutional networks for large-scale image recognition*, ICLR 2015. Stacks of 3 × 3.
# - M. Lin, Q. Chen, S. Yan: *Network in network*, ICLR 2014. 1 × 1.
# - F. Yu, V. Koltun: *Multi-scale context aggregation by dilated convolutions*, ICLR 2016, arXiv 1511.07122.
# - W. Luo, Y. Li, R. Urtasun, R. Zemel: *Understanding the effective receptive field in deep convolutional neural networks*, NIPS 2016.
# - R. Zhang: *Making convolutional networks shift-invariant again*, ICML 2019. The cure for the aliasing of section 16.
# - J. T. Springenberg, A. Dosovitskiy, T. Brox, M. Riedmiller: *Striving for simplicity: the all convolutional net*, ICLR workshop 2015. No pooling.
