"""How well batches are mixed: the scores that scib-metrics 0.5.10 computes by default.

iLISI, BRAS, graph connectivity, PCR comparison and, with scib-metrics alone, kBET (Luecken 2022,
Rautenstrauch and Ohler 2025). Where scib-metrics is installed it computes LISI, silhouettes and
kBET; else the definitions below do, which agree with it. A score is made of values a cell, so that
it has an interval. Shapes: ``n`` cells, ``d`` coordinates, ``k`` neighbours.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from representations import quality

LISI_NEIGHBOURS, KBET_NEIGHBOURS, GRAPH_NEIGHBOURS = 90, 50, 15  # the cell itself among them


def library() -> Any | None:
    """``scib_metrics``, None where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its many dependencies, about one another
            return importlib.import_module("scib_metrics")
    except ImportError:
        return None


def ilisi(x_nd: np.ndarray, batch_n: np.ndarray) -> np.ndarray:
    """LISI over batches (Korsunsky 2019), 0 for one batch around a cell to 1 for all; ``(n,)``."""
    scib, kinds = library(), len(np.unique(batch_n))
    if scib is None:
        lisi_n = quality.lisi(x_nd, batch_n)
    else:
        lisi_n = scib.lisi_knn(_neighbours(x_nd, LISI_NEIGHBOURS), batch_n)
    scaled_n: np.ndarray = (np.asarray(lisi_n, dtype=np.float64) - 1) / max(kinds - 1, 1)
    return scaled_n


def bras(x_nd: np.ndarray, types_n: np.ndarray, batch_n: np.ndarray) -> np.ndarray:
    """1 less the cosine silhouette between the batches of a cell's type, in absolute value.

    nan where a type is of one batch, or each of its cells of another; ``(n,)`` (Rautenstrauch and
    Ohler 2025).
    """
    score_n = np.full(len(x_nd), np.nan)
    for name in np.unique(types_n):
        rows = np.flatnonzero(types_n == name)
        if 1 < len(np.unique(batch_n[rows])) < len(rows):
            score_n[rows] = 1 - np.abs(_silhouette(x_nd[rows], batch_n[rows]))
    return score_n


def connected(x_nd: np.ndarray, types_n: np.ndarray) -> np.ndarray:
    """Whether a cell is in the largest strongly connected part of its type's graph, ``(n,)``."""
    k, n = min(GRAPH_NEIGHBOURS, len(x_nd)) - 1, len(x_nd)
    near_nk = quality.neighbours(x_nd, k)
    graph = sp.csr_matrix((np.ones(n * k), near_nk.ravel(), np.arange(0, n * k + 1, k)), (n, n))
    inside_n = np.zeros(n)
    for name in np.unique(types_n):
        rows = np.flatnonzero(types_n == name)
        part_n = connected_components(graph[rows][:, rows], connection="strong")[1]
        inside_n[rows] = part_n == np.bincount(part_n).argmax()
    return inside_n


def batch_share(x_nd: np.ndarray, batch_n: np.ndarray, weight_n: np.ndarray) -> float:
    """Share of the variance that lies between batches.

    Principal component regression over all components (Buettner 2019), which no rotation changes.
    """
    x_nd = np.asarray(x_nd, dtype=np.float64)
    x_nd = x_nd - x_nd.mean(axis=0)
    weight_bn = (batch_n == np.unique(batch_n)[:, None]) * weight_n
    sum_bd, size_b = weight_bn @ x_nd, weight_bn.sum(axis=1)
    middle = float((sum_bd.sum(axis=0) ** 2).sum() / weight_n.sum())
    total = float(weight_n @ np.einsum("nd,nd->n", x_nd, x_nd)) - middle
    between = float(((sum_bd**2).sum(axis=1) / size_b).sum()) - middle
    return between / total if total > 0 else 0.0


def pcr_comparison(
    before_ng: np.ndarray, after_nd: np.ndarray, batch_n: np.ndarray, weight_n: np.ndarray
) -> float:
    """Share of what batches explain of the expression that they no longer explain, at least 0."""
    before = batch_share(before_ng, batch_n, weight_n)
    after = batch_share(after_nd, batch_n, weight_n)
    return max(0.0, (before - after) / before) if before > 0 else 0.0


def kbet(x_nd: np.ndarray, types_n: np.ndarray, batch_n: np.ndarray) -> np.ndarray | None:
    """Acceptance rate of each type it can be computed for; None without scib-metrics."""
    scib = library()
    if scib is None:
        return None
    near = _neighbours(x_nd, KBET_NEIGHBOURS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of eigenvalues and chunks: not ours to mend
        _, table = scib.kbet_per_label(near, batch_n, types_n, return_df=True)
    rate_t: np.ndarray = table["kBET"].to_numpy(dtype=np.float64)
    known_t: np.ndarray = rate_t[np.isfinite(rate_t)]
    return known_t


def _silhouette(x_nd: np.ndarray, batch_n: np.ndarray) -> np.ndarray:
    """Cosine silhouette, the distance to others being the mean over all cells of other batches."""
    scib = library()
    if scib is not None:
        options = {"metric": "cosine", "between_cluster_distances": "mean_other"}
        return np.asarray(scib.utils.silhouette_samples(x_nd, batch_n, **options))
    length_n = np.linalg.norm(x_nd, axis=1, keepdims=True)
    unit_nd = x_nd / np.where(length_n > 0, length_n, 1.0)
    distance_nn = cdist(unit_nd, unit_nd, "sqeuclidean") / 2
    same_nn = batch_n[:, None] == batch_n[None]
    own_n, other_n = same_nn.sum(axis=1) - 1, (~same_nn).sum(axis=1)
    near_n = (distance_nn * same_nn).sum(axis=1) / np.maximum(own_n, 1)
    far_n = (distance_nn * ~same_nn).sum(axis=1) / other_n
    worst_n = np.maximum(near_n, far_n)
    found_n = (far_n - near_n) / np.where(worst_n > 0, worst_n, 1.0)
    return np.where(own_n > 0, found_n, 0.0)  # a batch of one cell has no silhouette


def _neighbours(x_nd: np.ndarray, k: int) -> Any:
    """Exact neighbours as scib-metrics takes them, each cell first among its own."""
    kind = importlib.import_module("scib_metrics.nearest_neighbors").NeighborsResults
    k = min(k, len(x_nd)) - 1
    distance_nk, near_nk = NearestNeighbors(n_neighbors=k).fit(x_nd).kneighbors()
    itself_n1 = np.arange(len(x_nd))[:, None]
    return kind(
        indices=np.hstack([itself_n1, near_nk]),
        distances=np.hstack([np.zeros((len(x_nd), 1)), distance_nk]),
    )
