"""Every attack, by theme."""

from tests.attacks.corpus import ban, guard, machine, notebook, protocol, spying, tensors, values, verdicts

ATTACKS = [
    attack
    for theme in (values, verdicts, spying, machine, protocol, notebook, tensors, guard, ban)
    for attack in theme.ATTACKS
]
