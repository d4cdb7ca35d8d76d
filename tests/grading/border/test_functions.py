"""Functions, classes and objects of a student, used by a test as if they were its own."""

from tests.grading.border.cells import Cell

PASSED = ""


def test_values_go_there_and_come_back(passes):
    answer = """
def swap(a, b, *rest, last=None): return b, a, {"rest": list(rest), "last": last}
def total(table): return sum(sum(row) for row in table.values())
def form(x): return x.dtype, x.shape, x.stride(), x.is_contiguous()
"""
    passes(
        answer,
        """
# %%
assert swap(1, 'two', 3.0, None, last=(4,)) == ('two', 1, {'rest': [3.0, None], 'last': (4,)})
# %%
assert total({1: [1, 2], (2, 'a'): (3,)}) == 6
# %%
x = torch.zeros(4, 6, dtype=torch.int16)[::2, 1:].T
assert form(x) == (torch.int16, torch.Size([5, 2]), x.stride(), False)
# %%
assert np.array_equal(swap(1, np.eye(3, dtype='>f4'))[0], np.eye(3))
""",
    )


def test_an_argument_that_is_returned_is_the_same_object(passes):
    passes(
        "def same(x): return x\ndef inside(x): return {'x': [x]}",
        """
# %%
x, y = torch.ones(2), [1]
assert same(x) is x and same(y) is y and inside(x)['x'][0] is x
# %%
module = nn.Linear(1, 1)
assert same(module) is module and inside(module)['x'][0] is module
""",
    )


CLASS = """
class Account:
    rate = 3
    def __init__(self, money): self.money = money
    def add(self, more): self.money += more; return self
    @classmethod
    def empty(cls): return cls(0)
    @staticmethod
    def double(x): return 2 * x
    @property
    def twice(self): return 2 * self.money
    def __len__(self): return 4
    def __getitem__(self, item): return item * self.money
    def __iter__(self): return iter([1, self.money])
    def __contains__(self, item): return item == self.money
    def __call__(self, x): return x + self.money
class Special(Account): pass
class Mistake(ValueError): pass
"""


def test_classes_and_their_objects(passes):
    passes(
        CLASS,
        """
# %%
a = Account(5)
assert (a.money, a.twice, Account.rate, a.rate) == (5, 10, 3, 3)
# %%
a = Account(5)
a.add(2).add(1)
assert a.money == 8
a.money = 1
assert a.twice == 2
# %%
assert Account.empty().money == 0 and Account.double(4) == 8
# %%
a = Account(5)
assert (len(a), a[3], list(a), 5 in a, 6 in a, a(1)) == (4, 15, [1, 5], True, False, 6)
# %%
assert isinstance(Account(1), Account) and isinstance(Special(1), Account)
assert not isinstance(Account(1), Special) and not isinstance(3, Account)
# %%
assert hasattr(Account(1), 'money') and not hasattr(Account(1), 'dollars')
# %%
b = copy.deepcopy(a := Account(5))
b.add(1)
assert (a.money, b.money) == (5, 6)
# %%
assert issubclass(Mistake, ValueError) and not issubclass(Account, ValueError)
# %%
assert Account.__name__ == 'Account'
""",
    )


def test_objects_are_no_values_and_say_so(judged):
    said = judged(
        CLASS,
        """
# %%
assert Account(1) == Account(1)
# %%
assert Account(1)
# %%
Account(1) + Account(2)
# %%
try:
    raise ValueError
except Mistake:
    pass
# %%
assert type(Account(1)) is Account
""",
    )
    assert "<object 'Account' of the answer> is no value and equals nothing" in said[0]
    assert "is no value, neither true nor false" in said[1]
    assert said[2].startswith("TypeError: unsupported operand")
    assert said[3].startswith("TypeError: catching classes that do not inherit")
    assert said[4] == "AssertionError: "


def test_objects_are_passed_back_as_themselves(passes):
    answer = (
        CLASS + "\ndef is_it(a, b): return a is b\ndef make(kind, *x): return kind(*x)\nfirst = Account(1)"
    )
    passes(
        answer,
        """
# %%
assert is_it(first, first) and not is_it(first, Account(1))
# %%
assert make(Account, 3).money == 3 and make(Account.double, 3) == 6
# %%
assert is_it({'a': [first]}['a'][0], first)
""",
    )


def test_caches_of_any_kind_go_from_one_function_to_the_next(passes):
    answer = """
class Cache: pass
def train(x, how):
    if how == "dict": return x.sum(), {"x": x, "size": len(x)}
    if how == "closure": return x.sum(), lambda: (x, len(x))
    cache = Cache()
    cache.x, cache.size = x, len(x)
    return x.sum(), cache
def back(cache):
    if callable(cache): cache = dict(zip(["x", "size"], cache()))
    if isinstance(cache, Cache): cache = vars(cache)
    return cache["x"] * cache["size"]
"""
    test = "x = torch.arange(3.)\n_, cache = train(x, {!r})\nassert torch.equal(back(cache), 3 * x)"
    passes(answer, *(test.format(how) for how in ("dict", "closure", "object")))


def test_exceptions_arrive_with_name_kind_message_and_cause(judged, passes):
    answer = """
class TooSmall(ValueError):
    pass
def raising(how):
    if how == "own": raise TooSmall("too small", 3)
    if how == "key": return {}["a"]
    if how == "index": return [][0]
    if how == "chain":
        try: 1 / 0
        except ZeroDivisionError as error: raise ValueError("bad") from error
    if how == "exit": raise SystemExit(3)
    if how == "todo": raise NotImplementedError
    if how == "odd":
        class Odd(Exception):
            def __str__(self): raise KeyError
        raise Odd
    assert how == "right", f"{how} is not right"
"""
    caught = """
# %%
try:
    raising({!r})
except {} as caught:
    error = caught
assert {}
"""
    passes(
        answer,
        caught.format(
            "own", "ValueError", "error.args == ('too small', 3) and type(error).__name__ == 'TooSmall'"
        ),
        caught.format("key", "KeyError", "error.args == ('a',)"),
        caught.format("index", "LookupError", "type(error) is IndexError"),
        caught.format("chain", "ValueError", "isinstance(error.__cause__, ZeroDivisionError)"),
        caught.format("todo", "NotImplementedError", "str(error) == ''"),
        caught.format("wrong", "AssertionError", "str(error) == 'wrong is not right'"),
        caught.format("odd", "Exception", "type(error).__name__ == 'Odd'"),
    )
    said = judged(answer, caught.format("own", "KeyError", "False"), "raising('exit')", "raising('key')")
    assert said == ["TooSmall: ('too small', 3)", "SystemExit: 3", "KeyError: 'a'"]


def test_generators_give_one_value_at_a_time(passes):
    answer = """
count = 0
def numbers(n):
    global count
    for i in range(n):
        count += 1
        yield i, torch.full((2,), float(i))
    raise ValueError("no more")
def made(): return count
"""
    passes(
        answer,
        """
# %%
found = numbers(2)
assert next(found)[0] == 0 and made() == 1
assert next(found)[1].tolist() == [1, 1]
try:
    next(found)
except ValueError as error:
    assert str(error) == 'no more'
else:
    assert False
# %%
it = iter(numbers(3))
assert [i for _, (i, _) in zip(range(3), it)] == [0, 1, 2]
# %%
assert list(map(lambda pair: pair[0], zip(*[iter([1, 2])]))) == [1, 2]
""",
    )


def test_functions_of_a_test_run_where_the_test_is(judged):
    answer = """
import builtins
def apply(function, *x, **more): return function(*x, **more)
def twice(function): return lambda x: function(function(x))
def peek(function): return sorted(name for name in dir(function) if not name.startswith("_"))
def slope(loss, x):
    loss(x).backward()
    return x.grad
"""
    said = judged(
        answer,
        """
# %%
seen = []
assert apply(lambda a, b=0: seen.append((a, b)) or a + b, 1, b=2) == 3 and seen == [(1, 2)]
# %%
secret = 7
assert twice(lambda x: x + secret)(1) == 15
# %%
assert apply(apply, lambda x: x + 1, 2) == 3
# %%
def fail(x): raise KeyError(x)
try:
    apply(fail, 1)
except RuntimeError as error:
    assert 'KeyError: 1' in str(error)
# %%
assert peek(lambda: 3) == ['remote_number']
# %%
for function in (torch.sum, torch.logsumexp if False else lambda v: v.sum()):
    break
assert torch.equal(slope(torch.sum, torch.ones(2, requires_grad=True)), torch.ones(2))
# %%
slope(lambda x: x.sum(), torch.ones(2, requires_grad=True))
# %%
assert torch.equal(slope(own_loss, torch.ones(2, requires_grad=True)), 2 * torch.ones(2))
""",
        setup="def own_loss(x): return x.pow(2).sum()",
    )
    assert said[:6] == [PASSED] * 6
    assert "does not require grad" in said[6]
    assert said[7] == PASSED


def test_seeds_of_a_test_hold_for_the_answer(passes):
    answer = """
import random
def draws(): return torch.rand(3), np.random.rand(3), random.random()
def crop(generator=None): return torch.rand(3, generator=generator)
"""
    passes(
        answer,
        """
# %%
import random
def seed(): torch.manual_seed(1); np.random.seed(1); random.seed(1)
seed()
a = draws()
seed()
b, c = draws(), draws()
torch.testing.assert_close(a, b, rtol=0, atol=0)
assert not torch.equal(b[0], c[0])
# %%
torch.manual_seed(5)
expected = torch.rand(3)
torch.manual_seed(5)
assert torch.equal(crop(), expected)
# %%
g = torch.Generator().manual_seed(2)
assert torch.equal(crop(generator=g), torch.rand(3, generator=torch.Generator().manual_seed(2)))
# %% in place
g = torch.Generator().manual_seed(2)
assert not torch.equal(crop(g), crop(g))
""",
    )


def test_random_numbers_are_the_same_in_every_run(run):
    answer = "import random, numpy, torch\ndef draw(): return random.random() + float(numpy.random.rand())"
    cells = [
        Cell("answer", answer),
        Cell("test", "draw() / 4"),
        Cell("test", "import torch\ntorch.rand(1)[0] / 2"),
    ]
    first, second = run(*cells), run(*cells)
    assert [outcome.value for outcome in first] == [outcome.value for outcome in second]
    assert 0 < first[1].value < 1


def test_what_cannot_be_passed_is_said(judged):
    said = judged(
        "def take(x): return len(list(x))",
        """
# %%
from torch.utils.data import DataLoader
take(DataLoader([1, 2]))
# %%
class Own:
    pass
take(Own())
# %%
class Layer(nn.Module):
    pass
take(Layer())
# %%
take(iter([1, 2]))
# %%
take(torch.eye(2).to_sparse())
# %%
assert take([batch for batch in [(torch.ones(2), 1), (torch.ones(2), 2)]]) == 2
""",
    )
    assert said[0].startswith("WireError: a DataLoader cannot be passed to an answer")
    assert said[1].startswith("WireError: a Own cannot be passed")
    assert "exists only where the test runs; define it in a locked cell" in said[2]
    assert said[3].startswith("WireError: a list_iterator cannot be passed")
    assert "dense" in said[4]
    assert said[5] == PASSED


def test_what_works_another_way_than_in_one_process(judged, passes):
    answer = """
def shares(a, b):
    a.add_(1)
    return torch.equal(a, b)
class Door:
    def __enter__(self): return 1
    def __exit__(self, *error): return False
def take(module): return 1
"""
    passes(
        answer,
        """
# %%
from coursekit.check import forbid
with forbid("conv") as watch:
    assert watch is None
# %%
x = torch.ones(4)
assert not shares(x, x[:]), "two views of one storage arrive as two tensors"
""",
    )
    said = judged(
        answer,
        """
# %%
with Door():
    pass
# %%
layer = nn.Linear(1, 1)
layer.register_forward_hook(lambda *a: None)
take(layer)
""",
    )
    assert said[0].startswith("TypeError: 'Proxy' object does not support the context manager")
    assert said[1].startswith("WireError: a module with hooks cannot be passed")


def test_forbidden_calls_are_refused_where_the_answer_runs(judged, passes):
    setup = """
from coursekit.check import forbid
x, w = torch.ones(1, 1, 2, 2), torch.ones(1, 1, 1, 1)
"""
    answer = """
def cheat(x, w): return F.conv2d(x, w)
def honest(x, w): return (x.unfold(2, 1, 1) * w).sum((1, 4))
def lazily(x, w):
    yield F.conv2d(x, w)
"""
    passes(
        answer,
        """
# %%
expected = F.conv2d(x, w)
with forbid('conv'):
    honest(x, w)
    F.conv2d(x, w)
# %%
with forbid('conv'):
    pass
assert cheat(x, w).shape == (1, 1, 2, 2)
# %%
with forbid('pooling'), forbid('autograd'):
    cheat(x, w)
""",
        setup=setup,
    )
    said = judged(
        answer,
        """
# %%
with forbid('conv'):
    cheat(x, w)
# %%
with forbid('conv'):
    found = lazily(x, w)
next(found)
# %%
with forbid('pooling'), forbid('conv'):
    cheat(x, w)
""",
        setup=setup,
    )
    assert [error.partition(":")[0] for error in said] == ["ForbiddenCallError"] * 3


def test_what_an_answer_prints_is_not_the_tests_word(run):
    answer = """
def loud(x):
    print("3.0"); print("all tests passed", flush=True)
    get_ipython().displayhook(3.0)
    from IPython.display import display
    display(3.0)
    return x
"""
    outcomes = run(
        Cell("answer", answer),
        Cell("test", "print('here'); assert loud(1) == 2"),
        Cell("test", "loud(1)\nloud(0) + 0.5"),
        Cell("test", "loud(1);"),
    )
    assert outcomes[1].error == "AssertionError: "
    assert outcomes[1].printed == "here\n"
    assert outcomes[2].value == 0.5
    assert [outcome.printed for outcome in outcomes[2:]] == ["", ""]
