"""Public checks of topic 04."""

from coursekit.check.cases import Exercise

from .blocks import BASIC_BLOCK, BOTTLENECK, INCEPTION, MAKE_STAGE
from .networks import RESNET, warm_up
from .surgery import GRADIENT_NORMS, PLAIN_TWIN, ZERO_INIT_RESIDUAL

__all__ = ["EXERCISES", "warm_up"]

EXERCISES: tuple[Exercise, ...] = (
    INCEPTION,
    BASIC_BLOCK,
    BOTTLENECK,
    MAKE_STAGE,
    RESNET,
    PLAIN_TWIN,
    ZERO_INIT_RESIDUAL,
    GRADIENT_NORMS,
)
