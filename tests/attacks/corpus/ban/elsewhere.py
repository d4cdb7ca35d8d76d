"""Code that stands in no cell, or runs when nobody looks."""

from tests.attacks.corpus.ban.spelling import before

__all__ = ["ATTACKS"]

ATTACKS = [
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
