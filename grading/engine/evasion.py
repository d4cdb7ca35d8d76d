"""Ways around a context that forbids calls, as the text of a hand-in shows them.

A test that forbids something has to trust the student's process to refuse it there, and that process is the
student's to change. It is not left with its word: what could change it has to be named somewhere in the
hand-in, or be hidden by means that have no other use in an exercise. This names them; a person then looks.
"""

import ast
import contextlib
import importlib.util
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from grading.answer.words import ACCESS, ATTRIBUTES, CHECK, HARMLESS, KEYWORDS, MODULES, NAMES, is_computed

__all__ = ["evasions"]

_USUAL = frozenset({
    "autoreload", "capture", "config", "html", "javascript", "latex", "load_ext", "ls", "markdown",
    "matplotlib", "pip", "precision", "pwd", "reload_ext", "time", "timeit", "who", "whos",
})  # fmt: skip
_TIMED = ("time", "timeit", "capture")
_HARMLESS_COMMAND = re.compile(r"\s*(pip|conda|ls|pwd|nvidia-smi|head|cat|wc|du|df)\b[^|&;<>$`\n]*$")
_WORD = re.compile(r"\w+")
_MAGIC = re.compile(r"(?m)^\s*[%!?]|=\s*[%!]|\?\s*$")


def evasions(sources: Iterable[str], contexts: Iterable[str]) -> list[str]:
    """What these cells name by which the contexts could be got round; empty for nearly every hand-in."""
    finder = _Finder(contexts)
    transformer = TransformerManager()
    own_check = []
    for source in sources:
        text = unicodedata.normalize("NFKC", source)  # as Python reads names
        magic, words = _MAGIC.search(text), _WORD.findall(text)
        if magic or not finder.words.isdisjoint(words):
            with contextlib.suppress(SyntaxError):  # then it is not run either
                finder.read(transformer.transform_cell(source) if magic else source)
        own_check += [CHECK] * (CHECK in words)
    return [*finder.found(), *own_check[:1]]


class _Finder:
    """Goes through syntax trees; a text that is no Python is not run either.

    own: names of the contexts. packages: the modules that they come from, to their parts that are modules
    themselves.
    """

    def __init__(self, contexts: Iterable[str]) -> None:
        self.own = {dotted.rpartition(".")[2] for dotted in contexts}
        self.packages = {dotted.rpartition(".")[0]: _submodules(dotted) for dotted in contexts}
        modules = {part for dotted in contexts for part in dotted.split(".")[:-1]}
        parts = set[str]().union(*self.packages.values())
        self.words = MODULES | NAMES | ATTRIBUTES | ACCESS | KEYWORDS.keys() | self.own | modules | parts
        self.trees: list[ast.AST] = []
        self.held: dict[str, str] = {}  # names that stand for modules to be watched in use, and for which

    def read(self, code: str) -> None:
        """Note what a cell imports."""
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return
        self.trees.append(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                self.held |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    root = alias.name.partition(".")[0]
                    self.held[alias.asname or root] = alias.name if alias.asname else root

    def found(self) -> list[str]:
        """What was named, each once."""
        words: list[str] = []
        for tree in self.trees:  # a magic adds the code in it
            harmless = set[int]()
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and _is_harmless(node):
                    harmless.add(id(node.value))
                if isinstance(node, ast.Attribute) and _asks_for_its_class(node):
                    harmless.add(id(node))
                if isinstance(node, ast.Call) and _is_access(node):
                    harmless.add(id(node.func))
                if isinstance(node, ast.Call) and (magic := self._magic(node)) is not None:
                    harmless |= {id(part) for part in ast.walk(node.func)}
                    words += magic
                elif id(node) not in harmless:
                    words += self._in(node)
        return list(dict.fromkeys(words))

    def _magic(self, node: ast.Call) -> list[str] | None:
        """What a magic names, where this is one, as IPython writes it."""
        function = node.func
        if not (isinstance(function, ast.Attribute) and ast.unparse(function.value) == "get_ipython()"):
            return None
        texts = [part.value for part in node.args if isinstance(part, ast.Constant)]
        if not texts or len(texts) != len(node.args) or not all(isinstance(text, str) for text in texts):
            return None
        if function.attr in ("run_line_magic", "run_cell_magic") and texts[0] in _USUAL:
            if texts[0] in _TIMED:
                self.read(str(texts[-1]))
            return []
        if function.attr in ("system", "getoutput") and _HARMLESS_COMMAND.match(str(texts[0])):
            return []
        return [f"{function.attr} {texts[0]!r}"[:60]]

    def _in(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            looked_at = [alias.name for alias in node.names if alias.name in HARMLESS and not alias.asname]
            yield from self._modules([alias.name for alias in node.names if alias.name not in looked_at])
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if not all(alias.name in HARMLESS.get(module, ()) for alias in node.names):
                yield from self._modules([module, *(f"{module}.{alias.name}" for alias in node.names)])
        elif isinstance(node, ast.Name):
            if node.id in NAMES | self.own or (node.id in HARMLESS and self.held.get(node.id) == node.id):
                yield node.id
            elif node.id in ACCESS:
                yield f"{node.id} under another name"
        elif isinstance(node, ast.Attribute):
            if node.attr in ATTRIBUTES | self.own:
                yield node.attr
            elif self._is_inside(full := self._full(node)):
                yield full
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name in ATTRIBUTES:
                yield node.name
        elif isinstance(node, ast.Call) and _is_access(node):
            name = node.args[1] if len(node.args) > 1 else None
            if isinstance(name, ast.Constant) and name.value in ATTRIBUTES | NAMES | self.own:
                yield repr(name.value)
            elif not isinstance(name, ast.Constant) and not is_computed(node):
                yield f"{ast.unparse(node.func)} of a name that cannot be seen"
        elif isinstance(node, ast.keyword):
            if node.arg in KEYWORDS and getattr(node.value, "value", ...) is not KEYWORDS[node.arg]:
                yield node.arg
        elif isinstance(node, ast.MatchClass):
            yield from (name for name in node.kwd_attrs if name in ATTRIBUTES | self.own)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = set(_WORD.findall(node.value)) & ATTRIBUTES
            yield from sorted(word for word in words if word.startswith("__") or word == "_python_dispatch")

    def _full(self, node: ast.expr) -> str:
        """What `a.b.c` stands for, where `a` was imported; empty for anything else."""
        if isinstance(node, ast.Name):
            return self.held.get(node.id, "")
        owner = self._full(node.value) if isinstance(node, ast.Attribute) else ""
        return f"{owner}.{node.attr}" if owner and isinstance(node, ast.Attribute) else ""

    def _is_inside(self, name: str) -> bool:
        """Whether this is a module inside of one that contexts come from, or something of it."""
        return any(
            f"{name}.".startswith(f"{package}.{part}.")
            for package, parts in self.packages.items()
            for part in parts
        )

    def _modules(self, names: list[str]) -> Iterator[str]:
        for name in names:
            parts = name.split(".")
            package, _, last = name.rpartition(".")
            guard = package in self.packages and last in self.own
            if parts[0] in MODULES or ATTRIBUTES & set(parts) or guard or self._is_inside(name):
                yield name


def _is_access(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in ACCESS


def _asks_for_its_class(node: ast.Attribute) -> bool:
    """`x.__class__` is `type(x)`; giving it another one is something else."""
    return node.attr == "__class__" and isinstance(node.ctx, ast.Load)


def _submodules(dotted: str) -> set[str]:
    """Names of the modules inside the package that a context comes from."""
    try:
        spec = importlib.util.find_spec(dotted.rpartition(".")[0])
    except (ImportError, ValueError):
        return set()
    places = list(spec.submodule_search_locations or ()) if spec else []
    return {path.stem for place in places for path in Path(place).glob("[!_]*.py")}


def _is_harmless(node: ast.Attribute) -> bool:
    """Whether what is asked for leads nowhere: `sys.stderr`, the name of a class."""
    if isinstance(node.value, ast.Name):
        return node.attr in HARMLESS.get(node.value.id, ()) and isinstance(node.ctx, ast.Load)
    return (
        node.attr == "__name__" and isinstance(node.value, ast.Attribute) and node.value.attr == "__class__"
    )
