"""A fork of the warm process that becomes a Jupyter kernel: no sandbox, since it runs its user's own code.

It has to be what a kernel is that was started from nothing, but for the time it takes: what libraries decide
when they are imported, and would decide otherwise in this kernel, is decided again here.
"""

import contextlib
import importlib
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

__all__ = ["FIRST", "OUTDATED", "become", "changed", "prepare"]

FIRST = (
    *("ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "ipykernel.debugger"),
    *("IPython.core.completerlib", "IPython.extensions.storemagic"),
)
"""What every kernel imports; before all else, since tqdm, for one, asks for it to know whether it is in a
notebook."""

OUTDATED = "a file that it has imported was changed"
INLINE = "module://matplotlib_inline.backend_inline"

_warm_process = 0
_environment: dict[str, str] = {}
_imported: dict[str, int] = {}


def prepare() -> None:
    """In the warm process, before it imports anything for kernels."""
    global _warm_process
    _warm_process = os.getpid()
    if sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]  # put there by `python -m`; it is this process's folder, not the notebook's
    # what the debugger warns of holds for every kernel
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    # a look at the graphics card through CUDA would spoil CUDA for every fork
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    _environment.update(os.environ)


def changed() -> bool:
    """Whether a file has changed that was imported when this was first asked: a new kernel would read it."""
    if not _imported:
        files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
        _imported.update({name: _written(name) for name in files if name})
    return any(_written(name) != when for name, when in _imported.items())


def become(descriptors: list[int]) -> None:
    """Be the kernel that is described in the first of these files; the others are its standard streams.

    Returns when the kernel was shut down; the interpreter then ends as it always does.
    """
    from grading.fork.linux import die_with_parent

    os.setsid()
    die_with_parent()
    if os.getppid() != _warm_process:
        return  # it had ended before that was arranged
    described, *streams = descriptors
    with open(described, encoding="utf-8") as file:
        request = json.load(file)
    for standard, stream in enumerate(streams):
        os.dup2(stream, standard)
        os.close(stream)
    written = {name: value for name, value in os.environ.items() if _environment.get(name) != value}
    os.environ.clear()
    os.environ.update(request["environment"] | written)  # by libraries, for themselves
    os.chdir(request["folder"])
    time.tzset()
    importlib.invalidate_caches()
    _as_if_imported_here()
    _run(request["arguments"])


def _as_if_imported_here() -> None:
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()  # else all forks would draw the same numbers
    if (torch := sys.modules.get("torch")) is not None:
        torch.default_generator.seed()
    if (matplotlib := sys.modules.get("matplotlib")) is not None:
        matplotlib.rcParams["backend"] = os.environ.get("MPLBACKEND") or INLINE


def _run(arguments: list[str]) -> None:
    from ipykernel.kernelapp import IPKernelApp

    launcher = importlib.util.find_spec("ipykernel_launcher")
    sys.argv = [str(launcher.origin) if launcher else "", *arguments]
    app = IPKernelApp.instance(parent_handle=_warm_process)  # the process that it ends with
    app.initialize(arguments)
    if (widgets := sys.modules.get("ipywidgets")) is not None:
        widgets.register_comm_target()  # it does so itself only when it is imported in a kernel
    app.start()


def _written(name: str) -> int:
    with contextlib.suppress(OSError):
        return Path(name).stat().st_mtime_ns
    return 0
