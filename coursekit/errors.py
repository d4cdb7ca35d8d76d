"""Everything that coursekit raises of its own, in one tree.

    CourseError                     base of all of them
    ├── UsageError                  a command was given what does not exist; it leaves with status 2
    ├── NotebookError               a notebook that cannot be found, read, run or exported
    ├── CheckError                  a wrong call of `check`, `hint` or `forbid`
    │   └── UnknownExerciseError    no topic has an exercise of that id
    ├── RecordError                 wrong answers whose fingerprints cannot be recorded
    ├── ForbiddenCallError          what an exercise asks for was called ready-made; a RuntimeError
    ├── DataError                   data or weights that cannot be loaded; a RuntimeError
    │   ├── UnknownNameError        no data set, split or weights of that name; a ValueError as well
    │   ├── DamagedFileError        a file that is missing, cut off or altered
    │   └── UnavailableError        a full data set that is not here and could not be fetched
    ├── CheckpointError             a checkpoint that is none, or of another training; a ValueError
    └── FactError                   an entry of the lectures' facts that contradicts itself; a ValueError

A message is one sentence or two: what was wrong, where, and what to do. An argument that makes no sense (a
depth of -1, a name that no table has) raises the ordinary `ValueError`, `TypeError` or `IndexError`.
"""

__all__ = [
    "CheckError",
    "CheckpointError",
    "CourseError",
    "DamagedFileError",
    "DataError",
    "FactError",
    "ForbiddenCallError",
    "NotebookError",
    "RecordError",
    "UnavailableError",
    "UnknownExerciseError",
    "UnknownNameError",
    "UsageError",
]


class CourseError(Exception):
    """Base of every error of this package."""


class UsageError(CourseError):
    """A command was given what does not exist, such as a network that is not in the zoo."""


class NotebookError(CourseError):
    """A notebook that cannot be found, read, run or exported."""


class CheckError(CourseError):
    """A wrong call of ``check``, ``hint`` or ``forbid``; the message says what to call instead."""

    def _render_traceback_(self) -> list[str]:
        """IPython shows this sentence in place of a traceback through the course's own code."""
        return [f"{type(self).__name__}: {self}"]


class UnknownExerciseError(CheckError):
    """No topic has an exercise of that id."""


class RecordError(CourseError):
    """Fingerprints cannot be recorded; the message says why and what to change."""


class ForbiddenCallError(CourseError, RuntimeError):
    """Inside ``forbid(group)``, something of that group ran.

    Attributes: ``call``, what ran (``"aten.convolution"``), and ``group``, the rule it broke (``"conv"``).
    """

    def __init__(self, call: str, group: str, message: str) -> None:
        super().__init__(message)
        self.call = call
        self.group = group


class DataError(CourseError, RuntimeError):
    """Anything that keeps a data set or weights from being loaded."""


class UnknownNameError(DataError, ValueError):
    """No data set, split or weights of that name."""


class DamagedFileError(DataError):
    """A file that is missing, cut off or altered; it is never used.

    `path` is the file as a string.
    """

    def __init__(self, path: object, what: str, remedy: str) -> None:
        self.path = str(path)
        super().__init__(f"{self.path} {what}: {remedy}.")


class UnavailableError(DataError):
    """A full data set that is not on this machine and could not be fetched."""


class CheckpointError(CourseError, ValueError):
    """A file is no checkpoint, or one of another training; the message says what differs."""


class FactError(CourseError, ValueError):
    """An entry of the facts that contradicts itself; the message names it."""
