"""Exercises of a whole course, each with an honest answer and the tests one would write for it."""

SETUP = """
class Block(nn.Module):
    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn = nn.BatchNorm2d(c_out)
        self.shortcut = nn.Identity() if (c_in, stride) == (c_out, 1) else nn.Conv2d(c_in, c_out, 1, stride)
    def forward(self, x): return F.relu(self.bn(self.conv(x)) + self.shortcut(x))

class Network(nn.Module):
    def __init__(self, classes=4):
        super().__init__()
        self.features = nn.Sequential(Block(3, 4), Block(4, 8, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = nn.Linear(8, classes)
    def forward(self, x): return self.fc(self.features(x))
"""


def test_counting_operations_with_hooks(passes, judged):
    answer = """
def count_macs(model, input_shape):
    total, handles = 0, []
    def count(layer, inputs, output):
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            total += output.numel() * layer.weight[0].numel()
        else:
            total += output.numel() * layer.in_features
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            handles.append(layer.register_forward_hook(count))
    was = model.training
    model.eval()
    with torch.no_grad():
        model(torch.zeros(input_shape))
    for handle in handles: handle.remove()
    model.train(was)
    return total
"""
    test = """
# %%
model = Network()
first = 8 * 8 * 4 * 27
second = 4 * 4 * 8 * 36 + 4 * 4 * 8 * 4
assert count_macs(model, (1, 3, 8, 8)) == first + 8 * 8 * 4 * 3 + second + 32
assert not any(layer._forward_hooks for layer in model.modules()) and model.training
# %%
layer = nn.Linear(3, 3)
assert count_macs(nn.Sequential(layer, nn.ReLU(), layer), (5, 2, 3)) == 2 * 5 * 2 * 9
"""
    passes(answer, test, setup=SETUP)
    forgets = answer.replace("    for handle in handles: handle.remove()\n", "")
    assert judged(forgets, test, setup=SETUP)[0] == "AssertionError: "


def test_batch_norm_with_running_statistics_and_a_cache(passes, judged):
    answer = """
def batchnorm_train(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5):
    mean, var = x.mean(0), x.var(0, unbiased=False)
    running_mean.mul_(1 - momentum).add_(momentum * mean)
    running_var.mul_(1 - momentum).add_(momentum * x.var(0))
    normal = (x - mean) / (var + eps).sqrt()
    return gamma * normal + beta, {"normal": normal, "gamma": gamma, "std": (var + eps).sqrt()}
def batchnorm_backward(grad_y, cache):
    normal, gamma, std = cache["normal"], cache["gamma"], cache["std"]
    g = grad_y * gamma
    grad_x = (g - g.mean(0) - normal * (g * normal).mean(0)) / std
    return grad_x, (grad_y * normal).sum(0), grad_y.sum(0)
"""
    test = """
# %% in place
x = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
gamma, beta = torch.randn(3).double().requires_grad_(), torch.randn(3).double().requires_grad_()
mean, var = torch.zeros(3).double(), torch.ones(3).double()
other_mean, other_var = mean.clone(), var.clone()
expected = F.batch_norm(x, other_mean, other_var, gamma, beta, training=True)
with torch.no_grad():
    y, cache = batchnorm_train(x, gamma, beta, mean, var)
torch.testing.assert_close((y, mean, var), (expected.detach(), other_mean, other_var))
g = torch.randn(6, 3).double()
torch.testing.assert_close(batchnorm_backward(g, cache), torch.autograd.grad(expected, (x, gamma, beta), g))
"""
    passes(answer, test)
    forgets = answer.replace("    running_var.mul_(1 - momentum).add_(momentum * x.var(0))\n", "")
    assert "not close" in judged(forgets, test)[0]


def test_a_layer_whose_state_is_interchangeable(passes):
    answer = """
class SpatialBatchNorm(nn.Module):
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))
        self.eps, self.momentum = eps, momentum
    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
            with torch.no_grad():
                self.num_batches_tracked += 1
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(x.var((0, 2, 3)), self.momentum)
        shape = (1, -1, 1, 1)
        x = (x - mean.view(shape)) / (var.view(shape) + self.eps).sqrt()
        return x * self.weight.view(shape) + self.bias.view(shape)
"""
    passes(
        answer,
        """
# %%
mine, theirs = SpatialBatchNorm(3), nn.BatchNorm2d(3)
nn.init.normal_(theirs.weight), nn.init.normal_(theirs.bias)
mine.load_state_dict(theirs.state_dict())
for _ in range(3):
    x = torch.randn(4, 3, 5, 5)
    torch.testing.assert_close(mine(x), theirs(x))
torch.testing.assert_close(dict(mine.state_dict()), dict(theirs.state_dict()))
x = torch.randn(2, 3, 4, 4, requires_grad=True)
torch.testing.assert_close(mine.eval()(x), theirs.eval()(x))
theirs.load_state_dict(mine.state_dict(), strict=True)
# %%
mine, theirs = SpatialBatchNorm(3), nn.BatchNorm2d(3)
for one in (mine, theirs):
    one(torch.arange(96.0).reshape(2, 3, 4, 4)).pow(2).sum().backward()
torch.testing.assert_close(mine.weight.grad, theirs.weight.grad)
""",
    )


def test_folding_a_layer_into_another(passes, judged):
    answer = """
def fold_batchnorm(conv, bn):
    new = copy.deepcopy(conv)
    scale = bn.weight / (bn.running_var + bn.eps).sqrt()
    bias = conv.bias if conv.bias is not None else torch.zeros_like(bn.running_mean)
    new.weight = nn.Parameter(conv.weight * scale.view(-1, 1, 1, 1))
    new.bias = nn.Parameter(bn.bias + (bias - bn.running_mean) * scale)
    return new
"""
    test = """
# %%
conv, bn = nn.Conv2d(4, 6, 3, 2, 1, groups=2, bias=False), nn.BatchNorm2d(6)
bn(torch.randn(8, 6, 4, 4) * 3 + 1)
before = copy.deepcopy((conv.state_dict(), bn.state_dict()))
folded = fold_batchnorm(conv, bn.eval())
assert type(folded) is nn.Conv2d and folded.stride == (2, 2) and folded.groups == 2
x = torch.randn(2, 4, 7, 7)
torch.testing.assert_close(folded(x), bn(conv(x)))
torch.testing.assert_close((conv.state_dict(), bn.state_dict()), before)
assert conv.bias is None
"""
    passes(answer, test)
    assert "not close" in judged(answer.replace("copy.deepcopy(conv)", "conv"), test)[0]


RESNET = """
class Basic(nn.Module):
    def __init__(self, c_in, channels, stride=1):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c_in, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        self.downsample = None
        if (c_in, stride) != (channels, 1):
            self.downsample = nn.Sequential(nn.Conv2d(c_in, channels, 1, stride), nn.BatchNorm2d(channels))
    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))
def make_stage(block, c_in, channels, depth, stride):
    more = [block(channels, channels, 1) for _ in range(depth - 1)]
    return nn.Sequential(block(c_in, channels, stride), *more)
class Resnet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layer1, self.layer2 = make_stage(Basic, 3, 3, 2, 1), make_stage(Basic, 3, 6, 1, 2)
        self.fc = nn.Linear(6, classes)
    def forward(self, x): return self.fc(self.layer2(self.layer1(x)).mean((2, 3)))
def resnet(classes=5): return Resnet(classes)
def zero_init_residual(model):
    for part in model.modules():
        if isinstance(part, Basic): nn.init.zeros_(part.bn2.weight)
class Plain(Basic):
    def forward(self, x): return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
def plain_twin(model):
    twin = copy.deepcopy(model)
    for part in twin.modules():
        if isinstance(part, Basic): part.__class__ = Plain
    return twin
def gradient_norms(model, x, y):
    model.zero_grad()
    F.cross_entropy(model(x), y).backward()
    found = {}
    for name, part in model.named_children():
        found[name] = torch.cat([p.grad.flatten() for p in part.parameters()]).norm().item()
    model.zero_grad()
    return found
"""


def test_networks_of_blocks(passes):
    passes(
        RESNET,
        """
# %%
stage = make_stage(Basic, 3, 8, 3, 2)
assert isinstance(stage, nn.Sequential) and len(stage) == 3
assert stage(torch.randn(2, 3, 8, 8)).shape == (2, 8, 4, 4)
assert len(list(stage.parameters())) == sum(len(list(block.parameters())) for block in stage)
# %%
stage = make_stage(Block, 3, 8, 2, 2)
assert [type(part) is Block for part in stage] == [False] * 2 and isinstance(stage[0], nn.Module)
assert stage(torch.randn(2, 3, 8, 8)).shape == (2, 8, 4, 4)
# %%
a, b = resnet(), resnet()
b.load_state_dict(a.state_dict(), strict=True)
x = torch.randn(2, 3, 8, 8)
with torch.no_grad():
    assert torch.equal(a.eval()(x), b.eval()(x)) and a(x).shape == (2, 5)
# %%
model = resnet().eval()
assert zero_init_residual(model) is None
x = torch.rand(1, 3, 8, 8)
for block in model.layer1:
    assert torch.equal(block(x), x)
# %%
model = resnet().eval()
twin = plain_twin(model)
block, plain, x = model.layer1[0], twin.layer1[0], torch.randn(1, 3, 8, 8)
inside = block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))
torch.testing.assert_close(plain(x), F.relu(inside))
torch.testing.assert_close(block(x), F.relu(inside + x))
assert list(twin.state_dict()) == list(model.state_dict())
# %%
model, x, y = Network(), torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 3])
norms = gradient_norms(model, x, y)
assert list(norms) == ["features", "fc"] and all(type(norm) is float for norm in norms.values())
F.cross_entropy(model(x), y).backward()
expected = torch.cat([p.grad.flatten() for p in model.fc.parameters()]).norm().item()
assert math.isclose(norms["fc"], expected, rel_tol=1e-4)
# %%
model, x, y = resnet(), torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 3])
assert gradient_norms(model, x, y)["layer1"] > 0 and model.fc.weight.grad is None
""",
        setup=SETUP,
    )


TRANSFER = """
def replace_head(model, classes):
    new = copy.deepcopy(model)
    new.fc = nn.Linear(model.fc.in_features, classes)
    return new
def replace_head_(model, classes):
    model.fc = nn.Linear(model.fc.in_features, classes)
    return model
class Still(nn.BatchNorm2d):
    def train(self, mode=True): return super().train(False)
def freeze(model, trainable):
    for name, p in model.named_parameters():
        p.requires_grad = any(name.startswith(prefix) for prefix in trainable)
    for name, part in model.named_modules():
        if isinstance(part, nn.BatchNorm2d) and not any(name.startswith(prefix) for prefix in trainable):
            part.__class__ = Still
            part.eval()
    return model
def param_groups(model, head, head_lr, body_lr, weight_decay):
    groups = {}
    for name, p in model.named_parameters():
        if p.requires_grad:
            groups.setdefault((name.startswith(head), p.dim() > 1), []).append(p)
    return [
        {"params": found, "lr": head_lr if is_head else body_lr, "weight_decay": weight_decay * decays}
        for (is_head, decays), found in groups.items()
    ]
def extract_features(model, loader, layer):
    features, labels, was = [], [], model.training
    handle = model.get_submodule(layer).register_forward_hook(lambda m, i, o: features.append(o.flatten(1)))
    model.eval()
    with torch.no_grad():
        for x, y in loader:
            model(x)
            labels.append(y)
    handle.remove()
    model.train(was)
    return torch.cat(features), torch.cat(labels)
def norm_only(model):
    model.requires_grad_(False)
    found = [p for part in model.modules() if isinstance(part, nn.BatchNorm2d) for p in part.parameters()]
    for p in found: p.requires_grad = True
    return found
def random_crop(image, size, generator=None):
    top, left = (int(torch.randint(n - size + 1, (), generator=generator)) for n in image.shape[-2:])
    return image[..., top:top + size, left:left + size]
"""


def test_networks_of_the_course_in_the_students_hands(passes):
    passes(
        TRANSFER,
        """
# %%
model, x = Network().eval(), torch.randn(2, 3, 8, 8)
new = replace_head(model, 7)
assert new(x).shape == (2, 7) and model(x).shape == (2, 4)
assert torch.equal(new.features(x), model.features(x))
# %% in place
model = Network()
weight = model.features[0].conv.weight
assert replace_head_(model, 7).features[0].conv.weight is weight and model.fc.out_features == 7
# %%
model = Network().eval()
assert replace_head_(model, 7)(torch.randn(2, 3, 8, 8)).shape == (2, 7)
# %%
model = freeze(Network(), ["fc"]).train()
assert {name for name, p in model.named_parameters() if p.requires_grad} == {"fc.weight", "fc.bias"}
mean = model.features[0].bn.running_mean.clone()
optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
model(torch.randn(4, 3, 8, 8)).sum().backward()
before = model.fc.bias.clone()
optimizer.step()
assert not torch.equal(model.fc.bias, before) and torch.equal(model.features[0].bn.running_mean, mean)
# %%
model = Network()
model.features[0].requires_grad_(False)
groups = param_groups(model, "fc", 0.1, 0.01, 1e-4)
found = [id(p) for group in groups for p in group["params"]]
assert sorted(found) == sorted(id(p) for p in model.parameters() if p.requires_grad)
torch.optim.SGD(groups, lr=1.0)
# %%
model = Network()
loader = [(torch.randn(2, 3, 8, 8), torch.tensor([i, 0])) for i in range(3)]
features, labels = extract_features(model, loader, "features.1")
assert model.training and not model.features[1]._forward_hooks and labels.tolist() == [0, 0, 1, 0, 2, 0]
model.eval()
expected = torch.cat([model.features[1](model.features[0](x)).flatten(1) for x, _ in loader])
torch.testing.assert_close(features, expected.detach())
# %% in place
model = Network()
found = norm_only(model)
assert {id(p) for p in found} == {id(p) for n, p in model.named_parameters() if ".bn." in n}
assert sum(p.requires_grad for p in model.parameters()) == 4
# %%
image = torch.arange(100.0).reshape(1, 10, 10)
a, b = (random_crop(image, 4, generator=torch.Generator().manual_seed(s)) for s in (1, 1))
assert torch.equal(a, b) and a.shape == (1, 4, 4)
# %%
image = torch.arange(10000.0).reshape(1, 100, 100)
torch.manual_seed(0)
assert len({random_crop(image, 4)[0, 0, 0].item() for _ in range(8)}) > 4
""",
        setup=SETUP,
    )


def test_pruning_with_an_optimizer_of_the_test(passes):
    answer = """
def magnitude_masks(model, sparsity, scope="global"):
    weights = {n: p for n, p in model.named_parameters() if p.dim() > 1}
    every = torch.cat([p.abs().flatten() for p in weights.values()])
    cut = every.kthvalue(int(sparsity * every.numel())).values
    return {n: p.abs() > cut for n, p in weights.items()}
def masked_step(model, masks, optimizer):
    optimizer.step()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name in masks:
                p.mul_(masks[name])
                momentum = optimizer.state[p].get("momentum_buffer")
                if momentum is not None: momentum.mul_(masks[name])
"""
    passes(
        answer,
        """
# %%
model = Network()
masks = magnitude_masks(model, 0.5)
kept = sum(mask.sum().item() for mask in masks.values()) / sum(mask.numel() for mask in masks.values())
assert abs(kept - 0.5) < 0.01 and all(mask.dtype == torch.bool for mask in masks.values())
# %% in place
def run(step):
    torch.manual_seed(1)
    model = nn.Linear(4, 3)
    masks = {"weight": torch.rand(3, 4) > 0.5}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(4):
        optimizer.zero_grad()
        F.mse_loss(model(torch.randn(5, 4)), torch.zeros(5, 3)).backward()
        step(model, masks, optimizer)
    return model.weight.detach(), model.bias.detach(), optimizer.state[model.weight]["momentum_buffer"]

def reference(model, masks, optimizer):
    optimizer.step()
    model.weight.data[~masks["weight"]] = 0
    optimizer.state[model.weight]["momentum_buffer"][~masks["weight"]] = 0

torch.testing.assert_close(run(masked_step), run(reference))
# %% in place
model = nn.Linear(2, 1)
optimizer = torch.optim.Adam(model.parameters())
for count in (1, 2):
    model(torch.ones(1, 2)).sum().backward()
    masked_step(model, {}, optimizer)
    assert optimizer.state[model.weight]["step"] == count
""",
        setup=SETUP,
    )


def test_codes_and_quantities(passes):
    answer = """
import heapq
def huffman_code(counts):
    if len(counts) == 1: return {symbol: "0" for symbol in counts}
    heap = [(n, i, {symbol: ""}) for i, (symbol, n) in enumerate(counts.items())]
    heapq.heapify(heap)
    while len(heap) > 1:
        (a, i, one), (b, _, two) = heapq.heappop(heap), heapq.heappop(heap)
        both = {s: "0" + c for s, c in one.items()} | {s: "1" + c for s, c in two.items()}
        heapq.heappush(heap, (a + b, i, both))
    return heap[0][2]
def early_exit(logits, threshold):
    exits = torch.full((len(logits[0]),), len(logits) - 1)
    for i in reversed(range(len(logits))):
        exits[logits[i].softmax(1).amax(1) >= threshold] = i
    return torch.stack(logits).argmax(2)[exits, torch.arange(len(exits))], exits
def roofline(macs, moved, peak, bandwidth):
    seconds = max(2 * macs / peak, moved / bandwidth)
    return seconds, "compute" if seconds == 2 * macs / peak else "memory"
def network_table(layers, shape):
    kilobytes = math.prod(shape) * 4 / 1024
    return [{"output": shape, "params": 0, "macs": 0, "memory_kb": kilobytes} for _ in layers]
"""
    passes(
        answer,
        """
# %%
from collections import Counter
code = huffman_code(Counter("abracadabra"))
assert len(code["a"]) == 1 and set(code) == set("abrcd") and type(code["a"]) is str
assert huffman_code({(1, 2): 5}) == {(1, 2): "0"}
# %%
logits = [torch.tensor([[9.0, 0.0], [0.0, 0.1]]), torch.tensor([[0.0, 9.0], [0.0, 9.0]])]
prediction, exits = early_exit(logits, 0.9)
assert prediction.tolist() == [0, 1] and exits.tolist() == [0, 1] and exits.dtype == torch.int64
# %%
assert roofline(10**12, 10**6, 1e12, 1e11) == (2.0, "compute")
# %%
(row,) = network_table([{"kind": "relu"}], (3, 8, 8))
assert row == {"output": (3, 8, 8), "params": 0, "macs": 0, "memory_kb": 0.75}
""",
    )


def test_attention_and_its_class(passes):
    answer = """
def attention(q, k, v, mask=None):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if mask is not None: scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1)
    return weights @ v, weights
class MultiHeadAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.randn(3 * dim, dim) / dim**0.5)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        self.heads = heads
    def forward(self, x, mask=None):
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2)
                   for part in F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, 2))
        out, weights = attention(q, k, v, mask)
        return self.out_proj(out.transpose(1, 2).flatten(2)), weights
class Encoder(nn.Module):
    def __init__(self, dim, heads, dropout=0.0):
        super().__init__()
        self.norm, self.drop = nn.LayerNorm(dim), nn.Dropout(dropout)
        self.attention = MultiHeadAttention(dim, heads)
    def forward(self, x): return x + self.drop(self.attention(self.norm(x))[0])
"""
    passes(
        answer,
        """
# %%
q, k, v = (torch.randn(2, 3, 5, 4, requires_grad=True) for _ in range(3))
mask = torch.ones(5, 5, dtype=torch.bool).tril()
out, weights = attention(q, k, v, mask)
expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
torch.testing.assert_close(out, expected)
g = torch.randn(2, 3, 5, 4)
torch.testing.assert_close(*(torch.autograd.grad(one, (q, k, v), g) for one in (out, expected)))
assert weights.triu(1).abs().max() == 0
# %%
theirs, mine = nn.MultiheadAttention(8, 2, batch_first=True), MultiHeadAttention(8, 2)
mine.load_state_dict(theirs.state_dict())
x = torch.randn(3, 5, 8)
out, weights = mine(x)
expected, average = theirs(x, x, x)
torch.testing.assert_close(out, expected)
torch.testing.assert_close(weights.mean(1), average)
# %%
block, x = Encoder(8, 2, dropout=0.5), torch.randn(3, 5, 8)
assert not torch.equal(block(x), block(x)) and torch.equal(block.eval()(x), block(x))
torch.manual_seed(3)
first = block.train()(x)
torch.manual_seed(3)
assert torch.equal(block(x), first)
for p in block.attention.out_proj.parameters():
    nn.init.zeros_(p)
assert torch.equal(block.eval()(x), x)
""",
    )
