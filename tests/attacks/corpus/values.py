"""Answers that are no answers: values that lie when they are compared."""

from tests.attacks.corpus.attack import Attack

YES = """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __contains__ = __lt__
    def __bool__(self): return True
    def __len__(self): return 5
    def __iter__(self): return iter([self] * 5)
    def __getitem__(self, i): return self
    def __getattr__(self, name): return self
    def __call__(self, *args, **kwargs): return self
    def __add__(self, other): return 7.0
    __mul__ = __rmul__ = __radd__ = __sub__ = __rsub__ = __float__ = __abs__ = lambda self, *a: 7.0
    def __hash__(self): return 1
"""

ATTACKS = [
    Attack(
        "equals-everything",
        "returns an object that is equal to everything",
        "every test that compares with ==",
        first=YES,
        answers={
            "total": """
                def total(numbers):
                    return Yes()
            """,
            "primes": """
                def primes(n):
                    return Yes()
            """,
            "square": """
                def square(x):
                    return Yes()
            """,
            "account": """
                class Account(Yes):
                    def __init__(self, balance): self.balance = Yes()
            """,
        },
    ),
    Attack(
        "float-subclass",
        "returns a float that is equal to everything, and so is what is computed with it",
        "full and partial points of numeric tests",
        answers={
            "total": """
                class Number(float):
                    def __eq__(self, other): return True
                    def __ne__(self, other): return False
                    __rsub__ = __sub__ = __abs__ = lambda self, *a: Number(0)
                def total(numbers):
                    return Number(0)
            """,
            "mean": """
                def mean(numbers):
                    return Number(0)
            """,
            "square": """
                def square(x):
                    return Number(0)
            """,
        },
    ),
    Attack(
        "int-and-str-subclasses",
        "returns an int and a str with comparisons of their own",
        "tests that look at the type and compare",
        answers={
            "total": """
                class Whole(int):
                    def __eq__(self, other): return True
                    def __index__(self): return 6
                def total(numbers):
                    return Whole(0)
            """,
            "mean": """
                class Text(str):
                    def __eq__(self, other): return True
                    def __hash__(self): return 0
                def mean(numbers):
                    return Text('')
            """,
        },
    ),
    Attack(
        "container-subclasses",
        "returns a list and a dict that are equal to every other",
        "tests that compare containers",
        answers={
            "primes": """
                class Numbers(list):
                    def __eq__(self, other): return True
                    def __iter__(self): return iter([2, 3, 5, 7, 11][:0])
                def primes(n):
                    return Numbers()
            """,
            "scaled": """
                class Everything(list):
                    def __eq__(self, other): return True
                def scaled(numbers):
                    return Everything()
            """,
        },
    ),
    Attack(
        "lies-about-its-class",
        "returns objects whose __class__ says int, float and list",
        "isinstance, and what is done for plain values only",
        first=YES,
        answers={
            "total": """
                class Liar(Yes):
                    __class__ = int
                def total(numbers):
                    return Liar()
            """,
            "mean": """
                class Floating(Yes):
                    __class__ = property(lambda self: float)
                def mean(numbers):
                    return Floating()
            """,
            "primes": """
                class Listed(Yes):
                    __class__ = list
                def primes(n):
                    return Listed()
            """,
        },
    ),
    Attack(
        "reflected-arithmetic",
        "returns something whose comparison gives an object that multiplies to full points",
        "the points of a test that adds up what it found",
        answers={
            "mean": """
                class Points:
                    def __rmul__(self, other): return 1.5
                    def __mul__(self, other): return 1.5
                class Mean:
                    def __eq__(self, other): return Points()
                def mean(numbers):
                    return Mean()
            """,
        },
    ),
    Attack(
        "points-that-are-no-number",
        "returns an array, so that the test ends in an array instead of a number of points",
        "full points, where only a number counts as partial",
        answers={
            "mean": """
            def mean(numbers):
                return np.zeros(3)
        """
        },
    ),
    Attack(
        "points-not-a-number",
        "returns NaN and infinity",
        "points beyond the most, or a comparison that is never false",
        answers={
            "total": """
                def total(numbers):
                    return float('nan')
            """,
            "mean": """
                def mean(numbers):
                    return complex('nan')
            """,
            "root": """
                def root(x):
                    return float('inf')
            """,
            "smooth": """
                def smooth(values):
                    return np.full(2, np.nan)
            """,
        },
    ),
    Attack(
        "vast-values",
        "returns integers, texts and nestings too large to print or compare",
        "a grader that gives up and counts the cell as run",
        answers={
            "total": """
                def total(numbers):
                    return 10**200_000
            """,
            "mean": """
                def mean(numbers):
                    return 'x' * 300_000_000
            """,
            "primes": """
                def primes(n):
                    deep = []
                    for _ in range(100_000):
                        deep = [deep]
                    return deep
            """,
            "scaled": """
                def scaled(numbers):
                    numbers.append(numbers)
                    return numbers
            """,
            "square": """
                def square(x):
                    return -(10**1000)
            """,
        },
    ),
    Attack(
        "endless-values",
        "returns iterators without an end",
        "a grader that runs out of time or memory and ungrades others",
        answers={
            "primes": """
                import itertools
                def primes(n):
                    return itertools.count()
            """,
        },
    ),
    Attack(
        "pickled-payload",
        "returns objects whose unpickling or copying runs code",
        "code run by the grader itself",
        answers={
            "total": """
                import os
                class Bomb:
                    def __reduce__(self): return (os._exit, (0,))
                    __reduce_ex__ = lambda self, version: (os._exit, (0,))
                    def __deepcopy__(self, memo): os._exit(0)
                    def __eq__(self, other): return False
                def total(numbers):
                    return Bomb()
            """,
            "mean": """
                def mean(numbers):
                    return np.array([Bomb()], dtype=object)
            """,
        },
    ),
    Attack(
        "stops-the-iteration",
        "raises StopIteration where a test maps the answer over its cases",
        "`all(map(...))` ends before the first case and is true",
        answers={
            "square": """
            def square(x):
                raise StopIteration
        """
        },
    ),
    Attack(
        "always-the-expected-error",
        "raises ValueError whatever it is asked",
        "the test of the error, and it deserves that one",
        answers={
            "root": """
            def root(x):
                raise ValueError
        """
        },
        deserved=1.0,
    ),
    Attack(
        "other-exceptions",
        "raises exceptions that no `except Exception` catches, or that lie about what they are",
        "a test that ends without an error",
        answers={
            "total": """
                class Silent(BaseException):
                    def __str__(self): raise SystemExit(0)
                    __repr__ = __str__
                def total(numbers):
                    raise Silent
            """,
            "mean": """
                def mean(numbers):
                    raise KeyboardInterrupt
            """,
            "root": """
                class Nearly(Exception):
                    __class__ = ValueError
                def root(x):
                    raise Nearly
            """,
            "primes": """
                def primes(n):
                    raise GeneratorExit
            """,
            "square": """
                class Odd(Exception):
                    def __str__(self): return 7
                Odd.__name__ = 'AssertionError'
                def square(x):
                    raise Odd
            """,
            "scaled": """
                def scaled(numbers):
                    raise SystemExit(0)
            """,
            "twice": """
                def twice(function, x):
                    raise AssertionError
            """,
        },
    ),
    Attack(
        "poisoned-exception-in-a-cell",
        "a cell of its own ends in an exception whose text raises another",
        "a grader that fails itself, so that the hand-in is never scored",
        first="""
            class Poison(Exception):
                def __str__(self): raise SystemExit(0)
                __repr__ = __str__
            raise Poison
        """,
        answers={
            "total": """
            class Worse(Exception):
                def __str__(self): raise Worse
            raise Worse
        """
        },
    ),
    Attack(
        "empties-its-argument",
        "clears the list that the test computes the right answer from",
        "nothing equals nothing",
        answers={
            "scaled": """
            def scaled(numbers):
                numbers.clear()
                return []
        """
        },
    ),
    Attack(
        "returns-its-argument",
        "doubles the list in place after the test has noted it, and gives the same list back",
        "a value compared with itself",
        answers={
            "scaled": """
                def scaled(numbers):
                    numbers[:] = [0, 0, 0]
                    return numbers
            """,
            "smooth": """
                def smooth(values):
                    return values
            """,
        },
    ),
    Attack(
        "calls-instead-of-answering",
        "calls the test's function with objects of its own, and lets it compare them",
        "a spy that notes what the test expects",
        first=YES,
        answers={
            "twice": """
                class Right(int):
                    def __eq__(self, other): return True
                def twice(function, x):
                    function(Right(3)), function(Right(10))
                    function(Yes()) if False else None
                    return Right(0)
            """,
        },
    ),
]
