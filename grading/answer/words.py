"""Words by which code gets round a context that forbids calls, in a text or as a name that code computes."""

import ast

__all__ = ["ACCESS", "ATTRIBUTES", "CHECK", "HARMLESS", "KEYWORDS", "MODULES", "NAMES", "is_computed"]

MODULES = frozenset({
    "_thread", "asyncio", "atexit", "bdb", "builtins", "cProfile", "cffi", "cloudpickle", "code", "codeop",
    "concurrent", "copyreg", "ctypes", "dill", "dis", "doctest", "faulthandler", "gc", "grading",
    "importlib", "inspect", "joblib", "marshal", "mmap", "mock", "multiprocessing", "numba", "pdb",
    "pickle", "pkgutil", "profile", "pty", "pydoc", "runpy", "seccompy", "shelve", "signal", "socket",
    "subprocess", "sys", "threading", "timeit", "trace", "traceback", "types", "unittest", "weakref",
    "zipimport",
})  # fmt: skip
"""Modules that give a hold on the interpreter, or run code where nothing is forbidden."""

HARMLESS = {
    "sys": frozenset({
        "argv", "byteorder", "executable", "exit", "float_info", "getrecursionlimit", "getsizeof", "int_info",
        "maxsize", "platform", "setrecursionlimit", "stderr", "stdout", "version", "version_info",
    }),
    "asyncio": frozenset({"sleep"}),
    "inspect": frozenset({"getdoc", "signature"}),
    "timeit": frozenset({"default_timer"}),
    "traceback": frozenset({"format_exc", "print_exc"}),
    "types": frozenset({"SimpleNamespace"}),
}  # fmt: skip
"""What honest work takes from such modules: where nothing else of them is named, they give no hold."""

NAMES = frozenset({
    "ForwardRef", "__import__", "__match_args__", "breakpoint", "compile", "delattr", "eval", "exec",
    "get_ipython", "get_type_hints", "globals", "locals", "vars",
})  # fmt: skip
"""Functions that reach what is not named."""

ATTRIBUTES = frozenset({
    "ForwardRef", "__bases__", "__builtins__", "__class__", "__closure__", "__code__", "__dict__", "__func__",
    "__getattribute__", "__globals__", "__loader__", "__mro__", "__reduce__", "__self__", "__spec__",
    "__subclasses__", "__torch_dispatch__", "__torch_function__", "__traceback__", "__wrapped__",
    "_C", "_python_dispatch", "_ops", "attrgetter", "concurrent", "cpp_extension", "ctypes", "ctypeslib",
    "f_back", "f_globals", "multiprocessing", "subprocess", "threading",
    "f_locals", "fork", "forkpty", "get_type_hints", "gi_frame", "load_library", "methodcaller", "popen",
    "posix_spawn", "spawnv", "system", "tb_frame",
})  # fmt: skip
"""Attributes by which one gets from a value to the interpreter, or from torch to below its guards."""

KEYWORDS = {"allow_pickle": False, "pickle_module": None, "weights_only": True}
"""Arguments by which a file may run code when it is read, and what keeps it from that."""

ACCESS = frozenset({"getattr", "hasattr", "setattr"})
CHECK = "_checked_access"
"""What these calls call instead in a cell that runs; a hand-in that says this word itself is found by it."""


def is_computed(call: ast.Call) -> bool:
    """Whether this asks for an attribute by a name that is no literal, so that `CheckNames` can reach it."""
    return (
        isinstance(call.func, ast.Name)
        and call.func.id in ACCESS
        and len(call.args) > 1
        and not any(isinstance(argument, ast.Starred) for argument in call.args)
        and not isinstance(call.args[1], ast.Constant)
    )
