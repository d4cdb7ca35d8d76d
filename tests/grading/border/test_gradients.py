"""Gradients pass through an answer: a call is one node of the test's graph."""

ANSWER = """
def cube(x): return x**3
def both(x, y=None, *, z=1.0): return {"sum": x + y, "parts": (x * z, [y.detach(), 3])}
def wrong(x): return x.detach() * 2 + x
def untied(x): return torch.tensor(x.tolist(), requires_grad=True)
def norm(x): return x / x.norm()
def loss(model, x): return model(x).pow(2).sum()
def inner(x):
    x = x.detach().requires_grad_()
    (x**2).sum().backward()
    return x.grad
def relu_(x): return x.clamp_(min=0)
def multiply_(x, y): x.mul_(y)
class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sign()
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (x.abs() <= 1)
"""


def test_first_derivatives_of_all_kinds(passes):
    passes(
        ANSWER,
        """
# %%
x = torch.randn(3, dtype=torch.float64, requires_grad=True)
assert torch.autograd.gradcheck(cube, (x,)) and torch.autograd.gradcheck(norm, (x,))
# %%
x = torch.tensor([1.0, 2.0], requires_grad=True)
(gradient,) = torch.autograd.grad(cube(x).sum(), x)
assert gradient.tolist() == [3, 12] and x.grad is None
cube(x).backward(torch.tensor([1.0, 0.5]))
assert x.grad.tolist() == [3, 6]
# %%
x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
found = both(x, y=y, z=torch.tensor(3.0))
(found["sum"].sum() + found["parts"][0].sum()).backward()
assert x.grad.tolist() == [4, 4] and y.grad.tolist() == [1, 1]
assert not found["parts"][1][0].requires_grad and found["parts"][1][1] == 3
# %%
x = torch.tensor([2.0], requires_grad=True)
cube(cube(x) * 2).backward()
assert x.grad.item() == 9 * 8 * 2**8
# %%
x = torch.ones(2, requires_grad=True)
out = cube(x)
out.sum().backward(retain_graph=True)
out.sum().backward()
assert x.grad.tolist() == [6, 6]
# %%
jacobian = torch.autograd.functional.jacobian(cube, torch.tensor([1.0, 2.0]))
assert jacobian.tolist() == [[3, 0], [0, 12]]
# %%
x = torch.tensor([[-2.0, 3.0], [1.0, -1.0]], requires_grad=True)
relu_(x * 1).sum().backward()
assert x.grad.tolist() == [[0, 1], [1, 0]]
""",
    )


def test_wrong_gradients_are_found(judged):
    said = judged(
        ANSWER,
        """
# %%
x = torch.randn(3, dtype=torch.float64, requires_grad=True)
torch.autograd.gradcheck(wrong, (x,))
# %%
x = torch.ones(3, requires_grad=True)
untied(x).sum().backward()
assert x.grad is not None, "the result does not depend on x"
# %%
cube(torch.ones(2)).sum().backward()
""",
    )
    assert "Jacobian mismatch" in said[0]
    assert said[1] == "AssertionError: the result does not depend on x"
    assert "does not require grad" in said[2]


def test_an_answer_may_take_gradients_itself(passes):
    passes(
        ANSWER,
        """
# %%
assert inner(torch.tensor([3.0])).item() == 6
# %%
with torch.no_grad():
    assert not cube(torch.ones(1, requires_grad=True)).requires_grad
""",
    )


def test_functions_with_gradients_of_their_own(passes):
    passes(
        ANSWER,
        """
# %%
x = torch.tensor([-2.0, -0.5, 0.5, 2.0], requires_grad=True)
out = Sign.apply(x)
assert out.tolist() == [-1, -1, 1, 1]
out.sum().backward()
assert x.grad.tolist() == [0, 1, 1, 0]
# %%
assert issubclass(Sign, torch.autograd.Function)
""",
    )


def test_weights_of_a_test_s_module_get_their_gradients(passes):
    passes(
        ANSWER,
        """
# %%
model, x = nn.Linear(3, 2), torch.randn(4, 3)
loss(model, x).backward()
expected = torch.autograd.grad(model(x).pow(2).sum(), list(model.parameters()))
torch.testing.assert_close([p.grad for p in model.parameters()], list(expected))
""",
    )


def test_second_derivatives_are_refused(judged):
    said = judged(
        ANSWER,
        """
# %%
x = torch.ones(2, requires_grad=True)
torch.autograd.grad(cube(x).sum(), x, create_graph=True)
# %%
x = torch.randn(2, dtype=torch.float64, requires_grad=True)
torch.autograd.gradgradcheck(cube, (x,))
""",
    )
    assert all("second derivatives do not pass through an answer" in error for error in said)


def test_a_change_in_place_carries_its_gradient(judged, passes):
    passes(
        ANSWER,
        """
# %% in place
x = torch.tensor([-1.0, 3.0], requires_grad=True)
y = x * 2
z = y + y
relu_(y)
(y * 5 + z * 0).sum().backward()
assert x.grad.tolist() == [0, 10]
# %% in place
x, y = torch.tensor([-1.0, 3.0], requires_grad=True), torch.ones(2)
multiply_(y, x)
y.sum().backward()
assert y.tolist() == [-1, 3] and x.grad.tolist() == [1, 1]
# %%
x = torch.tensor([-1.0, 3.0], requires_grad=True)
relu_(x * 2).sum().backward()
assert x.grad.tolist() == [0, 2]
# %%
with torch.no_grad():
    y = torch.tensor([-1.0, 3.0], requires_grad=True) * 2
    assert relu_(y).tolist() == [0, 6]
""",
    )
    said = judged(ANSWER, "relu_(torch.tensor([-1.0, 1.0], requires_grad=True))")
    assert "leaf Variable that requires grad is being used in an in-place operation" in said[0]
