"""What a representation keeps and loses: figures a cell each, so that every mean has an interval.

Shapes: ``n`` cells, ``d`` coordinates, ``g`` columns of the expression space, ``k`` neighbours.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PERPLEXITY = 30.0
SEARCH_STEPS = 50


def neighbours(x_nd: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` nearest other cells, nearest first, ``(n, k)``."""
    found = NearestNeighbors(n_neighbors=k).fit(x_nd).kneighbors(return_distance=False)
    return np.asarray(found, dtype=np.int64)


def purity(near_nk: np.ndarray, labels_n: np.ndarray) -> np.ndarray:
    """Share of a cell's neighbours that carry its label, ``(n,)``."""
    share_n: np.ndarray = (labels_n[near_nk] == labels_n[:, None]).mean(axis=1)
    return share_n


def recall(near_nk: np.ndarray, true_nk: np.ndarray) -> np.ndarray:
    """Share of the true neighbours that are among those found, ``(n,)``."""
    pairs = zip(true_nk, near_nk, strict=True)
    return np.array([np.isin(true, found).mean() for true, found in pairs])


def trustworthiness(x_nd: np.ndarray, expression_ng: np.ndarray, k: int) -> np.ndarray:
    """How far intruders among a cell's neighbours are from being true ones, ``(n,)``; 1 is best.

    The mean is that of Venna and Kaski (2001), as ``sklearn.manifold.trustworthiness`` has it, if
    ``k`` is less than half of the cells. Holds ``n`` squared distances.
    """
    n = len(x_nd)
    if not 0 < k < n / 2:
        raise ValueError(f"k={k} for {n} cells: give 1 to {max((n - 1) // 2, 1)}")
    distance_nn = cdist(expression_ng, expression_ng)
    np.fill_diagonal(distance_nn, -1.0)
    rank_nn = np.empty((n, n), dtype=np.int64)
    np.put_along_axis(rank_nn, distance_nn.argsort(axis=1, kind="stable"), np.arange(n), axis=1)
    beyond_nk = np.take_along_axis(rank_nn, neighbours(x_nd, k), axis=1) - k
    worst = k * (2 * n - 3 * k - 1) / 2
    score_n: np.ndarray = 1.0 - np.maximum(beyond_nk, 0).sum(axis=1) / worst
    return score_n


def chance_trustworthiness(n: int, k: int) -> float:
    """What neighbours drawn at random score."""
    beyond = (n - 1 - k) * (n - k) / (2 * (n - 1))
    return 1.0 - beyond * 2 / (2 * n - 3 * k - 1)


def effective_rank(x_nd: np.ndarray, weight_n: np.ndarray | None = None) -> float:
    """Exponential of the entropy of the variance shares (Roy and Vetterli 2007), 1 to ``d``."""
    x_nd = np.asarray(x_nd, dtype=np.float64)
    weight_n = np.ones(len(x_nd)) if weight_n is None else weight_n
    centred_nd = (x_nd - np.average(x_nd, axis=0, weights=weight_n)) * np.sqrt(weight_n)[:, None]
    power_d = np.linalg.svd(centred_nd, compute_uv=False) ** 2
    share_d = power_d[power_d > 0] / power_d.sum() if power_d.sum() > 0 else np.ones(1)
    return float(np.exp(-(share_d * np.log(share_d)).sum()))


def linear_probe(x_nd: np.ndarray, labels_n: np.ndarray, *, folds: int, seed: int) -> np.ndarray:
    """Label of every cell by logistic regression on the others' folds, ``(n,)``.

    Labels with fewer cells than folds cannot be in every fold: leave them out before.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return np.asarray(cross_val_predict(model, x_nd, labels_n, cv=split))


def lisi(x_nd: np.ndarray, labels_n: np.ndarray) -> np.ndarray:
    """Effective number of labels around each cell (Korsunsky 2019), ``(n,)``, from 1.

    Neighbours weigh by a Gaussian of perplexity 30 (fewer where cells are few) among three times as
    many, the cell itself counted but without weight, as in scib-metrics; over batches, more is
    better mixed.
    """
    k = min(int(3 * PERPLEXITY), len(x_nd))
    distance_nk, near_nk = NearestNeighbors(n_neighbors=k - 1).fit(x_nd).kneighbors()
    weight_nk = gaussian_weights(distance_nk, float(k // 3))
    codes_n = np.unique(labels_n, return_inverse=True)[1]
    share_nb = np.stack(
        [(weight_nk * (codes_n[near_nk] == b)).sum(axis=1) for b in range(codes_n.max() + 1)],
        axis=1,
    )
    effective_n: np.ndarray = 1.0 / (share_nb**2).sum(axis=1)
    return effective_n


def gaussian_weights(distance_nk: np.ndarray, perplexity: float) -> np.ndarray:
    """Weights that sum to 1 and whose entropy is ``log(perplexity)``, by bisection, ``(n, k)``."""
    excess_nk = distance_nk - distance_nk.min(axis=1, keepdims=True)
    n, k = excess_nk.shape
    weight_nk: np.ndarray = np.full((n, k), 1.0 / k)
    low_n, high_n, beta_n = np.zeros(n), np.full(n, np.inf), np.ones(n)
    for _ in range(SEARCH_STEPS):
        weight_nk = np.exp(-excess_nk * beta_n[:, None])
        weight_nk /= weight_nk.sum(axis=1, keepdims=True)
        entropy_n = -(weight_nk * np.log(np.maximum(weight_nk, 1e-300))).sum(axis=1)
        too_wide_n = entropy_n > np.log(perplexity)
        low_n = np.where(too_wide_n, beta_n, low_n)
        high_n = np.where(too_wide_n, high_n, beta_n)
        with np.errstate(invalid="ignore"):
            middle_n = (low_n + high_n) / 2
        beta_n = np.where(np.isinf(high_n), beta_n * 2, middle_n)
    return weight_nk


def procrustes_fit(
    x_nd: np.ndarray, other_nd: np.ndarray, weight_n: np.ndarray | None = None
) -> float:
    """Share of variance of ``x_nd`` that the best rotation and scale of ``other_nd`` explains.

    Orthogonal Procrustes (Schoenemann 1966) after centring; 1 where they agree up to shift,
    rotation, mirror and scale. The narrower one is padded with zeros.
    """
    wide = max(x_nd.shape[1], other_nd.shape[1])
    weight_n = np.ones(len(x_nd)) if weight_n is None else weight_n
    a_nd, b_nd = (
        np.pad(
            (x - np.average(x, axis=0, weights=weight_n)) * np.sqrt(weight_n)[:, None],
            ((0, 0), (0, wide - x.shape[1])),
        )
        for x in (np.asarray(x_nd, np.float64), np.asarray(other_nd, np.float64))
    )
    size = np.linalg.norm(a_nd) * np.linalg.norm(b_nd)
    if size == 0:
        return 0.0
    return float((np.linalg.svd(a_nd.T @ b_nd, compute_uv=False).sum() / size) ** 2)
