"""F1 of resampled cells: scikit-learn's, weight by weight."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from clip_align.scimilarity.weighted_f1 import confusions, f1_of, macro_f1_of

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
    plain = macro_f1_of(confusions(true_n, found_n, np.ones((1, n)), N_TYPES))
    np.testing.assert_allclose(plain, f1_score(true_n, found_n, average="macro"), atol=1e-12)
