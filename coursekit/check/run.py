"""Running functions on the public cases: one frozen ``Outcome`` a case."""

import inspect
import linecache
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, TracebackType
from typing import Any

import torch
from torch import Tensor

from coursekit.check.cases import Case, Exercise
from coursekit.check.compare import Kind, Mismatch, compare, describe
from coursekit.check.guard import Watch, forbid
from coursekit.check.values import identical, plain, safe_text, snapshot, type_name
from coursekit.errors import ForbiddenCallError


@dataclass(frozen=True)
class Argument:
    """One argument as it was before the call."""

    name: str
    value: object
    keyword: bool = False


@dataclass(frozen=True)
class Failure:
    """An exception out of the student's function, and the last line of theirs that it came through."""

    type: str
    message: str
    line: int | None = None
    source: str = ""
    function: str = ""


@dataclass(frozen=True)
class Outcome:
    """What one case gave, as plain data."""

    case: Case
    kind: Kind
    function: str
    arguments: tuple[Argument, ...]
    sentence: str
    expected: object = None
    got: object = None
    mismatch: Mismatch | None = None
    failure: Failure | None = None
    changed: tuple[str, ...] = ()
    """Names of the arguments that were changed and should not have been."""

    violations: tuple[ForbiddenCallError, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the case came out right."""
        return self.kind is Kind.PASSED


def run(exercise: Exercise, functions: Sequence[Callable[..., Any]]) -> tuple[Outcome, ...]:
    """Run every case of ``exercise`` on ``functions``, one for each name in ``exercise.functions``.

    ``KeyboardInterrupt`` passes through; every other exception belongs to an outcome.
    """
    return tuple(
        run_case(case, functions[case.function], exercise.functions[case.function], exercise.forbidden)
        for case in exercise.cases
    )


def run_case(case: Case, function: Callable[..., Any], name: str, forbidden: Sequence[str] = ()) -> Outcome:
    """Call ``function`` on one case and compare with its oracle, which gets fresh arguments of its own."""
    args, kwargs = case.args(), _fresh(case.kwargs)
    arguments = _name_arguments(function, args, kwargs, case.names)
    got, error, watch = _call(function, args, kwargs, forbidden, case.use)
    after = [plain(value) for value in (*args, *kwargs.values())]
    changed = tuple(
        argument.name
        for argument, now in zip(arguments, after, strict=True)
        if not identical(argument.value, now)
    )
    result: dict[str, Any] = {
        "case": case,
        "function": name,
        "arguments": arguments,
        "failure": _failure(error, function) if error is not None else None,
        "changed": () if case.mutates else changed,
        "violations": tuple(watch.violations),
    }
    if watch.violations:
        return Outcome(kind=Kind.FORBIDDEN, sentence=f"{watch.violations[0].call} ran.", **result)
    if case.raises is not None:
        return _judge_exception(case.raises, got, error, result)
    assert case.expected is not None  # Case makes sure of one of the two.
    own_args, own_kwargs = case.args(), _fresh(case.kwargs)
    expected = plain(case.expected(*own_args, **own_kwargs))
    if error is not None:
        sentence = f"{type_name(error)}: {safe_text(error)}".rstrip(": ")
        return Outcome(kind=Kind.RAISED, sentence=sentence, expected=expected, **result)
    result |= {"expected": expected, "got": got}
    mismatch = compare(expected, got)
    if mismatch is None and case.mutates:
        left = [plain(value) for value in (*own_args, *own_kwargs.values())]
        mismatch = _compare_arguments(arguments, left, after)
    if mismatch is not None:
        sentence = case.explain(expected, got) if case.explain is not None else ""
        usual = f"{mismatch.where}: {mismatch.sentence}" if mismatch.where else mismatch.sentence
        sentence = sentence or usual
        return Outcome(kind=mismatch.kind, sentence=sentence, mismatch=mismatch, **result)
    if result["changed"]:
        names = " and ".join(changed)
        sentence = f"The result is right, but {names} came back changed. Work on a copy, with clone()."
        return Outcome(kind=Kind.MUTATED, sentence=sentence, **result)
    return Outcome(kind=Kind.PASSED, sentence="", **result)


def _judge_exception(
    wanted: type[Exception], got: object, error: BaseException | None, result: dict[str, Any]
) -> Outcome:
    if error is None:
        sentence = f"{wanted.__name__} should be raised; the call returned {describe(got)} instead."
        return Outcome(kind=Kind.DID_NOT_RAISE, sentence=sentence, got=got, **result)
    if isinstance(error, wanted):
        return Outcome(kind=Kind.PASSED, sentence="", **result | {"changed": ()})
    sentence = f"{wanted.__name__} should be raised, but it was {type_name(error)}: {safe_text(error)}"
    return Outcome(kind=Kind.RAISED, sentence=sentence, **result)


def _compare_arguments(
    arguments: Sequence[Argument], left: Sequence[object], now: Sequence[object]
) -> Mismatch | None:
    for argument, expected, got in zip(arguments, left, now, strict=True):
        mismatch = compare(expected, got, f"{argument.name} after the call")
        if mismatch is not None:
            return mismatch
    return None


def _call(
    function: Callable[..., Any],
    args: tuple[object, ...],
    kwargs: dict[str, object],
    forbidden: Sequence[str],
    use: Callable[..., object] | None,
) -> tuple[object, BaseException | None, Watch]:
    namespace = _namespace(function)
    with forbid(*forbidden, namespaces=() if namespace is None else (namespace,)) as watch:
        try:
            got = function(*args, **kwargs) if use is None else _use(use, function, args, kwargs)
        except (Exception, SystemExit) as error:  # A function that calls exit() fails its case, no more.
            return None, error, watch
    return plain(got), None, watch


def _use(
    use: Callable[..., object],
    function: Callable[..., Any],
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> object:
    """With the same random numbers each time: weights that a check does not see are random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return plain(use(function, *args, **kwargs))


def _fresh(kwargs: Mapping[str, object]) -> dict[str, object]:
    return {name: snapshot(value) for name, value in kwargs.items()}


def _name_arguments(
    function: Callable[..., Any], args: Sequence[object], kwargs: Mapping[str, object], given: Sequence[str]
) -> tuple[Argument, ...]:
    """Arguments under the names that the case gives them, or else the student's own signature."""
    try:
        parameters = list(given) or [
            parameter.name
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        ]
    except Exception:  # No signature, or one that lies: positions do.
        parameters = []
    names = [*parameters[: len(args)], *(f"argument_{i + 1}" for i in range(len(parameters), len(args)))]
    positional = [Argument(name, plain(value)) for name, value in zip(names, args, strict=True)]
    return (*positional, *(Argument(name, plain(value), keyword=True) for name, value in kwargs.items()))


# ---- where an exception came from -------------------------------------------------------------------------


def _namespace(function: Callable[..., Any]) -> dict[str, Any] | None:
    """The globals of a function, method, class or callable object, below its decorators; of a notebook's
    function, the notebook's own.
    """
    try:
        function = inspect.unwrap(function)
        if isinstance(function, type):
            function = vars(function).get("__init__", function)
        elif not hasattr(function, "__globals__"):
            function = getattr(function, "func", type(function).__call__)
        found = getattr(function, "__globals__", None)
    except Exception:  # A callable may answer as it likes.
        return None
    return found if type(found) is dict else None


def _failure(error: BaseException, function: Callable[..., Any]) -> Failure:
    """The exception as data. The student's lines are those that run in the namespace of their function."""
    line, code = _last_line(error.__traceback__, _namespace(function))
    source = (
        linecache.getline(code.co_filename, line).strip() if code is not None and line is not None else ""
    )
    name = code.co_name if code is not None else ""
    return Failure(type_name(error), safe_text(error), line, source, name)


def _last_line(trace: TracebackType | None, namespace: object) -> tuple[int | None, CodeType | None]:
    line, code = None, None
    while trace is not None:
        if trace.tb_frame.f_globals is namespace:
            line, code = trace.tb_lineno, trace.tb_frame.f_code
        trace = trace.tb_next
    return line, code


def literal(argument: Argument) -> str:
    """An argument as a student would type it: a short literal, or its name for a tensor and anything long."""
    value = argument.value
    text = repr(value) if is_literal(value) else ""
    if not text or len(text) > 60:
        text = argument.name
    return f"{argument.name}={text}" if argument.keyword else text


def is_spelled_out(argument: Argument) -> bool:
    """Whether ``literal`` shows the argument's value."""
    return is_literal(argument.value) and len(repr(argument.value)) <= 60


def call_text(outcome: Outcome) -> str:
    """The call as a student could type it: ``conv2d(x, weight, stride=2)``."""
    return (
        outcome.case.call
        or f"{outcome.function}({', '.join(literal(argument) for argument in outcome.arguments)})"
    )


def is_literal(value: object) -> bool:
    """Whether ``repr`` of a plain value is what a student would type: numbers, strings, lists of them."""
    if isinstance(value, list | tuple):
        return all(is_literal(item) for item in value)
    return not isinstance(value, Tensor | dict) and type(value) in (int, float, bool, str, type(None))
