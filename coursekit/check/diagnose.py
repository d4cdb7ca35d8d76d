"""From outcomes to what probably went wrong: known mistakes by their fingerprints, and what needs none."""

from collections.abc import Sequence
from dataclasses import dataclass

from coursekit.check.compare import Kind
from coursekit.check.fingerprints import Fingerprint, matches, observation
from coursekit.check.relations import explain
from coursekit.check.run import Outcome


@dataclass(frozen=True)
class Diagnosis:
    """A named mistake and the sentence that explains it.

    ``certain``: the outputs agree with this mistake in every case, the right ones included; otherwise they
    agree wherever they are wrong.
    """

    name: str
    says: str
    certain: bool = True


def diagnose(outcomes: Sequence[Outcome], fingerprints: Sequence[Fingerprint]) -> tuple[Diagnosis, ...]:
    """What explains the failing cases, best first; empty when none fails or nothing explains them.

    Plain facts (a forbidden call, an unwritten function) come before fingerprints, fingerprints before
    general relations such as "transposed". Mistakes that the public cases cannot tell apart are all named.
    """
    failing = [outcome for outcome in outcomes if not outcome.passed]
    if not failing:
        return ()
    facts = [*_forbidden(failing), *_not_written(failing), *_no_return(failing)]
    known = match(outcomes, fingerprints)
    if facts or known:
        return (*facts, *known)
    side_effects = [*_changed_arguments(failing), *_wrong_dtype(failing), *_wrong_device(failing)]
    relation = explain(failing)
    return (*side_effects, *([Diagnosis(*relation)] if relation else []))


def match(outcomes: Sequence[Outcome], fingerprints: Sequence[Fingerprint]) -> tuple[Diagnosis, ...]:
    """The fingerprints that agree with every case, or else those that agree with every failing case.

    Exceptions are weak evidence, since many mistakes end in the same one: without a wrong value that agrees,
    a fingerprint counts only when every case agrees, and then as likely, not certain. A forbidden call is as
    good as a value.
    """
    observed = {outcome.case.name: observation(outcome) for outcome in outcomes}
    failing = {outcome.case.name for outcome in outcomes if not outcome.passed}
    ranked: list[tuple[int, Diagnosis]] = []
    for fingerprint in fingerprints:
        agreeing = {
            name
            for name in observed
            if name in fingerprint.outputs and matches(observed[name], fingerprint.outputs[name])
        }
        if not failing or not failing <= agreeing:
            continue
        everywhere = agreeing == observed.keys()
        by_value = any(not _is_exception(observed[name]) for name in failing)
        if by_value or everywhere:
            certain = everywhere and by_value
            ranked.append((len(agreeing) + certain, Diagnosis(fingerprint.name, fingerprint.says, certain)))
    best = max((score for score, _ in ranked), default=0)
    return tuple(diagnosis for score, diagnosis in ranked if score == best)


def _is_exception(observed: object) -> bool:
    return isinstance(observed, dict) and "raises" in observed and "group" not in observed


def _forbidden(failing: Sequence[Outcome]) -> list[Diagnosis]:
    violations = [violation for outcome in failing for violation in outcome.violations]
    groups = {violation.group: str(violation) for violation in reversed(violations)}
    return [Diagnosis("forbidden-call", says) for says in groups.values()]


def _not_written(failing: Sequence[Outcome]) -> list[Diagnosis]:
    functions = dict.fromkeys(
        outcome.function
        for outcome in failing
        if outcome.failure and outcome.failure.type == "NotImplementedError"
    )
    return [
        Diagnosis(
            "not-written", f"{name} is not written yet: replace its raise NotImplementedError() by your code."
        )
        for name in functions
    ]


def _no_return(failing: Sequence[Outcome]) -> list[Diagnosis]:
    functions = dict.fromkeys(
        outcome.function
        for outcome in failing
        if outcome.kind is Kind.TYPE and outcome.got is None and outcome.expected is not None
    )
    return [
        Diagnosis(
            "returned-none", f"{name} gave back None: does every path through it end in a return statement?"
        )
        for name in functions
    ]


def _changed_arguments(failing: Sequence[Outcome]) -> list[Diagnosis]:
    names = dict.fromkeys(name for outcome in failing for name in outcome.changed)
    if not names:
        return []
    says = f"The caller's {' and '.join(names)} changed during the call: work on a copy, with clone()."
    return [Diagnosis("changed-arguments", says)]


def _wrong_dtype(failing: Sequence[Outcome]) -> list[Diagnosis]:
    if not all(outcome.kind is Kind.DTYPE for outcome in failing):
        return []
    says = "The dtype is wrong in every failing case: create new tensors with the dtype of the arguments."
    return [Diagnosis("wrong-dtype", says)]


def _wrong_device(failing: Sequence[Outcome]) -> list[Diagnosis]:
    if not any(outcome.kind is Kind.DEVICE for outcome in failing):
        return []
    says = "The result is on another device than the arguments: create new tensors with device=x.device."
    return [Diagnosis("wrong-device", says)]
