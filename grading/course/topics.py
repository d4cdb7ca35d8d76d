"""One topic: its masters read and checked, and everything they generate, as text."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grading.config import Config, fingerprints_path
from grading.course import checks, files, fingerprints, lecture_outputs, notebooks
from grading.course.masters import Master, read_master
from grading.course.variants import Variant, read_variants
from grading.errors import BuildError

Say = Callable[[str], None]


@dataclass(frozen=True)
class Topic:
    """A topic's masters, read and checked. A topic has an assignment, a lecture, or both."""

    name: str
    assignment: Master | None
    lecture: Master | None
    variants: tuple[Variant, ...]


@dataclass(frozen=True)
class Generated:
    """What one topic generates: text by path, for students and for nbgrader's tree.

    drift: what cannot be generated without running the lecture or the variants, when that was not allowed.
    """

    shipped: dict[Path, str] = field(default_factory=dict)
    tree: dict[Path, str] = field(default_factory=dict)
    drift: tuple[files.Drift, ...] = ()


def topic_names(config: Config) -> list[str]:
    """The topics of the course: folders of masters with an assignment or a lecture, in order.

    Raises:
        BuildError: There are none.
    """
    masters = [*config.masters.glob("*/assignment.py"), *config.masters.glob("*/lecture.py")]
    if not masters:
        raise BuildError("no masters here", config.masters, "see the key masters in course.toml")
    return sorted({path.parent.name for path in masters})


def read_topic(config: Config, name: str) -> Topic:
    """A topic's masters, checked against their format.

    Raises:
        MasterError: A master breaks the format.
    """
    folder = config.masters / name
    assignment = read_master(folder / "assignment.py") if (folder / "assignment.py").is_file() else None
    lecture = read_master(folder / "lecture.py") if (folder / "lecture.py").is_file() else None
    variants: tuple[Variant, ...] = ()
    if lecture:
        checks.check_lecture(lecture)
    if assignment:
        checks.check_assignment(assignment, name)
        variants = read_variants(assignment)
    return Topic(name, assignment, lecture, variants)


def paths_of(config: Config, topic: Topic) -> list[Path]:
    """Every file that the topic generates."""
    paths: list[Path] = []
    if topic.assignment:
        notebook = Path(topic.name) / f"{topic.name}.ipynb"
        paths += [
            config.notebooks / notebook,
            config.tree / "source" / notebook,
            config.tree / "release" / notebook,
        ]
        if config.hooks.fingerprints:
            paths.append(fingerprints_path(config, topic.name))
    if topic.lecture:
        paths.append(config.notebooks / topic.name / f"{topic.name}_lecture.ipynb")
    return paths


def generate(config: Config, topic: Topic, *, run: bool, refresh: bool, say: Say) -> Generated:
    """Everything one topic generates, as text; nothing is written.

    run: whether a lecture may be run to record the outputs it keeps, and variants for their fingerprints.
    """
    generated = Generated()
    if topic.assignment:
        generated = _assignment(config, topic, topic.assignment, say)
        if config.hooks.fingerprints:
            generated = _with_fingerprints(generated, config, topic, topic.assignment, run, refresh, say)
    if topic.lecture:
        generated = _with_lecture(generated, config, topic, topic.lecture, run, refresh, say)
    return generated


def _assignment(config: Config, topic: Topic, master: Master, say: Say) -> Generated:
    from grading.course import nbgrader_tree

    name = topic.name
    source = notebooks.assignment_notebook(master)
    nbgrader_tree.refuse_bad_metadata(source, master.path)
    shipped = {config.notebooks / name / f"{name}.ipynb": nbgrader_tree.release_notebook(source, master.path)}
    assert master.header is not None
    manual = sum(exercise.points for exercise in master.header.exercises if exercise.manual)
    say(f"{name}: assignment, {len(source.cells)} cells, {master.header.points:g} + {manual:g} points")
    return Generated(shipped, {config.tree / "source" / name / f"{name}.ipynb": notebooks.dumps(source)})


def _with_fingerprints(
    generated: Generated, config: Config, topic: Topic, master: Master, run: bool, refresh: bool, say: Say
) -> Generated:
    path = fingerprints_path(config, topic.name)
    text = None if refresh and run else fingerprints.committed(config, master, topic.variants)
    note = "unchanged"
    if text is None and not run:
        what = "was recorded from other answers, variants or checks" if path.is_file() else "is missing"
        return Generated(generated.shipped, generated.tree, (*generated.drift, files.Drift(path, what)))
    if text is None:
        started = time.perf_counter()
        text, remarks = fingerprints.record(config, master, topic.variants)
        note = f"recorded in {time.perf_counter() - started:.1f} s"
        for remark in remarks:
            say(f"{topic.name}: {remark}")
    say(f"{topic.name}: fingerprints, {len(topic.variants)} variants, {note}")
    return Generated({**generated.shipped, path: text}, generated.tree, generated.drift)


def _with_lecture(
    generated: Generated, config: Config, topic: Topic, master: Master, run: bool, refresh: bool, say: Say
) -> Generated:
    path = config.notebooks / topic.name / f"{topic.name}_lecture.ipynb"
    bare = notebooks.lecture_notebook(master)
    committed = _read_notebook(path)
    lecture = None if refresh and run else lecture_outputs.carry_outputs(bare, committed)
    note = "kept outputs carried over"
    drift = generated.drift
    if lecture is None and run:
        say(f"{topic.name}: lecture, running it for the outputs it keeps ...")
        started = time.perf_counter()
        lecture = lecture_outputs.run_lecture(bare, path.parent, config.root, config.limits.job_seconds)
        note = f"run in {time.perf_counter() - started:.1f} s"
    elif lecture is None:
        return Generated(generated.shipped, generated.tree, (*drift, _lecture_drift(path, bare, committed)))
    say(f"{topic.name}: lecture, {len(bare.cells)} cells, {note}")
    return Generated({**generated.shipped, path: notebooks.dumps(lecture)}, generated.tree, drift)


def _lecture_drift(path: Path, bare: NotebookNode, committed: NotebookNode | None) -> files.Drift:
    """Why the lecture has to be run before it can be committed."""
    if committed is None:
        return files.Drift(path, "is missing")
    diff = files.difference(
        notebooks.dumps(lecture_outputs.without_outputs(committed)), notebooks.dumps(bare)
    )
    return files.Drift(
        path, "has other code than its master" if diff else "lacks the output of a kept cell", diff
    )


def _read_notebook(path: Path) -> NotebookNode | None:
    try:
        return nbformat.read(path, as_version=4) if path.is_file() else None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError):
        return None  # broken on disk: it is generated anew
