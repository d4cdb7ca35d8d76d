"""A student's own record of checks and hints: one JSON file, ``progress.json``, in ``COURSEKIT_HOME``.

Nothing is graded from it. It must never stop a check: what cannot be read is set aside, what cannot be
written stays in memory, and either is said once, in one sentence.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

VERSION = 1


@dataclass(frozen=True)
class Entry:
    """What happened with one exercise so far."""

    best: float = 0.0
    """The best fraction of public cases passed."""

    attempts: int = 0
    hints: int = 0
    """The highest level of hint that was shown."""

    def __add__(self, other: "Entry") -> "Entry":
        """Two stretches of work together."""
        return Entry(max(self.best, other.best), self.attempts + other.attempts, max(self.hints, other.hints))


def home() -> Path:
    """``COURSEKIT_HOME``, by default ``~/.coursekit``."""
    return Path(os.environ.get("COURSEKIT_HOME") or "~/.coursekit").expanduser()


class Store:
    """Entries by exercise id, kept in one file.

    Every update reads the file again, so that several notebooks can be open at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unsaved: dict[str, Entry] = {}
        self._said: set[str] = set()

    def entries(self) -> tuple[dict[str, Entry], str]:
        """All entries, and a warning or an empty string."""
        saved, warning = self._read()
        return _merge(saved, self._unsaved), self._once(warning)

    def add(self, exercise_id: str, entry: Entry) -> str:
        """Add to an exercise's entry and save; returns a warning or an empty string."""
        self._unsaved = _merge(self._unsaved, {exercise_id: entry})
        saved, warning = self._read()
        try:
            self._write(_merge(saved, self._unsaved))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            warning = (
                f"Your progress cannot be saved in {self.path.parent} ({reason}); it ends with the kernel."
            )
        else:
            self._unsaved = {}
        return self._once(warning)

    def _once(self, warning: str) -> str:
        if warning in self._said:
            return ""
        self._said.add(warning)
        return warning

    def _read(self) -> tuple[dict[str, Entry], str]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}, ""
        except (OSError, UnicodeDecodeError):
            return {}, self._set_aside()
        try:
            document = json.loads(text)
            if document["version"] != VERSION:
                return {}, self._set_aside()
            return {name: _entry(row) for name, row in document["exercises"].items()}, ""
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {}, self._set_aside()

    def _set_aside(self) -> str:
        """Rename a file that cannot be read, so that nothing of it is lost."""
        for number in range(1, 1000):
            aside = self.path.with_name(f"{self.path.name}.unreadable-{number}")
            if not aside.exists():
                break
        try:
            self.path.rename(aside)
        except OSError:
            return f"{self.path} cannot be read; move it away to have your progress saved again."
        return (
            f"{self.path.name} could not be read: it is kept as {aside.name}, and your progress starts anew."
        )

    def _write(self, entries: Mapping[str, Entry]) -> None:
        rows = {name: asdict(entry) for name, entry in sorted(entries.items())}
        text = json.dumps({"version": VERSION, "exercises": rows}, indent=1) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A rename is atomic: a reader sees the old file or the new one, whatever happens in between.
        descriptor, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".progress-", suffix=".json")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, self.path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _entry(row: Mapping[str, object]) -> Entry:
    best, attempts, hints = row["best"], row["attempts"], row["hints"]
    if not isinstance(best, int | float) or type(attempts) is not int or type(hints) is not int:
        raise TypeError("best is a number, attempts and hints are integers")
    return Entry(min(1.0, max(0.0, float(best))), max(0, attempts), max(0, hints))


def _merge(a: Mapping[str, Entry], b: Mapping[str, Entry]) -> dict[str, Entry]:
    return {name: a.get(name, Entry()) + b.get(name, Entry()) for name in {**a, **b}}


_stores: dict[Path, Store] = {}


def current() -> Store:
    """The store of this process for ``COURSEKIT_HOME`` as it is now."""
    path = home() / "progress.json"
    return _stores.setdefault(path, Store(path))
