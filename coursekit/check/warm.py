"""What takes public checks longest to expect, computed on import: for a process that forks many that check.

A topic whose oracles are slow has a function ``warm_up`` beside its ``EXERCISES``. Nothing that it computes
is a secret; a process of its own computes the same when it is first asked.
"""

import torch

from coursekit.check import topics

__all__: list[str] = []


def _warm_up() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that a computation leaves behind are in no fork
    try:
        for name in topics.MODULES:
            warm_up = getattr(topics.load(name), "warm_up", None)
            if warm_up is not None:
                warm_up()
    finally:
        torch.set_num_threads(threads)


_warm_up()
