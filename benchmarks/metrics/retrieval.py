"""True partners and types at rank 1, over fixed pools, both directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.base import Metric, register
from benchmarks.pools import Pools
from benchmarks.resample import weighted_mean, weighted_median
from clip_align.retrieval import RetrievalScores, concatenate, pair_scores, top_label_shares

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Per-cell evidence over all pools. ``cells`` are the rows judged, in this order.

    ``top_nt`` is the share of rank-1 partners that carry label t, ``mix_nt`` the share of the pool
    that does.
    """

    cells: Ints
    scores: RetrievalScores
    labels: tuple[str, ...]
    codes_n: Ints
    top_nt: Floats
    mix_nt: Floats


def retrieve(
    similarity: Callable[[Ints], NDArray[np.floating]],
    pools: Pools,
    labels_n: Sequence[str],
) -> Retrieval:
    """Judge every pool.

    Parameters
    ----------
    similarity
        Maps the rows of a pool to its (k, k) similarities, true pairs on the diagonal.
    pools
        Pools over the rows 0..n-1.
    labels_n
        Cell type of every row.
    """
    labels, codes_n = np.unique(np.asarray(labels_n, dtype=str), return_inverse=True)
    scores, top, mix = [], [], []
    for rows in pools.indexes:
        sim_nn = similarity(rows)
        scores.append(pair_scores(sim_nn))
        top.append(top_label_shares(sim_nn, codes_n[rows], len(labels)))
        share_t = np.bincount(codes_n[rows], minlength=len(labels)) / len(rows)
        mix.append(np.broadcast_to(share_t, top[-1].shape))
    return Retrieval(
        cells=pools.cells,
        scores=concatenate(scores),
        labels=tuple(labels.tolist()),
        codes_n=codes_n[pools.cells],
        top_nt=np.concatenate(top),
        mix_nt=np.concatenate(mix),
    )


def taken(evidence: Retrieval, rows: Ints) -> Retrieval:
    """The evidence of some of the cells; each was searched for in its whole pool."""
    return replace(
        evidence, cells=evidence.cells[rows], scores=evidence.scores.take(rows),
        codes_n=evidence.codes_n[rows], top_nt=evidence.top_nt[rows], mix_nt=evidence.mix_nt[rows],
    )  # fmt: skip


def population(evidence: Retrieval) -> tuple[int, int | None]:
    """Queries and pool size."""
    return len(evidence.cells), int(evidence.scores.pool_n.max())


def _metric(
    name: str,
    values: Callable[[Retrieval, Floats], Floats],
    chance: Callable[[Retrieval], float],
    *,
    higher_is_better: bool = True,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Metric[Retrieval]:
    return Metric(
        name=name,
        family="retrieval",
        higher_is_better=higher_is_better,
        bounds=bounds,
        values=values,
        chance=chance,
        population=population,
    )


def _pair_accuracy(evidence: Retrieval, weights_bn: Floats) -> Floats:
    return weighted_mean(evidence.scores.pair_accuracy_n, weights_bn)


def _foscttm(evidence: Retrieval, weights_bn: Floats) -> Floats:
    return 1.0 - _pair_accuracy(evidence, weights_bn)


def _recall(k: int) -> Metric[Retrieval]:
    return _metric(
        f"recall@{k}",
        lambda evidence, weights_bn: weighted_mean(evidence.scores.recall_n(k), weights_bn),
        lambda evidence: float(np.mean(np.minimum(1.0, k / evidence.scores.pool_n))),
    )


def _mrr(evidence: Retrieval, weights_bn: Floats) -> Floats:
    return weighted_mean(evidence.scores.reciprocal_rank_n, weights_bn)


def _mrr_chance(evidence: Retrieval) -> float:
    pool_n = evidence.scores.pool_n
    harmonic = np.cumsum(1.0 / np.arange(1, pool_n.max() + 1))
    return float(np.mean(harmonic[pool_n - 1] / pool_n))


def _median_rank(evidence: Retrieval, weights_bn: Floats) -> Floats:
    ranks = (evidence.scores.cell_to_marker.rank_n, evidence.scores.marker_to_cell.rank_n)
    return weighted_median(np.concatenate(ranks), np.tile(weights_bn, 2))


def _type_match(evidence: Retrieval, weights_bn: Floats) -> Floats:
    return weighted_mean(_own(evidence.top_nt, evidence.codes_n), weights_bn)


def _own(share_nt: Floats, codes_n: Ints) -> Floats:
    return share_nt[np.arange(len(codes_n)), codes_n]


register(
    _metric("pair_accuracy", _pair_accuracy, lambda _: 0.5),
    _metric("foscttm", _foscttm, lambda _: 0.5, higher_is_better=False),
    *(_recall(k) for k in (1, 5, 10)),
    _metric("mrr", _mrr, _mrr_chance),
    _metric(
        "median_rank",
        _median_rank,
        lambda evidence: float(np.median((evidence.scores.pool_n + 1) / 2)),
        higher_is_better=False,
        bounds=(1.0, np.inf),
    ),
    _metric(
        "type_match@1",
        _type_match,
        lambda evidence: float(np.mean(_own(evidence.mix_nt, evidence.codes_n))),
    ),
)
