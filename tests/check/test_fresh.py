"""Fixed cases are the same in every grading, fresh ones are not, and both follow from the seed alone."""

import torch

from coursekit.check import fixed_and_fresh, fresh_generator


def cases(number=7, count=3):
    """The cases of a test, each with a number drawn from its generator."""
    found = fixed_and_fresh(number, [1, 2], lambda whole: whole(10, 10_000), count=count)
    return [(case, torch.rand((), generator=generator).item()) for generator, case in found]


def test_fixed_cases_come_first_and_are_the_same_under_every_seed(monkeypatch):
    monkeypatch.setenv("GRADING_SEED", "1")
    first = cases()
    monkeypatch.setenv("GRADING_SEED", "2")
    assert cases()[:2] == first[:2]
    assert [case for case, _ in first[:2]] == [1, 2]


def test_fresh_ones_follow_from_the_seed(monkeypatch):
    monkeypatch.setenv("GRADING_SEED", "4294967295")
    first = cases()
    assert len(first) == 5
    assert cases() == first
    monkeypatch.setenv("GRADING_SEED", "4294967294")
    assert not set(cases()[2:]) & set(first[2:])


def test_without_a_seed_it_is_zero(monkeypatch):
    monkeypatch.delenv("GRADING_SEED", raising=False)
    unset = cases()
    monkeypatch.setenv("GRADING_SEED", "0")
    assert cases() == unset


def test_two_tests_draw_different_numbers_and_a_whole_one_has_both_its_bounds():
    assert torch.rand((), generator=fresh_generator(1)) != torch.rand((), generator=fresh_generator(2))
    drawn = {case for _, case in fixed_and_fresh(1, [], lambda whole: whole(3, 5), count=60)}
    assert drawn == {3, 4, 5}
