"""What an answer changes in its arguments is seen by the test, and cannot make it pass by itself."""

from tests.grading.border.cells import Cell

DEPENDS = "AssertionError: it passes only because the answer changed the values that it is compared with"

CHANGES = """
def add_one(x): x += 1; return x
def by_data(x): x.data.add_(1); return x * 1
def by_numpy(x): x.numpy()[...] += 1; return x * 1
def by_view(x): x[0].fill_(7); return x * 1
def resize(x): x.resize_(1); return x * 1
def append(items): items.append(3); return items
def deep(items): items[0]["a"].clear(); return None
def array(a): a[0] = 9; return a.sum()
def keys(table): table.pop("a"); table["b"] = [1]; return table
def grow(found): found.add(5); found.discard(1)
def letters(data): data[0:1] = b"xy"
def draw(generator): return torch.rand(2, generator=generator)
def nothing(*things): return None
"""


def test_a_test_sees_that_an_argument_was_changed(judged):
    test = """
# %%
x = {value}
before = copy.deepcopy(x)
{call}
assert same(x, before), "changed"
"""
    calls = {
        "torch.ones(2, 3)": ["add_one(x)", "by_data(x)", "by_numpy(x)", "by_view(x)", "resize(x)"],
        "torch.ones(6)[::2]": ["add_one(x)", "by_numpy(x)"],
        "[1, 2]": ["append(x)"],
        "[{'a': [1, 2]}]": ["deep(x)"],
        "np.zeros(3)": ["array(x)"],
        "{'a': 1}": ["keys(x)", "nothing(keys(x))"],
        "{1, 2}": ["grow(x)"],
        "bytearray(b'abc')": ["letters(x)"],
        "torch.Generator().manual_seed(0)": ["draw(x)"],
    }
    same = """
def same(a, b):
    if isinstance(a, torch.Generator): a, b = a.get_state(), b.get_state()
    return type(a) is type(b) and (
        np.array_equal(a, b) if isinstance(a, (torch.Tensor, np.ndarray)) else a == b)
"""
    tests = [test.format(value=value, call=call) for value, found in calls.items() for call in found]
    said = judged(CHANGES, *tests, setup=same)
    assert said == ["AssertionError: changed"] * len(tests)


def test_arguments_that_are_left_alone_are_untouched(passes):
    passes(
        CHANGES,
        """
# %%
x, items, table = torch.ones(2), [1, [2]], {"a": np.ones(2)}
inner, array = items[1], table["a"]
version = x._version
nothing(x, items, table, nn.Linear(1, 1))
assert items[1] is inner and table["a"] is array and x._version == version
""",
    )


def test_a_pass_that_needs_the_change_is_none(judged):
    said = judged(
        CHANGES,
        """
# %%
x = torch.ones(2)
add_one(x)
assert torch.equal(x, torch.full((2,), 2.0))
# %%
items = [1]
append(items)
assert items == [1, 3]
# %%
x = torch.ones(2)
assert torch.equal(add_one(x), x)
# %%
x = torch.ones(2)
assert add_one(x) is x
""",
    )
    assert said == [DEPENDS] * 4


def test_a_test_that_says_so_may_need_the_change(passes):
    passes(
        CHANGES,
        """
# %% in place
x = torch.ones(2)
assert add_one(x) is x and x.tolist() == [2, 2]
# %% in place
items = [1]
assert append(items) is items and items == [1, 3]
# %% in place
x = torch.ones(3)
part = x[1:]
add_one(part)
assert x.tolist() == [1, 2, 2]
""",
    )


def test_a_pass_that_does_not_need_the_change_stays_one(passes):
    passes(
        CHANGES,
        """
# %%
x = torch.ones(2)
assert torch.equal(add_one(x), torch.full((2,), 2.0))
# %%
assert append([1]) == [1, 3]
# %%
assert keys({"a": 1, "c": 2}) == {"c": 2, "b": [1]}
# %%
generator = torch.Generator().manual_seed(0)
assert draw(generator).shape == (2,)
""",
    )


def test_the_second_look_sees_the_same_random_numbers(run):
    count = "import torch\nx = torch.rand(1)\nadd_one(x)\nprint(x.item())\nassert 0 < torch.rand(1) < 1"
    _, test = run(Cell("answer", CHANGES), Cell("test", count))
    assert test.error == ""


def test_a_test_that_fails_at_first_fails(judged):
    assert judged(CHANGES, "x = torch.ones(2)\nadd_one(x)\nassert x.sum() == 3, 'three'") == [
        "AssertionError: three"
    ]


MODULES = """
def zero(module):
    for p in module.parameters(): nn.init.zeros_(p)
def head(model, n): model[-1] = nn.Linear(model[-1].in_features, n); return model
def freeze(model):
    for p in model.parameters(): p.requires_grad = False
    return model.eval()
def spy(model):
    seen = []
    for part in model.modules(): part.register_forward_hook(lambda *a: seen.append(1))
    model(torch.ones(1, 3))
    return len(seen)
def polite(model):
    handles = [part.register_forward_hook(lambda *a: None) for part in model.modules()]
    for handle in handles: handle.remove()
    return len(handles)
def train(model, x):
    model(x).sum().backward()
class Frozen(nn.BatchNorm1d):
    def train(self, mode=True): return super().train(False)
def own_class(model):
    for part in model.modules():
        if type(part) is nn.BatchNorm1d: part.__class__ = Frozen; part.eval()
    return model
def own_method(model):
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d): part.eval(); part.train = lambda mode=True, part=part: part
    return model
def wrapped(model): return nn.Sequential(model, nn.ReLU())
"""


def test_modules_of_a_test_are_changed_as_well(passes):
    passes(
        MODULES,
        """
# %% in place
model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
weights = list(model.parameters())
zero(model)
assert all((p == 0).all() for p in weights) and weights[0] is model[0].weight
# %% in place
model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
first = model[0]
assert head(model, 5) is model
assert model[0] is first and model[1].out_features == 5 and model(torch.ones(1, 3)).shape == (1, 5)
# %% in place
model = nn.Sequential(nn.Linear(3, 3), nn.Dropout())
assert freeze(model) is model
assert not model[1].training and not any(p.requires_grad for p in model.parameters())
# %% in place
model = nn.Linear(3, 1)
train(model, torch.ones(2, 3))
assert model.weight.grad.tolist() == [[2, 2, 2]]
# %%
model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
assert head(model, 5)(torch.ones(1, 3)).shape == (1, 5)
# %%
model = nn.Sequential(nn.Linear(3, 3))
assert spy(model) == 2
# %%
model = nn.Sequential(nn.Linear(3, 3))
assert polite(model) == 2 and not any(part._forward_hooks for part in model.modules())
""",
    )


def test_hooks_that_were_left_are_found_and_not_run(judged):
    assert judged(
        MODULES,
        """
# %%
model = nn.Sequential(nn.Linear(3, 3))
spy(model)
x = torch.ones(1, 3)
assert torch.equal(model(x), F.linear(x, model[0].weight, model[0].bias))
assert not any(part._forward_hooks for part in model.modules()), "hooks were left"
""",
    ) == ["AssertionError: hooks were left"]


def test_a_module_that_gets_code_of_the_students_lives_on_there(passes):
    for function in ("own_class", "own_method"):
        passes(
            MODULES,
            f"""
# %%
model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
frozen = {function}(model).train()
mean = frozen[1].running_mean.clone()
frozen(torch.randn(8, 3)).sum().backward()
assert frozen.training and not frozen[1].training and torch.equal(frozen[1].running_mean, mean)
assert frozen[0].bias.grad is not None
# %% in place
model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
weight, norm = model[0].weight, model[1]
assert {function}(model) is model
model.train()
assert isinstance(model, nn.Sequential) and model[0].weight is weight and not model[1].training
assert len(model.state_dict()) == 7 and len(list(model.parameters())) == 4
""",
        )


def test_untouched_modules_stay_what_they_are(judged):
    said = judged(
        MODULES,
        """
# %%
model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
before = copy.deepcopy(model.state_dict())
zero(model)
torch.testing.assert_close(model.state_dict(), before)
# %%
model = nn.Sequential(nn.Linear(3, 3), nn.Dropout())
freeze(model)
assert model.training, "the mode was changed"
# %%
model = nn.Linear(3, 3)
assert type(wrapped(model)) is nn.Sequential and wrapped(model)[0] is model
""",
    )
    assert said[0].startswith("AssertionError: Tensor-likes are not close")
    assert said[1:] == ["AssertionError: the mode was changed", ""]
