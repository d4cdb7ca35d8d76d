"""Warm kernels for Jupyter: papermill, nbval, nbclient and JupyterLab get a fork of a process that has the
course's libraries imported, in a tenth of the time.

`jupyter_client` finds `WarmProvisioner` by its entry point; the kernel named `warm` asks for it. What is
imported stands in that kernel's kernel.json, as `metadata.kernel_provisioner.config.preload`; where it does
not, in `[engine] preload` of the course.toml in or above the kernel's folder, else of the one beside this
package.

The first kernel of a program waits for the imports, the next ones do not. Whatever cannot be started warm is
started as ever: another machine than Linux, another command than ipykernel's own, streams that are pipes.
"""

import asyncio
import atexit
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_client.provisioning import LocalProvisioner
from traitlets import List, Unicode

from grading.config import load_config
from grading.errors import GradingError, InfrastructureError
from grading.warm.jupyter_kernel import OUTDATED

if TYPE_CHECKING:
    from grading.warm.client import Warm
    from grading.warm.forks import Fork

__all__ = ["WarmProvisioner", "course_preload"]

LAUNCHER = ["-m", "ipykernel_launcher"]

_PYTHON = ("PYTHON", "LD_", "MALLOC_", "GLIBC_")
_THREADS = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "BLIS_", "NUMEXPR_")
_LIBRARIES = (
    "TORCH",
    "PYTORCH_",
    "ATEN_",
    "CUDA_",
    "CUBLAS_",
    "NVIDIA_",
    "MPLCONFIGDIR",
    "HF_",
    "TF_",
    "XLA_",
)
READ_ONCE = _PYTHON + _THREADS + _LIBRARIES
"""Variables that the interpreter or a library reads when it is loaded: kernels that differ in one do not
share a warm process. All others are the kernel's own."""


class WarmProvisioner(LocalProvisioner):
    """Starts a kernel by forking the warm process of this program, its environment and its preload."""

    preload: Any = List(
        Unicode(), default_value=None, allow_none=True, help="modules to import; by default course.toml says"
    )

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start the kernel; the connection information is LocalProvisioner's."""
        launch = _launch(cmd, kwargs)
        if launch is None:
            return await super().launch_kernel(cmd, **kwargs)
        try:
            fork = await asyncio.to_thread(self._fork, launch, kwargs)
        except (GradingError, OSError) as error:
            self.log.warning("this kernel starts cold: %s", error)
            return await super().launch_kernel(cmd, **kwargs)
        self.process = _Process(fork)
        self.pid, self.pgid = fork.pid, None  # signals go through the process, to its whole group
        self.cwd = launch["folder"]
        return self.connection_info

    def _fork(self, launch: dict[str, Any], kwargs: Mapping[str, Any]) -> "Fork":
        folder = Path(launch["folder"])
        preload = tuple(course_preload(folder) if self.preload is None else self.preload)
        with _streams(kwargs) as streams:
            for _ in range(2):
                warm = _warm_process(preload, launch["environment"])
                fork = warm.kernel(launch, streams)
                if fork.ending is None or fork.ending.failed != OUTDATED:
                    break
                _retire(warm)
        if fork.ending is not None and fork.ending.failed:
            raise InfrastructureError(f"the warm process could not fork ({fork.ending.failed})")
        for name, started in warm.threads.items():
            self.log.warning(
                "%s started threads when it was imported (%s), and warm kernels do not have them: "
                "if one hangs, leave it out of preload",
                name,
                ", ".join(started),
            )
        for name, why in warm.missing.items():
            self.log.warning("%s could not be imported for warm kernels (%s)", name, why)
        return fork


def course_preload(folder: Path) -> tuple[str, ...]:
    """What the course imports that this folder belongs to: the nearest course.toml says.

    Raises:
        ConfigError: there is one, but it is not sound.
    """
    folder = folder.resolve()
    for place in (folder, *folder.parents, Path(__file__).resolve().parents[2]):
        if (place / "course.toml").is_file():
            return load_config(place / "course.toml").warm.preload
    return ()


class _Process:
    """A fork with the face of a Popen, as far as LocalProvisioner looks at it."""

    stdin = stdout = stderr = None

    def __init__(self, fork: "Fork") -> None:
        self.fork, self.pid = fork, fork.pid

    def poll(self) -> int | None:
        return self.fork.ending.code if self.fork.ending is not None else None

    def wait(self) -> int | None:
        self.fork.over.wait()
        return self.poll()

    def send_signal(self, number: int) -> None:
        self.fork.signal(number)


def _launch(cmd: list[str], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the fork has to know; None where a fork would not be what was asked for."""
    streams = [kwargs.get(name) for name in ("stdin", "stdout", "stderr")]
    if (
        sys.platform != "linux"
        or cmd[0] != sys.executable
        or cmd[1:3] != LAUNCHER
        or kwargs.get("independent")  # it would have to outlive this program
        or any(isinstance(stream, int) and stream in (-1, -2) for stream in streams)  # PIPE, STDOUT
        or kwargs.keys()
        - {"stdin", "stdout", "stderr", "env", "cwd", "extra_arguments", "kernel_id", "independent"}
    ):
        return None
    environment = dict(os.environ if kwargs.get("env") is None else kwargs["env"])
    return {
        "arguments": [os.path.expanduser(word) for word in cmd[3:]],
        "environment": {**environment, "JPY_PARENT_PID": str(os.getpid())},
        "folder": str(kwargs.get("cwd") or Path.cwd()),
    }


@contextmanager
def _streams(kwargs: Mapping[str, Any]) -> Iterator[list[int]]:
    """Descriptors of the kernel's standard streams; by default nothing to read, and this program's output."""
    with ExitStack() as stack:
        nothing = stack.enter_context(open(os.devnull, "r+b", buffering=0)).fileno()
        descriptors = []
        for name, ours in (("stdin", nothing), ("stdout", 1), ("stderr", 2)):
            given = kwargs.get(name)
            descriptor = ours if given is None else given if isinstance(given, int) else given.fileno()
            try:
                os.fstat(descriptor)
            except OSError:
                descriptor = nothing  # DEVNULL; or a program without a terminal, that has closed its streams
            descriptors.append(descriptor)
        yield descriptors


_processes: dict[tuple[Any, ...], "Warm"] = {}
_retired: list[tuple[int, "Warm"]] = []
_lock = threading.Lock()


def _warm_process(preload: tuple[str, ...], environment: Mapping[str, str]) -> "Warm":
    """The process that such kernels are forked from; a new one where there is none yet."""
    from grading.warm.client import Warm

    settings = sorted((name, value) for name, value in environment.items() if name.startswith(READ_ONCE))
    key = (os.getpid(), preload, *settings)
    with _lock:
        _close([warm for pid, warm in _retired if pid == os.getpid() and not warm.forks])
        warm = _processes.get(key)
        if warm is not None and not warm.alive:
            _close([warm])
            warm = None
        if warm is None:
            warm = _processes[key] = Warm(preload, (), sandbox="none", environment=environment)
        return warm


def _retire(outdated: "Warm") -> None:
    """Ask this process for no more kernels; it ends when the last it has does."""
    with _lock:
        for key in [key for key, warm in _processes.items() if warm is outdated]:
            _retired.append((os.getpid(), _processes.pop(key)))


def _close(processes: list["Warm"]) -> None:
    for warm in processes:
        warm.close()
    _retired[:] = [(pid, warm) for pid, warm in _retired if warm not in processes]


@atexit.register
def _close_all() -> None:
    started = [*((key[0], warm) for key, warm in _processes.items()), *_retired]
    _close([warm for pid, warm in started if pid == os.getpid()])  # a fork of this program ends nothing here
