"""The exceptions of `grading`.

    GradingError                 anything a command reports in one sentence, with exit status 1
    ├── UsageError               the command's own words name what is not there, or too little: exit status 2
    ├── ConfigError              course.toml cannot be read, or says something we do not know
    ├── MasterError              a master under the masters folder breaks its format
    ├── BuildError               a master is sound, but what it generates is not
    │   ├── DriftError           a generated file is not what its master generates
    │   ├── LeakError            students would get a solution, a hidden test or a wrong answer's code
    │   └── MetadataError        nbgrader would refuse the notebook
    ├── RecordError              a stored job or result cannot be read
    ├── GradebookBusyError       another run writes to the gradebook
    ├── SubmissionError          a hand-in cannot be graded as it is; the others can
    └── InfrastructureError      this machine failed, not the student; never scored, to be run again

Every message says what was wrong, where, and what to do. Four more never reach a command; they belong to the
processes that grade one hand-in, and the driver makes a result or an `InfrastructureError` of them:

    Exception
    ├── WireError                a value cannot cross between answer and judge, or what came is no frame
    ├── ForbiddenCallError       a test found that a forbidden operator ran
    └── RecordStoppedError       the record of what ran under a ban is not whole
    BaseException
    └── AnswerLost               the answer's process is gone; no `except Exception` of a test may swallow it
"""


class GradingError(Exception):
    """An error with a message for people: `where: what; fix`.

    what: what was wrong, a clause without a full stop.
    where: the file, cell or key it was found in; anything with a readable `str`.
    fix: what to do about it, an imperative clause without a full stop.
    """

    status = 1
    """The exit status of a command that ends with it."""

    def __init__(self, what: str, where: object = "", fix: str = "") -> None:
        super().__init__(what, str(where), fix)  # the arguments themselves, so that the error pickles
        self.what = what
        self.where = str(where)
        self.fix = fix

    def __str__(self) -> str:
        sentence = f"{self.where}: {self.what}" if self.where else self.what
        return f"{sentence}; {self.fix}" if self.fix else sentence


class UsageError(GradingError):
    """The command was called wrongly: what it was told to work on is not there, or was not said."""

    status = 2


class ConfigError(GradingError):
    """The course's configuration cannot be used."""


class MasterError(GradingError):
    """A master breaks the percent format, or its header and cells disagree."""


class BuildError(GradingError):
    """What a master generates cannot be released."""


class DriftError(BuildError):
    """A generated file differs from what its master generates."""


class LeakError(BuildError):
    """Something students must not see stands in a file they get."""


class MetadataError(BuildError):
    """nbgrader would refuse the generated notebook."""


class RecordError(GradingError):
    """A stored job or result cannot be read."""


class GradebookBusyError(GradingError):
    """Another run writes to the gradebook."""


class SubmissionError(GradingError):
    """One hand-in cannot be graded as it is."""


class InfrastructureError(GradingError):
    """The machine failed, not the student: run it again, never score it."""
