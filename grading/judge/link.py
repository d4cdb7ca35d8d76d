"""The judge's end of the channel to the answer: requests, replies, changed arguments."""

import contextlib
import copy
import weakref
from collections.abc import Callable, MutableMapping
from typing import Any

import torch
from torch import Tensor, nn

from grading.judge.gradients import RemoteCall, Ticket
from grading.judge.guard import Guard, Recorder
from grading.judge.proxies import SAME, ModuleProxy, Proxy
from grading.wire.channel import Channel, WireError
from grading.wire.codec import Codec, Owned, Remote
from grading.wire.decode import Decoder
from grading.wire.encode import Encoder
from grading.wire.in_place import Twins, apply, restorer

__all__ = ["AnswerLost", "Link"]


class AnswerLost(BaseException):
    """The student's process is gone or talks nonsense; no `except Exception` of a test may swallow that."""


class Link:
    """The judging process's end of the channel.

    number: of the copy that it leads to, None for the process itself. seeds: of random numbers, set since the
    last request. changed: sentences on arguments that calls have changed. copy_back: whether such changes are
    made here as well; `restore` takes them back. known: what the notebook's cells have defined alike on both
    sides, by name. guard: what tests forbid. recorder: what runs over there meanwhile.

    beside: another link of this judge. Both lead to processes of one answer, and a test may use both:
    changes and names are those of the test.
    """

    def __init__(self, channel: Channel, beside: "Link | None" = None, number: int | None = None) -> None:
        self.channel, self.number = channel, number
        self.seeds: list[tuple[str, Any]] = []
        self.changed: list[str] = []
        self.copy_back = True
        self.ended = False
        self.undo: list[Callable[[], object]] = []
        self.guard: Guard | None = None
        self.recorder = Recorder()
        self.under: dict[int, tuple[str, ...]] = {}  # what was forbidden where a thing over there was made
        self.known: dict[str, Any] = {}
        if beside is not None:
            self.known, self.changed, self.undo = beside.known, beside.changed, beside.undo
        self.functions: dict[int, Callable[..., Any]] = {}
        self.proxies: MutableMapping[int, Any] = weakref.WeakValueDictionary()
        self.seen: set[int] = set()  # numbers of things that are kept over there
        self.twins = Twins()
        self.forgotten: list[int] = []
        self.codec = Codec(
            self._keep,
            self._proxy,
            self._function,
            trusted=False,
            is_proxy=self._number,
            shared=self.twins.take,
            known=lambda value: self.known.get(value.__qualname__) is value,
        )

    def ask(
        self, what: str, value: Any = None, /, *, encoder: Encoder | None = None, **message: Any
    ) -> tuple[dict[str, Any], Decoder]:
        """Send one request and wait for its reply; functions that were passed along are called meanwhile.

        Raises:
            AnswerLost: there is no reply. Whatever the request raised over there, as an exception of ours.
        """
        if self.ended:
            raise WireError("what an earlier test was given by the answer is gone; make it anew")
        encoder = encoder or Encoder(self.codec)
        message |= {"do": what, "value": encoder.encode(value)}
        message["twins"] = [[number, encoder.fresh(tensor)] for number, tensor in self.twins.changed()]
        message["forget"], self.forgotten = self.forgotten, []
        message["drop"] = self._dropped()
        message["seeds"], self.seeds = self.seeds, []
        attached = message.pop("attached", None)
        try:
            self.channel.send(message, encoder.buffers)
            if attached is not None:
                self.channel.attach(attached)
            while "callback" in (received := self._receive())[0]:
                self.channel.send(*self._called_back(*received))
        except (EOFError, OSError) as error:
            raise AnswerLost(str(error)) from None
        reply, decoder = received[0], Decoder(self.codec, received[1])
        if "raised" in reply or "refused" in reply:
            self._take_twins(reply, decoder)
            if "refused" in reply:
                raise WireError(str(reply["refused"])[:1000])
            raised = _exception(reply["raised"])
            if isinstance(raised, StopIteration | StopAsyncIteration) and message.get("action") != "next":
                # it would end a loop of the test that calls the answer, as if all had been looked at
                raise RuntimeError(f"the answer raised {type(raised).__name__}") from raised
            raise raised
        return reply, decoder

    def value(self, what: str, value: Any = None, /, **message: Any) -> Any:
        """Ask for a value."""
        with _numbers():
            reply, decoder = self.ask(what, value, **message)
            result = decoder.decode(reply.get("result"))
            self._take_twins(reply, decoder)
        return result

    def plain(self, what: str, **message: Any) -> dict[str, Any]:
        """Ask for something that is no value of the notebook."""
        reply, decoder = self.ask(what, **message)
        self._take_twins(reply, decoder)
        return reply

    def claims_module(self, proxy: Proxy, name: str) -> bool:
        """Whether a thing over there says that it is the module of this name."""
        remote: Remote = vars(proxy)["_remote"]
        if remote.name != "module":
            return False
        return bool(self.value("attribute", of=remote.number, name="__name__") == name)

    def special(self, number: int, action: str, argument: Any = None) -> Any:
        """len, iter, next, item, contains and the like, of a thing over there."""
        words = self.under.get(number)
        if words is None or self.guard is None or self.guard.active:
            return self.value("special", argument, of=number, action=action)
        with self.guard.forbidding(self, words):  # its code runs only now
            return self.value("special", argument, of=number, action=action)

    def call(self, number: int, args: Any, kwargs: Any, method: str = "") -> Any:
        """Call a thing over there with these arguments."""
        encoder = Encoder(self.codec)
        grad = torch.is_grad_enabled()
        message = {"of": number, "method": method, "grad": grad}
        if (device := torch.get_default_device().type) == "meta":
            self.codec.meta = True  # the test wants shapes alone
            message["device"] = device
        with _numbers():
            return self._called(encoder, [list(args), dict(kwargs)], message)

    def _called(self, encoder: Encoder, arguments: list[Any], message: dict[str, Any]) -> Any:
        reply, decoder = self.ask("call", arguments, encoder=encoder, **message)
        grad = message["grad"]
        decoder.marked = dict(enumerate(encoder.marks))
        rewritten = self._make_changes(decoder, encoder.marks, reply.get("changed"))
        result = decoder.decode(reply.get("result"))
        leaves = dict(decoder.leaves)
        self._take_twins(reply, decoder)
        if type(call := reply.get("call")) is int and grad:
            tied = self._with_gradients(call, encoder.marks, leaves)
            for old, new in rewritten:  # as torch does it: what was computed before keeps its gradient
                old.copy_(tied.get(id(new), new))
            result = _replace(result, tied)
        return result

    def _dropped(self) -> list[int]:
        """Numbers of things over there that nobody here has any more, neither as a proxy nor as a twin."""
        unused = self.twins.unused()
        for number in unused:
            self.twins.drop(number)
        gone = [number for number in self.seen if number not in self.proxies]
        self.seen.difference_update(gone)
        for number in gone:
            self.under.pop(number, None)
        return unused + gone

    def _receive(self) -> tuple[dict[str, Any], list[bytearray]]:
        try:
            self.recorder.wait_for(self.channel.socket)
            reply, received = self.channel.receive()
        except WireError as error:  # where the next frame begins, nobody knows
            raise AnswerLost(f"it sent something that cannot be read ({error})") from None
        if not isinstance(reply, dict):
            raise AnswerLost("it sent something that is no reply")
        return reply, received

    def _take_twins(self, reply: dict[str, Any], decoder: Decoder) -> None:
        for entry in reply.get("twins") or ():
            if not isinstance(entry, list) or len(entry) != 2 or entry[0] not in self.twins.tensors:
                raise WireError("a twin that is not known")
            self.twins.take(entry[0], decoder.decode(entry[1]))

    def _make_changes(self, decoder: Decoder, marks: list[Any], trees: Any) -> list[tuple[Tensor, Tensor]]:
        """Make the changes of a call's arguments here, or to copies to which the result then refers.

        Returns those that carry a gradient, which are still to be made: tensors and what is to be in them.
        """
        if not trees:
            return []
        if not isinstance(trees, list) or any(len(t) != 2 or t[0] not in decoder.marked for t in trees):
            raise WireError("changes that are not understood")
        self.changed += [f"a {type(marks[mark]).__name__} was changed in place" for mark, _ in trees]
        if self.copy_back:
            self.undo += [restorer(marks[mark]) for mark, _ in trees]
        else:
            decoder.marked = dict(enumerate(_copies(marks, self.twins)))
        rewritten = []
        for mark, new in [(mark, decoder.decode(tree)) for mark, tree in trees]:
            old = marks[mark]
            if not (torch.is_grad_enabled() and any(new is leaf for leaf in decoder.leaves.values())):
                self._change(decoder.marked[mark], new)
            elif not self.copy_back:
                decoder.marked = {**decoder.marked, mark: new}
            elif (
                isinstance(old, Tensor) and old.shape == new.shape and (old.grad_fn or not old.requires_grad)
            ):
                rewritten.append((old, new))
            else:
                raise WireError("a tensor was changed in place, and its gradient cannot follow")
        return rewritten

    def holds(self, value: Any, depth: int = 2) -> bool:
        """Whether this is a thing over there, or a container of containers that has some in it."""
        if depth and isinstance(value, dict | list | tuple):
            inside = value.values() if isinstance(value, dict) else value
            return any(self.holds(item, depth - 1) for item in inside)
        return type(value) in (Proxy, ModuleProxy) and vars(value)["_link"] is self

    def end(self) -> None:
        """Let the process over there end; what is left of it here says so where it is used."""
        self.ended = True
        self.channel.close()
        self.recorder.end()

    def restore(self) -> None:
        """Take back all changes of arguments since the last time."""
        while self.undo:
            self.undo.pop()()

    def _change(self, old: Any, new: Any) -> None:
        if type(new) is not ModuleProxy:
            apply(old, new)
            if (number := self.twins.number(new)) is not None:
                self.twins.add(number, old)
                self.undo.append(lambda: self.twins.exchange(number, new))
        elif isinstance(old, nn.Module) and type(old) is not ModuleProxy:  # it lives over there from now on
            held = vars(new)
            old.__class__ = ModuleProxy
            vars(old).clear()
            vars(old).update(held)
            self.proxies[held["_remote"].number] = old
            self.undo.append(lambda: self.proxies.pop(held["_remote"].number, None))
        else:
            raise WireError(f"a {type(old).__name__} was changed into a module")

    def _with_gradients(self, call: int, marks: list[Any], outputs: dict[int, Tensor]) -> dict[int, Tensor]:
        """By `id`, the results of a call as part of the graph."""
        if not outputs:
            return {}
        inputs = {
            mark: value
            for mark, value in enumerate(marks)
            if isinstance(value, Tensor) and value.requires_grad
        }
        weights = {number: tensor for number, tensor in self.twins.tensors.items() if tensor.requires_grad}
        anchor = torch.zeros((), requires_grad=True)  # weights without a twin need a backward pass as well
        joined = RemoteCall.apply(  # type: ignore[no-untyped-call]
            Ticket(self, call, list(outputs), list(inputs), list(weights)),
            [tensor.detach() for tensor in outputs.values()],
            anchor,
            *inputs.values(),
            *weights.values(),
        )
        return {id(old): new for old, new in zip(outputs.values(), joined, strict=True)}

    def _called_back(
        self, message: dict[str, Any], buffers: list[bytearray]
    ) -> tuple[dict[str, Any], list[Any]]:
        encoder = Encoder(self.codec)
        try:
            args, kwargs = Decoder(self.codec, buffers).decode(message.get("value"))
            with torch.no_grad():  # what it computes is a number over there; a gradient would end here
                result = self._function(message["callback"])(*args, **kwargs)
            return {"returned": encoder.encode(result)}, encoder.buffers
        except Exception as error:
            return {"failed": f"{type(error).__name__}: {error}"[:1000]}, []

    def _keep(self, value: Any) -> Owned:
        if not callable(value):
            raise WireError(
                f"a {type(value).__name__} cannot be passed to an answer; pass numbers, tensors, "
                "containers of them, functions, modules or optimizers"
            )
        number = len(self.functions) + 1
        self.functions[number] = value
        return Owned(number, "function", getattr(value, "__name__", "function"))

    def _function(self, number: Any) -> Any:
        return self.functions[number]

    def _number(self, value: Any) -> int | None:
        if type(value) in (Proxy, ModuleProxy):
            if vars(value)["_link"] is not self:
                raise WireError(
                    "what an earlier test was given by the answer cannot be passed here; make it anew"
                )
            number: int = vars(value)["_remote"].number
            return number
        return self.twins.number(value)

    def _proxy(self, remote: Remote) -> Any:
        proxy = self.proxies.get(remote.number)
        if proxy is None:
            kind = ModuleProxy if remote.kind == "module" else Proxy
            proxy = self.proxies[remote.number] = kind(self, remote)
            self.seen.add(remote.number)
            if self.guard is not None and self.guard.words and remote.kind == "object":
                self.under[remote.number] = self.guard.words
        return proxy


def _numbers() -> contextlib.AbstractContextManager[Any]:
    """Where a test wants tensors without numbers, what crosses has them all the same."""
    meta = torch.get_default_device().type == "meta"
    return torch.device("cpu") if meta else contextlib.nullcontext()


def _copies(marks: list[Any], twins: Twins) -> list[Any]:
    """Copies of a call's arguments, which share what those share; what lives over there stays what it is."""
    memo: dict[Any, Any] = {SAME: True, **{id(tensor): tensor for tensor in twins.tensors.values()}}
    for value in marks:
        if isinstance(value, Tensor):
            new = value.detach().clone()
            if isinstance(value, nn.Parameter):
                new = nn.Parameter(new, requires_grad=False)
            memo[id(value)] = new.requires_grad_(value.requires_grad)
        elif isinstance(value, torch.Generator):
            memo[id(value)] = torch.Generator()
            memo[id(value)].set_state(value.get_state())
    for value in marks:
        if isinstance(value, Tensor) and value.is_leaf and value.grad is not None:
            memo[id(value)].grad = memo.get(id(value.grad))
    return [copy.deepcopy(value, memo) for value in marks]


def _replace(value: Any, table: dict[int, Any]) -> Any:
    """The same containers with other tensors in them."""
    if isinstance(value, Tensor):
        return table.get(id(value), value)
    if type(value) is list:
        value[:] = [_replace(item, table) for item in value]
    elif type(value) is dict:
        value.update({key: _replace(item, table) for key, item in value.items()})
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_replace(item, table) for item in value))
    elif type(value) is tuple:
        return tuple(_replace(item, table) for item in value)
    return value


def _clean(value: Any) -> Any:
    """Names of classes can be neither half characters nor zero bytes."""
    return value.replace("\0", "").encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _exception(described: Any, depth: int = 0) -> Exception:
    """The exception that stands here for one over there: of its name, and of the built-in kind that it is."""
    import builtins

    if not isinstance(described, dict):
        return WireError("an exception that is not understood")
    described = {key: _clean(value) for key, value in described.items()}
    base = getattr(builtins, str(described.get("base")), None)
    if not (isinstance(base, type) and issubclass(base, Exception)):
        base = Exception
    name, message = str(described.get("name"))[:200], str(described.get("message"))[:5000]
    kind: type[Exception] = base if name == base.__name__ else type(name, (base,), {})
    arguments = described.get("arguments")
    if not isinstance(arguments, list) or any(isinstance(item, list | dict) for item in arguments):
        arguments = [message]
    try:
        error = kind(*arguments)
    except Exception:  # some built-in exceptions want other arguments
        error = type(name, (Exception,), {})(message)
    error.said_by_answer = True  # type: ignore[attr-defined]  # what it says is no word of the course
    if described.get("cause") is not None and depth < 10:
        error.__cause__ = _exception(described["cause"], depth + 1)
    return error
