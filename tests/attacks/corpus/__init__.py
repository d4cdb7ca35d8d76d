"""Every attack, by theme."""

from tests.attacks.corpus import guard, machine, notebook, protocol, spying, tensors, values, verdicts

ATTACKS = [
    attack
    for theme in (values, verdicts, spying, machine, protocol, notebook, tensors, guard)
    for attack in theme.ATTACKS
]
