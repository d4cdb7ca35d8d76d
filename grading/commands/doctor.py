"""`grading doctor`: what this machine can give to shut hand-ins in, and what is missing.

Every line is tried, not looked up: a process is forked and does the thing.
"""

import argparse
import functools
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from grading.config import load_config
from grading.errors import GradingError

NAMESPACES = {
    "user": "processes get rights of their own without having any here",
    "mount": "hand-ins see a folder tree of their own",
    "pid": "hand-ins see only their own processes, and take them along when they end",
    "network": "hand-ins reach no network",
    "ipc": "hand-ins share no memory",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was tried.

    works: whether it does. needed: whether the full sandbox needs it. says: what it is for, or why it fails
    and what helps.
    """

    name: str
    works: bool
    needed: bool
    says: str


def examine(preload: tuple[str, ...] = ()) -> list[Finding]:
    """Try everything that the full sandbox needs, one by one, and then the whole."""
    if sys.platform != "linux":
        says = "the full sandbox needs Linux; here there is --sandbox limits"
        return [Finding("Linux", False, True, f"{platform.system()}: {says}")]
    found = [Finding("Linux", True, True, platform.release()), *_namespaces(), _landlock(), _seccomp()]
    return [*found, *_whole(preload)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `grading doctor`."""
    parser.add_argument("--json", action="store_true", help="print the findings for a program")


def main(args: argparse.Namespace) -> int:
    """Print what works and what does not; 0 when hand-ins can be shut in fully."""
    findings = examine(_preload(args.config))
    well = all(finding.works for finding in findings if finding.needed)
    if args.json:
        print(json.dumps({"full_sandbox": well, "findings": [asdict(f) for f in findings]}, indent=2))
        return 0 if well else 1
    for finding in findings:
        mark = "works" if finding.works else "missing" if finding.needed else "note"
        print(f"{mark:8} {finding.name:22} {finding.says}")
    print("Hand-ins run in the full sandbox." if well else LIMITS)
    return 0 if well else 1


LIMITS = (
    "Hand-ins cannot be shut in fully here. `grading run --sandbox limits` grades with limits of memory, "
    "time and processes alone; every result says so. Use it inside a container or a virtual machine."
)


def _preload(path: Path) -> tuple[str, ...]:
    try:
        return load_config(path).warm.preload
    except GradingError:
        return ()  # a machine can be examined without a course


def _namespaces() -> Iterator[Finding]:
    from grading.fork.linux import Namespace, unshare

    for name, use in NAMESPACES.items():
        wanted = Namespace.USER | Namespace[name.upper()]
        problem = _tried(functools.partial(unshare, wanted))
        fix = "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, AppArmor)"
        yield Finding(f"{name} namespace", not problem, True, f"{problem}: {fix}" if problem else use)


def _landlock() -> Finding:
    import landlockpy

    if not landlockpy.supported():
        says = "the kernel has no Landlock: use Linux 5.13 or later with landlock among its security modules"
        return Finding("Landlock", False, True, says)
    return Finding(
        "Landlock", True, True, f"version {landlockpy.abi_version()}: files are shut off a second time"
    )


def _seccomp() -> Finding:
    import seccompy

    if not seccompy.supported():
        return Finding("seccomp", False, True, "the kernel filters no system calls: CONFIG_SECCOMP_FILTER")
    return Finding("seccomp", True, True, "system calls that no notebook needs are refused")


def _whole(preload: tuple[str, ...]) -> Iterator[Finding]:
    """Start a warm process as a run does."""
    from grading.records import Warmth
    from grading.warm.client import warm_process

    try:
        process = warm_process(Warmth(preload=preload))
    except GradingError as error:
        yield Finding("warm process", False, True, str(error))
        return
    yield Finding("warm process", True, True, f"starts in the sandbox with {len(preload)} modules imported")
    for name, threads in process.threads.items():
        says = f"left {len(threads)} threads behind ({', '.join(threads[:3])}), which no hand-in will have"
        yield Finding(name, False, False, says)


def _tried(action: Callable[[], object]) -> str:
    """What goes wrong when a fork does this; empty when nothing does."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            action()
        except OSError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said
