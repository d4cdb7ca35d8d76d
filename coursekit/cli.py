"""The command `coursekit`.

Every command prints what it finds and leaves with 0 when all is well, 1 when it is not, and 2 when it was
called wrongly. Errors are one sentence on stderr. Where the reader of the output goes before its end, as
`head` does, the command ends without a word, with the 141 of a program that a closed pipe has ended.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from coursekit import __version__, notebooks
from coursekit.errors import CourseError, NotebookError, UsageError

CELL_SECONDS, LECTURE_SECONDS = 10, 90  # what a lecture may take on two cores without a GPU


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()  # that nobody reads it any more is found out here, not when Python ends
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):  # what is left in their buffers must not fail once more
            os.dup2(nowhere, stream.fileno())
        return 141


def _run(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    try:
        status: int = options.command(options)
    except CourseError as error:
        print(f"coursekit: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        return 130
    return status


def doctor(options: argparse.Namespace) -> int:
    """Print what stands in the way of running the course."""
    from coursekit.doctor import examine

    findings = examine()
    healthy = all(finding.status != "problem" for finding in findings)
    if options.json:
        print(json.dumps({"healthy": healthy, "findings": [asdict(f) for f in findings]}, indent=2))
    else:
        for finding in findings:
            print(f"{finding.status:8}{finding.message}")
        print("All is well." if healthy else "The problems above keep the course from running.")
    return 0 if healthy else 1


def lab(options: argparse.Namespace) -> int:
    """Start JupyterLab on the notebooks."""
    folder = notebooks.course_folder() / "notebooks"
    return _jupyterlab([str(folder), *options.rest])


def check(options: argparse.Namespace) -> int:
    """Run a copy of a notebook and print what each of its checks says."""
    path = options.notebook
    executed = notebooks.run(notebooks.read(path), path.resolve().parent, timeout=options.timeout)
    results = notebooks.exercise_results(executed)
    right = sum(result.right for result in results)
    if not results:
        raise NotebookError(f"{path} checks no exercise: is it one of the assignments?")
    if options.json:
        rows = [{**asdict(result), "right": result.right} for result in results]
        print(json.dumps({"notebook": str(path), "right": right, "exercises": rows}, indent=2))
    else:
        width = max(len(result.exercise) for result in results)
        for result in results:
            count = f"{result.passed}/{result.total}" if result.total else "–"
            print(f"{'right' if result.right else 'wrong':6} {result.exercise:{width}}  {count:>6}")
            for sentence in result.says:
                print(f"{'':{width + 9}}{sentence}")
        print(f"{right} of {len(results)} exercises pass every public case.")
    return 0 if right == len(results) else 1


def progress(options: argparse.Namespace) -> int:
    """Print how far the exercises have come."""
    from coursekit.check import progress as show_progress

    show_progress()
    return 0


def lecture(options: argparse.Namespace) -> int:
    """Open, check or export a lecture."""
    folder = notebooks.course_folder()
    path = notebooks.lecture_notebook(options.number, folder)
    if options.check:
        return _check_lecture(path, options)
    if options.slides:
        return _export_slides(path, folder, options)
    return _jupyterlab([str(path)])


def _check_lecture(path: Path, options: argparse.Namespace) -> int:
    executed = notebooks.run(notebooks.read(path), path.parent, parameters={"budget": "ci"})
    times, error = notebooks.cell_times(executed), notebooks.first_error(executed)
    total = sum(cell.seconds for cell in times)
    slow = [cell for cell in times if cell.seconds > CELL_SECONDS]
    complaints = [error] if error else []
    limit = f"more than {CELL_SECONDS} s"
    complaints += [f"cell {cell.index} takes {cell.seconds:.1f} s, {limit}" for cell in slow]
    if total > LECTURE_SECONDS:
        complaints.append(f"the lecture takes {total:.1f} s, more than {LECTURE_SECONDS} s")
    if options.json:
        rows = [asdict(cell) for cell in times]
        print(json.dumps({"notebook": str(path), "seconds": total, "cells": rows, "complaints": complaints}))
    else:
        for cell in times:
            print(f"{cell.seconds:6.2f} s  cell {cell.index:3}  {cell.source[:80]}")
        print(f"{total:6.2f} s  in all")
        for complaint in complaints:
            print(f"coursekit: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def _export_slides(path: Path, folder: Path, options: argparse.Namespace) -> int:
    executed = notebooks.run(notebooks.read(path), path.parent, parameters={"budget": options.budget})
    error = notebooks.first_error(executed)
    if error:
        raise NotebookError(f"{path.name}: {error}; no slides were written")
    destination = folder / "build" / "slides" / f"{path.stem}.html"
    notebooks.slides(executed, destination, reveal=options.reveal)
    print(f"wrote {destination}")
    if not options.reveal:
        print("To show it, a browser loads reveal.js from the internet; --reveal FOLDER names a local copy.")
    return 0


def facts(options: argparse.Namespace) -> int:
    """Recompute the numbers of the lectures and print how each came out."""
    from coursekit import facts as table

    try:
        results = table.recompute(options.topic, progress=not options.json)
    except CourseError:
        raise
    except ValueError as error:  # a topic that there is not
        raise UsageError(str(error)) from None
    print(json.dumps(table.to_json(results), indent=2) if options.json else table.to_text(results))
    unexplained = table.counts(results)[table.Verdict.UNEXPLAINED]
    if unexplained:
        print(f"coursekit: {unexplained} of the facts are unexplained, see the table", file=sys.stderr)
    return 1 if unexplained else 0


def profile(options: argparse.Namespace) -> int:
    """Print what a network costs, layer by layer."""
    from coursekit.flops.command import report

    try:
        text = report(
            options.model,
            options.input,
            convention=options.convention,
            fields=options.fields,
            as_json=options.json,
        )
    except ValueError as error:  # a network that there is not, or an input that it does not take
        raise UsageError(str(error)) from None
    print(text)
    return 0


def _jupyterlab(arguments: Sequence[str]) -> int:
    return subprocess.run([sys.executable, "-m", "jupyterlab", *arguments], check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="coursekit",
        description="Run the notebooks of the course and see how far you are.",
        epilog="example: coursekit check notebooks/01_convolution/01_convolution.ipynb",
    )
    parser.add_argument("--version", action="version", version=f"coursekit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: object, summary: str, example: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary, epilog=f"example: {example}")
        sub.set_defaults(command=function)
        return sub

    sub = command("doctor", doctor, "Say what stands in the way of running the course.", "coursekit doctor")
    sub.add_argument("--json", action="store_true", help="print the findings for a program")

    sub = command(
        "lab", lab, "Start JupyterLab on the notebooks.", "coursekit lab -- --no-browser --port 8890"
    )
    sub.add_argument("rest", nargs="*", metavar="OPTION", help="behind --, passed on to JupyterLab")

    sub = command(
        "check",
        check,
        "Run a copy of your notebook and print what each check says; the file itself stays as it is.",
        "coursekit check notebooks/01_convolution/01_convolution.ipynb",
    )
    sub.add_argument("notebook", type=Path, help="the notebook, as you saved it")
    sub.add_argument("--timeout", type=int, default=600, metavar="SECONDS", help="for one cell (default 600)")
    sub.add_argument("--json", action="store_true", help="print the results for a program")

    command("progress", progress, "Print the best result so far of every exercise.", "coursekit progress")

    sub = command(
        "facts", facts, "Recompute every number that the lectures state.", "coursekit facts --topic 02"
    )
    sub.add_argument("--topic", metavar="NN", help="only this topic's, such as 02")
    sub.add_argument("--json", action="store_true", help="print the facts for a program")

    sub = command(
        "profile",
        profile,
        "Count parameters, operations and memory of a network, layer by layer.",
        "coursekit profile resnet50 --input 3x224x224",
    )
    sub.add_argument("model", metavar="MODEL", help="a name of the zoo, such as resnet50")
    sub.add_argument("--input", metavar="SIZE", help="such as 3x224x224; by default that of its paper")
    sub.add_argument(
        "--convention",
        choices=("mac", "2mac", "lecture"),
        default="mac",
        help="a multiply-add counted once, twice, or once with everything else counted too (default mac)",
    )
    sub.add_argument("--fields", action="store_true", help="measure receptive fields as well")
    sub.add_argument("--json", action="store_true", help="print the profile for a program")

    sub = command("lecture", lecture, "Open, check or export a lecture.", "coursekit lecture 01 --slides")
    sub.add_argument("number", metavar="NN", help="the topic's number, such as 01")
    how = sub.add_mutually_exclusive_group()
    how.add_argument(
        "--live", action="store_true", help="open it in JupyterLab; so it does without an option"
    )
    how.add_argument(
        "--check",
        action="store_true",
        help=f"run it small and time it: fails over {CELL_SECONDS} s a cell, {LECTURE_SECONDS} s in all",
    )
    how.add_argument("--slides", action="store_true", help="run it and write reveal.js slides to build/")
    sub.add_argument(
        "--budget", choices=("ci", "laptop", "gpu"), default="laptop", help="how large to run it for --slides"
    )
    sub.add_argument("--reveal", metavar="PLACE", help="folder or address of reveal.js for --slides")
    sub.add_argument("--json", action="store_true", help="with --check: print the times for a program")
    return parser


if __name__ == "__main__":
    sys.exit(main())
