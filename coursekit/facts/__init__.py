"""The numbers that the lectures state, and what counting again gives.

A fact is a line of one of the five slide documents: a number, a cell of a table, a formula, an architecture,
a recipe. It is kept as data in `data/NN.toml`, one file a topic. The functions in `recomputations/` build the
networks, run the layers and measure; `judge` compares what they return with what the slides say. Beside the
facts stand claims, questions and sources, which no number settles: a lecture shows them.

    from coursekit.facts import facts, recompute

    for fact in facts("02"):
        print(fact.id, fact.says, fact.given)
    for result in recompute("02"):
        print(result.verdict, result.fact.id, result.value)

On the command line: `coursekit facts --topic 02`.
"""

from coursekit.errors import FactError

from .claim import Claim, claims
from .fact import Fact, facts
from .report import counts, to_json, to_markdown, to_text
from .run import Result, recompute
from .verdict import Verdict, judge

__all__ = [
    "Claim",
    "Fact",
    "FactError",
    "Result",
    "Verdict",
    "claims",
    "counts",
    "facts",
    "judge",
    "recompute",
    "to_json",
    "to_markdown",
    "to_text",
]
