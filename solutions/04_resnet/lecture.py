# %% [markdown] slide="slide" facts="04-depth-names 04-imagenet-years"
# # From AlexNet to ResNet
#
# Five networks in four years: AlexNet (8 layers, 2012), VGG (19) and GoogLeNet (22, both 2014), ResNet (152, 2015). Each fixed what stopped the one before. When
# you leave you can
#
# - say what AlexNet, ZFNet, VGG and GoogLeNet each changed, and **count** what it cost
# - tell a saturating unit from one that does not saturate, and say when that matters
# - reduce channels with 1 × 1 convolutions, and work out what that saves
# - explain why plain networks stopped at 19 layers, and what a residual block does about it
# - read a result table: one network or seven, one crop or a hundred and forty-four
# - doubt a claim until an experiment has shown it: several on these slides do not show in ours, and we say which

# %% setup=true slide="skip"
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import coursekit
from coursekit import data, flops, lecture, models, probe, train, viz
from coursekit.facts import facts
from coursekit.lecture import accuracy, count_parameters, depth, dots, he_normal, on_meta, range_of, verdict
from coursekit.models.googlenet import Branches
from coursekit.viz import history

viz.use_style()
torch.set_num_threads(1)  # these networks are so small that a second thread costs more than it brings

# %% parameters=true slide="skip"
budget = "ci"


# %% setup=true slide="skip"
setting = lecture.by_budget(
    budget,
    ci=lecture.Setting(seeds=3, pairs=5),
    laptop=lecture.Setting(seeds=5, pairs=10, longer=4),
    gpu=lecture.Setting(seeds=5, pairs=20, images=60_000, longer=10),
)
SEEDS, PAIRS = range(setting.seeds), range(setting.pairs)
trained = partial(lecture.trained, longer=setting.longer)


def standardized(images):
    """Images of mean 0 and standard deviation 1, over the clothes."""
    return (images - 0.286) / 0.353


def clothes(split="train", subset=None):
    """Pictures of clothes and their labels: the shipped 6,000, or all 60,000 where the budget asks for them."""
    full = setting.images > 6000 and subset is None
    examples = data.load("fashion_mnist" if full else "fashion_mini", split=split, subset=subset)
    return standardized(examples.images), examples.labels


def by(shape):
    return " x ".join(map(str, shape))


# %% [markdown] slide="slide" facts="04-ilsvrc-human 04-bars-human 04-imagenet-years"
# # 1. One contest, eight years
#
# **ILSVRC**: 1.2 million training photographs, 1000 classes, five guesses for each photograph. The *top-5 error* is the share of photographs whose class is not among
# the five.
#
# In 2010 the best entry is wrong on 28 of 100. A trained human is wrong on 5.1.

# %% slide="fragment" facts="04-ilsvrc-human 04-bars-human"
lecture.predict(
    "In which year is the winning network wrong less often than that human?",
    ["2012, AlexNet", "2014, VGG and GoogLeNet", "2015, ResNet", "2017, the last contest"],
)

# %% slide="fragment" facts="04-bars-2010 04-bars-2011 04-bars-2012 04-bars-2013 04-bars-2014a 04-bars-2014b 04-bars-2015 04-bars-2016 04-bars-2017 04-bars-human 04-fridman-cuimage"
stated = {fact.id.removeprefix("04-"): fact.given for fact in facts("04")}
ENTRIES = [
    ("2010", "Lin", None),
    ("2011", "Sánchez", None),
    ("2012", "AlexNet", "alexnet_2012"),
    ("2013", "ZFNet", "zfnet"),
    ("2014a", "VGG", "vgg19"),
    ("2014b", "GoogLeNet", "googlenet"),
    ("2015", "ResNet", "resnet152"),
    ("2016", "CUImage", None),
    ("2017", "SENet", None),
]
figure = history.contest(
    [
        history.Entry(
            int(year[:4]),
            name,
            float(stated[f"bars-{year}"]),
            depth(on_meta(model)) if model else None,
            network=int(year[:4]) >= 2012,
        )
        for year, name, model in ENTRIES
    ],
    ylabel="top-5 error (%)",
    reference={"a human expert:": float(stated["bars-human"])},
)
viz.show(
    figure,
    alt="Top-5 error of the best entries, 2010 to 2017: 28.2 and 25.8 percent without networks, then 16.4 (AlexNet), 11.7 (ZFNet), 7.3 (VGG), 6.7 (GoogLeNet), 3.6 "
    "(ResNet), 3 and 2.3. A dashed line marks a human expert at 5.1, between GoogLeNet and ResNet. Below, the depth: 8, 8, 19, 22, 152 layers.",
)

# %% [markdown] slide="notes" facts="04-ilsvrc-since2015 04-bars-2016 04-bars-2017 04-ilsvrc-human"
# C: 2015, and only by several networks together. "Human" is *one* trained annotator (Karpathy, 2014) on part of the test set, so do not lean on it. The slides' chart
# has no legible names for 2016 and 2017, only errors: 3, for which another slide gives 2.99 and CUImage, six networks together; and 2.3, which is SENet's by its paper.
# Both are ensembles, so no single depth is drawn. The slides say that from 2015 on classification was officially no part of the contest any more; its errors went
# on being reported with those of localization.

# %% slide="subslide" keep=true facts="04-ilsvrc-xrce2011 04-ilsvrc-supervision2012 04-ilsvrc-supervision2012-ext 04-ilsvrc-clarifai2013 04-ilsvrc-clarifai2013-ext 04-ilsvrc-vgg2014 04-ilsvrc-googlenet2014 04-ilsvrc-resnet2015 04-ilsvrc-human 04-ilsvrc-decreasing 04-bars-consistent 04-vgg-second-2014 04-alexnet-top5-2012 04-alexnet-by-10 04-alexnet-ensemble 04-fridman-alexnet 04-fridman-vgg 04-fridman-googlenet 04-fridman-resnet 04-fridman-cuimage 04-googlenet-won-2014 04-googlenet-667-164 04-zfnet-error 04-depth-history 04-depth-names 04-ilsvrc-googlenet-19-layers 04-googlenet-22 04-alexnet-next-best 04-zfnet-error-conflict"
given = {fact.id.removeprefix("04-"): fact.given for fact in facts("04")}
rows = ["supervision2012", "clarifai2013", "vgg2014", "googlenet2014", "resnet2015"]
bars = ["2012", "2013", "2014a", "2014b", "2015"]
errors = [float(given[f"ilsvrc-{row}"]) for row in rows]
human, runner_up, ext = 5.1, 26.2, float(given["ilsvrc-supervision2012-ext"])

print(
    "top-5 error, no other data    ", *(f"{row} {error:g}" for row, error in zip(rows, errors, strict=True))
)
print("with ImageNet 22k             ", f"2012 {ext}, 2013 {given['ilsvrc-clarifai2013-ext']}")
print("falling from year to year     ", errors == sorted(errors, reverse=True))
print("below the human 5.1           ", [row for row, e in zip(rows, errors, strict=True) if e < human])
agree = all(abs(float(given[f"bars-{b}"]) - e) <= 0.051 for b, e in zip(bars, errors, strict=True))
print("the bar chart says the same   ", agree)
print("VGG's place in 2014           ", 1 + sorted(errors[2:4]).index(errors[2]), "by its error")
print(f"AlexNet's lead, in points      {runner_up - errors[0]:.1f}, or {runner_up - ext:.1f} with other data")
single, seven = map(float, given["alexnet-ensemble"])
print(f"one AlexNet {single}, seven {seven}   {single - seven:.1f} points by averaging")
for name in ("alexnet_2012", "vgg19", "googlenet", "resnet152"):
    print(f"{name:30} {depth(on_meta(name)):>3} layers with weights")
print("AlexNet's hidden layers        ", depth(on_meta("alexnet_2012")) - 1)
assert errors == sorted(errors, reverse=True) and agree

# %% [markdown] slide="fragment" facts="04-alexnet-next-best 04-ilsvrc-googlenet-19-layers 04-zfnet-error-conflict 04-alexnet-first-cnn 04-alexnet-first-relu"
# ### Errata: read a table before you quote it
#
# - **Runner-up of 2012**: the slide says 25.7; the paper gives 26.2 for that contest. 25.7 is a result on the data of 2010, in the same paper.
# - **GoogLeNet's depth**: in its table the slide says 19, but count: 3 in the stem, 2 in each of 9 modules, 1 at the end are 22. 19 is VGG's.
# - **ZFNet's gain**: one slide says 16.4 to 11.7, for another the slide says 15.4 to 11.2. Both are right: the first without other data, the second for larger ensembles,
#   with ImageNet 22k.
# - **"First CNN"**, the slide says of AlexNet: the Neocognitron (1980) and LeNet-5 (1998) stand on slides before it. First to *win ILSVRC*.
# - **"First use of ReLU"**, the slide says of AlexNet: Nair and Hinton had rectified units in 2010, and the paper names them.

# %% [markdown] slide="slide" facts="04-lenet-backprop 04-lenet5-depth 04-alexnet-relu-maxpool-dropout"
# # 2. AlexNet
#
# Where it comes from: **LeNet-5** (1998), convolutions and subsampling in turn, then fully connected layers, trained by backpropagation, which LeCun and colleagues were
# among the first to do with such a network.
#
# 14 years later: the same plan. What is new? Compare before you read on: 32 × 32 grey digits there, 227 × 227 photographs here.

# %% slide="fragment" keep=true facts="04-lenet5-c1 04-lenet5-s2 04-lenet5-c3 04-lenet5-s4 04-lenet5-c5 04-lenet5-f6 04-lenet5-output 04-lenet5-params 04-lenet5-depth 04-alexnet-relu-maxpool-dropout 04-alexnet-novelties"
lenet = models.create_model("lenet5", num_classes=10, in_channels=1)
for name, shape in probe.output_shapes(lenet, (1, 32, 32)):
    print(f"LeNet-5  {name:8} {by(shape)}")
print(f"LeNet-5  {depth(lenet)} layers with weights, {count_parameters(lenet):,} parameters")

KINDS = {
    nn.MaxPool2d: "max pooling",
    nn.ReLU: "ReLU",
    nn.Dropout: "dropout",
    nn.LocalResponseNorm: "local response normalization",
}
alexnet = on_meta("alexnet_2012")
has, had = ({KINDS[type(m)] for m in net.modules() if type(m) in KINDS} for net in (alexnet, lenet))
print("\nAlexNet has and LeNet-5 has not:", ", ".join(sorted(has - had)))
pools = [m for m in alexnet.modules() if isinstance(m, nn.MaxPool2d)]
print(
    "poolings overlap:",
    all(p.stride < p.kernel_size for p in pools),
    "- window",
    pools[0].kernel_size,
    "stride",
    pools[0].stride,
)
print(
    "two GPUs:",
    [name for name, m in alexnet.named_modules() if getattr(m, "groups", 1) == 2],
    "see half of the maps",
)

# %% [markdown] slide="fragment" facts="04-alexnet-gpu-50x 04-alexnet-two-gpus-week 04-alexnet-week-gtx580 04-alexnet-recipe 04-alexnet-relu-maxpool-dropout 04-alexnet-novelties"
# **More of everything**: data (1.2 million images), parameters (a thousand times LeNet's), and hardware: two GTX 580 with 3 GB each, for a week (five to six days, says the
# paper), about fifty times faster than a CPU of the day.
#
# The recipe: SGD with momentum 0.9, batches of 128, weight decay 0.0005, learning rate 0.01, divided by 10 *by hand* when the validation error stalls; dropout 0.5;
# heavy augmentation. Still a good first guess.

# %% [markdown] slide="subslide" facts="04-alexnet-hidden-layers 04-alexnet-units 04-alexnet-60m 04-alexnet-60m-003 04-alexnet-60m-two-versions"
# ## Count it
#
# Five convolutions, three fully connected layers. The slides say 60 million parameters and 650,000 units. **In which layers is the bulk of each?** Guess: units first,
# then parameters.

# %% slide="fragment" keep=true facts="04-alexnet-hidden-layers 04-alexnet-units 04-alexnet-60m 04-alexnet-60m-003 04-alexnet-60m-two-versions 04-alexnet-neurons-conv1 04-alexnet-neurons-conv1-why 04-alexnet-neurons-conv2 04-alexnet-neurons-conv3 04-alexnet-neurons-conv4 04-alexnet-neurons-conv5 04-alexnet-neurons-fc6 04-alexnet-neurons-fc7 04-alexnet-neurons-fc8 04-alexnet-eight-layers 04-alexnet-8-layers 04-alexnet-layer-list 04-alexnet-48-per-gpu 04-multigpu-half"
paper = on_meta("alexnet_2012")
shapes = dict(probe.output_shapes(paper, (3, 227, 227)))
weighted = [name for name, m in paper.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
units = {name: int(np.prod(shapes[name])) for name in weighted}
print("layer   output             units   parameters")
for name in weighted:
    print(
        f"{name:7} {by(shapes[name]):13} {units[name]:>10,} {count_parameters(paper.get_submodule(name)):>12,}"
    )
print(f"in all  {sum(units.values()):>24,} {count_parameters(paper):>12,}")
print("layers with weights:", len(weighted), "  hidden ones:", len(weighted) - 1)
print(f"in the convolutions: {sum(units[n] for n in weighted[:5]) / sum(units.values()):.0%} of the units")
dense = sum(count_parameters(paper.get_submodule(n)) for n in weighted[5:])
print(f"in the fully connected layers: {dense / count_parameters(paper):.0%} of the parameters")
print("the paper's caption has 253,440 for conv1: 55 x 48 x 96 =", f"{55 * 48 * 96:,}")
print("conv1:", paper.conv1.out_channels, "filters,", paper.conv2.weight.shape[1], "on each GPU")
print("\nthree networks of this name:")
for name in ("alexnet_2012", "alexnet_ungrouped", "alexnet"):
    print(f"{name:18} {count_parameters(on_meta(name)):>11,} parameters, {depth(on_meta(name))} layers")

# %% [markdown] slide="notes" facts="04-alexnet-neurons-conv1 04-alexnet-neurons-conv1-why 04-alexnet-units 04-multigpu-half 04-multigpu-top1 04-ddp-vs-model-parallel"
# **Erratum.** For conv1 the slide says 253,440 units; count them and you get 55 · 55 · 96 = 290,400. The slip is the paper's: 253,440 is 55 · 48 · 96, one side taken for the
# 48 maps of a GPU. With the right number the units sum to 659,272, with the wrong one to 622,312; "650 thousand" is between.
#
# The two halves exchange maps in conv3 and the fully connected layers only: **model parallel**. Against a network with half the filters on one GPU this lowered the top-1
# error by 1.7 and the top-5 error by 1.2 points. Today's `DistributedDataParallel` is the other way: every GPU has a whole copy and other images, gradients are averaged.

# %% slide="subslide" keep=true facts="04-alexnet-input-dim 04-alexnet-input-227 04-alexnet-inputs-cross 04-tv-alexnet-v1-params-m 04-tv-alexnet-v1-acc"
from torchvision.models import get_weight  # its table of published accuracies; no weights are fetched

print("side  padding  windows of 11 at stride 4   pixels left over")
for side, padding in ((224, 0), (227, 0), (224, 2), (227, 2)):
    layer = nn.Conv2d(3, 96, 11, stride=4, padding=padding, device="meta")
    windows = layer(torch.empty(1, 3, side, side, device="meta")).shape[-1]
    print(f"{side:>4}  {padding:>7}  {windows:>12}  {(side + 2 * padding - 11) % 4:>26}")
print(f"numbers in a 224 x 224 x 3 image: {224 * 224 * 3:,};  in 227 x 227 x 3: {227 * 227 * 3:,}")

published = get_weight("AlexNet_Weights.IMAGENET1K_V1").meta["_metrics"]["ImageNet-1K"]
print(f"torchvision's alexnet: {count_parameters(on_meta('alexnet')) / 1e6} million parameters, ", end="")
print(f"top-1 {published['acc@1']} %, top-5 {published['acc@5']} % (one crop, one network)")

# %% [markdown] slide="fragment" facts="04-alexnet-inputs-cross 04-alexnet-input-227 04-alexnet-input-dim"
# Three slides, three first layers: 56, 55 and 54 windows across. The paper writes 224 pixels, 150,528 numbers, but draws 55 windows, and only 227 pixels give
# 55 without padding and without a rest. torchvision keeps 224 and pads by 2: 55 again. **A paper's text is no specification; its shapes are.**

# %% [markdown] slide="slide" facts="04-relu-vs-tanh 04-saturating-slow 04-alexnet-relu-gradient"
# # 3. Why not tanh?
#
# AlexNet's units are $\max(0, z)$. Before, they were $\tanh z$ or $1/(1+e^{-z})$. Two arguments:
#
# 1. tanh and sigmoid **saturate**: far from zero they are flat, and the gradient dies
# 2. so they **train slowly**
#
# The first one is arithmetic. The gradient is multiplied by the slope at every unit it passes. **How steep is each at z = 5?**

# %% slide="fragment" keep=true facts="04-saturating-slow"
UNITS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "ReLU": torch.relu}
print("slope at z =     0        2        5")
for name, unit in UNITS.items():
    z = torch.tensor([1e-9, 2.0, 5.0], dtype=torch.float64, requires_grad=True)
    unit(z).sum().backward()
    print(f"{name:9}", "".join(f"{slope:9.5f}" for slope in z.grad.tolist()))
print(f"the best that twenty sigmoids can do: 0.25^20 = {0.25**20:.1e}")


# %% [markdown] slide="subslide" facts="04-alexnet-relu-gradient 04-saturating-slow"
# ## Twenty layers
#
# A gradient comes in at the top and is followed down, in a network with fresh weights. Their standard deviation is $s/\sqrt{n}$, with the $s$ of the textbook: 1 for sigmoid,
# $5/3$ for tanh, $\sqrt2$ for ReLU.
#
# **By which factor does it shrink?** Sigmoid, tanh, ReLU: write down three powers of ten.


# %% slide="fragment" facts="04-alexnet-relu-gradient 04-saturating-slow"
def followed(unit, scale, *, layers=20, width=128, seed=0):
    """Size of the gradient at each layer over that at the last one, and the share of flat units in the last."""
    generator = torch.Generator().manual_seed(seed)
    h, sums = torch.randn(256, width, generator=generator), []
    for _ in range(layers):
        weight = scale / width**0.5 * torch.randn(width, width, generator=generator)
        sums.append((h @ weight).requires_grad_())
        sums[-1].retain_grad()
        h = unit(sums[-1])
    (h * torch.randn(h.shape, generator=generator)).sum().backward()
    sizes = torch.stack([z.grad.norm() for z in sums])
    z = sums[-1].detach().requires_grad_()
    unit(z).sum().backward()
    return sizes / sizes[-1], (z.grad < 0.05).float().mean().item()


TEXTBOOK = {"sigmoid": 1.0, "tanh": 5 / 3, "ReLU": 2**0.5}
TWENTY = np.arange(1, 21)
fall = {
    name: torch.stack([followed(unit, TEXTBOOK[name], seed=s)[0] for s in SEEDS])
    for name, unit in UNITS.items()
}
ax = viz.curves(
    fall, x=TWENTY, xlabel="layer (the gradient comes in at 20)", ylabel="gradient, relative", yscale="log"
)
ax.set_xticks((1, 5, 10, 15, 20))
viz.show(
    ax,
    alt="Size of the gradient at layers 20 down to 1, logarithmic. Sigmoid: a straight line down by twelve powers of ten. tanh and ReLU: level.",
)
for name, runs in fall.items():
    print(f"{name:8} what reaches layer 1: {runs[:, 0].min():.1e} to {runs[:, 0].max():.1e}")
verdict(
    bool(fall["ReLU"][:, 0].min() > 1e6 * fall["sigmoid"][:, 0].max()),
    "ReLU carries a gradient through twenty layers where the sigmoid loses it",
    f"{fall['ReLU'][:, 0].mean():.2f} against {fall['sigmoid'][:, 0].mean():.0e}",
)
verdict(
    bool(fall["tanh"][:, 0].max() < 0.1),
    "so does tanh lose it, with weights of the right size",
    f"{fall['tanh'][:, 0].mean():.1f} of it arrives",
)
assert fall["ReLU"][:, 0].min() > 1e6 * fall["sigmoid"][:, 0].max() and fall["ReLU"][:, 0].min() > 0.1

# %% [markdown] slide="subslide" facts="04-alexnet-relu-gradient 04-saturating-slow"
# ## Turn the knob
#
# "ReLU solved vanishing gradients" leaves something out: **the size of the weights**. Find the s where tanh carries the gradient, where it vanishes, where it explodes.
# Is there one for ReLU? For the sigmoid?


# %% slide="fragment" facts="04-alexnet-relu-gradient 04-saturating-slow"
def through_twenty(scale=1.0):
    """The gradient through twenty layers for all three units, with weights of this scale."""
    figure, ax = plt.subplots(figsize=(10, 5.4))
    runs = {name: followed(unit, scale) for name, unit in UNITS.items()}
    viz.curves(
        {f"{name} ({flat:.0%} flat)": sizes for name, (sizes, flat) in runs.items()},
        x=TWENTY,
        xlabel="layer (the gradient comes in at 20)",
        ylabel="gradient, relative",
        yscale="log",
        ylim=(1e-13, 1e7),
        title=f"weights of standard deviation {scale:.2f} / √n",
        ax=ax,
    )
    ax.set_xticks((1, 5, 10, 15, 20))
    return figure


lecture.explore(
    through_twenty,
    scale=(0.25, 4.0, 0.25),
    alt=lambda scale=1.0: (
        f"The gradient through twenty layers with weights of standard deviation {scale:.2f} over root n, for sigmoid, tanh and ReLU; in the legend the share of flat units."
    ),
)

# %% [markdown] slide="notes" facts="04-alexnet-relu-gradient 04-saturating-slow"
# At s = 1 ReLU loses three powers of ten, tanh less than one: each ReLU layer throws half of the signal away, and √2 pays it back (He et al., 2015; AlexNet did not have that).
# Large s: tanh saturates in most units, yet the gradient *explodes*, for the few that are not flat meet large weights. Only the sigmoid has no good setting: its slope
# is at most ¼, and it passes on a mean that is not 0.

# %% [markdown] slide="subslide" facts="04-relu-vs-tanh 04-saturating-slow"
# ## Trained: LeNet-5 with each
#
# Same data, same steps, same learning rate, each with its textbook weights. The slides set ReLU against tanh in a figure without numbers; the AlexNet paper has ReLU six times faster
# in a four-layer network on CIFAR-10. **What do you expect of LeNet-5 on clothes? Rank the three.**


# %% slide="fragment" facts="04-relu-vs-tanh"
fashion, fashion_test = clothes(), clothes("test")
RATES = (0.003, 0.01, 0.03)


def lenet_of(unit):
    """LeNet-5 with max pooling and this unit, weights of the textbook's size."""
    network = models.create_model(
        "lenet5", num_classes=10, in_channels=1, image_size=28, activation=unit, pooling="max"
    )
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            scale = nn.init.calculate_gain(unit)
            nn.init.normal_(layer.weight, std=scale / layer.weight[0].numel() ** 0.5)
            nn.init.zeros_(layer.bias)
    return network


def final_losses(unit):
    """Training loss at the end, by seed and rate."""
    part = fashion[0][:768], fashion[1][:768]
    return [
        [
            lecture.trained_with_history(
                lambda: lenet_of(unit),
                part,
                steps=48,
                seed=s,
                lr=lr,
                batch_size=32,
                schedule="constant",
                longer=setting.longer,
            )[1].train_loss[-1]
            for lr in RATES
        ]
        for s in SEEDS
    ]


losses = {"sigmoid": final_losses("sigmoid")}

# %% slide="fragment" facts="04-relu-vs-tanh 04-saturating-slow"
losses |= {"tanh": final_losses("tanh"), "ReLU": final_losses("relu")}
ax = viz.curves(
    losses,
    x=RATES,
    xlabel="learning rate",
    ylabel=f"training loss after {48 * setting.longer} steps (nats)",
    xscale="log",
)
ax.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
ax.set_xticks([], minor=True)
viz.show(
    ax,
    alt="Training loss of LeNet-5 after the same steps against the learning rate, with spread over seeds. The sigmoid stays at chance, 2.3; tanh and ReLU lie close together, far below, tanh a little lower.",
)
at = {name: np.array(runs)[:, 1] for name, runs in losses.items()}  # at rate 0.01
numbers = {name: f"{v.mean():.2f} ({v.min():.2f} to {v.max():.2f})" for name, v in at.items()}
verdict(
    at["ReLU"].max() < at["sigmoid"].min(),
    "at an equal rate ReLU trains faster than the sigmoid",
    f"loss {numbers['ReLU']} against {numbers['sigmoid']}",
)
verdict(
    at["ReLU"].max() < at["tanh"].min(),
    "at an equal rate ReLU trains faster than tanh",
    f"loss {numbers['ReLU']} against {numbers['tanh']}",
)
assert at["ReLU"].mean() < at["sigmoid"].mean() - 0.3

# %% [markdown] slide="notes" facts="04-relu-vs-tanh 04-saturating-slow 04-alexnet-relu-gradient"
# **Half of it shows.** The sigmoid does not get started. tanh does, and is not slower than ReLU here, neither at equal rates nor at its best one: with weights of the right size
# and five layers nothing saturates. (Leave torch's default weights, and ReLU even loses: they are too small for it. Try it.) What remains in ReLU's favour: it is
# cheap, it cannot saturate when weights grow, and deep networks of it need one number only, √2. The paper's plot has rates chosen for each unit, and no normalization.

# %% [markdown] slide="slide" facts="04-overlap-pool-half-percent 04-overlap-pool-top1 04-overlap-pool-overfit"
# # 4. Sixty million weights, 1.2 million images
#
# What keeps AlexNet from learning its images by heart? The paper names **augmentation**, **dropout**, and, less loudly, **overlapping pooling**: windows of 3 at stride 2,
# "slightly more difficult to overfit".
#
# On one page the slide says that this lowers the error by 0.5 points; a later one, and the paper, say 0.4 (top-1) and 0.3 (top-5). **How many runs do you need to see half a point?**

# %% slide="fragment" facts="04-overlap-pool-overfit"
few = clothes(subset=100)


def small_net(kernel=2, dropout=0.0):
    """Two convolutions and two fully connected layers. The window changes no shape and so no weight."""

    def pool():
        return nn.MaxPool2d(kernel, 2, padding=kernel - 2)

    return he_normal(
        nn.Sequential(
            *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), pool()),
            *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), pool()),
            nn.Flatten(),
            nn.Dropout(dropout),
            *(nn.Linear(16 * 49, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 10)),
        )
    )


def shifted(images, generator):
    """The batch moved by up to two pixels in each direction."""
    down, right = torch.randint(-2, 3, (2,), generator=generator, device=generator.device).tolist()
    return images.roll((down, right), (2, 3))


def fitted(augment=None, **options):
    """Accuracy on the 100 training images and on the test images, by seed."""
    runs = [
        trained(lambda: small_net(**options), few, steps=100, seed=s, lr=0.03, batch_size=25, augment=augment)
        for s in PAIRS
    ]
    return np.array([[accuracy(run, few), accuracy(run, fashion_test)] for run in runs])


against = {"2 × 2 pooling": fitted(), "3 × 3, overlapping": fitted(kernel=3)}

# %% slide="fragment" facts="04-overlap-pool-overfit 04-overlap-pool-top1"
against |= {"dropout 0.5": fitted(dropout=0.5), "shifted by ≤ 2 pixels": fitted(augment=shifted)}

plain = against["2 × 2 pooling"]
gains = {name: 100 * (runs - plain) for name, runs in against.items() if runs is not plain}  # run by run
figure, (left, right) = plt.subplots(1, 2, figsize=(17, 4.6))
dots(
    left,
    {name: 100 * runs[:, 0] for name, runs in against.items()},
    xlabel="right on 100 training images (%)",
)
dots(
    right,
    {name: gain[:, 1] for name, gain in gains.items()},
    xlabel="gain on test images, same seed (points)",
    zero=True,
)
viz.show(
    figure,
    alt="Left: accuracy on 100 training images with ordinary pooling, overlapping pooling, dropout, and shifted images, every run a dot; the last two stay behind. Right: what each of the three gains on test images against ordinary pooling, run by run: a few points up or down.",
)
print(f"2 × 2 pooling: {range_of(plain[:, 1])} on test images")
for name, gain in gains.items():
    verdict(
        gain[:, 0].max() < 0, f"{name}: harder to learn by heart", f"training {gain[:, 0].mean():+.1f} points"
    )
    said = f"test {gain[:, 1].mean():+.1f} points, {gain[:, 1].min():+.1f} to {gain[:, 1].max():+.1f}"
    verdict(gain[:, 1].min() > 0, f"{name}: better in every run", said)

# %% [markdown] slide="notes" facts="04-overlap-pool-overfit 04-overlap-pool-half-percent 04-overlap-pool-top1"
# **Harder to overfit** would mean: less is learned by heart. Of dropout and shifts that is plainly so. With overlapping pooling this network learns its 100 images just as well: the slides' claim
# does *not* show. What the test images gain is of the size that seeds make: the standard error of 1,000 images at 70 % alone is 1.4 points. On ImageNet's 50,000 it is 0.2, and even
# there 0.4 is two of them. ("laptop" has ten pairs and four times the steps.)

# %% [markdown] slide="subslide" facts="04-remove-layers-7 04-remove-layers-67 04-remove-layers-34 04-remove-layers-3467"
# ## Which layers does it need?
#
# Take layers out of AlexNet and train again: the 7th; the 6th and 7th; the 3rd and 4th; all four. The slides show the drawings; their numbers are lost. **How many of the 60 million
# parameters go each time? Which removal hurts most?**

# %% slide="fragment" keep=true facts="04-remove-layers-7 04-remove-layers-67 04-remove-layers-34 04-remove-layers-3467"
of_2012 = on_meta("alexnet_2012")
for removed in ("fc7", "fc6 fc7", "conv3 conv4", "conv3 conv4 fc6 fc7"):
    gone = sum(count_parameters(of_2012.get_submodule(name)) for name in removed.split())
    print(f"without {removed:20} {gone / 1e6:6.2f} million parameters of these layers are gone")


# %% slide="fragment" facts="04-remove-layers-7 04-remove-layers-67 04-remove-layers-34 04-remove-layers-3467"
def small_alexnet(without=()):
    """Five convolutions and three fully connected layers for 28 × 28 pixels, some of them left out."""
    layers = [nn.Conv2d(1, 16, 5, stride=2, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    layers += [nn.Conv2d(16, 24, 3, padding=1), nn.ReLU()]
    channels = 24
    for _ in {3, 4} - set(without):
        layers += [nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU()]
        channels = 32
    layers += [nn.Conv2d(channels, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Flatten()]
    features = 24 * 16
    for _ in {6, 7} - set(without):
        layers += [nn.Linear(features, 128), nn.ReLU()]
        features = 128
    return he_normal(nn.Sequential(*layers, nn.Linear(features, 10)))


def retrained(without):
    return [
        accuracy(
            trained(lambda: small_alexnet(without), fashion, steps=80, seed=s, lr=0.02, batch_size=32),
            fashion_test,
        )
        for s in SEEDS
    ]


kept_accuracy = {without: retrained(without) for without in ((), (7,), (6, 7))}

# %% slide="fragment" facts="04-remove-layers-7 04-remove-layers-67 04-remove-layers-34 04-remove-layers-3467"
kept_accuracy |= {without: retrained(without) for without in ((3, 4), (3, 4, 6, 7))}
labels = {
    without: f"without {', '.join(map(str, without))}" if without else "all eight layers"
    for without in kept_accuracy
}
figure, ax = plt.subplots(figsize=(13, 4.6))
dots(
    ax,
    {
        f"{labels[w]}  ({count_parameters(small_alexnet(w)) / 1e3:.0f} k weights)": 100 * np.array(scores)
        for w, scores in kept_accuracy.items()
    },
    xlabel="test accuracy (%)",
)
viz.show(
    figure,
    alt="Test accuracy of a small AlexNet with all eight layers, without 7, without 6 and 7, without 3 and 4, and without all four, every run a dot: all within a few points, the smaller networks no worse.",
)
whole, neither = kept_accuracy[()], kept_accuracy[(3, 4, 6, 7)]
verdict(
    np.mean(kept_accuracy[(7,)]) > np.mean(whole) - 0.02,
    "the 7th layer can go",
    f"{range_of(kept_accuracy[(7,)])} against {range_of(whole)}",
)
verdict(
    max(neither) < min(whole),
    "without all four it is clearly worse: depth matters",
    f"{range_of(neither)} against {range_of(whole)}",
)

# %% [markdown] slide="notes" facts="04-remove-layers-7 04-remove-layers-3467"
# On ten kinds of clothes four layers are enough, and so few steps favour the shallow network: our experiment cannot show that depth is needed, and must not be quoted for it. It does
# show the other half, which holds for ImageNet as well: fc6 and fc7 have nine tenths of the parameters, and do the least. The networks to come leave them out.

# %% [markdown] slide="slide" facts="04-zfnet 04-zfnet-error 04-cite-zeiler"
# # 5. ZFNet: look inside, change two numbers
#
# Zeiler and Fergus (2013) projected what units respond to back into pixels. In AlexNet's first layer they saw very coarse and very fine patterns with little between them, **dead
# filters**, and aliasing behind it. Two suspects: windows of 11 × 11, and a stride of 4.
#
# What would you change? (Top-5 error, before and after: 16.4 and 11.7.)

# %% slide="fragment" keep=true facts="04-zfnet"
for name, side in (("alexnet_2012", 227), ("zfnet", 224)):
    network = on_meta(name)
    first = network.conv1
    shape = dict(probe.output_shapes(network, (3, side, side)))["conv1"]
    wide = [network.get_submodule(f"conv{i}").out_channels for i in (3, 4, 5)]
    print(
        f"{name:13} conv1: {first.kernel_size[0]} x {first.kernel_size[1]}, stride {first.stride[0]}, {by(shape)}   conv3 to conv5: {wide}"
    )

# %% [markdown] slide="subslide" facts="04-cite-zeiler 04-zfnet"
# ## Are there dead filters today?
#
# We have no AlexNet weights here. We do have **MobileNetV2's**, trained on the same ImageNet: 32 filters of 3 × 3 in colour. **How many of the 32 do nothing?**

# %% slide="fragment" facts="04-cite-zeiler"
pretrained = data.load_weights("mobilenet_v2")
filters = pretrained["features.0.0.weight"]
slope = pretrained["features.0.1.weight"] / (pretrained["features.0.1.running_var"] + 1e-5).sqrt()
effect = (filters * slope[:, None, None, None]).flatten(1).norm(dim=1)  # normalization at work folded in
order = effect.argsort(descending=True)
dead = int((effect < 0.02 * effect.max()).sum())
fresh = torch.randn(filters.shape, generator=torch.Generator().manual_seed(0))


def tile(weights, columns=8):
    """Colour filters side by side, each scaled to its own range; grey is zero."""
    scaled = 0.5 + 0.5 * weights / weights.abs().amax((1, 2, 3), keepdim=True)
    padded = F.pad(scaled, (0, 1, 0, 1), value=1.0)
    rows = [torch.cat(list(row), dim=2) for row in padded.split(columns)]
    return torch.cat(rows, dim=1).permute(1, 2, 0)


figure, axes = plt.subplots(1, 3, figsize=(16, 4.6), width_ratios=(1, 1, 1.1))
for ax, weights, title in (
    (axes[0], fresh, "fresh weights"),
    (axes[1], filters[order], "MobileNetV2, strongest first"),
):
    ax.imshow(tile(weights))
    ax.set_title(title)
    ax.set_axis_off()
axes[2].plot(range(1, 33), effect[order], "o")
axes[2].plot(range(33 - dead, 33), effect[order][32 - dead :], "X", markersize=12)
axes[2].set(xlabel="filter, strongest first", ylabel="size, normalization included", yscale="log")
axes[2].set_title(f"{dead} of 32 do nothing", color=viz.COLOURS[1])
viz.show(
    figure,
    alt=f"Left: 32 random colour filters, noise. Middle: MobileNetV2's 32 first filters, many of them edges and opposed colours, the last {dead} without a clear pattern. Right: their sizes, logarithmic; the last {dead} are a hundredth or less of the first.",
)
balance = filters.sum((2, 3)).abs().sum(1) / filters.abs().sum((1, 2, 3))
print(f"{dead} of 32 filters answer with less than a fiftieth of the strongest one")
print(
    f"{int((balance < 0.2).sum())} of 32 sum to nearly nothing in each colour: edges, blind to flat areas; of random ones",
    end=" ",
)
print(int((fresh.sum((2, 3)).abs().sum(1) / fresh.abs().sum((1, 2, 3)) < 0.2).sum()))
assert 0 < dead < 16

# %% [markdown] slide="slide" facts="04-vgg-rules 04-vgg-stage3 04-vgg-second-2014 04-vgg-140m 04-vgg-input"
# # 6. VGG: one kind of layer
#
# Second in 2014. Nothing to choose any more: **3 × 3 convolutions** with padding 1, **2 × 2 pooling** at stride 2, twice the channels behind each pooling. Then as deep
# as it goes.
#
# Three 3 × 3 layers see 7 × 7 pixels, like one 7 × 7 layer. With C channels in and out: **how many weights each?** And what do the three have that the one has not?

# %% slide="fragment" keep=true facts="04-vgg-a-depth 04-vgg-a-lrn-depth 04-vgg-b-depth 04-vgg-c-depth 04-vgg-d-depth 04-vgg-e-depth 04-vgg-stage1-width 04-vgg-stage2-width 04-vgg-stage3-width 04-vgg-stage4-width 04-vgg-stage5-width 04-vgg-input 04-vgg-fc 04-vgg-1x1 04-vgg-140m 04-vgg19-layer-list 04-vgg-stage3 04-vgg-stage4-5 04-vgg-rules 04-conv-layers-vgg16"
print(
    f"one 7x7: 49 C^2 = {49 * 64**2:,} weights at C = 64;   three 3x3: 27 C^2 = {27 * 64**2:,}, and three ReLUs\n"
)
COLUMNS = {
    "A": "vgg11",
    "A-LRN": "vgg11_lrn",
    "B": "vgg13",
    "C": "vgg16_1x1",
    "D": "vgg16",
    "E": "vgg19",
}
print("       layers  convolutions a stage    1x1   parameters")
for letter, name in COLUMNS.items():
    stages, ones = [0], 0
    for m in on_meta(name).children():
        stages[-1] += isinstance(m, nn.Conv2d)
        ones += isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)
        if isinstance(m, nn.MaxPool2d):
            stages.append(0)
    print(
        f"{letter:8}{depth(on_meta(name)):>4}   {stages[:5]!s:20}{ones:>6}  {count_parameters(on_meta(name)):>12,}"
    )
vgg16 = on_meta("vgg16")
convolutions = [m for m in vgg16.children() if isinstance(m, nn.Conv2d)]
widths = list(dict(probe.output_shapes(vgg16, (3, 224, 224)))[f"pool{i}"][0] for i in range(1, 6))
print("\nfilters in stages 1 to 5:", widths, "from an input of 224 x 224 x 3")
print(
    "all 3x3, stride 1, padding 1:",
    {(m.kernel_size, m.stride, m.padding) for m in convolutions} == {((3, 3), (1, 1), (1, 1))},
)
print("twice as wide behind each pooling:", [b == 2 * a for a, b in zip(widths, widths[1:], strict=False)])
print("fully connected:", [m.out_features for m in vgg16.children() if isinstance(m, nn.Linear)])
print(f"VGG-16: {len(convolutions)} convolutional layers and 3 fully connected ones")

# %% [markdown] slide="fragment" facts="04-vgg-rules 04-vgg-stage3 04-conv-layers-vgg16 04-vgg-1x1 04-vgg-stage4-5"
# **Errata.**
#
# - "Twice the channels behind each pooling", the slide says: it holds three times and stops at 512; stage 5 is as wide as stage 4. And C has three 1 × 1 convolutions.
# - For stage 3 the slide says 2 convolutions; count: VGG-16 has 3 and VGG-19 has 4. (Stages 4 and 5 have 3 and 4, as the slide says.) The missing one is why its totals come
#   out too small, 48.6 MB and 13.6 G instead of 51.7 and 15.5.
# - In a chart the slide says 16 *convolutional* layers for VGG-16: 16 have weights, 13 of them are convolutional.

# %% [markdown] slide="subslide" facts="04-vgg-progressive 04-vgg-a-depth 04-vgg-e-depth"
# ## Why does it stop at 19?
#
# The deeper VGGs were trained **after** the shallow ones and began with layers of network A. Why such trouble? Because of the first weights. AlexNet's had a standard deviation of 0.01.
#
# Stacks of 3 × 3 convolutions with 64 channels, 8 to 34 of them. **What is left of the signal at the end, with N(0, 0.01²)? With the size of Glorot and Bengio (2010)? Of He (2015)?** (On the way down
# the gradient meets the same weights.)


# %% slide="fragment" facts="04-vgg-progressive"
def at_the_output(layers, deviation, seed, channels=64):
    """Size of what comes out of so many 3 × 3 convolutions, over what goes in."""
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(4, channels, 7, 7, generator=generator, dtype=torch.float64)
    for _ in range(layers):
        weight = deviation * torch.randn(channels, channels, 3, 3, generator=generator, dtype=torch.float64)
        h = F.conv2d(h, weight, padding=1).relu()
    return h.std().item()


DEPTHS = (8, 11, 13, 16, 19, 34)
fan = 9 * 64
DEVIATIONS = {"0.01 (AlexNet)": 0.01, "1/√n (Glorot)": fan**-0.5, "√2/√n (He)": (2 / fan) ** 0.5}
signal = {
    name: [[at_the_output(n, deviation, s) for n in DEPTHS] for s in SEEDS]
    for name, deviation in DEVIATIONS.items()
}
ax = viz.curves(signal, x=DEPTHS, xlabel="3 × 3 convolutions", ylabel="output over input", yscale="log")
ax.set_xticks(DEPTHS)
viz.show(
    ax,
    alt="What comes out of 8 to 34 layers of 3 by 3 convolutions over what goes in, logarithmic. With weights of 0.01 it falls steeply, by many powers of ten; with Glorot's size it falls less steeply; with He's it stays nearly level.",
)
for name, runs in signal.items():
    v = np.array(runs)[:, 4]
    print(f"{name:16} after 19 layers {v.mean():.0e} of the input ({v.min():.0e} to {v.max():.0e})")
at_19 = {name: np.array(runs)[:, 4] for name, runs in signal.items()}
assert at_19["0.01 (AlexNet)"].max() < 1e-6 and at_19["√2/√n (He)"].min() > 0.02

# %% [markdown] slide="notes" facts="04-vgg-progressive 04-vgg-perceptual"
# So the answer of 2014 was to grow networks step by step, the answer of early 2015 was He's √2, and the answer of mid-2015 was batch normalization (lecture 3), which rescales at every layer.
# With signals alive one would expect deeper to be better again. Part 2 of this lecture shows that it is not, and that is *another* problem.
#
# What VGG is used for today: its features are the yardstick of **perceptual losses**. Two pictures are alike if VGG's maps of them are, which forgives what pixel differences do not.

# %% slide="subslide" facts="04-vgg-e-depth 04-vgg-d-depth"
published = {
    depth(on_meta(name)): get_weight(f"{name.upper()}_Weights.IMAGENET1K_V1").meta["_metrics"]["ImageNet-1K"][
        "acc@1"
    ]
    for name in ("vgg11", "vgg13", "vgg16", "vgg19")
}
figure, ax = plt.subplots(figsize=(9, 4.4))
viz.curves(
    {"VGG": list(published.values())},
    x=list(published),
    xlabel="layers with weights",
    ylabel="top-1 accuracy (%)",
    ylim=(68, 73.5),
    ax=ax,
)
for layers_, top1 in published.items():
    ax.annotate(f"{top1:.1f}", (layers_, top1), (0, 10), textcoords="offset points", ha="center")
ax.set_xticks(list(published))
viz.show(
    figure,
    alt="Published top-1 accuracy of torchvision's VGG networks: 69.0 percent with 11 layers, 69.9 with 13, 71.6 with 16, 72.4 with 19. The last step is the flattest for each layer added.",
)
steps_up = [
    (b - a) / (m - n)
    for (n, a), (m, b) in zip(list(published.items()), list(published.items())[1:], strict=False)
]
print(
    "points for each layer added:",
    *(f"{s:.2f}" for s in steps_up),
    " (published by torchvision, not measured here)",
)

# %% [markdown] slide="slide" facts="04-since-alexnet-params 04-1x1-reduce 04-googlenet-stem"
# # 7. Network in network, GoogLeNet: the same for less
#
# VGG-16 has 138 million parameters and needs 15.5 billion multiply-adds. **Where are they?** Two questions, two different answers. Guess a layer for each.

# %% slide="fragment" keep=true facts="04-since-alexnet-params 04-googlenet-ratio 04-vgg-140m"
print("                parameters      in millions   fully connected")
for name in ("alexnet", "alexnet_2012", "vgg16", "nin", "googlenet", "resnet18", "resnet50"):
    network = on_meta(name, **({"aux": False} if name == "googlenet" else {}))
    dense = sum(count_parameters(m) for m in network.modules() if isinstance(m, nn.Linear))
    total = count_parameters(network)
    print(f"{name:13} {total:>12,} {total / 1e6:>14.1f} {dense / total:>15.0%}")
ratio = count_parameters(on_meta("alexnet_2012")) / count_parameters(on_meta("googlenet", aux=False))
print(f"AlexNet has {ratio:.2f} times GoogLeNet's parameters")

# %% [markdown] slide="fragment" facts="04-googlenet-ratio 04-since-alexnet-params"
# **Parameters** sit in the first fully connected layer: 7 · 7 · 512 · 4096 = 103 million. *Network in network* (Lin, Chen, Yan 2014) leaves it out: one map per class, and its
# **global average** is the score. Since then parameters are used better; VGG is the exception, not the rule.
#
# **Erratum.** From 60 and 4 million parameters the slide says 15 times fewer than AlexNet for GoogLeNet; count, and it has 7.0 million and the ratio is 8.71.

# %% slide="subslide" facts="04-googlenet-stem"
SIDES = (224, 112, 56, 28, 14, 7)


def by_side(name):
    """Multiply-adds of the convolutions, in billions, by the side of the maps that they make."""
    rows = flops.profile(on_meta(name, **({"aux": False} if name == "googlenet" else {})), (3, 224, 224)).rows
    return [
        sum(r.macs for r in rows if r.kind == "conv" and r.output_shape[-1] == side) / 1e9 for side in SIDES
    ]


work = {"VGG-16": by_side("vgg16"), "GoogLeNet": by_side("googlenet")}
figure, ax = plt.subplots(figsize=(11, 5))
for shift, (name, values), colour in zip((-0.2, 0.2), work.items(), viz.COLOURS[:2], strict=True):
    ax.bar(np.arange(6) + shift, values, 0.38, color=colour, label=name)
    for place, value in enumerate(values):
        ax.annotate(
            f"{value:.2g}",
            (place + shift, value),
            (0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=14,
        )
ax.set_xticks(range(6), [f"{side} × {side}" for side in SIDES])
ax.set(xlabel="maps", ylabel="multiply-adds (billions)")
ax.legend(frameon=False)
viz.show(
    figure,
    alt="Multiply-adds by the size of the maps. VGG-16: 1.9, 2.8, 4.6, 4.6 and 1.4 billion at sides 224, 112, 56, 28, 14. GoogLeNet: nothing at 224, a tenth of a billion at 112, at most half a billion anywhere.",
)
early = sum(work["VGG-16"][:3]) / sum(work["VGG-16"])
print(
    f"VGG-16 spends {early:.0%} of its multiply-adds on maps larger than 28 x 28, GoogLeNet {sum(work['GoogLeNet'][:3]) / sum(work['GoogLeNet']):.0%}"
)
assert early > 0.5

# %% [markdown] slide="fragment" facts="04-googlenet-stem 04-googlenet-stem-sizes"
# **Operations** sit where maps are large. GoogLeNet's **stem** shrinks hard before anything else happens: 7 × 7 stride 2, pooling, pooling: 224 → 112 → 56 → 28 in three layers with weights. VGG computes
# sixty percent of its work before it gets there.

# %% [markdown] slide="subslide" facts="04-inception-module 04-1x1-reduce"
# ## The inception module
#
# Which kernel is right, 1 × 1, 3 × 3 or 5 × 5? **All of them**, side by side, and a pooling; the channels are put together. Local structure, repeated nine times.
#
# Module 3a: 192 channels come in on 28 × 28. 64 maps of 1 × 1, 128 of 3 × 3, 32 of 5 × 5. Done naively: how many multiply-adds? Now with **1 × 1 convolutions that reduce** to 96 and 16
# channels first. Guess the factor.


# %% slide="fragment" keep=true facts="04-inception-module 04-1x1-reduce 04-googlenet-nine-modules 04-googlenet-22 04-googlenet-stem-sizes 04-googlenet-aux-pool 04-googlenet-final-pool 04-auxiliary-classifiers"
def convolution_cost(kernel, c_in, c_out, side=28):
    """Multiply-adds of a 'same' convolution."""
    return kernel**2 * c_in * c_out * side**2


naive = {k: convolution_cost(k, 192, c) for k, c in ((1, 64), (3, 128), (5, 32))}
reduced = {
    1: convolution_cost(1, 192, 64),
    3: convolution_cost(1, 192, 96) + convolution_cost(3, 96, 128),
    5: convolution_cost(1, 192, 16) + convolution_cost(5, 16, 32),
}
print("module 3a, million multiply-adds   naive   with 1x1 in front")
for k in naive:
    print(f"  {k}x{k} branch {naive[k] / 1e6:>27.1f} {reduced[k] / 1e6:>14.1f}")
print(f"  together   {sum(naive.values()) / 1e6:>27.1f} {sum(reduced.values()) / 1e6:>14.1f}")
google = on_meta("googlenet")
module = google.body["inception3a"]
for name, branch in module.items():
    kinds = [m for m in branch.modules() if isinstance(m, nn.Conv2d | nn.MaxPool2d)]
    words = [
        ("pooling " if isinstance(m, nn.MaxPool2d) else "") + by([np.max(m.kernel_size)] * 2) for m in kinds
    ]
    print(f"branch {name:6}", " then ".join(words))
outputs = google.train()(torch.empty(2, 3, 224, 224, device="meta"))
print(
    f"\n{sum(isinstance(m, Branches) for m in google.modules())} modules, {depth(google)} layers with weights,",
    end=" ",
)
print(f"{len(outputs)} outputs in training, of shapes", *(by(o.shape) for o in outputs))
shapes = probe.output_shapes(on_meta("googlenet", aux=False).eval(), (3, 224, 224))
sides = [shape[1] for _, shape in shapes if len(shape) == 3]
print("sides of the maps:", *dict.fromkeys(sides))
print(
    "an auxiliary head: 5x5 averages of stride 3 on 14x14 leave",
    nn.AvgPool2d(5, 3)(torch.zeros(1, 1, 14, 14)).shape[-1],
)
print("the end: averages over", [shape for _, shape in shapes if len(shape) == 3 and shape[1] > 1][-1][1:])


# %% slide="fragment" facts="04-1x1-reduce 04-inception-module"
def reduction(to=16):
    """Cost of a 5 × 5 convolution from 192 to 32 channels on 28 × 28, behind a reduction to so many channels."""
    widths = np.arange(4, 193, 4)
    cost = np.array([convolution_cost(1, 192, w) + convolution_cost(5, w, 32) for w in widths]) / 1e6
    without = convolution_cost(5, 192, 32) / 1e6
    here = (convolution_cost(1, 192, to) + convolution_cost(5, to, 32)) / 1e6
    figure, ax = plt.subplots(figsize=(10, 5))
    ax.plot(widths, cost, color=viz.COLOURS[0])
    ax.axhline(without, color=viz.COLOURS[1], linestyle="--")
    ax.annotate(
        f"without: {without:.0f}", (4, without), (0, 6), textcoords="offset points", color=viz.COLOURS[1]
    )
    ax.plot(to, here, "o", color=viz.COLOURS[0], markersize=14)
    ax.set(
        xlabel="channels behind the 1 × 1 convolution",
        ylabel="million multiply-adds",
        ylim=(0, 1.3 * without),
    )
    ax.set_title(f"192 → {to} → 32 channels: {here:.1f} million, {without / here:.1f} times less")
    return figure


lecture.explore(
    reduction,
    to=(4, 192, 4),
    alt=lambda to=16: (
        f"Cost of a 5 by 5 convolution behind a reduction, a straight line in the number of channels reduced to, with a mark at {to}; a dashed line for the convolution without reduction, at 120 million multiply-adds."
    ),
)

# %% slide="fragment" facts="04-1x1-reduce"
pictures = torch.randn(8, 192, 28, 28, generator=torch.Generator().manual_seed(0))
five = nn.Conv2d(192, 32, 5, padding=2)
one_five = nn.Sequential(nn.Conv2d(192, 16, 1), nn.ReLU(), nn.Conv2d(16, 32, 5, padding=2))
seconds = {
    "5 × 5": probe.latency(five, pictures, repeats=5, warmup=1),
    "1 × 1, then 5 × 5": probe.latency(one_five, pictures, repeats=5, warmup=1),
}
for name, timing in seconds.items():
    print(f"{name:18} {timing}  for 8 images")
faster = seconds["5 × 5"].median / seconds["1 × 1, then 5 × 5"].median
verdict(faster > 1.5, "counted 9.7 times less, measured", f"{faster:.1f} times faster on this machine")

# %% [markdown] slide="notes" facts="04-inception-versions 04-inception-v4"
# GoogLeNet was Inception v1. v2 and v3 cut the 5 × 5 into two 3 × 3 and 3 × 3 into 3 × 1 and 1 × 3, and added batch normalization; v4 tidied up. **Erratum:** of v4 the slide says "ResNet +
# Inception". In that paper the residual ones are Inception-ResNet-v1 and -v2; Inception-v4 itself has no shortcuts.

# %% [markdown] slide="subslide" facts="04-auxiliary-classifiers 04-auxiliary-not-needed-with-bn 04-bn-10-layers"
# ## Two heads too many?
#
# In training GoogLeNet has two **auxiliary classifiers** halfway up. Their losses count too (times 0.3), since gradients did not arrive cleanly through 22 layers. The slides call it a
# hack, and say that batch normalization made it superfluous.
#
# Twelve plain 3 × 3 layers; with and without normalization, with and without a head behind the sixth. **Four networks: rank them.** First what arrives at layer 1 before any training.


# %% slide="fragment" facts="04-auxiliary-classifiers 04-auxiliary-not-needed-with-bn 04-bn-10-layers"
class Twelve(nn.Module):
    """Twelve 3 × 3 convolutions on images of 7 × 7 pixels; in training with a head, logits from halfway up as well."""

    def __init__(self, norm, head, width=16):
        super().__init__()

        def layer(i):
            conv = nn.Conv2d(width if i else 1, width, 3, padding=1)
            return nn.Sequential(conv, nn.BatchNorm2d(width) if norm else nn.Identity(), nn.ReLU())

        self.lower = he_normal(nn.Sequential(*(layer(i) for i in range(6))))
        self.upper = he_normal(nn.Sequential(*(layer(i) for i in range(6, 12))))
        self.last = nn.Linear(width, 10)
        self.head = nn.Linear(width, 10) if head else None

    def forward(self, x):
        halfway = self.lower(x)
        logits = self.last(self.upper(halfway).mean((2, 3)))
        if self.training and self.head is not None:
            return logits, self.head(halfway.mean((2, 3)))
        return logits


def loss_of(outputs, y, weight=0.3):
    """Cross-entropy; of a tuple that of the first, and a share of that of the others."""
    first, *others = outputs if isinstance(outputs, tuple) else (outputs,)
    return F.cross_entropy(first, y) + weight * sum(F.cross_entropy(other, y) for other in others)


def coarse(examples):
    """The clothes in 7 × 7 pixels: small, so that twelve layers are quick."""
    return F.avg_pool2d(examples[0], 4) / 0.7, examples[1]


small_clothes, small_test = coarse(fashion), coarse(fashion_test)
FOUR = {
    "plain": (False, False),
    "plain + head": (False, True),
    "normalized": (True, False),
    "normalized + head": (True, True),
}


def first_gradient(norm, head, seed, default_weights=False):
    coursekit.seed_everything(seed)
    network = Twelve(norm, head)
    if default_weights:
        for m in network.modules():
            if isinstance(m, nn.Conv2d):
                m.reset_parameters()
    loss_of(network(small_clothes[0][:256]), small_clothes[1][:256]).backward()
    return network.lower[0][0].weight.grad.norm().item()


gradients = {name: [first_gradient(*kind, s) for s in SEEDS] for name, kind in FOUR.items()}
small_weights = {name: [first_gradient(*kind, s, True) for s in SEEDS] for name, kind in FOUR.items()}
figure, axes = plt.subplots(1, 2, figsize=(17, 4.4))
for ax, values, title in (
    (axes[0], small_weights, "torch's default weights"),
    (axes[1], gradients, "larger ones, of He"),
):
    dots(ax, values, xlabel="gradient at layer 1", log=True, title=title)
    ax.set_xlim(1e-7, 3)
viz.show(
    figure,
    alt="Size of the gradient in the first of twelve layers, logarithmic, with two kinds of first weights. With torch's smaller ones the plain network has almost none and a head brings back a hundredfold; normalized networks have the same with and without head, in both panels.",
)
lift = {
    name: np.mean(small_weights[f"{name} + head"]) / np.mean(small_weights[name])
    for name in ("plain", "normalized")
}
verdict(
    lift["plain"] > 10 and 0.5 < lift["normalized"] < 2,
    "a head brings gradients to the lower half, and normalization makes it superfluous",
    f"with small weights {lift['plain']:.0f} times as much in the plain network, {lift['normalized']:.1f} times in the normalized one",
)
assert lift["plain"] > 10 and 0.5 < lift["normalized"] < 2


# %% slide="subslide" facts="04-auxiliary-not-needed-with-bn 04-bn-10-layers"
def trained_twelve(norm, head, seed, steps=80):
    """Trained by our own loop, since `train.fit` takes networks with one output; accuracy on test images."""
    lr = 0.1 if norm else 0.03  # the better of the two for each
    coursekit.seed_everything(seed)
    network, steps = Twelve(norm, head), steps * setting.longer
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = torch.randint(len(small_clothes[1]), (32,), generator=generator)
        optimizer.zero_grad()
        loss_of(network(small_clothes[0][batch]), small_clothes[1][batch]).backward()
        optimizer.step()
        schedule.step()
    return accuracy(network.eval(), small_test)


twelve = {name: [trained_twelve(*FOUR[name], s) for s in SEEDS] for name in ("plain", "plain + head")}

# %% slide="fragment" facts="04-auxiliary-not-needed-with-bn 04-bn-10-layers"
twelve |= {
    name: [trained_twelve(*FOUR[name], s) for s in SEEDS] for name in ("normalized", "normalized + head")
}
ax = viz.bars(twelve, ylabel="test accuracy (%)", percent=True, digits=0, reference={"guessing": 0.1})
viz.show(
    ax,
    alt="Test accuracy of four twelve-layer networks, every seed a dot. Without normalization about a quarter are right, with or without a head; with it about half, with or without a head.",
)
verdict(
    min(twelve["normalized"]) > max(twelve["plain"]),
    "batch normalization makes twelve layers trainable",
    f"{range_of(twelve['normalized'], 0)} against {range_of(twelve['plain'], 0)}",
)
verdict(
    min(twelve["plain + head"]) > max(twelve["plain"]),
    "without it a head halfway up helps",
    f"{range_of(twelve['plain + head'], 0)} against {range_of(twelve['plain'], 0)}",
)
gap = np.array(twelve["normalized + head"]) - np.array(twelve["normalized"])
verdict(
    gap.min() <= 0.02,
    "with it no head is needed",
    f"{100 * gap.mean():+.0f} points, {100 * gap.min():+.0f} to {100 * gap.max():+.0f}",
)
assert np.mean(twelve["normalized"]) > np.mean(twelve["plain"]) + 0.1

# %% [markdown] slide="notes" facts="04-auxiliary-classifiers 04-auxiliary-not-needed-with-bn 04-bn-10-layers"
# What shows: normalization decides, head or no head, and beside it a head changes nothing. What does not: that a head helps where normalization is missing. It brings gradients to the lower
# half, a hundredfold with small weights, and yet the test accuracy stays within the spread, for the upper half is no easier to train than before. Rates were chosen for each kind (0.03
# and 0.1): at 0.1 the plain ones do not train at all, which is a part of what normalization buys.

# %% [markdown] slide="slide" facts="04-alexnet-ensemble 04-ilsvrc-resnet2015 04-fridman-cuimage"
# # 8. The last points: many networks, many crops
#
# Most numbers in section 1 are of **several networks together**: five AlexNets (16.4), seven (15.4, against 18.2 alone), six in ResNet's year. And every network looks at several **crops**
# of an image, moved and mirrored; GoogLeNet at 144. Answers are averaged.
#
# Five small networks, 150 training images of clothes, only the seed differs. We average their answers. Then we average one network's answers to the image and its **mirror image**.

# %% slide="fragment" facts="04-alexnet-ensemble"
lecture.predict(
    "A network trained on clothes as they are: what does averaging over image and mirror image do to its test accuracy?",
    ["helps by a few points", "helps a little", "nothing", "costs a little", "costs several points"],
)


# %% slide="fragment" facts="04-alexnet-ensemble"
def tiny_cnn():
    """Two strided convolutions and a classifier."""
    return he_normal(
        nn.Sequential(
            *(nn.Conv2d(1, 12, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(12, 24, 3, stride=2, padding=1), nn.ReLU()),
            nn.Flatten(),
            nn.Linear(24 * 49, 10),
        )
    )


def mirrored(images, generator):
    """Each image turned left to right by the toss of a coin."""
    turn = torch.rand(len(images), 1, 1, 1, generator=generator, device=generator.device) < 0.5
    return torch.where(turn, images.flip(-1), images)


def moved(images):
    return [images.roll(by_, (2, 3)) for by_ in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))]


@torch.no_grad()
def together(networks, views):
    """Accuracy of the mean of all networks' answers to all views of the test images."""
    answers = sum(network(view).softmax(1) for network in networks for view in views)
    return (answers.argmax(1) == fashion_test[1]).float().mean().item()


handful = clothes(subset=150)
test_images = fashion_test[0]
both_ways = [test_images, test_images.flip(-1)]
crew = [trained(tiny_cnn, handful, steps=60, seed=s, lr=0.03) for s in PAIRS]
turned = [trained(tiny_cnn, handful, steps=60, seed=s, lr=0.03, augment=mirrored) for s in SEEDS]
alone = [together([n], [test_images]) for n in crew]
views = {
    "one network, one view": alone,
    "all networks together": [together(crew, [test_images])],
    "one network, moved by 1 pixel": [together([n], moved(test_images)) for n in crew],
    "one network, and mirrored": [together([n], both_ways) for n in crew],
    "trained with mirrored, one view": [together([n], [test_images]) for n in turned],
    "trained with mirrored, and mirrored": [together([n], both_ways) for n in turned],
}
figure, ax = plt.subplots(figsize=(13, 5))
dots(ax, {name: 100 * np.array(scores) for name, scores in views.items()}, xlabel="test accuracy (%)")
viz.show(
    figure,
    alt="Test accuracy of networks alone and together. All together are better than the mean of them alone; views moved by a pixel change little; the mirrored view costs several points, except where the training had mirrored images too.",
)
crowd = views["all networks together"][0]
verdict(
    crowd > np.mean(alone),
    "an ensemble beats its mean member",
    f"{100 * crowd:.1f} against {range_of(alone)}",
)
verdict(crowd > max(alone), "and its best member", f"{100 * crowd:.1f} against {100 * max(alone):.1f} %")
for name, base in (
    ("one network, moved by 1 pixel", alone),
    ("one network, and mirrored", alone),
    ("trained with mirrored, and mirrored", views["trained with mirrored, one view"]),
):
    gain = 100 * (np.array(views[name]) - np.array(base))
    verdict(
        gain.min() > 0,
        f"more views help: {name}",
        f"{gain.mean():+.1f} points, {gain.min():+.1f} to {gain.max():+.1f}",
    )

# %% slide="subslide" facts="04-alexnet-ensemble"
boots = {}
with torch.no_grad():
    for label, view in (("as it is", test_images), ("mirrored", test_images.flip(-1))):
        right = sum(network(view).softmax(1) for network in crew).argmax(1) == fashion_test[1]
        boots[label] = [right[fashion_test[1] == c].float().mean().item() for c in range(10)]
names = data.load("fashion_mini", split="test").classes
figure, (left, right) = plt.subplots(1, 2, figsize=(15, 5.4), width_ratios=(2.4, 1))
for offset, (label, values), colour in zip((-0.2, 0.2), boots.items(), viz.COLOURS[:2], strict=True):
    left.barh(np.arange(10) + offset, 100 * np.array(values), 0.38, color=colour, label=label)
left.set_yticks(range(10), names)
left.invert_yaxis()
left.set_xlabel("recognized by all networks together (%)")
for place, share in enumerate(boots["mirrored"]):
    left.text(100 * share + 1, place + 0.2, f"{100 * share:.0f}", va="center", fontsize=14)
left.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=2)
shoes = test_images[fashion_test[1] == 9][:6, 0]
right.imshow(shoes.view(3, 2, 28, 28).permute(0, 2, 1, 3).reshape(84, 56), cmap="gray")
right.set_title("six ankle boots")
right.set_axis_off()
viz.show(
    figure,
    alt="Share of test images recognized, by class, as they are and mirrored. Trousers, dresses and bags are recognized alike; of mirrored sneakers and sandals about half, of mirrored ankle boots none. Beside it six ankle boots, all with the toe to the left.",
)
print(
    f"ankle boots: {100 * boots['as it is'][9]:.0f} % as they are, {100 * boots['mirrored'][9]:.0f} % mirrored"
)
assert boots["mirrored"][9] < 0.5 * boots["as it is"][9]

# %% [markdown] slide="notes" facts="04-alexnet-ensemble"
# All shoes point to the left. **A view helps if the training had it.** Photographs of ImageNet are mirrored in training, so mirroring them helps at test time; these networks have never seen a toe on
# the right. Ensembles need no such care, and the five here differ in nothing but chance. They cost five times the time, which is why tables since say "one crop, one network".
#
# So the plan for 2015 is clear: better first weights, batch normalization, and then simply more layers than 22. What happens?
# %% [markdown] slide="slide" facts="04-deeper-question 04-depth-history 04-depth-names 04-depth-is-key"
# # 9. What happens as we go deeper?
#
# 8 layers in 2012, 19 in 2014. The slides call depth *the key to accuracy*, and batch normalization has just made
# more than ten layers trainable. So stack more. Nothing else changes: same blocks, same training.
#
# What you will be able to do in an hour:
#
# - tell *overfitting* from *not being able to train*, from two numbers
# - explain why $H(x) = F(x) + x$ helps, and say which explanations we can measure and which we cannot
# - count a residual network: layers, parameters, multiply-adds, basic block against bottleneck
# - doubt the sentence "more layers are better"

# %% setup=true slide="skip"
import copy
from dataclasses import dataclass

import numpy as np
from torchvision.models import get_model_weights

from coursekit import flops
from coursekit.experiments import degradation, loss_surface, results
from coursekit.models.resnet import BasicBlock, Bottleneck


# %% setup=true slide="skip"
@dataclass(frozen=True)
class DeepSetting:
    """How large the experiments on depth are."""

    degradation: degradation.Setting  # plain against residual
    further: int  # epochs that a network made deeper is trained on
    fit_steps: int  # steps of fitting one block
    grid: int  # points along each direction of a loss surface
    grid_images: int  # images that the loss is computed on


deep = lecture.by_budget(
    budget,
    ci=DeepSetting(
        degradation=degradation.Setting(depths=(8, 32), seeds=3, epochs=5, images=640, batch_size=32),
        further=2,
        fit_steps=100,
        grid=9,
        grid_images=96,
    ),
    laptop=DeepSetting(
        degradation=degradation.Setting(depths=(8, 20, 56), seeds=3, epochs=6, images=3000, widths=(16,)),
        further=5,
        fit_steps=1000,
        grid=17,
        grid_images=256,
    ),
    gpu=DeepSetting(
        degradation=degradation.Setting(
            depths=(20, 56, 110),
            seeds=5,
            epochs=60,
            widths=(16, 32, 64),
            patch=1,
            batch_size=128,
            data="cifar10",  # "fashion_mnist" runs the same way
        ),
        further=20,
        fit_steps=4000,
        grid=31,
        grid_images=2048,
    ),
)
SHALLOW, DEEPEST = deep.degradation.depths[0], deep.degradation.depths[-1]
DEEP_SEEDS = range(deep.degradation.seeds)
KIND_COLOURS = {"residual": viz.COLOURS[0], "plain": viz.COLOURS[1]}  # in this order in every figure


def draw(ax, x, runs, kind, name, style="-"):
    """Mean over seeds and a band from the smallest to the largest, in the colour of the kind."""
    runs = np.array(runs)
    ax.plot(x, runs.mean(0), style, color=KIND_COLOURS[kind], label=name)
    ax.fill_between(x, runs.min(0), runs.max(0), color=KIND_COLOURS[kind], alpha=0.2, lw=0)


# %% slide="fragment" facts="04-56-vs-20 04-deeper-question"
lecture.predict(
    "Two plain networks, 20 and 56 layers, with batch norm, trained alike. Which has the lower TRAINING error?",
    [
        "56: more parameters fit more",
        "the same: both fit everything",
        "20, although 56 contains everything that 20 can do",
    ],
)

# %% [markdown] slide="subslide" facts="04-plain-deeper-worse 04-56-vs-20"
# ## Try it
#
# Plain networks: 3 × 3 convolution, batch norm, ReLU, again and again. At least two depths, at least three seeds, and beside them
# the same networks with one addition per block that you have not met yet ("residual"). **Same weights in number,
# same data, same steps, same rate.**


# %% slide="fragment" facts="04-plain-deeper-worse 04-56-vs-20"
deep_images = data.load(deep.degradation.data, subset=deep.degradation.images)
deep_test = data.load(deep.degradation.data, split="test")
deep_nets, deep_runs = {}, []


def train_kind(kind):
    """All depths and seeds of one kind; keeps networks and runs."""
    for size in deep.degradation.depths:
        for seed in DEEP_SEEDS:
            net, run = degradation.train_one(kind, size, seed, deep.degradation, deep_images, deep_test)
            deep_nets[kind, size, seed] = net
            deep_runs.append(run)


train_kind("plain")

# %% slide="fragment" facts="04-deep-resnets-train"
train_kind("residual")


# %% slide="fragment" facts="04-plain-deeper-worse 04-56-vs-20 04-deep-resnets-train 04-bn-10-layers"
def error_figure(runs, title):
    """Training error while learning on the left; on the right where it ends, with every seed's test error."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(15, 5.6), width_ratios=(1.25, 1))
    figure.suptitle(title)
    curves = degradation.by_network(runs, lambda run: run.train_error)
    depths = sorted({size for _, size in curves})
    for (kind, size), errors in curves.items():
        epochs = range(1, len(errors[0]) + 1)
        style = "-" if size == depths[-1] else ("--", ":")[depths.index(size)]
        draw(left, epochs, 100 * np.array(errors), kind, f"{kind}, {size} layers", style)
    left.set(xlabel="epoch", ylabel="training error (%)", ylim=(0, None))
    left.xaxis.get_major_locator().set_params(integer=True)
    left.legend(frameon=False, fontsize=14, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    left.grid(axis="y")
    names = [f"{kind}, {size}" for kind, size in curves]
    for place, ((kind, size), errors) in enumerate(curves.items()):
        last = [100 * error[-1] for error in errors]
        tested = [100 * run.test_error for run in runs if (run.kind, run.depth) == (kind, size)]
        right.barh(place - 0.2, np.mean(last), 0.36, color=KIND_COLOURS[kind])
        right.barh(place + 0.2, np.mean(tested), 0.36, color=KIND_COLOURS[kind], alpha=0.35)
        right.plot(last, [place - 0.2] * len(last), "k.", markersize=9)
        right.plot(tested, [place + 0.2] * len(tested), "k.", markersize=9)
    right.set_yticks(range(len(names)), names)
    right.invert_yaxis()
    right.set(xlabel="error at the end (%): full training, pale test")
    return figure


figure = error_figure(
    deep_runs, f"this run: {len(deep_images[1]):,} images, {deep.degradation.epochs} epochs"
)
final = degradation.by_network(deep_runs, lambda run: run.train_error[-1])
tested = degradation.by_network(deep_runs, lambda run: run.test_error)
viz.show(
    figure,
    alt="Training error over epochs, and training and test error at the end, of plain and residual networks of "
    + " and ".join(map(str, deep.degradation.depths))
    + " layers with the spread over seeds. At the end: "
    + ", ".join(f"{kind} {size}: {range_of(errors, 0)}" for (kind, size), errors in final.items())
    + ".",
)
for (kind, size), errors in final.items():
    print(
        f"{kind:8} {size:3} layers   training error {range_of(errors, 0):22} test error {range_of(tested[kind, size], 0)}"
    )
verdict(
    min(final["plain", DEEPEST]) > max(final["plain", SHALLOW]),
    "the deeper plain network trains worse, in every seed",
    f"training error {range_of(final['plain', DEEPEST], 0)} against {range_of(final['plain', SHALLOW], 0)}",
)
verdict(
    max(final["residual", DEEPEST]) < min(final["plain", DEEPEST]),
    "with shortcuts the deep one trains",
    f"{range_of(final['residual', DEEPEST], 0)}",
)
assert np.mean(final["plain", DEEPEST]) > np.mean(final["plain", SHALLOW]) + 0.05
assert np.mean(final["residual", DEEPEST]) < np.mean(final["plain", DEEPEST]) - 0.1

# %% [markdown] slide="notes" facts="04-56-vs-20 04-plain-18-34"
# Look at the *training* error first. An overfitting network has a low training error and a high test error; here both
# are high: it **underfits**. The paper shows 20, 32, 44 and 56 layers on CIFAR-10 (its figures 1 and 6) and 18 against 34 on
# ImageNet (figure 4). At the smallest budget, a hundred steps, our run says that depth makes the *start* slow, and no more.
# Does the deep one catch up if we wait? For that you need the stored run of the next slide.

# %% [markdown] slide="subslide" facts="04-plain-18-34"
# ## Only slow, or worse?
#
# Perhaps the deep plain network only needs more time. Here is a longer run of the same code: four times the images and three
# times the steps of the smallest budget, up to 56 layers. It took longer than a lecture has; its result is stored with the course.

# %% slide="fragment" facts="04-plain-deeper-worse 04-56-vs-20 04-plain-18-34 04-optimization-difficulty 04-hypothesis-optimization"
longer = degradation.measured()
viz.show(
    error_figure(longer.runs, f"stored: {longer.setting.images:,} images, {longer.setting.epochs} epochs"),
    alt="The stored run, drawn as the one before: training error over epochs and errors at the end of plain and "
    "residual networks. At the end: "
    + ", ".join(
        f"{kind} {size}: {range_of(errors, 0)}"
        for (kind, size), errors in degradation.by_network(
            longer.runs, lambda run: run.train_error[-1]
        ).items()
    )
    + ".",
)
print(results.provenance(longer))
long_train = degradation.by_network(longer.runs, lambda run: run.train_error[-1])
long_test = degradation.by_network(longer.runs, lambda run: run.test_error)
for (kind, size), errors in long_train.items():
    print(
        f"{kind:8} {size:3} layers   training error {range_of(errors, 0):22} test error {range_of(long_test[kind, size], 0)}"
    )
long_deep = longer.setting.depths[-1]
for fewer, more in zip(longer.setting.depths, longer.setting.depths[1:], strict=False):
    verdict(
        min(long_train["plain", more]) > max(long_train["plain", fewer]),
        f"plain: {more} layers end with more training error than {fewer}, in every seed",
        f"{range_of(long_train['plain', more], 0)} against {range_of(long_train['plain', fewer], 0)}",
    )
verdict(
    max(long_train["residual", long_deep]) < min(long_train["plain", long_deep]),
    f"residual: {long_deep} layers train",
    range_of(long_train["residual", long_deep], 0),
)

# %% [markdown] slide="notes" facts="04-optimization-difficulty 04-plain-18-34"
# Three times the steps: 8 plain layers catch up with their residual twin, 20 and 56 do not. So "only a slow start" is not the whole story.
# Nor is it the end of it: a few hundred steps are few, and all networks have the same learning rate. The paper trains 64,000
# steps on CIFAR-10 and the gap stays; `budget = "gpu"` runs that comparison with this code. What no run can show is *why*: the paper
# calls an optimization difficulty its conjecture, and so do we.

# %% [markdown] slide="slide" facts="04-deeper-by-construction 04-hypothesis-optimization 04-optimization-difficulty"
# # 10. A solution that we know exists
#
# The deep network *can* be as good as the shallow one. Proof: take the trained shallow one and put layers behind it
# that do nothing. ReLU lets through what is not negative, so an identity stays an identity.
#
# | extra layers | how they do nothing |
# | --- | --- |
# | plain | kernels with a single 1 in the middle, and a batch norm set to undo itself |
# | residual | $F = 0$: the last scale γ of each block is 0 |
#
# Same error, exactly. So the trouble is not what the network *can* do but what training *finds*.
# **And if you now train the deep one further?**


# %% slide="fragment" facts="04-deeper-by-construction"
EXTRA = 6  # blocks of two layers


@torch.no_grad()
def deepened(net, kind, images):
    """A copy with blocks behind its last one that change nothing; `images` tell batch norm what comes in."""
    deeper = copy.deepcopy(net).eval()
    parts = list(deeper.children())
    features = images
    for part in parts[: parts.index(deeper.avgpool)]:
        features = part(features)
    mean, variance = features.mean((0, 2, 3)), features.var((0, 2, 3), unbiased=False)
    for _ in range(EXTRA):
        block = BasicBlock(len(mean), len(mean), shortcut="none" if kind == "plain" else "A")
        block.to(images.device)
        if kind == "residual":
            nn.init.zeros_(block.residual[-1].norm.weight)
        else:
            for layer in block.residual:
                nn.init.dirac_(layer.conv.weight)
                layer.norm.running_mean.copy_(mean)
                layer.norm.running_var.copy_(variance)
                layer.norm.weight.copy_((variance + layer.norm.eps).sqrt())
                layer.norm.bias.copy_(mean)
        parts[parts.index(deeper.avgpool) - 1].append(block.eval())
    return deeper


on_device = deep_images[0].to(coursekit.device())
constructed = {}
for kind in degradation.KINDS:
    for seed in DEEP_SEEDS:
        net = deep_nets[kind, SHALLOW, seed]
        constructed[kind, seed] = deepened(net, kind, on_device)
        before, after = (train.evaluate(n, deep_images) for n in (net, constructed[kind, seed]))
        with torch.no_grad():
            moved = (net(on_device) - constructed[kind, seed](on_device)).abs().max().item()
        print(
            f"{kind:8} seed {seed}: {SHALLOW} layers, training error {1 - before.accuracy:.2%}; "
            f"{SHALLOW + 2 * EXTRA} layers, {1 - after.accuracy:.2%}; logits differ by {moved:.0e} at most"
        )
        assert before.accuracy == after.accuracy
        assert moved == 0 if kind == "residual" else moved < 1e-3

# %% slide="fragment" facts="04-deeper-by-construction 04-optimization-difficulty"
further = train.TrainConfig(epochs=deep.further, batch_size=deep.degradation.batch_size, lr=0.02)
continued = {}
for kind in degradation.KINDS:
    for name, nets in (
        (f"{kind}, {SHALLOW} layers", [copy.deepcopy(deep_nets[kind, SHALLOW, s]) for s in DEEP_SEEDS]),
        (f"{kind}, {SHALLOW} + {2 * EXTRA} layers", [constructed[kind, s] for s in DEEP_SEEDS]),
    ):
        continued[name] = []
        for net in nets:
            start = train.evaluate(net, deep_images).loss
            after = train.fit(net, deep_images, deep_images, further, progress=False).test_loss
            continued[name].append([0, *(loss - start for loss in after)])
figure, ax = plt.subplots(figsize=(11, 5.6))
for name, runs in continued.items():
    draw(ax, range(deep.further + 1), runs, name.split(",")[0], name, "-" if "+" in name else "--")
ax.set(xlabel="epochs of further training", ylabel="training loss, change since the start (nats)")
ax.axhline(0, color="black", linewidth=1)
ax.legend(frameon=False)
ax.grid(axis="y")
ax.xaxis.get_major_locator().set_params(integer=True)
viz.show(
    ax,
    alt="Change of the training loss against epochs of further training, of the shallow networks and of those made "
    "deeper, with the spread over seeds. At the end: "
    + ", ".join(f"{name} {np.mean(runs, 0)[-1]:+.2f}" for name, runs in continued.items())
    + ".",
)
for kind in degradation.KINDS:
    shallow_end, deep_end = (
        np.array(continued[f"{kind}, {name} layers"])[:, -1] for name in (SHALLOW, f"{SHALLOW} + {2 * EXTRA}")
    )
    verdict(
        (deep_end < shallow_end).all(),
        f"{kind}: made deeper, it learns more than the shallow one, in every seed",
        f"loss {deep_end.mean():+.2f} against {shallow_end.mean():+.2f}",
    )
    verdict(
        (deep_end > shallow_end).all(),
        f"{kind}: made deeper, it falls behind the shallow one, in every seed",
        f"by {(deep_end - shallow_end).mean():.2f}, {(deep_end - shallow_end).min():.2f} to {(deep_end - shallow_end).max():.2f}",
    )

# %% [markdown] slide="slide" facts="04-residual-formula 04-residual-zero-identity 04-residual-small-fluctuations"
# # 11. Residual learning
#
# If doing nothing is what extra layers should start from, build the block so that **doing nothing is doing zero**:
#
# $$H(x) = F(x) + x$$
#
# Two layers with weights fit $F$, the *residual* $H(x) - x$. If the best $H$ is the identity, push the weights to 0.
# If it is close to the identity, only a small $F$ is to be found.

# %% slide="fragment" facts="04-residual-formula 04-resnet-two-3x3"
layers = ("3×3 conv", "batch norm", "ReLU", "3×3 conv", "batch norm")
viz.show(
    viz.blocks(
        {
            "plain": viz.Block(branch=layers, after=("ReLU",)),
            "residual": viz.Block(branch=layers, after=("ReLU",), shortcut="x, unchanged"),
            "where the map halves": viz.Block(
                branch=("3×3 conv, stride 2", *layers[1:]),
                after=("ReLU",),
                shortcut="1×1 conv, stride 2, norm",
            ),
        }
    ),
    alt="Three blocks as boxes from top to bottom: two convolutions, each with batch norm, and ReLU. The second has an "
    "arrow from its input around the boxes to an addition before the last ReLU. In the third the first convolution "
    "has stride 2 and the arrow carries a 1 by 1 convolution of stride 2.",
)

# %% slide="fragment" keep=true facts="04-residual-formula 04-residual-zero-identity"
coursekit.seed_everything(0)
block = BasicBlock(16, 16).eval()
x = torch.rand(4, 16, 9, 9)  # not negative, as behind a ReLU
with torch.no_grad():
    print("H(x) = relu(F(x) + x):                    ", torch.equal(block(x), F.relu(block.residual(x) + x)))
    for parameter in block.residual.parameters():
        parameter.zero_()
    print("all weights 0: the block is the identity: ", torch.equal(block(x), x))
    plain_block = BasicBlock(16, 16, shortcut="none").eval()
    for parameter in plain_block.parameters():
        parameter.zero_()
    print("the plain block with weights 0 returns 0: ", bool((plain_block(x) == 0).all()))
    print("and for negative numbers?                 ", torch.equal(block(-x), -x))

# %% [markdown] slide="subslide" facts="04-optimization-difficulty 04-residual-small-fluctuations"
# ## Is the identity hard to learn?
#
# The slides say that plain layers do not find it. One block of two layers, random input, two jobs: return your input; return
# your input with a small change (a fixed random convolution, a tenth as large). **How far does each get?**


# %% slide="fragment" facts="04-hypothesis-optimization 04-residual-small-fluctuations 04-optimization-difficulty"
def fit_block(kind, change, seed):
    """Squared error of a block that learns relu(x + change · conv(x)), as a share of the mean square of x."""
    coursekit.seed_everything(seed)
    (block,) = degradation.blocks(degradation.network(kind, 4))
    change_of = nn.Conv2d(12, 12, 3, padding=1, bias=False).requires_grad_(False)
    optimizer = torch.optim.SGD(block.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=deep.fit_steps)
    errors = []
    for _ in range(deep.fit_steps):
        x = torch.randn(16, 12, 7, 7).relu()
        moved = change_of(x)
        target = F.relu(x + change * moved * (x.norm() / moved.norm()))
        error = (block(x) - target).square().mean() / x.square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        schedule.step()
        errors.append(error.item())
    return errors


jobs = {"return x": 0.0, "return x, slightly changed": 0.1}
fits = {
    (job, kind): np.array([fit_block(kind, change, seed) for seed in DEEP_SEEDS])
    for job, change in jobs.items()
    for kind in degradation.KINDS
}
figure, panels = plt.subplots(1, 2, figsize=(14, 5), sharey=True)
for ax, (job, change) in zip(panels, jobs.items(), strict=True):
    viz.curves(
        {kind: fits[job, kind] for kind in KIND_COLOURS},
        xlabel="step",
        ylabel="error / size of x (squares)" if not change else "",
        yscale="log",
        title=job,
        ax=ax,
    )
    if change:
        ax.axhline(change**2, color="black", linestyle=":")
        ax.text(deep.fit_steps, change**2 * 1.15, "size of the change", ha="right", va="bottom")
viz.show(
    figure,
    alt="Error against steps on a logarithmic axis, for the identity on the left and a slightly changed identity on "
    "the right. At the end: "
    + "; ".join(f"{job}, {kind}: {v[:, -10:].mean():.1e}" for (job, kind), v in fits.items())
    + ".",
)
ends = {key: runs[:, -10:].mean(1) for key, runs in fits.items()}
for job in jobs:
    plain_end, residual_end = ends[job, "plain"], ends[job, "residual"]
    verdict(
        residual_end.max() < plain_end.min(),
        f"'{job}': the residual block ends closer, in every seed",
        f"{residual_end.mean():.1e} against {plain_end.mean():.1e}",
    )

# %% [markdown] slide="subslide" facts="04-residual-small-fluctuations 04-resnet-over-100"
# ## And in a trained network: is F small?
#
# The hope is that each block only corrects a little. The slides add that each new layer is *driven to learn something
# different*. Measure: how far does a block move its input, $\lVert \text{block}(x) - x\rVert / \lVert x\rVert$?


# %% slide="fragment" facts="04-residual-small-fluctuations 04-resnet-over-100"
@torch.no_grad()
def moves(net, images):
    """Of every block that keeps its input's shape: distance from input to output, over the input's length."""
    net.eval()
    kept = []

    def note(block, inputs, output):
        if inputs[0].shape == output.shape:
            kept.append(((output - inputs[0]).norm() / inputs[0].norm().clamp_min(1e-9)).item())

    hooks = [block.register_forward_hook(note) for block in degradation.blocks(net)]
    net(images)
    for hook in hooks:
        hook.remove()
    return kept


sample = on_device[:256]
moved_by = {
    f"{kind}, trained": [moves(deep_nets[kind, DEEPEST, s], sample) for s in DEEP_SEEDS]
    for kind in KIND_COLOURS
}
moved_by["residual, before training"] = []
for seed in DEEP_SEEDS:
    net = copy.deepcopy(deep_nets["residual", DEEPEST, seed])
    coursekit.seed_everything(seed)
    for part in net.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(part, nn.BatchNorm2d):
            part.reset_parameters()
            part.momentum = 1.0  # the averages of one batch
    with torch.no_grad():
        net.train()(sample)
    moved_by["residual, before training"].append(moves(net, sample))
ax = viz.curves(moved_by, xlabel="block", ylabel="‖block(x) − x‖ / ‖x‖", ylim=(0, None))
ax.figure.set_size_inches(11, 5.4)
viz.show(
    ax,
    alt=f"How far each block of the {DEEPEST}-layer networks moves its input, relative to the input, with the spread "
    "over seeds: "
    + ", ".join(f"{name} {np.median(v):.2f} in the middle" for name, v in moved_by.items())
    + ".",
)
own, other = np.array(moved_by["residual, trained"]), np.array(moved_by["plain, trained"])
verdict(
    np.median(own[:, 1:]) < np.median(other[:, 1:]),
    "residual blocks stay closer to the identity than plain ones",
    f"median {np.median(own[:, 1:]):.2f} against {np.median(other[:, 1:]):.2f}",
)
untrained = np.array(moved_by["residual, before training"])
verdict(np.median(own[:, 1:]) < 0.5, "they change x by less than half", f"{np.median(own[:, 1:]):.2f} of x")
verdict(
    np.median(own[:, 1:]) < 0.8 * np.median(untrained[:, 1:]),
    "training made the changes small",
    f"median {np.median(untrained[:, 1:]):.2f} before, {np.median(own[:, 1:]):.2f} after",
)

# %% [markdown] slide="notes" facts="04-residual-small-fluctuations 04-resnet-over-100"
# Compare with the line *before training*. Norms give every F the same size at the start, and x grows with each addition: so later
# blocks move it less and less *without having learned anything*. What is small by design is no evidence of what training wants.
# "Driven to learn something different" is not measured by this, and we know of no small experiment that would.

# %% [markdown] slide="slide" facts="04-resnet-over-100 04-hypothesis-optimization"
# # 12. What reaches the first block?
#
# Before any training: send the loss's gradient back through the network and note its length at each block.
#
# - **plain**: a product of one matrix for each layer
# - **residual**: $\partial H / \partial x = F'(x) + 1$, a sum with a straight way through
# - **residual, last γ = 0**: at the start *nothing but* the straight way
#
# Which curve is flat?


# %% slide="fragment" facts="04-resnet-over-100"
def arriving(net, images, labels):
    """Length of the loss's gradient at the input of each block, and at the scale γ of its last norm."""
    inputs = []

    def note(block, arguments):
        arguments[0].retain_grad()
        inputs.append(arguments[0])

    hooks = [block.register_forward_pre_hook(note) for block in degradation.blocks(net)]
    F.cross_entropy(net.train()(images), labels).backward()
    for hook in hooks:
        hook.remove()
    scales = [block.residual[-1].norm.weight.grad.norm().item() for block in degradation.blocks(net)]
    return [x.grad.norm().item() for x in inputs], scales


grey_test = data.load("fashion_mini", split="test", subset=128)
starts = {
    "residual": {"kind": "residual"},
    "plain": {"kind": "plain"},
    "residual, last γ = 0": {"kind": "residual", "zero_init": True},
}
at_inputs, at_scales = ({name: [] for name in starts} for _ in range(2))
for name, options in starts.items():
    for seed in DEEP_SEEDS:
        coursekit.seed_everything(seed)
        lengths, scales = arriving(degradation.network(depth=56, **options), *grey_test[:2])
        at_inputs[name].append(lengths)
        at_scales[name].append(scales)
figure, (left, right) = plt.subplots(1, 2, figsize=(15, 5.4))
viz.curves(at_inputs, xlabel="block", ylabel="gradient at its input", yscale="log", ax=left)
viz.curves(at_scales, xlabel="block", ylabel="gradient of its last scale γ", yscale="log", ax=right)
right.get_legend().remove()
ratios = {name: np.array(v)[:, 0] / np.array(v)[:, -1] for name, v in at_inputs.items()}
viz.show(
    figure,
    alt="Length of the gradient at each of 27 blocks of networks of 56 layers at initialization, on logarithmic axes. "
    "First block over last block: "
    + ", ".join(f"{name} {ratio.mean():.2g}" for name, ratio in ratios.items())
    + ".",
)
for name, ratio in ratios.items():
    print(
        f"{name:22} first block / last block: {ratio.mean():8.2f}   ({ratio.min():.2f} to {ratio.max():.2f})"
    )
assert ratios["residual, last γ = 0"].max() < 3 and ratios["residual, last γ = 0"].min() > 0.3

# %% [markdown] slide="notes" facts="04-hypothesis-optimization"
# With batch norm in every layer plain gradients do not vanish; the paper says so too, and it is why it calls the cause an
# open question. What the curve of the plain network shows is that blocks get gradients of very different size, so no one
# learning rate suits all. With γ = 0 each block *is* its shortcut and the gradient arrives as it left; only γ itself moves in
# the first step (right), and with it the rest wakes up. `create_model("resnet50", zero_init_residual=True)` starts like this.

# %% [markdown] slide="subslide"
# ## How much of x must come through?
#
# Scale the shortcut: $H(x) = F(x) + \alpha x$. Depth and α are yours. When does the curve tilt?


# %% slide="fragment" facts="04-resnet-over-100"
class Scaled(nn.Module):
    """α times its input."""

    def __init__(self, alpha):
        super().__init__()
        self.alpha = alpha

    def forward(self, x):
        return self.alpha * x


def weakened(layers=56, alpha=0.5):
    """Gradient at the input of each block at initialization, the shortcut times alpha, beside 0 and 1."""
    lines = {}
    for strength in dict.fromkeys((1.0, 0.0, alpha)):
        lines[f"α = {strength:g}"] = []
        for seed in (0, 1):
            coursekit.seed_everything(seed)
            net = degradation.network("residual", layers)
            for block in degradation.blocks(net):
                block.shortcut = Scaled(strength)
            lines[f"α = {strength:g}"].append(arriving(net, *grey_test[:2])[0])
    ax = viz.curves(
        lines, xlabel="block", ylabel="gradient at its input", yscale="log", title=f"{layers} layers"
    )
    ax.figure.set_size_inches(10, 5)
    return ax


lecture.explore(
    weakened,
    layers=(8, 104, 8),
    alpha=(0.0, 1.5, 0.1),
    alt=lambda layers, alpha: (
        f"Gradient at the input of each block of a network of {layers} layers at initialization, the shortcut scaled by "
        f"0, {alpha:g} and 1, on a logarithmic axis."
    ),
)

# %% [markdown] slide="slide" facts="04-loss-surface 04-cite-loss-surface"
# # 13. The shape of the loss
#
# Walk away from a trained network along two random directions and note the loss. To compare two networks, the steps
# must mean the same in both: each **filter** of a direction gets the length of the network's own filter
# (Li et al.). The slides show 56 layers: rough without shortcuts, smooth with them.
#
# **Erratum.** For that paper the slide says ICLR 2018; it appeared at NeurIPS 2018.

# %% slide="fragment" facts="04-loss-surface"
places = torch.linspace(-1, 1, deep.grid)
seen = [part[: deep.grid_images].to(coursekit.device()) for part in deep_images[:2]]
own_surfaces = {}
for kind in degradation.KINDS:
    net = deep_nets[kind, DEEPEST, 0]
    across, up = (loss_surface.direction(net, seed) for seed in (0, 1))
    own_surfaces[f"{kind}, {DEEPEST} layers"] = loss_surface.losses(net, across, up, places, *seen)
SURFACE_LINES = np.geomspace(0.25, 16, 13)
viz.show(
    viz.contours(
        own_surfaces, steps=places, label="loss (nats)", levels=SURFACE_LINES, title="this run", log=True
    ),
    alt="Contours of the training loss around the plain and the residual network of this run, on one colour scale: "
    + ", ".join(
        f"{name}: {grid[deep.grid // 2, deep.grid // 2]:.2f} in the middle, up to {grid.max():.1f}"
        for name, grid in own_surfaces.items()
    )
    + ".",
)

# %% [markdown] slide="subslide" facts="04-loss-surface"
# ## The same around networks that were trained longer
#
# The plain network above has hardly left its start, so its surface says little. Here are the two networks of 56 layers
# of the stored run, on a finer grid.

# %% slide="fragment" facts="04-loss-surface"
stored_surface = results.read("loss_surface")
size = stored_surface["setting"]["depth"]
around = {
    f"{kind}, {size} layers": torch.tensor(stored_surface[kind], dtype=torch.float64)
    for kind in degradation.KINDS
}
middle = len(stored_surface["steps"]) // 2
viz.show(
    viz.contours(
        around,
        steps=stored_surface["steps"],
        label="loss (nats)",
        levels=SURFACE_LINES,
        title="stored run",
        log=True,
    ),
    alt="Contours of the training loss around the stored plain and residual networks, on one colour scale: "
    + ", ".join(
        f"{name}: {grid[middle, middle]:.2f} in the middle, {loss_surface.local_minima(grid)} local minima"
        for name, grid in around.items()
    )
    + ".",
)
print(results.provenance(stored_surface))


def steepest(grid, below=4.0):
    """How many times higher the next point is, at most, next to points with a loss under `below`."""
    rises = []
    for dim in (0, 1):
        first, second = (grid.narrow(dim, start, grid.shape[dim] - 1) for start in (0, 1))
        low, high = torch.minimum(first, second), torch.maximum(first, second)
        rises.append((high / low)[low < below])
    return torch.cat(rises).max().item()


minima = {name: loss_surface.local_minima(grid) for name, grid in around.items()}
cliffs = {name: steepest(grid) for name, grid in around.items()}
plain_name, residual_name = around
verdict(
    minima[plain_name] > minima[residual_name],
    "without shortcuts the surface is rough: more local minima",
    f"{minima[plain_name]} against {minima[residual_name]}",
)
verdict(
    cliffs[plain_name] > 2 * cliffs[residual_name],
    "without shortcuts it has cliffs: from one point to the next the loss multiplies",
    f"by up to {cliffs[plain_name]:.0f} against {cliffs[residual_name]:.1f}",
)

# %% [markdown] slide="notes" facts="04-loss-surface"
# Around the residual network: a bowl, round and even. Around the plain one: a plateau not far below guessing
# (2.3 nats), and then cliffs. That is another kind of rough than the many peaks in the paper's picture, which is of a plain network of 56
# layers trained for 300 epochs, and it is one pair of networks and one pair of directions: a picture, not a proof.

# %% [markdown] slide="slide" facts="04-resnet18-depth 04-resnet34-depth 04-resnet50-depth 04-resnet101-depth 04-resnet152-depth 04-resnet-head 04-resnet-two-3x3"
# # 14. The family
#
# 7 × 7 convolution and pooling to 56 × 56; four stages of blocks; average pooling, one fully connected layer of 1000,
# softmax. The first block of conv3_x to conv5_x halves the map and doubles the channels. The numbers of blocks are the name:
# ResNet-34 = 1 + 2 · (3 + 4 + 6 + 3) + 1. **What is ResNet-50, with three layers in a block?**


# %% slide="fragment" keep=true facts="04-resnet18-depth 04-resnet18-blocks 04-resnet34-depth 04-resnet34-blocks 04-resnet50-depth 04-resnet50-blocks 04-resnet101-depth 04-resnet101-blocks 04-resnet152-depth 04-resnet152-blocks 04-resnet-bottleneck-widths 04-resnet-two-3x3 04-resnet-head 04-conv-layers-resnet50 04-conv-layers-resnet152 04-conv-layers-vgg16 04-depth-names 04-depth-history"
FAMILY = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
STAGES = ("conv2_x", "conv3_x", "conv4_x", "conv5_x")


def weight_layers(net):
    """Convolutions and fully connected layers, those of shortcuts left out."""
    names = [
        n for n, m in net.named_modules() if isinstance(m, nn.Conv2d | nn.Linear) and "shortcut" not in n
    ]
    return names, [n for n in names if isinstance(net.get_submodule(n), nn.Conv2d)]


family = {name: on_meta(name) for name in FAMILY}
print(
    "network     blocks           layers  convolutions  channels behind the stages  parameters   multiply-adds"
)
for name, net in family.items():
    counts = [len(net.get_submodule(stage)) for stage in STAGES]
    widths = [net.get_submodule(stage)[-1].residual[-1].conv.out_channels for stage in STAGES]
    all_layers, convolutions = weight_layers(net)
    counted = flops.profile(net, (3, 224, 224))
    print(
        f"{name:10}  {counts!s:15}  {len(all_layers):6}  {len(convolutions):12}  {widths!s:26}  "
        f"{counted.params:10,}  {counted.macs:14,}"
    )
fifty = family["resnet50"]
print("head:", type(fifty.avgpool).__name__, "then a linear layer of", fifty.fc.out_features)
halving = [family["resnet18"].get_submodule(stage)[0].residual[0].conv for stage in STAGES]
print(
    "first blocks of resnet18 (stride, channels):",
    [(c.stride[0], c.in_channels, c.out_channels) for c in halving],
)
for name in ("alexnet", "vgg16", "vgg19"):
    all_layers, convolutions = weight_layers(on_meta(name))
    print(
        f"{name:8} {len(all_layers)} layers with weights, {len(all_layers) - 1} of them hidden, "
        f"{len(convolutions)} convolutions"
    )

# %% [markdown] slide="fragment" facts="04-conv-layers-resnet152 04-conv-layers-resnet50 04-conv-layers-vgg16"
# **Errata.** A chart counts *convolutional* layers: the slide says 152, 50 and 16. Those are layers *with weights*.
# Convolutions are 151 (ResNet-152), 49 (ResNet-50) and 13 (VGG-16); the others are fully connected.

# %% slide="subslide" facts="04-resnet18-blocks 04-resnet34-blocks 04-resnet50-blocks 04-resnet101-blocks 04-resnet152-blocks"
figure, ax = plt.subplots(figsize=(14, 5.2))
for place, net in enumerate(family.values()):
    start = 0
    parts = [("conv1", 1)] + [
        (stage, sum(map(len, (b.residual for b in net.get_submodule(stage))))) for stage in STAGES
    ]
    for (part, count), colour in zip(
        [*parts, ("fc", 1)], ("#000000", *viz.COLOURS[:2], *viz.COLOURS[2:4], "#000000"), strict=True
    ):
        ax.barh(place, count, left=start, color=colour, edgecolor="white", label=part if place == 0 else None)
        if count > 3:
            ax.text(
                start + count / 2, place, count, ha="center", va="center", color="white", fontweight="bold"
            )
        start += count
ax.set_yticks(range(len(FAMILY)), FAMILY)
ax.invert_yaxis()
ax.set(xlabel="layers with weights", xlim=(0, 155))
ax.legend(ncols=6, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
viz.show(
    figure,
    alt="The five networks as bars of layers, coloured by stage. The longer ones grow almost only in the stage conv4_x: "
    "ResNet-50 has 18 layers there, ResNet-101 69 and ResNet-152 108.",
)

# %% [markdown] slide="subslide" facts="04-resnet50-depth"
# ## Which ResNet-50?
#
# The paper halves the map in a bottleneck's **first 1 × 1**; torchvision, and most code since, in the **3 × 3** ("v1.5"): better
# by about half a point, and dearer. The slides' 3.8 billion multiply-adds are the paper's.

# %% slide="fragment" keep=true facts="04-resnet50-depth 04-resnet18-top1 04-resnet34-top1 04-resnet50-top1 04-resnet101-top1 04-resnet152-top1"
for name in FAMILY:
    print(
        f"{name:10} stride in the 3x3: {flops.profile(family[name], (3, 224, 224)).macs / 1e9:6.3f} G", end=""
    )
    if name in FAMILY[2:]:
        as_printed = flops.profile(on_meta(name, stride_in_1x1=True), (3, 224, 224))
        print(f"   in the 1x1: {as_printed.macs / 1e9:6.3f} G", end="")
    else:
        print(" " * 23, end="")
    print(f"   ImageNet top-1 {models.card(name).lecture.top1:.3f} %")

# %% [markdown] slide="slide" facts="04-basic-block-flops 04-bottleneck-block-flops 04-more-layers-less-cost 04-1x1-reduce"
# # 15. Bottleneck: three layers for the price of two
#
# **Basic**, $C$ channels: two 3 × 3 from $C$ to $C$. Multiply-adds: $9 + 9 = 18\; HWC^2$.
#
# **Bottleneck**, $4C$ channels outside: 1 × 1 down to $C$, 3 × 3 among $C$, 1 × 1 back up to $4C$. Work it out before you go on.

# %% slide="fragment" facts="04-more-layers-less-cost 04-1x1-reduce"
viz.show(
    viz.blocks(
        {
            "basic": viz.Block(
                branch=("3×3, C to C", "norm, ReLU", "3×3, C to C", "norm"),
                after=("ReLU",),
                shortcut="C channels",
            ),
            "bottleneck": viz.Block(
                branch=("1×1, 4C to C", "norm, ReLU", "3×3, C to C", "norm, ReLU", "1×1, C to 4C", "norm"),
                after=("ReLU",),
                shortcut="4C channels",
            ),
        }
    ),
    alt="Two residual blocks. Basic: two 3 by 3 convolutions among C channels. Bottleneck: a 1 by 1 convolution from 4C "
    "to C channels, a 3 by 3 among C, a 1 by 1 back to 4C; its shortcut carries 4C channels.",
)

# %% slide="fragment" keep=true facts="04-basic-block-flops 04-bottleneck-block-flops 04-more-layers-less-cost"
print("   C  map      basic: / HWC²   bottleneck: / HWC²   bottleneck, layer by layer")
for c, side in ((64, 56), (128, 28), (256, 14), (512, 7)):
    with torch.device("meta"):
        pair = BasicBlock(c, c), Bottleneck(4 * c, c)
    basic, bottleneck = (flops.profile(b, (b.residual[0].conv.in_channels, side, side)) for b in pair)
    unit = side * side * c * c
    parts = [row.macs // unit for row in bottleneck.rows if row.macs]
    print(
        f"{c:4}  {side}x{side:<4} {basic.macs / unit:12.0f} {bottleneck.macs / unit:19.0f}"
        f"                  {' + '.join(map(str, parts))}"
    )
    assert basic.macs == 18 * unit and bottleneck.macs == 17 * unit

# %% [markdown] slide="fragment" facts="04-more-layers-less-cost"
# $4 + 9 + 4 = 17\; HWC^2$: one layer more, four times as many channels for the next block to read, and cheaper. **Counted.**
# Is it also faster? Multiply-adds are not time.

# %% slide="fragment" facts="04-more-layers-less-cost"
rows = {
    "layers with weights": [],
    "multiply-adds": [],
    "parameters": [],
    "time, one image": [],
    "memory at the peak": [],
}
for c, side in ((64, 56), (128, 28), (256, 14), (512, 7)):
    measured = []
    for made in (BasicBlock(c, c), Bottleneck(4 * c, c)):
        made.eval()
        c_in = made.residual[0].conv.in_channels
        image = torch.rand(1, c_in, side, side)
        counted = flops.profile(made, (c_in, side, side))
        measured.append(
            (
                len(weight_layers(made)[0]),
                counted.macs,
                counted.params,
                probe.latency(made, image, repeats=15).median,
                probe.memory(made, image),
            )
        )
    for row, first, second in zip(rows.values(), *measured, strict=True):
        row.append(second / first)
ax = viz.heatmap(
    list(rows.values()),
    rows=list(rows),
    columns=("conv2_x", "conv3_x", "conv4_x", "conv5_x"),
    xlabel="stage",
    ylabel="",
    label="bottleneck / basic",
)
viz.show(
    ax,
    alt="Bottleneck over basic block in the four stages. Layers 1.5, multiply-adds 0.94, parameters about 0.95; time "
    + ", ".join(f"{v:.2f}" for v in rows["time, one image"])
    + "; memory "
    + ", ".join(f"{v:.2f}" for v in rows["memory at the peak"])
    + ".",
)
verdict(
    max(rows["multiply-adds"]) < 1,
    "more layers at less cost, counted in multiply-adds",
    f"{rows['multiply-adds'][0]:.2f} of the basic block's",
)
verdict(
    max(rows["time, one image"]) < 1,
    "more layers at less cost, measured in time on this machine",
    " ".join(f"{v:.2f}" for v in rows["time, one image"]),
)

# %% [markdown] slide="notes" facts="04-more-layers-less-cost 04-1x1-reduce"
# Where the map is large, the four times wider tensors have to be read and written, normalized and added, and none of that is a
# multiply-add. So the block that counts less can take longer and needs more memory; how much depends on the machine.
# The 1 × 1 convolution is the same trick as in the Inception module: reduce, do the dear thing, expand.

# %% [markdown] slide="slide" facts="04-inception-v4 04-summary-bigger-better"
# # 16. What was made of it
#
# | network | what changes | what stays |
# | --- | --- | --- |
# | **pre-activation** (2016) | norm and ReLU *before* each convolution, nothing after the addition | $x_L = x_l + \sum F$: a clean way from end to end |
# | **wide** (2016) | the middle of each block is twice as wide | depth 50 |
# | **ResNeXt** (2017) | the middle is 32 paths: a grouped 3 × 3 | cost |
# | **Inception-ResNet** (2016; Inception-v4, of the same paper, has no shortcuts) | $F$ is an Inception module | $+\,x$ |
# | **DenseNet** (2017) | $[x, F(x)]$: appended, not added | the way round |
# | **SE-ResNet** (2018) | channels are weighed before the addition | all else |

# %% slide="fragment" facts="04-summary-bigger-better"
viz.show(
    viz.blocks(
        {
            "ResNet": viz.Block(
                branch=("1×1, 256 to 64", "3×3, 64", "1×1, 64 to 256"), after=("ReLU",), shortcut="x"
            ),
            "pre-activation": viz.Block(
                branch=(
                    "norm, ReLU",
                    "1×1, 256 to 64",
                    "norm, ReLU",
                    "3×3, 64",
                    "norm, ReLU",
                    "1×1, 64 to 256",
                ),
                shortcut="x, to the very end",
            ),
            "wide": viz.Block(
                branch=("1×1, 256 to 128", "3×3, 128", "1×1, 128 to 256"), after=("ReLU",), shortcut="x"
            ),
            "ResNeXt": viz.Block(
                branch=("1×1, 256 to 128", "3×3, 32 groups", "1×1, 128 to 256"), after=("ReLU",), shortcut="x"
            ),
            "SE": viz.Block(
                branch=("1×1, 256 to 64", "3×3, 64", "1×1, 64 to 256", "weigh channels"),
                after=("ReLU",),
                shortcut="x",
            ),
        }
    ),
    alt="Five bottleneck blocks. ResNet with ReLU behind the addition; pre-activation with norm and ReLU before each "
    "convolution and nothing behind the addition; wide with 128 channels in the middle; ResNeXt with 128 channels in 32 "
    "groups; SE with a weighing of channels before the addition. Norms are left out except in pre-activation.",
)

# %% slide="fragment" keep=true facts="04-summary-bigger-better"
print("network             parameters   multiply-adds   of ResNet-50")
for name in (
    "resnet50",
    "preact_resnet50",
    "wide_resnet50_2",
    "resnext50_32x4d",
    "se_resnet50",
    "densenet121",
):
    counted = flops.profile(on_meta(name), (3, 224, 224))
    print(
        f"{name:18} {counted.params:11,} {counted.macs:15,} {counted.macs / flops.profile('resnet50').macs:11.2f}"
    )

# %% [markdown] slide="subslide" facts="04-tv-wide-resnet50-2-v1-acc 04-tv-densenet121-v1-acc"
# ## torchvision's table
#
# Counted here; the accuracies are those that torchvision ships with its weights, one crop, not measured again.
# **V2 is the same network as V1, trained longer and better.** Look at the gap.

# %% slide="fragment" keep=true facts="04-tv-alexnet-v1-params-m 04-tv-alexnet-v1-acc 04-tv-densenet121-v1-params-m 04-tv-densenet121-v1-acc 04-tv-densenet161-v1-params-m 04-tv-densenet161-v1-acc 04-tv-densenet169-v1-params-m 04-tv-densenet169-v1-acc 04-tv-densenet201-v1-params-m 04-tv-densenet201-v1-acc 04-tv-wide-resnet101-2-v1-params-m 04-tv-wide-resnet101-2-v1-acc 04-tv-wide-resnet101-2-v2-params-m 04-tv-wide-resnet101-2-v2-acc 04-tv-wide-resnet50-2-v1-params-m 04-tv-wide-resnet50-2-v1-acc 04-tv-wide-resnet50-2-v2-params-m 04-tv-wide-resnet50-2-v2-acc 04-depth-is-key"
print("network             weights  parameters (M)    top-1    top-5")
for name in (
    "alexnet",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "wide_resnet101_2",
    "wide_resnet50_2",
    "resnet152",
):
    millions = sum(p.numel() for p in on_meta(name).parameters()) / 1e6
    for weights in get_model_weights(name):
        score = weights.meta["_metrics"]["ImageNet-1K"]
        print(
            f"{name:18}  {weights.name[-2:]:7}  {millions:14.6f}  {score['acc@1']:7.3f}  {score['acc@5']:7.3f}"
        )

# %% [markdown] slide="slide" facts="04-cite-canziani 04-complexity-vgg-highest 04-since-alexnet-params"
# # 17. Accuracy against cost
#
# Canziani et al. (2017) drew this chart first. Up is better, left is cheaper, small is light.
# Before you look: **where is VGG? Where is AlexNet?**

# %% slide="fragment" facts="04-cite-canziani 04-complexity-vgg-highest 04-summary-bigger-better"
CHART = (
    "alexnet", "vgg16", "googlenet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
    "wide_resnet50_2", "resnext50_32x4d", "se_resnet50", "densenet121", "densenet161",
)  # fmt: skip
googlenet_top1 = get_model_weights("googlenet").IMAGENET1K_V1.meta["_metrics"]["ImageNet-1K"]["acc@1"]
compared = {name: name for name in CHART} | {"googlenet": on_meta("googlenet", aux=False)}
chart = flops.compare(compared, accuracy={"googlenet": googlenet_top1}, input_size=(3, 224, 224))
viz.show(chart.plot(), alt=chart.alt)

# %% [markdown] slide="fragment" facts="04-complexity-vgg-highest"
# The slides read it so: VGG costs most, AlexNet has few operations and many parameters, GoogLeNet is efficient, ResNet is in
# the middle and accurate. **Holds** for parameters and multiply-adds. If *memory* means the layers' outputs, ResNet-152
# needs more than VGG-16: the next count has both.

# %% [markdown] slide="subslide" facts="04-params-about-same 04-resnet101-vs-vgg16 04-since-alexnet-params 04-fewer-channels-reason"
# ## Five sentences from the slides
#
# 1. Since AlexNet parameters are used better: no fully connected layers, smaller kernels.
# 2. The number of parameters is about the same (over the networks of the chart).
# 3. 101 layers of ResNet have the same size and speed as 16 layers of VGG ...
# 4. ... because they have far fewer channels, and the gain is quadratic.
# 5. Three times more accurate and five times slower in three years.
#
# **Which of them survive a count?**

# %% slide="fragment" keep=true facts="04-complexity-vgg-highest 04-since-alexnet-params 04-params-about-same 04-resnet101-vs-vgg16 04-fewer-channels-reason 04-3x-more-accurate 04-5x-slower"
cost = {
    n: flops.profile(on_meta(n, aux=False) if n == "googlenet" else n, (3, 224, 224))
    for n in ("alexnet", "vgg16", "googlenet", "resnet18", "resnet50", "resnet101", "resnet152")
}
print("1. parameters, and how many of them in fully connected layers")
for name, counted in cost.items():
    linear = sum(row.params for row in counted.rows if row.kind == "linear")
    print(
        f"   {name:10} {counted.params / 1e6:6.1f} M  {linear / counted.params:4.0%}   {counted.macs / 1e9:5.2f} G multiply-adds"
        f"  {counted.activation_bytes / 2**20:5.1f} MiB of outputs"
    )
share = {name: counted.params / cost["alexnet"].params for name, counted in cost.items()}
print(
    f"2. AlexNet : VGG-16 : ResNet-50 : ResNet-152 = 1 : {share['vgg16']:.2f} : {share['resnet50']:.2f} : {share['resnet152']:.2f};",
    end="",
)
print(f" most over fewest {cost['vgg16'].params / cost['resnet50'].params:.2f}")
print(
    f"3. VGG-16 over ResNet-101: parameters {cost['vgg16'].params / cost['resnet101'].params:.2f}, "
    f"multiply-adds {cost['vgg16'].macs / 7.6e9:.2f} by the slides' 7.6 G, "
    f"{cost['vgg16'].macs / cost['resnet101'].macs:.2f} with the stride in the 3x3"
)
at_56 = {
    "vgg16": 9 * 128 * 256 + 2 * 9 * 256 * 256,
    "resnet101": sum(
        row.params for row in cost["resnet101"].rows if row.kind == "conv" and "conv2_x" in row.name
    ),
}
print(
    f"4. weights of the convolutions at 56x56: VGG-16 {at_56['vgg16']:,}, ResNet-101 {at_56['resnet101']:,}"
)
top5 = {
    n: 100 - get_model_weights(n).IMAGENET1K_V1.meta["_metrics"]["ImageNet-1K"]["acc@5"]
    for n in ("alexnet", "resnet152")
}
print(
    f"5. top-5 error: {top5['alexnet'] / top5['resnet152']:.2f} times lower by torchvision's weights, "
    f"{16.4 / 3.57:.2f} by the competition; multiply-adds: {cost['resnet152'].macs / cost['alexnet'].macs:.1f} times more"
)

# %% [markdown] slide="fragment" facts="04-resnet101-vs-vgg16 04-params-about-same 04-since-alexnet-params 04-3x-more-accurate 04-complexity-vgg-highest"
# 1. **Holds, VGG apart.** AlexNet keeps nine tenths of its parameters in fully connected layers, a ResNet almost none.
# 2. **Erratum.** Of the number of parameters the slide says that it is about the same: true of AlexNet (61.1 M) and ResNet-152 (60.2 M)
#    only. VGG-16 has 138.4 M, ResNet-50 25.6 M; the most are 5.41 times the fewest.
# 3. **Erratum.** Here the slide says "the same size and speed", 1 to 1. Count it yourself: VGG-16 has 3.11 times the parameters and
#    2.04 times the multiply-adds of ResNet-101. Measured speed is another matter: next cell.
# 4. **Holds.** Half the channels, a quarter of the weights: at 56 × 56 ResNet-101 has a seventh of VGG-16's.
# 5. **More accurate: at least three times.** Slower: by 16 times in multiply-adds; measured it depends on the machine.

# %% slide="fragment" facts="04-5x-slower 04-resnet101-vs-vgg16"
photograph = torch.rand(1, 3, 224, 224)
times = {}
for name in ("alexnet", "vgg16", "resnet101", "resnet152"):
    net = on_meta(name).to_empty(device="cpu").eval()
    for tensor in net.state_dict().values():
        tensor.zero_()  # time does not depend on the numbers
    times[name] = probe.latency(net, photograph, repeats=2, warmup=1).median
    del net
ax = viz.bars(
    {name: 1000 * t for name, t in times.items()}, ylabel="time for one image on this machine (ms)", digits=0
)
viz.show(
    ax,
    alt="Time for one image: " + ", ".join(f"{name} {1000 * t:.0f} ms" for name, t in times.items()) + ".",
)
slower, against_vgg = times["resnet152"] / times["alexnet"], times["resnet101"] / times["vgg16"]
verdict(3 < slower < 8, "ResNet-152 is about five times slower than AlexNet, here", f"{slower:.0f} times")
verdict(0.75 < against_vgg < 1.33, "ResNet-101 is as fast as VGG-16, here", f"{against_vgg:.2f} of its time")

# %% [markdown] slide="slide" facts="04-more-layers-better 04-deeper-resnets-better 04-how-deep-question 04-depth-is-key"
# # 18. Are more layers better?
#
# The slides: *more layers means better performance*; *deeper ResNets have lower training and lower test error*. And they
# ask: **how deep is enough?** First the numbers of this run, with their spread, then the stored ones.

# %% slide="fragment" facts="04-more-layers-better 04-deeper-resnets-better 04-how-deep-question 04-deep-resnets-train"
figure, panels = plt.subplots(1, 2, figsize=(14, 5.2))
for ax, runs, title in zip(panels, (deep_runs, longer.runs), ("this run", "stored run"), strict=True):
    tests = degradation.by_network(runs, lambda run: 1 - run.test_error)
    sizes = sorted({size for _, size in tests})
    viz.curves(
        {kind: np.transpose([tests[kind, size] for size in sizes]) for kind in KIND_COLOURS},
        x=sizes,
        xlabel="layers",
        ylabel="test accuracy (%)",
        percent=True,
        title=title,
        ax=ax,
    )
    ax.set_xticks(sizes)
viz.show(
    figure,
    alt="Test accuracy against depth, plain and residual, with the spread over seeds, in this run and in the stored one: "
    + "; ".join(f"{kind} {size} {range_of([1 - e for e in v], 0)}" for (kind, size), v in long_test.items())
    + " in the stored run.",
)
for name, runs in (("this run", deep_runs), ("stored", longer.runs)):
    tests, trains = (
        degradation.by_network(runs, value) for value in (lambda r: r.test_error, lambda r: r.train_error[-1])
    )
    sizes = sorted({size for _, size in tests})
    for what, table in (("training", trains), ("test", tests)):
        first, last = table["residual", sizes[0]], table["residual", sizes[-1]]
        verdict(
            max(last) < min(first),
            f"{name}: residual, {sizes[-1]} layers have a lower {what} error than {sizes[0]}, in every seed",
            f"{range_of(last, 0)} against {range_of(first, 0)}",
        )

# %% [markdown] slide="notes" facts="04-more-layers-better 04-depth-is-key 04-how-deep-question 04-summary-bigger-better"
# On ImageNet the family gains with depth: 69.8, 73.3, 76.1, 77.4, 78.3 % with 18, 34, 50, 101, 152 layers, each step smaller than
# the last. But Wide ResNet-50-2 (78.47 %) stands above ResNet-152 (78.31 %) with a third of the layers, and the same ResNet-152
# trained better (V2, above) gains more than from 101 to 152 layers. The paper's own 1,202-layer network for CIFAR-10 has nearly no
# training error and a *worse* test error than the one of 110. Depth is one key; width, training and data are others.

# %% [markdown] slide="fragment" facts="04-summary-bigger-better"
# From AlexNet to VGG to ResNet bigger was better. Then the question changed to **what does it cost?** (next lecture).
# ResNet and ResNeXt are still the baseline that new networks are measured against.

# %% [markdown] slide="slide"
# # 19. Two exam questions
#
# **Question 1** (6 points). A bottleneck takes 256 × 28 × 28 and returns 512 × 14 × 14, with 128 channels inside, stride 2 in
# the 3 × 3, a 1 × 1 convolution on the shortcut, no biases, batch norm behind every convolution. (a) How many parameters has it?
# (b) How many multiply-adds? (c) By how much does (b) change when the stride moves into the first 1 × 1?
#
# **Question 2** (6 points). "My network of 100 plain layers has a test error of 30 %, my network of 20 layers one of 12 %. The deep one
# overfits, so I will add dropout." (a) Which number do you ask for first, and why? (b) Describe weights with which the deep network
# has exactly the training error of the shallow one. (c) Name two changes to the network that help, and a measurement *before any training*
# that would tell you so.

# %% [markdown] slide="notes"
# <details><summary><b>Answers</b></summary>
#
# **Answer 1.** (a) 1 × 1: 256 · 128 = 32,768; 3 × 3: 9 · 128 · 128 = 147,456; 1 × 1: 128 · 512 = 65,536; shortcut: 256 · 512 = 131,072; norms:
# 2 · (128 + 128 + 512 + 512) = 2,560. Together 379,392. (b) The first 1 × 1 runs on 28 × 28, the others on 14 × 14:
# 784 · 32,768 + 196 · (147,456 + 65,536 + 131,072) = 93,126,656. (c) The first 1 × 1 then runs on 14 × 14 as well: 588 · 32,768 = 19,267,584 less.
# The cell below counts it.
#
# **Answer 2.** (a) The *training* error: if it is high too, the network underfits, and dropout makes it worse. (b) The first layers
# are the shallow network's; the others are identities: kernels with a single 1 in the middle channel by channel, norms that undo
# themselves; ReLU keeps what is not negative. (c) Shortcuts; batch norm; starting with the last γ at zero. Measure the gradient's length at the
# input of each block at initialization: flat is good, a slope over many powers of ten is not.
#
# </details>

# %% slide="notes" keep=true
for first in (False, True):
    exam_block = Bottleneck(256, 128, stride=2, stride_in_1x1=first)
    counted = flops.profile(exam_block, (256, 28, 28))
    print(
        f"stride in the {'1x1' if first else '3x3'}: {counted.params:,} parameters, {counted.macs:,} multiply-adds"
    )

# %% [markdown] slide="slide" facts="04-residual-formula 04-deep-resnets-train"
# # What you saw
#
# - Deep plain networks **underfit**: look at the training error first.
# - They *could* do as well as shallow ones, by construction. Training does not find it.
# - $H(x) = F(x) + x$ makes "do nothing" the easy thing. With the last γ at 0 every block starts with the same gradient.
# - A bottleneck counts less than a basic block; what it *costs* is measured, not counted.
# - "More layers are better" is true of training, of ImageNet and of 2015. Elsewhere look at the spread.
#
# Next: `04_resnet`, where you build all of it and load weights that others have trained.

# %% [markdown] slide="slide" facts="04-cite-loss-surface 04-cite-canziani"
# # What to read next
#
# - K. He, X. Zhang, S. Ren, J. Sun: *Deep residual learning for image recognition*, CVPR 2016. Sections 3 and 4.2; figure 7 measures $F$.
# - K. He, X. Zhang, S. Ren, J. Sun: *Identity mappings in deep residual networks*, ECCV 2016. The slider above is its table 1.
# - H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein: *Visualizing the loss landscape of neural nets*, NeurIPS 2018.
# - A. Veit, M. Wilber, S. Belongie: *Residual networks behave like ensembles of relatively shallow networks*, NIPS 2016. Another reading of the same sum.
# - S. Zagoruyko, N. Komodakis: *Wide residual networks*, BMVC 2016. Against depth.
# - S. Xie, R. Girshick, P. Dollár, Z. Tu, K. He: *Aggregated residual transformations for deep neural networks*, CVPR 2017.
# - G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger: *Densely connected convolutional networks*, CVPR 2017.
# - A. Canziani, A. Paszke, E. Culurciello: *An analysis of deep neural network models for practical applications*, arXiv 1605.07678, 2016.
# - P. Goyal et al.: *Accurate, large minibatch SGD*, arXiv 1706.02677, 2017. Section 5.1: the zero γ.
# - R. Wightman, H. Touvron, H. Jégou: *ResNet strikes back*, arXiv 2110.00476, 2021. The same network, trained better.
