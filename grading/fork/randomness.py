"""Random numbers that nobody seeds are the same in every run: a score does not depend on luck."""

from typing import Any

__all__ = ["random_state", "same_random_state", "seed_all", "set_random_state"]


def seed_all() -> None:
    """Seed Python's, NumPy's and torch's random numbers with 0."""
    import random

    import numpy as np
    import torch

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def random_state() -> dict[str, Any]:
    """Where the three sequences of random numbers stand."""
    import random

    import numpy as np
    import torch

    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}


def same_random_state(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether the same numbers would follow."""
    import numpy as np
    import torch

    same = one["python"] == other["python"] and torch.equal(one["torch"], other["torch"])
    return same and all(np.array_equal(a, b) for a, b in zip(one["numpy"], other["numpy"], strict=True))


def set_random_state(state: dict[str, Any]) -> None:
    """Go on with the numbers that followed then."""
    import random

    import numpy as np
    import torch

    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
