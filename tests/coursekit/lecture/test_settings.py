"""The setting of a budget."""

import pytest

from coursekit.lecture import BUDGETS, Setting, by_budget

SETTINGS = {"ci": Setting(seeds=3), "laptop": Setting(seeds=5, longer=3), "gpu": Setting(seeds=5, longer=10)}


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_budget_gets_its_own_setting(budget):
    assert by_budget(budget, **SETTINGS) is SETTINGS[budget]


def test_another_budget_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="budget is 'tpu'; choose one of ci, laptop, gpu"):
        by_budget("tpu", **SETTINGS)


def test_a_lecture_may_have_settings_of_its_own_kind():
    assert by_budget("gpu", ci=1, laptop=2, gpu=3) == 3
