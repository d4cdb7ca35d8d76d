"""Do the shared parts do what the libraries' own do?"""

import pytest
import torch
from torchvision.models._utils import _make_divisible
from torchvision.ops import SqueezeExcitation
from torchvision.ops import StochasticDepth as TorchvisionStochasticDepth

from coursekit.models.parts import SqueezeExcite, StochasticDepth, make_divisible


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_stochastic_depth_draws_and_scales_as_torchvisions(p):
    x = torch.randn(64, 3, 2, 2)
    torch.manual_seed(5)
    expected = TorchvisionStochasticDepth(p, "row")(x)
    torch.manual_seed(5)
    torch.testing.assert_close(StochasticDepth(p)(x), expected)


def test_stochastic_depth_does_nothing_in_evaluation():
    x = torch.randn(4, 3)
    assert StochasticDepth(0.9).eval()(x) is x


def test_squeeze_excite_is_torchvisions_with_the_same_weights():
    ours, theirs = SqueezeExcite(8, 2), SqueezeExcitation(8, 2)
    weights = dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True))
    ours.load_state_dict(weights)
    x = torch.randn(2, 8, 5, 4)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("divisor", [4, 8])
def test_widths_are_rounded_as_in_torchvisions_mobile_networks(divisor):
    for channels in range(1, 200):
        assert make_divisible(channels * 0.75, divisor) == _make_divisible(channels * 0.75, divisor)
