"""`grading build`: from the masters of the course to everything that is generated.

For every topic: the released notebook and the lecture (committed), fingerprints of wrong answers (committed),
nbgrader's course tree with source, release and gradebook (not committed). For the course: the table of topics
in its README. Nothing is written before all of it is generated and found free of leaks. Building twice gives
the same bytes.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grading.config import Config, fingerprints_path, load_config
from grading.course import files, leaks
from grading.course.readme import readme_texts
from grading.course.show import show
from grading.course.topics import Say, Topic, generate, paths_of, read_topic, topic_names
from grading.errors import BuildError, DriftError, LeakError, UsageError


@dataclass(frozen=True)
class Built:
    """What a build did, or with check=True would have to do."""

    written: tuple[Path, ...] = ()
    removed: tuple[Path, ...] = ()
    drift: tuple[files.Drift, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `grading build`."""
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help="only these (default: every topic)")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, fail where files are not up to date"
    )
    parser.add_argument(
        "--refresh", action="store_true", help="run lectures and variants again, even unchanged ones"
    )
    parser.add_argument(
        "--show",
        metavar="TOPIC/EXERCISE/NAME",
        help="build nothing, print one answer whole; without NAME, say which there are",
    )
    parser.add_argument("--json", action="store_true", help="say what was done as JSON on stdout")


def main(args: argparse.Namespace) -> int:
    """Build or check; 0 when there is nothing to complain about."""
    started = time.perf_counter()
    config = load_config(args.config)
    if args.show is not None:
        return _show(config, args.show)
    say: Say = (lambda line: print(line, file=sys.stderr)) if args.json else print
    built = build(config, args.topics, check=args.check, refresh=args.refresh, say=say)
    seconds = time.perf_counter() - started
    for drift in built.drift:
        say(f"{_short(drift.path, config)} {drift.what}")
        if drift.diff:
            say(drift.diff)
    if args.json:
        print(json.dumps(_as_json(built, config, seconds), indent=1))
    if built.drift:
        what = f"{len(built.drift)} generated files are not up to date"
        raise DriftError(
            what, _short(config.notebooks, config), "run grading build and commit what it writes"
        )
    done = (
        "everything is up to date"
        if args.check
        else f"{len(built.written)} written, {len(built.removed)} removed"
    )
    say(f"{done}, {seconds:.1f} s")
    return 0


def _show(config: Config, wanted: str) -> int:
    try:
        print(show(config, wanted))
    except BuildError as error:
        print(f"grading build: {error}", file=sys.stderr)
        return 1
    return 0


def build(
    config: Config,
    topics: Sequence[str] = (),
    *,
    check: bool = False,
    refresh: bool = False,
    say: Say = lambda line: None,
) -> Built:
    """Generate the given topics, or all of them, and remove what deleted topics left behind.

    check: write nothing and run no lecture; say what differs. refresh: run lectures even if unchanged.
    say: is called with a line for every step.

    Raises:
        MasterError: A master breaks the format. MetadataError: nbgrader would refuse a notebook.
        ConfigError: The tree is a course directory that somebody else has made.
        LeakError: Students would get hidden code. BuildError: A lecture or the hook fails.
        UsageError: There is no such topic.
    """
    if not check:
        _refuse_foreign(config)
    names = topic_names(config)
    unknown = [name for name in topics if name not in names]
    if unknown:
        raise UsageError(f"no topic {unknown[0]!r}", config.masters, f"the topics are {', '.join(names)}")
    read = {name: read_topic(config, name) for name in names}  # all: hidden code of one may leak into another
    generated = [
        generate(config, read[name], run=not check, refresh=refresh, say=say) for name in topics or names
    ]
    shipped = {path: text for one in generated for path, text in one.shipped.items()}
    tree = {path: text for one in generated for path, text in one.tree.items()}
    readme = readme_texts(config, read.values())
    stale = (
        []
        if topics
        else files.stale_files(
            config, names, [path for topic in read.values() for path in paths_of(config, topic)]
        )
    )
    unread = () if check else (*shipped, *stale)  # on disk, but not for long
    _refuse_leaks(config, list(read.values()), shipped, unread)
    if check:
        found = [files.drift_of(path, text) for path, text in [*shipped.items(), *readme.items()]]
        gone = [
            files.Drift(path, "belongs to no master")
            for path in stale
            if not path.is_relative_to(config.tree)
        ]
        withheld = [drift for one in generated for drift in one.drift]
        return Built(drift=(*filter(None, found), *withheld, *gone))
    return _write(config, {**shipped, **tree, **readme}, stale, say)


def _refuse_foreign(config: Config) -> None:
    from grading.course.nbgrader_tree import refuse_foreign

    refuse_foreign(config.tree)


def _refuse_leaks(
    config: Config, topics: Sequence[Topic], shipped: dict[Path, str], unread: Sequence[Path]
) -> None:
    hidden = [
        piece
        for topic in topics
        if topic.assignment
        for piece in leaks.hidden_of(topic.assignment, topic.variants)
    ]
    on_disk = {
        path: text
        for path in _shipped_files(config)
        if path not in unread and (text := _text(path)) is not None
    }
    strict = (
        {fingerprints_path(config, topic.name) for topic in topics} if config.hooks.fingerprints else set()
    )
    texts = [
        text
        for group in (shipped, on_disk)
        for path, content in group.items()
        for text in leaks.texts_of(
            path, content, strict=path in strict or path.is_relative_to(config.notebooks)
        )
    ]
    found = leaks.find_leaks(hidden, texts)
    if found:
        lines = [str(leak).replace(f"{config.root}/", "") for leak in found]
        shown = "\n  ".join(lines[:20] + ([f"... and {len(lines) - 20} more"] if len(lines) > 20 else []))
        places = "1 place holds" if len(found) == 1 else f"{len(found)} places hold"
        what = f"{places} what students must not see\n  {shown}\n"
        raise LeakError(what, fix="write those lines in another way, or move them out of what students get")


def _write(config: Config, texts: dict[Path, str], stale: Sequence[Path], say: Say) -> Built:
    from grading.course import nbgrader_tree

    texts = {config.tree / "nbgrader_config.py": nbgrader_tree.nbgrader_config(config), **texts}
    written = [path for path, text in texts.items() if files.write_if_changed(path, text)]
    for path in stale:
        files.remove(path)
    for path in texts:
        if path.parent.parent == config.tree / "source" and nbgrader_tree.register(config, path.stem):
            say(f"{path.stem}: release and gradebook of {_short(config.tree, config)} updated")
    for verb, paths in (("wrote", written), ("removed", stale)):
        for path in paths:
            say(f"{verb} {_short(path, config)}")
    return Built(tuple(written), tuple(stale))


def _shipped_files(config: Config) -> list[Path]:
    ours = ("__pycache__", ".ipynb_checkpoints")
    found = {path for folder in config.ships for path in folder.rglob("*") if path.is_file()}
    return sorted(path for path in found if not any(part in ours for part in path.parts))


def _text(path: Path) -> str | None:
    """The file's text, None for data that is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def _as_json(built: Built, config: Config, seconds: float) -> dict[str, object]:
    return {
        "written": [_short(path, config) for path in built.written],
        "removed": [_short(path, config) for path in built.removed],
        "drift": [{"path": _short(drift.path, config), "what": drift.what} for drift in built.drift],
        "seconds": round(seconds, 2),
    }


def _short(path: Path, config: Config) -> str:
    return str(path.relative_to(config.root)) if path.is_relative_to(config.root) else str(path)
