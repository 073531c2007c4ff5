"""Figures of quality: oracles and known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness
from sklearn.metrics import f1_score

from representations import combine, judged, quality
from representations.base import Coordinates
from representations.held import Held


@given(seed=st.integers(0, 1000), k=st.integers(1, 12))
@settings(max_examples=15, deadline=None)
def test_trustworthiness_is_that_of_sklearn(seed, k):
    rng = np.random.default_rng(seed)
    x_ng, x_nd = rng.normal(size=(50, 6)), rng.normal(size=(50, 2))
    expected = trustworthiness(x_ng, x_nd, n_neighbors=k)
    assert quality.trustworthiness(x_nd, x_ng, k).mean() == pytest.approx(expected)


def test_a_space_is_true_to_itself():
    x_nd = np.random.default_rng(0).normal(size=(60, 4))
    assert (quality.trustworthiness(x_nd, 3 * x_nd + 1, 9) == 1).all()
    near = quality.neighbours(x_nd, 9)
    assert (quality.recall(near, near) == 1).all()
    assert not (near == np.arange(60)[:, None]).any()
    with pytest.raises(ValueError, match="k=30 for 60 cells"):
        quality.trustworthiness(x_nd, x_nd, 30)


def test_effective_rank_known_answers():
    rng = np.random.default_rng(0)
    assert quality.effective_rank(rng.normal(size=(5000, 7))) == pytest.approx(7, abs=0.02)
    line = np.outer(rng.normal(size=50), [1, 2, 3])
    assert quality.effective_rank(line) == pytest.approx(1, abs=1e-6)
    assert quality.effective_rank(np.ones((9, 3))) == 1
    x_nd = rng.normal(size=(40, 3))
    twice = quality.effective_rank(np.r_[x_nd, x_nd[:10]])
    weighed = quality.effective_rank(x_nd, np.r_[np.full(10, 2.0), np.ones(30)])
    assert weighed == pytest.approx(twice)


def test_lisi_counts_batches_that_are_mixed():
    rng = np.random.default_rng(0)
    x_nd, batch = rng.normal(size=(900, 2)), np.tile(["x", "y", "z"], 300)
    assert 2.5 < quality.lisi(x_nd, batch).mean() < 3  # 30 neighbours do not see exact thirds
    apart = x_nd + 100 * (batch == "x")[:, None] + 500 * (batch == "y")[:, None]
    np.testing.assert_allclose(quality.lisi(apart, batch), 1.0)


def test_gaussian_weights_have_the_perplexity():
    distance = np.sort(np.random.default_rng(0).gamma(2, size=(20, 90)), axis=1)
    weight = quality.gaussian_weights(distance, 30.0)
    np.testing.assert_allclose(weight.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(-(weight * np.log(weight)).sum(axis=1)), 30.0, rtol=1e-6)


def test_procrustes_knows_rotation_and_nothing():
    rng = np.random.default_rng(0)
    x_nd = rng.normal(size=(400, 4))
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    assert quality.procrustes_fit(x_nd, -3 * x_nd @ turn + 5) == pytest.approx(1)
    assert quality.procrustes_fit(x_nd, rng.normal(size=(400, 4))) < 0.1
    assert quality.procrustes_fit(x_nd[:, :2], x_nd) < 1
    assert quality.procrustes_fit(x_nd, np.ones((400, 4))) == 0


def test_chance_is_what_dealing_anew_scores():
    rng = np.random.default_rng(0)
    x_nd, x_ng = rng.normal(size=(300, 5)), rng.normal(size=(300, 20))
    found = quality.trustworthiness(x_nd, x_ng, 15).mean()
    assert found == pytest.approx(quality.chance_trustworthiness(300, 15), abs=0.02)
    types_n = rng.choice(list("aabc"), 300)
    placed = Coordinates(x_nd=x_nd, reached_n=np.ones(300, dtype=bool))
    held = Held(placed=placed, expression_ng=x_ng, types_n=types_n, batch_n=types_n)
    for name, figure in judged.figures(held, k=15, folds=3, seed=0).items():
        if figure.chance is not None:
            value = figure.combine(figure.values_n, np.ones(len(figure.values_n)))
            assert value == pytest.approx(figure.chance, abs=0.07), name


def test_macro_f1_is_that_of_sklearn():
    rng = np.random.default_rng(0)
    both_n, weight_n = rng.integers(5, size=(60, 2)), rng.exponential(size=60)
    both_n[both_n[:, 0] == 3, 0] = 2  # a label that is only said
    expected = f1_score(*both_n.T, average="macro", sample_weight=weight_n, zero_division=0)
    assert combine.macro_f1(both_n, weight_n) == pytest.approx(expected)


def test_a_weighted_median_is_that_of_repeated_values():
    values_n, weight_n = np.array([3.0, 1.0, 2.0, 9.0]), np.array([1.0, 2.0, 1.0, 4.0])
    expected = np.median(np.repeat(values_n, weight_n.astype(int)))
    assert combine.median(values_n, weight_n) == expected


def held_out(types_n, *, batch_n=None, n: int = 90) -> Held:
    """Three clouds apart, a type each."""
    rng = np.random.default_rng(0)
    x_nd = rng.normal(size=(n, 4)) + 9 * np.eye(4)[np.arange(n) % 3]
    placed = Coordinates(x_nd=x_nd, reached_n=np.arange(n) != 7)
    return Held(
        placed=placed, expression_ng=x_nd, types_n=types_n, batch_n=batch_n,
        siblings=[(frozenset("a"), frozenset("b"), "a|b")],
    )  # fmt: skip


@pytest.mark.parametrize("nothing", [np.nan, None, pd.NA])
def test_cells_without_a_type_are_no_type_and_judge_none(nothing):
    """They are among no neighbours either: the labelled cells alone have the same figures."""
    types_n = np.array(list("abc") * 30, dtype=object)
    batch_n = np.array(list("xxyyy") * 18, dtype=object)
    types_n[::4] = nothing
    whole = held_out(types_n, batch_n=batch_n)
    known_n = ~pd.isna(types_n)
    alone = replace(
        whole, types_n=types_n[known_n], batch_n=batch_n[known_n],
        expression_ng=whole.expression_ng[known_n],
        placed=Coordinates(
            x_nd=whole.placed.x_nd[known_n], reached_n=whole.placed.reached_n[known_n]
        ),
    )  # fmt: skip
    found, expected = (judged.figures(held, k=5, folds=3, seed=0) for held in (whole, alone))
    assert found.keys() == expected.keys()
    typed = {"purity", "probe_macro_f1", "purity[a|b]", "bras", "graph_connectivity"}
    assert {m for m in found if m.startswith("purity_of")} == {f"purity_of[{t}]" for t in "abc"}
    for name in (*(typed - {"bras"}), "purity_of[a]"):
        np.testing.assert_array_equal(found[name].values_n, expected[name].values_n)
        assert found[name].chance == expected[name].chance
    reached = np.flatnonzero(whole.placed.reached_n)
    for name in typed:
        assert known_n[reached[found[name].rows]].all()
    assert len(found["neighbour_recall"].values_n) == 89  # of all cells, as before


def test_a_cell_without_a_batch_is_of_no_batch():
    batch_n = np.array(list("xxyyy") * 18, dtype=object)
    batch_n[::4] = np.nan
    found = judged.figures(held_out(None, batch_n=batch_n), k=5, folds=3, seed=0)
    known = int((~pd.isna(batch_n)).sum()) - 1  # less one out of reach, which has a batch
    assert len(found["ilisi"].values_n) == len(found["pcr_comparison"].values_n) == known
