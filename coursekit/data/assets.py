"""The files that ship with the package, each verified by its SHA-256 before a byte of it is used.

`assets/manifest.json` lists every file: its size, its hash, the package it was made from and its licence.
`scripts/build_assets.py` writes both the files and the manifest.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from coursekit.errors import DamagedFileError

FOLDER = Path(__file__).parent / "assets"

_REMEDY = (
    "restore it with `git checkout -- coursekit/data/assets`, "
    "reinstall coursekit, or run `python scripts/build_assets.py`"
)


@dataclass(frozen=True)
class Asset:
    """One row of the manifest.

    file: name inside the assets folder; bytes: its size; source: package and version it was made from;
    licence: short name; notice: the licence text, relative to the assets folder.
    """

    file: str
    sha256: str
    bytes: int
    source: str
    licence: str
    notice: str


def manifest(folder: Path | None = None) -> dict[str, Asset]:
    """Return the shipped files by name. `folder` is for tests; None is the package's own."""
    return _read_manifest(FOLDER if folder is None else folder)


@cache
def _read_manifest(folder: Path) -> dict[str, Asset]:
    path = folder / "manifest.json"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {row["file"]: Asset(**row) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(path, "is missing or is not a manifest", _REMEDY) from error


def read_asset(file: str, folder: Path | None = None) -> bytes:
    """Return the bytes of a shipped file, once they match the manifest.

    The caller parses exactly the bytes that were hashed. Raises DamagedFileError, which names the file, where
    it is missing, cut off or altered.
    """
    folder = FOLDER if folder is None else folder
    path = folder / file
    asset = manifest(folder).get(file)
    if asset is None:
        raise DamagedFileError(folder / "manifest.json", f"does not list {file}", _REMEDY)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedFileError(path, f"cannot be read ({error.strerror})", _REMEDY) from error
    if len(content) != asset.bytes:
        raise DamagedFileError(path, f"has {len(content)} bytes and should have {asset.bytes}", _REMEDY)
    if hashlib.sha256(content).hexdigest() != asset.sha256:
        raise DamagedFileError(path, "was altered: its SHA-256 is not the one in the manifest", _REMEDY)
    return content
