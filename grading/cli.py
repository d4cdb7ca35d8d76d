"""The command `grading`.

It leaves with 0 when the work is done, with 1 and one sentence on stderr when it failed, with 2 when it was
called wrongly, and with 130 when it was interrupted. Whoever closes the pipe it writes to (`| head`) has what
they wanted: it ends without a word, and with 141, as a program does that the system ends for it.

A subcommand's module offers `add_arguments(parser)` and `main(args) -> int`, the exit status; it is
imported only when its command is called. `args.config` is the path of course.toml.
"""

import argparse
import importlib
import os
import select
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

from grading.errors import GradingError

CLOSED_PIPE = 128 + 13
"""The exit status that a shell gives a program which SIGPIPE ended."""


@dataclass(frozen=True)
class Command:
    """A subcommand: the module that implements it, one line of help, and an example."""

    module: str
    help: str
    example: str


COMMANDS = {
    "build": Command(
        "grading.commands.build",
        "generate the notebooks and nbgrader's course tree from the masters",
        "grading build --check",
    ),
    "run": Command(
        "grading.commands.run", "grade the hand-ins of an assignment", "grading run 01_convolution --jobs 4"
    ),
    "feedback": Command(
        "grading.commands.feedback", "write nbgrader's feedback pages", "grading feedback 01_convolution"
    ),
    "report": Command("grading.commands.report", "write the class report", "grading report 01_convolution"),
    "export": Command(
        "grading.commands.export", "write the grades as CSV", "grading export --output grades.csv"
    ),
    "kernel": Command(
        "grading.commands.kernel", 'make Jupyter offer the kernel "Python 3 (warm)"', "grading kernel"
    ),
    "doctor": Command(
        "grading.commands.doctor",
        "say what this machine can give to shut hand-ins in",
        "grading doctor --json",
    ),
    "demo": Command("grading.commands.demo", "grade a made-up class from beginning to end", "grading demo"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status."""
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()  # here, and not where Python ends, so that a closed pipe is noticed
    except BrokenPipeError:
        if not _closed():
            raise
        return CLOSED_PIPE


def _run(argv: Sequence[str] | None) -> int:
    arguments = sys.argv[1:] if argv is None else list(argv)
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    parser = _parser(chosen)
    args = parser.parse_args(arguments)
    try:
        status: int = importlib.import_module(COMMANDS[args.command].module).main(args)
    except Exception as error:
        says = _as_sentence(error)
        if says is None:
            raise
        print(f"grading {args.command}: {says}", file=sys.stderr)
        return says.status
    except KeyboardInterrupt:
        print(f"grading {args.command}: interrupted", file=sys.stderr)
        return 130
    return status


def _as_sentence(error: Exception) -> GradingError | None:
    """The error as one for people, where it is no mistake of this program's."""
    if isinstance(error, GradingError):
        return error
    if isinstance(error, OSError) and error.filename is not None:
        fix = "make that possible, or name another place"
        return GradingError(f"it cannot be read or written ({error.strerror})", error.filename, fix)
    databases = sys.modules.get("sqlalchemy.exc")  # loaded only where a gradebook was opened
    if databases is not None and isinstance(error, databases.DBAPIError):
        says = str(error.orig).strip().partition("\n")[0]
        fix = "see that it is a database of nbgrader's, that there is room, and that nobody else holds it"
        return GradingError(f"the gradebook cannot be used ({says})", "", fix)
    return None


def _closed() -> list[TextIO]:
    """The standard streams that nobody reads any more; nothing is written to them from now on."""
    closed = []
    for stream in (sys.stdout, sys.stderr):
        poll = select.poll()
        poll.register(stream, 0)
        if any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0)):
            with open(os.devnull, "w", encoding="utf-8") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
            closed.append(stream)
    return closed


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grading",
        description="Generate, grade and report a course's assignments.",
        epilog="example: grading build --check",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('convnet-course')}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(
            name,
            help=command.help,
            description=command.help[0].upper() + command.help[1:] + ".",
            epilog=f"example: {command.example}",
        )
        subparser.add_argument(
            "--config", type=Path, default=Path("course.toml"), help="the course (default: course.toml)"
        )
        if name == chosen:  # the others' modules stay unimported
            importlib.import_module(command.module).add_arguments(subparser)
    return parser
