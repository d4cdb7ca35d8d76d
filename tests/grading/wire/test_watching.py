"""Is it seen, in the process that a student's code can change, when a context that forbids does not hold?"""

import builtins
import threading

import pytest
import torch
from torch.utils import _python_dispatch

from coursekit.check import guard
from coursekit.check.groups import GROUPS
from grading.answer import guard_watch
from grading.answer.guard_watch import TamperedError, Watch

FORBID = "coursekit.check.forbid"
CONTEXTS = [[FORBID, ["conv"]]]


@pytest.fixture
def alone(monkeypatch):
    """As in a process of its own; the one that runs the tests has threads already."""
    monkeypatch.setattr(guard_watch, "_frames", lambda: {0: None})


def look(watch: Watch) -> None:
    watch.intact = False
    with watch.entered(CONTEXTS):
        pass


def test_what_nobody_touched_is_intact_again_and_again(alone):
    watch = Watch([FORBID])
    for _ in range(3):
        look(watch)


def patched_builtin(monkeypatch):
    monkeypatch.setattr(builtins, "hash", lambda thing: 0)


def patched_method(monkeypatch):
    monkeypatch.setattr(guard._OperatorMode, "__torch_dispatch__", lambda *args: None)


def patched_function(monkeypatch):
    monkeypatch.setattr(guard, "forbid", lambda *names: None)


def other_code(monkeypatch):
    function = guard._find_places
    assert function.__closure__ is None
    monkeypatch.setattr(function, "__code__", (lambda *args: (yield)).__code__)


def emptied_table(monkeypatch):
    monkeypatch.setitem(GROUPS, "conv", ())


@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (patched_builtin, "builtins.hash was changed"),
        (patched_method, r"guard\._OperatorMode\.__torch_dispatch__ was changed"),
        (patched_function, r"guard\.forbid was changed"),
        (other_code, r"guard\._find_places was changed"),
        (emptied_table, "GROUPS was changed"),
    ],
)
def test_a_change_is_seen_and_named_and_its_undoing_too(alone, tamper, named):
    watch = Watch([FORBID])
    with pytest.MonkeyPatch.context() as monkeypatch:
        tamper(monkeypatch)
        for _ in range(2):  # at every look, not the first one alone
            with pytest.raises(TamperedError, match=named):
                watch._check()
    watch._check()


def test_what_was_changed_under_the_context_is_seen_when_it_is_left(alone):
    watch = Watch([FORBID])
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        pytest.raises(TamperedError, match="was changed"),
        watch.entered(CONTEXTS),
    ):
        patched_method(monkeypatch)


def test_a_thread_beside_it_is_seen():
    watch, stop = Watch([FORBID]), threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with pytest.raises(TamperedError, match="a thread runs beside it"):
            look(watch)
    finally:
        stop.set()
        thread.join()


def test_a_mode_taken_off_torchs_stack_is_seen(alone):
    watch = Watch([FORBID])
    try:
        with (
            pytest.raises((TamperedError, RuntimeError)),
            watch.entered(CONTEXTS),
        ):  # or torch misses it first
            _python_dispatch._pop_mode()
    finally:
        while torch._C._len_torch_dispatch_stack():
            _python_dispatch._pop_mode()
