"""What a thing of the answer's that stands in the judge needs in order to ask over there."""

from typing import Any, Protocol

from grading.wire.codec import Codec

__all__ = ["Asking"]


class Asking(Protocol):
    """The judge's end of the channel, as proxies and gradients see it.

    forgotten: calls whose gradients nobody can ask for any more; the other side drops what it keeps for them.
    """

    codec: Codec
    forgotten: list[int]

    def call(self, number: int, args: Any, kwargs: Any, method: str = "") -> Any:
        """Call a thing over there with these arguments."""

    def value(self, what: str, value: Any = None, /, **message: Any) -> Any:
        """Ask for a value."""

    def special(self, number: int, action: str, argument: Any = None) -> Any:
        """len, iter, next, item, contains and the like, of a thing over there."""
