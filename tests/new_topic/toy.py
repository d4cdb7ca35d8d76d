"""A topic as an author adds it: an exercise, two misconceptions, one alternative, a lecture of five cells."""

ASSIGNMENT = '''\
# /// course
# topic = "77_sums"
# title = "Running sums"
# minutes = 15
# objectives = ["add up as you go"]
#
# [promises]
# points = 2
# misconceptions = 2
# alternatives = 1
#
# [exercises.running_sum]
# points = 2
# minutes = 15
# forbidden = []
# ///

# %% [markdown]
# # 77 · Running sums

# %% setup=true
from coursekit import check, hint

# %% answer="running_sum"
def running_sum(numbers):
    """The sums of the first number, of the first two, and so on; as many as there are numbers."""
    ### BEGIN SOLUTION
    sums, total = [], 0
    for number in numbers:
        total += number
        sums.append(total)
    return sums
    ### END SOLUTION

# %% check="running_sum"
check("running_sum", running_sum);

# %% helper="running_sum"
from itertools import accumulate


def right_sums(numbers):
    return list(accumulate(numbers))

# %% test="running_sum" part="one" points=1
# One number.
### BEGIN HIDDEN TESTS
assert list(running_sum([7])) == right_sums([7])
### END HIDDEN TESTS

# %% test="running_sum" part="several" points=1
# Several numbers, some of them negative.
### BEGIN HIDDEN TESTS
for numbers in ([1, 2, 3, 4], [5, -5, 5]):
    assert list(running_sum(numbers)) == right_sums(numbers), numbers
### END HIDDEN TESTS
'''

LECTURE = """\
# %% [markdown] slide="slide"
# # Running sums

# %% setup=true slide="skip"
from itertools import accumulate

# %% parameters=true slide="skip"
budget = "ci"

# %% slide="fragment" facts="77-sum-of-four" keep=true
print("the first four numbers add up to", list(accumulate([1, 2, 3, 4]))[-1])

# %% [markdown] slide="slide" facts="77-order"
# # What to read next
# Whoever adds from the left needs no memory of what came before.
"""

MISCONCEPTIONS = '''\
"""Wrong answers to the exercise of this topic, and right ones in another style."""

# %% misconception="running_sum" name="repeats-numbers"
# You give the numbers back as they are.
def running_sum(numbers):
    return list(numbers)

# %% misconception="running_sum" name="total-only"
# You add up everything and give the total each time.
def running_sum(numbers):
    return [sum(numbers) for _ in numbers]

# %% alternative="running_sum" name="slices"
# The sum of each beginning.
def running_sum(numbers):
    return [sum(numbers[:end]) for end in range(1, len(numbers) + 1)]
'''

CHECKS = '''\
"""Public checks of topic 77."""

from coursekit.check.cases import Case, Exercise

from .known import SUMS

__all__ = ["EXERCISES"]

EXERCISES = (
    Exercise(
        id="running_sum",
        functions=("running_sum",),
        cases=tuple(
            Case(f"{len(n)} numbers", args=lambda n=n: (list(n),), expected=lambda n: SUMS[tuple(n)])
            for n in SUMS
        ),
        hints=("Keep a total.", "Add to it, then note it.", "Note it once for each number."),
    ),
)
'''

KNOWN = '''\
"""Sums that were added up by hand."""

SUMS = {(1, 2): [1, 3], (2, 3, 4): [2, 5, 9], (4, 3, 2, 1): [4, 7, 9, 10]}
'''

FACTS = """\
[77-sum-of-four]
kind = "number"
says = "The sum of the first four numbers."
given = 10
stated = "addition"
source = "slides 077, line 1"

[claims.77-order]
kind = "claim"
says = "Adding from the left needs no memory of what came before."
source = "slides 077, line 2"
"""

TOPIC = "77_sums"
FILES = {
    f"solutions/{TOPIC}/assignment.py": ASSIGNMENT,
    f"solutions/{TOPIC}/lecture.py": LECTURE,
    f"solutions/{TOPIC}/misconceptions.py": MISCONCEPTIONS,
    f"coursekit/check/topics/{TOPIC}/__init__.py": CHECKS,
    f"coursekit/check/topics/{TOPIC}/known.py": KNOWN,
    "coursekit/facts/data/77.toml": FACTS,
}
PLACES = (f"solutions/{TOPIC}/", f"coursekit/check/topics/{TOPIC}/", "coursekit/facts/data/77.toml")
ANSWERS = {
    "solved": "def running_sum(numbers):\n    return [sum(numbers[: n + 1]) for n in range(len(numbers))]",
    "wrong": "def running_sum(numbers):\n    return list(numbers)",
    "curious": "def running_sum(numbers):\n    return right_sums(numbers)",
}
