"""Frames over a stream socket: a length, a JSON tree and raw buffers; `docs/wire.md` has the format.

Nothing is ever unpickled, and nothing that arrives chooses which code runs: a frame can only be too long or
not understood, and then it is a `WireError`.
"""

import json
import os
import socket
import struct
from typing import Any

__all__ = ["MAX_FRAME", "MAX_PARTS", "MAX_TEXT", "Channel", "WireError"]

MAX_FRAME = 512 * 2**20
MAX_TEXT = 64 * 2**20
MAX_PARTS = 100_000


class WireError(Exception):
    """A value cannot cross, or what arrived is no frame of ours."""


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

    def attach(self, descriptor: int) -> None:
        """Send an open file behind a frame, and close it here."""
        try:
            socket.send_fds(self.socket, [b"+"], [descriptor])
        finally:
            os.close(descriptor)

    def attached(self) -> int:
        """The file that was sent behind the last frame.

        Raises:
            WireError: there is none.
        """
        _, descriptors, _, _ = socket.recv_fds(self.socket, 1, 1)
        if not descriptors:
            raise WireError("a file is missing")
        return descriptors[0]

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
