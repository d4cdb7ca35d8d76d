"""BlockDrop: a small network looks at the image first and says which blocks of a large one to run.

Wu, Nagarajan, Kumar, Rennie, Davis, Grauman, Feris: BlockDrop: Dynamic inference paths in residual networks,
CVPR 2018.

    policy      ResNet-8 for 32×32 images, one block a stage; K logits, sigmoid: keep probabilities s
    actions     u, K zeros and ones: drawn from s in training, s > 1/2 else
    backbone    a trained ResNet of K blocks; block k adds F(x) where u_k is 1, and is its shortcut where 0

The backbone is ResNet-110 with K = 54, whose policy costs 12 million multiply-adds beside 255 million; or
ResNet-32 with K = 15. All decisions fall before the first block, where ConvNet-AIG decides block by block.

A zero or a one has no gradient, so the policy learns from a reward (REINFORCE): much for few blocks when the
answer is right, a penalty when it is wrong. What counts is by how much a drawn u does better than s > 1/2:

    s = network.probabilities(images)
    drawn, likeliest = torch.bernoulli(s), (s > 0.5).to(s)
    logits = network.run(images, drawn)
    correct = logits.argmax(1) == labels
    baseline = network.run(images, likeliest).argmax(1) == labels
    advantage = reward(correct, drawn) - reward(baseline, likeliest)
    loss = policy_loss(s, drawn, advantage) + F.cross_entropy(logits, labels)

The paper trains the policy alone first, for ever more of the last blocks (curriculum), then both networks
with this sum. Here the policy starts out keeping most blocks, in place of the curriculum.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import init

from coursekit.models.card import Card
from coursekit.models.convnet_aig import gated, require_one, skipped
from coursekit.models.resnet import ResidualBlock
from coursekit.models.resnet_cifar import ROWS, CifarResNet, cifar_resnet

__all__ = ["BUILDERS", "CARDS", "BlockDrop", "blockdrop", "policy_loss", "reward"]

ALPHA = 0.8  # bounds the keep probabilities in training to 0.2 ... 0.8, so that every action is tried
FIRST_BIAS = 2.0  # sigmoid(2) = 88% to keep


class BlockDrop(nn.Module):
    """Policy and backbone: images `(N, in_channels, H, W)` to logits `(N, num_classes)`.

    Args:
        backbone: the network of K residual blocks.
        policy: a network with K logits.
    """

    def __init__(self, backbone: CifarResNet, policy: CifarResNet) -> None:
        super().__init__()
        self.policy = policy
        self.backbone = backbone

    def blocks(self) -> list[ResidualBlock]:
        """The K residual blocks, first to last."""
        return [*self.backbone.conv2_x, *self.backbone.conv3_x, *self.backbone.conv4_x]

    def stem(self, x: Tensor) -> Tensor:
        """What stands before the blocks."""
        return self.backbone.conv1(self.backbone.check(x))

    def head(self, x: Tensor) -> Tensor:
        """What stands behind the blocks."""
        return self.backbone.fc(self.backbone.flatten(self.backbone.avgpool(x)))

    def probabilities(self, x: Tensor) -> Tensor:
        """With what probability each block is kept, `(N, K)`; in training bounded by `ALPHA`."""
        s = torch.sigmoid(self.policy(x))
        return ALPHA * s + (1 - ALPHA) * (1 - s) if self.training else s

    def actions(self, x: Tensor) -> Tensor:
        """Which blocks to keep, `(N, K)` of 0 and 1: drawn in training mode, else the likelier."""
        s = self.probabilities(x)
        return torch.bernoulli(s) if self.training else (s > 0.5).to(s.dtype)

    def run(self, x: Tensor, actions: Tensor) -> Tensor:
        """Logits `(N, num_classes)` of the backbone with those blocks alone; `actions` is `(N, K)`.

        Every block is computed and dropped ones are multiplied by 0, so a batch may drop differently.
        """
        x = self.stem(x)
        for block, keep in zip(self.blocks(), actions.unbind(1), strict=True):
            x = gated(block, x, keep)
        return self.head(x)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, with the policy's own actions."""
        return self.run(x, self.actions(x))

    def infer_one(self, x: Tensor) -> tuple[Tensor, list[bool]]:
        """Classify one image `(1, in_channels, H, W)` without computing the blocks that the policy drops.

        Returns:
            Logits `(1, num_classes)` as of `forward`, and for each block whether it ran.

        Raises:
            ValueError: for more than one image, since each takes its own way, or in training mode.
        """
        require_one(self, x)
        kept = [bool(keep) for keep in self.actions(x)[0]]
        x = self.stem(x)
        for block, keep in zip(self.blocks(), kept, strict=True):
            x = block(x) if keep else skipped(block, x)
        return self.head(x), kept


def reward(correct: Tensor, actions: Tensor, gamma: float = 5.0) -> Tensor:
    """1 - (blocks kept / K)² for a right answer, -gamma for a wrong one; `(N,)`.

    Args:
        correct: `(N,)`, whether the answer was right.
        actions: `(N, K)` that led to it.
        gamma: penalty; a large one buys accuracy with blocks.
    """
    return torch.where(correct, 1 - actions.mean(1).square(), -gamma)


def policy_loss(probabilities: Tensor, actions: Tensor, advantage: Tensor) -> Tensor:
    """Mean of -advantage · log probability of the actions, a scalar: its gradient is the policy gradient.

    Args:
        probabilities: `(N, K)` to keep each block, with their graph.
        actions: `(N, K)` of 0 and 1, drawn from them.
        advantage: `(N,)`, how much better than expected that was.
    """
    log_probability = torch.where(actions > 0, probabilities, 1 - probabilities).log().sum(1)
    return -(advantage.detach() * log_probability).mean()


def blockdrop(*, num_classes: int = 10, in_channels: int = 3, depth: int = 110) -> BlockDrop:
    """BlockDrop for images `(N, in_channels, H, W)` of any size; returns logits `(N, num_classes)`.

    Load a trained network into `backbone`: the policy is of use only with one.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour images, 1 for grey ones.
        depth: of the backbone: 20, 32, 44, 56 or 110; the paper has 32 and 110.

    Raises:
        ValueError: for another depth.
    """
    backbones = {name: row.n for name, row in ROWS.items() if name.startswith("resnet")}
    if f"resnet{depth}" not in backbones:
        raise ValueError(f"depth is {depth}; there are backbones {', '.join(backbones)}")
    blocks = 3 * backbones[f"resnet{depth}"]
    backbone = cifar_resnet(f"resnet{depth}", num_classes=num_classes, in_channels=in_channels)
    policy = CifarResNet("blockdrop", 1, shortcut="A", num_classes=blocks, in_channels=in_channels)
    init.constant_(policy.fc.bias, FIRST_BIAS)
    return BlockDrop(backbone, policy)


BUILDERS = {"blockdrop": blockdrop}
CARDS = {
    "blockdrop": Card(
        "Wu, Nagarajan, Kumar, Rennie, Davis, Grauman, Feris: BlockDrop, CVPR 2018",
        2018,
        input_shape=(3, 32, 32),
        num_classes=10,
        note="the loss of the logits gives the policy no gradient, see `policy_loss`; in training mode each "
        "call draws anew which blocks run",
    )
}
