"""Files of a build: write what changed, find what is stale, show a difference."""

import difflib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from grading.config import Config, fingerprints_path

LINES_SHOWN = 12


@dataclass(frozen=True)
class Drift:
    """One generated file that is not what its master generates: which, and what is different."""

    path: Path
    what: str
    diff: str = ""


def write_if_changed(path: Path, text: str) -> bool:
    """Write the text unless it stands there already, and say whether it was written.

    The file is replaced in one step: a build that is interrupted leaves no half a notebook.
    """
    if read(path) == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
    return True


def read(path: Path) -> str | None:
    """The file's text, None where there is no such file."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


def drift_of(path: Path, wanted: str) -> Drift | None:
    """How the file differs from what it should hold, None when it does not."""
    found = read(path)
    if found == wanted:
        return None
    if found is None:
        return Drift(path, "is missing")
    return Drift(path, "differs from its master", difference(found, wanted))


def difference(found: str, wanted: str) -> str:
    """The beginning of a unified diff, empty where there is no difference."""
    before, after = found.splitlines(), wanted.splitlines()
    lines = list(difflib.unified_diff(before, after, "committed", "generated", lineterm="", n=1))
    more = [f"... {len(lines) - LINES_SHOWN} more lines"] if len(lines) > LINES_SHOWN else []
    return "\n".join(lines[:LINES_SHOWN] + more)


def stale_files(config: Config, topics: Iterable[str], wanted: Iterable[Path]) -> list[Path]:
    """Generated files that no master generates any more: of deleted topics, or of a deleted lecture."""
    topics, wanted = set(topics), set(wanted)
    return sorted(path for topic, path in _generated(config) if topic not in topics or path not in wanted)


def remove(path: Path) -> None:
    """Remove the file, and its folder if that leaves it empty."""
    path.unlink()
    if not any(path.parent.iterdir()):
        path.parent.rmdir()


def _generated(config: Config) -> Iterator[tuple[str, Path]]:
    """Every file on disk with a name that a build gives, and its topic. Nothing else is ever removed."""
    for folder in sorted(config.notebooks.glob("*/")):
        for path in (folder / f"{folder.name}.ipynb", folder / f"{folder.name}_lecture.ipynb"):
            if path.is_file():
                yield folder.name, path
    for kind in ("source", "release"):
        for folder in sorted((config.tree / kind).glob("*/")):
            path = folder / f"{folder.name}.ipynb"
            if path.is_file():
                yield folder.name, path
    if config.hooks.fingerprints_output:
        pattern = fingerprints_path(config, "*")
        before, _, after = pattern.name.partition("*")
        for path in sorted(pattern.parent.glob(pattern.name)):
            yield path.name.removeprefix(before).removesuffix(after), path
