"""Shapes without numbers cross where a test asks for them, large weights in little space; what a test lets go
is forgotten on both sides.
"""

from tests.grading.border.cells import Cell

ANSWER = """
class Net(nn.Module):
    def __init__(self, size=3):
        super().__init__()
        self.first = nn.Linear(size, 2 * size)
        self.norm = nn.BatchNorm1d(2 * size)
    def forward(self, x): return self.norm(self.first(x))

def empty(size=3): return torch.ones(size, device='meta')
"""


def test_a_network_is_made_on_the_meta_device_and_gets_memory_later(passes):
    passes(
        ANSWER,
        """
# %%
with torch.device('meta'):
    net = Net(1000)
    assert {t.device.type for t in net.state_dict().values()} == {'meta'}
assert {name: tuple(t.shape) for name, t in net.named_parameters()} == {
    'first.weight': (2000, 1000), 'first.bias': (2000,), 'norm.weight': (2000,), 'norm.bias': (2000,)}
assert all(weight.is_meta and weight.requires_grad for weight in net.parameters())
# %%
with torch.device('meta'):
    net = Net()
    assert torch.ones(2).is_meta
net.to_empty(device='cpu')
twin = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6))
net.load_state_dict(dict(zip(net.state_dict(), twin.state_dict().values())))
x = torch.randn(5, 3)
torch.testing.assert_close(net(x), twin(x))
net(x).sum().backward()
assert net.first.bias.grad.shape == (6,)
""",
    )


def test_a_tensor_without_numbers_equals_nothing_where_a_test_wants_numbers(judged):
    said = judged(
        ANSWER,
        "torch.testing.assert_close(empty(), torch.ones(3), check_device=False)",
        "with torch.device('meta'):\n    assert empty().shape == (3,)",
        "torch.testing.assert_close(empty(), torch.ones(3), check_device=False)",
    )
    assert said[1] == ""
    assert all("no numbers" in error for error in (said[0], said[2]))


def test_windows_that_overlap_cross_in_the_memory_that_they_have(passes):
    passes(
        "def seen(x): return x.stride(), x.sum().item(), x.untyped_storage().nbytes()",
        """
# %%
x = torch.arange(40.).as_strided((4, 3, 2), (5, 5, 2), 3)
stride, total, size = seen(x)
assert stride == (5, 5, 2) and total == x.sum() and size == 4 * 28
""",
    )


def test_what_is_written_into_a_weight_counts_also_when_the_weight_is_let_go_at_once(passes):
    passes(
        ANSWER,
        """
# %%
net = Net().eval()
net.first.weight.data.zero_()
view = net.first.bias.data
assert net(torch.ones(1, 3)).shape == (1, 6)
view.fill_(5)
torch.testing.assert_close(net(torch.ones(1, 3)), torch.full((1, 6), 5 / (1 + 1e-5) ** 0.5))
""",
    )


def test_after_many_networks_only_the_last_is_compared(run):
    count = "import gc\nlink = net._link\nfor _ in range(3):\n    Net().double()\nlen(link.twins.tensors)"
    *_, test = run(
        Cell("locked", "import torch\nfrom torch import nn"),
        Cell("answer", ANSWER),
        Cell("test", f"net = Net()\n{count}"),
    )
    assert test.error == ""
    assert test.value <= 7  # one network's four weights and three buffers


def test_a_test_that_was_over_still_defines_its_functions_when_a_cell_ends_the_process(run):
    first, last = run(
        Cell("locked", "import os"),
        Cell("answer", "def double(x):\n    return 2 * x"),
        Cell("test", "def expected(x):\n    return x + x\nassert double(1) == expected(1)"),
        Cell("free", "os._exit(3)"),
        Cell("test", "assert double(4) == expected(4)"),
    )[2::2]
    assert (first.error, last.error) == ("", "")
