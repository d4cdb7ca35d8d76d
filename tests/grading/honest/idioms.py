"""Ordinary Python that honest notebooks hold: none of it is a way round anything, and none may cost a point.

Each stands in a scratch cell of its own; `INSIDE` runs while an answer does, under a ban as well.
"""

SCRATCH = {
    "path": "import sys\nsys.path.append('.')",
    "collects": "import gc\ngc.collect()",
    "on colab": "import sys\nIN_COLAB = 'google.colab' in sys.modules",
    "globals": "print(len(globals()), 'np' in globals())",
    "locals": "print(sorted(locals())[:3])",
    "vars": "class Options:\n    pass\nshown = Options()\nshown.rate = 0.1\nprint(vars(shown))",
    "attributes of an object": "class Box:\n    pass\nbox = Box()\nbox.x = 1\nprint(box.__dict__)",
    "classes of a class": "print([kind.__name__ for kind in bool.__mro__], bool.__bases__)",
    "pickles": "import pickle\nassert pickle.loads(pickle.dumps([1, 2])) == [1, 2]",
    "source": "import inspect, textwrap\nprint(inspect.getsource(textwrap.dedent)[:30])",
    "signature": "import inspect\nprint(inspect.signature(print))",
    "threads": "import threading\nprint(threading.active_count(), threading.current_thread().name)",
    "a thread": "import threading\nt = threading.Thread(target=print, args=('hello',))\nt.start(); t.join()",
    "a pool of threads": "from concurrent.futures import ThreadPoolExecutor\n"
    "with ThreadPoolExecutor(2) as pool:\n"
    "    print(list(pool.map(abs, [-1, 2])))",
    "a thread that stays": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(300,), daemon=True).start()",
    "reloads": "import importlib, json\nimportlib.reload(json)",
    "times": "import timeit\nprint(timeit.timeit('1 + 1', number=10))",
    "doctest": "import doctest\ndef one():\n    '''\n    >>> one()\n    1\n    '''\n    return 1\n"
    "doctest.run_docstring_examples(one, {'one': one})",
    "unittest": "import unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertTrue(True)\n"
    "unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(T))",
    "a helper called forbid": "def forbid(what):\n    return f'no {what}'\nprint(forbid('peeking'))",
    "evaluates": "print(eval('2 + 3'))\nexec('y = 4')",
    "an attribute by name": "import math\nname = 'pi'\nprint(getattr(math, name), hasattr(math, 'tau'))",
    "decorates": "import functools\n@functools.wraps(print)\ndef show(*a): print(*a)\nshow(show.__wrapped__)",
    "slots": "class P:\n    __slots__ = ('x',)\n"
    "    def __getattribute__(self, n): return object.__getattribute__(self, n)\n"
    "p = P(); p.x = 3; print(p.x)",
    "weak references": "import weakref\nclass Node: pass\nnode = Node(); print(weakref.ref(node)() is node)",
    "memory": "import tracemalloc\n"
    "tracemalloc.start(); print(tracemalloc.get_traced_memory()); tracemalloc.stop()",
    "profiles": "import cProfile\ncProfile.run('sum(range(10))')",
    "profiles torch": "import torch\nwith torch.profiler.profile() as seen:\n    torch.nn.functional.conv1d("
    "torch.ones(1, 1, 3), torch.ones(1, 1, 2))\nprint(seen.key_averages().table(row_limit=1)[:40])",
    "saves and loads": "import io, torch\nf = io.BytesIO()\ntorch.save({'x': torch.ones(2)}, f)\nf.seek(0)\n"
    "print(torch.load(f, weights_only=False))",
    "hooks": "import torch\nlayer = torch.nn.Linear(1, 1)\n"
    "layer.register_forward_hook(lambda *a: print('hook'))\n"
    "layer(torch.ones(1, 1))",
    "a function of autograd's": "import torch\nclass Twice(torch.autograd.Function):\n    @staticmethod\n"
    "    def forward(ctx, x): return 2 * x\n    @staticmethod\n    def backward(ctx, g): return 2 * g\n"
    "Twice.apply(torch.ones(1, requires_grad=True)).backward()",
    "compares with the library": "import torch\nfrom torch.nn import functional as F\n"
    "print(F.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2)).shape,"
    " F.max_pool2d(torch.ones(1, 1, 2, 2), 2))",
    "compares with numpy": "import numpy as np\nprint(np.convolve([1, 2], [1]), np.correlate([1, 2], [1]))",
    "compiles a script": "import torch\n@torch.jit.script\ndef twice(x):\n    return 2 * x\n"
    "print(twice(torch.ones(1)))",
    "an operator of ones own": "import torch\n@torch.library.custom_op('mine::conv', mutates_args=())\n"
    "def my_conv(x: torch.Tensor) -> torch.Tensor:\n    return 2 * x\nprint(my_conv(torch.ones(1)))",
    "a subclass of tensors": "import torch\nclass Named(torch.Tensor):\n    pass\n"
    "print(torch.ones(1).as_subclass(Named) + 1)",
    "threads of torch": "import torch\ntorch.set_num_threads(1)\nprint(torch.get_num_threads())",
    "asks the system": "import os, platform, sys\n"
    "print(platform.system(), os.cpu_count(), sys.version_info[:2])",
    "a command": "!echo hello\nimport subprocess\n"
    "print(subprocess.run(['echo', 'hi'], capture_output=True).stdout)",
    "a cell into a file": "%%writefile note.py\ndef helper(x):\n    return x + 1",
    "a module of ones own": "import sys; sys.path.insert(0, '')\nfrom pathlib import Path\n"
    "Path('mine.py').write_text('def helper(x): return x + 1')\nfrom mine import helper\nprint(helper(1))",
    "reloads by itself": "%load_ext autoreload\n%autoreload 2",
    "a magic without a sign": "pwd",
    "processes": "import multiprocessing\nprint(multiprocessing.cpu_count())",
    "types": "import types\nprint(types.SimpleNamespace(a=1), isinstance(print, types.BuiltinFunctionType))",
    "contexts": "import contextlib\nwith contextlib.suppress(ZeroDivisionError):\n    1 / 0",
    "a traceback": "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()",
    "a frame": "import sys\ndef who():\n    return sys._getframe().f_code.co_name\nprint(who())",
    "a signal": "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: None)",
    "events": "import asyncio\nasync def wait():\n    await asyncio.sleep(0)\nawait wait()",
    "warnings": "import warnings\nwarnings.filterwarnings('ignore')",
    "ctypes": "import ctypes\nprint(ctypes.sizeof(ctypes.c_int))",
    "disassembles": "import dis\ndis.dis(lambda x: x + 1)",
}
"""By name, cells that stand behind the answers."""

INSIDE = {
    "collects": "import gc\ngc.collect()",
    "names": "globals(), locals(), vars(object), object.__mro__, call.__dict__",
    "threads": "import threading\nassert threading.active_count() >= 1",
    "a thread": "import threading\nt = threading.Thread(target=sum, args=([1],))\nt.start(); t.join()",
    "a pool": "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(1) as pool:\n"
    "    pool.submit(sum, [1]).result()",
    "pickles": "import pickle\npickle.loads(pickle.dumps([1]))",
    "source": "import inspect\ninspect.signature(call)",
    "times": "import timeit\ntimeit.timeit('1', number=1)",
    "copies": "import copy\ncopy.deepcopy([1, {2: 3}])",
    "files": "from pathlib import Path\nPath('note.txt').write_text('x'); Path('note.txt').read_text()",
    "frames": "import sys, traceback\nsys._getframe().f_code.co_name, traceback.format_stack(limit=1)",
    "a library": "import torch\ntorch.save(torch.ones(1), 'kept.pt'); torch.load('kept.pt')",
}
"""By name, what functions of an answer do before they compute."""
