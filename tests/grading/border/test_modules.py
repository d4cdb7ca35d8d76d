"""Modules of a student: a test uses them like any `nn.Module`."""

PASSED = ""
ANSWER = """
class Net(nn.Module):
    def __init__(self, size=3, out=2):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))
        self.norm = nn.BatchNorm1d(size)
        self.layers = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, out))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("scratch", torch.zeros(1), persistent=False)
        self.size = size
    def forward(self, x, flip=False):
        self.count += 1
        x = self.layers(self.norm(x) * self.scale)
        return x.flip(1) if flip else x
    def features(self, x): return self.norm(x) * self.scale

def sizes(model): return [p.numel() for p in model.parameters()]
"""


def test_calls_attributes_and_methods(passes):
    passes(
        ANSWER,
        """
# %%
net = Net()
assert isinstance(net, nn.Module) and net.size == 3
x = torch.randn(4, 3)
assert torch.equal(net.eval()(x, flip=True), net(x).flip(1))
# %%
net = Net()
assert net.features(torch.randn(4, 3)).shape == (4, 3)
# %%
assert issubclass(Net, nn.Module) and not issubclass(Net, nn.Linear)
# %%
net = Net()
assert isinstance(net.norm, nn.BatchNorm1d) and isinstance(net.layers, nn.Sequential)
assert not isinstance(net, nn.Linear) and isinstance(net.layers[0], nn.Linear)
# %%
assert 'BatchNorm1d(3' in repr(Net()) and 'Net' in str(Net())
# %%
net = Net()
assert sizes(net) == [p.numel() for p in net.parameters()] == [3, 3, 3, 9, 3, 6, 2]
""",
    )


def test_backward_fills_the_gradients_of_weights_and_inputs(passes):
    passes(
        ANSWER,
        """
# %%
net = Net().eval()
x = torch.randn(4, 3, requires_grad=True)
net(x).pow(2).sum().backward()
twin = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)).eval()
twin[1].load_state_dict(net.layers[0].state_dict())
twin[3].load_state_dict(net.layers[2].state_dict())
y = x.detach().requires_grad_()
twin(y).pow(2).sum().backward()
torch.testing.assert_close(x.grad, y.grad)
torch.testing.assert_close(net.layers[0].weight.grad, twin[1].weight.grad)
torch.testing.assert_close(net.norm.weight.grad, twin[0].weight.grad)
# %%
net = Net()
assert all(p.grad is None for p in net.parameters())
net(torch.randn(4, 3)).sum().backward()
assert all(p.grad is not None for p in net.parameters())
first = net.layers[2].bias.grad.clone()
net(torch.randn(4, 3)).sum().backward()
assert torch.equal(net.layers[2].bias.grad, 2 * first)
net.zero_grad()
assert all(p.grad is None for p in net.parameters())
# %%
net = Net().eval()
x = torch.randn(4, 3)
grads = torch.autograd.grad(net(x).sum(), list(net.parameters()))
assert torch.equal(grads[-1], torch.full((2,), 4.0)) and net.scale.grad is None
# %%
net = Net().double().eval()
x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
assert torch.autograd.gradcheck(net, (x,))
assert net.scale.grad is None
# %%
net = Net()
with torch.no_grad():
    assert not net(torch.randn(4, 3)).requires_grad
# %%
net = Net()
net.requires_grad_(False)
assert not net(torch.randn(4, 3)).requires_grad
net.scale.requires_grad = True
assert net(torch.randn(4, 3)).requires_grad
""",
    )


def test_state_goes_both_ways(judged):
    names = "['scale', 'count', 'norm.weight', 'norm.bias', 'norm.running_mean', 'norm.running_var', "
    names += (
        "'norm.num_batches_tracked', 'layers.0.weight', 'layers.0.bias', 'layers.2.weight', 'layers.2.bias']"
    )
    said = judged(
        ANSWER,
        f"assert list(Net().state_dict()) == {names}",
        """
# %%
a, b = Net(), Net()
assert str(a.load_state_dict(b.state_dict())) == '<All keys matched successfully>'
x = torch.randn(4, 3)
assert torch.equal(a.eval()(x), b.eval()(x))
# %%
net = Net()
bn = nn.BatchNorm1d(3)
bn(torch.randn(9, 3))
net.norm.load_state_dict(bn.state_dict())
assert torch.equal(net.state_dict()['norm.running_mean'], bn.running_mean)
bn.load_state_dict(net.norm.state_dict())
# %%
found = Net().load_state_dict({'scale': torch.zeros(3), 'new': torch.ones(1)}, strict=False)
assert found.unexpected_keys == ['new'] and 'norm.weight' in found.missing_keys
# %%
net = Net()
net.load_state_dict({**net.state_dict(), 'scale': torch.full((3,), 5.0)})
assert net.scale.tolist() == [5, 5, 5]
# %%
Net().load_state_dict({'scale': torch.ones(3)})
# %%
Net().load_state_dict({**Net().state_dict(), 'scale': torch.ones(4)})
""",
    )
    assert said[:5] == [PASSED] * 5
    assert said[5].startswith("RuntimeError: Error(s) in loading state_dict for Net:")
    assert "Missing key(s)" in said[5]
    assert "size mismatch for scale" in said[6]


def test_modes_reach_every_part(passes):
    passes(
        ANSWER,
        """
# %%
net = Net()
assert net.training and net.norm.training
assert net.eval() is net
assert not net.training and not net.norm.training
net.norm.train()
assert not net.training and net.norm.training
net.train(True)
assert net.layers.training
# %%
net = Net()
before = net.norm.running_mean.clone()
net(torch.randn(8, 3) + 5)
assert not torch.equal(net.norm.running_mean, before)
assert net.count == 1
now = net.norm.running_mean.clone()
net.eval()(torch.randn(8, 3))
assert torch.equal(net.norm.running_mean, now)
# %%
net = Net()
mean = net.norm.running_mean
net(torch.randn(8, 3) + 5)
assert mean.abs().sum() > 0.5
# %%
net = Net()
net.training = False
assert net.training is False and net.norm.training
""",
    )


def test_parts_are_found_by_name_and_number(passes):
    passes(
        ANSWER,
        """
# %%
net = Net()
assert [name for name, _ in net.named_modules()] == ['', 'norm', 'layers', 'layers.0', 'layers.1', 'layers.2']
# %%
net = Net()
assert [type(m) is not type(None) for m in net.modules()] == [True] * 6
assert next(net.modules()) is net and list(net.children())[0] is net.norm
# %%
net = Net()
assert len(net.layers) == 3 and net.layers[-1].out_features == 2
assert [layer is net.layers[i] for i, layer in enumerate(net.layers)] == [True] * 3
assert net.layers[:2](torch.randn(4, 3)).min() >= 0
# %%
net = Net()
assert net.get_submodule('layers.0') is net.layers[0]
assert net.get_parameter('layers.0.weight') is net.layers[0].weight
# %%
net = Net()
assert {name for name, _ in net.named_buffers()} == {
    'count', 'scratch', 'norm.running_mean', 'norm.running_var', 'norm.num_batches_tracked'
}
# %%
net = Net()
assert dict(net.named_parameters())['scale'] is net.scale is net.scale
# %%
found = []
net = Net()
net.apply(lambda module: found.append(module))
assert len(found) == 6 and found[-1] is net
""",
    )


def test_weights_can_be_written(passes):
    passes(
        ANSWER,
        """
# %%
net = Net()
with torch.no_grad():
    net.scale.fill_(2)
    net.layers[2].weight.zero_()
net.layers[2].bias.data.copy_(torch.tensor([1., 2.]))
assert net(torch.randn(4, 3)).tolist() == [[1, 2]] * 4
assert net.features(torch.zeros(2, 3)).shape == (2, 3)
# %%
net = Net()
for p in net.parameters():
    nn.init.constant_(p, 0.5)
assert net.state_dict()['layers.0.weight'].eq(0.5).all()
# %%
net = Net()
net.scale = nn.Parameter(torch.zeros(3))
assert net.features(torch.randn(4, 3)).abs().max() == 0
# %%
net = Net()
net.norm.running_var.fill_(4.0)
net.norm.running_mean.fill_(1.0)
torch.testing.assert_close(net.eval().features(torch.full((1, 3), 5.0)), torch.full((1, 3), 2.0))
# %%
net = Net().to(torch.float64)
assert net(torch.randn(4, 3).double()).dtype == torch.float64
assert net.norm.running_mean.dtype == torch.float64 and net.count.dtype == torch.int64
assert net.half().scale.dtype == torch.float16
""",
    )


def test_an_optimizer_trains_it(passes):
    for optimizer in (
        "SGD(net.parameters(), lr=0.2, momentum=0.5)",
        "AdamW([{'params': net.layers.parameters(), 'lr': 0.05}], weight_decay=0)",
    ):
        passes(
            ANSWER,
            f"""
# %%
torch.manual_seed(0)
net = Net()
optimizer = torch.optim.{optimizer}
x = torch.randn(16, 3)
y = x[:, :2] * 2
losses = []
for _ in range(30):
    optimizer.zero_grad()
    loss = F.mse_loss(net(x), y)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
assert losses[-1] < losses[0] / 2, losses
assert net.count == 30
""",
        )


def test_it_can_be_part_of_a_module_of_the_test(passes):
    passes(
        ANSWER,
        """
# %%
model = nn.Sequential(Net(), nn.Linear(2, 1))
model(torch.randn(4, 3)).sum().backward()
assert model[0].scale.grad is not None and model[1].weight.grad is not None
assert len(list(model.parameters())) == 9 and sum(p.numel() for p in model.parameters()) == 32
assert [n for n, _ in model.named_parameters()][:2] == ['0.scale', '0.norm.weight']
# %%
a, b = (nn.Sequential(Net(), nn.Linear(2, 1)) for _ in range(2))
state = a.state_dict()
assert '0.layers.2.bias' in state and '0.scratch' not in state and len(state) == 13
b.load_state_dict(state)
x = torch.randn(4, 3)
assert torch.equal(a.eval()(x), b.eval()(x))
assert not b[0].norm.training
# %%
model = nn.Sequential(Net(), nn.Linear(2, 1)).double()
assert model(torch.randn(4, 3).double()).shape == (4, 1)
# %%
model = nn.ModuleDict({'net': Net()})
optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
before = model['net'].layers[2].bias.clone()
model['net'](torch.randn(4, 3)).sum().backward()
optimizer.step()
assert torch.allclose(model['net'].layers[2].bias, before - 4)
""",
    )


def test_copies_and_hooks(passes):
    passes(
        ANSWER,
        """
# %%
a = Net()
b = copy.deepcopy(a)
with torch.no_grad():
    b.scale.fill_(7)
assert a.scale.tolist() == [1, 1, 1] and b.scale.tolist() == [7, 7, 7] and b is not a
# %%
seen = []
net = Net()
handle = net.layers[0].register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
net(torch.randn(4, 3))
handle.remove()
net(torch.randn(4, 3))
assert seen == [(4, 3)]
""",
    )


def test_modules_that_functions_make_and_take(passes):
    answer = (
        ANSWER
        + """
def make(kind, *sizes): return kind(*sizes)
def stack(kind, count): return nn.Sequential(*[kind(3, 3) for _ in range(count)])
def plain(): return nn.Sequential(nn.Linear(3, 2), nn.Tanh())
def switch_off(model):
    for part in model.modules():
        if isinstance(part, Net): nn.init.zeros_(part.layers[-1].weight); nn.init.zeros_(part.layers[-1].bias)
def same(a, b): return a is b
model = nn.Linear(3, 3)
"""
    )
    passes(
        answer,
        """
# %%
net = make(Net, 4, 5)
assert net(torch.randn(3, 4)).shape == (3, 5)
# %%
blocks = stack(Net, 2)
assert isinstance(blocks, nn.Sequential) and len(blocks) == 2
x = torch.randn(5, 3)
blocks.eval()
assert torch.equal(blocks(x), blocks[1](blocks[0](x)))
# %%
layers = plain()
assert type(layers) is nn.Sequential and type(layers[0]) is nn.Linear
assert layers(torch.zeros(1, 3)).shape == (1, 2)
# %%
blocks = stack(Net, 2)
switch_off(blocks)
assert all((b.layers[2].weight == 0).all() for b in blocks)
assert blocks(torch.randn(4, 3)).abs().max() == 0
# %%
assert type(make(nn.Conv2d, 1, 2, 3)) is nn.Conv2d
# %%
net = Net()
assert same(net, net) and same(net.norm, net.norm) and same(net.scale, net.scale)
# %%
assert type(model) is nn.Linear and model(torch.ones(1, 3)).shape == (1, 3)
# %%
layer = stack(Block, 2)[0]
assert layer(torch.ones(1, 3)).shape == (1, 3) and type(layer).__name__ == 'ModuleProxy'
assert isinstance(layer, nn.Linear)
""",
        setup="class Block(nn.Linear):\n    pass",
    )


def test_a_change_of_its_own_modules_needs_no_mark(passes):
    answer = ANSWER + "\ndef double(net):\n    with torch.no_grad():\n        net.scale.mul_(2)"
    passes(
        answer,
        """
# %%
net = Net()
double(net)
assert net.scale.tolist() == [2, 2, 2]
# %% in place
net = Net()
double(net)
assert net.scale.tolist() == [2, 2, 2]
""",
    )
