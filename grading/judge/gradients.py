"""Gradients through a call of the answer: one node of autograd's graph that asks over there."""

from typing import Any

import torch
from torch import Tensor

from grading.judge.asking import Asking
from grading.wire.channel import WireError

__all__ = ["RemoteCall", "Ticket"]


class Ticket:
    """What is known of a call whose gradients may be asked for; over there it can be forgotten after this."""

    def __init__(
        self, link: Asking, call: int, outputs: list[int], inputs: list[int], weights: list[int]
    ) -> None:
        self.link, self.call = link, call
        self.outputs, self.inputs, self.weights = outputs, inputs, weights

    def __del__(self) -> None:
        self.link.forgotten.append(self.call)


class RemoteCall(torch.autograd.Function):
    """The results of a call, tied to its arguments by what the other process knows of their gradients."""

    @staticmethod
    def forward(ctx: Any, ticket: Ticket, outputs: list[Tensor], *_: Tensor) -> Any:  # noqa: D102
        ctx.ticket = ticket
        ctx.set_materialize_grads(False)
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # noqa: D102
        if torch.is_grad_enabled():
            raise RuntimeError(
                "second derivatives do not pass through an answer: leave create_graph=True out"
            )
        ticket: Ticket = ctx.ticket
        given = [
            [mark, grad] for mark, grad in zip(ticket.outputs, gradients, strict=True) if grad is not None
        ]
        found = ticket.link.value(
            "backward", given, call=ticket.call, wanted=ticket.inputs, weights=ticket.weights
        )
        if not isinstance(found, list) or len(found) != len(ticket.inputs) + len(ticket.weights):
            raise WireError("gradients that are not understood")
        return (None, None, None, *found)
