"""The values that may cross between a student's process and the one that judges it; `docs/wire.md` has the
format.

A frame is a length, a JSON tree and raw buffers. Numbers, strings, containers, arrays and tensors cross by
value. Whatever else a process owns (functions, classes, modules, generators, objects) stays where it is:
only a number crosses, and the other side makes a proxy of it. Nothing is ever unpickled, and nothing that
arrives chooses which code runs: a frame can only be too long, too deep or not understood, and then it is a
`WireError`.
"""

import json
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Channel", "Codec", "Owned", "Remote", "WireError"]

MAX_FRAME = 512 * 2**20
MAX_TEXT = 64 * 2**20
MAX_PARTS = 100_000


class WireError(Exception):
    """A value cannot cross, or what arrived is no frame of ours."""


@dataclass(frozen=True)
class Owned:
    """A value of this process that the other side knows by number; `kind` says what can be done with it."""

    number: int
    kind: str
    name: str
    like: str = ""


@dataclass(frozen=True)
class Remote:
    """A value of the other process, as it arrived: its number there, its kind and what it calls itself.

    like: the dotted name of the class of torch that it extends, if any.
    """

    number: int
    kind: str
    name: str
    like: str = ""


class Channel:
    """Frames over a stream socket: `send` and `receive` trees with their buffers."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    def send(self, tree: Any, buffers: list[Any] | None = None) -> None:
        """Send one frame.

        Raises:
            WireError: it is too long. OSError: the other side is gone.
        """
        buffers = buffers or []
        text = json.dumps(tree, ensure_ascii=True, check_circular=False, separators=(",", ":")).encode()
        sizes = [len(text), *(memoryview(buffer).nbytes for buffer in buffers)]
        if sum(sizes) > MAX_FRAME or len(text) > MAX_TEXT or len(sizes) > MAX_PARTS:
            raise WireError(
                f"{sum(sizes) / 2**20:.0f} MB in {len(sizes)} parts are too much; at most "
                f"{MAX_FRAME >> 20} MB in {MAX_PARTS} can cross, {MAX_TEXT >> 20} MB of them "
                "outside of tensors and arrays"
            )
        head = struct.pack(f"<I{len(sizes)}Q", len(sizes), *sizes)
        self.socket.sendall(head + text)
        for buffer in buffers:
            self.socket.sendall(buffer)

    def receive(self) -> tuple[Any, list[bytearray]]:
        """The next frame.

        Raises:
            WireError: what arrived is no frame. EOFError: the other side is gone.
        """
        (count,) = struct.unpack("<I", self._read(4))
        if not 1 <= count <= MAX_PARTS:
            raise WireError(f"a frame of {count} parts")
        sizes = struct.unpack(f"<{count}Q", self._read(8 * count))
        if sum(sizes) > MAX_FRAME or sizes[0] > MAX_TEXT:
            raise WireError(f"a frame of {sum(sizes) >> 20} MB, {sizes[0] >> 20} of them text")
        parts = [self._read(size) for size in sizes]
        try:
            return json.loads(parts[0]), parts[1:]
        except (ValueError, RecursionError) as error:
            raise WireError(f"no JSON: {type(error).__name__}") from None

    def _read(self, size: int) -> bytearray:
        data = bytearray(size)
        view, got = memoryview(data), 0
        while got < size:
            read = self.socket.recv_into(view[got:])
            if not read:
                raise EOFError("the other process is gone")
            got += read
        return data

    def close(self) -> None:
        """End the connection."""
        self.socket.close()


@dataclass
class Codec:
    """Values to trees and back, for one side of a channel.

    keep: called with a value that cannot cross by value; gives the number under which it is kept.
    proxy: called with a `Remote`; gives what stands for it here.
    own: gives back the value that this side keeps under a number.
    trusted: whether the other side is; only then classes and functions may be named and modules made here.
    is_proxy: the number of a value that stands for one over there, None for all others.
    shares: the number of a tensor that both sides hold, and keep alike; None for all others.
    shared: called with a number and a tensor; gives the tensor that both sides hold.
    known: whether a class or function of the notebook is the same on both sides.
    by_value: whether this module, with all of its parts, may cross by value.
    meta: whether tensors without numbers, of the meta device, are taken from there.
    """

    keep: Callable[[Any], Owned]
    proxy: Callable[[Remote], Any]
    own: Callable[[int], Any]
    trusted: bool
    is_proxy: Callable[[Any], int | None] = field(default=lambda value: None)
    shares: Callable[[Any], int | None] = field(default=lambda tensor: None)
    shared: Callable[[int, Any], Any] | None = None
    known: Callable[[Any], bool] = field(default=lambda value: False)
    by_value: Callable[[Any], bool] = field(default=lambda module: True)
    meta: bool = False

    def encode(self, value: Any, known: Mapping[int, int] | None = None) -> tuple[Any, list[Any], list[Any]]:
        """The tree, its buffers, and what can be changed in it (tensors, lists, modules), by mark.

        known: `id` of a value to its mark, for values that the other side has sent and gets back as they are.
        """
        from grading.encode import Encoder

        encoder = Encoder(self, known)
        return encoder.encode(value), encoder.buffers, encoder.marks

    def decode(
        self, tree: Any, buffers: list[bytearray], marked: Mapping[int, Any] | None = None
    ) -> tuple[Any, list[Any]]:
        """The value, and what can be changed in it, in order of its marks.

        marked: what this side has sent, by mark.

        Raises:
            WireError: the tree is none of ours.
        """
        from grading.decode import Decoder

        decoder = Decoder(self, buffers, marked)
        return decoder.decode(tree), decoder.marks
