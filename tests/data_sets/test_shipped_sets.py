"""What ships with the package: counts, values, classes, splits, speed."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from coursekit import data
from coursekit.data.imageset import stratified_order

# name, split, number of images, size of one, number of classes
SETS = [
    ("fashion_mini", "train", 6000, (1, 28, 28), 10),
    ("fashion_mini", "test", 1000, (1, 28, 28), 10),
    ("grocery14", "train", 675, (3, 80, 80), 14),
    ("grocery14", "val", 57, (3, 80, 80), 14),
    ("grocery14", "test", 661, (3, 80, 80), 14),
    ("photographs", None, 2, (3, 300, 400), 2),
    ("digits", "train", 1437, (1, 8, 8), 10),
    ("digits", "test", 360, (1, 8, 8), 10),
    ("shapes", "train", 2000, (1, 28, 28), 5),
    ("shapes", "test", 500, (1, 28, 28), 5),
]
SPLIT = [row for row in SETS if row[1]]


@pytest.mark.parametrize(("name", "split", "count", "shape", "classes"), SETS)
def test_a_set_has_the_promised_images_and_labels(name, split, count, shape, classes):
    images, labels, names = data.load(name, split=split)
    assert images.shape == (count, *shape)
    assert images.dtype == torch.float32
    assert images.is_contiguous()
    assert images.min() >= 0
    assert 0.9 < images.max() <= 1
    assert labels.dtype == torch.int64
    assert labels.shape == (count,)
    assert len(names) == len(set(names)) == classes
    assert 0 <= labels.min() <= labels.max() < classes


def test_the_names_are_known_and_the_default_split_is_train():
    assert {row[0] for row in SETS} | {"fashion_mnist", "mnist", "cifar10"} == set(data.names())
    for name in ("fashion_mini", "grocery14", "digits", "shapes"):
        default, train = data.load(name), data.load(name, split="train")
        assert torch.equal(default.images, train.images)
        assert torch.equal(default.labels, train.labels)


@pytest.mark.parametrize(("split", "each"), [("train", 600), ("test", 100)])
def test_fashion_mini_has_as_many_images_of_each_class(split, each):
    assert data.load("fashion_mini", split=split).labels.bincount().tolist() == [each] * 10


def test_grocery14_keeps_the_official_split():
    counts = {
        s: data.load("grocery14", split=s).labels.bincount(minlength=14).tolist()
        for s in ("train", "val", "test")
    }
    # Counted in the original lists, duplicates dropped.
    assert counts["train"] == [45, 59, 59, 50, 65, 39, 33, 36, 46, 57, 41, 45, 30, 70]
    assert counts["val"] == [6, 6, 5, 0, 5, 6, 5, 4, 5, 5, 0, 5, 0, 5]
    assert counts["test"] == [45, 58, 59, 50, 64, 39, 32, 36, 46, 56, 35, 44, 29, 68]


def test_grocery14_shows_the_fruit_its_labels_name():
    images, labels, classes = data.load("grocery14")
    red, green, blue = images.mean(dim=(2, 3)).T

    def mean_of(channel, name):
        return channel[labels == classes.index(name)].mean()

    assert mean_of(red - green, "Red-Delicious") > 0.1 > mean_of(red - green, "Granny-Smith")
    assert mean_of(green - blue, "Orange") > mean_of(green - blue, "Watermelon")


@pytest.mark.parametrize("name", ["fashion_mini", "grocery14", "digits"])
def test_no_image_is_in_two_splits_or_twice_in_one(name):
    splits = {row[1] for row in SETS if row[0] == name}
    images = torch.cat([data.load(name, split=split).images for split in splits]).flatten(1)
    assert len(np.unique(images.numpy(), axis=0)) == len(images)


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    theirs = load_digits()
    parts = [data.load("digits", split=split) for split in ("train", "test")]
    ours = torch.cat([torch.cat([p.images.flatten(1) * 16, p.labels[:, None].float()], dim=1) for p in parts])
    expected = np.column_stack([theirs.data, theirs.target])
    assert sorted(map(tuple, ours.tolist())) == sorted(map(tuple, expected.tolist()))
    assert (parts[1].labels.bincount() - 36).abs().max() <= 1


def test_the_photographs_are_a_cat_and_a_coffee_in_natural_colours():
    images, labels, classes = data.load("photographs")
    assert classes == ("cat", "coffee")
    assert labels.tolist() == [0, 1]
    skimage = pytest.importorskip("skimage.data")
    for image, original in zip(images, (skimage.chelsea(), skimage.coffee()), strict=True):
        top, left = (original.shape[0] - 300) // 2, (original.shape[1] - 400) // 2
        crop = original[top : top + 300, left : left + 400]
        assert np.array_equal((image * 255).round().byte().permute(1, 2, 0).numpy(), crop)


@pytest.mark.parametrize(("name", "split"), [row[:2] for row in SPLIT])
def test_every_prefix_of_the_shuffle_is_stratified(name, split):
    labels = data.load(name, split=split).labels.numpy()
    order = stratified_order(labels)
    assert sorted(order) == list(range(len(labels)))
    seen = np.cumsum(labels[order][:, None] == np.arange(labels.max() + 1), axis=0)
    due = np.arange(1, len(labels) + 1)[:, None] * seen[-1] / len(labels)
    assert np.abs(seen - due).max() < 1


@pytest.mark.parametrize(("name", "split"), [row[:2] for row in SPLIT])
def test_a_subset_is_the_same_every_time_and_begins_the_larger_one(name, split):
    small, again, large = (data.load(name, split=split, subset=n) for n in (20, 20, 50))
    assert torch.equal(small.images, again.images)
    assert torch.equal(small.images, large.images[:20])
    assert torch.equal(small.labels, large.labels[:20])


def test_a_subset_carries_each_image_with_its_label_and_does_not_run_in_label_order():
    everything = data.load("digits")
    part = data.load("digits", subset=60)
    label_of = {
        tuple(image.flatten().tolist()): int(label) for image, label in zip(*everything[:2], strict=True)
    }
    assert [label_of[tuple(image.flatten().tolist())] for image in part.images] == part.labels.tolist()
    assert len({tuple(chunk) for chunk in part.labels.view(6, 10).tolist()}) > 1


def test_the_shuffle_never_changes():
    # Written down once: a course's figures rest on which images a subset holds.
    assert stratified_order([0] * 4 + [1] * 4).tolist() == [5, 2, 7, 1, 4, 3, 0, 6]


@pytest.mark.parametrize("subset", [0, -1, 361])
def test_a_subset_out_of_range_says_what_range_there_is(subset):
    with pytest.raises(ValueError, match=f"subset={subset} of 'digits': it has 360 images"):
        data.load("digits", split="test", subset=subset)


def test_changing_a_loaded_set_does_not_change_the_next_load():
    data.load("digits").images.zero_()
    assert data.load("digits").images.max() == 1


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(data.UnknownNameError, match="'imagenet'") as caught:
        data.load("imagenet")
    assert all(name in str(caught.value) for name in data.names())


def test_an_unknown_split_lists_the_known_ones():
    with pytest.raises(data.UnknownNameError, match="'valid': grocery14 has the splits train, val, test"):
        data.load("grocery14", split="valid")
    with pytest.raises(data.UnknownNameError, match="photographs has no splits"):
        data.load("photographs", split="train")


def test_importing_the_package_and_loading_what_ships_brings_in_no_heavy_library():
    program = (
        "import sys; from coursekit import data\n"
        "heavy = lambda: {'torchvision', 'sklearn', 'matplotlib', 'pandas'} & sys.modules.keys()\n"
        "assert not heavy() and 'PIL' not in sys.modules, 'import'\n"
        "[data.load(name, subset=1) for name in data.names()[:5]]\n"
        "assert not heavy(), heavy()\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
