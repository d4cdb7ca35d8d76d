"""A course's configuration: frozen dataclasses read from `course.toml`.

Paths in the file are relative to it. A key we do not know is refused by name, with the ones we know.
"""

import dataclasses
import tomllib
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grading.errors import ConfigError
from grading.forbidden import read_forbidden, tables_of
from grading.records import Forbidden, Limits, Warmth


@dataclass(frozen=True)
class Hooks:
    """Programs of the course that a build calls.

    fingerprints: command that reads answers and variants as JSON and writes what the variants
    return as JSON; `{python}` stands for this interpreter. Empty: the course has none.
    fingerprints_output: where the answer is kept; `{topic}` stands for the topic.
    fingerprints_sources: patterns of the files that the answer depends on besides answers and variants:
    where one of them changes, the command is run again. `{topic}` as above.
    """

    fingerprints: tuple[str, ...] = ()
    fingerprints_output: str = ""
    fingerprints_sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Foreign:
    """A course directory of nbgrader's that `grading build` has not made: it is read, never written into.

    root: the directory. submitted: where its hand-ins lie. excluded: students whose hand-ins are left out.
    """

    root: Path
    submitted: Path
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Config:
    """One course.

    root: folder of course.toml. masters: one folder a topic. notebooks: what students get, generated. tree:
    nbgrader's course directory. ships: what students get, notebooks included, in which no solution may stand.
    warm: what hand-ins find imported. check_mime: MIME type under which a public check leaves its result.
    gradebook: database URL. readme: the file in which a build keeps the table of topics. work: the folder
    that takes the tree's place where `grading build` has not made that; `foreign` then says whose it is.
    """

    root: Path
    name: str
    masters: Path
    notebooks: Path
    tree: Path
    ships: tuple[Path, ...]
    warm: Warmth
    check_mime: str
    gradebook: str
    hooks: Hooks = field(default_factory=Hooks)
    limits: Limits = field(default_factory=Limits)
    readme: Path | None = None
    work: Path = Path()
    foreign: Foreign | None = None


def load_config(path: Path | str = "course.toml") -> Config:
    """The configuration in this file.

    Raises ConfigError when the file is missing, is not TOML, holds an unknown key or a value of
    the wrong type.
    """
    path = Path(path).resolve()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "there is no such file", path, "run in the course's folder or give --config"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"cannot be read as TOML ({error})", path, "correct the file") from None
    return _config(table, path)


def fingerprints_path(config: Config, topic: str) -> Path:
    """Where this topic's fingerprints are kept."""
    return config.root / config.hooks.fingerprints_output.format(topic=topic)


_COURSE = {
    "name": str,
    "masters": str,
    "notebooks": str,
    "tree": str,
    "ships": list,
    "check_mime": str,
    "gradebook": str,
    "readme": str,
    "work": str,
}
_ENGINE = {"preload": list, "readable": list, "contexts": list, "forbidden": str, "sandbox": str}
_HOOKS = {"fingerprints": list, "fingerprints_output": str, "fingerprints_sources": list}
_LIMITS: dict[str, type | types.UnionType] = {
    "cell_seconds": int | float,
    "job_seconds": int | float,
    "memory_mb": int,
    "scratch_mb": int,
    "processes": int,
}
SANDBOXES = ("full", "limits")


def _config(table: dict[str, Any], path: Path) -> Config:
    _refuse_unknown(table, ("course", "engine", "forbidden", "hooks", "limits"), path)
    course = _section(table, "course", _COURSE, path)
    engine = _section(table, "engine", _ENGINE, path)
    hooks = _section(table, "hooks", _HOOKS, path)
    limits = _section(table, "limits", _LIMITS, path)
    if "name" not in course:
        raise ConfigError('the key "name" is missing', f"{path}, [course]", 'add name = "..."')
    if bool(hooks.get("fingerprints")) != bool(hooks.get("fingerprints_output")):
        fix = "give both keys or neither"
        raise ConfigError("fingerprints and fingerprints_output belong together", f"{path}, [hooks]", fix)
    root = path.parent
    notebooks = course.get("notebooks", "notebooks")
    tree = root / course.get("tree", "build/course")
    return Config(
        root=root,
        name=course["name"],
        masters=root / course.get("masters", "solutions"),
        notebooks=root / notebooks,
        tree=tree,
        ships=tuple(root / folder for folder in course.get("ships", [notebooks])),
        warm=dataclasses.replace(_warmth(engine, root, path), forbidden=_forbidden(table, engine, path)),
        check_mime=course.get("check_mime", ""),
        gradebook=course.get("gradebook", gradebook_in(tree)),
        hooks=Hooks(
            tuple(hooks.get("fingerprints", [])),
            hooks.get("fingerprints_output", ""),
            tuple(hooks.get("fingerprints_sources", [])),
        ),
        limits=dataclasses.replace(Limits(), **limits),
        readme=root / course["readme"] if "readme" in course else None,
        work=root / course.get("work", "build/graded"),
    )


def gradebook_in(tree: Path) -> str:
    """The address of the gradebook of a course directory that names no other one."""
    return f"sqlite:///{tree / 'gradebook.db'}"


def _warmth(engine: dict[str, Any], root: Path, path: Path) -> Warmth:
    if engine.get("sandbox", "full") not in SANDBOXES:
        fix = f"choose one of {', '.join(SANDBOXES)}"
        raise ConfigError(f"sandbox = {engine['sandbox']!r} is none", f"{path}, [engine]", fix)
    return Warmth(
        preload=tuple(engine.get("preload", [])),
        readable=tuple(str(root / folder) for folder in engine.get("readable", [])),
        contexts=tuple(engine.get("contexts", [])),
        sandbox=engine.get("sandbox", "full"),
    )


def _forbidden(table: dict[str, Any], engine: dict[str, Any], path: Path) -> tuple[Forbidden, ...]:
    """The words of the tables here, or of the file that has them."""
    if "forbidden" not in engine:
        return read_forbidden(table.get("forbidden", {}), path)
    if "forbidden" in table:
        fix = "keep the tables, or the key, but not both"
        raise ConfigError("what is forbidden stands in two places", f"{path}, [engine]", fix)
    other = path.parent / engine["forbidden"]
    return read_forbidden(tables_of(other), other)


def _section(table: dict[str, Any], name: str, types_of: dict[str, Any], path: Path) -> dict[str, Any]:
    where = f"{path}, [{name}]"
    section = table.get(name, {})
    if not isinstance(section, dict):
        raise ConfigError("this must be a table", where, f"write [{name}] and its keys below")
    _refuse_unknown(section, tuple(types_of), where)
    for key, value in section.items():
        kind = types_of[key]
        right = isinstance(value, kind) and not isinstance(value, bool)
        if not right or (kind is list and not all(isinstance(item, str) for item in value)):
            wanted = "a list of strings" if kind is list else "a string" if kind is str else "a number"
            raise ConfigError(f"{key} = {value!r} is not {wanted}", where, "correct the value")
        if name == "limits" and value <= 0:
            raise ConfigError(f"{key} = {value!r} is not positive", where, "correct the value")
    return section


def _refuse_unknown(table: dict[str, Any], known: tuple[str, ...], where: object) -> None:
    unknown = [key for key in table if key not in known]
    if unknown:
        names = ", ".join(repr(key) for key in unknown)
        raise ConfigError(f"unknown key {names}", where, f"the known keys are {', '.join(known)}")
