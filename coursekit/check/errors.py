"""What the checks raise.

CheckError                      a check was called in a way that cannot work; the message is one sentence
    UnknownExerciseError        no topic has an exercise of that id
ForbiddenCallError              a function that the exercise asks for was called ready-made
"""


class CheckError(Exception):
    """A wrong call of ``check``, ``hint`` or ``forbid``; the message says what to call instead."""

    def _render_traceback_(self) -> list[str]:
        """IPython shows this sentence in place of a traceback through the course's own code."""
        return [f"{type(self).__name__}: {self}"]


class UnknownExerciseError(CheckError):
    """No topic has an exercise of that id."""


class ForbiddenCallError(RuntimeError):
    """Inside ``forbid(group)``, something of that group ran.

    Attributes: ``call``, what ran (``"aten.convolution"``), and ``group``, the rule it broke (``"conv"``).
    """

    def __init__(self, call: str, group: str, message: str) -> None:
        super().__init__(message)
        self.call = call
        self.group = group
