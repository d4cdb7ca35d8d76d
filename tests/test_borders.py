"""Who may import whom: students' code knows nothing of grading, grading nothing of the course it grades."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "coursekit": {"grading", "solutions"},
    "grading": {"coursekit", "solutions"},
    "solutions": {"grading", "solutions"},
}


def imported(path: Path) -> set[str]:
    """Top-level names of all modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(str(node.module).partition(".")[0])
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_import_crosses_the_border(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    crossing = {
        str(path.relative_to(ROOT)): sorted(imported(path) & FORBIDDEN[package])
        for path in files
        if imported(path) & FORBIDDEN[package]
    }
    assert crossing == {}


def test_a_crossing_import_would_be_seen(tmp_path):
    (tmp_path / "deep.py").write_text("def f():\n    from grading.build import build\n")
    assert "grading" in imported(tmp_path / "deep.py")
