"""Frames over a socket: what is sent arrives; what is no frame, or too large, is said and not read."""

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grading.wire import channel as wire
from grading.wire.channel import Channel, WireError


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    one, other = map(Channel, socket.socketpair())
    yield one, other
    one.close()
    other.close()


def received(data: bytes):
    """What a channel makes of these bytes, after which the other end is closed."""
    one, other = socket.socketpair()
    with one, other:
        threading.Thread(target=_send_all, args=(one, data), daemon=True).start()
        return Channel(other).receive()


def _send_all(end: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        end.sendall(data)
        end.shutdown(socket.SHUT_WR)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(json_values, st.lists(st.binary(max_size=100), max_size=5))
@settings(max_examples=100, deadline=None)
def test_what_is_sent_arrives(tree, buffers):
    one, other = map(Channel, socket.socketpair())
    one.send(tree, buffers)
    one.send("next")
    assert other.receive() == (tree, [bytearray(buffer) for buffer in buffers])
    assert other.receive() == ("next", [])
    one.close()
    other.close()


def test_a_frame_larger_than_the_sockets_buffer_arrives(ends):
    one, other = ends
    data = bytes(range(256)) * 20_000
    sender = threading.Thread(target=one.send, args=({"a": 1}, [data]))
    sender.start()
    tree, (buffer,) = other.receive()
    sender.join()
    assert tree == {"a": 1}
    assert buffer == data


def test_the_end_of_the_other_side_is_said(ends):
    ends[0].close()
    with pytest.raises(EOFError):
        ends[1].receive()


@pytest.mark.parametrize("cut", [1, 3, 5, 11, 12, 19])
def test_half_a_frame_is_the_end_of_the_other_side(cut):
    text = json.dumps({"a": 1}).encode()
    frame = struct.pack("<IQ", 1, len(text)) + text
    assert len(frame) > cut
    with pytest.raises(EOFError):
        received(frame[:cut])


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (struct.pack("<I", 0), "a frame of 0 parts"),
        (struct.pack("<I", 2**32 - 1), "parts"),
        (struct.pack("<IQ", 1, 2**63), "a frame of"),
        (struct.pack("<IQQ", 2, 2, 2**62), "a frame of"),
        (struct.pack("<IQ", 1, wire.MAX_TEXT + 1), "of them text"),
        (struct.pack("<IQ", 1, 3) + b"{1:", "no JSON"),
        (struct.pack("<IQ", 1, 2) + b"\xff\xfe", "no JSON"),
        (struct.pack("<IQ", 1, 0), "no JSON"),
        (struct.pack("<IQ", 1, 200_000) + b"[" * 100_000 + b"]" * 100_000, "no JSON"),
        (struct.pack("<IQ", 1, 10_000) + b"9" * 10_000, "no JSON"),
    ],
)
def test_what_is_no_frame_is_refused_before_it_is_read(frame, says):
    with pytest.raises(WireError, match=says):
        received(frame)


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_noise_is_refused_or_the_end(data):
    with contextlib.suppress(WireError, EOFError):
        received(data)


def test_too_much_is_refused_before_anything_is_sent(ends, monkeypatch):
    one, other = ends
    monkeypatch.setattr(wire, "MAX_FRAME", 1000)
    monkeypatch.setattr(wire, "MAX_TEXT", 100)
    monkeypatch.setattr(wire, "MAX_PARTS", 10)
    for tree, buffers in [(1, [b"x" * 2000]), ("x" * 200, []), (1, [b""] * 20)]:
        with pytest.raises(WireError, match="too much"):
            one.send(tree, buffers)
    one.send("still in step")
    assert other.receive() == ("still in step", [])
