"""Two ends of a wire without processes, and what it means that two values are alike."""

import json
from typing import Any

import numpy as np
import torch

from grading.wire.channel import WireError
from grading.wire.codec import Codec, Owned, Remote
from grading.wire.decode import Decoder
from grading.wire.encode import Encoder


class Ends:
    """The two codecs, and what was kept on one side and arrived as a proxy on the other."""

    def __init__(self) -> None:
        self.kept: dict[int, Any] = {}
        self.arrived: list[Remote] = []

        def keep(value: Any) -> Owned:
            self.kept[len(self.kept) + 1] = value
            return Owned(len(self.kept), "object", type(value).__name__)

        def proxy(remote: Remote) -> Any:
            self.arrived.append(remote)
            return remote

        def own(number: int) -> Any:
            return self.kept[number]

        self.answer = Codec(keep, proxy, own, trusted=True)
        self.judge = Codec(keep, proxy, own, trusted=False)

    def to_judge(self, value: Any) -> Any:
        """The value as the judge gets it, through JSON as on the wire."""
        return self._across(value, self.answer, self.judge)

    def to_answer(self, value: Any) -> Any:
        """The value as the answer gets it."""
        return self._across(value, self.judge, self.answer)

    def _across(self, value: Any, sender: Codec, receiver: Codec) -> Any:
        encoder = Encoder(sender)
        tree = json.loads(json.dumps(encoder.encode(value)))
        decoder = Decoder(receiver, [bytearray(memoryview(buffer).cast("B")) for buffer in encoder.buffers])
        new = decoder.decode(tree)
        assert len(encoder.marks) == len(decoder.marks), "both ends number the same things"
        return new


def alike(one: Any, other: Any) -> bool:
    """The same type and the same value, in every bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return _form(one) == _form(other) and _bits(one) == _bits(other) and alike(one.grad, other.grad)
    if isinstance(one, np.ndarray | np.generic):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if isinstance(one, torch.nn.Module):
        return alike(_plain(one), _plain(other))
    if isinstance(one, torch.Generator):
        return alike(one.get_state(), other.get_state())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return alike(list(one.items()), list(other.items()))
    if isinstance(one, float | complex):
        return repr(one) == repr(other)
    return bool(one == other)


def _form(tensor: torch.Tensor) -> Any:
    strides = [step if size > 1 else 0 for size, step in zip(tensor.shape, tensor.stride(), strict=True)]
    return tensor.dtype, tensor.shape, strides if tensor.numel() else [], tensor.requires_grad, tensor.is_leaf


def _bits(tensor: torch.Tensor) -> bytes:
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    return bytes(plain.as_strided((plain.numel(),), (1,)).view(torch.uint8).numpy())


def _plain(module: torch.nn.Module) -> Any:
    hooks = [name for name in vars(module) if "hook" in name]
    return {name: value for name, value in vars(module).items() if name not in hooks}


def encoded(codec: Codec, value: Any) -> Any:
    """What one end makes of a value."""
    return Encoder(codec).encode(value)


def decoded(codec: Codec, tree: Any, buffers: list[bytearray]) -> Any:
    """What one end makes of a tree."""
    return Decoder(codec, buffers).decode(tree)


def refused(function: Any, *args: Any) -> str:
    """What the `WireError` says that a call raises."""
    try:
        function(*args)
    except WireError as error:
        return str(error)
    raise AssertionError("nothing was refused")
