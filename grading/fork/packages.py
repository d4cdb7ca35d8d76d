"""Packages that lie on this machine and not in a course's list: no hand-in finds them."""

from collections.abc import Iterable
from pathlib import Path

from grading.fork import linux

__all__ = ["hidden_places", "hide"]

HIDDEN = """raise ModuleNotFoundError(
    "No module named '{name}': the course does not list it, and hand-ins are graded without it", name="{name}"
)
"""


def hidden_places(packages: Iterable[str]) -> list[Path]:
    """Where these packages lie, that the room does not show; those that are not there need no hiding."""
    import importlib.util

    found = []
    for name in dict.fromkeys(packages):
        spec = importlib.util.find_spec(name.partition(".")[0])
        found += [Path(place) for place in spec.submodule_search_locations or ()] if spec else []
    return found


def hide(root: Path, packages: Iterable[Path]) -> None:
    """Put a package that only says what it is in the place of each of these."""
    for place in packages:
        target = root / place.relative_to("/")
        if target.is_dir():
            instead = root / "etc" / "hidden" / place.name
            instead.mkdir(parents=True, exist_ok=True)
            (instead / "__init__.py").write_text(HIDDEN.format(name=place.name))
            linux.bind(instead, target)
