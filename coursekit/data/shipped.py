"""Readers of the data sets that ship with the package: verified bytes to images.

Each reader takes the split's name. `digits` holds float images already (its files count ink from 0 to 16);
the others hold bytes, which `load` scales to [0, 1].
"""

import io
import lzma
import zipfile

import numpy as np
import torch

from .assets import read_asset
from .idx import parse_idx
from .imageset import ImageSet

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
# By kind of fruit, then by variety: the order of the original class numbers.
GROCERY_CLASSES = (
    "Golden-Delicious",
    "Granny-Smith",
    "Pink-Lady",
    "Red-Delicious",
    "Royal-Gala",
    "Cantaloupe",
    "Galia-Melon",
    "Honeydew-Melon",
    "Watermelon",
    "Orange",
    "Anjou",
    "Conference",
    "Kaiser",
    "Satsumas",
)
DIGIT_CLASSES = tuple("0123456789")
PHOTOGRAPHS = ("cat", "coffee")


def fashion_mini(split: str) -> ImageSet:
    """6,000 and 1,000 of Fashion-MNIST, uint8 (N, 1, 28, 28). H. Xiao et al., arXiv:1708.07747, 2017."""
    return _idx_pair(f"fashion_mini-{split}", FASHION_CLASSES)


def digits(split: str) -> ImageSet:
    """The 1,797 handwritten digits of scikit-learn, float32 (N, 1, 8, 8).

    E. Alpaydin, C. Kaynak, "Optical recognition of handwritten digits", UCI, 1998. Each pixel counts the dark
    ones of a 4x4 block of the scan, 0 to 16.
    """
    data = _idx_pair(f"digits-{split}", DIGIT_CLASSES)
    return data._replace(images=data.images.to(torch.float32).div_(16))


def grocery14(split: str) -> ImageSet:
    """Fruit photographed in shops, uint8 (N, 3, 80, 80), in the official split without its duplicates.

    M. Klasson, C. Zhang, H. Kjellström, "A hierarchical grocery store image dataset with visual and semantic
    labels", WACV 2019. The validation split has no photograph of Red-Delicious, Anjou and Kaiser.
    """
    with zipfile.ZipFile(io.BytesIO(read_asset(f"grocery14-{split}.zip"))) as archive:
        files = archive.namelist()
        images = np.stack([_decode(archive.read(file)) for file in files])
    labels = [GROCERY_CLASSES.index(file.split("/")[0]) for file in files]
    return ImageSet(_channels_first(images), torch.tensor(labels), GROCERY_CLASSES)


def photographs() -> ImageSet:
    """Two CC0 photographs, uint8 (2, 3, 300, 400): a cat's face and a cup of coffee on a table."""
    images = np.stack([_decode(read_asset(f"photographs-{name}.png")) for name in PHOTOGRAPHS])
    return ImageSet(_channels_first(images), torch.arange(len(PHOTOGRAPHS)), PHOTOGRAPHS)


def _idx_pair(stem: str, classes: tuple[str, ...]) -> ImageSet:
    images, labels = (
        parse_idx(lzma.decompress(read_asset(f"{stem}-{part}.xz")))
        for part in ("images-idx3-ubyte", "labels-idx1-ubyte")
    )
    return ImageSet(torch.tensor(images).unsqueeze(1), torch.tensor(labels, dtype=torch.int64), classes)


def _decode(content: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def _channels_first(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
