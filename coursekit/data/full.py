"""Full data sets, fetched on demand: Fashion-MNIST, MNIST and CIFAR-10.

They are kept under `$COURSEKIT_HOME/data` (by default `~/.cache/coursekit/data`) in torchvision's own layout,
so a folder that torchvision filled can be given as `root`. Where Debian's package dataset-fashion-mnist is
installed, Fashion-MNIST is read from it. Checksums, addresses and mirrors are torchvision's; every file is
verified each time it is read.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable
from functools import partial
from http.client import HTTPException
from pathlib import Path

import torch

from coursekit.errors import DamagedFileError, UnavailableError

from .idx import parse_idx
from .imageset import ImageSet
from .shipped import DIGIT_CLASSES, FASHION_CLASSES

DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
# Of the content: Debian strips name and time from the .gz files, so that torchvision's MD5s don't match them.
DEBIAN_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def data_home() -> Path:
    """Return the folder that full data sets are kept in; it need not exist."""
    home = os.environ.get("COURSEKIT_HOME") or Path("~", ".cache", "coursekit")
    return Path(home).expanduser() / "data"


def fashion_mnist(split: str, root: Path | None = None) -> ImageSet:
    """All of Fashion-MNIST, uint8 (60000 or 10000, 1, 28, 28). H. Xiao et al., arXiv:1708.07747, 2017."""
    if root is None and DEBIAN_FASHION.is_dir():
        return _idx_set(split, FASHION_CLASSES, _installed)
    return _idx_set(split, FASHION_CLASSES, partial(_fetched, "fashion_mnist", "FashionMNIST", root))


def mnist(split: str, root: Path | None = None) -> ImageSet:
    """All of MNIST, uint8 (60000 or 10000, 1, 28, 28). Y. LeCun et al., Proc. IEEE 86(11), 1998."""
    return _idx_set(split, DIGIT_CLASSES, partial(_fetched, "mnist", "MNIST", root))


def cifar10(split: str, root: Path | None = None) -> ImageSet:
    """All of CIFAR-10, uint8 (50000 or 10000, 3, 32, 32). A. Krizhevsky, technical report, 2009.

    Its batches are pickles: torchvision opens one only after its MD5 matched.
    """
    from torchvision import datasets

    folder = _writable("cifar10", data_home() if root is None else root)
    try:
        data = datasets.CIFAR10(folder, train=split == "train", download=True)
    except (OSError, RuntimeError, HTTPException) as error:
        raise _unavailable("cifar10", datasets.CIFAR10.filename, folder) from error
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
    return ImageSet(images, torch.tensor(data.targets), CIFAR_CLASSES)


def _idx_set(split: str, classes: tuple[str, ...], read: Callable[[str], bytes]) -> ImageSet:
    """Put the images and labels of a split together; `read` returns the verified content of an IDX file."""
    prefix = {"train": "train", "test": "t10k"}[split]
    images = parse_idx(read(f"{prefix}-images-idx3-ubyte"))
    labels = parse_idx(read(f"{prefix}-labels-idx1-ubyte"))
    return ImageSet(torch.tensor(images).unsqueeze(1), torch.tensor(labels, dtype=torch.int64), classes)


def _installed(file: str) -> bytes:
    """Read an IDX file of Fashion-MNIST from the Debian package."""
    path = DEBIAN_FASHION / f"{file}.gz"
    remedy = (
        "reinstall the Debian package dataset-fashion-mnist, or give load('fashion_mnist', root=...) a folder"
    )
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DamagedFileError(path, f"cannot be read ({error})", remedy) from error
    if hashlib.sha256(content).hexdigest() != DEBIAN_SHA256[file]:
        raise DamagedFileError(path, "was altered: it does not hold what was published", remedy)
    return content


def _fetched(name: str, torchvision_name: str, root: Path | None, file: str) -> bytes:
    """Read an IDX file, downloaded unless it is in the folder already; either way its MD5 is checked."""
    from torchvision import datasets
    from torchvision.datasets.utils import download_url

    origin = getattr(datasets, torchvision_name)
    folder = _writable(name, (data_home() if root is None else root) / torchvision_name / "raw")
    failure: Exception | None = None
    for mirror in origin.mirrors:
        try:
            download_url(
                f"{mirror}{file}.gz", folder, filename=f"{file}.gz", md5=dict(origin.resources)[f"{file}.gz"]
            )
            return gzip.decompress((folder / f"{file}.gz").read_bytes())
        except (OSError, RuntimeError, HTTPException) as error:
            failure = error
    raise _unavailable(name, f"{file}.gz", folder) from failure


def _unavailable(name: str, file: str, folder: Path) -> UnavailableError:
    offline = {"cifar10": "grocery14", "mnist": "digits", "fashion_mnist": "fashion_mini"}[name]
    return UnavailableError(
        f"{file} was not found intact in {folder} and could not be downloaded: connect to the network "
        f"and load {name!r} again, or copy the file there; {offline!r} needs neither."
    )


def _writable(name: str, folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(
            f"{name} cannot be kept in {folder} ({error.strerror}): "
            "set COURSEKIT_HOME, or give load() a root, that you may write to."
        ) from error
    return folder
