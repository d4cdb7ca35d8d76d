"""What a public check consists of: cases, and the exercise that holds them.

A case is data and two small callables, nothing of it is a solution: its expected value comes from an
independent oracle (torch, autograd, a closed form, a literal).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """One public call of one of an exercise's functions, and what is right for it.

    Arguments should be small integers (stored as floats where the exercise asks for floats): results are
    then exact, readable on the card, and the same on every machine, which is what fingerprints rest on.

    Raises ``ValueError`` when neither or both of ``expected`` and ``raises`` are given.
    """

    name: str
    """Shown on the card, such as ``"stride 2"``; unique within the exercise."""

    args: Callable[[], tuple[object, ...]]
    """Fresh positional arguments at every call."""

    kwargs: Mapping[str, object] = field(default_factory=dict)
    """Keyword arguments; copied for every call."""

    expected: Callable[..., object] | None = None
    """The oracle, called with fresh arguments: a tensor, a number, a string, or containers of them."""

    use: Callable[..., object] | None = None
    """What is done with the student's function, as ``use(function, *args, **kwargs)``, where calling it gives
    nothing that can be compared: build a module, run it, return numbers. What it raises counts as theirs."""

    call: str = ""
    """The call as the card shows it, where ``use`` does more than call: ``"BasicBlock(2, 3)(x)"``."""

    names: tuple[str, ...] = ()
    """Of the positional arguments, where they are not the function's own."""

    explain: Callable[[object, object], str] | None = None
    """A sentence on how the got value differs from the expected one, where there is a better one than the
    usual; called with both, plain. An empty one is no sentence."""

    raises: type[Exception] | None = None
    """The exception that is right for this call, instead of a value."""

    function: int = 0
    """Which of the exercise's functions is called."""

    mutates: bool = False
    """``False``: the arguments must come back unchanged. ``True``: they are changed on purpose, and must end
    as the oracle leaves its own."""

    def __post_init__(self) -> None:
        if (self.expected is None) == (self.raises is None):
            raise ValueError(
                f"Case {self.name!r}: give either expected= (an oracle) or raises= (an exception)."
            )


@dataclass(frozen=True)
class Exercise:
    """An exercise as its public check sees it.

    Raises ``ValueError`` when case names repeat or a case names a function that the exercise does not have.
    """

    id: str
    functions: tuple[str, ...]
    """Names of the functions that ``check(id, ...)`` takes, in order."""

    cases: tuple[Case, ...]

    hints: tuple[str, ...]
    """From a nudge to nearly the answer; ``hint(id)`` gives them one by one."""

    forbidden: tuple[str, ...] = ()
    """Names of groups in ``coursekit.check.guard.GROUPS``."""

    def __post_init__(self) -> None:
        names = [case.name for case in self.cases]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(
                f"Exercise {self.id!r}: give each case its own name; repeated: {', '.join(repeated)}."
            )
        for case in self.cases:
            if not 0 <= case.function < len(self.functions):
                raise ValueError(
                    f"Exercise {self.id!r}, case {case.name!r}: function={case.function}, "
                    f"but there are {len(self.functions)} functions, counted from 0."
                )
