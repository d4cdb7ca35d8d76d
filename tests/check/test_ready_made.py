"""Ready-made networks are refused where an exercise asks for one, and nothing else is."""

import subprocess
import sys

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.resnet import BasicBlock as Theirs

from coursekit import models
from coursekit.check import ForbiddenCallError, forbid
from coursekit.models.resnet import BasicBlock

GROUP = "torchvision models"
BLOCK, NETWORK = Theirs(4, 4), torchvision.models.resnet18(num_classes=2).eval()
X = torch.zeros(1, 4, 5, 5)


class Mine(torchvision.models.ResNet):
    pass


REFUSED = {
    "torchvision's function": lambda: torchvision.models.resnet18(),
    "torchvision by name": lambda: torchvision.models.get_model("resnet18"),
    "torchvision's block": lambda: Theirs(4, 4),
    "a block made before": lambda: BLOCK(X),
    "a network made before": lambda: NETWORK(torch.zeros(1, 3, 32, 32)),
    "a class of one's own": lambda: Mine(Theirs, [1, 1, 1, 1]),
    "the zoo": lambda: models.create_model("resnet20", num_classes=10),
    "the zoo's block": lambda: BasicBlock(4, 4),
    "the zoo's network": lambda: models.resnet.resnet("resnet18"),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_a_ready_made_network_is_refused(call):
    with forbid(GROUP) as watch, pytest.raises(ForbiddenCallError, match="ready-made networks"):
        call()
    assert len(watch.violations) == 1
    call()  # and works again afterwards


def test_layers_are_allowed():
    with forbid(GROUP):
        module = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)
        )
        assert module(torch.zeros(2, 3, 5, 5)).shape == (2, 2)


def test_a_first_import_is_refused():
    code = (
        "from coursekit.check import forbid, ForbiddenCallError\n"
        "with forbid('torchvision models'):\n"
        "    for name in ('coursekit.models', 'torchvision.models'):\n"
        "        try: __import__(name)\n"
        "        except ForbiddenCallError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused"] * 2
