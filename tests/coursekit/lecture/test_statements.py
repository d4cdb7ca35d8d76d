"""What a lecture says about its results."""

import pytest

from coursekit.lecture import range_of, verdict


def test_a_verdict_says_whether_the_numbers_show_the_claim(capsys):
    verdict(True, "water is wet", "3 of 3")
    verdict(False, "fire is cold", "0 of 3")
    assert capsys.readouterr().out == "shown: water is wet (3 of 3)\nNOT shown: fire is cold (0 of 3)\n"


@pytest.mark.parametrize(
    ("shares", "digits", "text"),
    [
        ([0.5, 0.25, 0.75], 1, "50.0 % (25.0 to 75.0)"),
        ([0.123, 0.127], 0, "12 % (12 to 13)"),
        ([1.0], 2, "100.00 % (100.00 to 100.00)"),
    ],
)
def test_runs_are_told_by_mean_and_range_in_percent(shares, digits, text):
    assert range_of(shares, digits) == text
