"""The history of a training: table, JSON, figure."""

import json
import math

import matplotlib.pyplot as plt
import pytest
import torch
from torch import nn

from coursekit.train import Evaluation, History, TrainConfig, fit, learning_rates


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def history(epochs: int = 3, tested: bool = True) -> History:
    result = History()
    for epoch in range(1, epochs + 1):
        test = Evaluation(3 / epoch, 1 - 0.6 / epoch) if tested else None
        result = result.after(
            seconds=epoch / 3,
            train=Evaluation(2 / epoch, 1 - 0.5 / epoch),
            test=test,
            lr=0.1 / epoch,
            steps=10 * epoch,
        )
    return result


def test_the_rate_of_an_epoch_is_that_of_its_last_step():
    images, labels = torch.rand(50, 4), torch.randint(0, 3, (50,))
    config = TrainConfig(epochs=4, batch_size=10, lr=0.2, schedule="onecycle", max_steps=18)
    written = fit(nn.Linear(4, 3), (images, labels), config=config)
    assert written.steps == (5, 10, 15, 18)
    rates = learning_rates(config, 18)
    assert written.lr == pytest.approx([rates[4], rates[9], rates[14], rates[17]])


def test_it_prints_a_table_of_its_epochs():
    assert str(history()).splitlines() == [
        "epoch  train loss  train %  test loss  test %      lr  seconds",
        "    1      2.0000    50.00     3.0000   40.00     0.1      0.3",
        "    2      1.0000    75.00     1.5000   70.00    0.05      0.7",
        "    3      0.6667    83.33     1.0000   80.00  0.0333      1.0",
    ]


def test_the_table_of_a_long_training_is_short_and_ends_with_the_last_epoch():
    lines = str(history(300)).splitlines()
    assert len(lines) == 13
    epochs = [int(line.split()[0]) for line in lines[1:]]
    assert epochs[0] == 1
    assert epochs[-1] == 300
    assert epochs == sorted(set(epochs))


def test_the_table_shows_no_test_column_without_a_test_set_and_says_when_it_is_empty():
    assert "test" not in str(history(tested=False))
    assert str(History()) == "no epochs"


def test_the_table_says_that_ctrl_c_ended_it():
    assert str(History((1.0,), (2.0,), (0.5,), interrupted=True)).endswith("(interrupted)")


@pytest.mark.parametrize(
    "written", [History(), history(), history(2, tested=False), History(interrupted=True)]
)
def test_json_gives_it_back_to_the_last_bit(written):
    assert History.from_json(written.to_json()) == written
    assert History.from_dict(json.loads(json.dumps(written.to_dict()))) == written


def test_json_keeps_a_loss_that_is_no_number():
    diverged = History((1.0,), (math.nan,), (0.1,), lr=(math.inf,))
    again = History.from_json(diverged.to_json())
    assert math.isnan(again.train_loss[0])
    assert math.isinf(again.lr[0])


def test_names_that_a_history_does_not_have_are_refused():
    with pytest.raises(ValueError, match="a history has no losses; it has interrupted, lr"):
        History.from_dict({"losses": [1.0]})


def lines(figure) -> list[dict[str, tuple[list[float], list[float]]]]:
    return [
        {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines}
        for ax in figure.axes
    ]


def test_the_figure_holds_losses_and_accuracies_by_epoch():
    loss, accuracy = lines(history().plot())
    assert loss["training"] == ([1, 2, 3], pytest.approx([2, 1, 2 / 3]))  # type: ignore[comparison-overlap]
    assert loss["test"] == ([1, 2, 3], pytest.approx([3, 1.5, 1]))  # type: ignore[comparison-overlap]
    assert accuracy["training"][1] == pytest.approx([50, 75, 250 / 3])
    assert accuracy["test"][1] == pytest.approx([40, 70, 80])


def test_the_figure_can_hold_the_learning_rate_and_count_steps():
    figure = history().plot(against="steps", lr=True)
    loss, accuracy, rate = lines(figure)
    assert [panel["training"][0] for panel in (loss, accuracy)] == [[10, 20, 30]] * 2
    assert rate["rate"] == ([10, 20, 30], pytest.approx([0.1, 0.05, 0.1 / 3]))  # type: ignore[comparison-overlap]
    assert [ax.get_xlabel() for ax in figure.axes] == ["step"] * 3


def test_the_figure_without_a_test_set_has_one_line_a_panel():
    assert [list(panel) for panel in lines(history(tested=False).plot())] == [["training"]] * 2


def test_asking_a_figure_for_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match="choose epochs or steps"):
        history().plot(against="seconds")
    with pytest.raises(ValueError, match="no learning rates"):
        History((1.0,), (2.0,), (0.5,)).plot(lr=True)
