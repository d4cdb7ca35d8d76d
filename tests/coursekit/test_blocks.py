"""The blocks and small networks that answers and tests share."""

import pytest
import torch

from coursekit.blocks import PlainBlock, Recorder, ResidualBlock, SmallResNet, WideRecorder, branch, networks


def test_a_residual_block_is_its_branch_and_a_way_round_it():
    block = ResidualBlock(branch(2, 3, 2)).eval()
    x = torch.randn(2, 2, 5, 6)
    assert torch.equal(block(x), torch.relu(block.branch(x) + x))
    assert torch.equal(PlainBlock(block.branch).eval()(x), torch.relu(block.branch(x)))


@pytest.mark.parametrize("network", networks(), ids=lambda network: type(network).__name__)
def test_the_networks_take_small_images_and_have_blocks_at_several_depths(network):
    assert network(torch.randn(2, 1, 9, 8)).shape == (2, 5)
    depths = {
        name.count(".")
        for name, part in network.named_modules()
        if isinstance(part, ResidualBlock | PlainBlock)
    }
    assert depths >= ({1} if isinstance(network, SmallResNet) else {0, 1, 2})


def test_a_branch_ends_in_a_batch_normalization_of_its_last_width():
    layers = branch(2, 3, 4, stride=2)
    assert layers[-1].num_features == 4
    assert layers(torch.randn(2, 2, 7, 6)).shape == (2, 4, 4, 3)


def test_recorders_note_what_they_were_made_with_and_refuse_other_channels():
    block = WideRecorder(3, 5, 2)
    assert block.made_with == (3, 5, 2)
    assert block(torch.zeros(2, 3, 7, 6)).shape == (2, 20, 4, 3)
    assert Recorder(3, 5)(torch.zeros(2, 3, 7, 6)).shape == (2, 5, 7, 6)
    with pytest.raises(ValueError, match="made for 3 channels, but 4 came"):
        block(torch.zeros(1, 4, 7, 6))
