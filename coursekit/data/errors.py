"""The errors of `coursekit.data`.

    DataError                 anything that keeps a data set or weights from being loaded
    ├── UnknownNameError      no data set, split or weights of that name (also a ValueError)
    ├── DamagedFileError      a file that is missing, cut off or altered
    └── UnavailableError      a full data set that is not here and could not be fetched

Every message is one sentence or two: what was wrong, where, and what to do.
"""


class DataError(RuntimeError):
    """Base of every error of this package."""


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
