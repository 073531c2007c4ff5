"""How well true partners are found in one pool, per cell and in both directions.

n: pairs of the pool. ``sim_nn[i, j]`` is the similarity of cell i with marker profile j; the
diagonal holds the true pairs. Everything follows from two counts a query: how many other
candidates beat the true partner, and how many tie with it. Ties are scored by their expectation
under random tie-breaking, so a constant matrix scores exactly chance on every figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CHUNK_ROWS = 512


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Queries of one direction: candidates above and level with the true partner, and pool size."""

    greater_n: Ints
    ties_n: Ints
    pool_n: Ints

    @property
    def rank_n(self) -> Floats:
        """Expected rank of the true partner, from 1 (best) to the pool size."""
        return 1.0 + self.greater_n + self.ties_n / 2

    @property
    def pair_accuracy_n(self) -> Floats:
        """Share of the other candidates that the true partner beats; a tie counts one half."""
        return 1.0 - (self.greater_n + self.ties_n / 2) / (self.pool_n - 1)

    @property
    def reciprocal_rank_n(self) -> Floats:
        """Expected reciprocal of the rank."""
        last_n = self.greater_n + self.ties_n + 1
        harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, last_n.max() + 1))])
        mean_n: Floats = (harmonic[last_n] - harmonic[self.greater_n]) / (self.ties_n + 1)
        return mean_n

    def recall_n(self, k: int) -> Floats:
        """Probability that the true partner is among the first ``k``."""
        hits_n: Floats = np.clip(k - self.greater_n, 0, self.ties_n + 1) / (self.ties_n + 1)
        return hits_n

    def take(self, rows: Ints) -> Ranks:
        """Some of the queries."""
        return Ranks(
            greater_n=self.greater_n[rows], ties_n=self.ties_n[rows], pool_n=self.pool_n[rows]
        )


@dataclass(frozen=True, kw_only=True)
class RetrievalScores:
    """Per-cell scores of one or more pools; averages are over the two directions."""

    cell_to_marker: Ranks
    marker_to_cell: Ranks

    @property
    def pool_n(self) -> Ints:
        """Size of the pool that each cell was searched in."""
        return self.cell_to_marker.pool_n

    @property
    def pair_accuracy_n(self) -> Floats:
        """Share of wrong partners beaten by the true one (1 - FOSCTTM), chance 0.5."""
        return (self.cell_to_marker.pair_accuracy_n + self.marker_to_cell.pair_accuracy_n) / 2

    @property
    def reciprocal_rank_n(self) -> Floats:
        """Reciprocal rank."""
        return (self.cell_to_marker.reciprocal_rank_n + self.marker_to_cell.reciprocal_rank_n) / 2

    @property
    def rank_n(self) -> Floats:
        """Rank."""
        return (self.cell_to_marker.rank_n + self.marker_to_cell.rank_n) / 2

    def recall_n(self, k: int) -> Floats:
        """Recall at ``k``."""
        return (self.cell_to_marker.recall_n(k) + self.marker_to_cell.recall_n(k)) / 2

    def take(self, rows: Ints) -> RetrievalScores:
        """Some of the cells, as they were scored in their whole pools."""
        return RetrievalScores(
            cell_to_marker=self.cell_to_marker.take(rows),
            marker_to_cell=self.marker_to_cell.take(rows),
        )


def pair_scores(sim_nn: NDArray[np.floating]) -> RetrievalScores:
    """Score every pair of one pool in both directions.

    Pair accuracy is one minus FOSCTTM (Liu et al. 2019, doi:10.4230/LIPIcs.WABI.2019.10), here
    with both directions counted: on an asymmetric matrix they differ.

    Parameters
    ----------
    sim_nn
        Finite similarities of shape (n, n), n >= 2, true pairs on the diagonal. Comparisons are
        exact in the dtype given. Beside the matrix it takes ``CHUNK_ROWS * n`` bytes.

    Raises
    ------
    ValueError
        If the matrix is not square, has fewer than two pairs, or is not finite.
    """
    check_similarity(sim_nn)
    return RetrievalScores(cell_to_marker=_ranks(sim_nn), marker_to_cell=_ranks(sim_nn.T))


def concatenate(scores: Sequence[RetrievalScores]) -> RetrievalScores:
    """Scores of several pools, one after the other."""

    def joined(parts: Sequence[Ranks]) -> Ranks:
        return Ranks(
            greater_n=np.concatenate([part.greater_n for part in parts]),
            ties_n=np.concatenate([part.ties_n for part in parts]),
            pool_n=np.concatenate([part.pool_n for part in parts]),
        )

    return RetrievalScores(
        cell_to_marker=joined([score.cell_to_marker for score in scores]),
        marker_to_cell=joined([score.marker_to_cell for score in scores]),
    )


def top_label_shares(sim_nn: NDArray[np.floating], codes_n: Ints, n_labels: int) -> Floats:
    """Label of the rank-1 partner as shares (n, n_labels), averaged over both directions.

    Tied top partners share the vote equally. ``codes_n`` holds the label of pair i, in
    ``range(n_labels)``; the own-label column is type match, a sibling's column its confusion.
    """
    check_similarity(sim_nn)
    onehot_nt = np.eye(n_labels)[codes_n]
    return (_top_shares(sim_nn, onehot_nt) + _top_shares(sim_nn.T, onehot_nt)) / 2


def check_similarity(sim_nn: NDArray[np.floating]) -> None:
    """Refuse what cannot be ranked: not square, fewer than two pairs, or not finite."""
    if sim_nn.ndim != 2 or sim_nn.shape[0] != sim_nn.shape[1] or len(sim_nn) < 2:
        raise ValueError(f"similarity of shape {sim_nn.shape}: expected (n, n) with n >= 2")
    if not np.isfinite(sim_nn).all():
        raise ValueError("similarity holds NaN or inf: a rank over it means nothing")


def _ranks(sim_nn: NDArray[np.floating]) -> Ranks:
    n = len(sim_nn)
    true_n = np.diagonal(sim_nn)
    greater_n, ties_n = np.empty(n, np.int64), np.empty(n, np.int64)
    for start in range(0, n, CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        greater_n[rows] = np.count_nonzero(sim_nn[rows] > true_n[rows, None], axis=1)
        ties_n[rows] = np.count_nonzero(sim_nn[rows] == true_n[rows, None], axis=1) - 1
    return Ranks(greater_n=greater_n, ties_n=ties_n, pool_n=np.full(n, n))


def _top_shares(sim_nn: NDArray[np.floating], onehot_nt: Floats) -> Floats:
    shares_nt = np.empty_like(onehot_nt)
    for start in range(0, len(sim_nn), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        top_cn = sim_nn[rows] == sim_nn[rows].max(axis=1, keepdims=True)
        shares_nt[rows] = (top_cn @ onehot_nt) / top_cn.sum(axis=1, keepdims=True)
    return shares_nt
