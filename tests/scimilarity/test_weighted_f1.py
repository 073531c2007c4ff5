"""F1 of resampled cells: scikit-learn's, weight by weight; a gain is paired."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from clip_align.scimilarity.weighted_f1 import confusions, f1_of, macro_f1_gain

N_TYPES = 5


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40))
def test_f1_is_that_of_scikit_learn_for_any_weights(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    true_n, found_n = rng.integers(N_TYPES, size=(2, n))
    weights_bn = rng.exponential(size=(3, n))
    f1_bt = f1_of(confusions(true_n, found_n, weights_bn, N_TYPES))
    there = np.union1d(true_n, found_n)
    assert np.isnan(np.delete(f1_bt, there, axis=1)).all()
    for f1_t, weight_n in zip(f1_bt, weights_bn, strict=True):
        expected = f1_score(true_n, found_n, labels=there, average=None, sample_weight=weight_n)
        np.testing.assert_allclose(f1_t[there], expected, atol=1e-12)


def drawn(n: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Types, answers that are right four times in five, and twice in five; names of the cells."""
    rng = np.random.default_rng(0)
    true_n = np.arange(n) % N_TYPES
    good_n, bad_n = (
        np.where(rng.random(n) < share, true_n, rng.integers(N_TYPES, size=n))
        for share in (0.8, 0.4)
    )
    return true_n, good_n, bad_n, [f"c{i}" for i in range(n)]


def test_a_gain_is_the_difference_with_an_interval_around_it() -> None:
    true_n, good_n, bad_n, names = drawn()
    gain, low, high = macro_f1_gain(true_n, good_n, bad_n, names, N_TYPES)
    one, other = (f1_score(true_n, found_n, average="macro") for found_n in (good_n, bad_n))
    assert gain == pytest.approx(one - other, abs=1e-12)
    assert 0 < low < gain < high
    lost = macro_f1_gain(true_n, bad_n, good_n, names, N_TYPES)
    assert lost == pytest.approx((-gain, -high, -low), abs=1e-12)


def test_what_answers_alike_gains_nothing() -> None:
    true_n, good_n, _, names = drawn()
    assert macro_f1_gain(true_n, good_n, good_n.copy(), names, N_TYPES) == (0.0, 0.0, 0.0)


def test_a_gain_does_not_depend_on_the_order_of_the_cells() -> None:
    true_n, good_n, bad_n, names = drawn()
    order = np.random.default_rng(1).permutation(len(names))
    shuffled = macro_f1_gain(
        true_n[order], good_n[order], bad_n[order], [names[i] for i in order], N_TYPES
    )
    assert shuffled == pytest.approx(macro_f1_gain(true_n, good_n, bad_n, names, N_TYPES))
