"""Around the ban on library calls: an exercise that one forbidden call solves, and its many spellings.

Kinds: below torch's dispatch modes; by a string through some library's helper; in another thread or process;
code that is in no cell; functions that were taken before; other libraries; at the recorder itself.
"""

from tests.attacks.corpus.attack import Attack
from tests.attacks.corpus.guard import CONV, evades

__all__ = ["ATTACKS", "PREVENTED"]

DIRECT = (
    "torch.ops.aten.convolution.default(x[:, None], w[None, None], None, [1], [0], [1], False, [0], 1)[:, 0]"
)
PLAIN = "def correlate(x, weight):\n    return solve(x, weight)"


def before(name: str, tries: str, first: str) -> Attack:
    """All of it stands in a cell of its own: `solve` is what the answer calls."""
    first = first.replace("DIRECT", DIRECT).replace("CALL", CONV.replace("weight", "w"))
    return evades(f"ban-{name}", tries, PLAIN, first=first)


BELOW = [
    before(
        "custom-operator",
        "wraps the call in an operator of its own, whose name says nothing",
        """
            import torch
            @torch.library.custom_op("mine::slide", mutates_args=())
            def slide(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
                return CALL.clone()
            solve = slide
        """,
    ),
    before(
        "kernel-from-python",
        "registers a kernel for an operator, which is run below the modes",
        """
            import torch
            mine = torch.library.Library("hidden", "DEF")
            mine.define("total(Tensor x, Tensor w) -> Tensor")
            mine.impl("total", lambda x, w: CALL.clone(), "CPU")
            solve = torch.ops.hidden.total
        """,
    ),
    before(
        "kernel-of-the-librarys",
        "replaces the library's sum by a kernel that convolves",
        """
            import torch
            fragment = torch.library.Library("aten", "FRAGMENT")
            fragment.define("my_total(Tensor x, Tensor w) -> Tensor")
            fragment.impl("my_total", lambda x, w: CALL.clone(), "CompositeExplicitAutograd")
            solve = torch.ops.aten.my_total
        """,
    ),
    before(
        "subclass-made-at-run-time",
        "makes a class of tensors whose dispatch calls it with all modes taken off",
        """
            import torch
            def dispatch(cls, func, types, args=(), kwargs=None):
                x, w = cls.asked
                return CALL
            def new(cls, x):
                return torch.Tensor._make_wrapper_subclass(cls, x.shape, dtype=x.dtype)
            Late = type("Late", (torch.Tensor,), {
                "__new__": staticmethod(new), "__torch_dispatch__": classmethod(dispatch),
                "__init__": lambda self, x: None})
            def solve(x, w):
                Late.asked = x, w
                return Late(x) + 1
        """,
    ),
    before(
        "no-dispatch",
        "calls it where the helper for tensor subclasses has taken the modes off",
        """
            import torch
            from torch.testing._internal.composite_compliance import no_dispatch
            def solve(x, w):
                with no_dispatch():
                    return CALL
        """,
    ),
    before(
        "autograd-function",
        "calls it in a function of autograd's, forward",
        """
            import torch
            class Plain(torch.autograd.Function):
                @staticmethod
                def forward(ctx, x, w): return CALL
                @staticmethod
                def backward(ctx, g): return None, None
            solve = Plain.apply
        """,
    ),
    before(
        "gradient-of-a-convolution",
        "asks for the gradient of a transposed convolution, which is a convolution",
        """
            import torch
            def solve(x, w):
                y = torch.zeros(len(x), 1, x.shape[1] - len(w) + 1, requires_grad=True)
                with torch.enable_grad():
                    z = torch.conv_transpose1d(y, w[None, None])
                    return torch.autograd.grad(z, y, x[:, None])[0][:, 0]
        """,
    ),
    before(
        "mkldnn",
        "calls the kernel of another library by its own name",
        """
            import torch
            def solve(x, w):
                return torch.mkldnn_convolution(
                    x[:, None, None], w[None, None, None], None, [0, 0], [1, 1], [1, 1], 1)[:, 0, 0]
        """,
    ),
    before(
        "slow-conv3d",
        "calls the slow kernel for volumes",
        """
            import torch
            def solve(x, w):
                volumes, kernel = x[:, None, None, None], w[None, None, None, None]
                return torch._C._nn.slow_conv3d(volumes, kernel, [1, 1, len(w)])[:, 0, 0, 0]
        """,
    ),
    before(
        "thnn-conv2d",
        "calls the old kernel for images",
        """
            import torch
            def solve(x, w):
                return torch._C._nn.thnn_conv2d(x[:, None, None], w[None, None, None], [1, len(w)])[:, 0, 0]
        """,
    ),
    before(
        "convolution-backward",
        "calls the gradient of a convolution as a function",
        """
            import torch
            def solve(x, w):
                out = x.shape[1] - len(w) + 1
                like = torch.zeros(len(x), 1, out)
                how = [1], [0], [1], True, [0], 1, [True, False, False]
                call = torch.ops.aten.convolution_backward
                return call(x[:, None], like, w[None, None], None, *how)[0][:, 0]
        """,
    ),
    before(
        "conv-tbc",
        "calls the convolution for texts",
        """
            import torch
            def solve(x, w):
                turned = x.T[:, :, None].contiguous()
                return torch.conv_tbc(turned, w[:, None, None], torch.zeros(1))[:, :, 0].T
        """,
    ),
    before(
        "vmap",
        "lets a transform of functions call it",
        """
            import torch
            def solve(x, w):
                one = lambda row: torch.conv1d(row[None, None], w[None, None])[0, 0]
                return torch.func.vmap(one)(x)
        """,
    ),
    before(
        "redispatch",
        "goes past the dispatcher to a lower key",
        """
            import torch
            keys = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
            def solve(x, w):
                return torch.ops.aten.convolution.default.redispatch(
                    keys, x[:, None], w[None, None], None, [1], [0], [1], False, [0], 1)[:, 0]
        """,
    ),
    before(
        "padding-in-words",
        "calls the overload that takes its padding as a word",
        """
            import torch
            def solve(x, w):
                return torch.ops.aten.conv1d.padding(x[:, None], w[None, None], None, [1], "valid")[:, 0]
        """,
    ),
    before(
        "leaf-kernel-by-redispatch",
        "goes past the dispatcher to a kernel that calls no other one",
        """
            import torch
            keys = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
            def solve(x, w):
                return torch.ops.aten.mkldnn_convolution.default.redispatch(
                    keys, x[:, None, None], w[None, None, None], None, [0, 0], [1, 1], [1, 1], 1)[:, 0, 0]
        """,
    ),
    before(
        "kernel-taken-by-its-key",
        "takes the kernel itself out of the dispatcher's table",
        """
            import torch
            kernel = torch.library.get_kernel("aten::mkldnn_convolution", "CPU")
            keys = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
            def solve(x, w):
                return kernel.call_boxed(
                    keys, x[:, None, None], w[None, None, None], None, [0, 0], [1, 1], [1, 1], 1)[:, 0, 0]
        """,
    ),
]

STRINGS = [
    before(
        "operator-attrgetter",
        "names it in a string to a helper of Python's",
        """
            import operator, torch
            call = operator.attrgetter("nn.functional." + "vnoc"[::-1] + "1d")
            def solve(x, w):
                return call(torch)(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "pydoc-locate",
        "lets the documentation find it",
        """
            import pydoc
            def solve(x, w):
                return pydoc.locate("torch.co" + "nv1d")(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "pickled-name",
        "lets a pickle name it",
        """
            import pickle
            call = pickle.loads(b"ctorch\\nconv1d\\n.")
            def solve(x, w):
                return call(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "operator-from-its-schema",
        "asks the compiler for the operator of a name",
        """
            import torch
            call, _ = torch._C._jit_get_operation("aten::" + "conv" + "1d")
            def solve(x, w):
                return call(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "sequential-from-strings",
        "makes a layer whose class is named in a text",
        """
            import torch, importlib
            Layer = getattr(importlib.import_module("torch.nn"), "".join(["Co", "nv", "1d"]))
            def solve(x, w):
                layer = Layer(1, 1, len(w), bias=False)
                layer.load_state_dict({"weight": w[None, None]})
                return layer(x[:, None])[:, 0].detach()
        """,
    ),
    before(
        "graph-from-text",
        "compiles a function from the text of a graph",
        """
            import torch
            graph = torch._C.parse_ir('''
                graph(%x : Tensor, %w : Tensor):
                  %none : NoneType = prim::Constant()
                  %one : int = prim::Constant[value=1]()
                  %zero : int = prim::Constant[value=0]()
                  %s : int[] = prim::ListConstruct(%one)
                  %p : int[] = prim::ListConstruct(%zero)
                  %y : Tensor = aten::conv1d(%x, %w, %none, %s, %p, %s, %one)
                  return (%y)''')
            call = torch._C._create_function_from_graph("f", graph)
            def solve(x, w):
                return call(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "symbolic-graph",
        "builds a graph of calls by hand and runs it",
        """
            import torch
            graph = torch.fx.Graph()
            x, w = graph.placeholder("x"), graph.placeholder("w")
            graph.output(graph.call_function(torch.conv1d, (x, w)))
            module = torch.fx.GraphModule({}, graph)
            def solve(x, w):
                return module(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "shell-evaluates",
        "lets the shell evaluate a text",
        """
            import torch
            def solve(x, w):
                shell = get_ipython()
                shell.user_ns.update(x_=x, w_=w)
                return shell.ev("torch.co" "nv1d(x_[:, None], w_[None, None])[:, 0]")
        """,
    ),
]

THREADS = [
    before(
        "thread-before",
        "a thread from the first cell waits for work",
        """
            import queue, threading, torch
            asked, told = queue.Queue(), queue.Queue()
            def work():
                while True:
                    x, w = asked.get()
                    told.put(CALL)
            threading.Thread(target=work, daemon=True).start()
            def solve(x, w):
                asked.put((x, w))
                return told.get(timeout=2)
        """,
    ),
    before(
        "thread-outlives-its-call",
        "a thread is started in one call and asked in the next",
        """
            import concurrent.futures, torch
            pool = None
            def solve(x, w):
                global pool
                pool = pool or concurrent.futures.ThreadPoolExecutor(1)
                return pool.submit(lambda: CALL).result()
        """,
    ),
    before(
        "low-level-thread",
        "starts a thread below the module for threads",
        """
            import _thread, time, torch
            def solve(x, w):
                found = []
                _thread.start_new_thread(lambda: found.append(CALL), ())
                while not found:
                    time.sleep(0.001)
                return found[0]
        """,
    ),
    before(
        "forked-task-of-the-compiler",
        "runs it as a task of the compiler's, in a thread pool of C++",
        """
            import torch
            @torch.jit.script
            def work(x, w):
                return torch.conv1d(x, w)
            @torch.jit.script
            def both(x, w):
                return torch.jit.wait(torch.jit.fork(work, x, w))
            def solve(x, w):
                return both(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "asyncio-thread",
        "awaits a thread of the event loop's",
        """
            import asyncio, torch
            def solve(x, w):
                async def ask():
                    return await asyncio.to_thread(lambda: CALL)
                loop = asyncio.new_event_loop()
                return loop.run_until_complete(ask())
        """,
    ),
    before(
        "process-before",
        "a process from the first cell waits at a pipe",
        """
            import multiprocessing, os, torch
            here, there = multiprocessing.Pipe()
            if os.fork() == 0:
                while True:
                    x, w = map(torch.tensor, there.recv())
                    there.send(CALL.tolist())
            def solve(x, w):
                here.send((x.tolist(), w.tolist()))
                return torch.tensor(here.recv()) if here.poll(1) else None
        """,
    ),
    before(
        "process-at-a-file",
        "a process from the first cell waits for a file",
        """
            import os, time, torch
            if os.fork() == 0:
                while True:
                    if os.path.exists("asked.pt"):
                        time.sleep(0.02)
                        x, w = torch.load("asked.pt")
                        os.unlink("asked.pt")
                        torch.save(CALL.clone(), "told.tmp")
                        os.rename("told.tmp", "told.pt")
                    time.sleep(0.005)
            def solve(x, w):
                torch.save((x.clone(), w.clone()), "asked.pt")
                for _ in range(200):
                    if os.path.exists("told.pt"):
                        return torch.load("told.pt")
                    time.sleep(0.01)
        """,
    ),
    before(
        "spawned-process",
        "starts a program that calls it",
        """
            import subprocess, sys, torch
            program = '''if 1:
                import json, sys, torch
                x, w = map(torch.tensor, json.load(sys.stdin))
                print(json.dumps(torch.conv1d(x[:, None], w[None, None])[:, 0].tolist()))'''
            def solve(x, w):
                import json
                asked = json.dumps([x.tolist(), w.tolist()])
                done = subprocess.run(
                    [sys.executable, "-c", program], input=asked, capture_output=True, text=True)
                return torch.tensor(json.loads(done.stdout))
        """,
    ),
    before(
        "forked-in-the-call",
        "forks in the call and lets the child call it",
        """
            import os, pickle, torch
            def solve(x, w):
                mine, theirs = os.pipe()
                if os.fork() == 0:
                    os.write(theirs, pickle.dumps(CALL.tolist()))
                    os._exit(0)
                return torch.tensor(pickle.loads(os.read(mine, 1 << 16)))
        """,
    ),
    before(
        "wakes-who-was-stopped",
        "sends the process that was stopped the signal to go on",
        """
            import multiprocessing, os, signal, torch
            here, there = multiprocessing.Pipe()
            child = os.fork()
            if child == 0:
                while True:
                    x, w = map(torch.tensor, there.recv())
                    there.send(CALL.tolist())
            def solve(x, w):
                os.kill(child, signal.SIGCONT)
                here.send((x.tolist(), w.tolist()))
                return torch.tensor(here.recv())
        """,
    ),
]

ELSEWHERE = [
    before(
        "module-on-disk",
        "writes a module and imports it",
        """
            from pathlib import Path
            Path("helper.py").write_text(
                "import torch\\ndef solve(x, w): return torch.conv1d(x[:, None], w[None, None])[:, 0]")
            import sys; sys.path.insert(0, "")
            from helper import solve
        """,
    ),
    before(
        "extension-of-the-shell",
        "loads an extension that puts it into the shell",
        """
            from pathlib import Path
            Path("extend.py").write_text(
                "import torch\\ndef load_ipython_extension(shell):\\n"
                "    shell.push({'solve': lambda x, w: torch.conv1d(x[:, None], w[None, None])[:, 0]})")
            import sys; sys.path.insert(0, "")
            %load_ext extend
        """,
    ),
    before(
        "automagic-runs-a-file",
        "runs a file by a magic that is written without its sign",
        """
            from pathlib import Path
            _ = Path("aside.py").write_text(
                "import torch\\nsolve = lambda x, w: torch.conv1d(x[:, None], w[None, None])[:, 0]")
            get_ipython().run_line_magic("run", "aside.py")
        """,
    ),
    before(
        "hub-with-a-folder",
        "loads a model of a local folder",
        """
            from pathlib import Path
            import torch
            Path("hub").mkdir(exist_ok=True)
            Path("hub/hubconf.py").write_text(
                "import torch\\ndef net():\\n"
                "    return lambda x, w: torch.conv1d(x[:, None], w[None, None])[:, 0]")
            solve = torch.hub.load("hub", "net", source="local")
        """,
    ),
    before(
        "scripted-module-from-bytes",
        "saves a compiled module and loads it from bytes",
        """
            import io, torch
            class Net(torch.nn.Module):
                def forward(self, x, w):
                    return torch.conv1d(x, w)
            store = io.BytesIO()
            torch.jit.save(torch.jit.script(Net()), store)
            store.seek(0)
            net = torch.jit.load(store)
            def solve(x, w):
                return net(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "exported-program",
        "exports a program with a graph and runs that",
        """
            import torch
            class Net(torch.nn.Module):
                def forward(self, x, w):
                    return torch.nn.functional.conv1d(x, w)
            net = torch.jit.trace(Net(), (torch.ones(4, 1, 6), torch.ones(1, 1, 3)))
            frozen = torch.jit.optimize_for_inference(torch.jit.freeze(net.eval()))
            def solve(x, w):
                return frozen(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "pickled-class",
        "loads an object whose class does it when it is made",
        """
            import pickle, torch
            class Asks:
                def __init__(self, x, w): self.x, self.w = x, w
                def __reduce__(self):
                    return torch.conv1d, (self.x[:, None], self.w[None, None])
            def solve(x, w):
                return pickle.loads(pickle.dumps(Asks(x, w)))[:, 0]
        """,
    ),
    before(
        "destructor",
        "does it when an object dies",
        """
            import torch
            class Dies:
                def __del__(self):
                    x, w = self.asked
                    self.found.append(CALL)
            def solve(x, w):
                one = Dies(); found = one.found = []; one.asked = x, w
                del one
                return found[0]
        """,
    ),
    before(
        "exit-of-a-handler",
        "does it in a signal's handler",
        """
            import signal, torch
            def solve(x, w):
                found = []
                signal.signal(signal.SIGUSR1, lambda *_: found.append(CALL))
                signal.raise_signal(signal.SIGUSR1)
                return found[0]
        """,
    ),
    before(
        "trace-function",
        "does it where the interpreter calls a tracer",
        """
            import sys, torch
            def solve(x, w):
                found = []
                def tracer(frame, event, argument):
                    sys.settrace(None)
                    found.append(CALL)
                sys.settrace(tracer)
                (lambda: None)()
                sys.settrace(None)
                return found[0]
        """,
    ),
]

CAPTURED = [
    before(
        "captured-by-name",
        "took the function before anything was forbidden",
        """
            import torch
            call = torch.conv1d
            def solve(x, w):
                return call(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "captured-numpy",
        "took NumPy's function before",
        """
            import numpy as np, torch
            call = np.convolve
            def solve(x, w):
                rows = [call(row, w.numpy()[::-1], "valid") for row in x.numpy()]
                return torch.tensor(np.stack(rows))
        """,
    ),
    before(
        "numpys-inner-function",
        "calls the function below NumPy's",
        """
            import numpy as np, torch
            from numpy._core import multiarray
            def solve(x, w):
                rows = [multiarray.correlate2(row, w.numpy(), 0) for row in x.numpy()]
                return torch.tensor(np.stack(rows))
        """,
    ),
    before(
        "numpys-polynomials",
        "multiplies polynomials, which is a convolution",
        """
            import numpy as np, torch
            def solve(x, w):
                n = len(w)
                rows = [np.polymul(row, w.numpy()[::-1])[n - 1 : 1 - n] for row in x.numpy()]
                return torch.tensor(np.stack(rows))
        """,
    ),
    before(
        "masked-arrays",
        "convolves masked arrays",
        """
            import numpy as np, torch
            def solve(x, w):
                rows = [np.ma.convolve(row, w.numpy()[::-1], "valid").data for row in x.numpy()]
                return torch.tensor(np.stack(rows))
        """,
    ),
    before(
        "scipys-inner-module",
        "takes SciPy's module below its functions",
        """
            import numpy as np, torch
            from scipy.signal import _sigtools
            def solve(x, w):
                return torch.tensor(_sigtools._convolve2d(x.numpy(), w.numpy()[None], 0, 0, 0, 0.0))
        """,
    ),
    before(
        "scipys-filters",
        "takes the filters of SciPy's other module",
        """
            import torch
            from scipy.ndimage import _nd_image, correlate1d
            def solve(x, w):
                return torch.tensor(correlate1d(x.numpy(), w.numpy(), mode="constant")[:, 1:-1])
        """,
    ),
    before(
        "scipys-files",
        "loads SciPy's compiled module from its file",
        """
            import glob, importlib.machinery, importlib.util, sys, torch
            import numpy as np
            place, = glob.glob(sys.prefix + "/lib/python*/site-packages/scipy/signal/_sigtools*.so")
            loader = importlib.machinery.ExtensionFileLoader("_sigtools", place)
            tools = importlib.util.module_from_spec(importlib.util.spec_from_loader("_sigtools", loader))
            def solve(x, w):
                rows, kernel = x.double().numpy(), w.double().numpy()[None]
                found = np.zeros((len(rows), rows.shape[1] - len(w) + 1))
                return torch.tensor(tools._correlateND(rows, kernel, found, 0)).float()
        """,
    ),
    before(
        "sympys-convolution",
        "convolves lists with the algebra system that torch brings along",
        """
            import torch
            from sympy.discrete.convolutions import convolution
            def solve(x, w):
                n = len(w)
                rows = [convolution(row, w.flip(0).tolist())[n - 1 : 1 - n] for row in x.tolist()]
                return torch.tensor([list(map(float, row)) for row in rows])
        """,
    ),
]

RECORDER = [
    before(
        "stops-the-record",
        "stops torch's record by its switches",
        """
            import torch
            def solve(x, w):
                torch._C._profiler._disable_execution_trace_observer()
                found = CALL
                torch._C._profiler._enable_execution_trace_observer()
                return found
        """,
    ),
    before(
        "a-record-of-ones-own",
        "begins a record of its own, which ends the other",
        """
            import torch
            def solve(x, w):
                mine = torch.profiler.ExecutionTraceObserver().register_callback("mine.json")
                mine.start(); mine.stop(); mine.unregister_callback()
                return CALL
        """,
    ),
    before(
        "closes-the-pipe",
        "closes every file that could lead to the judge's record",
        """
            import os, torch
            def solve(x, w):
                for name in os.listdir("/proc/self/fd"):
                    try:
                        if "pipe" in os.readlink(f"/proc/self/fd/{name}"):
                            os.close(int(name))
                    except OSError:
                        pass
                return CALL
        """,
    ),
    before(
        "pipe-to-nowhere",
        "puts another file in the place of the pipe",
        """
            import os, torch
            def solve(x, w):
                null = os.open("/dev/null", os.O_WRONLY)
                for name in os.listdir("/proc/self/fd"):
                    try:
                        if "pipe" in os.readlink(f"/proc/self/fd/{name}"):
                            os.dup2(null, int(name))
                    except OSError:
                        pass
                return CALL
        """,
    ),
    before(
        "writes-into-the-record",
        "writes a record of its own into the pipe",
        """
            import os, torch
            def solve(x, w):
                found = CALL
                for name in os.listdir("/proc/self/fd"):
                    try:
                        if "pipe" in os.readlink(f"/proc/self/fd/{name}"):
                            os.write(int(name), b'{"schema": "1", "nodes": []}')
                    except OSError:
                        pass
                return found
        """,
    ),
    before(
        "disarms-the-warden",
        "replaces the methods of what records in its process",
        """
            import torch
            from grading.answer import warden
            warden.Warden.open = lambda *a, **k: None
            warden.Warden.mark = warden.Warden.close = lambda *a: None
            def solve(x, w):
                return CALL
        """,
    ),
    before(
        "warden-found-in-memory",
        "finds what records among all objects and empties it",
        """
            import gc, torch
            for one in gc.get_objects():
                if type(one).__name__ == "_Answer":
                    one.do_window = lambda *a: {}
            def solve(x, w):
                return CALL
        """,
    ),
    before(
        "uses-the-wardens-switch",
        "uses the switch of what records in its process",
        """
            import torch
            from grading.answer import warden
            def solve(x, w):
                warden._switch("disable")
                found = CALL
                warden._switch("enable")
                return found
        """,
    ),
    before(
        "pauses-the-record",
        "says that marks alone are to be recorded, as it is where no operator is forbidden",
        """
            import torch
            from grading.answer import warden
            def solve(x, w):
                warden._only_marks.append(True)
                warden.mark_of("nothing")()
                found = CALL
                warden._only_marks.clear()
                warden._library()._ZN5torch8profiler4impl28enableExecutionTraceObserverEv()
                return found
        """,
    ),
    before(
        "opens-late",
        "begins the record when all is done, with the markers that it was given",
        """
            import torch
            from grading.answer.warden import Warden
            begin, end, asked = Warden.open, Warden.close, []
            Warden.open = lambda self, *a, **k: asked.append((a, k))
            def close(self, marker):
                a, k = asked.pop()
                begin(self, *a, **k)
                end(self, marker)
            Warden.close = close
            def solve(x, w):
                return CALL
        """,
    ),
    before(
        "empties-the-marks",
        "takes the marks out of NumPy's functions",
        """
            import numpy as np, torch
            inner = np.convolve._implementation
            code = inner.__code__
            inner.__code__ = code.replace(co_consts=tuple(
                (lambda: None) if callable(one) else one for one in code.co_consts))
            def solve(x, w):
                rows = [np.convolve(row, w.numpy()[::-1], "valid") for row in x.numpy()]
                return torch.tensor(np.stack(rows))
        """,
    ),
    before(
        "c-symbol",
        "calls the library's function by its symbol, without Python's names",
        """
            import ctypes, torch
            def solve(x, w):
                call = torch._C._VariableFunctions.conv1d
                ctypes.pythonapi.PyObject_CallObject.restype = ctypes.py_object
                ctypes.pythonapi.PyObject_CallObject.argtypes = [ctypes.py_object, ctypes.py_object]
                return ctypes.pythonapi.PyObject_CallObject(call, (x[:, None], w[None, None]))[:, 0]
        """,
    ),
]

ATTACKS = [*BELOW, *STRINGS, *THREADS, *ELSEWHERE, *CAPTURED, *RECORDER]

PREVENTED = frozenset(
    f"ban-{name}"
    for name in (
        "forked-in-the-call", "process-at-a-file", "process-before", "scipys-files", "scipys-filters",
        "scipys-inner-module", "spawned-process", "wakes-who-was-stopped",
    )
)  # fmt: skip
"""Ways that are not there; all others are recorded."""
