"""Warm kernels: as quick as they should be, and otherwise what a kernel started from nothing is."""

import argparse
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import papermill
import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from nbformat.v4 import new_code_cell, new_notebook

from grading.commands import kernel as kernel_command
from grading.jupyter import provisioner
from grading.jupyter.provisioner import course_preload
from tests.helpers import ROOT, run_tool

pytestmark = [
    pytest.mark.notebooks,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere these kernels start cold"),
]

PATIENCE = 60  # seconds; what takes longer has not happened, however busy the machine is
KERNELS = ROOT / "grading" / "jupyter" / "kernels"


@pytest.fixture(scope="module", autouse=True)
def the_kernel_is_found():
    """By this process and by the programs that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(KERNELS.parent))
        yield
    provisioner._close_all()


class Kernel:
    """A kernel, its manager, its client."""

    def __init__(self, name="warm", *, specs=None, **how):
        self.manager = KernelManager(kernel_name=name, **({"kernel_spec_manager": specs} if specs else {}))
        start = time.perf_counter()
        self.manager.start_kernel(**how)
        self.connect()
        self.seconds = time.perf_counter() - start

    def connect(self):
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def tell(self, code, **more):
        """What this cell prints, and the name of its error."""
        return tell(self.client, code, **more)

    @property
    def pid(self):
        return self.manager.provisioner.pid

    @property
    def is_warm(self):
        return isinstance(self.manager.provisioner.process, provisioner._Process)


def tell(client, code, timeout=30, **more):
    said = []

    def hear(message):
        said.append(message["content"].get("text", "") or message["content"].get("ename", ""))

    client.execute_interactive(code, timeout=timeout, output_hook=hear, **more)
    return "".join(said).strip()


@contextlib.contextmanager
def kernel(name="warm", **how):
    started = Kernel(name, **how)
    try:
        yield started
    finally:
        started.client.stop_channels()
        started.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def warm():
    with kernel() as started:
        yield started


@pytest.fixture
def specs(tmp_path):
    """A function that makes the kernel once more, with these modules to preload."""

    def make(*preload):
        spec = json.loads((KERNELS / "warm" / "kernel.json").read_text())
        spec["metadata"]["kernel_provisioner"]["config"]["preload"] = list(preload)
        (tmp_path / "kernels" / "warm").mkdir(parents=True)
        (tmp_path / "kernels" / "warm" / "kernel.json").write_text(json.dumps(spec))
        return KernelSpecManager(kernel_dirs=[str(tmp_path / "kernels")])

    return make


def gone(*pids, seconds=10):
    """Whether these processes end, zombies counted as ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(_lives(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_command_makes_jupyter_offer_the_kernel(tmp_path, capsys):
    for _ in range(2):  # the second time over the first
        parser = argparse.ArgumentParser()
        kernel_command.add_arguments(parser)
        assert kernel_command.main(parser.parse_args(["--prefix", str(tmp_path)])) == 0
    assert str(tmp_path) in capsys.readouterr().out
    there = str(tmp_path / "share" / "jupyter")
    listed = run_tool("jupyter", "kernelspec", "list", "--json", cwd=ROOT, JUPYTER_PATH=there)
    found = json.loads(listed.stdout)["kernelspecs"]["warm"]
    assert found["resource_dir"].startswith(there)
    assert found["spec"]["display_name"] == "Python 3 (warm)"


def test_a_kernel_finds_torch_imported_and_starts_sooner_than_a_cold_one(warm, record_property):
    assert warm.is_warm
    assert warm.tell("import sys; print('torch' in sys.modules)") == "True"
    seconds: dict[str, list[float]] = {"python3": [], "warm": []}
    for name in ("python3", "warm", "warm", "warm"):
        start = time.perf_counter()
        with kernel(name) as started:
            assert started.tell("import torch, torchvision; import matplotlib.pyplot as plt; print(1)") == "1"
            seconds[name].append(time.perf_counter() - start)
    cold, quick = seconds["python3"][0], min(seconds["warm"])
    record_property(
        "measured",
        f"a kernel that has torch, torchvision and pyplot: cold {cold:.2f} s, warm {quick:.2f} s; "
        f"the first warm one {warm.seconds:.2f} s",
    )
    assert quick < cold


FACTS = """
import json, os, resource, signal, sys, threading, warnings
import matplotlib, matplotlib.pyplot as plt, ipywidgets, numpy, threadpoolctl, torch, torchvision, tqdm.auto
numpy.ones((300, 300)) @ numpy.ones((300, 300))
own = {"JPY_PARENT_PID", "PYTEST_CURRENT_TEST"}
facts = {
    "arguments": [sys.argv[0], len(sys.argv)],
    "path": sys.path,
    "folder": os.getcwd(),
    "environment": {k: v for k, v in os.environ.items() if k not in own},
    "flags": [*sys.flags, sys.executable, sys.warnoptions, sys.dont_write_bytecode],
    "main": [__name__, sorted(vars(sys.modules["__main__"])).index("__name__") > 0],
    "threads": sorted(t.name.split("-")[0] for t in threading.enumerate()),
    "cores": [torch.get_num_threads(), torch.get_num_interop_threads(), len(os.sched_getaffinity(0))],
    "pools": sorted(
        (p["filepath"], p["num_threads"]) for p in threadpoolctl.threadpool_info()
        if "numpy" in p["filepath"] or "/torch/" in p["filepath"]
    ),
    "backend": matplotlib.get_backend(),
    "bars": str(tqdm.auto.tqdm.__mro__[1]),
    "signals": [str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)],
    "session": os.getsid(0) == os.getpgid(0) == os.getpid(),
    "limits": [resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT")],
    "shell": type(get_ipython()).__name__ + type(get_ipython().kernel).__name__,
    "count": get_ipython().execution_count,
    "numbers": sorted(numpy.get_printoptions().items(), key=str).__repr__() + str(torch.get_default_dtype()),
    "mode": [torch.is_grad_enabled(), torch.get_deterministic_debug_mode(), plt.isinteractive()],
    "umask": [os.umask(0o22), os.umask(0o22)],
}
print(json.dumps(facts))
"""


def test_a_warm_kernel_is_what_a_cold_one_is(tmp_path):
    facts = {}
    for name in ("python3", "warm"):
        with kernel(name, cwd=str(tmp_path), env={**os.environ, "NOTEBOOK": "of today"}) as started:
            facts[name] = json.loads(started.tell(FACTS))
    assert facts["warm"] == facts["python3"]
    assert facts["warm"]["folder"] == str(tmp_path)
    assert facts["warm"]["environment"]["NOTEBOOK"] == "of today"
    assert facts["warm"]["cores"][0] == len(os.sched_getaffinity(0)) or os.environ.get("OMP_NUM_THREADS")


def test_no_two_kernels_draw_the_same_numbers():
    draw = "import numpy, random, torch; print(numpy.random.rand(), random.random(), torch.rand(1).item())"
    drawn = []
    for _ in range(2):
        with kernel() as started:
            drawn.append(started.tell(draw).split())
    assert not set(drawn[0]) & set(drawn[1])


def test_torch_computes_on_all_cores_after_the_fork(warm):
    busy = """
        import os, torch
        threads = lambda: len(os.listdir("/proc/self/task"))
        before = threads()
        image = torch.ones(8, 8, 64, 64)
        torch.nn.Conv2d(8, 8, 3)(image).relu().sum().item()
        (torch.ones(400, 400) @ torch.ones(400, 400)).sum().item()
        print(threads() - before >= torch.get_num_threads() - 1, torch.get_num_threads())
        """
    cores = os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))
    assert warm.tell(textwrap.dedent(busy)) == f"True {cores}"


def test_the_threads_a_user_asks_for_are_the_threads_there_are(specs):
    specs, threads = specs("torch"), "import torch; print(torch.get_num_threads())"
    with kernel(specs=specs), kernel(specs=specs, env={**os.environ, "OMP_NUM_THREADS": "1"}) as frugal:
        assert frugal.is_warm
        assert frugal.tell(threads) == "1"


def test_a_figure_is_shown_with_and_without_the_magic(warm):
    for magic in ("", "%matplotlib inline\n"):
        shown: list[dict[str, Any]] = []
        warm.client.execute_interactive(
            f"{magic}import matplotlib.pyplot as plt\n_ = plt.plot([1, 2])",
            timeout=30,
            output_hook=shown.append,
        )
        pictures = [m for m in shown if m["msg_type"] == "display_data"]
        assert len(pictures) == 1
        assert "image/png" in pictures[0]["content"]["data"]


def test_a_widget_tells_python_that_it_was_moved(warm):
    seen: list[dict[str, Any]] = []
    warm.client.execute_interactive(
        "import ipywidgets\nslider = ipywidgets.IntSlider(3)\nslider",
        timeout=30,
        output_hook=seen.append,
    )
    opened = [m["content"]["comm_id"] for m in seen if m["msg_type"] == "comm_open"]
    model = warm.tell("print(slider.model_id)")
    assert model in opened
    content = {"comm_id": model, "data": {"method": "update", "state": {"value": 7}, "buffer_paths": []}}
    warm.client.shell_channel.send(warm.client.session.msg("comm_msg", content))
    assert warm.tell("print(slider.value)") == "7"


def test_a_page_can_open_a_widget_of_its_own(warm):
    content = {"comm_id": "mine", "target_name": "jupyter.widget.control", "data": {}}
    message = warm.client.session.msg("comm_open", content, metadata={"version": "1.0.0"})
    warm.client.shell_channel.send(message)
    registered = "print(sorted(get_ipython().kernel.comm_manager.targets))"
    assert warm.tell(registered) == "['jupyter.widget', 'jupyter.widget.control']"
    assert warm.tell("print('mine' in get_ipython().kernel.comm_manager.comms)") == "True"


def test_a_cell_can_ask_the_user(warm):
    said = warm.tell(
        "print(input('name? '))", allow_stdin=True, stdin_hook=lambda message: warm.client.input("Ada")
    )
    assert said == "Ada"


def test_a_debugger_can_attach(warm):
    arguments = {"clientID": "test", "adapterID": "", "pathFormat": "path"}
    request = {"type": "request", "seq": 1, "command": "initialize", "arguments": arguments}
    message = warm.client.session.msg("debug_request", request)
    warm.client.control_channel.send(message)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        reply = warm.client.get_control_msg(timeout=30)
        if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            break
    assert reply["content"]["success"]


def test_an_endless_loop_and_what_it_started_can_be_interrupted(warm):
    for loop in ("while True: pass", "import subprocess; subprocess.run(['sleep', '600'])"):
        message = warm.client.execute(f"print('begun', flush=True)\n{loop}")
        while warm.client.get_iopub_msg(timeout=PATIENCE)["content"].get("text") != "begun\n":
            pass
        start = time.perf_counter()
        warm.manager.interrupt_kernel()
        reply = warm.client.get_shell_msg(timeout=PATIENCE)
        assert reply["parent_header"]["msg_id"] == message
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        assert time.perf_counter() - start < PATIENCE
    assert warm.tell("print(1)") == "1"


def test_a_restart_forgets_all_and_is_quick():
    with kernel() as started:
        started.tell("x = 1")
        before, start = started.pid, time.perf_counter()
        started.manager.restart_kernel()
        started.client.stop_channels()
        started.connect()
        assert time.perf_counter() - start < PATIENCE
        assert started.is_warm
        assert started.pid != before
        assert started.tell("x") == "NameError"
        assert gone(before)


def test_a_kernel_that_ends_itself_is_known_to_have_ended():
    with kernel() as started:
        started.client.execute("import os; os._exit(7)")
        assert gone(started.pid)
        until = time.monotonic() + 5
        while started.manager.is_alive() and time.monotonic() < until:
            time.sleep(0.05)
        assert not started.manager.is_alive()
        assert started.manager.provisioner.process.poll() == 7


def test_what_a_notebook_leaves_for_its_end_is_done_then(tmp_path):
    with kernel(cwd=str(tmp_path)) as started:
        started.tell("import atexit, pathlib; atexit.register(pathlib.Path('farewell').touch)")
        started.manager.shutdown_kernel()
        assert gone(started.pid)
        assert (tmp_path / "farewell").exists()


CLIENT = """
import os, sys, time
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="warm")
client.execute_interactive(
    "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)",
    output_hook=lambda message: print(
        message["content"].get("text", "").strip(), manager.provisioner.pid,
        manager.provisioner.process.fork.owner.process.pid, flush=True,
    ) if message["msg_type"] == "stream" else None,
)
time.sleep(600)
"""


@pytest.fixture
def client(tmp_path):
    """A program with a kernel: its process, and the numbers of all that it started."""
    (tmp_path / "course.toml").write_text('[course]\nname = "small"\n')
    with subprocess.Popen([sys.executable, "-c", CLIENT], cwd=tmp_path, stdout=subprocess.PIPE) as program:
        yield program, *map(int, program.stdout.readline().split())
        program.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_kernels_and_what_they_started_end_with_their_client(client, number):
    program, sleeper, kernel_process, warm_process = client
    assert not gone(sleeper, kernel_process, warm_process, seconds=0.2)
    program.send_signal(number)
    assert gone(kernel_process, warm_process, sleeper, seconds=3)


def test_a_kernel_ends_with_the_warm_process_and_the_next_gets_a_new_one(specs):
    specs = specs()
    with kernel(specs=specs) as first:
        owner = first.manager.provisioner.process.fork.owner
        owner.process.kill()
        assert gone(first.pid, seconds=3)
        with kernel(specs=specs) as second:
            assert second.is_warm
            assert second.manager.provisioner.process.fork.owner is not owner


def test_a_changed_file_is_read_again(specs, tmp_path, monkeypatch):
    (tmp_path / "lesson.py").write_text("answer = 1\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    specs = specs("lesson")
    look = "import sys, os; print('lesson' in sys.modules, __import__('lesson').answer, os.getppid())"
    with kernel(specs=specs) as first, kernel(specs=specs) as second:
        _, answer, parent = first.tell(look).split()
        assert second.tell(look).split() == ["True", answer, parent]
        (tmp_path / "lesson.py").write_text("answer = 22\n")
        with kernel(specs=specs) as third:
            loaded, answer, other = third.tell(look).split()
            assert (loaded, answer) == ("True", "22")
            assert other != parent
        assert first.tell(look).split() == ["True", "1", parent], "kernels that run are left alone"
    with kernel(specs=specs):
        assert gone(int(parent))


def test_a_library_that_starts_threads_or_cannot_be_imported_is_named(specs, tmp_path, monkeypatch, caplog):
    (tmp_path / "busybody.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with caplog.at_level(logging.WARNING), kernel(specs=specs("numpy", "busybody", "nowhere")) as started:
        assert started.is_warm
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if "started threads" in line and line.startswith("busybody ")]
    assert [line for line in said if "nowhere could not be imported" in line]
    assert not [line for line in said if "numpy" in line], "OpenBLAS stops its threads before a fork"


def test_what_cannot_be_warm_starts_as_ever(tmp_path, caplog):
    (tmp_path / "course.toml").write_text("[course\n")
    with caplog.at_level(logging.WARNING), kernel(cwd=str(tmp_path)) as started:
        assert not started.is_warm
        assert started.tell("print(1)") == "1"
    assert "course.toml" in caplog.text
    with kernel(independent=True) as started:
        assert not started.is_warm


def test_the_nearest_course_says_what_is_imported(tmp_path):
    assert "torch" in course_preload(ROOT / "notebooks")
    (tmp_path / "deep").mkdir()
    assert course_preload(tmp_path / "deep") == course_preload(ROOT), "that beside the package"
    (tmp_path / "course.toml").write_text('[course]\nname = "other"\n[engine]\npreload = ["json"]\n')
    assert course_preload(tmp_path / "deep") == ("json",)


def lines(*cells):
    made = [new_code_cell(cell, execution_count=1) for cell in cells]
    return new_notebook(cells=made, metadata={"language_info": {"name": "python"}})


def test_nbclient_runs_a_notebook():
    notebook = lines("import sys; print('torch' in sys.modules)")
    nbclient.NotebookClient(notebook, kernel_name="warm", timeout=60).execute()
    assert notebook.cells[0].outputs[0].text == "True\n"


def test_papermill_runs_a_notebook(tmp_path):
    notebook = lines("budget = 'full'", "import sys; print('torch' in sys.modules, budget)")
    notebook.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(notebook, tmp_path / "in.ipynb")
    executed = papermill.execute_notebook(
        tmp_path / "in.ipynb",
        tmp_path / "out.ipynb",
        {"budget": "ci"},
        kernel_name="warm",
        progress_bar=False,
        cwd=tmp_path,
    )
    assert executed.cells[-1].outputs[0].text == "True ci\n"


def test_nbval_compares_a_notebook(tmp_path):
    notebook = lines("import sys\nprint('torch' in sys.modules)")
    for name, kept in (("right", "True\n"), ("wrong", "False\n")):
        notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text=kept)]
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    ran = run_tool(
        *(
            "pytest",
            "-c",
            os.devnull,
            "--rootdir",
            str(tmp_path),
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
        ),
        *("--nbval", "--nbval-kernel-name", "warm", str(tmp_path)),
        cwd=tmp_path,
    )
    assert "1 failed, 1 passed" in ran.stdout, ran.stdout[-2000:]
    assert "wrong.ipynb" in ran.stdout


@pytest.mark.slow
def test_jupyterlab_starts_interrupts_restarts_and_ends_a_kernel(tmp_path):
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    (tmp_path / "topic").mkdir()
    tool = Path(sys.executable).with_name("jupyter")
    quiet = ["--no-browser", "--IdentityProvider.token=secret", "--ServerApp.port=0", "--allow-root"]
    environment = {**os.environ, "JUPYTER_RUNTIME_DIR": str(runtime), "HOME": str(tmp_path)}
    with subprocess.Popen(
        [tool, "lab", *quiet, "--ServerApp.port_retries=50"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            info = json.loads(_appears(runtime, "jpserver-*.json"))

            def call(method, what, **body):
                request = urllib.request.Request(
                    info["url"] + "api/" + what,
                    method=method,
                    data=json.dumps(body).encode() if body else None,
                    headers={"Authorization": "token secret", "Content-Type": "application/json"},
                )
                with urllib.request.urlopen(request, timeout=60) as reply:
                    text = reply.read()
                return json.loads(text) if text else None

            specs = _answers(lambda: call("GET", "kernelspecs"))["kernelspecs"]
            assert specs["warm"]["spec"]["display_name"] == "Python 3 (warm)"
            for _ in range(2):  # the second from a process that is there already
                number = call("POST", "kernels", name="warm", path="topic")["id"]
            connection = runtime / f"kernel-{number}.json"
            where = "import os, sys; print('torch' in sys.modules, os.getcwd(), os.getpid())"
            with _connected(connection) as there:
                loaded, folder, pid = tell(there, where).split()
                assert (loaded, folder) == ("True", str(tmp_path / "topic"))
                message = there.execute("while True: pass")
                time.sleep(0.5)
                call("POST", f"kernels/{number}/interrupt")
                assert there.get_shell_msg(timeout=PATIENCE)["content"]["ename"] == "KeyboardInterrupt", (
                    message
                )
            call("POST", f"kernels/{number}/restart")
            with _connected(connection) as there:
                again = tell(there, where).split()
                assert again[0] == "True"
                assert again[2] != pid
            assert gone(int(pid))
            call("DELETE", f"kernels/{number}")
            assert gone(int(again[2]))
            assert len(call("GET", "kernels")) == 1
        finally:
            server.terminate()


@contextlib.contextmanager
def _connected(file):
    client = BlockingKernelClient(connection_file=str(file))
    client.load_connection_file()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield client
    finally:
        client.stop_channels()


def _answers(ask, seconds=60):
    """What ``ask()`` gives, once the server listens: it writes down its address before."""
    until = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except urllib.error.URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _appears(folder, pattern, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for path in folder.glob(pattern):
            with contextlib.suppress(ValueError):
                json.loads(path.read_text())
                return path.read_text()
        time.sleep(0.1)
    raise AssertionError(f"no {pattern} in {folder}")
