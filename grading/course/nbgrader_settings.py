"""What a course's own `nbgrader_config.py` says: read as nbgrader reads it, honoured, or refused by name.

A setting that changes a grade or a released notebook and that nothing here knows would give wrong grades
without a word. So every setting is in one of three places: in `HONOURED`, among those that have no say in a
grade (`NO_MATTER`), or it is refused.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_config_dir, jupyter_config_path
from nbgrader import preprocessors
from nbgrader.coursedir import CourseDirectory
from traitlets import TraitError
from traitlets.config import Config as Traits
from traitlets.config.loader import JSONFileConfigLoader, PyFileConfigLoader

from grading.errors import ConfigError

__all__ = ["Settings", "read_settings"]

NAME = "nbgrader_config"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


HONOURED: Mapping[str, frozenset[str]] = {
    "ClearHiddenTests": _words("begin_test_delimeter end_test_delimeter"),
    "ClearMarkScheme": _words(
        "begin_mark_scheme_delimeter end_mark_scheme_delimeter check_attachment_leakage"
    ),
    "ClearSolutions": _words("begin_solution_delimeter end_solution_delimeter code_stub text_stub"),
    "CourseDirectory": _words(
        "ignore release_directory root source_directory student_id_exclude submitted_directory"
    ),
    "IncludeHeaderFooter": _words("header footer"),
    "InstantiateTests": _words(
        "autotest_delimiter autotest_filename comment_strs hashed_delimiter sanitizers use_salt"
    ),
    "LockCells": _words("lock_all_cells lock_grade_cells lock_readonly_cells lock_solution_cells"),
}
"""Settings that make a release, a test or a path what it is."""

EVERY = _words("*")
FILES = _words("force permissions")
NO_MATTER: Mapping[str, frozenset[str]] = {
    # Nothing is written there, and names of steps that this program does not take are not asked for.
    "CourseDirectory": _words(
        """
        assignment_id autograded_directory course_id db_url feedback_directory groupshared include
        max_dir_size max_file_size solution_directory source_with_tests_directory
        """
    ),
    "BaseConverter": FILES,
    "GenerateAssignment": FILES | {"create_assignment", "no_database"},
    "Autograde": FILES | {"create_student"},
    "OverwriteCells": _words("add_missing_cells"),
    **dict.fromkeys(
        _words(
            """
            Execute ExecutePreprocessor NotebookClient LimitOutput IgnorePattern
            GenerateFeedback GenerateSolution HTMLExporter TemplateExporter FilesWriter
            Authenticator BaseAuthPlugin JupyterHubAuthPlugin NoAuthPlugin
            ExportPlugin CsvExportPlugin FileNameCollectorPlugin ExtractorPlugin
            Application NbGrader Validator DisplayAutoGrades
            """
        ),
        EVERY,
    ),
}
"""How nbgrader runs a hand-in and shows it (limits stand in course.toml, and stderr costs nothing here), who
is who, and how files travel between students and staff."""

PREFIX, SUFFIX = "Exchange", "App"
"""Classes of nbgrader's exchange, and applications, have no say in a grade."""

OLD_NAMES = _words(
    """
    assignment_id course_directory course_id db_url directory_structure ignore notebook_id release_directory
    source_directory student_id submitted_directory
    """
)
"""Of the class NbGrader; nbgrader still takes them for those of CourseDirectory."""

FIX = "take it out, or grade this course with nbgrader itself"


@dataclass(frozen=True)
class Settings:
    """What a course directory's configuration comes to.

    traits: the settings of nbgrader's steps that are honoured. source, release, submitted: its folders.
    ignore: patterns of files that are not copied. excluded: students whose hand-ins are left out.
    """

    traits: Traits
    root: Path
    source: Path
    release: Path
    submitted: Path
    ignore: tuple[str, ...]
    excluded: frozenset[str]


def read_settings(root: Path) -> Settings:
    """The settings of the course in this folder: Jupyter's own folders first, the course's file has its way.

    Raises:
        ConfigError: A file cannot be read, or holds a setting that is not understood.
    """
    root = root.resolve()
    found, traits = Traits(), Traits()
    files = [path for folder in _folders(root) for path in _files(folder)]
    for path in files:
        loaded = _loaded(path, root)
        _refuse_unknown(loaded, path)
        found.merge(loaded)
    for name in HONOURED.keys() & found.keys():
        traits[name] = found[name]
    file = files[-1] if files else None
    traits.CourseDirectory.setdefault("root", str(root))
    directory = _course_directory(traits, file or root)
    if Path(directory.root).resolve() != root:
        fix = 'give that folder as "tree" in course.toml, or take the setting out'
        raise ConfigError(f"CourseDirectory.root names another folder, {directory.root}", file or root, fix)
    folders = [root / getattr(directory, f"{step}_directory") for step in ("source", "release", "submitted")]
    excluded = frozenset(name.strip() for name in directory.student_id_exclude.split(",") if name.strip())
    source, release, submitted = folders
    return Settings(traits, root, source, release, submitted, tuple(directory.ignore), excluded)


def _folders(root: Path) -> list[Path]:
    """Where nbgrader looks, what counts least first."""
    jupyter = list(dict.fromkeys([jupyter_config_dir(), *jupyter_config_path()]))
    return [*(Path(folder) for folder in reversed(jupyter)), root]


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for ending in (".py", ".json") if (path := folder / f"{NAME}{ending}").is_file())


def _loaded(path: Path, root: Path) -> Traits:
    kind = PyFileConfigLoader if path.suffix == ".py" else JSONFileConfigLoader
    try:
        with in_course(root):
            config: Traits = kind(path.name, str(path.parent)).load_config()
    except (Exception, SystemExit) as error:  # the file is a program
        says = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(f"cannot be read ({says})", path, "correct the file") from None
    return config


@contextlib.contextmanager
def in_course(root: Path) -> Iterator[None]:
    """As a command of nbgrader's that is called in the course's folder."""
    with contextlib.chdir(root):
        sys.path.insert(0, os.fspath(root))
        try:
            yield
        finally:
            with contextlib.suppress(ValueError):
                sys.path.remove(os.fspath(root))


def _refuse_unknown(config: Traits, path: Path) -> None:
    for name, section in config.items():
        if not isinstance(section, Traits):
            raise ConfigError(f"c.{name} is no setting of a class", path, FIX)
        for key, value in section.items():
            if not _is_understood(name, key, value):
                raise ConfigError(f"{name}.{key} is a setting that is not understood", path, _fix(name, key))


def _is_understood(name: str, key: str, value: Any) -> bool:
    if key in HONOURED.get(name, ()):
        return True
    if name == "NbGrader" and key in OLD_NAMES:
        return False
    if name.startswith(PREFIX) or name.endswith(SUFFIX) or NO_MATTER.get(name, frozenset()) & {key, "*"}:
        return True
    kind = CourseDirectory if name == "CourseDirectory" else getattr(preprocessors, name, None)
    default = kind.class_traits(config=True).get(key) if kind is not None else None
    return default is not None and bool(default.default() == value)  # says what is so anyway


def _fix(name: str, key: str) -> str:
    return f"write CourseDirectory.{key}" if name == "NbGrader" else FIX


def _course_directory(traits: Traits, where: object) -> CourseDirectory:
    try:
        return CourseDirectory(config=traits)
    except TraitError as error:
        says = " ".join(str(error).split())
        raise ConfigError(f"nbgrader refuses a setting ({says})", where, "correct the value") from None
