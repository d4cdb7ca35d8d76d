"""Functions and objects in words that are equal for equal trainings, also in another process."""

import types

__all__ = ["described"]


def described(augment: object) -> str:
    """A function's name, or what an object writes of itself unless that is its address in memory."""
    if isinstance(augment, types.FunctionType):
        return f"{augment.__module__}.{augment.__qualname__}"
    if type(augment).__repr__ is object.__repr__:
        return f"{type(augment).__module__}.{type(augment).__qualname__}"
    return repr(augment)
