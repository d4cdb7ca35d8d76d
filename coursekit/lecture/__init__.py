"""What every lecture needs: settings by budget, short trainings, sentences about results, questions, sliders.

    setting = by_budget(budget, ci=Setting(seeds=3), laptop=Setting(seeds=5, longer=3), gpu=...)
    runs = [accuracy(trained(build, train_set, steps=150, seed=s), test_set) for s in range(setting.seeds)]
    verdict(min(runs) > 0.8, "it learns in every seed", range_of(runs))

Every helper also works where nobody watches (papermill, nbconvert, nbval): a slider becomes the figure for
its default values.
"""

from coursekit.frontend import is_live
from coursekit.lecture.figures import dots
from coursekit.lecture.networks import count_parameters, depth, he_normal, on_meta
from coursekit.lecture.prediction import predict
from coursekit.lecture.settings import BUDGETS, Setting, by_budget
from coursekit.lecture.sliders import explore
from coursekit.lecture.statements import range_of, verdict
from coursekit.lecture.timing import stopwatch
from coursekit.lecture.training import accuracy, trained, trained_with_history

__all__ = [
    "BUDGETS",
    "Setting",
    "accuracy",
    "by_budget",
    "count_parameters",
    "depth",
    "dots",
    "explore",
    "he_normal",
    "is_live",
    "on_meta",
    "predict",
    "range_of",
    "stopwatch",
    "trained",
    "trained_with_history",
    "verdict",
]
