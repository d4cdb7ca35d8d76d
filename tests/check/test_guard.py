"""Every route to what is forbidden is closed, and no other one."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from numpy import convolve as convolve_by_name
from torch import nn
from torch.autograd import grad as grad_by_name
from torch.nn import functional as F

from coursekit.check import CheckError, ForbiddenCallError, forbid
from coursekit.check.groups import GROUPS

X = torch.arange(25.0).view(1, 1, 5, 5)
W = torch.ones(1, 1, 3, 3)


def leaf():
    return X.clone().requires_grad_()


# torch's own forward mode still scripts a few decompositions when it is first used.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")

CONVOLUTIONS = {
    "F.conv2d": lambda: F.conv2d(X, W),
    "F.conv2d with gradients": lambda: F.conv2d(leaf(), W),
    "torch.conv2d": lambda: torch.conv2d(X, W),
    "nn.Conv2d": lambda: nn.Conv2d(1, 1, 3)(X),
    "nn.Conv1d": lambda: nn.Conv1d(5, 1, 3)(X[0]),
    "F.conv3d": lambda: F.conv3d(X[None], W[None]),
    "F.conv_transpose2d": lambda: F.conv_transpose2d(X, W),
    "nn.ConvTranspose2d": lambda: nn.ConvTranspose2d(1, 1, 3)(X),
    "aten": lambda: torch.ops.aten.convolution(X, W, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1),
    "aten, specialised": lambda: torch.ops.aten.mkldnn_convolution(X, W, None, [0, 0], [1, 1], [1, 1], 1),
    "F.conv_tbc": lambda: torch.conv_tbc(X[0], torch.ones(1, 5, 2), torch.zeros(2)),
    "the gradient helper": lambda: torch.nn.grad.conv2d_weight(X, W.shape, torch.ones(1, 1, 3, 3)),  # type: ignore[attr-defined]
    "inference mode": lambda: torch.inference_mode()(F.conv2d)(X, W),
    "vmap": lambda: torch.func.vmap(lambda image: F.conv2d(image, W))(X[None]),
    "meta tensors": lambda: F.conv2d(X.to("meta"), W.to("meta")),
    "numpy.convolve": lambda: np.convolve([1, 2], [3, 4]),
    "numpy.correlate": lambda: np.correlate([1, 2], [3, 4]),
}
POOLINGS = {
    "F.max_pool2d": lambda: F.max_pool2d(X, 2),
    "F.max_pool2d with indices": lambda: F.max_pool2d(X, 2, return_indices=True),
    "nn.MaxPool2d": lambda: nn.MaxPool2d(2)(leaf()),
    "F.max_pool1d": lambda: F.max_pool1d(X[0], 2),
    "F.avg_pool2d": lambda: F.avg_pool2d(X, 2),
    "F.lp_pool2d": lambda: F.lp_pool2d(X, 2, 2),
    "F.adaptive_max_pool2d": lambda: F.adaptive_max_pool2d(X, 2),
    "nn.AdaptiveAvgPool2d": lambda: nn.AdaptiveAvgPool2d(2)(X),
    "F.max_unpool2d": lambda: F.max_unpool2d(X, X.long(), 2),
    "aten": lambda: torch.ops.aten.max_pool2d_with_indices_backward(
        torch.ones(1, 1, 2, 2), X, [2, 2], [2, 2], [0, 0], [1, 1], False, torch.zeros(1, 1, 2, 2).long()
    ),
}
GRADIENTS = {
    "loss.backward()": lambda: leaf().square().sum().backward(),
    "torch.autograd.backward": lambda: torch.autograd.backward(leaf().sum()),
    "torch.autograd.grad": lambda: torch.autograd.grad((x := leaf()).sum(), x),
    "torch.func.vjp": lambda: torch.func.vjp(torch.square, X)[1](X),
    "torch.func.grad": lambda: torch.func.grad(lambda x: x.square().sum())(X),
    "torch.func.jacrev": lambda: torch.func.jacrev(torch.square)(X),
    "torch.func.jvp": lambda: torch.func.jvp(torch.square, (X,), (X,)),
    "torch.autograd.functional.vjp": lambda: torch.autograd.functional.vjp(torch.square, X, X),
}
ROUTES = [
    pytest.param(group, call, id=f"{group}: {name}")
    for group, calls in (("conv", CONVOLUTIONS), ("pooling", POOLINGS), ("autograd", GRADIENTS))
    for name, call in calls.items()
]


@pytest.mark.parametrize(("group", "call"), ROUTES)
def test_a_forbidden_call_is_refused_and_works_again_afterwards(group, call):
    with forbid(group) as watch, pytest.raises(ForbiddenCallError, match="this exercise forbids") as caught:
        call()
    assert caught.value.group == group
    assert watch.violations[0] is caught.value
    assert GROUPS[group].instead in str(caught.value)
    call()


@pytest.mark.parametrize(("group", "call"), ROUTES)
def test_a_call_of_one_group_is_free_while_another_is_forbidden(group, call):
    others = [other for other in GROUPS if other != group]
    with forbid(*others) as watch:
        call()
    assert not watch.violations


def test_functions_imported_by_name_are_refused_too():
    with forbid("autograd"), pytest.raises(ForbiddenCallError):
        grad_by_name((x := leaf()).sum(), x)
    with forbid("conv", namespaces=[globals()]), pytest.raises(ForbiddenCallError):
        convolve_by_name([1, 2], [3])
    assert convolve_by_name is np.convolve
    assert list(convolve_by_name([1, 2], [3])) == [3, 6]


def test_the_notebooks_own_names_are_refused_without_saying_so():
    program = """
from numpy import convolve
from coursekit.check import ForbiddenCallError, forbid
try:
    with forbid("conv"):
        convolve([1, 2], [3])
except ForbiddenCallError as error:
    print(error.call)
"""
    assert _run(program) == "numpy.convolve"


def test_scipy_is_refused_whether_it_was_imported_before_or_not():
    program = """
from coursekit.check import ForbiddenCallError, forbid
def call():
    with forbid("conv"):
        from scipy.signal import convolve2d
        convolve2d([[1]], [[2]])
for attempt in range(2):
    try:
        call()
    except ForbiddenCallError as error:
        print(error.call, end=" ")
    import scipy.signal
"""
    assert _run(program) == "import scipy.signal scipy.signal.convolve2d"


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.unfold(X, 3),
        lambda: F.fold(F.unfold(X, 3), (5, 5), 3),
        lambda: X.unfold(2, 3, 1).unfold(3, 3, 1),
        lambda: X @ X,
        lambda: torch.einsum("bchw,bchw->b", X, X),
        lambda: F.pad(X, (1, 1)),
        lambda: X.amax((2, 3)),
        lambda: X.flatten().index_add(0, torch.tensor([0]), torch.ones(1)),
        lambda: torch.fft.rfft2(X),
        lambda: torch.func.vmap(torch.sum)(X),
        lambda: torch.from_numpy(np.array([1.0])).numpy().dot([2.0]),
    ],
)
def test_the_tools_of_the_trade_are_allowed(call):
    with forbid(*GROUPS) as watch:
        call()
    assert not watch.violations


def test_gradients_run_through_a_function_that_may_not_convolve():
    x = leaf().double().detach().requires_grad_()
    with forbid("conv", "pooling"):
        assert torch.autograd.gradcheck(lambda x: F.unfold(x, 3).transpose(1, 2) @ torch.ones(9).double(), x)
        x.square().sum().backward()
    assert torch.equal(x.grad, 2 * x.detach())


def test_the_backward_of_a_convolution_is_refused_as_well():
    x = leaf()
    loss = F.conv2d(x, W).sum()
    with forbid("conv"), pytest.raises(ForbiddenCallError, match="convolution_backward"):
        loss.backward()


def test_contexts_nest_and_restore():
    before = (torch.autograd.grad, torch.Tensor.backward, np.convolve, list(sys.meta_path))
    with forbid("conv"):
        with forbid("conv", "autograd"):
            with pytest.raises(ForbiddenCallError):
                torch.autograd.grad(leaf().sum(), leaf())
            with pytest.raises(ForbiddenCallError):
                np.convolve([1], [2])
        leaf().sum().backward()
        with pytest.raises(ForbiddenCallError):
            np.convolve([1], [2])
        with pytest.raises(ForbiddenCallError):
            F.conv2d(X, W)
    assert before == (torch.autograd.grad, torch.Tensor.backward, np.convolve, list(sys.meta_path))
    F.conv2d(X, W)


def test_everything_is_restored_after_an_exception():
    before = torch.autograd.grad
    with pytest.raises(ZeroDivisionError), forbid(*GROUPS):
        raise ZeroDivisionError
    assert torch.autograd.grad is before
    F.conv2d(X, W)


def test_other_threads_go_on_as_before():
    entered, done, results = threading.Event(), threading.Event(), []

    def elsewhere():
        entered.wait()
        results.append(np.convolve([1, 2], [3]).tolist())
        results.append(F.conv2d(X, W).shape)
        with forbid("pooling"):
            results.append(np.convolve([1, 2], [3]).tolist())
        done.set()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    with forbid("conv"):
        entered.set()
        assert done.wait(10)
        with pytest.raises(ForbiddenCallError):
            np.convolve([1, 2], [3])
    thread.join()
    assert results == [[3, 6], (1, 1, 3, 3), [3, 6]]


def test_every_convolution_operator_of_torch_is_covered():
    names = {name.partition(".")[0] for name in torch._C._dispatch_get_all_op_names()}
    refused = {name for name in names if any(row.name.fullmatch(name) for row in GROUPS["conv"].operators)}
    assert {f"aten::{name}" for name in ("convolution", "_slow_conv2d_forward", "conv_tbc")} <= refused
    assert {name for name in names if name.startswith("aten::") and "conv" in name} - refused == {
        "aten::_convert_indices_from_coo_to_csr",
        "aten::_convert_indices_from_csr_to_coo",
        "aten::_convert_weight_to_int4pack",
        "aten::_convert_weight_to_int4pack_for_cpu",
    }


def test_an_unknown_group_is_named():
    with pytest.raises(CheckError, match=r"no group 'convolution'.*conv, pooling, autograd"):
        forbid("convolution")


def _run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()
