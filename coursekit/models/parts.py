"""What many families share and none of them teaches: convolution with norm and activation, and so on.

A block that is the point of a paper stands in that paper's file; what stands here is plumbing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn
from torch.nn import init

__all__ = ["ConvNormAct", "ImageCheck", "SqueezeExcite", "StochasticDepth", "he_init", "make_divisible"]

Layer = Callable[..., nn.Module]


class ImageCheck(nn.Module):
    """Lets images through that the network can take, and says what is wrong with others.

    Every image network begins with one. It has no weights and changes nothing.

    Args:
        network: the network's name, for the message.
        in_channels: channels of the images.
        smallest: the smallest height and width, in pixels, that leaves at least one unit everywhere.
        multiple: height and width must be a multiple of this, for networks that cut images into patches.
        exact: the one size that the network takes; None for any.

    Raises:
        ValueError: in forward, for anything but `(N, in_channels, H, W)` of a size that fits.
    """

    def __init__(
        self,
        network: str,
        in_channels: int,
        *,
        smallest: int = 1,
        multiple: int = 1,
        exact: int | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.in_channels = in_channels
        self.smallest = smallest
        self.multiple = multiple
        self.exact = exact

    def forward(self, x: Tensor) -> Tensor:
        """The images as they came."""
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"{self.network} takes images (N, {self.in_channels}, H, W); got {tuple(x.shape)}"
                + (": add the batch axis with x[None]" if x.dim() == 3 else "")
            )
        height, width = x.shape[2:]
        if self.exact is not None and (height != self.exact or width != self.exact):
            raise ValueError(
                f"this {self.network} takes {self.exact}×{self.exact} pixels, got {height}×{width}: "
                "resize the images, or build it for another size with image_size=…"
            )
        if height < self.smallest or width < self.smallest:
            raise ValueError(
                f"{self.network} takes images from {self.smallest}×{self.smallest} pixels on, "
                f"got {height}×{width}: its strides leave nothing of less"
            )
        if height % self.multiple or width % self.multiple:
            raise ValueError(
                f"{self.network} takes heights and widths that {self.multiple} divides, got {height}×{width}"
            )
        return x

    def extra_repr(self) -> str:
        """What is asked of an image."""
        return f"in_channels={self.in_channels}, smallest={self.smallest}"


class ConvNormAct(nn.Sequential):
    """Convolution without bias, normalization, activation: `(N, c_in, H, W)` to `(N, c_out, H', W')`.

    The children are called `conv`, `norm` and `act`; `act=None` leaves the last away. Padding keeps height
    and width at stride 1 unless it is given.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int | tuple[int, int] = 3,
        stride: int = 1,
        *,
        padding: int | tuple[int, int] | None = None,
        groups: int = 1,
        norm: Layer = nn.BatchNorm2d,
        act: Layer | None = nn.ReLU,
    ) -> None:
        super().__init__()
        if padding is None:
            padding = kernel // 2 if isinstance(kernel, int) else (kernel[0] // 2, kernel[1] // 2)
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, groups=groups, bias=False)
        self.norm = norm(c_out)
        if act is not None:
            self.act = act(inplace=True)


class SqueezeExcite(nn.Module):
    """Weighs each channel by what the whole map holds: pool, squeeze, excite, scale; `(N, C, H, W)` stays.

    Hu, Shen, Sun: Squeeze-and-excitation networks, CVPR 2018. The two fully connected layers are written as
    1×1 convolutions on the pooled map.

    Args:
        channels: of the map.
        squeezed: channels between the two layers.
        act: behind the first layer.
    """

    def __init__(self, channels: int, squeezed: int, act: Layer = nn.ReLU) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.act = act(inplace=True)
        self.excite = nn.Conv2d(squeezed, channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C, H, W)` to the same, each channel scaled by a number between 0 and 1."""
        return x * self.gate(self.excite(self.act(self.squeeze(self.pool(x)))))


class StochasticDepth(nn.Module):
    """Drops a block's whole branch, for each example on its own: `(N, ...)` stays.

    Huang, Sun, Liu, Sedra, Weinberger: Deep networks with stochastic depth, ECCV 2016. What is kept is
    divided by the probability to keep it, so that the expectation stays and evaluation needs no change. The
    same as torchvision's in mode `"row"`, whose import takes a second.

    Args:
        p: probability with which a branch is dropped in training.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """`(N, ...)` to the same; zeros for the examples that are dropped."""
        if not self.training or self.p == 0.0:
            return x
        kept = x.new_empty(x.shape[0], *(1 for _ in x.shape[1:])).bernoulli_(1 - self.p)
        return x * kept.div_(1 - self.p) if self.p < 1 else x * kept

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, not more than a tenth below it, and at least one.

    The mobile networks round their scaled widths so, for hardware that computes in vectors of eight.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def he_init(
    network: nn.Module, *, mode: Literal["fan_in", "fan_out"] = "fan_out", linear_std: float = 0.01
) -> None:
    """Normal weights of variance 2 / fan for convolutions, 1 and 0 for norms, `linear_std` for the others.

    He, Zhang, Ren, Sun: Delving deep into rectifiers, ICCV 2015, equations 10 (`"fan_in"`) and 14
    (`"fan_out"`).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            init.normal_(module.weight, std=linear_std)
        elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
            init.ones_(module.weight)
        else:
            continue
        if module.bias is not None:
            init.zeros_(module.bias)
