"""Below torch's dispatch modes: operators, kernels and subclasses from Python, and kernels taken directly."""

from tests.attacks.corpus.ban.spelling import before

__all__ = ["ATTACKS"]

ATTACKS = [
    before(
        "custom-operator",
        "wraps the call in an operator of its own, whose name says nothing",
        """
            import torch
            @torch.library.custom_op("mine::slide", mutates_args=())
            def slide(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
                return CALL.clone()
            solve = slide
        """,
    ),
    before(
        "kernel-from-python",
        "registers a kernel for an operator, which is run below the modes",
        """
            import torch
            mine = torch.library.Library("hidden", "DEF")
            mine.define("total(Tensor x, Tensor w) -> Tensor")
            mine.impl("total", lambda x, w: CALL.clone(), "CPU")
            solve = torch.ops.hidden.total
        """,
    ),
    before(
        "kernel-of-the-librarys",
        "replaces the library's sum by a kernel that convolves",
        """
            import torch
            fragment = torch.library.Library("aten", "FRAGMENT")
            fragment.define("my_total(Tensor x, Tensor w) -> Tensor")
            fragment.impl("my_total", lambda x, w: CALL.clone(), "CompositeExplicitAutograd")
            solve = torch.ops.aten.my_total
        """,
    ),
    before(
        "subclass-made-at-run-time",
        "makes a class of tensors whose dispatch calls it with all modes taken off",
        """
            import torch
            def dispatch(cls, func, types, args=(), kwargs=None):
                x, w = cls.asked
                return CALL
            def new(cls, x):
                return torch.Tensor._make_wrapper_subclass(cls, x.shape, dtype=x.dtype)
            Late = type("Late", (torch.Tensor,), {
                "__new__": staticmethod(new), "__torch_dispatch__": classmethod(dispatch),
                "__init__": lambda self, x: None})
            def solve(x, w):
                Late.asked = x, w
                return Late(x) + 1
        """,
    ),
    before(
        "no-dispatch",
        "calls it where the helper for tensor subclasses has taken the modes off",
        """
            import torch
            from torch.testing._internal.composite_compliance import no_dispatch
            def solve(x, w):
                with no_dispatch():
                    return CALL
        """,
    ),
    before(
        "autograd-function",
        "calls it in a function of autograd's, forward",
        """
            import torch
            class Plain(torch.autograd.Function):
                @staticmethod
                def forward(ctx, x, w): return CALL
                @staticmethod
                def backward(ctx, g): return None, None
            solve = Plain.apply
        """,
    ),
    before(
        "gradient-of-a-convolution",
        "asks for the gradient of a transposed convolution, which is a convolution",
        """
            import torch
            def solve(x, w):
                y = torch.zeros(len(x), 1, x.shape[1] - len(w) + 1, requires_grad=True)
                with torch.enable_grad():
                    z = torch.conv_transpose1d(y, w[None, None])
                    return torch.autograd.grad(z, y, x[:, None])[0][:, 0]
        """,
    ),
    before(
        "mkldnn",
        "calls the kernel of another library by its own name",
        """
            import torch
            def solve(x, w):
                return torch.mkldnn_convolution(
                    x[:, None, None], w[None, None, None], None, [0, 0], [1, 1], [1, 1], 1)[:, 0, 0]
        """,
    ),
    before(
        "slow-conv3d",
        "calls the slow kernel for volumes",
        """
            import torch
            def solve(x, w):
                volumes, kernel = x[:, None, None, None], w[None, None, None, None]
                return torch._C._nn.slow_conv3d(volumes, kernel, [1, 1, len(w)])[:, 0, 0, 0]
        """,
    ),
    before(
        "thnn-conv2d",
        "calls the old kernel for images",
        """
            import torch
            def solve(x, w):
                return torch._C._nn.thnn_conv2d(x[:, None, None], w[None, None, None], [1, len(w)])[:, 0, 0]
        """,
    ),
    before(
        "convolution-backward",
        "calls the gradient of a convolution as a function",
        """
            import torch
            def solve(x, w):
                out = x.shape[1] - len(w) + 1
                like = torch.zeros(len(x), 1, out)
                how = [1], [0], [1], True, [0], 1, [True, False, False]
                call = torch.ops.aten.convolution_backward
                return call(x[:, None], like, w[None, None], None, *how)[0][:, 0]
        """,
    ),
    before(
        "conv-tbc",
        "calls the convolution for texts",
        """
            import torch
            def solve(x, w):
                turned = x.T[:, :, None].contiguous()
                return torch.conv_tbc(turned, w[:, None, None], torch.zeros(1))[:, :, 0].T
        """,
    ),
    before(
        "vmap",
        "lets a transform of functions call it",
        """
            import torch
            def solve(x, w):
                one = lambda row: torch.conv1d(row[None, None], w[None, None])[0, 0]
                return torch.func.vmap(one)(x)
        """,
    ),
    before(
        "redispatch",
        "goes past the dispatcher to a lower key",
        """
            import torch
            keys = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
            def solve(x, w):
                return torch.ops.aten.convolution.default.redispatch(
                    keys, x[:, None], w[None, None], None, [1], [0], [1], False, [0], 1)[:, 0]
        """,
    ),
    before(
        "padding-in-words",
        "calls the overload that takes its padding as a word",
        """
            import torch
            def solve(x, w):
                return torch.ops.aten.conv1d.padding(x[:, None], w[None, None], None, [1], "valid")[:, 0]
        """,
    ),
    before(
        "leaf-kernel-by-redispatch",
        "goes past the dispatcher to a kernel that calls no other one",
        """
            import torch
            keys = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
            def solve(x, w):
                return torch.ops.aten.mkldnn_convolution.default.redispatch(
                    keys, x[:, None, None], w[None, None, None], None, [0, 0], [1, 1], [1, 1], 1)[:, 0, 0]
        """,
    ),
    before(
        "kernel-taken-by-its-key",
        "takes the kernel itself out of the dispatcher's table",
        """
            import torch
            kernel = torch.library.get_kernel("aten::mkldnn_convolution", "CPU")
            keys = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
            def solve(x, w):
                return kernel.call_boxed(
                    keys, x[:, None, None], w[None, None, None], None, [0, 0], [1, 1], [1, 1], 1)[:, 0, 0]
        """,
    ),
]
