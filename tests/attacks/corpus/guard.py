"""Around `forbid`: tests that forbid calls ask the student's own process to watch itself."""

from tests.attacks.corpus.attack import TENSORS, Attack

CONV = "torch.nn.functional.conv1d(x[:, None], weight[None, None])[:, 0]"


def evades(name: str, tries: str, code: str, *, first: str = "import torch") -> Attack:
    """Solves the exercise by the very call that its test forbids."""
    gains = "the points of an exercise that is one forbidden call"
    return Attack(
        name, tries, gains, answers={"correlate": code.replace("CONV", CONV)}, first=first, assignment=TENSORS
    )


ATTACKS = [
    evades(
        "simply-calls",
        "calls what is forbidden, and swallows the error",
        """
            def correlate(x, weight):
                for _ in range(3):
                    try:
                        return CONV
                    except BaseException:
                        pass
        """,
    ),
    evades(
        "replaces-the-guard",
        "replaces the function by which the calls are forbidden",
        """
            def correlate(x, weight):
                return CONV
        """,
        first="""
            import contextlib, torch, coursekit.check, coursekit.check.guard
            coursekit.check.forbid = lambda *groups, **more: contextlib.nullcontext()
            coursekit.check.guard.forbid = coursekit.check.guard._forbidding = coursekit.check.forbid
        """,
    ),
    evades(
        "disarms-the-mode",
        "replaces the method of the guard that sees the operators",
        """
            def correlate(x, weight):
                return CONV
        """,
        first="""
            import torch
            from coursekit.check import guard
            guard._OperatorMode.__torch_dispatch__ = (
                lambda self, func, types, args=(), kwargs=None: func(*args, **(kwargs or {})))
        """,
    ),
    evades(
        "empties-the-rules",
        "takes the patterns out of the table of what is forbidden",
        """
            def correlate(x, weight):
                return CONV
        """,
        first="""
            import re, torch, dataclasses
            from coursekit.check.groups import GROUPS
            GROUPS['conv'] = dataclasses.replace(GROUPS['conv'], operators=re.compile('never'))
        """,
    ),
    evades(
        "steps-outside-the-mode",
        "lifts torch's modes off the stack for the time of the call",
        """
            from torch.utils._python_dispatch import _disable_current_modes
            def correlate(x, weight):
                with _disable_current_modes():
                    return CONV
        """,
    ),
    evades(
        "steps-outside-by-another-name",
        "finds the same switch by names that are put together at run time",
        """
            switch = getattr(getattr(torch, '_' + 'C'), '_Disable' + 'TorchDispatch')
            def correlate(x, weight):
                with switch():
                    return CONV
        """,
    ),
    evades(
        "another-thread",
        "calls it in a thread, where nothing is forbidden",
        """
            import threading
            def correlate(x, weight):
                found = []
                worker = threading.Thread(target=lambda: found.append(CONV))
                worker.start(), worker.join()
                return found[0]
        """,
    ),
    evades(
        "a-waiting-thread",
        "keeps a thread from before the test, which does the call",
        """
            from concurrent.futures import ThreadPoolExecutor
            pool = ThreadPoolExecutor(1)
            pool.submit(int).result()
            def correlate(x, weight):
                return pool.submit(lambda: CONV).result()
        """,
    ),
    evades(
        "another-process",
        "asks a process that was forked before anything was forbidden",
        """
            import multiprocessing
            here, there = multiprocessing.Pipe()
            import os
            if os.fork() == 0:
                while True:
                    x, weight = map(torch.tensor, there.recv())
                    there.send(CONV.tolist())
            def correlate(x, weight):
                here.send((x.tolist(), weight.tolist()))
                return torch.tensor(here.recv())
        """,
    ),
    evades(
        "answers-later",
        "returns a tensor that computes itself when it is looked at, after the test's `with`",
        """
            class Later(torch.Tensor):
                @classmethod
                def __torch_function__(cls, function, types, args=(), kwargs=None):
                    with torch._C.DisableTorchFunctionSubclass():
                        x, weight = cls.asked
                        return CONV
            def correlate(x, weight):
                Later.asked = (x, weight)
                return torch.zeros(4, 4).as_subclass(Later)
        """,
    ),
    evades(
        "answers-as-a-generator",
        "returns a generator, whose body runs when the test asks for its parts",
        """
            def correlate(x, weight):
                class Late(list):
                    def __iter__(self):
                        return iter(CONV.tolist())
                return Late([1])
        """,
    ),
    evades(
        "a-stolen-answer",
        "patches the answering process so that it drops the contexts of a call",
        """
            def correlate(x, weight):
                return CONV
        """,
        first="""
            import contextlib, gc, torch
            for one in gc.get_objects():
                if type(one).__name__ == '_Answer':
                    type(one)._contexts = lambda self, contexts: contextlib.nullcontext()
        """,
    ),
]
