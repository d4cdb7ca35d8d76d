"""How an attack on the ban is written down."""

from tests.attacks.corpus.attack import Attack
from tests.attacks.corpus.guard import CONV, evades

__all__ = ["before"]

DIRECT = (
    "torch.ops.aten.convolution.default(x[:, None], w[None, None], None, [1], [0], [1], False, [0], 1)[:, 0]"
)
PLAIN = "def correlate(x, weight):\n    return solve(x, weight)"


def before(name: str, tries: str, first: str) -> Attack:
    """All of it stands in a cell of its own: `solve` is what the answer calls."""
    first = first.replace("DIRECT", DIRECT).replace("CALL", CONV.replace("weight", "w"))
    return evades(f"ban-{name}", tries, PLAIN, first=first)
