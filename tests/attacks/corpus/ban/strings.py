"""By a string: what is called is named by a helper of some library."""

from tests.attacks.corpus.ban.spelling import before

__all__ = ["ATTACKS"]

ATTACKS = [
    before(
        "operator-attrgetter",
        "names it in a string to a helper of Python's",
        """
            import operator, torch
            call = operator.attrgetter("nn.functional." + "vnoc"[::-1] + "1d")
            def solve(x, w):
                return call(torch)(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "pydoc-locate",
        "lets the documentation find it",
        """
            import pydoc
            def solve(x, w):
                return pydoc.locate("torch.co" + "nv1d")(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "pickled-name",
        "lets a pickle name it",
        """
            import pickle
            call = pickle.loads(b"ctorch\\nconv1d\\n.")
            def solve(x, w):
                return call(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "operator-from-its-schema",
        "asks the compiler for the operator of a name",
        """
            import torch
            call, _ = torch._C._jit_get_operation("aten::" + "conv" + "1d")
            def solve(x, w):
                return call(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "sequential-from-strings",
        "makes a layer whose class is named in a text",
        """
            import torch, importlib
            Layer = getattr(importlib.import_module("torch.nn"), "".join(["Co", "nv", "1d"]))
            def solve(x, w):
                layer = Layer(1, 1, len(w), bias=False)
                layer.load_state_dict({"weight": w[None, None]})
                return layer(x[:, None])[:, 0].detach()
        """,
    ),
    before(
        "graph-from-text",
        "compiles a function from the text of a graph",
        """
            import torch
            graph = torch._C.parse_ir('''
                graph(%x : Tensor, %w : Tensor):
                  %none : NoneType = prim::Constant()
                  %one : int = prim::Constant[value=1]()
                  %zero : int = prim::Constant[value=0]()
                  %s : int[] = prim::ListConstruct(%one)
                  %p : int[] = prim::ListConstruct(%zero)
                  %y : Tensor = aten::conv1d(%x, %w, %none, %s, %p, %s, %one)
                  return (%y)''')
            call = torch._C._create_function_from_graph("f", graph)
            def solve(x, w):
                return call(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "symbolic-graph",
        "builds a graph of calls by hand and runs it",
        """
            import torch
            graph = torch.fx.Graph()
            x, w = graph.placeholder("x"), graph.placeholder("w")
            graph.output(graph.call_function(torch.conv1d, (x, w)))
            module = torch.fx.GraphModule({}, graph)
            def solve(x, w):
                return module(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "shell-evaluates",
        "lets the shell evaluate a text",
        """
            import torch
            def solve(x, w):
                shell = get_ipython()
                shell.user_ns.update(x_=x, w_=w)
                return shell.ev("torch.co" "nv1d(x_[:, None], w_[None, None])[:, 0]")
        """,
    ),
]
