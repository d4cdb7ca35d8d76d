"""The shipped files: complete, licensed, small, and refused by name when they are damaged."""

import shutil

import pytest

from coursekit import data
from coursekit.data import assets


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The package reads its assets from a copy that a test may damage."""
    folder = tmp_path / "assets"
    shutil.copytree(assets.FOLDER, folder)
    monkeypatch.setattr(assets, "FOLDER", folder)
    return folder


def load_everything_from(file):
    if file.endswith(".safetensors"):
        return data.load_weights("mobilenet_v2")
    name, part = file.split(".")[0].split("-")[:2]
    return data.load(name, split=None if name == "photographs" else part)


def test_the_manifest_lists_every_file_and_no_other():
    shipped = {path.name for path in assets.FOLDER.iterdir() if path.is_file()}
    assert shipped == assets.manifest().keys() | {"manifest.json"}


def test_the_files_take_at_most_sixteen_megabytes():
    assert sum(path.stat().st_size for path in assets.FOLDER.rglob("*") if path.is_file()) <= 16e6


@pytest.mark.parametrize("file", assets.manifest())
def test_every_file_matches_its_row_and_has_its_licence_beside_it(file):
    row = assets.manifest()[file]
    assert len(assets.read_asset(file)) == row.bytes
    notice = (assets.FOLDER / row.notice).read_text()
    assert file.split("-")[0].split(".")[0] in notice
    for licence in row.licence.split(" and "):
        assert {
            "MIT": "The above copyright notice and this permission notice shall be included",
            "BSD-3-Clause": "Neither the name of the copyright holder",
            "CC0-1.0": "CC0 1.0 Universal",
            "CC-BY-4.0": "CC BY 4.0",
        }[licence] in notice


def test_the_grocery_store_notice_names_its_holder():
    assert (
        "Copyright (c) 2019 Marcus Klasson"
        in (assets.FOLDER / "LICENSES/grocery-store-dataset.txt").read_text()
    )


@pytest.mark.parametrize("file", assets.manifest())
def test_a_file_with_one_bit_turned_is_refused_by_name(copied, file):
    path = copied / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(data.DamagedFileError, match="was altered") as caught:
        load_everything_from(file)
    assert caught.value.path == str(path)
    assert str(path) in str(caught.value)
    assert "git checkout" in str(caught.value)


@pytest.mark.parametrize("file", assets.manifest())
def test_a_file_that_was_cut_off_is_refused_by_name(copied, file):
    path = copied / file
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(
        data.DamagedFileError, match=f"{len(whole) - 1} bytes and should have {len(whole)}"
    ) as caught:
        load_everything_from(file)
    assert caught.value.path == str(path)


def test_a_missing_file_is_named(copied):
    (copied / "grocery14-val.zip").unlink()
    with pytest.raises(data.DamagedFileError, match=r"grocery14-val\.zip cannot be read"):
        data.load("grocery14", split="val")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": [{"file": "a"}]}'])
def test_a_damaged_manifest_is_named(copied, content):
    (copied / "manifest.json").write_text(content)
    with pytest.raises(data.DamagedFileError, match=r"manifest\.json is missing or is not a manifest"):
        data.load("digits")


def test_a_manifest_without_the_file_is_named(copied):
    (copied / "manifest.json").write_text('{"files": []}')
    with pytest.raises(data.DamagedFileError, match=r"manifest\.json does not list digits-train"):
        data.load("digits")
