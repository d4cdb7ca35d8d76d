"""The course's one training loop.

The same code on the CPU, CUDA and MPS. The whole data set lies on the device, batches are cut out of a seeded
permutation there and augmented there, and the losses stay there until an epoch ends, so that a small network
is not kept waiting.

    config = TrainConfig(epochs=3, lr=0.05, schedule="cosine", augment=Compose(RandomCrop(2), RandomFlip()))
    history = fit(model, train_set, test_set, config)
    history.plot()

    fit(model, train_set, test_set, config, checkpoint="run.pt")   # written after every epoch
    fit(model, train_set, test_set, config, resume="run.pt")       # goes on, bit for bit on the CPU
"""

from coursekit.errors import CheckpointError
from coursekit.train.augment import Augment, Compose, Cutout, RandomCrop, RandomFlip
from coursekit.train.config import TrainConfig
from coursekit.train.determinism import deterministic
from coursekit.train.evaluation import Evaluation, evaluate
from coursekit.train.history import History
from coursekit.train.loop import fit
from coursekit.train.schedules import learning_rates

__all__ = [
    "Augment",
    "CheckpointError",
    "Compose",
    "Cutout",
    "Evaluation",
    "History",
    "RandomCrop",
    "RandomFlip",
    "TrainConfig",
    "deterministic",
    "evaluate",
    "fit",
    "learning_rates",
]
