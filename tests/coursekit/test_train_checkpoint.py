"""Checkpoints: a training that was cut off and resumed ends as one that never was, to the bit."""

import dataclasses
import io
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import coursekit
from coursekit.train import (
    CheckpointError,
    Compose,
    Cutout,
    History,
    RandomCrop,
    RandomFlip,
    TrainConfig,
    fit,
)

STEPS_OF_AN_EPOCH, EPOCHS = 4, 3

cpu_only = pytest.mark.skipif(
    coursekit.device().type != "cpu", reason="sums on a GPU come out in another order each time"
)


def network(seed: int = 0, dropout: float = 0.4, channels: int = 4) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, channels, 3),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Flatten(),
        nn.Linear(36 * channels, 3),
    )


def images(n: int = 50, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 1, 8, 8, generator=generator), torch.randint(0, 3, (n,), generator=generator)


class Disturbed:
    """Crops and flips, and does something else at one of its calls; prints the same whatever that is."""

    def __init__(self, at: int | None = None, what=lambda: None) -> None:
        self.at, self.what, self.calls = at, what, 0
        self.augment = Compose(RandomCrop(1), RandomFlip(), Cutout(2))

    def __call__(self, x, generator):
        self.calls += 1
        if self.calls == self.at:
            self.what()
        return self.augment(x, generator)

    def __repr__(self) -> str:
        return "Disturbed"


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def breakdown() -> None:
    raise RuntimeError("the power is gone")


EVERYTHING = TrainConfig(
    epochs=EPOCHS,
    batch_size=16,
    lr=0.05,
    weight_decay=0.01,
    schedule="cosine",
    warmup=0.2,
    nesterov=True,
    label_smoothing=0.1,
    clip_grad_norm=1.0,
    ema=0.9,
    channels_last=True,
    seed=3,
    augment=Disturbed(),
)
CONFIGS = {
    "everything on": EVERYTHING,
    "one-cycle in 16 bits": TrainConfig(
        epochs=EPOCHS, batch_size=16, schedule="onecycle", amp=True, augment=Disturbed()
    ),
    "AdamW": TrainConfig(epochs=EPOCHS, batch_size=16, lr=0.01, optimizer="adamw", augment=Disturbed()),
}


def straight(config: TrainConfig) -> tuple[nn.Module, History]:
    model = network()
    return model, fit(model, images(), images(20, 2), config, progress=False)


def assert_same_bits(a: nn.Module, b: nn.Module) -> None:
    torch.testing.assert_close(a.state_dict(), b.state_dict(), rtol=0, atol=0)


def untimed(history: History) -> History:
    return dataclasses.replace(history, seconds=())


@cpu_only
@pytest.mark.parametrize("stopped_in", [1, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_training_that_ctrl_c_cut_off_goes_on_to_the_same_bits(name, stopped_in, tmp_path, capsys):
    config, file = CONFIGS[name], tmp_path / "run.pt"
    cut = dataclasses.replace(config, augment=Disturbed(stopped_in, ctrl_c))
    half = fit(network(), images(), images(20, 2), cut, checkpoint=file)
    assert half.interrupted
    assert len(half) == stopped_in // STEPS_OF_AN_EPOCH
    assert f"stopped after {stopped_in} of 12 steps" in capsys.readouterr().out

    torch.manual_seed(99)  # whatever happened in between
    resumed = network(seed=7)
    history = fit(resumed, images(), images(20, 2), config, resume=file)
    expected, whole = straight(config)
    assert_same_bits(resumed, expected)
    assert untimed(history) == untimed(whole)


@cpu_only
def test_it_can_be_cut_off_again_and_again(tmp_path):
    file, model = tmp_path / "run.pt", network()
    resume = None
    for _ in range(6):  # two steps at a time
        cut = dataclasses.replace(EVERYTHING, augment=Disturbed(2, ctrl_c))
        history = fit(model, images(), images(20, 2), cut, checkpoint=file, resume=resume)
        resume = file
    expected, whole = straight(EVERYTHING)
    assert_same_bits(model, expected)
    assert untimed(history) == untimed(whole)
    assert len(history.seconds) == EPOCHS


@cpu_only
@pytest.mark.parametrize(("every", "broke_in", "kept"), [(None, 7, 4), (3, 8, 6), (3, 5, 4), (1, 12, 11)])
def test_after_a_breakdown_the_last_checkpoint_goes_on_to_the_same_bits(every, broke_in, kept, tmp_path):
    file = tmp_path / "run.pt"
    cut = dataclasses.replace(EVERYTHING, augment=Disturbed(broke_in, breakdown))
    with pytest.raises(RuntimeError, match="power is gone"):
        fit(network(), images(), images(20, 2), cut, checkpoint=file, checkpoint_every=every)
    assert torch.load(file, weights_only=True)["state"]["step"]["done"] == kept
    resumed = network(seed=7)
    fit(resumed, images(), images(20, 2), EVERYTHING, resume=file)
    assert_same_bits(resumed, straight(EVERYTHING)[0])


@cpu_only
def test_a_step_that_was_torn_apart_is_not_saved(tmp_path, capsys):
    def two_of_them() -> None:
        ctrl_c()
        ctrl_c()

    file = tmp_path / "run.pt"
    cut = dataclasses.replace(EVERYTHING, augment=Disturbed(7, two_of_them))
    history = fit(network(), images(), images(20, 2), cut, checkpoint=file)
    assert history.interrupted
    assert "stopped after 6 of 12 steps" in (said := capsys.readouterr().out)
    assert "an earlier step is in" in said
    resumed = network(seed=7)
    fit(resumed, images(), images(20, 2), EVERYTHING, resume=file)
    assert_same_bits(resumed, straight(EVERYTHING)[0])


def test_ctrl_c_says_where_the_checkpoint_is(tmp_path, capsys):
    file = tmp_path / "run.pt"
    cut = dataclasses.replace(EVERYTHING, augment=Disturbed(2, ctrl_c))
    fit(network(), images(), config=cut, checkpoint=file)
    assert f"they are in {file}: resume goes on from there" in capsys.readouterr().out


def test_a_finished_training_is_not_trained_on(tmp_path):
    file, model = tmp_path / "run.pt", network()
    history = fit(model, images(), images(20, 2), EVERYTHING, checkpoint=file)
    again = network(seed=7)
    assert fit(again, images(), images(20, 2), EVERYTHING, resume=file) == history
    assert_same_bits(again, model)


PROGRAM = """
import sys, time
import torch
sys.path.insert(0, {folder!r})
from test_train_checkpoint import EVERYTHING, Disturbed, fit, images, network
import dataclasses

def hang():
    print("hanging", flush=True)
    time.sleep(60)

how, file = sys.argv[1:]
model = network(seed=0 if how != "resume" else 7)
config = dataclasses.replace(EVERYTHING, augment=Disturbed(7, hang if how == "killed" else lambda: None))
fit(model, images(), images(20, 2), config, **({{"resume": file}} if how == "resume" else
    {{"checkpoint": file, "checkpoint_every": 1}}))
torch.save(model.state_dict(), file + "." + how)
"""


@cpu_only
def test_a_killed_process_is_resumed_by_another_to_the_same_bits(tmp_path):
    file = tmp_path / "run.pt"
    program = PROGRAM.format(folder=str(Path(__file__).parent))

    def start(how: str) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-c", program, how, str(file)], stdout=subprocess.PIPE, text=True
        )

    with start("killed") as victim:
        assert victim.stdout.readline() == "hanging\n"  # in step 7, the third of the second epoch
        victim.send_signal(signal.SIGKILL)
    assert victim.returncode == -signal.SIGKILL
    assert torch.load(file, weights_only=True)["state"]["step"]["done"] == 6
    for how in ("resume", "straight"):
        with start(how) as process:
            assert process.wait(60) == 0
    resumed, whole = (torch.load(f"{file}.{how}", weights_only=True) for how in ("resume", "straight"))
    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)


# The file


def test_a_checkpoint_holds_the_weights_that_train_and_the_model_the_averaged_ones(tmp_path):
    file, model = tmp_path / "run.pt", network()
    fit(model, images(), config=EVERYTHING, checkpoint=file)
    without = network()
    fit(without, images(), config=dataclasses.replace(EVERYTHING, ema=None))
    step = torch.load(file, weights_only=True)["state"]["step"]
    torch.testing.assert_close(step["model"], dict(without.state_dict()), rtol=0, atol=0)
    assert not torch.equal(step["model"]["0.weight"], model[0].weight)


def test_a_write_that_fails_halfway_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    file = tmp_path / "run.pt"
    real, calls = torch.save, []

    def second_one_fails(content, target):
        calls.append(1)
        if len(calls) == 2:
            target.write(b"PK half a file")
            raise OSError("the disk is full")
        real(content, target)

    monkeypatch.setattr(torch, "save", second_one_fails)
    with pytest.raises(OSError, match="disk is full"):
        fit(network(), images(), images(20, 2), EVERYTHING, checkpoint=file)
    assert torch.load(file, weights_only=True)["state"]["step"]["done"] == STEPS_OF_AN_EPOCH


def test_a_folder_that_is_missing_is_made(tmp_path):
    file = tmp_path / "runs" / "seed-0" / "run.pt"
    fit(network(), images(), config=TrainConfig(epochs=1), checkpoint=file)
    assert [path.name for path in file.parent.iterdir()] == ["run.pt"]


# What is refused


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "run.pt"
    fit(network(), images(), config=TrainConfig(epochs=1, batch_size=16), checkpoint=path)
    return path


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lr": 0.2}, r"another configuration \(lr was 0.1 and is 0.2\)"),
        ({"epochs": 3, "seed": 1}, r"\(epochs was 1 and is 3, seed was 0 and is 1\)"),
        ({"augment": RandomCrop(2)}, r"augment was None and is \"RandomCrop\(padding=2"),
        ({"ema": 0.9}, "ema was None and is 0.9"),
    ],
)
def test_another_configuration_is_refused(file, changed, message):
    config = dataclasses.replace(TrainConfig(epochs=1, batch_size=16), **changed)
    with pytest.raises(CheckpointError, match=message):
        fit(network(), images(), config=config, resume=file)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: network(channels=5), r"another network \(0.weight was 4×1×3×3 and is 5×1×3×3\)"),
        (lambda: nn.Sequential(network()), r"0.weight was 4×1×3×3 and is absent"),
        (lambda: network(dropout=0.5), r"another network \(.*Dropout\(p=0.4.* is now .*Dropout\(p=0.5"),
    ],
    ids=["wider", "deeper", "the same weights"],
)
def test_another_network_is_refused_and_stays_as_it_was(file, model, message):
    other = model()
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        fit(other, images(), config=TrainConfig(epochs=1, batch_size=16), resume=file)
    torch.testing.assert_close(dict(other.state_dict()), before, rtol=0, atol=0, check_device=False)


@pytest.mark.parametrize("data", [images(49), images(seed=5)], ids=["fewer", "others"])
def test_another_training_set_is_refused(file, data):
    with pytest.raises(CheckpointError, match="its training set was"):
        fit(network(), data, config=TrainConfig(epochs=1, batch_size=16), resume=file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*run\.pt to resume"):
        fit(network(), images(), resume=tmp_path / "run.pt")


class Malicious:
    def __reduce__(self):
        return (print, ("executed",))


def saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"no checkpoint", pickle.dumps(Malicious(), protocol=2), saved(Malicious())],
    ids=["empty", "text", "pickle", "torch.save"],
)
def test_a_file_that_is_no_checkpoint_is_refused_and_never_executed(tmp_path, content, capsys):
    (tmp_path / "run.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged, or no checkpoint"):
        fit(network(), images(), resume=tmp_path / "run.pt")
    assert "executed" not in capsys.readouterr().out


def test_a_checkpoint_cut_short_is_refused(file):
    file.write_bytes(file.read_bytes()[:-500])
    with pytest.raises(CheckpointError, match="damaged, or no checkpoint"):
        fit(network(), images(), config=TrainConfig(epochs=1, batch_size=16), resume=file)


def test_weights_saved_by_other_means_are_refused(tmp_path):
    torch.save(network().state_dict(), tmp_path / "weights.pt")
    with pytest.raises(CheckpointError, match="no checkpoint of this version"):
        fit(network(), images(), resume=tmp_path / "weights.pt")


@pytest.mark.parametrize("options", [{"checkpoint_every": 5}, {"checkpoint": "x", "checkpoint_every": 0}])
def test_writing_every_so_many_steps_needs_a_file_and_a_number(options):
    with pytest.raises(ValueError, match="checkpoint_every counts steps from 1"):
        fit(network(), images(), **options)
