"""The training loop, against the same training written out by hand."""

import _thread
import copy
import dataclasses
import math
import os
import re
import signal
import threading
import time
from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import coursekit
from coursekit.train import RandomCrop, TrainConfig, evaluate, fit, progress
from coursekit.train.step import half_type


def network(seed: int = 0, dropout: float = 0.0) -> nn.Sequential:
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


def by_hand(
    model: nn.Module, config: TrainConfig, rate=lambda step, total: 1.0
) -> tuple[list[float], list[dict[str, torch.Tensor]]]:
    """SGD and what goes with it, without torch.optim: losses, and the weights after every step."""
    x, y = images()
    order = torch.Generator().manual_seed(config.seed)
    velocity = {p: torch.zeros_like(p) for p in model.parameters()}
    steps = math.ceil(len(y) / config.batch_size)
    losses: list[float] = []
    path: list[dict[str, torch.Tensor]] = []
    model.train()
    for _ in range(config.epochs):
        total_loss = 0.0
        for index in torch.randperm(len(y), generator=order).split(config.batch_size):
            loss = F.cross_entropy(model(x[index]), y[index], label_smoothing=config.label_smoothing)
            gradients = torch.autograd.grad(loss, list(velocity))
            length = math.sqrt(sum(g.square().sum().item() for g in gradients))
            shorter = min(1.0, config.clip_grad_norm / length) if config.clip_grad_norm else 1.0
            for p, g in zip(velocity, gradients, strict=True):
                decay = config.weight_decay if p.dim() > 1 else 0.0
                gradient = shorter * g + decay * p.detach()
                velocity[p] = config.momentum * velocity[p] + gradient
                ahead = gradient + config.momentum * velocity[p] if config.nesterov else velocity[p]
                p.data -= config.lr * rate(len(path), steps * config.epochs) * ahead
            total_loss += loss.item() * len(index)
            path.append({name: value.clone() for name, value in model.state_dict().items()})
        losses.append(total_loss / len(y))
    return losses, path


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
        TrainConfig(epochs=2, batch_size=10, lr=0.05, weight_decay=0.1, nesterov=True),
        TrainConfig(epochs=2, batch_size=10, lr=0.05, weight_decay=0.1, clip_grad_norm=0.5),
        TrainConfig(epochs=2, batch_size=10, lr=0.05, clip_grad_norm=1e9),
    ],
    ids=["one step", "decay", "label smoothing", "Nesterov", "clipping", "nothing to clip"],
)
def test_it_trains_as_a_loop_written_by_hand(config):
    ours, theirs = network(), network()
    history = fit(ours, images(), config=config)
    losses, _ = by_hand(theirs, config)
    assert_same_weights(ours, theirs, rtol=1e-5, atol=1e-6)
    assert history.train_loss == pytest.approx(losses, rel=1e-5)


@cpu_only
def test_the_cosine_schedule_falls_at_every_step_from_the_full_rate_to_nearly_none():
    config = TrainConfig(epochs=3, batch_size=20, lr=0.05, schedule="cosine")
    ours, theirs = network(), network()
    fit(ours, images(), config=config)
    by_hand(theirs, config, rate=lambda step, total: (1 + math.cos(math.pi * step / total)) / 2)
    assert_same_weights(ours, theirs, rtol=1e-5, atol=1e-6)


@cpu_only
def test_warming_up_climbs_to_the_full_rate():
    config = TrainConfig(epochs=2, batch_size=10, lr=0.05, warmup=0.4)  # 4 of 10 steps
    ours, theirs = network(), network()
    fit(ours, images(), config=config)
    by_hand(theirs, config, rate=lambda step, total: min(1.0, (step + 1) / 5))
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
            self.inner = nn.Sequential(nn.LayerNorm((8, 8)), *network())
            self.inner.scale = nn.Parameter(torch.ones(3))  # one number a channel, as in layer scale
            nn.init.ones_(self.inner[1].bias)

        def forward(self, x):
            return 0 * self.inner(x) * self.inner.scale

    model = Still()
    before = copy.deepcopy(model.inner)
    fit(
        model,
        images(),
        config=TrainConfig(epochs=1, batch_size=50, lr=0.1, optimizer="adamw", weight_decay=0.5),
    )
    after = weights(model.inner)
    for name, value in before.named_parameters():
        shrunk = value * 0.95 if name in ("1.weight", "6.weight") else value
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


# Mixed precision, compilation, bytes


@cpu_only
@pytest.mark.parametrize("amp", [True, False])
def test_mixed_precision_multiplies_in_16_bits_and_keeps_weights_and_loss_in_32(amp):
    model, seen = network(), []
    model[0].register_forward_hook(lambda module, x, y: seen.append((y.dtype, module.weight.dtype)))
    fit(model, images(), config=TrainConfig(epochs=1, amp=amp))
    assert seen == [(torch.bfloat16 if amp else torch.float32, torch.float32)]


@pytest.mark.parametrize(("supported", "half"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_without_bfloat16_gets_float16(supported, half, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: supported)
    assert half_type(torch.device("cuda")) is half
    assert half_type(torch.device("cpu")) is torch.bfloat16
    assert half_type(torch.device("mps")) is torch.float16


def test_a_compiled_network_learns_the_same_and_odd_batches_are_not_compiled_for(monkeypatch):
    compiled = torch.compile
    sizes: list[int] = []

    def traced(model):
        run = compiled(model, backend="eager")  # traces as the real one does, without a C++ compiler

        def counted(x):
            sizes.append(len(x))
            return run(x)

        return counted

    monkeypatch.setattr(torch, "compile", traced)
    ours, plain = network(), network()
    fit(ours, images(), config=TrainConfig(epochs=2, batch_size=16, compile=True))
    fit(plain, images(), config=TrainConfig(epochs=2, batch_size=16))
    assert_same_weights(ours, plain, rtol=1e-5, atol=1e-6)
    assert sizes == [16] * 6  # of 8 batches; the last of each epoch has two images


def test_bytes_are_trained_on_and_evaluated_as_shares_of_255():
    x, y = images()
    as_bytes = (255 * x).to(torch.uint8)
    ours, theirs = network(), network()
    config = TrainConfig(epochs=2, batch_size=16, augment=RandomCrop(1))
    a = fit(ours, (as_bytes, y), (as_bytes, y), config)
    b = fit(theirs, (as_bytes.float() / 255, y), (as_bytes.float() / 255, y), config)
    assert_same_weights(ours, theirs, rtol=1e-6, atol=1e-7)
    assert a.test_loss == pytest.approx(b.test_loss)


# The average of the weights


@cpu_only
@pytest.mark.parametrize("decay", [0.0, 0.3, 0.999])
def test_the_average_is_the_one_worked_out_by_hand_buffers_too(decay):
    config = TrainConfig(epochs=3, batch_size=16, lr=0.05, ema=decay)
    ours, theirs = network(), network()
    fit(ours, images(), config=config)
    _, path = by_hand(theirs, config)
    average = path[0]
    for t, now in enumerate(path[1:], start=2):
        d = min(decay, (1 + t) / (10 + t))
        average = {name: d * average[name] + (1 - d) * now[name] for name in now}
    average["1.num_batches_tracked"] = torch.tensor(12)
    torch.testing.assert_close(weights(ours), average, rtol=1e-5, atol=1e-6)


def test_evaluation_sees_the_average_and_training_does_not():
    with_average, without = network(), network()
    config = TrainConfig(epochs=2, batch_size=16, lr=0.3)
    averaged = fit(with_average, images(), images(30, 2), dataclasses.replace(config, ema=0.9))
    plain = fit(without, images(), images(30, 2), config)
    assert averaged.train_loss == plain.train_loss
    assert averaged.test_loss != plain.test_loss
    assert averaged.test_loss[-1] == evaluate(with_average, images(30, 2)).loss


def test_the_averaged_statistics_fit_the_averaged_weights():
    # torch's update_bn computes them anew from the training set.
    x, y = images(200)
    x[torch.arange(200), 0, y] += 2
    model = network()
    fit(model, (x, y), config=TrainConfig(epochs=15, batch_size=20, lr=0.05, ema=0.95))
    anew = copy.deepcopy(model)
    torch.optim.swa_utils.update_bn(x.split(20), anew, device=coursekit.device())
    assert evaluate(model, (x, y)).loss == pytest.approx(evaluate(anew, (x, y)).loss, abs=0.02)


# Deterministic algorithms


def settings() -> tuple[object, ...]:
    cudnn = torch.backends.cudnn
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        cudnn.deterministic,
        cudnn.benchmark,
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_deterministic_algorithms_are_on_while_it_trains_and_settings_come_back(wanted, fails, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    before, during = settings(), []

    def look(x, generator):
        during.append(settings())
        if fails:
            raise RuntimeError("failed")
        return x

    try:
        with pytest.raises(RuntimeError, match="failed") if fails else nullcontext():
            fit(network(), images(), config=TrainConfig(epochs=1, deterministic=wanted, augment=look))
        assert during == [(True, False, True, False, ":4096:8") if wanted else before]
        assert settings() == before
    finally:
        torch.use_deterministic_algorithms(False)


# The progress bar


def drawn_while_training(capsys, monkeypatch, **options) -> str:
    monkeypatch.setenv("COURSEKIT_LIVE", "1")
    monkeypatch.setattr(progress, "DELAY", 0)

    def slowly(x, generator):
        time.sleep(0.11)  # tqdm draws ten times a second
        return x

    config = TrainConfig(epochs=2, batch_size=25, augment=slowly)
    fit(network(), images(), images(10), config, **options)
    return capsys.readouterr().err


def test_the_bar_shows_steps_rate_time_left_and_the_last_epochs_figures(capsys, monkeypatch):
    drawn = drawn_while_training(capsys, monkeypatch)
    assert re.search(r"3/4 \[00:00<00:00, +[\d.]+step/s", drawn)
    assert re.search(r"epoch 1, loss=\d\.\d+, accuracy=\d\.\d+", drawn)


def test_the_bar_can_be_left_out(capsys, monkeypatch):
    assert drawn_while_training(capsys, monkeypatch, progress=False) == ""


# Ctrl-C


def interrupting(at: int, what):
    """An augmentation that does something at one of its calls."""
    calls = []

    def augment(x, generator):
        calls.append(1)
        if len(calls) == at:
            what()
        return x

    return augment


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_keeps_what_was_learnt_the_step_under_way_included(capsys):
    ours, straight = network(), network()
    config = TrainConfig(epochs=5, batch_size=16, augment=interrupting(10, ctrl_c))  # in the third epoch
    history = fit(ours, images(), images(10), config)
    assert history.interrupted
    assert len(history) == len(history.test_loss) == 2
    fit(straight, images(), config=TrainConfig(epochs=3, batch_size=16, max_steps=10))
    assert_same_weights(ours, straight, rtol=0, atol=0)
    assert ours.training
    assert "stopped after 10 of 20 steps; the weights learnt so far are kept\n" in capsys.readouterr().out


def test_a_second_ctrl_c_does_not_wait_for_the_step(capsys):
    def twice() -> None:
        ctrl_c()
        ctrl_c()
        time.sleep(60)

    history = fit(network(), images(), config=TrainConfig(batch_size=16, augment=interrupting(2, twice)))
    assert history.interrupted
    assert "stopped after 1 of 20 steps" in capsys.readouterr().out


def test_an_interrupt_in_the_last_step_interrupts_nothing():
    config = TrainConfig(epochs=1, batch_size=50, augment=interrupting(1, ctrl_c))
    history = fit(network(), images(), images(10), config)
    assert not history.interrupted
    assert len(history.test_loss) == 1


def test_afterwards_ctrl_c_is_what_it_was():
    before = signal.getsignal(signal.SIGINT)
    fit(network(), images(), config=TrainConfig(epochs=1))
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        ctrl_c()


def test_it_trains_in_another_thread():
    histories = []
    thread = threading.Thread(
        target=lambda: histories.append(fit(network(), images(), config=TrainConfig(epochs=1)))
    )
    thread.start()
    thread.join()
    assert len(histories[0]) == 1


def test_a_real_interrupt_from_outside_ends_a_long_training():
    def interrupt() -> None:
        time.sleep(0.5)
        _thread.interrupt_main()

    threading.Thread(target=interrupt).start()
    history = fit(network(), images(), config=TrainConfig(epochs=10_000_000))  # else it would take days
    assert history.interrupted


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
        ({"warmup": 1.5}, "warmup is 1.5"),
        ({"nesterov": True, "optimizer": "adamw"}, "nesterov needs optimizer='sgd'"),
        ({"nesterov": True, "momentum": 0}, "a momentum above 0"),
        ({"clip_grad_norm": 0}, "clip_grad_norm is 0"),
        ({"ema": 1}, "ema is 1"),
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
