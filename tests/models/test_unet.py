"""U-Net: the sizes of the paper's figure 1, its parameters, and what its skip connections pass across."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from coursekit.models.unet import CARDS, unet, valid_output
from tests.models.zoo import parameters

NARROW = {"channels": (4, 6, 8, 10, 12)}


def test_valid_convolutions_give_the_sizes_of_figure_1():
    with torch.device("meta"):
        model = unet(padding="valid")
        seen = []
        for stage in (*model.down, *(up.conv for up in model.up)):
            stage.register_forward_hook(lambda _, x, y: seen.append((x[0].shape[1:3], y.shape[1:3])))
        output = model(torch.zeros(1, 1, 572, 572))
    assert output.shape == (1, 2, 388, 388)
    figure = [
        (1, 572, 64, 568),
        (64, 284, 128, 280),
        (128, 140, 256, 136),
        (256, 68, 512, 64),
        (512, 32, 1024, 28),
        (1024, 56, 512, 52),
        (512, 104, 256, 100),
        (256, 200, 128, 196),
        (128, 392, 64, 388),
    ]
    assert [(*x, *y) for x, y in seen] == figure


def test_its_parameters_are_those_of_figure_1():
    def conv(c_in, c_out, k):
        return (c_in * k * k + 1) * c_out

    widths = [64, 128, 256, 512, 1024]
    down = sum(conv(i, o, 3) + conv(o, o, 3) for i, o in zip([1, *widths], widths, strict=False))
    up = sum(conv(2 * c, c, 2) + conv(2 * c, c, 3) + conv(c, c, 3) for c in widths[:-1])
    with torch.device("meta"):
        model = unet()
        one_class = unet(num_classes=1)
    assert parameters(model) == down + up + conv(64, 2, 1) == 31_030_658
    assert parameters(one_class) == 31_030_593


def test_it_has_23_convolutions():
    with torch.device("meta"):
        model = unet()
    assert sum(isinstance(m, nn.Conv2d | nn.ConvTranspose2d) for m in model.modules()) == 23


def test_both_paddings_agree_where_no_border_is_near():
    """Away from the borders the paper's network and the padded one are the same function."""
    torch.manual_seed(0)
    same = unet(**NARROW).eval()
    valid = unet(**NARROW, padding="valid").eval()
    valid.load_state_dict(same.state_dict())
    image = torch.randn(1, 1, 304, 304)
    tile = image[:, :, 2:302, 2:302]  # 2: then both have the same pixels in each pooling's windows
    with torch.no_grad():
        inner, whole = valid(tile), same(image)
    # 184 of the tile's pixels go, 92 on each side.
    assert inner.shape[2] == 300 - 184 == valid_output(300)
    torch.testing.assert_close(inner, whole[:, :, 94:210, 94:210], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_valid_output_is_what_comes_out_of_every_side_that_fits(levels):
    with torch.device("meta"):
        model = unet(channels=NARROW["channels"][: levels + 1], padding="valid")
    fitting = 0
    for side in range(1, 240):
        x = torch.zeros(1, 1, side, side, device="meta")
        stepwise = side  # the paper's rule, step by step
        for level in range(2 * levels + 1):
            stepwise -= 4
            if level < levels:
                stepwise = stepwise // 2 if stepwise % 2 == 0 and stepwise > 0 else -1000
            elif level < 2 * levels:
                stepwise *= 2
        if stepwise > 0:
            fitting += 1
            assert valid_output(side, levels) == stepwise
            assert model(x).shape == (1, 2, stepwise, stepwise)
        else:
            with pytest.raises(ValueError, match=rf"{side} pixels do not fit, pad them to \d+") as error:
                model(x)
            assert valid_output(int(str(error.value).split()[-1]), levels) > 0
    assert fitting >= 3


def test_same_convolutions_keep_the_size_and_need_multiples_of_16():
    model = unet(**NARROW)
    for height, width in ((16, 16), (48, 80)):
        assert model(torch.zeros(2, 1, height, width)).shape == (2, 2, height, width)
    with pytest.raises(ValueError, match="16 divides, got 40×64"):
        model(torch.zeros(2, 1, 40, 64))
    smallest = CARDS["unet"].smallest
    assert smallest == 16
    with pytest.raises(ValueError, match="from 16×16 pixels on, got 15×15"):
        model(torch.zeros(2, 1, smallest - 1, smallest - 1))


def test_an_up_stage_joins_what_the_other_path_passed_across():
    torch.manual_seed(0)
    model = unet(channels=(3, 5), dropout=0.0)
    x = torch.randn(2, 1, 8, 6)
    first, second = model.down
    up = model.up[0]

    def double(stage, x):
        for conv in (stage[0], stage[2]):
            x = F.conv2d(x, conv.weight, conv.bias, padding=1).relu()
        return x

    fine = double(first, x)
    coarse = double(second, F.max_pool2d(fine, 2))
    raised = F.conv_transpose2d(coarse, up.up.weight, up.up.bias, stride=2)
    joined = double(up.conv, torch.cat([fine, raised], 1))
    expected = F.conv2d(joined, model.head.weight, model.head.bias)
    torch.testing.assert_close(model(x), expected)


def test_without_skips_nothing_is_passed_across():
    model = unet(**NARROW, skips=False)
    assert [up.conv[0].in_channels for up in model.up] == [10, 8, 6, 4]
    assert [up.conv[0].in_channels for up in unet(**NARROW).up] == [20, 16, 12, 8]
    assert model(torch.zeros(1, 1, 32, 32)).shape == (1, 2, 32, 32)


def test_fresh_weights_keep_the_variance():
    """Section 3: each map of the network has about unit variance, and std √(2 / N) gives it."""
    torch.manual_seed(0)
    model = unet(channels=(32, 64))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            inputs = module.in_channels * module.kernel_size[0] ** 2
        elif isinstance(module, nn.ConvTranspose2d):
            inputs = module.in_channels  # windows of 2×2 at stride 2 do not overlap
        else:
            continue
        if module.weight.numel() > 500:
            assert module.weight.std().item() == pytest.approx((2 / inputs) ** 0.5, rel=0.1)
        assert not module.bias.any()


def test_dropout_stands_at_the_end_of_the_contracting_path():
    model = unet(**NARROW)
    seen = []
    model.dropout.register_forward_hook(lambda _, x, y: seen.append((x[0].shape[1], (y == 0).float().mean())))
    model(torch.ones(1, 1, 64, 64))
    assert [channels for channels, _ in seen] == [10, 12]
    assert model.dropout.p == 0.5


@pytest.mark.parametrize(
    ("options", "says"), [({"padding": "full"}, "same, valid"), ({"channels": (8,)}, "two stages")]
)
def test_impossible_options_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        unet(**options)


def test_it_learns_to_mark_bright_squares():
    torch.manual_seed(0)
    model = unet(channels=(8, 16), dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def batch(size):
        masks = torch.zeros(size, 16, 16, dtype=torch.long)
        for mask in masks:
            top, left = torch.randint(0, 10, (2,)).tolist()
            mask[top : top + 6, left : left + 6] = 1
        return masks[:, None] + 0.7 * torch.randn(size, 1, 16, 16), masks

    for _ in range(120):
        images, masks = batch(16)
        optimizer.zero_grad()
        F.cross_entropy(model(images), masks).backward()
        optimizer.step()
    images, masks = batch(50)
    marked = model(images).argmax(1)
    union = ((marked + masks) > 0).sum()
    assert (marked * masks).sum() / union > 0.7
