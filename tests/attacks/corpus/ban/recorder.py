"""At the recorder itself."""

from tests.attacks.corpus.ban.spelling import before

__all__ = ["ATTACKS"]

ATTACKS = [
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
