"""Tensors and modules that are not what they seem, and arguments changed behind the test's back."""

from tests.attacks.corpus.attack import TENSORS, Attack

ATTACKS = [
    Attack(
        "zeroes-the-input",
        "sets the shared input to zero, so that what is expected becomes zero as well",
        "this test, and every later one on the same tensor",
        answers={
            "double": """
                def double(x):
                    x.zero_()
                    return torch.zeros_like(x)
            """,
            "relu": """
                def relu(x):
                    return torch.zeros_like(x)
            """,
            "correlate": """
                def correlate(x, weight):
                    weight.zero_()
                    return torch.zeros(4, 4)
            """,
        },
        assignment=TENSORS,
    ),
    Attack(
        "partial-by-change",
        "changes the argument so that a test that counts points counts them",
        "full instead of partial points",
        answers={
            "clip": """
            def clip(x):
                x.zero_()
                return x
        """
        },
        assignment=TENSORS,
        deserved=0.5,
    ),
    Attack(
        "changes-through-data",
        "changes arguments by ways that leave no trace: data, set_, storage, numpy",
        "the same, unseen",
        answers={
            "double": """
                def double(x):
                    x.data.zero_()
                    x.detach().numpy()[:] = 0
                    x.untyped_storage().fill_(0)
                    return x
            """,
            "clip": """
                def clip(x):
                    x.data.zero_()
                    return x.data
            """,
        },
        assignment=TENSORS,
        deserved=0.5,
    ),
    Attack(
        "tensor-subclass",
        "returns a tensor whose operations are its own",
        "every comparison that asks the tensor",
        answers={
            "double": """
                class Yes(torch.Tensor):
                    @classmethod
                    def __torch_function__(cls, function, types, args=(), kwargs=None):
                        name = getattr(function, '__name__', '')
                        if name in ('allclose', 'equal', 'eq', 'isclose', '__eq__'):
                            return True
                        return super().__torch_function__(function, types, args, kwargs or {})
                def double(x):
                    return torch.zeros(x.shape).as_subclass(Yes)
            """,
            "relu": """
                def relu(x):
                    return torch.zeros(x.shape).as_subclass(Yes)
            """,
        },
        assignment=TENSORS,
    ),
    Attack(
        "lying-tensor",
        "returns a tensor whose shape, data and methods say something else",
        "tests that ask for the shape, or that read it twice",
        answers={
            "double": """
                class Liar(torch.Tensor):
                    shape = property(lambda self: torch.Size([4, 6]))
                    requires_grad = property(lambda self: 7)
                    grad_fn = property(lambda self: self)
                    def detach(self): return self
                    def cpu(self): raise ValueError
                    def allclose(self, other, **more): return True
                    def numel(self): return 24
                def double(x):
                    return torch.zeros(1).as_subclass(Liar)
            """,
            "relu": """
                def relu(x):
                    y = torch.zeros(4, 6)
                    y.equal = lambda other: True
                    return y
            """,
        },
        assignment=TENSORS,
    ),
    Attack(
        "compares-itself",
        "returns an object with the methods by which tests compare tensors",
        "the student's own `equal` decides",
        answers={
            "relu": """
                class Result:
                    shape = property(lambda self: torch.Size([4, 6]))
                    def equal(self, other): return True
                    allclose = eq = isclose = equal
                    def all(self): return True
                def relu(x):
                    return Result()
            """,
            "layer": """
                class Weight:
                    def equal(self, other): return True
                class Layer:
                    def __init__(self, *sizes): pass
                    def load_state_dict(self, state): self.state = state
                    def state_dict(self): return {'weight': Weight()}
                    def __call__(self, x): return x
            """,
        },
        assignment=TENSORS,
    ),
    Attack(
        "patches-torch",
        "replaces torch's comparisons, and torch's functions that compute what is expected",
        "every comparison, and every reference",
        answers={
            "double": """
                import torch.testing
                torch.testing.assert_close = lambda *args, **kwargs: None
                torch.testing._comparison.assert_close = torch.testing.assert_close
                torch.allclose = torch.equal = lambda *args, **kwargs: True
                torch.Tensor.equal = torch.Tensor.allclose = lambda *args, **kwargs: True
                F.conv1d = lambda *args: torch.zeros(4, 1, 4)
                def double(x):
                    return x
            """,
            "relu": """
                def relu(x):
                    return x
            """,
            "cube": """
                def cube(x):
                    return x
            """,
            "clip": """
                def clip(x):
                    return x
            """,
        },
        assignment=TENSORS,
        deserved=0.5,
    ),
    Attack(
        "odd-gradients",
        "returns the right kind of graph with a backward pass of its own: wrong shapes, types, endless",
        "an error in the judge's own backward pass, or a gradient that is taken for right",
        answers={
            "cube": """
                class Odd(torch.autograd.Function):
                    @staticmethod
                    def forward(ctx, x):
                        return x.clone()
                    @staticmethod
                    def backward(ctx, gradient):
                        return gradient * float('nan')
                def cube(x):
                    y = Odd.apply(x)
                    y.register_hook(lambda gradient: gradient.expand(2) * 0)
                    return y
            """,
        },
        assignment=TENSORS,
    ),
    Attack(
        "poisoned-reference",
        "gives the layers it was passed another forward, so that what is compared with is its own",
        "a reference that says what the answer says",
        answers={
            "folded": """
                def folded(first, second):
                    zero = lambda x: torch.zeros(x.shape[0], 3)
                    second.forward = zero
                    with torch.no_grad():
                        for part in (first, second):
                            part.weight.zero_(), part.bias.zero_()
                    new = torch.nn.Linear(6, 3)
                    with torch.no_grad():
                        new.weight.zero_(), new.bias.zero_()
                    return new
            """,
        },
        assignment=TENSORS,
    ),
    Attack(
        "poisoned-layer",
        "returns a real layer with hooks and a forward of its own, over a wrong weight",
        "a layer that looks right and computes something else",
        answers={
            "folded": """
                def folded(first, second):
                    new = torch.nn.Linear(6, 3)
                    class Same:
                        def __eq__(self, other): return True
                    new.forward = lambda x: Same()
                    new.register_forward_hook(lambda *args: Same())
                    return new
            """,
        },
        assignment=TENSORS,
    ),
    Attack(
        "vast-tensors",
        "returns tensors that are small to send and vast to compute with",
        "a judge that runs out of memory and scores nobody",
        answers={
            "double": """
                def double(x):
                    return torch.zeros(1).expand(2**33)
            """,
            "relu": """
                def relu(x):
                    return torch.zeros(2**28)
            """,
        },
        assignment=TENSORS,
    ),
    Attack(
        "guesses-the-dice",
        "reads the state of the random generator, forked from the same process as the judge's",
        "knowing hidden inputs in advance, and the reference's weights",
        answers={
            "folded": """
                def folded(first, second):
                    torch.manual_seed(0)
                    torch.rand(4, 6)
                    state = torch.get_rng_state()
                    return torch.nn.Linear(6, 3)
            """,
        },
        assignment=TENSORS,
    ),
]
