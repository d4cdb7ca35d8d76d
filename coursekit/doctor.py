"""What `coursekit doctor` looks at: whether this machine can run the course, one sentence each.

A finding is a problem (the course does not run), a note (it runs, with less), or fine.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

__all__ = ["Finding", "examine"]

OLDEST_PYTHON = (3, 11)
DISTRIBUTION = "convnet-course"
# Without these the notebooks run, with less.
OPTIONAL = {"ipywidgets": "sliders in the lectures stay still figures"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        subject: what it is about, such as `"torch"`.
        status: `"ok"`, `"note"` or `"problem"`.
        message: one sentence; for a problem also what to do.
    """

    subject: str
    status: Literal["ok", "note", "problem"]
    message: str


def examine() -> list[Finding]:
    """Look at this machine: nothing is downloaded, and nothing that is broken stops what comes after it."""
    parts: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("Python", lambda: python(sys.version_info[:2])),
        ("packages", lambda: packages(_requirements(DISTRIBUTION), _version)),
        ("torch", lambda: pair(_version("torch"), _version("torchvision"), _requirements("torchvision"))),
        ("device", _device),
        ("data", lambda: data(None)),
        ("JupyterLab", lambda: jupyter(shutil.which("jupyter-lab", path=_search_path()))),
    )
    findings: list[Finding] = []
    for subject, part in parts:
        try:
            findings.extend(part())
        except Exception as error:  # a broken installation may raise anything; the other findings still count
            findings.append(Finding(subject, "problem", f"{type(error).__name__} while looking: {error}"))
    return findings


def python(version: tuple[int, ...]) -> Iterator[Finding]:
    """Whether this Python is new enough."""
    text, needed = ".".join(map(str, version)), ".".join(map(str, OLDEST_PYTHON))
    if version < OLDEST_PYTHON:
        message = f"Python is {text}; install {needed} or newer and run `make setup`."
        yield Finding("Python", "problem", message)
    else:
        yield Finding("Python", "ok", f"Python {text}.")


def packages(requirements: Sequence[str], version_of: Callable[[str], str | None]) -> Iterator[Finding]:
    """Whether what the course needs is installed in a fitting version.

    Args:
        requirements: as in a package's metadata (PEP 508); those of an extra are left out.
        version_of: a package's installed version, None where there is none.
    """
    if not requirements:
        yield Finding("packages", "note", "The course itself is not installed; run `make setup`.")
        return
    fitting = 0
    for text in requirements:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        version, remedy = version_of(wanted.name), f"run `pip install '{wanted.name}{wanted.specifier}'`"
        if version is None and wanted.name in OPTIONAL:
            yield Finding(
                wanted.name,
                "note",
                f"{wanted.name} is not installed, so {OPTIONAL[wanted.name]}; {remedy} to have it.",
            )
        elif version is None:
            yield Finding(wanted.name, "problem", f"{wanted.name} is not installed; {remedy}.")
        elif not wanted.specifier.contains(version, prereleases=True):
            yield Finding(
                wanted.name,
                "problem",
                f"{wanted.name} is {version} and the course needs {wanted.specifier}; {remedy}.",
            )
        else:
            fitting += 1
    yield Finding("packages", "ok", f"{fitting} needed packages are installed in fitting versions.")


def pair(torch: str | None, torchvision: str | None, requirements: Sequence[str]) -> Iterator[Finding]:
    """Whether torch is the version that torchvision was built against, which its metadata names.

    Args:
        torch: installed version; None where there is none.
        torchvision: likewise.
        requirements: torchvision's, as in its metadata.
    """
    if torch is None or torchvision is None:
        missing = "torch" if torch is None else "torchvision"
        yield Finding("torch", "problem", f"{missing} is not installed; run `make setup`.")
        return
    for wanted in map(Requirement, requirements):
        if wanted.name == "torch" and not wanted.specifier.contains(torch, prereleases=True):
            yield Finding(
                "torch",
                "problem",
                f"torchvision {torchvision} was built for torch{wanted.specifier} and finds torch {torch}; "
                "install the two together, as `make setup` does.",
            )
            return
    yield Finding("torch", "ok", f"torch {torch} with torchvision {torchvision}.")


def _device() -> Iterator[Finding]:
    import torch

    from coursekit import device

    chosen = device()
    if chosen.type == "cuda":
        yield Finding("device", "ok", f"The GPU {torch.cuda.get_device_name()} is used.")
    elif chosen.type == "mps":
        yield Finding("device", "ok", "Apple's GPU is used.")
    else:
        threads = torch.get_num_threads()
        yield Finding("device", "note", f"There is no GPU; the course runs on the CPU ({threads} threads).")


def data(folder: Path | None) -> Iterator[Finding]:
    """Whether every shipped file is there and has the checksum of the manifest.

    Args:
        folder: where the files lie; None for the package's own.
    """
    from coursekit.data.assets import manifest, read_asset
    from coursekit.errors import DamagedFileError

    try:
        files = manifest(folder)
    except DamagedFileError as error:
        yield Finding("data", "problem", str(error))
        return
    intact = 0
    for file in files:
        try:
            intact += len(read_asset(file, folder)) >= 0
        except DamagedFileError as error:
            yield Finding("data", "problem", str(error))
    size = sum(asset.bytes for asset in files.values()) / 1e6
    if intact == len(files):
        yield Finding("data", "ok", f"All {intact} shipped data files ({size:.0f} MB) have their checksums.")


def jupyter(command: str | None) -> Iterator[Finding]:
    """Whether JupyterLab can be started.

    Args:
        command: its path; None where it was not found.
    """
    version = _version("jupyterlab")
    if command is None or version is None:
        message = "JupyterLab was not found beside this Python; run `pip install jupyterlab`."
        yield Finding("JupyterLab", "problem", message)
    else:
        yield Finding("JupyterLab", "ok", f"JupyterLab {version}.")


def _search_path() -> str:
    """Where this Python's commands lie, whether or not its environment is activated."""
    import os

    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _requirements(package: str) -> list[str]:
    try:
        return importlib.metadata.requires(package) or []
    except importlib.metadata.PackageNotFoundError:
        return []
