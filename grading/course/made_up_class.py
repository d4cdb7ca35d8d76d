"""A class made up from a master: good, wrong, odd and broken hand-ins, and what each of them deserves."""

import ast
import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import nbformat
from nbformat.notebooknode import NotebookNode

from grading.course.masters import Master
from grading.course.variants import Variant, answers_of
from grading.records import Status

FULL, LESS, ZERO, ANY = "full points", "less than full points", "no points", "anything"


@dataclass(frozen=True)
class Expected:
    """What a hand-in must come out as: one of the statuses, and so many points in every exercise.

    ANY: the reference answer calls the answer that is wrong here, so this one may go wrong as well.
    """

    statuses: frozenset[Status]
    points: Mapping[str, str]
    needs_human: bool = False


@dataclass(frozen=True)
class HandIn:
    """One hand-in: who (a neutral name), of what kind, which bytes under which name, and what it deserves.

    content None: the folder is there and empty. link: the file is a symbolic link to this student's.
    """

    student: str
    kind: str
    content: bytes | None
    deserves: Expected
    file: str | None = None
    link: str | None = None
    diagnosis: tuple[str, str] | None = field(default=None)


Edit = Callable[[NotebookNode], None]


def make_class(master: Master, variants: Sequence[Variant], released: NotebookNode) -> list[HandIn]:
    """The hand-ins of a class, the same ones every time.

    One for the reference answers, one for every variant given, and one for each way of going wrong that
    has nothing to do with the subject.
    """
    return [*_by_variant(master, variants, released), *_odd(master, released), *_broken(master, released)]


def selection(variants: Sequence[Variant], kind: str, most: int) -> list[Variant]:
    """At most so many variants of one kind an exercise, spread evenly over those there are."""
    chosen: list[Variant] = []
    for exercise in dict.fromkeys(variant.exercise for variant in variants):
        there = [variant for variant in variants if (variant.exercise, variant.kind) == (exercise, kind)]
        count = min(most, len(there))
        chosen += [there[number * len(there) // count] for number in range(count)]
    return chosen


def _by_variant(master: Master, variants: Sequence[Variant], released: NotebookNode) -> Iterator[HandIn]:
    answers = answers_of(master)
    every = list(answers)
    yield HandIn("reference", "reference", _solved(master, released), _all(every, FULL, Status.PASSED))
    for variant in variants:
        name = f"{variant.kind}-{variant.exercise}-{variant.name}"
        content = _solved(master, released, {variant.exercise: variant.source})
        if variant.kind == "alternative":
            yield HandIn(name, variant.kind, content, _all(every, FULL, Status.PASSED))
        else:
            deserves = _except(answers, {variant.exercise: LESS}, Status.PARTIAL)
            found = (variant.exercise, variant.name)
            yield HandIn(name, variant.kind, content, deserves, diagnosis=found)


def _odd(master: Master, released: NotebookNode) -> Iterator[HandIn]:
    """Notebooks that run, in which something is unusual."""
    answers = answers_of(master)
    every = list(answers)
    full, zero = _all(every, FULL, Status.PASSED), _all(every, ZERO, Status.FAILED)
    half = every[: len(every) // 2]
    last = every[-1]
    graded = [cell for cell in released.cells if _marks(cell).get("grade")]
    tests = [_grade_id(cell) for cell in graded if not _marks(cell).get("solution")]

    def handin(name: str, deserves: Expected, edit: Edit | None = None, **changed: str) -> HandIn:
        return HandIn(name, name, _solved(master, released, changed, edit), deserves)

    yield HandIn("blank", "blank", _bytes(released), zero)
    half_done = _except(answers, dict.fromkeys(every[len(half) :], ZERO), Status.PARTIAL)
    kept = {name: answers[name] for name in half}
    yield HandIn("half-done", "half-done", _bytes(_with_answers(released, kept)), half_done)
    warned = {name: source + _warnings(source) for name, source in answers.items()}
    yield handin("warnings-on-stderr", full, None, **warned)
    looped = _except(answers, {last: ZERO}, Status.TIMEOUT, human=True)
    yield handin("endless-loop", looped, None, **{last: _endless(answers[last])})
    broken = _except(answers, {every[0]: ZERO}, Status.PARTIAL)
    yield handin("syntax-error", broken, None, **{every[0]: "def broken(:\n    return"})
    yield handin("deleted-test-cell", full, lambda notebook: _delete(notebook, tests[0]))
    tampered = _all(every, FULL, Status.TAMPERED, human=True)
    yield handin("changed-points", tampered, lambda notebook: _change_points(notebook, tests))
    emptied = _with_answers(released, {name: "pass" for name in tests})
    cheated = _all(every, ZERO, Status.TAMPERED, human=True)
    yield HandIn("emptied-tests", "emptied-tests", _bytes(emptied), cheated)
    yield handin("duplicated-cell", full, lambda notebook: _duplicate(notebook, every[0]))
    yield handin("reordered-cells", full, lambda notebook: _to_the_end(notebook, every[0]))
    old = nbformat.convert(nbformat.reads(_solved(master, released), as_version=4), 3)
    yield HandIn("old-format", "old-format", nbformat.writes(old, version=3).encode(), full)
    other = HandIn("other-name", "other-name", _solved(master, released), full, file="my copy (1).ipynb")
    yield other


def _broken(master: Master, released: NotebookNode) -> Iterator[HandIn]:
    """What is no notebook, or not there."""
    every = list(answers_of(master))
    error = _all(every, ZERO, Status.ERROR, human=True)
    text = b"Dear course team, here is my notebook as text.\n"
    yield HandIn("not-a-notebook", "not-a-notebook", text, error)
    yield HandIn("half-a-file", "half-a-file", _bytes(released)[:2000], error)
    yield HandIn("empty-file", "empty-file", b"", error)
    yield HandIn("nothing-handed-in", "nothing-handed-in", None, _all(every, ZERO, Status.MISSING))
    yield HandIn("link-to-another", "link-to-another", None, error, link="reference")


def _all(every: Sequence[str], points: str, *statuses: Status, human: bool = False) -> Expected:
    return Expected(frozenset(statuses), dict.fromkeys(every, points), human)


def _except(
    answers: Mapping[str, str], points: Mapping[str, str], status: Status, human: bool = False
) -> Expected:
    affected = dict.fromkeys((name for wrong in points for name in _callers(answers, wrong)), ANY)
    return Expected(frozenset({status}), dict.fromkeys(answers, FULL) | affected | dict(points), human)


def _callers(answers: Mapping[str, str], exercise: str) -> set[str]:
    """Exercises whose reference answer calls, itself or through others, the functions of this one."""
    found = {exercise}
    while True:
        functions = {name for one in found for name in _functions(answers[one])}
        more = {name for name, source in answers.items() if functions & _names(source)} | found
        if more == found:
            return found - {exercise}
        found = more


def _names(source: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def _solved(
    master: Master, released: NotebookNode, changed: Mapping[str, str] | None = None, edit: Edit | None = None
) -> bytes:
    notebook = _with_answers(released, answers_of(master) | dict(changed or {}))
    if edit is not None:
        edit(notebook)
    return _bytes(notebook)


def _with_answers(released: NotebookNode, sources: Mapping[str, str]) -> NotebookNode:
    notebook = copy.deepcopy(released)
    for cell in notebook.cells:
        cell.source = sources.get(_grade_id(cell), cell.source)
    return notebook


def _bytes(notebook: NotebookNode) -> bytes:
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True).encode()


def _marks(cell: NotebookNode) -> dict[str, object]:
    return dict(cell.metadata.get("nbgrader", {}))


def _grade_id(cell: NotebookNode) -> str:
    return str(_marks(cell).get("grade_id", ""))


def _functions(source: str) -> list[str]:
    return [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]


def _warnings(source: str) -> str:
    """Code that makes the functions of an answer print a warning at every call."""
    lines = [
        "",
        "",
        "def _warning(function):",
        "    import functools, sys",
        "",
        "    @functools.wraps(function)",
    ]
    lines += ["    def warned(*args, **kwargs):", '        print("careful: slow", file=sys.stderr)']
    lines += ["        return function(*args, **kwargs)", "", "    return warned", "", ""]
    lines += [f"{name} = _warning({name})" for name in _functions(source)]
    return "\n".join(lines)


def _endless(source: str) -> str:
    loop = "(*args, **kwargs):\n    while True:\n        pass"
    return "\n\n\n".join(f"def {name}{loop}" for name in _functions(source))


def _delete(notebook: NotebookNode, grade_id: str) -> None:
    notebook.cells = [cell for cell in notebook.cells if _grade_id(cell) != grade_id]


def _change_points(notebook: NotebookNode, tests: Sequence[str]) -> None:
    for cell in notebook.cells:
        if _grade_id(cell) in tests:
            cell.metadata.nbgrader.points = 100


def _duplicate(notebook: NotebookNode, grade_id: str) -> None:
    at = [_grade_id(cell) for cell in notebook.cells].index(grade_id)
    twin = copy.deepcopy(notebook.cells[at])
    twin.id = f"{twin.id}-copy"
    notebook.cells.insert(at + 1, twin)


def _to_the_end(notebook: NotebookNode, grade_id: str) -> None:
    at = [_grade_id(cell) for cell in notebook.cells].index(grade_id)
    notebook.cells.append(notebook.cells.pop(at))
