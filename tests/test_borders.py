"""Who may import whom: the contracts of `pyproject.toml` hold, cover every folder, would notice a breach."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

from tests.helpers import ROOT, imported

OURS = {"grading", "solutions", "tests", "benchmarks", "scripts"}
CONTRACTS = {
    contract["name"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
BY_FOLDER = {
    contract["source_modules"][0]: name
    for name, contract in CONTRACTS.items()
    if contract["type"] == "forbidden"
}


def lint(folder: Path) -> str:
    """What the contracts say of the packages in this folder."""
    tool = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [tool, "--no-cache"], cwd=folder, text=True, capture_output=True, env={"COLUMNS": "1000"}
    ).stdout


@pytest.fixture
def copy(tmp_path):
    """Both packages without their data, and the contracts."""
    for name in ("coursekit", "grading"):
        for path in (ROOT / name).rglob("*.py"):
            target = tmp_path / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_folder_of_grading_has_a_contract_except_the_commands():
    folders = {f"grading.{path.parent.name}" for path in (ROOT / "grading").glob("*/__init__.py")}
    assert folders - BY_FOLDER.keys() == {"grading.commands"}


@pytest.mark.parametrize("folder", BY_FOLDER)
def test_a_contract_decides_on_every_module_of_grading(folder):
    """What it does not forbid is listed here, so that a new folder is nobody's by accident."""
    there = {path.stem for path in (ROOT / "grading").glob("[!_]*.py")}
    there |= {path.parent.name for path in (ROOT / "grading").glob("*/__init__.py")}
    forbidden = {name.rpartition(".")[2] for name in CONTRACTS[BY_FOLDER[folder]]["forbidden_modules"]}
    stages = {"config", "errors", "records", "text"}
    allowed = {
        "wire": set(),
        "fork": {"records", "errors"},
        "answer": {"wire", "fork"},
        "judge": {"wire", "fork"},
        "warm": {"answer", "judge", "fork", "records", "errors"},
        "handins": stages,
        "course": stages,
        "engine": {"handins", "warm", "fork"} | stages,
        "gradebook": {"handins", "course"} | stages,
        "jupyter": {"warm"} | stages,
    }
    own = folder.rpartition(".")[2]
    assert there - forbidden - {own} == allowed[own]


def test_a_forbidden_import_in_any_folder_breaks_its_contract(copy):
    for folder, name in BY_FOLDER.items():
        wrong = CONTRACTS[name]["forbidden_modules"][0]
        (copy / folder.replace(".", "/") / "planted.py").write_text(f"def f():\n    import {wrong}\n")
    (copy / "coursekit" / "planted.py").write_text("import grading.records\n")
    (copy / "coursekit" / "data" / "one.py").write_text("import coursekit.data.other\n")
    (copy / "coursekit" / "data" / "other.py").write_text("import coursekit.data.one\n")
    said = lint(copy)
    assert [name for name in CONTRACTS if f"{name} BROKEN" not in said] == []


def _code(path: Path) -> str:
    if path.suffix == ".py":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code" and _is_python(cell.source))


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:  # a magic
        return False
    return True


@pytest.mark.parametrize("folder", ["notebooks", "solutions"])
def test_notebooks_and_masters_import_nothing_that_students_do_not_have(folder, tmp_path):
    files = [path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in (".py", ".ipynb")]
    assert files
    crossing = {}
    for path in files:
        (tmp_path / "code.py").write_text(_code(path), encoding="utf-8")
        if wrong := imported(tmp_path / "code.py") & OURS:
            crossing[str(path.relative_to(ROOT))] = sorted(wrong)
    assert crossing == {}


def test_a_crossing_import_would_be_seen(tmp_path):
    (tmp_path / "deep.py").write_text("def f():\n    from grading.commands.build import build\n")
    assert "grading" in imported(tmp_path / "deep.py")
