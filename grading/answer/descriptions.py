"""What the answer's side says of a class or an exception, as plain data."""

from typing import Any

__all__ = ["described", "nearest_class"]

BUILTIN_ERRORS = tuple(
    name
    for name, value in vars(__import__("builtins")).items()
    if isinstance(value, type) and issubclass(value, Exception)
)


def nearest_class(kind: type) -> str:
    """The nearest class that both sides know, of those that `isinstance` is asked about."""
    for base in kind.__mro__:
        name = f"{base.__module__}.{base.__qualname__}"
        if name.startswith("torch.nn.modules.") or name == "torch.autograd.function.Function":
            return name
        if base.__module__ == "builtins" and issubclass(base, Exception):
            return name
    return ""


def described(error: BaseException, depth: int = 0) -> dict[str, Any]:
    """An exception as plain data: its name, the built-in it is a kind of, its message, what it came from."""
    names = [kind.__name__ for kind in type(error).__mro__ if kind.__name__ in BUILTIN_ERRORS]
    try:
        message = str(error)
    except Exception:
        message = ""
    arguments = [item[:5000] if isinstance(item, str) else item for item in error.args]
    plain = all(item is None or type(item) in (bool, int, float, str) for item in arguments)
    cause = error.__cause__ if depth < 5 else None
    return {
        "name": type(error).__name__[:200],
        "base": names[0] if names else "Exception",
        "message": message[:5000],
        "arguments": arguments if plain and len(arguments) < 10 else None,
        "cause": described(cause, depth + 1) if cause is not None else None,
    }
