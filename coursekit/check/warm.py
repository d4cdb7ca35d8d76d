"""What takes public checks longest to expect, computed on import: for a process that forks many that check.

Nothing here is a secret; a process of its own computes the same when it is first asked.
"""

import torch

from coursekit.check.topics.resnet_models import RESNET

__all__: list[str] = []


def _compute() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that a computation leaves behind are in no fork
    try:
        for case in RESNET.cases:
            if case.expected is not None:
                case.expected(*case.args())
    finally:
        torch.set_num_threads(threads)


_compute()
