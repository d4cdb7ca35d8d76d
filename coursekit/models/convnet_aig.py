"""ConvNet-AIG: a ResNet whose blocks each decide, image by image, whether they are worth running.

Veit, Belongie: Convolutional networks with adaptive inference graphs, ECCV 2018.

    residual block    x + F(x)
    gated block       x + z(x) · F(x), z(x) being 0 or 1
    gate z            global average pooling → 16 units → batch normalization → ReLU → 2 units: skip, run

A gate sees only the channel means of its block's input, so it costs next to nothing: 0.2 million parameters
in all, beside the 25.6 million of ResNet-50. The larger of its two units decides. In training Gumbel noise is
added to both, which draws skip or run with their softmax probabilities; the forward pass uses the draw, the
backward pass the gradient of the softmax (straight-through). A second loss pulls the rate at which each block
runs towards a target.

`forward` computes every branch and multiplies it by its gate: that trains, and runs on batches. `infer_one`
takes one image and does leave closed branches out. The gates' batch normalization and their weights at the
start are those of the authors' published code. `network.backbone` is a ResNet under its own names, so the
weights of a trained one can be loaded there, where training starts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import init

from coursekit.models.card import Card
from coursekit.models.resnet import ResidualBlock, ResNet, resnet

__all__ = ["BUILDERS", "CARDS", "ConvNetAIG", "Gate", "convnet_aig50", "gated", "skipped", "target_rate_loss"]

HIDDEN = 16  # units of a gate, d in the paper


class Gate(nn.Module):
    """Maps `(N, C, H, W)` to decisions `(N,)`: 1 to run the block, 0 to skip it.

    At first it does not look at the image, and opens with probability sigmoid(2 - 0.1) = 87%.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(channels, HIDDEN)
        self.norm = nn.BatchNorm1d(HIDDEN)
        self.act = nn.ReLU(inplace=True)
        self.fc2 = nn.Linear(HIDDEN, 2)
        init.normal_(self.fc2.weight, std=0.001)
        with torch.no_grad():
            self.fc2.bias.copy_(torch.tensor([0.1, 2.0]))

    def scores(self, x: Tensor) -> Tensor:
        """Logits `(N, 2)` of skipping and of running."""
        return self.fc2(self.act(self.norm(self.fc1(self.flatten(self.pool(x))))))

    def forward(self, x: Tensor) -> Tensor:
        """A draw in training mode, through which gradients pass; the likelier decision otherwise."""
        scores = self.scores(x)
        if self.training:
            return F.gumbel_softmax(scores, tau=1.0, hard=True)[:, 1]
        return (scores[:, 1] > scores[:, 0]).to(x.dtype)


def gated(block: ResidualBlock, x: Tensor, run: Tensor) -> Tensor:
    """A residual block whose branch counts where `run` is 1: shape of the block's output.

    Args:
        block: with a shortcut.
        x: `(N, C, H, W)`.
        run: `(N,)`, 0 or 1 for each image.
    """
    assert block.shortcut is not None
    return block.relu(block.shortcut(x) + run.view(-1, 1, 1, 1) * block.residual(x))


def require_one(network: nn.Module, x: Tensor) -> None:
    """Refuse all but one image in evaluation mode: in a batch each image takes its own way.

    Raises:
        ValueError: for more than one image, or in training mode.
    """
    if len(x) != 1 or network.training:
        raise ValueError(f"infer_one takes one image after eval(); got {len(x)}, training={network.training}")


def skipped(block: ResidualBlock, x: Tensor) -> Tensor:
    """The same block when it does not run: its shortcut."""
    assert block.shortcut is not None
    return torch.relu(block.shortcut(x))


class ConvNetAIG(nn.Module):
    """A ResNet with a gate a block: images `(N, in_channels, H, W)` of any size to logits `(N, num_classes)`.

    Args:
        backbone: the ResNet.
    """

    def __init__(self, backbone: ResNet) -> None:
        super().__init__()
        self.backbone = backbone
        first_weights = [next(block.residual.parameters()) for block in self.blocks()]  # (c_out, c_in, 1, 1)
        self.gates = nn.ModuleList(Gate(weight.shape[1]) for weight in first_weights)

    def blocks(self) -> list[ResidualBlock]:
        """The backbone's residual blocks, first to last."""
        net = self.backbone
        return [*net.conv2_x, *net.conv3_x, *net.conv4_x, *net.conv5_x]

    def stem(self, x: Tensor) -> Tensor:
        """What stands before the blocks."""
        return self.backbone.pool1(self.backbone.conv1(self.backbone.check(x)))

    def head(self, x: Tensor) -> Tensor:
        """What stands behind the blocks."""
        return self.backbone.fc(self.backbone.flatten(self.backbone.avgpool(x)))

    def with_gates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(N, num_classes)`, and what each gate decided, `(N, blocks)` of 0 and 1."""
        x = self.stem(x)
        decisions = []
        for block, gate in zip(self.blocks(), self.gates, strict=True):
            run = gate(x)
            x = gated(block, x, run)
            decisions.append(run)
        return self.head(x), torch.stack(decisions, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits; for the decisions too, and for their loss, use `with_gates`."""
        return self.with_gates(x)[0]

    def infer_one(self, x: Tensor) -> tuple[Tensor, list[bool]]:
        """Classify one image `(1, in_channels, H, W)` and run only the branches whose gates open.

        Returns:
            Logits `(1, num_classes)` as of `forward`, and for each block whether it ran.

        Raises:
            ValueError: for more than one image, since each takes its own way, or in training mode.
        """
        require_one(self, x)
        x = self.stem(x)
        ran = []
        for block, gate in zip(self.blocks(), self.gates, strict=True):
            ran.append(bool(gate(x)))
            x = block(x) if ran[-1] else skipped(block, x)
        return self.head(x), ran


def target_rate_loss(decisions: Tensor, target: float | Tensor) -> Tensor:
    """Sum over the blocks of (rate at which the block ran - target)²; a scalar.

    A rate for each block, not for each image: some images may use more than others. The authors' code divides
    by the number of blocks.

    Args:
        decisions: `(N, blocks)` of `with_gates`.
        target: the rate t, 0 to 1, or one a block `(blocks,)`.
    """
    return (decisions.mean(0) - target).square().sum()


def convnet_aig50(*, num_classes: int = 1000, in_channels: int = 3) -> ConvNetAIG:
    """ResNet-50 with 16 gates, for images `(N, in_channels, H, W)`; returns logits `(N, num_classes)`.

    Args:
        num_classes: number of logits.
        in_channels: 3 for colour images.
    """
    return ConvNetAIG(resnet("resnet50", num_classes=num_classes, in_channels=in_channels))


BUILDERS = {"convnet_aig50": convnet_aig50}
CARDS = {
    "convnet_aig50": Card(
        "Veit, Belongie: Convolutional networks with adaptive inference graphs, ECCV 2018",
        2018,
        note="in training mode each call draws anew which blocks run",
    )
}
