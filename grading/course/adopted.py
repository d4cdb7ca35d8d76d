"""A course directory that somebody else keeps, graded without a byte written into it.

What is needed of it is worked out into a folder of our own (`work` in course.toml): the source with header
and footer and with the tests that AUTOTEST lines stand for, the release as students got it, the files beside
it. From there on it is graded like any other. What is not understood is refused before anybody has a grade.
"""

import ast
import dataclasses
import io
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import ClearOutput, InstantiateTests
from traitlets.config import Config as Traits

from grading.config import Config, Foreign, gradebook_in
from grading.course.files import write_if_changed
from grading.course.nbgrader_settings import Settings, in_course, read_settings
from grading.course.nbgrader_steps import (
    OF_STUDENTS,
    cell_name,
    refuse_autotests,
    refuse_bad_metadata,
    run_steps,
)
from grading.course.nbgrader_tree import ADDED, RELEASE, is_foreign, nbgrader_config, own_traits
from grading.errors import BuildError, ConfigError, MetadataError, SubmissionError, UsageError
from grading.text import shown

__all__ = ["adopt", "graded_course", "traits_of"]

FIX = "correct it in the notebook"
PYTHON = ("python", "ipython", "python3")
WRITTEN = ("ClearHiddenTests", "ClearMarkScheme", "ClearSolutions", "LockCells")
"""Settings that stock nbgrader has to know in our folder; the others have done their work."""


def graded_course(config: Config) -> Config:
    """The course as reports read it: of one that is not ours, what `adopt` has made of it.

    Raises:
        ConfigError: Its settings cannot be read, or the folder for our own files is somebody else's.
    """
    if not is_foreign(config.tree):
        return config
    settings = read_settings(config.tree)
    work = config.work.resolve()
    _refuse_other_work(work, settings.root)
    gradebook = config.gradebook if config.gradebook != gradebook_in(config.tree) else gradebook_in(work)
    foreign = Foreign(settings.root, settings.submitted, settings.excluded)
    return dataclasses.replace(config, tree=work, gradebook=gradebook, foreign=foreign)


def adopt(config: Config, assignment: str) -> Config:
    """The course with everything in place for a run of this assignment, or a refusal by cell and file.

    Raises:
        ConfigError: A setting is not understood. MetadataError: A cell is not, or nbgrader refuses it.
        UsageError: There is no such assignment. BuildError: It has several notebooks, or files too large.
    """
    if not is_foreign(config.tree):
        _refuse_own(config, assignment)
        return config
    settings, course = read_settings(config.tree), graded_course(config)
    path = _notebook(settings, assignment)
    source = _source(path, settings)
    released = _release(source, path, settings)
    beside = _beside(path.parent, settings, config)
    write_if_changed(course.tree / "nbgrader_config.py", nbgrader_config(course, tuple(_more(settings))))
    for kind, notebook in (("source", source), ("release", released)):
        write_if_changed(course.tree / kind / assignment / f"{assignment}.ipynb", nbformat.writes(notebook))
    _archive(beside, path.parent, course.tree / "files" / f"{assignment}.zip")
    return course


def traits_of(config: Config) -> Traits:
    """The settings of nbgrader for the notebooks of this course."""
    return read_settings(config.foreign.root).traits if config.foreign else own_traits()


def _refuse_own(config: Config, assignment: str) -> None:
    """Of a tree that a build has made, too, the source is looked at: somebody may have changed it there."""
    path = config.tree / "source" / assignment / f"{assignment}.ipynb"
    if path.is_file():
        notebook = _read(path)
        refuse_bad_metadata(notebook, path, FIX)
        refuse_autotests(notebook, path)


def _refuse_other_work(work: Path, root: Path) -> None:
    """Our files go into a folder that is empty, or that holds what was made of the same course before."""
    if not work.is_dir() or not any(work.iterdir()):
        return
    fix = 'name an empty folder as "work" in course.toml'
    if is_foreign(work) or not (work / "nbgrader_config.py").is_file():
        raise ConfigError(
            "this folder was not made by `grading run`, so nothing is written into it", work, fix
        )
    if f"{_ROOT}{str(root)!r}" not in (work / "nbgrader_config.py").read_text(encoding="utf-8").splitlines():
        raise ConfigError("this folder holds the grades of another course", work, fix)


_ROOT = "# Of the course in "


def _more(settings: Settings) -> Iterator[str]:
    """What our folder's `nbgrader_config.py` takes over from the course's."""
    yield f"{_ROOT}{str(settings.root)!r}"
    yield f"c.CourseDirectory.submitted_directory = {str(settings.submitted)!r}"
    for name in WRITTEN:
        for key, value in sorted(settings.traits.get(name, {}).items()):
            yield f"c.{name}.{key} = {value!r}"


def _notebook(settings: Settings, assignment: str) -> Path:
    """The one notebook of the assignment."""
    folder = settings.source / assignment
    found = sorted(folder.glob("*.ipynb")) if assignment not in ("", ".", "..") else []
    if not found:
        names = sorted(path.name for path in settings.source.glob("*/") if any(path.glob("*.ipynb")))
        fix = f"name one of {', '.join(names)}" if names else "put SOURCE/ASSIGNMENT/NAME.ipynb there"
        raise UsageError(f"there is no assignment {shown(assignment)!r}", settings.source, fix)
    if len(found) > 1:
        names = [path.stem for path in found]
        fix = "make an assignment of each, or grade this one with nbgrader itself"
        raise BuildError(
            f"an assignment of {len(found)} notebooks ({', '.join(names)}) is not understood", folder, fix
        )
    return found[0]


def _read(path: Path) -> NotebookNode:
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except OSError:
        raise
    except Exception as error:  # whatever a damaged file makes the upgrade do
        raise SubmissionError(f"this is no notebook ({type(error).__name__})", path, "save it anew") from None


def _parsed(text: str) -> NotebookNode:
    """The notebook in this text, ids of cells, which may be missing, counted through: always the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about ids
        notebook = nbformat.reads(text, as_version=4)
    notebook.nbformat_minor = max(5, notebook.nbformat_minor)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    return notebook


def _source(path: Path, settings: Settings) -> NotebookNode:
    """The course's notebook as the judge gets it: all cells, all tests, solutions in place."""
    original = _read(path)
    _refuse_other_languages(original, path)
    refuse_bad_metadata(original, path, FIX)
    resources = {"metadata": {"path": str(path.parent), "name": path.stem}}
    with in_course(settings.root):
        steps = [*ADDED, ClearOutput]
        text = run_steps(original, steps, path, settings.traits, resources=resources, fix=FIX)
    notebook = _ordinary(_parsed(text))
    refuse_bad_metadata(notebook, path, FIX)  # a header, too, may have cells of nbgrader's
    delimiter = InstantiateTests(config=settings.traits).autotest_delimiter
    refuse_autotests(notebook, path, delimiter, "put the line on its own, beginning with #")
    _refuse_deletions(notebook, path)
    notebook.metadata["grading"] = {"notebook": path.stem}
    return notebook


def _release(source: NotebookNode, path: Path, settings: Settings) -> NotebookNode:
    """What students got: the course's own release where there is one, else what nbgrader would make."""
    steps = [step for step in RELEASE if step not in ADDED]
    made = run_steps(source, steps, path, settings.traits, fix=FIX)  # also where it is only to be refused
    released = settings.release / path.parent.name / path.name
    if not released.is_file():
        return _parsed(made)
    notebook = _ordinary(_read(released))
    refuse_bad_metadata(notebook, released, "generate the assignment again")
    _refuse_shown_tests(notebook, _parsed(made), source, released)
    return notebook


def _refuse_shown_tests(found: NotebookNode, made: NotebookNode, source: NotebookNode, where: Path) -> None:
    """A test that students can read is a hidden one no longer; whoever grades has to know that."""
    tests = _by_id(source)
    clear = {name: cell.source for name, cell in _by_id(made).items() if utils.is_grade(cell)}
    for index, cell in enumerate(found.cells):
        name = _id(cell)
        if name not in clear or clear[name] == tests[name].source or utils.is_solution(cell):
            continue
        hidden = {line.strip() for line in tests[name].source.splitlines()} - set(
            map(str.strip, clear[name].splitlines())
        )
        if shows := [
            line.strip() for line in cell.source.splitlines() if line.strip() in hidden and line.strip()
        ]:
            what = f"{cell_name(cell, index)} shows students a hidden test ({shows[0]!r})"
            raise MetadataError(what, where, "generate the assignment again with the course's own settings")


def _refuse_other_languages(notebook: NotebookNode, path: Path) -> None:
    metadata = notebook.metadata
    for part, key in (("kernelspec", "language"), ("language_info", "name")):
        language = metadata.get(part, {}).get(key)
        if language and str(language).lower() not in PYTHON:
            raise MetadataError(f"the notebook is written in {language}", path, "only Python is graded here")


def _refuse_deletions(notebook: NotebookNode, path: Path) -> None:
    """A test may not take an answer's own function away from it: the two run in different processes."""
    answers = {name for cell in notebook.cells if utils.is_solution(cell) for name in _defined(cell)}
    for index, cell in enumerate(notebook.cells):
        if not utils.is_grade(cell) or utils.is_solution(cell):
            continue
        nodes = [node for statement in _statements(cell) for node in ast.walk(statement)]
        changed = [
            node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        ]
        if taken := sorted(answers.intersection(changed)):
            what = f"{cell_name(cell, index)} deletes or replaces the answer {taken[0]!r}"
            raise MetadataError(f"{what}, which no other answer notices here", path, "test what it returns")


def _defined(cell: NotebookNode) -> Iterator[str]:
    for statement in _statements(cell):
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name


def _statements(cell: NotebookNode) -> list[ast.stmt]:
    try:
        return ast.parse(cell.source).body if cell.cell_type == "code" else []
    except (SyntaxError, ValueError):
        return []


def _ordinary(notebook: NotebookNode) -> NotebookNode:
    """Cells on which nbgrader left metadata that says nothing are cells like any other."""
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader")
        if isinstance(marks, Mapping) and not any(marks.get(mark) for mark in OF_STUDENTS):
            del cell.metadata["nbgrader"]
    return notebook


def _id(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def _by_id(notebook: NotebookNode) -> dict[str, Any]:
    return {name: cell for cell in notebook.cells if (name := _id(cell))}


def _beside(folder: Path, settings: Settings, config: Config) -> list[Path]:
    """The files that nbgrader would lay beside a hand-in: all of the assignment's but notebooks."""
    found = [Path(path) for path in utils.find_all_files(str(folder), [*settings.ignore, "*.ipynb"])]
    size = sum(path.stat().st_size for path in found) / 2**20
    if size > config.limits.scratch_mb / 2:
        fix = "raise scratch_mb under [limits] in course.toml"
        what = f"the files beside the notebook have {size:.0f} MB, more than half of what a hand-in may write"
        raise BuildError(what, folder, fix)
    return sorted(found)


def _archive(files: list[Path], folder: Path, to: Path) -> None:
    """These files of the folder in one archive; the same bytes for the same files."""
    if not files:
        to.unlink(missing_ok=True)
        return
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path in files:
            archive.writestr(zipfile.ZipInfo(str(path.relative_to(folder))), path.read_bytes())
    if not to.is_file() or to.read_bytes() != data.getvalue():
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(data.getvalue())
