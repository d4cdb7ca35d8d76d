"""Full sets on demand, tried on tiny archives in the true formats.

Only torchvision's addresses and checksums are replaced: by a server in this process, and by the MD5s of the
tiny archives. Nothing leaves the machine.
"""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch

from coursekit import data
from coursekit.data import full, idx
from coursekit.data.shipped import DIGIT_CLASSES, FASHION_CLASSES

torchvision = pytest.importorskip("torchvision")

IDX_SETS = {"fashion_mnist": torchvision.datasets.FashionMNIST, "mnist": torchvision.datasets.MNIST}
COUNTS = {"train": 30, "t10k": 20}
NO_SERVER = "http://127.0.0.1:9/"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder, and the address under which a server in this process offers its files."""
    folder = tmp_path / "server"
    folder.mkdir()
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def true_idx(values):
    """An IDX file written by hand, as the format's description says."""
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def idx_arrays():
    random = np.random.default_rng(0)
    return {
        name: array
        for prefix, count in COUNTS.items()
        for name, array in (
            (f"{prefix}-images-idx3-ubyte", random.integers(0, 256, (count, 28, 28), dtype=np.uint8)),
            (f"{prefix}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10),
        )
    }


@pytest.fixture
def idx_server(served, tmp_path, monkeypatch):
    """The folder of a server of MNIST and Fashion-MNIST, the second of two mirrors; no Debian package."""
    server, address = served
    for name, array in idx_arrays().items():
        (server / f"{name}.gz").write_bytes(gzip.compress(true_idx(array)))
    resources = [(path.name, md5(path.read_bytes())) for path in sorted(server.iterdir())]
    for origin in IDX_SETS.values():
        monkeypatch.setattr(origin, "mirrors", [NO_SERVER, address])
        monkeypatch.setattr(origin, "resources", resources)
    monkeypatch.setattr(full, "DEBIAN_FASHION", tmp_path / "not-installed")
    return server


@pytest.fixture
def cifar_server(served, monkeypatch):
    """The folder of a server of CIFAR-10, with its tar.gz of pickled batches; and the batches."""
    server, address = served
    random = np.random.default_rng(1)
    origin = torchvision.datasets.CIFAR10
    batches = {
        name: {
            "data": random.integers(0, 256, (20, 3072), dtype=np.uint8),
            "labels": [i % 10 for i in range(20)],
        }
        for name, _ in origin.train_list + origin.test_list
    }
    files = {name: pickle.dumps(batch, protocol=2) for name, batch in batches.items()}
    files["batches.meta"] = pickle.dumps({"label_names": list(full.CIFAR_CLASSES)}, protocol=2)
    with tarfile.open(server / origin.filename, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{origin.base_folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(origin, "url", address + origin.filename)
    monkeypatch.setattr(origin, "tgz_md5", md5((server / origin.filename).read_bytes()))
    monkeypatch.setattr(origin, "train_list", [[name, md5(files[name])] for name, _ in origin.train_list])
    monkeypatch.setattr(origin, "test_list", [[name, md5(files[name])] for name, _ in origin.test_list])
    monkeypatch.setattr(origin, "meta", {**origin.meta, "md5": md5(files["batches.meta"])})
    return server, batches


@pytest.mark.parametrize("name", IDX_SETS)
@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
def test_an_idx_set_is_fetched_read_and_kept(name, split, prefix, idx_server, tmp_path):
    arrays = idx_arrays()
    first = data.load(name, split=split, root=tmp_path / "kept")
    assert first.images.dtype == torch.float32
    assert np.array_equal(
        (first.images * 255).round().byte().numpy()[:, 0], arrays[f"{prefix}-images-idx3-ubyte"]
    )
    assert first.labels.tolist() == arrays[f"{prefix}-labels-idx1-ubyte"].tolist()
    assert len(first.classes) == 10
    for path in idx_server.iterdir():
        path.unlink()
    assert torch.equal(data.load(name, split=split, root=tmp_path / "kept").images, first.images)


def test_the_folder_is_the_one_torchvision_itself_reads(idx_server, tmp_path):
    torchvision.datasets.MNIST(tmp_path / "theirs", download=True)
    for path in idx_server.iterdir():
        path.unlink()
    theirs = torchvision.datasets.MNIST(tmp_path / "theirs")
    ours = data.load("mnist", root=tmp_path / "theirs")
    assert torch.equal((ours.images[:, 0] * 255).round().byte(), theirs.data)
    assert torch.equal(ours.labels, theirs.targets)


def test_without_a_root_sets_are_kept_under_coursekit_home(idx_server, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEKIT_HOME", str(tmp_path / "home"))
    data.load("mnist", subset=3)
    kept = {path.name for path in (tmp_path / "home").rglob("*") if path.is_file()}
    assert kept == {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"}
    monkeypatch.delenv("COURSEKIT_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert full.data_home() == tmp_path / ".cache" / "coursekit" / "data"


def test_a_kept_file_that_was_altered_is_fetched_again(idx_server, tmp_path):
    expected = data.load("mnist", root=tmp_path)
    kept = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    kept.write_bytes(kept.read_bytes()[:-9])
    assert torch.equal(data.load("mnist", root=tmp_path).images, expected.images)


@pytest.mark.parametrize("name", IDX_SETS)
def test_offline_the_message_says_in_one_sentence_what_to_do(name, idx_server, tmp_path, monkeypatch):
    monkeypatch.setattr(IDX_SETS[name], "mirrors", [NO_SERVER])
    with pytest.raises(data.UnavailableError) as caught:
        data.load(name, root=tmp_path / "empty")
    message = str(caught.value)
    assert "train-images-idx3-ubyte.gz was not found intact" in message
    assert str(tmp_path / "empty") in message
    assert "connect to the network" in message
    assert "copy the file there" in message
    assert "urlopen" not in message
    assert message.count(".") - message.count(".gz") == 1
    assert isinstance(caught.value.__cause__, OSError)


def test_a_file_the_server_altered_is_refused(idx_server, tmp_path):
    path = idx_server / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(data.UnavailableError, match=r"train-labels-idx1-ubyte\.gz was not found intact"):
        data.load("mnist", root=tmp_path)


def test_a_folder_that_cannot_be_written_is_named(idx_server, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(data.UnavailableError, match=r"mnist cannot be kept in .*file.*set COURSEKIT_HOME"):
        data.load("mnist", root=tmp_path / "file")


@pytest.fixture
def debian(tmp_path, monkeypatch):
    """A tiny dataset-fashion-mnist, installed."""
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    arrays = idx_arrays()
    for name, array in arrays.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(true_idx(array)))
    monkeypatch.setattr(full, "DEBIAN_FASHION", folder)
    sums = {name: hashlib.sha256(true_idx(array)).hexdigest() for name, array in arrays.items()}
    monkeypatch.setattr(full, "DEBIAN_SHA256", sums)
    return folder


def test_fashion_mnist_is_read_from_the_debian_package(debian):
    images, labels, classes = data.load("fashion_mnist", split="test")
    arrays = idx_arrays()
    assert np.array_equal((images[:, 0] * 255).round().byte().numpy(), arrays["t10k-images-idx3-ubyte"])
    assert classes[labels[9]] == "Ankle boot"


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-20], lambda c: gzip.compress(gzip.decompress(c)[:-1]), lambda c: b""]
)
def test_a_damaged_file_of_the_debian_package_is_refused_by_name(damage, debian):
    path = debian / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(data.DamagedFileError, match="reinstall the Debian package") as caught:
        data.load("fashion_mnist")
    assert caught.value.path == str(path)


@pytest.mark.skipif(
    not full.DEBIAN_FASHION.is_dir(), reason="Debian's dataset-fashion-mnist is not installed"
)
def test_fashion_mini_is_a_part_of_the_real_fashion_mnist():
    mini, whole = (data.load(name, split="test") for name in ("fashion_mini", "fashion_mnist"))
    assert whole.images.shape == (10000, 1, 28, 28)
    assert whole.classes == mini.classes
    label_of = {image.numpy().tobytes(): int(label) for image, label in zip(*whole[:2], strict=True)}
    assert [label_of[image.numpy().tobytes()] for image in mini.images] == mini.labels.tolist()


def test_the_class_names_are_torchvision_s():
    assert tuple(torchvision.datasets.FashionMNIST.classes) == FASHION_CLASSES
    assert tuple(c[0] for c in torchvision.datasets.MNIST.classes) == DIGIT_CLASSES


@pytest.mark.parametrize(
    ("split", "names"), [("train", [f"data_batch_{i}" for i in range(1, 6)]), ("test", ["test_batch"])]
)
def test_cifar10_is_fetched_verified_and_read(split, names, cifar_server, tmp_path):
    _, batches = cifar_server
    images, labels, classes = data.load("cifar10", split=split, root=tmp_path / "kept")
    expected = np.concatenate([batches[name]["data"] for name in names]).reshape(-1, 3, 32, 32)
    assert np.array_equal((images * 255).round().byte().numpy(), expected)
    assert labels.tolist() == [label for name in names for label in batches[name]["labels"]]
    assert classes[3] == "cat"


def test_a_subset_of_cifar10_is_stratified(cifar_server, tmp_path):
    assert data.load("cifar10", root=tmp_path, subset=30).labels.bincount().tolist() == [3] * 10


class Bomb:
    """A pickle that writes a file when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_an_altered_pickle_of_cifar10_is_never_opened(cifar_server, tmp_path):
    server, _ = cifar_server
    root = tmp_path / "kept"
    data.load("cifar10", root=root)
    for archive in (server / "cifar-10-python.tar.gz", root / "cifar-10-python.tar.gz"):
        archive.unlink()
    (root / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    with pytest.raises(data.UnavailableError, match=r"cifar-10-python\.tar\.gz was not found intact"):
        data.load("cifar10", root=root)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 3, 5)])
def test_an_idx_file_comes_back_as_it_was_written(shape):
    values = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(idx.parse_idx(true_idx(values)), values)
    assert idx.format_idx(values) == true_idx(values)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\x08", b"\0\0\x0d\1\0\0\0\0", b"\0\0\x08\3\0\0", true_idx(np.zeros((2, 2), np.uint8))[:-1]],
)
def test_what_is_no_idx_file_is_refused(content):
    with pytest.raises(ValueError, match="IDX file"):
        idx.parse_idx(content)
