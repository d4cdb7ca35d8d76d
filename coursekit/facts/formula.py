"""The slides' formulas, evaluated: arithmetic on named integers and floats, and nothing else."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

__all__ = ["Samples", "evaluate"]

_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: Fraction(a) / Fraction(b),
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "floor": math.floor,
    "min": min,
    "max": max,
    "exp": math.exp,
    "sqrt": math.sqrt,
}


@dataclass(frozen=True)
class Samples:
    """What was measured at several settings, for a formula to reproduce.

    Attributes:
        settings: the variables' values, one mapping a setting.
        measured: one value a setting, or one tuple where the slides give several formulas.
    """

    settings: tuple[Mapping[str, Any], ...]
    measured: tuple[Any, ...]

    @classmethod
    def of(cls, settings: list[dict[str, Any]], measure: Callable[..., Any]) -> Samples:
        """Measure at every setting."""
        return cls(tuple(settings), tuple(measure(**setting) for setting in settings))


def evaluate(formula: str, variables: Mapping[str, Any]) -> Any:
    """The value of a formula such as `"floor((w+2*p-k)/s)+1"`; division is exact, `^` is a power.

    Raises:
        ValueError: for a variable, function or sign that is not known.
    """
    try:
        tree = ast.parse(formula.replace("^", "**"), mode="eval")
    except SyntaxError as error:
        raise ValueError(f"{formula!r} is no formula: {error.msg}") from None

    def value(node: ast.AST) -> Any:
        match node:
            case ast.Expression(body=body):
                return value(body)
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.Name(id=name) if name in variables:
                return variables[name]
            case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _OPERATORS:
                return _OPERATORS[type(sign)](value(operand))
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
                return _OPERATORS[type(sign)](value(left), value(right))
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in _FUNCTIONS:
                return _FUNCTIONS[name](*map(value, arguments))
        raise ValueError(f"{formula!r}: {ast.unparse(node)!r} is not among {', '.join(sorted(variables))}")

    return value(tree)
