"""Around the ban on library calls: an exercise that one forbidden call solves, and ways to spell it."""

from tests.attacks.corpus.ban import below, captured, elsewhere, recorder, strings, threads

__all__ = ["ATTACKS", "PREVENTED"]

ATTACKS = [
    attack for kind in (below, strings, threads, elsewhere, captured, recorder) for attack in kind.ATTACKS
]

PREVENTED = frozenset(
    f"ban-{name}"
    for name in (
        "forked-in-the-call", "process-at-a-file", "process-before", "scipys-files", "scipys-filters",
        "scipys-inner-module", "spawned-process", "wakes-who-was-stopped",
    )
)  # fmt: skip
"""Ways that are not there; all others are recorded."""
