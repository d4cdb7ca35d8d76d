"""The process that runs a student's cells, and answers questions about what they left behind.

Everything in here can be read and changed by the student's code: it is forked from a process that knows
nothing, it is told nothing but what it has to run, and whatever it says is taken for the student's word.
"""

import contextlib
import copy
import importlib
import os
import socket
import types
from collections.abc import Callable, Sequence
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from grading.answer.copies import Copies
from grading.answer.descriptions import described, nearest_class
from grading.answer.marked import mark_all
from grading.answer.warden import Warden
from grading.fork.randomness import seed_all
from grading.fork.shell import Outputs, attach, run_cell
from grading.wire.channel import Channel, WireError
from grading.wire.codec import Codec, Owned, Remote
from grading.wire.decode import Decoder
from grading.wire.encode import Encoder
from grading.wire.torch_state import is_module

__all__ = ["serve"]

FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)


def serve(sockets: Sequence[socket.socket], shell: InteractiveShell) -> None:
    """Answer until the other side hangs up. sockets: this process's, and those of its copies."""
    outputs = attach(shell)
    seed_all()
    connection, *others = sockets
    _Answer(Channel(connection), shell, outputs, Copies(others)).serve()


class _Answer:
    def __init__(self, channel: Channel, shell: InteractiveShell, outputs: Outputs, copies: Copies) -> None:
        from grading.wire.in_place import Twins

        self.channel = channel
        self.copies = copies
        self.shell = shell
        self.outputs = outputs
        self.kept: dict[int, Any] = {}
        self.numbers: dict[int, int] = {}
        self.twins = Twins()
        self.calls: dict[int, tuple[dict[int, Any], list[Any]]] = {}
        self.count = 0
        self.last = 0  # of the numbers in `kept`; none is given twice
        self.warden = Warden()
        self.whole = False  # parts of a module that stays here stay here with it
        self.codec = Codec(
            self._keep,
            self._proxy,
            lambda n: self.kept[n],
            trusted=True,
            is_proxy=_callback_number,
            shares=self._twin,
            by_value=lambda module: not self.whole and self._number(module) is None,
        )

    def serve(self) -> None:
        while True:
            try:
                message, buffers = self.channel.receive()
            except EOFError:
                return
            self._send(*self._reply(message, buffers))

    def _send(self, reply: dict[str, Any], buffers: list[Any]) -> None:
        try:
            self.channel.send(reply, buffers)
        except WireError as error:  # it is too long, and nothing of it was sent
            self.channel.send({"refused": str(error)})

    def _reply(self, message: dict[str, Any], buffers: list[bytearray]) -> tuple[dict[str, Any], list[Any]]:
        encoder = Encoder(self.codec)
        self.whole = False
        try:
            decoder = Decoder(self.codec, buffers)
            value = decoder.decode(message.get("value"))
            for number, tree in message.get("twins", ()):
                self.twins.take(number, decoder.decode(tree))
            for number in message.get("forget", ()):
                self.calls.pop(number, None)
            for number in message.get("drop", ()):
                self._drop(number)
            for name, seed in message.get("seeds", ()):
                _seed(name, seed)
            reply: dict[str, Any] = getattr(self, "do_" + message["do"])(message, value, encoder, decoder)
        except WireError as error:
            encoder, reply = Encoder(self.codec), {"refused": str(error)}
        except BaseException as error:
            encoder, reply = Encoder(self.codec), {"raised": described(error)}
        twins = [[number, encoder.fresh(tensor)] for number, tensor in self.twins.changed()]
        return {**reply, "twins": twins}, encoder.buffers

    # What the other side can ask for.

    def do_run(self, message: dict[str, Any], _: Any, __: Encoder, ___: Decoder) -> dict[str, Any]:
        """Run a cell."""
        cell = run_cell(self.shell, self.outputs, message["source"])
        plain = type(cell.value) in (int, float, bool)
        return {"outputs": cell.outputs, "error": cell.error, "value": cell.value if plain else None}

    def do_copy(self, message: dict[str, Any], _: Any, __: Encoder, ___: Decoder) -> dict[str, Any]:
        """Make a copy of this process, for tests whose place this is."""
        try:
            own = self.copies.make(message["number"])
        except OSError:
            return {"made": False}
        if own is None:
            return {"made": True}
        self.channel.socket.close()
        self.channel = Channel(own)
        self.serve()
        os._exit(0)

    def do_ending(self, message: dict[str, Any], _: Any, __: Encoder, ___: Decoder) -> dict[str, Any]:
        """How a copy has ended."""
        return {"code": self.copies.ending(message["number"])}

    def do_names(self, message: dict[str, Any], _: Any, __: Encoder, ___: Decoder) -> dict[str, Any]:
        """Which of these names the cells have defined."""
        return {"there": [name for name in message["names"] if name in self.shell.user_ns]}

    def do_get(self, message: dict[str, Any], _: Any, encoder: Encoder, __: Decoder) -> dict[str, Any]:
        """The value of a name."""
        return {"result": encoder.encode(self.shell.user_ns[message["name"]])}

    def do_attribute(self, message: dict[str, Any], _: Any, encoder: Encoder, __: Decoder) -> dict[str, Any]:
        """An attribute of something kept here."""
        owner = self.kept[message["of"]]
        value = getattr(owner, message["name"])
        if is_module(owner):
            self.whole = True
            if vars(owner).get("_buffers", {}).get(message["name"]) is value is not None:
                self._share(value)
        return {"result": encoder.encode(value)}

    def do_set(self, message: dict[str, Any], value: Any, _: Encoder, __: Decoder) -> dict[str, Any]:
        """Set an attribute of something kept here."""
        setattr(self.kept[message["of"]], message["name"], value)
        return {}

    def do_call(
        self, message: dict[str, Any], value: Any, encoder: Encoder, decoder: Decoder
    ) -> dict[str, Any]:
        """Call something kept here; what it changed in its arguments goes back with what it returns."""
        import torch

        from grading.wire.in_place import differs, picture

        args, kwargs = value
        marks = decoder.marks
        before, kinds = [picture(mark) for mark in marks], [type(mark) for mark in marks]
        self.outputs.begin()
        function = self.kept[message["of"]]
        self.whole = is_module(function) and bool(message["method"])
        if message["method"]:
            function = getattr(function, message["method"])
        self.whole |= is_module(getattr(function, "__self__", None))
        device = torch.device(message["device"]) if "device" in message else contextlib.nullcontext()
        with torch.set_grad_enabled(message["grad"]), device:
            result = function(*args, **kwargs)
        known = {id(value): mark for mark, value in enumerate(marks)}
        encoder.known = known
        changed = [mark for mark, value in enumerate(marks) if differs(before[mark], value)]
        reply: dict[str, Any] = {"changed": self._contents(encoder, marks, changed, kinds)}
        reply["result"] = encoder.encode(result)
        outputs = encoder.marks
        if any(isinstance(v, torch.Tensor) and v.requires_grad and not v.is_leaf for v in outputs):
            self.count += 1
            self.calls[self.count] = (dict(enumerate(marks)) | decoder.leaves, outputs)
            reply["call"] = self.count
        return reply

    def _contents(
        self, encoder: Encoder, marks: list[Any], changed: list[int], kinds: list[type]
    ) -> list[Any]:
        """What these arguments hold now. A module that is no mere value any more stays here from now on."""
        trial = Encoder(self.codec, encoder.known)
        try:
            if any(type(marks[mark]) is not kinds[mark] for mark in changed):
                raise WireError("something became another kind of thing")
            trees = [[mark, trial.contents(marks[mark])] for mark in changed]
        except WireError:
            if not any(is_module(value) for value in marks):
                raise
        else:
            encoder.buffers, encoder.marks, encoder.seen = trial.buffers, trial.marks, trial.seen
            return trees
        trees = []
        for mark, value in enumerate(marks):
            if is_module(value):
                owned = self._keep(value)
                for tensor in [*value.parameters(), *value.buffers()]:
                    self._share(tensor)
                trees.append([mark, ["mine", owned.number, owned.kind, owned.name, owned.like]])
        weights = [(mark, value) for mark, value in enumerate(marks) if self.twins.number(value) is not None]
        trees += [[mark, ["shared", self._share(value), encoder.fresh(value)]] for mark, value in weights]
        done = {id(value) for _, value in weights}
        inside = {id(part) for value in marks if is_module(value) for part in vars(value).values()}
        for mark in changed:
            value = marks[mark]
            if not is_module(value) and id(value) not in done | inside:
                trees.append([mark, encoder.contents(value)])
        return trees

    def do_backward(
        self, message: dict[str, Any], gradients: Any, encoder: Encoder, _: Decoder
    ) -> dict[str, Any]:
        """Gradients of a call's arguments from those of its results; parameters kept here collect theirs."""
        import torch

        inputs, outputs = self.calls[message["call"]]
        pairs = [(outputs[mark], gradient) for mark, gradient in gradients if outputs[mark].requires_grad]
        wanted = [inputs[mark] for mark in message["wanted"]]
        wanted += [self.twins.tensors[number] for number in message["weights"]]
        had = [tensor.grad for tensor in wanted]
        try:
            for tensor in wanted:
                tensor.grad = None
            results, given = [result for result, _ in pairs], [gradient for _, gradient in pairs]
            torch.autograd.backward(results, given, retain_graph=True)
            found = [tensor.grad for tensor in wanted]
        finally:
            for tensor, gradient in zip(wanted, had, strict=True):
                tensor.grad = gradient
        return {"result": encoder.encode(found)}

    def do_special(
        self, message: dict[str, Any], argument: Any, encoder: Encoder, _: Decoder
    ) -> dict[str, Any]:
        """len, iter, next, item, contains: what Python asks of an object by syntax."""
        value = self.kept[message["of"]]
        self.whole = is_module(value)
        actions: dict[str, Callable[[], Any]] = {
            "len": lambda: len(value),
            "iter": lambda: iter(value),
            "list": lambda: list(value),
            "next": lambda: next(value),
            "item": lambda: value[argument],
            "contains": lambda: argument in value,
            "isinstance": lambda: isinstance(argument, value),
            "copy": lambda: copy.deepcopy(value),
            "repr": lambda: repr(value)[:10_000],
            "state": lambda: dict(value.state_dict()),
            "load": lambda: value.load_state_dict(argument[0], strict=argument[1]),
            "parameters": lambda: list(value.named_parameters(*argument)),
            "buffers": lambda: self._named_buffers(value, argument),
            "weights": lambda: [weight for weight in value.parameters() if weight.requires_grad],
            "own": lambda: self._all_shared(vars(value)[argument]),
            "unsaved": lambda: set(value._non_persistent_buffers_set),
        }
        return {"result": encoder.encode(actions[message["action"]]())}

    def _named_buffers(self, module: Any, arguments: Any) -> list[tuple[str, Any]]:
        named = list(module.named_buffers(*arguments))
        for _, buffer in named:
            self._share(buffer)
        return named

    def _all_shared(self, held: dict[str, Any]) -> dict[str, Any]:
        for item in held.values():
            if item is not None and not is_module(item):
                self._share(item)
        return dict(held)

    def do_recorder(self, message: dict[str, Any], _: Any, __: Encoder, ___: Decoder) -> dict[str, Any]:
        """Take the file that what runs here is written into from now on."""
        self.warden.attach(self.channel.attached())
        return {}

    def do_still(self, message: dict[str, Any], _: Any, __: Encoder, ___: Decoder) -> dict[str, Any]:
        """Only these copies may run."""
        pids = self.copies.pids
        asked = {pids[number] for number in message["numbers"] if number in pids}
        return self.warden.still(asked, set(pids.values()))

    def do_wake(self, message: dict[str, Any], _: Any, __: Encoder, ___: Decoder) -> dict[str, Any]:
        """All may run."""
        self.warden.wake()
        return {}

    def do_window(self, message: dict[str, Any], _: Any, __: Encoder, ___: Decoder) -> dict[str, Any]:
        """A test forbids something from here on, or something else, or nothing any more."""
        if message["step"] == "open":
            mark_all()
            self.warden.open(message["marker"], tested=message["tested"], marks=message["marks"])
        elif message["step"] == "mark":
            self.warden.mark(message["marker"])
        else:
            self.warden.close(message["marker"])
        return {}

    def _number(self, value: Any) -> int | None:
        number = self.numbers.get(id(value))
        return number if number is not None and self.kept.get(number) is value else None

    def _keep(self, value: Any) -> Owned:
        number = self._number(value)
        if number is None:
            number = self.last = self.last + 1
            self.kept[number], self.numbers[id(value)] = value, number
        kind = "object"
        if isinstance(value, type):
            kind = "class"
        elif is_module(value):
            kind = "module"
        elif isinstance(value, FUNCTIONS):
            kind = "function"
        name = getattr(value, "__qualname__", None) if kind in ("class", "function") else None
        like = nearest_class(value if kind == "class" else type(value)) if kind in ("class", "module") else ""
        return Owned(number, kind, str(name or type(value).__qualname__)[:200], like)

    def _drop(self, number: int) -> None:
        """Nobody over there has this thing any more."""
        self.twins.drop(number)
        self.numbers.pop(id(self.kept.pop(number, None)), None)

    def _share(self, tensor: Any) -> int:
        """Let the other side have a twin of a weight or buffer."""
        number = self._keep(tensor).number
        if number not in self.twins.tensors:
            self.twins.add(number, tensor)
        return number

    def _twin(self, tensor: Any) -> int | None:
        """The number of the twin that the other side has of a tensor, or is to have."""
        import torch

        number = self.twins.number(tensor)
        if number is None and isinstance(tensor, torch.nn.Parameter):
            number = self._share(tensor)
        return number

    def _proxy(self, remote: Remote) -> Any:
        return _callback(self, remote)

    def call_back(self, remote: Remote, args: Any, kwargs: Any) -> Any:
        """Call a function that the test passed in; it runs where it is."""
        encoder, whole = Encoder(self.codec), self.whole
        self.whole = False
        tree = encoder.encode([list(args), kwargs])
        self.channel.send({"callback": remote.number, "value": tree}, encoder.buffers)
        while True:
            message, received = self.channel.receive()
            if "returned" in message:
                self.whole = whole
                return Decoder(self.codec, received).decode(message["returned"])
            if "failed" in message:
                raise RuntimeError(message["failed"])
            self._send(*self._reply(message, received))


def _callback(answer: _Answer, remote: Remote) -> Any:
    def callback(*args: Any, **kwargs: Any) -> Any:
        return answer.call_back(remote, args, kwargs)

    callback.__name__ = callback.__qualname__ = remote.name
    callback.remote_number = remote.number  # type: ignore[attr-defined]
    return callback


def _callback_number(value: Any) -> int | None:
    number = getattr(value, "remote_number", None) if type(value).__name__ == "function" else None
    return number if isinstance(number, int) else None


def _seed(name: str, seed: Any) -> None:
    """A test has seeded the random numbers of its process; those of this one follow."""
    module, _, function = name.rpartition(".")
    getattr(importlib.import_module(module), function)(seed)
