"""Results on disk, by content hash: an unchanged hand-in is not run again, a killed run resumes."""

import os
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

from grading.config import Config
from grading.errors import RecordError
from grading.records import Job, Result, from_json, to_json

PARTIAL = ".partial"


@dataclass(frozen=True)
class Store:
    """A folder with one JSON file a result and, where something was run, the executed notebook."""

    folder: Path

    def load(self, job: Job) -> Result | None:
        """The stored result of exactly this job, or None; one that cannot be read counts as none."""
        path = self.folder / f"{job.content_hash}.json"
        try:
            result = from_json(path.read_text(encoding="utf-8"), where=path)
        except (FileNotFoundError, UnicodeDecodeError, RecordError):
            return None
        return result if isinstance(result, Result) else None

    def save(self, result: Result, notebook: NotebookNode | None) -> None:
        """Keep the result; the notebook is written first, so that a result always has its notebook."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if notebook is not None:
            write_atomically(self.notebook_path(result), nbformat.writes(notebook))
        write_atomically(self.folder / f"{result.content_hash}.json", to_json(result) + "\n")

    def tidy(self) -> None:
        """Remove what a killed run was in the middle of writing; only when no other run can be."""
        remove_partial(self.folder)

    def notebook_path(self, result: Result) -> Path:
        """Where the executed notebook of this result is, if anything was executed."""
        return self.folder / f"{result.content_hash}.ipynb"


def store_of(config: Config) -> Store:
    """The store that belongs to a course's tree."""
    return Store(config.tree / "results")


def write_atomically(path: Path, text: str) -> None:
    """Write the whole file or nothing, also when the process is killed in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    partial.replace(path)


def remove_partial(folder: Path) -> None:
    """Remove what `write_atomically` had not finished in this folder when its process was killed."""
    for path in folder.glob(f".*{PARTIAL}"):
        path.unlink(missing_ok=True)
