"""A start that knows little of a query: a search mends it, and no pair is read."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_align.adapt import AdaptConfig, check_adapt, matched
from clip_align.matching import LinearRounds, RoundConfig
from clip_align.pairs import standardised
from clip_align.search import SearchConfig, searched, swaps
from representations.errors import InputError
from tests.test_matching import accuracy

QUICK = SearchConfig(regression=RoundConfig(), groups=5)


def grouped(n: int = 300, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Five groups of cells, and a start that gives two of them each other's profiles."""
    rng = np.random.default_rng(seed)
    group_n = rng.choice(5, size=n, p=[0.3, 0.25, 0.2, 0.15, 0.1])
    state_nk = 4.0 * rng.normal(size=(5, 6))[group_n] + rng.exponential(size=(n, 6))
    features_nd = state_nk @ rng.normal(size=(6, 12)) + 0.3 * rng.normal(size=(n, 12))
    profile_nv = state_nk @ rng.normal(size=(6, 9)) + 0.3 * rng.normal(size=(n, 9))
    scaled_nv = standardised(profile_nv)
    mean_gv = np.stack([scaled_nv[group_n == group].mean(axis=0) for group in range(5)])
    start_nv = mean_gv[np.array([1, 0, 2, 3, 4])][group_n] + 0.3 * rng.normal(size=(n, 9))
    return start_nv, scaled_nv, features_nd, profile_nv


def rounds_over(sides: tuple[np.ndarray, ...]) -> LinearRounds:
    return LinearRounds.over(*sides[2:], QUICK.regression)


def found_from(sides: tuple[np.ndarray, ...], config: SearchConfig, seed: int = 0) -> np.ndarray:
    return searched(sides[0], rounds_over(sides), config, seed=seed, progress=False)


def rounds_alone(sides: tuple[np.ndarray, ...]) -> np.ndarray:
    rounds = rounds_over(sides)
    return reduce(rounds.after, QUICK.epsilons, (sides[0], rounds.profile_mv))[0]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_search_mends_a_swap_that_rounds_alone_keep(seed):
    sides = grouped(seed=seed)
    assert accuracy(rounds_alone(sides), sides[1]) < 0.8
    assert accuracy(found_from(sides, QUICK), sides[1]) > 0.9


def test_where_no_swap_explains_more_the_rounds_themselves_are_the_answer():
    sides = grouped()
    rounds = rounds_over(sides)
    expected = rounds.regression(rounds_alone(sides)).predict(rounds.features_nd)
    np.testing.assert_allclose(found_from(sides, replace(QUICK, gain=1e3)), expected, atol=1e-5)


def test_what_a_search_finds_explains_no_less():
    for seed in range(3):
        sides = grouped(seed=seed)
        config = replace(QUICK, passes=1)
        more = [found_from(sides, x).var() for x in (replace(config, gain=1e3), config, QUICK)]
        assert more[0] <= more[1] * 1.001
        assert more[1] <= more[2] * 1.001


@given(st.integers(2, 12), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_swap_changes_two_groups_and_a_second_one_takes_it_back(n, n_groups, seed):
    rng = np.random.default_rng(seed)
    fitted_nv, group_n = rng.normal(size=(n, 3)), rng.integers(0, n_groups, size=n)
    made = list(swaps(fitted_nv, group_n))
    present = np.unique(group_n)
    assert len(made) == len(present) * (len(present) - 1) // 2
    for (one, other), swapped_nv in zip(combinations(present, 2), made, strict=True):
        rest_n = ~np.isin(group_n, [one, other])
        np.testing.assert_array_equal(swapped_nv[rest_n], fitted_nv[rest_n])
        np.testing.assert_allclose(
            swapped_nv[group_n == one].mean(axis=0), fitted_nv[group_n == other].mean(axis=0)
        )
        both = np.where(group_n == one, 0, np.where(group_n == other, 1, 2))
        kept = ~rest_n
        [back_nv] = swaps(swapped_nv[kept], both[kept])
        np.testing.assert_allclose(back_nv, fitted_nv[kept])


def test_who_is_whose_is_not_read():
    """Profiles dealt anew: the same answer."""
    sides = grouped()
    dealt = np.random.default_rng(5).permutation(len(sides[1]))
    torn = sides[0], sides[1][dealt], sides[2], sides[3][dealt]
    np.testing.assert_allclose(found_from(torn, QUICK), found_from(sides, QUICK), atol=0.02)


def test_a_seed_gives_one_answer():
    sides = grouped()
    few = replace(QUICK, cells=100)
    first, again, other = (found_from(sides, few, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_of_many_cells_some_are_read_and_all_are_answered():
    sides = grouped(seed=2)
    read = []

    class Spied(LinearRounds):
        def of(self, cells, profiles):
            read.extend([cells, profiles])
            return super().of(cells, profiles)

    rounds = Spied.over(*sides[2:], QUICK.regression)
    found = searched(sides[0], rounds, replace(QUICK, cells=200), seed=0, progress=False)
    assert [len(x) for x in read] == [200, 200]
    assert not np.array_equal(*read)
    assert found.shape == sides[1].shape
    assert accuracy(found, sides[1]) > 0.9


def test_a_good_start_is_not_searched_from_and_a_weak_one_is(monkeypatch):
    sides = grouped()
    asked = []

    def spied(start_nv, *_, **__):
        asked.append(start_nv)
        return start_nv

    monkeypatch.setattr("clip_align.adapt.searched", spied)
    plain, never, always = (
        matched(*sides, AdaptConfig(search=search, weak=weak), progress=False)[0]
        for search, weak in ((None, 0.0), (QUICK, 1.0), (QUICK, 0.0))
    )
    np.testing.assert_array_equal(plain, never)
    assert len(asked) == 1
    assert not np.array_equal(plain, always)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"groups": 1}, "search.groups"),
        ({"passes": 0}, "search.passes"),
        ({"gain": -0.1}, "search.gain"),
        ({"cells": 1}, "search.cells"),
        ({"epsilons": (0.2, 0.0)}, "search.epsilons"),
        ({"regression": RoundConfig(penalty=-1.0)}, "search.regression.penalty"),
        ({"regression": RoundConfig(limit=0.0)}, "search.regression.limit"),
    ],
)
def test_what_cannot_search_is_refused(changes, said):
    with pytest.raises(InputError, match=said):
        check_adapt(AdaptConfig(search=SearchConfig(**changes)))
