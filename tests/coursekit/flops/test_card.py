"""A card: the paper, the lecture's figures, and ours beside them."""

import pytest

from coursekit.flops import model_card


def test_a_model_card_says_ours_beside_the_lectures():
    shown = model_card("resnet50")
    assert shown.params == 25_557_032
    assert shown.macs == 4_089_184_256
    text = str(shown)
    for part in ("Deep residual learning", "2016", "76.13", "25.6 M", "4.09 G"):
        assert part in text


def test_a_name_that_is_not_in_the_zoo_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean resnet"):
        model_card("resnet51")
