"""What the public checks of `plain_twin` and `gradient_norms` expect; too close to answers to be shipped.

python -m tests.topics.resnet_oracles      # writes coursekit/check/topics/04_resnet/expected.json anew
"""

import copy
import functools
import json

import torch
from torch.nn import functional as F

from coursekit.blocks import PlainBlock, ResidualBlock
from coursekit.check import topics

SURGERY = topics.load("04_resnet", "surgery")

AFTERWARDS = "the model afterwards"


def cut(network):
    """The same modules, with another forward pass put over those of the blocks."""
    network = copy.deepcopy(network)
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            vars(block)["forward"] = functools.partial(lambda branch, x: torch.relu(branch(x)), block.branch)
    return network


def norms(network, x, y):
    """Automatic differentiation, block by block."""
    loss = F.cross_entropy(network(x), y)
    found = {}
    for name, part in network.named_modules():
        if isinstance(part, ResidualBlock | PlainBlock):
            gradients = torch.autograd.grad(loss, list(part.parameters()), retain_graph=True)
            found[name] = sum(float(gradient.double().square().sum()) for gradient in gradients) ** 0.5
    return found


def expected():
    """By exercise and case."""
    twins = {
        case.name: case.use(cut, *case.args()).tolist() for case in SURGERY.PLAIN_TWIN.cases if case.args()
    }
    found = {}
    for case in SURGERY.GRADIENT_NORMS.cases:
        came = case.use(norms, *case.args())
        found[case.name] = dict(came["norms"] if case.name == AFTERWARDS else came)
    return {"gradient_norms": found, "plain_twin": twins}


if __name__ == "__main__":
    SURGERY.EXPECTED.write_text(json.dumps(expected(), indent=1) + "\n", encoding="utf-8")
