"""Retrieval scores: oracle, ties, both directions, symmetry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clip_align.retrieval import concatenate, pair_scores, top_label_shares

# few distinct values, so that ties are common
matrices = st.integers(2, 9).flatmap(
    lambda n: arrays(np.float32, (n, n), elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0]))
)


def naive(sim):
    """Loops over every query, direction and tie, straight from the definitions."""
    n = len(sim)
    out = {name: np.zeros(n) for name in ("pair", "recall1", "recall3", "reciprocal", "rank")}
    for matrix in (sim, sim.T):
        for i in range(n):
            others = [matrix[i, j] for j in range(n) if j != i]
            out["pair"][i] += np.mean(
                [(matrix[i, i] > x) + 0.5 * (matrix[i, i] == x) for x in others]
            )
            above, level = (
                sum(x > matrix[i, i] for x in others),
                sum(x == matrix[i, i] for x in others),
            )
            ranks = range(above + 1, above + level + 2)
            out["rank"][i] += np.mean(ranks)
            out["reciprocal"][i] += np.mean([1 / rank for rank in ranks])
            out["recall1"][i] += np.mean([rank <= 1 for rank in ranks])
            out["recall3"][i] += np.mean([rank <= 3 for rank in ranks])
    return {name: total / 2 for name, total in out.items()}


@given(matrices)
def test_agrees_with_loops(sim):
    scores, expected = pair_scores(sim), naive(sim)
    np.testing.assert_allclose(scores.pair_accuracy_n, expected["pair"])
    np.testing.assert_allclose(scores.rank_n, expected["rank"])
    np.testing.assert_allclose(scores.reciprocal_rank_n, expected["reciprocal"])
    np.testing.assert_allclose(scores.recall_n(1), expected["recall1"])
    np.testing.assert_allclose(scores.recall_n(3), expected["recall3"])


def test_both_directions_of_an_asymmetric_matrix_count():
    # one marker profile attracts every cell: cells do badly, marker profiles do well
    sim = np.eye(4) * 0.5
    sim[:, 0] = 1.0
    scores = pair_scores(sim)
    forward = scores.cell_to_marker.pair_accuracy_n.mean()
    backward = scores.marker_to_cell.pair_accuracy_n.mean()
    assert forward == pytest.approx((1 + 3 * 2 / 3) / 4)
    assert backward == pytest.approx((0.5 + 3) / 4)
    assert scores.pair_accuracy_n.mean() == pytest.approx((forward + backward) / 2)


@given(matrices)
def test_transposing_swaps_the_directions(sim):
    a, b = pair_scores(sim), pair_scores(sim.T)
    np.testing.assert_array_equal(a.cell_to_marker.rank_n, b.marker_to_cell.rank_n)
    np.testing.assert_allclose(a.pair_accuracy_n, b.pair_accuracy_n)


@given(matrices, st.integers(0, 2**32 - 1))
def test_reordering_pairs_reorders_scores(sim, seed):
    order = np.random.default_rng(seed).permutation(len(sim))
    np.testing.assert_allclose(
        pair_scores(sim[np.ix_(order, order)]).pair_accuracy_n,
        pair_scores(sim).pair_accuracy_n[order],
    )


@pytest.mark.parametrize("n", [2, 7, 1_100])
def test_a_constant_matrix_scores_exactly_chance(n):
    scores = pair_scores(np.zeros((n, n), np.float32))
    np.testing.assert_allclose(scores.pair_accuracy_n, 0.5)
    np.testing.assert_allclose(scores.recall_n(5), min(1, 5 / n))
    np.testing.assert_allclose(scores.reciprocal_rank_n, np.sum(1 / np.arange(1, n + 1)) / n)
    np.testing.assert_allclose(scores.rank_n, (n + 1) / 2)


def test_oracle_is_perfect_and_its_opposite_is_the_worst():
    scores = pair_scores(np.eye(30))
    assert (scores.pair_accuracy_n == 1).all()
    assert (scores.recall_n(1) == 1).all()
    assert (scores.rank_n == 1).all()
    worst = pair_scores(-np.eye(30))
    assert (worst.pair_accuracy_n == 0).all()
    assert (worst.rank_n == 30).all()


def test_random_and_shuffled_embeddings_are_at_chance():
    rng = np.random.default_rng(0)
    n = 1_500
    cell, marker = rng.standard_normal((2, n, 16))
    # the standard error is below 1 / sqrt(12 n): five of them
    bound = 5 / np.sqrt(12 * n)
    assert abs(pair_scores(cell @ marker.T).pair_accuracy_n.mean() - 0.5) < bound
    aligned = cell @ (cell + 0.1 * marker).T
    assert pair_scores(aligned).pair_accuracy_n.mean() > 0.99
    shuffled = aligned[:, rng.permutation(n)]
    assert abs(pair_scores(shuffled).pair_accuracy_n.mean() - 0.5) < bound


def test_chunks_do_not_show(monkeypatch):
    sim = np.random.default_rng(1).integers(0, 9, (23, 23)).astype(float)
    codes = np.arange(23) % 4
    whole = pair_scores(sim).rank_n, top_label_shares(sim, codes, 4)
    monkeypatch.setattr("clip_align.retrieval.CHUNK_ROWS", 5)
    np.testing.assert_array_equal(pair_scores(sim).rank_n, whole[0])
    np.testing.assert_allclose(top_label_shares(sim, codes, 4), whole[1])


def test_concatenated_pools_keep_their_sizes():
    scores = concatenate([pair_scores(np.eye(3)), pair_scores(np.zeros((5, 5)))])
    assert scores.pool_n.tolist() == [3] * 3 + [5] * 5
    np.testing.assert_allclose(scores.recall_n(1), [1] * 3 + [0.2] * 5)


def test_tied_top_partners_share_the_vote():
    sim = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    shares = top_label_shares(sim, np.array([0, 1, 1]), 2)
    # cell 0 ties between labels 0 and 1; marker 0 picks cell 0
    np.testing.assert_allclose(shares[0], [0.75, 0.25])
    # cell 1 picks marker 2 (label 1); marker 1 picks cell 0 (label 0)
    np.testing.assert_allclose(shares[1], [0.5, 0.5])
    np.testing.assert_allclose(shares.sum(axis=1), 1)


@pytest.mark.parametrize(
    "sim", [np.zeros((3, 4)), np.zeros((1, 1)), np.zeros(4), np.array([[1.0, np.nan], [0.0, 1.0]])]
)
def test_what_cannot_be_ranked_is_refused(sim):
    with pytest.raises(ValueError, match="similarity"):
        pair_scores(sim)
