"""A start that knows little of a query: a search mends it, and no pair is read."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import numpy as np
import pytest

from clip_align.adapt import AdaptConfig, check_adapt, matched
from clip_align.matching import LinearRounds, RoundConfig
from clip_align.pairs import standardised
from clip_align.search import SearchConfig, searched
from representations.errors import InputError
from tests.test_matching import accuracy

QUICK = SearchConfig(regression=RoundConfig(), tries=16, kept=3, children=2, generations=1)
ALONE = replace(QUICK, tries=1, kept=1, generations=0)


def skewed(n: int = 300, seed: int = 2) -> tuple[np.ndarray, ...]:
    """States that no turn maps onto themselves, and a start that has them turned."""
    rng = np.random.default_rng(seed)
    state_nk = rng.exponential(size=(n, 4)) * np.array([1.0, 0.8, 0.6, 0.5])
    features_nd = state_nk @ rng.normal(size=(4, 12)) + 0.1 * rng.normal(size=(n, 12))
    profile_nv = state_nk @ rng.normal(size=(4, 9)) + 0.1 * rng.normal(size=(n, 9))
    scaled_nv = standardised(profile_nv)
    wrong_vv = np.eye(9) + rng.normal(size=(9, 9))
    start_nv = scaled_nv @ wrong_vv + 0.5 * rng.normal(size=(n, 9))
    return start_nv, scaled_nv, features_nd, profile_nv


def rounds_over(sides: tuple[np.ndarray, ...]) -> LinearRounds:
    return LinearRounds.over(*sides[2:], QUICK.regression)


def found_from(sides: tuple[np.ndarray, ...], config: SearchConfig, seed: int = 0) -> np.ndarray:
    return searched(sides[0], rounds_over(sides), config, seed=seed, progress=False)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_search_finds_what_rounds_alone_do_not(seed):
    sides = skewed(seed=seed)
    alone, best = (found_from(sides, config) for config in (ALONE, QUICK))
    assert accuracy(sides[0], sides[1]) < 0.85
    assert accuracy(alone, sides[1]) < 0.85
    assert accuracy(best, sides[1]) > 0.9


def test_one_try_is_the_rounds_themselves():
    sides = skewed()
    rounds = rounds_over(sides)
    by_hand, _ = reduce(rounds.after, ALONE.epsilons, (sides[0], rounds.profile_mv))
    expected = rounds.regression(by_hand / by_hand.std()).predict(rounds.features_nd)
    np.testing.assert_allclose(found_from(sides, ALONE), expected, atol=1e-5)


def test_who_is_whose_is_not_read():
    """Profiles dealt anew: the same answer."""
    sides = skewed()
    dealt = np.random.default_rng(5).permutation(len(sides[1]))
    torn = sides[0], sides[1][dealt], sides[2], sides[3][dealt]
    np.testing.assert_allclose(found_from(torn, QUICK), found_from(sides, QUICK), atol=0.02)


def test_a_seed_gives_one_answer():
    sides = skewed()
    first, again, other = (found_from(sides, QUICK, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_of_many_cells_some_are_read_and_all_are_answered():
    sides = skewed()
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
    assert accuracy(found, sides[1]) > 0.85


def test_a_good_start_is_not_searched_from_and_a_weak_one_is(monkeypatch):
    sides = skewed()
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
        ({"tries": 0}, "search.tries"),
        ({"kept": 0}, "search.kept"),
        ({"children": 0}, "search.children"),
        ({"generations": -1}, "search.generations"),
        ({"noise": -0.1}, "search.noise"),
        ({"cells": 1}, "search.cells"),
        ({"epsilons": (0.2, 0.0)}, "search.epsilons"),
        ({"regression": RoundConfig(penalty=-1.0)}, "search.regression.penalty"),
        ({"regression": RoundConfig(limit=0.0)}, "search.regression.limit"),
    ],
)
def test_what_cannot_search_is_refused(changes, said):
    with pytest.raises(InputError, match=said):
        check_adapt(AdaptConfig(search=SearchConfig(**changes)))
