"""What a training measured, epoch by epoch: numbers, a table, JSON and a figure."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from coursekit.train.evaluation import Evaluation

ROWS = 12  # of a printed table, at most


@dataclass(frozen=True)
class History:
    """What `fit` measured, one value an epoch.

    Attributes:
        seconds: training time of the epoch, evaluation left out.
        train_loss: mean loss over the epoch's batches while the weights were changing, label smoothing
            included.
        train_accuracy: share of right answers on those batches, from 0 to 1.
        test_loss: cross-entropy on the test set after the epoch; empty without a test set.
        test_accuracy: likewise.
        interrupted: whether Ctrl-C ended the training early.
        lr: learning rate of the epoch's last step.
        steps: steps done when the epoch ended, from the first epoch on.
    """

    seconds: tuple[float, ...] = ()
    train_loss: tuple[float, ...] = ()
    train_accuracy: tuple[float, ...] = ()
    test_loss: tuple[float, ...] = ()
    test_accuracy: tuple[float, ...] = ()
    interrupted: bool = False
    lr: tuple[float, ...] = ()
    steps: tuple[int, ...] = ()

    def __len__(self) -> int:
        """Epochs that were finished."""
        return len(self.train_loss)

    def __str__(self) -> str:
        """A table of at most twelve epochs, the last one always among them."""
        total = len(self)
        shown = sorted(
            {round(i * (total - 1) / (ROWS - 1)) for i in range(ROWS)} if total > ROWS else range(total)
        )
        header = ["epoch", "train loss", "train %", "test loss", "test %", "lr", "seconds"]
        columns = [
            [str(epoch + 1) for epoch in range(total)],
            [f"{value:.4f}" for value in self.train_loss],
            [f"{100 * value:.2f}" for value in self.train_accuracy],
            [f"{value:.4f}" for value in self.test_loss],
            [f"{100 * value:.2f}" for value in self.test_accuracy],
            [f"{value:.3g}" for value in self.lr],
            [f"{value:.1f}" for value in self.seconds],
        ]
        kept = [(name, column) for name, column in zip(header, columns, strict=True) if column]
        rows = [[name for name, _ in kept], *([column[i] for _, column in kept] for i in shown)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([*lines, "(interrupted)"] if self.interrupted else lines) if total else "no epochs"

    def plot(self, *, against: str = "epochs", lr: bool = False) -> Figure:
        """Loss and accuracy side by side.

        Args:
            against: `"epochs"`, or `"steps"`, which compares trainings of different batch sizes.
            lr: add a third panel with the learning rate.

        Raises:
            ValueError: for another `against`, or for a history without what is asked for.
        """
        from coursekit.train.figure import draw

        return draw(self, against, lr)

    def to_dict(self) -> dict[str, Any]:
        """Lists, and whether it was interrupted: what JSON knows."""
        plain = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """The history that `to_dict` wrote.

        Raises:
            ValueError: for names that a history does not have.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(plain) - known):
            raise ValueError(f"a history has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
        values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in plain.items()}
        return cls(**values)

    def to_json(self) -> str:
        """`to_dict` as text; numbers survive to the last bit."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The history that `to_json` wrote."""
        return cls.from_dict(json.loads(text))

    def after(
        self, *, seconds: float, train: Evaluation, test: Evaluation | None, lr: float, steps: int
    ) -> Self:
        """This history and one epoch more."""
        return dataclasses.replace(
            self,
            seconds=(*self.seconds, seconds),
            train_loss=(*self.train_loss, train.loss),
            train_accuracy=(*self.train_accuracy, train.accuracy),
            test_loss=self.test_loss if test is None else (*self.test_loss, test.loss),
            test_accuracy=self.test_accuracy if test is None else (*self.test_accuracy, test.accuracy),
            lr=(*self.lr, lr),
            steps=(*self.steps, steps),
        )
