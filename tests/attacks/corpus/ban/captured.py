"""Functions that were taken before, and functions of other libraries."""

from tests.attacks.corpus.ban.spelling import before

__all__ = ["ATTACKS"]

ATTACKS = [
    before(
        "captured-by-name",
        "took the function before anything was forbidden",
        """
            import torch
            call = torch.conv1d
            def solve(x, w):
                return call(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "captured-numpy",
        "took NumPy's function before",
        """
            import numpy as np, torch
            call = np.convolve
            def solve(x, w):
                rows = [call(row, w.numpy()[::-1], "valid") for row in x.numpy()]
                return torch.tensor(np.stack(rows))
        """,
    ),
    before(
        "numpys-inner-function",
        "calls the function below NumPy's",
        """
            import numpy as np, torch
            from numpy._core import multiarray
            def solve(x, w):
                rows = [multiarray.correlate2(row, w.numpy(), 0) for row in x.numpy()]
                return torch.tensor(np.stack(rows))
        """,
    ),
    before(
        "numpys-polynomials",
        "multiplies polynomials, which is a convolution",
        """
            import numpy as np, torch
            def solve(x, w):
                n = len(w)
                rows = [np.polymul(row, w.numpy()[::-1])[n - 1 : 1 - n] for row in x.numpy()]
                return torch.tensor(np.stack(rows))
        """,
    ),
    before(
        "masked-arrays",
        "convolves masked arrays",
        """
            import numpy as np, torch
            def solve(x, w):
                rows = [np.ma.convolve(row, w.numpy()[::-1], "valid").data for row in x.numpy()]
                return torch.tensor(np.stack(rows))
        """,
    ),
    before(
        "scipys-inner-module",
        "takes SciPy's module below its functions",
        """
            import numpy as np, torch
            from scipy.signal import _sigtools
            def solve(x, w):
                return torch.tensor(_sigtools._convolve2d(x.numpy(), w.numpy()[None], 0, 0, 0, 0.0))
        """,
    ),
    before(
        "scipys-filters",
        "takes the filters of SciPy's other module",
        """
            import torch
            from scipy.ndimage import _nd_image, correlate1d
            def solve(x, w):
                return torch.tensor(correlate1d(x.numpy(), w.numpy(), mode="constant")[:, 1:-1])
        """,
    ),
    before(
        "scipys-files",
        "loads SciPy's compiled module from its file",
        """
            import glob, importlib.machinery, importlib.util, sys, torch
            import numpy as np
            place, = glob.glob(sys.prefix + "/lib/python*/site-packages/scipy/signal/_sigtools*.so")
            loader = importlib.machinery.ExtensionFileLoader("_sigtools", place)
            tools = importlib.util.module_from_spec(importlib.util.spec_from_loader("_sigtools", loader))
            def solve(x, w):
                rows, kernel = x.double().numpy(), w.double().numpy()[None]
                found = np.zeros((len(rows), rows.shape[1] - len(w) + 1))
                return torch.tensor(tools._correlateND(rows, kernel, found, 0)).float()
        """,
    ),
    before(
        "sympys-convolution",
        "convolves lists with the algebra system that torch brings along",
        """
            import torch
            from sympy.discrete.convolutions import convolution
            def solve(x, w):
                n = len(w)
                rows = [convolution(row, w.flip(0).tolist())[n - 1 : 1 - n] for row in x.tolist()]
                return torch.tensor([list(map(float, row)) for row in rows])
        """,
    ),
]
