"""Whether one classifier is better than another: paired, by cell or donor, not sure of too few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from clip_align.scimilarity.gain import SWAPS, Gain, macro_f1_gain

N_TYPES = 5


def answers(true_n: np.ndarray, right: float, seed: int) -> np.ndarray:
    """Right in about this share of the cells, else at random."""
    rng = np.random.default_rng(seed)
    return np.where(
        rng.random(len(true_n)) < right, true_n, rng.integers(N_TYPES, size=len(true_n))
    )


def types(n: int = 300) -> np.ndarray:
    return np.arange(n) % N_TYPES


def gain(true_n: np.ndarray, found_n: np.ndarray, other_n: np.ndarray, **options: object) -> Gain:
    names = [f"c{i}" for i in range(len(true_n))]
    return macro_f1_gain(true_n, found_n, other_n, N_TYPES, **{"names": names, **options})


def test_a_gain_is_the_difference_with_an_interval_around_it() -> None:
    true_n = types()
    good_n, bad_n = answers(true_n, 0.8, 0), answers(true_n, 0.4, 1)
    found = gain(true_n, good_n, bad_n)
    one, other = (f1_score(true_n, said_n, average="macro") for said_n in (good_n, bad_n))
    assert found.value == pytest.approx(one - other, abs=1e-12)
    assert 0 < found.low < found.value < found.high
    assert found.p == 1 / (1 + SWAPS)
    right_n = good_n == true_n
    assert found.better - found.worse == right_n.sum() - (bad_n == true_n).sum()


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), right=st.floats(0.1, 0.9))
def test_to_change_sides_changes_the_sign_alone(seed: int, right: float) -> None:
    true_n = types(60)
    one_n, other_n = answers(true_n, right, seed), answers(true_n, 0.5, seed + 1)
    there, back = gain(true_n, one_n, other_n), gain(true_n, other_n, one_n)
    assert (there.value, there.low, there.high) == pytest.approx(
        (-back.value, -back.high, -back.low), abs=1e-12
    )
    assert there.p == back.p
    assert (there.better, there.worse) == (back.worse, back.better)


def test_what_answers_alike_gains_nothing() -> None:
    true_n = types()
    found = gain(true_n, answers(true_n, 0.8, 0), answers(true_n, 0.8, 0))
    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert "of too few cells to tell" in str(found)


def test_a_single_cell_is_never_sure() -> None:
    true_n = types(60)
    other_n = true_n.copy()
    other_n[7] = (other_n[7] + 1) % N_TYPES
    found = gain(true_n, true_n, other_n)
    assert found.low > 0  # the bootstrap alone would be
    assert found.p == 1.0
    assert str(found) == (
        f"{found.value:+.3f}, of too few cells to tell: right where it is wrong in 1 cells, wrong "
        "where it is right in 0"
    )


def test_equals_are_told_apart_as_rarely_as_said() -> None:
    """Two classifiers as good as each other: p is below 0.05 in about one of twenty draws."""
    p = []
    for seed in range(0, 400, 2):
        true_n = types(100)
        p.append(gain(true_n, answers(true_n, 0.9, seed), answers(true_n, 0.9, seed + 1)).p)
    assert np.mean(np.array(p) <= 0.05) < 0.09  # 10 expected of 200, 18 is beyond 2.5 deviations


def test_cells_of_a_donor_stay_together() -> None:
    true_n = types()
    donors = [f"d{i}" for i in np.arange(len(true_n)) // 100]
    good_n, bad_n = answers(true_n, 0.8, 0), answers(true_n, 0.4, 1)
    by_cell, by_donor = gain(true_n, good_n, bad_n), gain(true_n, good_n, bad_n, donors=donors)
    assert by_donor.unit == "donor"
    assert by_donor.value == by_cell.value
    assert by_donor.p >= 0.2  # three donors that all gain: one of four ways to deal the signs
    assert "95 % interval over 3 donors" in str(by_donor)


def test_a_gain_does_not_depend_on_the_order_of_the_cells() -> None:
    true_n = types()
    good_n, bad_n = answers(true_n, 0.8, 0), answers(true_n, 0.4, 1)
    names = [f"c{i}" for i in range(len(true_n))]
    order = np.random.default_rng(1).permutation(len(names))
    found = gain(true_n, good_n, bad_n)
    shuffled = gain(
        true_n[order], good_n[order], bad_n[order], names=[names[i] for i in order]
    )  # fmt: skip
    assert (shuffled.value, shuffled.low, shuffled.high) == pytest.approx(
        (found.value, found.low, found.high)
    )
