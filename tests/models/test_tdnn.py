"""Time-delay networks: the papers' tables, and what a delay line computes written out."""

import pytest
import torch
from torch import nn

from coursekit.models.tdnn import BUILDERS, CARDS, tdnn, x_vector
from tests.models.zoo import example, parameters


def delay_line(x, layer):
    """What a layer computes, frame by frame: each unit weighs the present frame and those delayed."""
    (window,), (dilation,) = layer.kernel_size, layer.dilation
    frames = []
    for t in range(x.shape[2] - (window - 1) * dilation):
        delayed = [x[:, :, t + i * dilation] for i in range(window)]
        total = sum(d @ layer.weight[:, :, i].T for i, d in enumerate(delayed))
        frames.append(total + layer.bias)
    return torch.stack(frames, dim=2)


def test_waibels_network_is_a_delay_line_with_sigmoids_and_a_sum():
    model = tdnn()
    x = example("tdnn")
    hidden1 = delay_line(x, model.frame1).sigmoid()
    hidden2 = delay_line(hidden1, model.frame2).sigmoid()
    assert hidden1.shape == (2, 8, 13)
    assert hidden2.shape == (2, 3, 9)
    torch.testing.assert_close(model(x), hidden2.sum(2))


def test_x_vector_is_a_delay_line_with_statistics():
    torch.manual_seed(0)
    model = x_vector(num_classes=4, in_channels=5).eval()
    x = torch.randn(2, 5, 18)
    y = x
    for i, (channels, frames) in enumerate(((512, 14), (512, 10), (512, 4), (512, 4), (1500, 4)), 1):
        y = delay_line(y, model.get_submodule(f"frame{i}")).relu()
        assert y.shape == (2, channels, frames)
    deviation = ((y - y.mean(2, keepdim=True)).square().mean(2) + 1e-5).sqrt()
    embedding = model.segment6(torch.cat([y.mean(2), deviation], 1))
    expected = model.head(model.segment7(embedding.relu()).relu())
    torch.testing.assert_close(model(x), expected, atol=1e-5, rtol=1e-4)


def test_one_hidden_layer_is_torchs_conv1d():
    model = tdnn()
    assert type(model.frame1) is nn.Conv1d
    x = example("tdnn")
    expected = nn.functional.conv1d(x, model.frame1.weight, model.frame1.bias)
    torch.testing.assert_close(delay_line(x, model.frame1), expected)


def test_the_weights_of_waibels_network():
    """8 units see 3 frames of 16 coefficients, 3 units see 5 frames of 8, and each has a bias."""
    model = tdnn()
    assert parameters(model) == 8 * (3 * 16 + 1) + 3 * (5 * 8 + 1) == 515


def test_the_weights_of_x_vector():
    """Input and output widths as in table 1 of the paper; it gives 4.2 million without segment7 and head."""
    with torch.device("meta"):
        model = x_vector()
    table = [
        (120, 512),
        (1536, 512),
        (1536, 512),
        (512, 512),
        (512, 1500),
        (3000, 512),
        (512, 512),
        (512, 1000),
    ]
    sizes = [(m.weight[0].numel(), m.weight.shape[0]) for m in model if isinstance(m, nn.Conv1d | nn.Linear)]
    assert sizes == table
    assert parameters(model) == sum((inputs + 1) * outputs for inputs, outputs in table)
    embedding = sum(inputs * outputs for inputs, outputs in table[:6])
    assert round(embedding / 1e6, 1) == 4.2


@pytest.mark.parametrize("shift", [1, 4, 7])
def test_a_shifted_phoneme_gets_the_same_logits(shift):
    torch.manual_seed(0)
    model = tdnn()
    silence = torch.zeros(1, 16, 30)
    spoken, later = silence.clone(), silence.clone()
    phoneme = torch.randn(1, 16, 9)
    spoken[:, :, 7:16] = phoneme
    later[:, :, 7 + shift : 16 + shift] = phoneme
    torch.testing.assert_close(model(spoken), model(later))
    cut_off = torch.zeros(1, 16, 30)
    cut_off[:, :, 26:] = phoneme[:, :, :4]
    assert not torch.allclose(model(spoken), model(cut_off))


@pytest.mark.parametrize("name", BUILDERS)
def test_it_takes_any_length_from_its_context_on(name):
    card = CARDS[name]
    model = BUILDERS[name](num_classes=5)
    assert card.smallest == {"tdnn": 7, "x_vector": 15}[name]
    for frames in (card.smallest, card.smallest + 20):
        x = torch.randn(2, card.input_shape[0], frames, requires_grad=True)
        assert model(x).shape == (2, 5)
        model(x).sum().backward()
        assert x.grad.isfinite().all()
    with pytest.raises(ValueError, match=rf"from {card.smallest} frames on, got {card.smallest - 1}"):
        model(torch.randn(2, card.input_shape[0], card.smallest - 1))


@pytest.mark.parametrize(("shape", "says"), [((16, 15), r"x\[None\]"), ((2, 15, 16), "16, T")])
def test_anything_but_a_batch_of_frames_is_refused(shape, says):
    with pytest.raises(ValueError, match=says):
        tdnn()(torch.zeros(shape))


@pytest.mark.parametrize("name", BUILDERS)
def test_features_and_classes_can_be_chosen(name):
    model = BUILDERS[name](num_classes=6, in_channels=13)
    assert model(torch.randn(1, 13, 20)).shape == (1, 6)


def test_waibels_network_learns_which_of_three_tones_sounds_and_not_when():
    torch.manual_seed(0)
    model = tdnn()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

    def batch(size):
        x, labels = 0.3 * torch.randn(size, 16, 15), torch.arange(size) % 3
        for sound, label in zip(x, labels, strict=True):
            start = int(torch.randint(0, 10, ()))
            sound[5 * int(label) : 5 * int(label) + 2, start : start + 4] += 1
        return x, labels

    for _ in range(150):
        x, labels = batch(48)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        optimizer.step()
    x, labels = batch(300)
    assert (model(x).argmax(1) == labels).float().mean() > 0.95
