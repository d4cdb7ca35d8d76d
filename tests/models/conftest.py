"""On which networks a test of the zoo runs: the smallest of each family, or on request all."""

import pytest

from tests.models.zoo import Family, families, on_meta, parameters


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test marked `networks(names)` its `name`: each of them with --exhaustive, else one a family.

    Networks of more parameters than `at_most` are left out, unless they are the smallest of their family;
    those that the test calls `slow` are tried with --exhaustive only.
    """
    mark = metafunc.definition.get_closest_marker("networks")
    if mark is None:
        return
    (names,), at_most = mark.args, mark.kwargs.get("at_most", float("inf"))
    slow = set() if metafunc.config.getoption("exhaustive") else set(mark.kwargs.get("slow", ()))
    chosen = families(name for name in names if name not in slow)
    if not metafunc.config.getoption("exhaustive"):
        metafunc.parametrize("name", chosen, ids=[family.name for family in chosen], indirect=True)
    elif at_most == float("inf"):
        metafunc.parametrize("name", names)
    else:
        always = {family.smallest for family in chosen}
        metafunc.parametrize("name", [n for n in names if n in always or parameters(on_meta(n)) < at_most])


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Found only here, since it takes building the whole family."""
    family: Family = request.param
    return family.smallest
