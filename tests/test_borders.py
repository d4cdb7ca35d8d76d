"""Who may import whom: students' code knows nothing of grading, grading nothing of the course it grades."""

import pytest

from tests.helpers import ROOT, imported

FORBIDDEN = {
    "coursekit": {"grading", "solutions"},
    "grading": {"coursekit", "solutions"},
    "solutions": {"grading", "solutions"},
}


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
    (tmp_path / "deep.py").write_text("def f():\n    from grading.commands.build import build\n")
    assert "grading" in imported(tmp_path / "deep.py")
