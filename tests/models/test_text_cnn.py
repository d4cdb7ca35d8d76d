"""TextCNN against the formulas of the paper, word by word."""

import pytest
import torch
from torch import nn

from coursekit.models.text_cnn import CARDS, max_norm_, text_cnn
from tests.models.zoo import parameters

SMALL = {"vocabulary": 40, "dimension": 6, "maps": 7}


def sentences(batch=2, length=9, vocabulary=40):
    return torch.randint(1, vocabulary, (batch, length), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_it_computes_equations_2_to_4_of_the_paper(channels):
    torch.manual_seed(0)
    model = text_cnn(in_channels=channels, **SMALL).eval()
    tokens = sentences()
    for tokens_of_one, ours in zip(tokens, model(tokens), strict=True):
        features = []
        for width, conv in zip((3, 4, 5), model.convs, strict=True):
            for w, b in zip(conv.weight, conv.bias, strict=True):
                c = []
                for i in range(len(tokens_of_one) - width + 1):
                    window = tokens_of_one[i : i + width]
                    total = b  # the results of the channels are added
                    for table, slice_of_w in zip(model.embed, w.split(6), strict=True):
                        total = total + (slice_of_w * table.weight[window].T).sum()
                    c.append(total.relu())
                features.append(max(c))
        expected = model.head(torch.stack(features))
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("length", [5, 9, 56])
def test_a_filter_of_h_words_gives_n_minus_h_plus_1_entries(length):
    model = text_cnn(**SMALL)
    seen = {}
    for width, conv in zip((3, 4, 5), model.convs, strict=True):
        conv.register_forward_hook(lambda _, __, out, width=width: seen.update({width: out.shape[2]}))
    assert model(sentences(length=length)).shape == (2, 2)
    assert seen == {h: length - h + 1 for h in (3, 4, 5)}


def test_max_over_time_does_not_care_where_a_phrase_stands():
    model = text_cnn(**SMALL).eval()
    padded = torch.zeros(2, 20, dtype=torch.long)
    padded[0, 5:11] = padded[1, 8:14] = sentences(1, 6)[0]
    first, second = model(padded)
    torch.testing.assert_close(first, second)


def test_its_size_is_the_papers():
    with torch.device("meta"):
        model = text_cnn()
        multichannel = text_cnn(in_channels=2)
    filters = sum(h * 300 * 100 + 100 for h in (3, 4, 5))
    assert parameters(model) == 18765 * 300 + filters + 300 * 2 + 2 == 5_990_402
    assert parameters(multichannel) == 2 * 18765 * 300 + filters + 3 * 4 * 300 * 100 + 300 * 2 + 2


@pytest.mark.parametrize(
    ("options", "tuned"),
    [
        ({}, [True]),
        ({"static": 1}, [False]),
        ({"in_channels": 2}, [False, True]),
        ({"in_channels": 3}, [False, False, True]),
        ({"in_channels": 3, "static": 0}, [True, True, True]),
    ],
    ids=["rand", "static", "multichannel", "three", "three tuned"],
)
def test_training_moves_the_tables_that_are_not_static_and_never_the_padding(options, tuned):
    model = text_cnn(**SMALL, **options)
    before = [table.weight.clone() for table in model.embed]
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    tokens = sentences(8)
    tokens[:, -2:] = 0
    nn.functional.cross_entropy(model(tokens), torch.arange(8) % 2).backward()
    optimizer.step()
    assert [not torch.equal(t.weight, b) for t, b in zip(model.embed, before, strict=True)] == tuned
    assert all(not t.weight[0].any() for t in model.embed)


def test_fresh_word_vectors_are_uniform_around_zero():
    weight = text_cnn(vocabulary=500).embed[0].weight[1:]
    assert weight.abs().max() <= 0.25
    assert weight.var().item() == pytest.approx(0.5**2 / 12, rel=0.02)


def test_max_norm_shortens_long_weight_vectors_only():
    model = text_cnn(num_classes=3, **SMALL)
    with torch.no_grad():
        lengths = torch.tensor([1.0, 3.5, 70.0])
        model.head.weight.copy_(nn.functional.normalize(torch.randn(3, 21)) * lengths[:, None])
    before, bias = model.head.weight.clone(), model.head.bias.clone()
    max_norm_(model)
    after = model.head.weight
    torch.testing.assert_close(after.norm(dim=1), torch.tensor([1.0, 3.0, 3.0]))
    torch.testing.assert_close(nn.functional.cosine_similarity(before, after), torch.ones(3))
    assert torch.equal(model.head.bias, bias)
    assert after.requires_grad
    max_norm_(model, limit=0.5)
    torch.testing.assert_close(model.head.weight.norm(dim=1), torch.full((3,), 0.5))


def test_features_are_dropped_in_training_only():
    model = text_cnn(**SMALL)
    tokens = sentences()
    torch.manual_seed(1)
    assert not torch.equal(model(tokens), model(tokens))
    model.eval()
    assert torch.equal(model(tokens), model(tokens))


def test_the_shortest_sentence_is_the_widest_filter_long():
    model = text_cnn(**SMALL)
    smallest = CARDS["text_cnn"].smallest
    assert model(sentences(length=smallest)).shape == (2, 2)
    with pytest.raises(ValueError, match=r"sees 5 words .* has only 4.*padding token 0"):
        model(sentences(length=smallest - 1))


@pytest.mark.parametrize(
    ("tokens", "says"),
    [(torch.ones(9, dtype=torch.long), r"tokens\[None\]"), (torch.ones(2, 9), "torch.float32")],
    ids=["no batch axis", "floats"],
)
def test_anything_but_a_batch_of_tokens_is_refused(tokens, says):
    with pytest.raises(ValueError, match=says):
        text_cnn(**SMALL)(tokens)


@pytest.mark.parametrize("options", [{"in_channels": 0}, {"static": 2}, {"static": -1}])
def test_impossible_tables_are_refused(options):
    with pytest.raises(ValueError, match=r"tables? of word vectors"):
        text_cnn(**SMALL, **options)


def test_it_learns_a_toy_phrase():
    """Sentences that hold the words 7, 8, 9 in a row are told from those that hold them in another order."""
    torch.manual_seed(0)
    model = text_cnn(vocabulary=20, dimension=16, maps=8, widths=(3,))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

    def batch(size):
        tokens, labels = torch.randint(10, 20, (size, 12)), torch.arange(size) % 2
        for row, label in zip(tokens, labels, strict=True):
            start = int(torch.randint(0, 9, ()))
            row[start : start + 3] = torch.tensor([7, 8, 9] if label else [9, 7, 8])
        return tokens, labels

    for _ in range(120):
        tokens, labels = batch(64)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(tokens), labels).backward()
        optimizer.step()
        max_norm_(model)
    tokens, labels = batch(400)
    assert (model.eval()(tokens).argmax(1) == labels).float().mean() > 0.95
