"""One tree of exceptions: whatever coursekit raises of its own hangs on it, and the drawing is the tree."""

import ast
import re

import pytest

from coursekit import errors
from tests.helpers import ROOT

DRAWN = re.compile(r"^ {4}((?:│   |    )*(?:├── |└── )?)(\w+Error)\b", re.MULTILINE)


def drawn() -> dict[str, str]:
    """Class -> the class above it, as the module's docstring draws them."""
    above: dict[int, str] = {}
    parents: dict[str, str] = {}
    for branch, name in DRAWN.findall(errors.__doc__):
        depth = len(branch) // 4
        parents[name] = above.get(depth - 1, "Exception")
        above[depth] = name
    return parents


def test_the_drawing_is_the_tree():
    assert drawn() == {name: getattr(errors, name).__bases__[0].__name__ for name in errors.__all__}


def test_no_exception_is_defined_elsewhere_in_the_package():
    elsewhere = [
        (str(path.relative_to(ROOT)), node.name)
        for path in sorted((ROOT / "coursekit").rglob("*.py"))
        if path.name != "errors.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and any("Error" in ast.unparse(b) for b in node.bases)
    ]
    assert elsewhere == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ForbiddenCallError", RuntimeError),
        ("DataError", RuntimeError),
        ("UnknownNameError", ValueError),
        ("CheckpointError", ValueError),
        ("FactError", ValueError),
    ],
)
def test_whoever_catches_the_builtin_kind_catches_it(name, kind):
    assert issubclass(getattr(errors, name), kind)
