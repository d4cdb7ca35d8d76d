"""What a network costs, counted while it runs on tensors without memory.

    from coursekit.flops import compare, model_card, profile

    p = profile("alexnet", (3, 227, 227))     # a name from the zoo, or any nn.Module
    p.params, p.macs                          # 61,100,840 and 716,767,232
    p.flops("2mac"), p.flops("lecture")       # the other conventions
    p                                         # the lecture's table, row by row
    p.plot()                                  # memory, parameters and operations of the layers
    p.receptive_fields()                      # measured, for the rows that have one
    p.uncounted                               # operations that no formula is known for: nothing is left out

    model_card("resnet50")                    # its paper, the lecture's figures, ours
    compare(["alexnet", "vgg16", "resnet50"]).plot()

One number says what an operation is worth, and the lectures use two of them for the same layer; see
`Profile.flops`. Operations are not time: for that there is `coursekit.probe.latency`.
"""

from coursekit.flops.card import ModelCard, model_card
from coursekit.flops.comparison import Comparison, compare
from coursekit.flops.profile import CONVENTIONS, Profile, profile
from coursekit.flops.rows import Field, Row, Uncounted

__all__ = [
    "CONVENTIONS",
    "Comparison",
    "Field",
    "ModelCard",
    "Profile",
    "Row",
    "Uncounted",
    "compare",
    "model_card",
    "profile",
]
