"""The training loop, against the same training written out by hand."""

import _thread
import copy
import math
import threading
import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import coursekit
from coursekit.train import TrainConfig, evaluate, fit


def network(seed: int = 0, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(dropout), nn.Flatten(), nn.Linear(144, 3)
    )


def images(n: int = 50, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 1, 8, 8, generator=generator), torch.randint(0, 3, (n,), generator=generator)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.cpu() for name, value in model.state_dict().items()}


def assert_same_weights(a: nn.Module, b: nn.Module, **tolerance: float) -> None:
    torch.testing.assert_close(weights(a), weights(b), **tolerance)


def by_hand(model: nn.Module, config: TrainConfig, rate=lambda step, total: 1.0) -> list[float]:
    """Plain SGD with momentum and decay of the weights, spelt out without torch.optim."""
    x, y = images()
    order = torch.Generator().manual_seed(config.seed)
    velocity = {p: torch.zeros_like(p) for p in model.parameters()}
    steps = math.ceil(len(y) / config.batch_size)
    losses, step = [], 0
    model.train()
    for _ in range(config.epochs):
        total_loss = 0.0
        for index in torch.randperm(len(y), generator=order).split(config.batch_size):
            loss = F.cross_entropy(model(x[index]), y[index], label_smoothing=config.label_smoothing)
            for p, gradient in zip(velocity, torch.autograd.grad(loss, list(velocity)), strict=True):
                decay = config.weight_decay if p.dim() > 1 else 0.0
                velocity[p] = config.momentum * velocity[p] + gradient + decay * p.detach()
                p.data -= config.lr * rate(step, steps * config.epochs) * velocity[p]
            total_loss += loss.item() * len(index)
            step += 1
        losses.append(total_loss / len(y))
    return losses


cpu_only = pytest.mark.skipif(
    coursekit.device().type != "cpu", reason="the hand-written loop draws its batches on the CPU"
)


@cpu_only
@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(epochs=1, batch_size=50),
        TrainConfig(epochs=4, batch_size=16, lr=0.05, momentum=0.8, weight_decay=0.1, seed=3),
        TrainConfig(epochs=2, batch_size=10, lr=0.05, label_smoothing=0.2),
    ],
    ids=["one step", "several epochs with decay", "label smoothing"],
)
def test_it_trains_as_a_loop_written_by_hand(config):
    ours, theirs = network(), network()
    history = fit(ours, images(), config=config)
    losses = by_hand(theirs, config)
    assert_same_weights(ours, theirs, rtol=1e-5, atol=1e-6)
    assert history.train_loss == pytest.approx(losses, rel=1e-5)


@cpu_only
def test_the_cosine_schedule_falls_at_every_step_from_the_full_rate_to_nearly_none():
    config = TrainConfig(epochs=3, batch_size=20, lr=0.05, schedule="cosine")
    ours, theirs = network(), network()
    fit(ours, images(), config=config)
    by_hand(theirs, config, rate=lambda step, total: (1 + math.cos(math.pi * step / total)) / 2)
    assert_same_weights(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_onecycle_schedule_warms_up_and_trains():
    config = TrainConfig(epochs=20, batch_size=10, lr=0.1, schedule="onecycle")
    history = fit(network(), images(), config=config)
    assert history.train_loss[-1] < 0.5 * history.train_loss[0]


def test_adamw_decays_weights_but_no_bias_and_no_normalization():
    # Without a gradient AdamW's only move is the decay: p -= lr * decay * p.
    class Still(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()
            nn.init.ones_(self.inner[0].bias)

        def forward(self, x):
            return 0 * self.inner(x)

    model = Still()
    before = copy.deepcopy(model.inner)
    fit(
        model,
        images(),
        config=TrainConfig(epochs=1, batch_size=50, lr=0.1, optimizer="adamw", weight_decay=0.5),
    )
    after = weights(model.inner)
    for name, value in before.named_parameters():
        shrunk = value * 0.95 if value.dim() > 1 else value
        torch.testing.assert_close(after[name], shrunk.detach())


def test_a_frozen_parameter_stays_as_it_is():
    model = network()
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    fit(model, images(), config=TrainConfig(epochs=1))
    assert torch.equal(model[0].weight.cpu(), before)


@cpu_only
@pytest.mark.parametrize("seed", [0, 5])
def test_the_same_seed_gives_the_same_bits(seed):
    runs = []
    for noise in (1, 2):
        model = network(dropout=0.5)
        torch.manual_seed(noise)  # what happened before must not matter
        fit(model, images(), config=TrainConfig(epochs=2, batch_size=16, seed=seed))
        runs.append(model)
    assert_same_weights(*runs, rtol=0, atol=0)


def test_another_seed_gives_another_order():
    a, b = network(), network()
    fit(a, images(), config=TrainConfig(epochs=1, batch_size=16, seed=0))
    fit(b, images(), config=TrainConfig(epochs=1, batch_size=16, seed=1))
    assert not torch.equal(weights(a)["0.weight"], weights(b)["0.weight"])


def test_evaluation_is_in_evaluation_mode_and_gives_each_modules_mode_back():
    model = network(dropout=0.9).train()
    model[1].eval()  # a frozen normalization
    x, y = images(30)
    before = weights(model)
    result = evaluate(model, (x, y), batch_size=7)
    assert [m.training for m in model] == [True, False, True, True, True, True]
    assert_same_weights(model, copy.deepcopy(model))
    torch.testing.assert_close(weights(model), before)
    with torch.no_grad():
        logits = model.eval()(x)
    assert result.loss == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-5)
    assert result.accuracy == pytest.approx((logits.argmax(1) == y).float().mean().item())


@pytest.mark.parametrize("training", [True, False])
def test_training_gives_the_models_mode_back(training):
    model = network().train(training)
    fit(model, images(), images(10), TrainConfig(epochs=1))
    assert model.training is training


def test_the_history_holds_one_value_an_epoch():
    history = fit(network(), images(), images(20, seed=2), TrainConfig(epochs=3, batch_size=20))
    columns = (history.train_loss, history.train_accuracy, history.test_loss, history.test_accuracy)
    assert [len(column) for column in columns] == [3, 3, 3, 3]
    assert len(history.seconds) == 3
    assert all(0 <= share <= 1 for share in history.train_accuracy + history.test_accuracy)
    assert not history.interrupted


def test_without_a_test_set_there_are_no_test_values():
    history = fit(network(), images(), config=TrainConfig(epochs=2))
    assert len(history.train_loss) == 2
    assert history.test_loss == history.test_accuracy == ()


def test_no_epochs_change_nothing():
    model = network()
    history = fit(model, images(), config=TrainConfig(epochs=0, schedule="cosine"))
    assert_same_weights(model, network(), rtol=0, atol=0)
    assert history.train_loss == ()


@pytest.mark.parametrize(("max_steps", "epochs"), [(1, 1), (3, 1), (5, 2), (99, 4)])
def test_max_steps_ends_the_training_early(max_steps, epochs):
    seen = []

    def count(x, generator):
        seen.append(len(x))
        return x

    config = TrainConfig(epochs=4, batch_size=16, max_steps=max_steps, augment=count)
    history = fit(network(), images(), config=config)
    assert len(seen) == min(max_steps, 16)
    assert len(history.train_loss) == epochs


def test_augmentation_gets_every_image_once_an_epoch_and_its_generator_repeats():
    def run() -> list[float]:
        noise = []

        def augment(x, generator):
            noise.append(torch.rand((), generator=generator, device=x.device).item())
            sums.append(x.sum().item())
            return x

        sums: list[float] = []
        fit(network(), images(), config=TrainConfig(epochs=1, batch_size=16, augment=augment))
        assert sum(sums) == pytest.approx(images()[0].sum().item(), rel=1e-4)
        return noise

    assert run() == run()


def test_a_last_image_alone_joins_the_batch_before_it():
    # Batch normalization refuses a batch of one with a single pixel in training.
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    history = fit(model, images(17), config=TrainConfig(epochs=1, batch_size=8))
    assert len(history.train_loss) == 1


@pytest.mark.parametrize(
    "options", [{"amp": True}, {"channels_last": True}, {"amp": True, "channels_last": True}]
)
def test_mixed_precision_and_channels_last_learn_the_same_task(options):
    x, y = images(60)
    x[torch.arange(60), 0, y] += 3  # row y is bright
    history = fit(network(), (x, y), (x, y), TrainConfig(epochs=10, batch_size=20, lr=0.1, **options))
    assert history.test_accuracy[-1] > 0.95


def test_channels_last_keeps_the_numbers():
    plain, last = network(), network()
    fit(plain, images(), config=TrainConfig(epochs=1))
    fit(last, images(), config=TrainConfig(epochs=1, channels_last=True))
    assert last[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert_same_weights(plain, last, rtol=1e-4, atol=1e-5)


def test_ctrl_c_keeps_what_was_learnt(capsys):
    model, before = network(), weights(network())
    done = []

    def interrupted_later(x, generator):
        done.append(1)
        if len(done) == 10:  # in the third epoch
            raise KeyboardInterrupt
        return x

    history = fit(
        model, images(), images(10), TrainConfig(epochs=5, batch_size=16, augment=interrupted_later)
    )
    assert history.interrupted
    assert len(history.train_loss) == len(history.test_loss) == 2
    assert not torch.equal(weights(model)["0.weight"], before["0.weight"])
    assert model.training
    assert "stopped after 9 of 20 steps" in capsys.readouterr().out


def test_a_real_interrupt_from_outside_ends_a_long_training():
    def interrupt() -> None:
        time.sleep(0.5)
        _thread.interrupt_main()

    threading.Thread(target=interrupt).start()
    started = time.perf_counter()
    history = fit(network(), images(), config=TrainConfig(epochs=10_000_000))
    assert history.interrupted
    assert time.perf_counter() - started < 20


def test_a_training_that_diverges_is_recorded_as_it_is():
    history = fit(network(), images(), config=TrainConfig(epochs=3, batch_size=10, lr=1e38))
    assert len(history.train_loss) == 3
    assert not math.isfinite(history.train_loss[-1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adam"}, "optimizer is 'adam'; choose one of sgd, adamw"),
        ({"schedule": "step"}, "schedule is 'step'; choose one of constant, cosine, onecycle"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"epochs": -1}, "epochs=-1"),
        ({"label_smoothing": 2}, "label_smoothing is 2"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**options)


@pytest.mark.parametrize(
    "data",
    [
        (torch.rand(4, 1, 8, 8), torch.zeros(3, dtype=torch.long)),
        (torch.rand(4, 1, 8, 8), torch.zeros(4, 3)),
        (torch.rand(0, 1, 8, 8), torch.zeros(0, dtype=torch.long)),
    ],
)
def test_images_and_labels_that_do_not_belong_together_are_refused(data):
    with pytest.raises(ValueError, match="do not belong together"):
        fit(network(), data)


def test_nothing_is_drawn_where_nobody_watches(capsys):
    fit(network(), images(), config=TrainConfig(epochs=1))
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""
