"""Pruning, codebooks, signs; networks that leave work out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from coursekit.models import create_model
from coursekit.models.convnet_aig import ConvNetAIG
from coursekit.models.resnet import BasicBlock, ResidualBlock, ResNet

from .group import recomputes
from .measure import macs, network, walk


@recomputes("07", how="torch's pruning, indexing and autograd on small random weights")
def fewer_bits() -> dict[str, Any]:
    """What becomes of a pruned weight, a codebook's gradient, a scale of signs."""
    torch.manual_seed(0)
    layer = nn.Linear(8, 4)
    kept = layer.weight.abs() >= 0.15
    prune.custom_from_mask(layer, "weight", kept)
    before = layer.weight.detach().clone()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.randn(16, 8)).square().sum().backward()
        optimizer.step()
    layer(torch.zeros(1, 8))
    trained = bool(((layer.weight == 0) == ~kept).all()) and not torch.equal(before, layer.weight)

    codebook = torch.randn(4, requires_grad=True)
    index, coming = torch.randint(0, 4, (50,)), torch.randn(50)
    (codebook[index] * coming).sum().backward()
    assert codebook.grad is not None
    sums = torch.zeros(4).index_add(0, index, coming)

    weights = torch.randn(1000)
    scales = torch.linspace(0.01, 2, 2000)
    errors = ((weights - scales[:, None] * weights.sign()) ** 2).sum(1)
    best = scales[errors.argmin()]
    return {
        "07-prune-retrain-repeat": trained and 0 < int(kept.sum()) < kept.numel(),
        "07-cluster-quantization": torch.allclose(codebook.grad, sums, atol=1e-5),
        "07-binary-ternary": bool((best - weights.abs().mean()).abs() < 2e-3),
    }


@recomputes("07", how="a small ConvNet-AIG and blockdrop, each on two images that it tells apart")
def skipping() -> dict[str, Any]:
    """Which blocks run depends on the image, and the others are not computed."""
    torch.manual_seed(0)
    images = torch.randn(2, 3, 32, 32) + torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    aig = ConvNetAIG(ResNet("small", BasicBlock, (1, 1, 1, 1), num_classes=10)).eval()
    drop = create_model("blockdrop", num_classes=10, depth=20).eval()

    def between(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        """Fresh decisions are the same for all images: put the border between these two."""
        assert isinstance(layer.bias, Tensor)
        layer.bias.sub_(output.mean(0))
        return output - output.mean(0)

    decide: list[Any] = [drop.get_submodule("policy.fc"), *(gate.fc2 for gate in aig.gates)]
    hooks = [layer.register_forward_hook(between) for layer in decide]
    with torch.no_grad():
        aig(images)
        drop(images)
    for hook in hooks:
        hook.remove()
    return {"07-adaptive-skip-residuals": all(_skips(net, images) for net in (aig, drop))}


@recomputes(
    "07", how="maps and exits of msdnet on meta tensors, multiply-adds up to the first exit and to the last"
)
def exits() -> dict[str, Any]:
    """Several resolutions from the first layer on, and a cheap way out."""
    net = network("msdnet", num_classes=10)
    scales = {step.output[1] for step in walk(net.get_submodule("first"), 3, 32, 32)}
    with torch.no_grad():
        logits = net(torch.empty(1, 3, 32, 32, device="meta"))
    early, late = (macs(part, 3, 32, 32) for part in (net.up_to(1), net))  # type: ignore[operator]
    same = {tuple(one.shape) for one in logits} == {(1, 10)}
    return {"07-adaptive-msdnet": len(scales) > 1 and len(logits) > 1 and same and 4 * early < late}


def _skips(net: Any, images: Tensor) -> bool:
    """Two images go two ways, only the blocks on the way are computed, and the logits are the network's."""
    computed: list[int] = []
    for block in net.modules():
        if isinstance(block, ResidualBlock):
            block.residual.register_forward_hook(lambda layer, inputs, output: computed.append(1))
    ways = []
    for image in images.split(1):
        with torch.no_grad():
            wanted = net(image)
            everything = len(computed)
            computed.clear()
            logits, ran = net.infer_one(image)
        # A policy has blocks too, which run each time.
        left_out = everything - len(computed)
        computed.clear()
        if left_out != ran.count(False) or not torch.allclose(logits, wanted, atol=1e-4):
            return False
        ways.append(ran)
    return ways[0] != ways[1]
