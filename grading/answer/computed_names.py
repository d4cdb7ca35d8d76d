"""Attributes whose names a hand-in computes: its text does not show which, so each is looked at when it runs.

`getattr(self, f"layer{i}")` and `setattr(parent, name, block)` are ordinary code. When a cell of a hand-in is
compiled, such a call becomes one that refuses what `grading.engine.evasion` would have found in
the text.
"""

import ast
import builtins
import sys
from collections.abc import Callable, Iterable
from typing import Any

from grading.answer.words import CHECK, is_computed

__all__ = ["CheckNames", "checking", "install"]

SPECIAL_BUT_HARMLESS = frozenset({"__doc__", "__len__", "__name__", "__qualname__", "__version__"})


class CheckNames(ast.NodeTransformer):
    """Has computed names of a cell checked; for `InteractiveShell.ast_transformers`."""

    def visit_Call(self, node: ast.Call) -> ast.Call:  # noqa: D102
        self.generic_visit(node)
        if is_computed(node):
            node.args.insert(0, ast.copy_location(node.func, node.func))
            node.func = ast.copy_location(ast.Name(CHECK, ast.Load()), node.func)
        return node


def checking(contexts: Iterable[str]) -> Callable[..., Any]:
    """What stands for `getattr` and its like where these contexts have to hold."""
    from grading.answer.words import ATTRIBUTES, NAMES

    homes = tuple(dotted.rpartition(".")[0] for dotted in contexts)
    inside = [
        module for name, module in sys.modules.items() if f"{name}.".startswith(tuple(f"{h}." for h in homes))
    ]
    refused = ATTRIBUTES | NAMES | {CHECK} | {dotted.rpartition(".")[2] for dotted in contexts}

    def access(function: Callable[..., Any], owner: Any, name: Any, *rest: Any) -> Any:
        plain = (
            str.__str__(name) if isinstance(name, str) else name
        )  # of one's own kind it could change later
        special = isinstance(plain, str) and plain.startswith("__") and plain not in SPECIAL_BUT_HARMLESS
        if special or plain in refused or any(owner is module for module in inside):
            raise AttributeError(f"a hand-in cannot compute the name {plain!r}; write the attribute out")
        return function(owner, plain, *rest)

    return access


def install(transformers: list[ast.NodeTransformer], contexts: Iterable[str]) -> None:
    """Have all cells that are run from now on checked."""
    setattr(builtins, CHECK, checking(contexts))
    transformers.append(CheckNames())
