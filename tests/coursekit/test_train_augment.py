"""Augmentation: every image gets its own change, found again by looking for it."""

import pytest
import torch
import torch.nn.functional as F

import coursekit
from coursekit.train import Compose, Cutout, RandomCrop, RandomFlip

DEVICE = coursekit.device()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator(DEVICE).manual_seed(seed)


def images(n: int = 300, channels: int = 2, height: int = 6, width: int = 7) -> torch.Tensor:
    """No two pixels are equal, so that each can be found again."""
    return torch.arange(1.0, 1 + n * channels * height * width, device=DEVICE).view(
        n, channels, height, width
    )


EVERY = [
    RandomFlip(),
    RandomCrop(2),
    RandomCrop(2, mode="reflect"),
    Cutout(3),
    Compose(RandomCrop(1), RandomFlip()),
]


@pytest.mark.parametrize("augment", EVERY, ids=str)
def test_it_repeats_with_its_generator_and_leaves_its_argument_alone(augment):
    x = images()
    before = x.clone()
    first, again, other = augment(x, generator()), augment(x, generator()), augment(x, generator(1))
    assert torch.equal(x, before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == x.shape
    assert first.dtype == x.dtype


@pytest.mark.parametrize("augment", EVERY, ids=str)
def test_it_draws_from_no_other_generator(augment):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    augment(images(), generator())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("p", [0.0, 0.2, 1.0])
def test_a_flip_mirrors_its_share_of_the_images_and_nothing_else(p):
    x = images(2000)
    y = RandomFlip(p)(x, generator())
    mirrored = 0
    for before, after in zip(x, y, strict=True):
        flipped = torch.equal(after, before[:, :, range(6, -1, -1)])
        assert flipped or torch.equal(after, before)
        mirrored += flipped
    assert mirrored / 2000 == pytest.approx(p, abs=0.04)


@pytest.mark.parametrize(
    ("mode", "fill"), [("constant", 0.0), ("constant", -3.0), ("reflect", 0.0), ("replicate", 0.0)]
)
def test_a_crop_is_one_of_the_windows_of_the_padded_image_each_as_often(mode, fill):
    padding, n = 2, 1500
    x = images(n)
    y = RandomCrop(padding, mode=mode, fill=fill)(x, generator())
    options = {"value": fill} if mode == "constant" else {}
    found = torch.zeros(5, 5)
    for before, after in zip(x, y, strict=True):
        padded = F.pad(before[None], [padding] * 4, mode=mode, **options)[0]
        hits = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(padded[:, top : top + 6, left : left + 7], after)
        ]
        assert len(hits) == 1
        found[hits[0]] += 1
    assert found.min() > 0.5 * n / 25
    assert found.max() < 1.6 * n / 25


def test_a_crop_without_padding_changes_nothing():
    assert torch.equal(RandomCrop(0)(images(), generator()), images())


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_cutout_hides_a_square_whose_middle_is_in_the_image(size):
    x = images(1200)
    y = Cutout(size, fill=-1.0)(x, generator())
    covered = torch.zeros(6, 7)
    for before, after in zip(x, y, strict=True):
        hidden = after == -1
        assert torch.equal(after[~hidden], before[~hidden])
        assert torch.equal(hidden[0], hidden[1])  # in every channel alike
        rows, columns = hidden[0].any(1).nonzero().flatten(), hidden[0].any(0).nonzero().flatten()
        assert hidden[0].sum() == len(rows) * len(columns)  # one rectangle, not cut up
        for covers, length in ((rows, 6), (columns, 7)):
            assert covers.max() - covers.min() + 1 == len(covers)
            inside = covers.min() > 0 and covers.max() < length - 1
            assert len(covers) == size if inside else (size + 1) // 2 <= len(covers) <= size
        covered += hidden[0].cpu()
    if size == 1:
        assert covered.min() > 10  # 1200 / 42 = 29 each


def test_composed_they_run_in_the_order_given():
    def add(x, generator):
        return x + 1

    def double(x, generator):
        return 2 * x

    x = torch.ones(1, 1, 2, 2, device=DEVICE)
    assert Compose(add, double)(x, generator()).max() == 4
    assert Compose(double, add)(x, generator()).max() == 3


def test_they_print_what_they_do():
    assert repr(Compose(RandomCrop(2, fill=-1.0), Cutout(8))) == (
        "Compose(RandomCrop(padding=2, mode='constant', fill=-1.0), Cutout(size=8, fill=0.0))"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomFlip(2), "p is 2"),
        (lambda: RandomCrop(-1), "padding is -1"),
        (lambda: RandomCrop(2, mode="circular"), "choose one of constant, reflect, replicate"),
        (lambda: RandomCrop(2, mode="reflect", fill=1.0), "fill is 1.0"),
        (lambda: Cutout(-2), "size is -2"),
    ],
)
def test_values_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
